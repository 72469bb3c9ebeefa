import { describe, test } from "vitest"
import { testInner } from "./support/inner.js"
import { terminateThreads } from "./support/terminations.js"

testInner("startClusterWorker")

describe("worker threads that are terminated in the middle of writing", () => {
  test("hold up nobody, and leave nothing behind", () => terminateThreads(100, {}))

  test("hold up nobody where only threads have caches", () => terminateThreads(30, { mainIsAlone: true }))
})

import { afterEach, describe, test } from "vitest"
import { cleanUp } from "./support/backends.js"
import { killWriters } from "./support/kills.js"

afterEach(cleanUp)

describe("a process that is killed while it writes", () => {
  test("loses nothing that was acknowledged, and leaves nothing behind", () => killWriters(100))
})

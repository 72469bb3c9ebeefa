import { expect, test } from "vitest"
import { testInner } from "./support/inner.js"
import { expectNothingStale, Processes } from "./support/processes.js"

// Workers of node:cluster, and threads that are terminated while they write, are in threads.faults.ts.
testInner("startThread")

test("a thread that opens before its process does shares what it has opened", async () => {
  await using processes = new Processes()
  const main = processes.start({ isAlone: true })
  const inner = await main.call("startThread", { name: "thread", isAlone: false })
  await main.call("through", inner, "ready")
  await main.call("through", inner, "row", 1)
  // Its thread that writes gets the environment that the thread has opened for reading.
  const second = await main.call("startCache", { name: "main", column: 1, isAlone: false })
  await main.call("through", second, "ready")
  await main.call("through", second, "change", 1)
  await main.call("through", inner, "row", 1)
  await main.call("stop", inner)
  await main.call("through", second, "change", 1)
  await main.call("through", second, "row", 1)
  expect(await main.call("through", second, "faults")).toEqual([])
  expectNothingStale(processes.history())
})

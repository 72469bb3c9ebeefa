import { describe, expect, test } from "vitest"
import { terminateThreads } from "./support/terminations.js"
import { expectNothingStale, Processes, readsOfOthers } from "./support/processes.js"

describe.each(["startThread", "startClusterWorker"] as const)("caches of one process: %s", (start) => {
  test("read nothing stale in a storm of changes", async () => {
    await using processes = new Processes()
    const main = processes.start()
    const inner = await Promise.all(
      [1, 2, 3].map((column) => main.call(start, { column, name: `inner${column}`, seed: column })),
    )
    await Promise.all([main.call("ready"), ...inner.map((index) => main.call("through", index, "ready"))])
    const storm = { steps: 300, visitors: 4 }
    await Promise.all([main.call("storm", storm), ...inner.map((index) => main.call("through", index, "storm", storm))])
    const history = processes.history()
    expect(new Set(history.map(({ by }) => by)).size).toBe(4)
    expect(readsOfOthers(history).length).toBeGreaterThan(50)
    expectNothingStale(history)
  })

  test("one that ends leaves the others alone", async () => {
    await using processes = new Processes()
    const main = processes.start()
    const inner = await main.call(start, { column: 1, name: "inner" })
    await Promise.all([main.call("ready"), main.call("through", inner, "ready")])
    const { id } = await main.call("row", 1)
    await main.call("through", inner, "row", 1)
    await main.call("through", inner, "close")
    await main.call("stopAll")
    expect((await main.call("row", 1)).id).toBe(id)
    await main.call("change", 1)
    expect((await main.call("row", 1)).id).not.toBe(id)
    expect(await main.call("faults")).toEqual([])
    expectNothingStale(processes.history())
  })
})

describe("worker threads that are terminated in the middle of writing", () => {
  // Many more are in threads.faults.ts.
  test("hold up nobody, and leave nothing behind", () => terminateThreads(9, {}))

  test("hold up nobody where only threads have caches", () => terminateThreads(4, { mainIsAlone: true }))
})

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

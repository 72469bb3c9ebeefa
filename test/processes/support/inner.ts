import { describe, expect, test } from "vitest"
import { expectNothingStale, Processes, readsOfOthers } from "./processes.js"

/** Several caches in what is one process, or begins as one. */
export function testInner(start: "startThread" | "startClusterWorker"): void {
  describe(`caches of one process: ${start}`, () => {
    test("read nothing stale in a storm of changes", async () => {
      await using processes = new Processes()
      const main = processes.start()
      const inner = await Promise.all(
        [1, 2, 3].map((column) => main.call(start, { column, name: `inner${column}`, seed: column })),
      )
      await Promise.all([main.call("ready"), ...inner.map((index) => main.call("through", index, "ready"))])
      const storm = { steps: 300, visitors: 4 }
      await Promise.all([
        main.call("storm", storm),
        ...inner.map((index) => main.call("through", index, "storm", storm)),
      ])
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
}

import { expect, test } from "vitest"
import { findViolations } from "./history.js"
import { type Child, expectNothingStale, Processes, readsIn, readsOfOthers } from "./processes.js"

/** How much each process does. */
interface Steps {
  /** One process with a cache in memory. */
  readonly alone: number
  /** Each of two whose caches know nothing of each other. */
  readonly untold: number
  /** Each of four that share an environment. */
  readonly together: number
}

export function testStorm(steps: Steps): void {
  test("a process with a cache in memory reads nothing stale in a storm of changes", async () => {
    await using processes = new Processes()
    const child = processes.start({ isAlone: true })
    await child.call("storm", { steps: steps.alone, visitors: 8 })
    const history = processes.history()
    expect(readsIn(history).length).toBeGreaterThan(steps.alone * 0.6)
    // It does cache.
    expect((await child.call("stats")).hits).toBeGreaterThan(steps.alone * 0.15)
    expectNothingStale(history)
  })

  test("caches that nobody tells of others' changes are found out", async () => {
    await using processes = new Processes()
    const children = [0, 1].map((column) => processes.start({ isAlone: true, column }))
    await stormTogether(children, { steps: steps.untold, visitors: 4 })
    expect(findViolations(processes.history()).length).toBeGreaterThan(10)
  })

  test("four processes over one environment read nothing stale in a storm of changes", async () => {
    await using processes = new Processes()
    const children = [0, 1, 2, 3].map((column) => processes.start({ column }))
    await stormTogether(children, { steps: steps.together, visitors: 6 })
    const history = processes.history()
    expect(readsIn(history).length).toBeGreaterThan(steps.together * 2.8)
    // They do share what they load.
    expect(readsOfOthers(history).length).toBeGreaterThan(steps.together * 0.2)
    expectNothingStale(history)
    for (const child of children) {
      expect(await child.call("faults")).toEqual([])
      await child.call("close")
      await child.end()
    }
  })
}

/** None begins before all are there: what one does alone tells nothing about the others. */
async function stormTogether(children: readonly Child[], storm: { steps: number; visitors: number }): Promise<void> {
  await Promise.all(children.map((child) => child.call("ready")))
  await Promise.all(children.map((child) => child.call("storm", storm)))
}

import { expect, test } from "vitest"
import { findViolations } from "./support/history.js"
import { expectNothingStale, Processes, readsIn, readsOfOthers } from "./support/processes.js"

const TIMEOUT_MS = 60_000

test(
  "a process with a cache in memory reads nothing stale in a storm of changes",
  { timeout: TIMEOUT_MS },
  async () => {
    await using processes = new Processes()
    const child = processes.start({ isAlone: true })
    await child.call("storm", { steps: 3000, visitors: 8 })
    const history = processes.history()
    expect(readsIn(history).length).toBeGreaterThan(2000)
    // It does cache.
    expect((await child.call("stats")).hits).toBeGreaterThan(500)
    expectNothingStale(history)
  },
)

test("caches that nobody tells of others' changes are found out", { timeout: TIMEOUT_MS }, async () => {
  await using processes = new Processes()
  const children = [0, 1].map((column) => processes.start({ isAlone: true, column }))
  await Promise.all(children.map((child) => child.call("storm", { steps: 1000, visitors: 4 })))
  expect(findViolations(processes.history()).length).toBeGreaterThan(10)
})

test(
  "four processes over one environment read nothing stale in a storm of changes",
  { timeout: TIMEOUT_MS },
  async () => {
    await using processes = new Processes()
    const children = [0, 1, 2, 3].map((column) => processes.start({ column }))
    await Promise.all(children.map((child) => child.call("storm", { steps: 2500, visitors: 6 })))
    const history = processes.history()
    expect(readsIn(history).length).toBeGreaterThan(7000)
    // They do share what they load.
    expect(readsOfOthers(history).length).toBeGreaterThan(500)
    expectNothingStale(history)
    for (const child of children) {
      expect(await child.call("faults")).toEqual([])
      await child.call("close")
      await child.end()
    }
  },
)

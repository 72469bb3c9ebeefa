import { setTimeout } from "node:timers/promises"
import { describe, expect, test } from "vitest"
import { type Child, expectNothingStale, Processes, readsIn } from "./support/processes.js"
import { rowThatIsStored } from "./support/stored-row.js"

const STOP_MS = 2000

describe("a process that stands still", () => {
  test("serves nothing stale when it goes on", async () => {
    await using processes = new Processes()
    const start = (column: number) => processes.start({ column, cache: { ackTimeout: STOP_MS } })
    const [stopped, changing] = [start(0), start(1)]
    await Promise.all([stopped.call("ready"), changing.call("ready")])
    for (let row = 0; row < 16; row += 1) await stopped.call("row", row)
    stopped.call("storm", { visitors: 6, mayWaitInVain: true }).catch(() => {})
    for (let round = 0; round < 2; round += 1) {
      await setTimeout(50)
      await stopped.pause()
      // It may have been stopped at a bad moment: what it holds then is waited for in the tests below.
      const changes = Array.from({ length: 16 }, (_, row) => changing.call("change", row).catch(() => {}))
      await Promise.all([setTimeout(STOP_MS), ...changes])
      stopped.resume()
    }
    // Most of them after it went on.
    await expect.poll(() => readsIn(processes.history()).length).toBeGreaterThan(200)
    await stopped.kill()
    expectNothingStale(processes.history())
  })

  test("serves nothing stale after it has missed 10,000 changes at once", async () => {
    await using processes = new Processes()
    const [stopped, changing] = [0, 1].map((column) => processes.start({ column })) as [Child, Child]
    const id = await rowThatIsStored(stopped, changing)
    await stopped.pause()
    await changing.call("changeOthers", 10_000)
    await changing.call("change", 1)
    const reading = stopped.call("row", 1)
    stopped.resume()
    expect((await reading).id).not.toBe(id)
    expectNothingStale(processes.history())
  })
})

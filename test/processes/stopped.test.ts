import { setTimeout } from "node:timers/promises"
import { describe, expect, test } from "vitest"
import { type Child, expectNothingStale, Processes } from "./support/processes.js"
import { rowThatIsStored } from "./support/stored-row.js"

const WATCH_MS = 500

// Under load, and after it has missed more, it is in stopped.faults.ts.
describe("a process that stands still", () => {
  test("does not hold up others where it stands outside of a write", async () => {
    await using processes = new Processes()
    const [stopped, changing] = [0, 1].map((column) => processes.start({ column })) as [Child, Child]
    const id = await rowThatIsStored(stopped, changing)
    await stopped.pause()
    await changing.call("change", 1)
    stopped.resume()
    expect((await stopped.call("row", 1)).id).not.toBe(id)
    expectNothingStale(processes.history())
  })

  test("serves nothing stale after it has missed 100 changes at once", async () => {
    await using processes = new Processes()
    const [stopped, changing] = [0, 1].map((column) => processes.start({ column })) as [Child, Child]
    const id = await rowThatIsStored(stopped, changing)
    await stopped.pause()
    await changing.call("changeOthers", 100)
    await changing.call("change", 1)
    const reading = stopped.call("row", 1)
    stopped.resume()
    expect((await reading).id).not.toBe(id)
    expectNothingStale(processes.history())
  })

  test("inside of a write transaction: others' changes are not acknowledged, hold locally, and get through later", async () => {
    await using processes = new Processes()
    const child = processes.start({ cache: { ackTimeout: 300 } })
    await child.call("ready")
    const { id } = await child.call("row", 1)
    const holder = await processes.startHolder()

    const failures = []
    for (let attempt = 0; attempt < 3; attempt += 1) {
      failures.push(await child.call("change", 1).then(String, (error: { code: string }) => error.code))
    }
    expect(failures).toEqual(Array.from({ length: 3 }, () => "ERR_ZOOCACHE_NOT_ACKNOWLEDGED"))
    // Still stale here, although the log knows nothing of it.
    expect((await child.call("row", 1)).id).not.toBe(id)
    await answersAllTheTime(child)
    const before = await child.call("stats")

    await holder.release()
    await expect.poll(() => child.call("pending")).toBe(0)
    const other = processes.start({ column: 1 })
    expect((await other.call("row", 1)).id).not.toBe(id)
    // Three calls, and at most a repetition each: nothing has piled up behind the lock.
    const after = await child.call("stats")
    expect(after.invalidations - before.invalidations).toBeLessThanOrEqual(6)
    await child.call("change", 1)
    expectNothingStale(processes.history())
  })

  test("inside of a write transaction: whoever opens meanwhile is unsure and loads, and does not block", async () => {
    await using processes = new Processes()
    const first = processes.start()
    await first.call("ready")
    await first.call("close")
    await first.end()
    const holder = await processes.startHolder()
    const child = processes.start({ cache: { ackTimeout: 300 } })
    await child.call("row", 1)
    await child.call("row", 1)
    expect(await child.call("loads")).toBe(2)
    expect(await child.call("state")).toBe("unsure")
    await answersAllTheTime(child)
    await holder.release()
    await child.call("ready")
    await child.call("change", 1)
    expectNothingStale(processes.history())
  })
})

/** Its event loop is not blocked: a process that waits for the lock itself answers nobody until that is released. */
async function answersAllTheTime(child: Child): Promise<void> {
  const endMs = performance.now() + WATCH_MS
  while (performance.now() < endMs) {
    await child.call("state")
    await setTimeout(20)
  }
}

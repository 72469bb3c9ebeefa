import { setTimeout } from "node:timers/promises"
import { describe, expect, test } from "vitest"
import { type Child, expectNothingStale, Processes, readsIn } from "./support/processes.js"

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

  test.each([100, 10_000])("serves nothing stale after it has missed %i changes at once", async (count) => {
    await using processes = new Processes()
    const [stopped, changing] = [0, 1].map((column) => processes.start({ column })) as [Child, Child]
    const id = await rowThatIsStored(stopped, changing)
    await stopped.pause()
    await changing.call("changeOthers", count)
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
  const endMs = performance.now() + STOP_MS
  while (performance.now() < endMs) {
    await child.call("state")
    await setTimeout(20)
  }
}

/** One process loads row 1; resolves when another finds it, so that the first has nothing left to write. */
async function rowThatIsStored(loading: Child, finding: Child): Promise<string> {
  await Promise.all([loading.call("ready"), finding.call("ready")])
  const { id } = await loading.call("row", 1)
  // Before that the other would load for itself, and keep that.
  await expect.poll(() => loading.call("queued")).toBe(0)
  expect((await finding.call("row", 1)).id).toBe(id)
  return id
}

import { describe, expect, test } from "vitest"
import { mark } from "../../src/lmdb/lock-owner.js"
import { endInTheMiddle } from "./support/exits.js"
import { exitOf, startLeaver, startOther } from "./support/leavers.js"
import { Processes } from "./support/processes.js"

// The other ways, and many more of each, are in exit.faults.ts.
describe("a process that ends in the middle of writing", () => {
  test.each([
    ["process.exit()", 7],
    ["SIGTERM", "SIGTERM"],
  ] as const)("by %s: ends, and holds up nobody", (way, outcome) => endInTheMiddle(way, outcome, 1))
})

describe("a process that ends while another holds the lock", () => {
  test("stopped: ends at once", async () => {
    await using processes = new Processes()
    const other = await startOther(processes)
    const leaver = await startLeaver(processes)
    const holder = await processes.startHolder()
    expect(await exitOf(leaver)).toBe(7)
    await holder.release()
    await other.call("change", 1)
  })

  test("in the service of a process that is stopped: ends at once", async () => {
    await using processes = new Processes()
    const other = await startOther(processes)
    const served = processes.start({ isAlone: true })
    await served.call("loads")
    await served.pause()
    const leaver = await startLeaver(processes)
    const sleeper = await processes.startSleeper(mark(served.pid), "")
    expect(await exitOf(leaver)).toBe(7)
    await sleeper.kill()
    await other.call("change", 1)
  })
})

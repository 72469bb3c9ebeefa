import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs"
import { describe, expect, onTestFinished, test } from "vitest"
import { endInTheMiddle, waysToLeave } from "./support/exits.js"
import { exitOf, startLeaver, startOther } from "./support/leavers.js"
import { Processes } from "./support/processes.js"

describe("a process that ends in the middle of writing", () => {
  test.each(waysToLeave)("by %s: ends, and holds up nobody", (way, outcome) => endInTheMiddle(way, outcome, 20))
})

describe("a process that ends while another holds the lock", () => {
  test("as a container that is paused: ends at once", async ({ skip }) => {
    await using processes = new Processes()
    const other = await startOther(processes)
    const leaver = await startLeaver(processes)
    const sleeper = await processes.startSleeper()
    const group = freeze(sleeper.pid)
    if (group === undefined) skip("this process may not make control groups")
    const exit = await exitOf(leaver)
    group?.thaw()
    expect(exit).toBe(7)
    await sleeper.kill()
    await other.call("change", 1)
  })

  test("and does not look stopped: is killed after some seconds, rather than to stay for ever", async () => {
    await using processes = new Processes()
    const other = await startOther(processes)
    const leaver = await startLeaver(processes)
    const sleeper = await processes.startSleeper()
    expect(await exitOf(leaver)).toBe("SIGKILL")
    await sleeper.kill()
    await other.call("change", 1)
  })
})

/** In a control group of its own; undefined where this process may not make one. */
function freeze(pid: number): { thaw(): void } | undefined {
  const versions = [
    { root: "/sys/fs/cgroup/freezer", file: "freezer.state", frozen: "FROZEN", thawed: "THAWED" },
    { root: "/sys/fs/cgroup", file: "cgroup.freeze", frozen: "1", thawed: "0" },
  ]
  for (const { root, file, frozen, thawed } of versions) {
    const group = `${root}/zoocache-${pid}`
    if (!existsSync(root)) continue
    try {
      mkdirSync(group)
    } catch {
      continue
    }
    try {
      writeFileSync(`${group}/cgroup.procs`, String(pid))
      writeFileSync(`${group}/${file}`, frozen)
    } catch {
      rmdirSync(group)
      continue
    }
    onTestFinished(() => rmdirSync(group))
    return { thaw: () => writeFileSync(`${group}/${file}`, thawed) }
  }
  return undefined
}

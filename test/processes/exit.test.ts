import { once } from "node:events"
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs"
import { describe, expect, onTestFinished, test } from "vitest"
import { mark } from "../../src/lmdb/lock-owner.js"
import { endInTheMiddle, waysToLeave } from "./support/exits.js"
import { Processes } from "./support/processes.js"

// Many more of each are in exit.faults.ts.
describe("a process that ends in the middle of writing", () => {
  test.each(waysToLeave)("by %s: ends, and holds up nobody", (way, outcome) => endInTheMiddle(way, outcome, 1))
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

async function startOther(processes: Processes) {
  const other = processes.start()
  await other.call("ready")
  return other
}

async function startLeaver(processes: Processes) {
  const leaver = processes.startLeaver()
  await once(leaver, "message")
  return leaver
}

/** It writes, notices that it does not get the lock, and ends: by itself with 7, or else it is killed. */
async function exitOf(leaver: ReturnType<Processes["startLeaver"]>): Promise<number | string | null> {
  const late = once(leaver, "message")
  leaver.send("write")
  expect(await late).toEqual(["late", undefined])
  const ended = once(leaver, "exit") as Promise<[number | null, string | null]>
  leaver.send("leave")
  const [code, signal] = await ended
  return code ?? signal
}

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

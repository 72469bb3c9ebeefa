import { once } from "node:events"
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs"
import { setTimeout } from "node:timers/promises"
import { describe, expect, onTestFinished, test } from "vitest"
import { mark } from "../../src/lmdb/lock-owner.js"
import { Processes } from "./support/processes.js"

/** What an exit that waits for nothing may take, on a busy machine. */
const PROMPT_MS = 3000

describe("a process that ends in the middle of writing", { timeout: 120_000 }, () => {
  test.each([
    ["process.exit()", 7, 8],
    ["process.exit() in a handler of SIGTERM", 7, 8],
    ["process.exit() after beforeExit", 7, 3],
    ["an exception", 1, 5],
    ["SIGTERM", "SIGTERM", 2],
    ["SIGINT", "SIGINT", 2],
  ])("by %s: ends, and holds up nobody", async (way, expected, times) => {
    await using processes = new Processes()
    const other = processes.start({ cache: { ackTimeout: 4000 } })
    await other.call("ready")
    for (let time = 0; time < times; time += 1) {
      const leaver = processes.startLeaver(way)
      const ended = once(leaver, "exit") as Promise<[number | null, string | null]>
      const outcome = await Promise.race([ended, setTimeout(20_000, ["hangs", null] as const)])
      expect(outcome[0] ?? outcome[1]).toBe(expected)
      await other.call("change", time)
    }
    expect(await other.call("faults")).toEqual([])
    await processes.start({ column: 1 }).call("ready")
  })
})

describe("a process that ends while another holds the lock", { timeout: 60_000 }, () => {
  test("stopped: ends at once", async () => {
    await using processes = new Processes()
    const other = await startOther(processes)
    const leaver = await startLeaver(processes)
    const holder = await processes.startHolder()
    expect(await exitOf(leaver)).toEqual({ outcome: 7, isPrompt: true })
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
    expect(await exitOf(leaver)).toEqual({ outcome: 7, isPrompt: true })
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
    expect(exit).toEqual({ outcome: 7, isPrompt: true })
    await sleeper.kill()
    await other.call("change", 1)
  })

  test("and does not look stopped: is killed after some seconds, rather than to stay for ever", async () => {
    await using processes = new Processes()
    const other = await startOther(processes)
    const leaver = await startLeaver(processes)
    const sleeper = await processes.startSleeper()
    expect(await exitOf(leaver)).toEqual({ outcome: "SIGKILL", isPrompt: false })
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

/** It writes, has some time to notice that it does not get the lock, and ends. */
async function exitOf(leaver: ReturnType<Processes["startLeaver"]>) {
  leaver.send("write")
  await setTimeout(300)
  const ended = once(leaver, "exit") as Promise<[number | null, string | null]>
  const beganMs = performance.now()
  leaver.send("leave")
  const [code, signal] = await Promise.race([ended, setTimeout(20_000, ["hangs", null] as const)])
  return { outcome: code ?? signal, isPrompt: performance.now() - beganMs < PROMPT_MS }
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

import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { expect } from "vitest"
import type { Child, Processes } from "./processes.js"

export async function startOther(processes: Processes): Promise<Child> {
  const other = processes.start()
  await other.call("ready")
  return other
}

export async function startLeaver(processes: Processes): Promise<ChildProcess> {
  const leaver = processes.startLeaver()
  await once(leaver, "message")
  return leaver
}

/** It writes, notices that it does not get the lock, and ends: by itself with 7, or else it is killed. */
export async function exitOf(leaver: ChildProcess): Promise<number | string | null> {
  const late = once(leaver, "message")
  leaver.send("write")
  expect(await late).toEqual(["late", undefined])
  const ended = once(leaver, "exit") as Promise<[number | null, string | null]>
  leaver.send("leave")
  const [code, signal] = await ended
  return code ?? signal
}

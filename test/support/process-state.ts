import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { setTimeout } from "node:timers/promises"

/** Resolves when a process stands still, or has ended. */
export async function untilStopped(pid: number): Promise<void> {
  for (;;) {
    const state = stateOf(pid)
    if (state === "T" || state === "Z" || state === undefined) return
    await setTimeout(1)
  }
}

/** The letter of its state in the kernel; undefined where there is no such process. */
function stateOf(pid: number): string | undefined {
  try {
    if (process.platform !== "linux")
      return execFileSync("ps", ["-o", "state=", "-p", `${pid}`], { encoding: "utf8" })[0]
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3)
  } catch {
    return undefined
  }
}

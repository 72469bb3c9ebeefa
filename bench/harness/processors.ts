import { spawnSync } from "node:child_process"
import { availableParallelism, platform } from "node:os"
import type { Runner } from "./question.js"

/**
 * Where a server and those who use it run. `apart`: the server has a processor of its own, as it has on a machine of its own.
 * `anywhere`: the system decides, and often puts a server and the one process that waits for it on the same: then a round
 * trip takes as long as both of them work, one after the other.
 */
export type Placement = "apart" | "anywhere"

export const placementNames = {
  apart: "the server on a processor of its own",
  anywhere: "the server wherever the system puts it",
} as const satisfies Record<Placement, string>

/** Those that can be had here. `apart` needs Linux, its program `taskset`, and two processors. */
export function placements(): readonly Placement[] {
  const canTell =
    platform() === "linux" && availableParallelism() > 1 && spawnSync("taskset", ["-p", `${process.pid}`]).status === 0
  return canTell ? ["apart", "anywhere"] : ["anywhere"]
}

/** Runs `work` while all of them are where they should be. */
export async function placed<T>(
  placement: Placement,
  server: { readonly pid: number },
  runners: Readonly<Record<string, Runner>>,
  work: () => Promise<T>,
): Promise<T> {
  if (placement === "anywhere") return work()
  const last = availableParallelism() - 1
  const users = Object.values(runners).map(({ pid }) => pid)
  bind([server.pid], "0")
  bind(users, `1-${last}`)
  try {
    return await work()
  } finally {
    bind([server.pid, ...users], `0-${last}`)
  }
}

function bind(pids: readonly number[], processors: string): void {
  for (const pid of pids) {
    // With all threads of the process.
    const { status, stderr } = spawnSync("taskset", ["-a", "-c", "-p", processors, `${pid}`], { encoding: "utf8" })
    if (status !== 0) throw new Error(`A process can't be bound to processors ${processors}: ${stderr}`)
  }
}

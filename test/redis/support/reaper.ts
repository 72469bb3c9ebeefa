import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import type { Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

/**
 * Ends what this process has started, and removes its files, when it ends: in any way, also when it is killed and can't
 * do it. A shell waits for the end of a pipe, and then kills every process that has a file with its number.
 */
const REAP = `read -r _
for file in "$0"/pids/*; do kill -9 "\${file##*/}" 2>/dev/null; done
rm -rf "$0"`

let root: string | undefined

function start(): string {
  const folder = mkdtempSync(join(tmpdir(), "zoocache-redis-"))
  mkdirSync(join(folder, "pids"))
  // In a group of its own: Ctrl-C is not for it.
  const reaper = spawn("sh", ["-c", REAP, folder], { stdio: ["pipe", "ignore", "ignore"], detached: true })
  reaper.unref()
  const pipe = reaper.stdin as unknown as Socket
  pipe.unref()
  return folder
}

/** A folder that is removed when this process ends. */
export function newFolder(): string {
  root ??= start()
  return mkdtempSync(join(root, "server-"))
}

/** This process is killed when ours ends. */
export function enlist(pid: number): void {
  root ??= start()
  writeFileSync(join(root, "pids", `${pid}`), "")
}

/** It has ended; its number may soon be another's. */
export function strike(pid: number): void {
  if (root !== undefined) rmSync(join(root, "pids", `${pid}`), { force: true })
}

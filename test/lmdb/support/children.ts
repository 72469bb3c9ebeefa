import { type ChildProcess, fork, spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { ProgramName } from "../../setup/programs.js"
import { untilStopped } from "../../support/process-state.js"
import { program } from "../../support/program.js"
import { onCleanUp } from "./backends.js"

/** Starts a JavaScript file of this folder and waits for its first line. It is killed after the test. */
export async function startChild(file: string, ...args: string[]): Promise<ChildProcess> {
  const child = spawn(process.execPath, [path(file), ...args], { stdio: ["ignore", "pipe", "inherit"] })
  endAfterTest(child)
  await once(child.stdout, "data")
  return child
}

/** A process that stands still while it has the write lock of a data file. Goes on, and ends, when it is continued. */
export async function holdLock(dataFile: string): Promise<ChildProcess> {
  const holder = await startChild("hold-lock.mjs", dataFile)
  // It says that it has the lock right before it stops.
  await untilStopped(holder.pid as number)
  return holder
}

/** Starts a program with a channel for messages. It is killed after the test. */
export function forkChild(name: ProgramName, ...args: string[]): ChildProcess {
  const child = fork(program(name), args, { execArgv: [], stdio: ["ignore", "pipe", "inherit", "ipc"] })
  endAfterTest(child)
  return child
}

export function linesOf(child: ChildProcess): string[] {
  const lines: string[] = []
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (line) => lines.push(line))
  return lines
}

export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit")
}

export function dataFileOf(directory: string): string {
  const [file] = readdirSync(directory).filter((name) => name.endsWith(".mdb"))
  return join(directory, file ?? "")
}

function endAfterTest(child: ChildProcess): void {
  onCleanUp(async () => {
    child.kill("SIGKILL")
    await ended(child)
  })
}

function path(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url))
}

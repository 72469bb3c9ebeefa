import { type ChildProcess, spawn } from "node:child_process"
import { closeSync, openSync } from "node:fs"
import { untilStopped } from "../../support/process-state.js"
import { enlist, strike } from "./reaper.js"

/** A program that runs until it is told to end, or until this process ends. */
export class ServerProcess {
  readonly pid: number
  /** Resolves when it has ended. */
  readonly ended: Promise<void>
  #hasEnded = false
  readonly #child: ChildProcess

  /** What it prints is appended to the log, a file. */
  constructor(
    program: string,
    args: readonly string[],
    log: string,
    environment: Readonly<Record<string, string>> = {},
  ) {
    const output = openSync(log, "a")
    // In a group of its own: Ctrl-C ends the tests, and they end it.
    this.#child = spawn(program, args, {
      stdio: ["ignore", output, output],
      detached: true,
      env: { ...process.env, ...environment },
    })
    closeSync(output)
    this.ended = new Promise((resolve) => {
      const end = () => {
        this.#hasEnded = true
        if (this.#child.pid !== undefined) strike(this.#child.pid)
        resolve()
      }
      this.#child.once("exit", end)
      this.#child.once("error", end)
    })
    if (this.#child.pid === undefined) throw new Error(`${program} can't be started`)
    this.pid = this.#child.pid
    enlist(this.pid)
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** SIGKILL. */
  kill(): Promise<void> {
    this.#child.kill("SIGKILL")
    return this.ended
  }

  /** SIGTERM. */
  stop(): Promise<void> {
    this.#child.kill("SIGTERM")
    // If it stands still, it has to go on in order to end.
    this.#child.kill("SIGCONT")
    return this.ended
  }

  /** SIGSTOP; resolves when it stands still. */
  async pause(): Promise<void> {
    this.#child.kill("SIGSTOP")
    await untilStopped(this.pid)
  }

  /** SIGCONT. */
  resume(): void {
    this.#child.kill("SIGCONT")
  }
}

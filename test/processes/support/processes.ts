import { type ChildProcess, fork, type StdioOptions } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { expect } from "vitest"
import { Caller } from "./calls.js"
import type { ChildCommands } from "./child.js"
import type { StationData } from "./commands.js"
import { describeViolation, findViolations, type Happening, type Read } from "./history.js"
import { program } from "../../support/program.js"
import { Rows, type RowsShape } from "./rows.js"

/** A process with a cache. */
export interface Child {
  readonly pid: number
  readonly call: Caller<ChildCommands>["call"]
  kill(): Promise<void>
  /** SIGSTOP; resolves when all of it stands still. */
  pause(): Promise<void>
  resume(): void
  /** Resolves when the process has ended by itself. */
  end(): Promise<void>
}

/** Processes over the same rows, which write one history. */
export class Processes implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "zoocache-processes-"))
  /** Of the LMDB environment. */
  readonly path = join(this.folder, "cache")
  readonly shape: RowsShape
  readonly #children = new Set<ChildProcess>()
  #started = 0

  constructor(shape: RowsShape = { rows: 16, columns: 8 }) {
    this.shape = shape
    new Rows(join(this.folder, "rows"), shape).close()
  }

  /** Does not wait for the process: what it is called is kept until it is there. */
  start(others: Partial<StationData> = {}): Child {
    this.#started += 1
    const { folder, path, shape } = this
    const data: StationData = {
      folder,
      path,
      shape,
      name: `p${this.#started}`,
      seed: this.#started,
      column: 0,
      ...others,
    }
    const stdio: StdioOptions = ["ignore", "inherit", "pipe", "ipc"]
    return this.#follow(fork(program("child"), [JSON.stringify(data)], { execArgv: [], stdio }))
  }

  /**
   * A process that stands still inside of a write transaction, as if it had been stopped there. Resolves when it does;
   * needs an environment that exists.
   */
  async startHolder(): Promise<{ release(): Promise<void> }> {
    const holder = fork(program("holder"), [this.#dataFile()], { execArgv: [] })
    this.#children.add(holder)
    const closed = once(holder, "exit").then(() => this.#children.delete(holder))
    while (stateOf(holder.pid as number) !== "T") await setTimeout(5)
    return {
      release: async () => {
        holder.kill("SIGCONT")
        await closed
      },
    }
  }

  /**
   * A process that sleeps inside of a write transaction: by its state nothing is wrong with it. Resolves when it does, with
   * its id; needs an environment that exists.
   */
  async startSleeper(...args: string[]): Promise<{ readonly pid: number; kill(): Promise<unknown> }> {
    const sleeper = fork(program("holder"), [this.#dataFile(), "asleep", ...args], { execArgv: [] })
    this.#children.add(sleeper)
    const closed = once(sleeper, "exit").then(() => this.#children.delete(sleeper))
    await once(sleeper, "message")
    return {
      pid: sleeper.pid as number,
      kill: () => {
        sleeper.kill("SIGKILL")
        return closed
      },
    }
  }

  #dataFile(): string {
    const file = readdirSync(this.path).find((name) => /^data.*\.mdb$/.test(name))
    if (file === undefined) throw new Error(`${this.path} has no data file`)
    return join(this.path, file)
  }

  /** A process that writes all the time, and ends in its own way or when it is told to. */
  startLeaver(way = ""): ChildProcess {
    const leaver = fork(program("leaver"), [this.path, way], {
      execArgv: [],
      stdio: ["ignore", "inherit", "ignore", "ipc"],
    })
    this.#children.add(leaver)
    leaver.once("exit", () => this.#children.delete(leaver))
    return leaver
  }

  #follow(child: ChildProcess): Child {
    let stderr = ""
    child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()))
    const caller = new Caller<ChildCommands>({
      send: (message) => child.send(message as object, () => {}),
      onMessage: (listener) => void child.on("message", listener),
    })
    const ended = new Promise<void>((resolve) => {
      child.once("exit", (code, signal) => {
        this.#children.delete(child)
        caller.abandon(new Error(`The process ended with ${code ?? signal}. ${stderr}`))
        resolve()
      })
    })
    this.#children.add(child)
    const pid = child.pid as number
    return {
      pid,
      call: caller.call.bind(caller),
      kill: () => {
        child.kill("SIGKILL")
        return ended
      },
      pause: async () => {
        child.kill("SIGSTOP")
        while (stateOf(pid) !== "T") await setTimeout(1)
      },
      resume: () => void child.kill("SIGCONT"),
      end: async () => {
        if (child.connected) child.disconnect()
        await ended
        if (child.exitCode !== 0) throw new Error(`The process ended with ${child.exitCode}. ${stderr}`)
      },
    }
  }

  /** All that was read and changed so far, by the living and the dead. */
  history(): Happening[] {
    return readdirSync(this.folder)
      .filter((name) => name.endsWith(".jsonl"))
      .flatMap((name) => {
        const lines = readFileSync(join(this.folder, name), "utf8").split("\n")
        // What follows the last end of a line was cut off by a kill.
        return lines.slice(0, -1).map((line) => JSON.parse(line) as Happening)
      })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = [...this.#children].map((child) => {
      child.kill("SIGKILL")
      return once(child, "exit")
    })
    await Promise.all(ended)
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** The letter of its state in the kernel. */
export function stateOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3)
}

export function expectNothingStale(history: readonly Happening[]): void {
  const violations = findViolations(history)
  const first = violations.slice(0, 5).map((violation) => describeViolation(violation))
  expect(first, `${violations.length} stale reads`).toEqual([])
}

export function readsIn(history: readonly Happening[]): Read[] {
  return history.filter((happening) => happening.kind === "read")
}

/** Reads of what another process or thread had loaded. */
export function readsOfOthers(history: readonly Happening[]): Read[] {
  return readsIn(history).filter(({ by, value }) => !value.id.startsWith(`${by}/`))
}

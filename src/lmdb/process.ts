import { type ChildProcess, spawn } from "node:child_process"
import { EventEmitter } from "node:events"
import { existsSync } from "node:fs"
import type { Socket } from "node:net"
import { fileURLToPath } from "node:url"
import { afterIo } from "../core/base/machine.js"
import { mark } from "./lock-owner.js"
import type { ToWriter, WriterSettings } from "./protocol.js"

/** The first message of a process that writes. */
export const LISTENING = "listening"
const SHELL = "/bin/sh"
/** Characters that are kept of what it prints before it fails. */
const MOST_PRINTED = 4000

/**
 * A process that writes for a worker thread of this one. When the thread is terminated, or this process dies, its channel
 * closes; then it ends by itself, after the transaction that it is in.
 */
export class WriterProcess extends EventEmitter {
  readonly isProcess = true
  #child: ChildProcess | undefined
  /** Messages from before it listens, which would be lost; undefined once it does. */
  #early: ToWriter[] | undefined = []
  #printed = ""
  #isOver = false

  constructor(file: URL, settings: WriterSettings) {
    super()
    try {
      this.#child = this.#start([fileURLToPath(file), JSON.stringify(settings), mark(process.pid)])
    } catch (error) {
      // As where processes are not allowed. Later: nobody listens yet.
      afterIo(() => this.#end(error))
    }
  }

  #start(args: string[]): ChildProcess {
    // The shell starts it and ends at once. Nobody would ask for the exit code of a child of a thread that was terminated,
    // and without that it would stay in the system's table of processes for as long as this one lives.
    const command = existsSync(SHELL)
      ? [SHELL, "-c", '"$0" "$@" &', process.execPath, ...args]
      : [process.execPath, ...args]
    const child = spawn(command[0] as string, command.slice(1), {
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      serialization: "advanced",
      windowsHide: true,
    })
    child.on("message", (message) => {
      if (message === LISTENING) this.#isListening()
      else this.emit("message", message)
    })
    child.on("error", (error) => this.#end(error))
    child.on("disconnect", () => {
      // Text that it printed may still be on its way.
      afterIo(() => this.#end(new Error(`The process that writes has ended. ${this.#printed}`.trim())))
    })
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#printed = (this.#printed + chunk.toString()).slice(0, MOST_PRINTED)
    })
    ;(child.stderr as Socket | null)?.unref()
    child.unref()
    child.channel?.unref()
    return child
  }

  #end(error: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.emit("error", error)
    this.emit("exit", 1)
  }

  postMessage(message: ToWriter): void {
    if (this.#early !== undefined) this.#early.push(message)
    // That it has ended is told by itself.
    else if (this.#child?.connected === true) this.#child.send(message, () => {})
  }

  #isListening(): void {
    const early = this.#early ?? []
    this.#early = undefined
    for (const message of early) this.postMessage(message)
  }

  ref(): void {
    this.#child?.channel?.ref()
  }

  unref(): void {
    this.#child?.channel?.unref()
  }

  stop(): void {
    if (this.#child?.connected === true) this.#child.disconnect()
  }
}

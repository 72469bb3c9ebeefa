import { isMainThread } from "node:worker_threads"
import { makeInRoot } from "../core/base/contexts.js"
import { timersOfMachine } from "../core/base/machine.js"
import type { WriterHandle } from "./start-writer.js"

/** For how long writes that wait keep the process from exiting: one that is stopped elsewhere may hold the lock. */
const HOLD_MS = 2000
/** The same for a worker thread, whose writer has to start as a process before. */
const HOLD_IN_THREAD_MS = 10_000

/** Keeps the process from exiting while something waits to be written, but not for longer than a lock may reasonably take. */
export class ExitHold {
  readonly #timers = timersOfMachine()
  readonly #timer: NodeJS.Timeout
  #writer: Pick<WriterHandle, "ref" | "unref"> | undefined
  #isHolding = false

  constructor() {
    const holdMs = isMainThread ? HOLD_MS : HOLD_IN_THREAD_MS
    this.#timer = makeInRoot(() => this.#timers.set(() => this.letGo(), holdMs)) as NodeJS.Timeout
    this.#timer.unref()
  }

  /** The writer that is waited for now, in place of the one before. */
  waitFor(writer: Pick<WriterHandle, "ref" | "unref"> | undefined): void {
    this.#writer = writer
    if (this.#isHolding) writer?.ref()
  }

  holdOn(): void {
    if (this.#isHolding) return
    this.#isHolding = true
    this.#writer?.ref()
    this.#timer.refresh()
  }

  letGo(): void {
    if (!this.#isHolding) return
    this.#isHolding = false
    this.#writer?.unref()
  }

  /** Nothing will wait any more. */
  end(): void {
    this.#timers.clear(this.#timer)
  }
}

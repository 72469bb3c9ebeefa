import { HookError } from "./errors.js"
import type { Outbox } from "./outbox.js"

/** Work that goes on after a call, as the runtime of a user is told of it. */
export class Background {
  readonly #waitUntil: ((work: Promise<void>) => unknown) | undefined
  readonly #outbox: Outbox

  constructor(waitUntil: ((work: Promise<void>) => unknown) | undefined, outbox: Outbox) {
    this.#waitUntil = waitUntil
    this.#outbox = outbox
  }

  /** Whether anybody wants to hear. Ask before making a promise for it. */
  get isWanted(): boolean {
    return this.#waitUntil !== undefined
  }

  /** Tells of work in the async context of this call, at once or when the state is whole. */
  add(work: PromiseLike<unknown>): void {
    const waitUntil = this.#waitUntil
    if (waitUntil === undefined) return
    const ended = Promise.resolve(work).then(nothing, nothing)
    this.#outbox.tell(() => void this.#tell(waitUntil, ended))
  }

  async #tell(waitUntil: (work: Promise<void>) => unknown, work: Promise<void>): Promise<void> {
    try {
      await waitUntil(work)
    } catch (error) {
      this.#outbox.fault(new HookError("waitUntil", "work in the background", error))
    }
  }
}

function nothing(): void {}

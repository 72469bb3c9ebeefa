import type { Channel } from "node:diagnostics_channel"
import type { ZooCacheError } from "./errors.js"
import { channels } from "./events.js"

/** Something that went wrong inside the cache without failing anybody's call. */
export interface Fault {
  readonly error: ZooCacheError
  /** The public key of the entry concerned, if it is about one. */
  readonly key: string | undefined
}

/**
 * Events and faults of one cache on their way to listeners. Listeners are user code: they may read, invalidate and set on
 * the same cache. While the state of the cache is not whole, what they are to hear is kept; it goes out, in order, when
 * the outermost change is complete.
 *
 * Each method that changes more than one thing holds the outbox first and releases it in `finally`.
 */
export class Outbox {
  /** The namespace, which each event names. */
  readonly prefix: string
  /** How many faults there have been. */
  faults = 0
  readonly #onFault: ((fault: Fault) => void) | undefined
  #holds = 0
  #kept: (() => void)[] = []

  constructor(prefix: string, onFault: ((fault: Fault) => void) | undefined) {
    this.prefix = prefix
    this.#onFault = onFault
  }

  /** The state begins to change: nothing goes out until the matching {@link Outbox.release}. */
  hold(): void {
    this.#holds += 1
  }

  /** A change is complete. The outermost one lets out what was kept, and never throws what a listener throws. */
  release(): void {
    this.#holds -= 1
    if (this.#holds > 0 || this.#kept.length === 0) return
    const kept = this.#kept
    this.#kept = []
    for (const tell of kept) tell()
  }

  /** Makes a change of several parts. */
  whole<T>(change: () => T): T {
    this.hold()
    try {
      return change()
    } finally {
      this.release()
    }
  }

  /** Publishes a message, or keeps it until the state is whole. Ask `channel.hasSubscribers` before making one. */
  publish(channel: Channel, message: object): void {
    if (this.#holds === 0) channel.publish(message)
    else this.#kept.push(() => channel.publish(message))
  }

  /** Counts and tells what fails nobody's call. */
  fault(error: ZooCacheError, key?: string): void {
    this.faults += 1
    const fault: Fault = { error, key }
    if (this.#holds === 0) this.#tell(fault)
    else this.#kept.push(() => this.#tell(fault))
  }

  #tell(fault: Fault): void {
    if (channels.fault.hasSubscribers) channels.fault.publish({ cache: this.prefix, ...fault })
    void tell(this.#onFault, fault)
  }
}

/** Listeners to faults may throw and reject, at once or later: that is no fault of the cache. */
async function tell(onFault: ((fault: Fault) => unknown) | undefined, fault: Fault): Promise<void> {
  try {
    await onFault?.(fault)
  } catch {}
}

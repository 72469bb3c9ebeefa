import type { Channel } from "node:diagnostics_channel"
import type { ZooCacheError } from "./errors.js"
import { channels } from "./events.js"
import { oncePerProcess } from "./process-wide.js"

/** Something that went wrong inside the cache without failing anybody's call. */
export interface Fault {
  readonly error: ZooCacheError
  /** The public key of the entry concerned, if it is about one. */
  readonly key: string | undefined
}

/**
 * The changes that are under way in this process, and what is kept until they are complete. One for all caches: an append to
 * a log that several of them share reaches the others in the middle of a change of the first.
 */
interface UnderWay {
  holds: number
  /** Listeners are being told; `kept` grows by what comes to it meanwhile. */
  isTelling: boolean
  kept: (() => void)[]
}

const underWay = oncePerProcess<UnderWay>("outbox", 1, () => ({ holds: 0, isTelling: false, kept: [] }))

/** Events of one round. Beyond them a listener that always causes another event recurses, and its stack ends that. */
const MOST_OF_A_ROUND = 100_000

/** A state begins to change: nothing goes out until the matching {@link release}, which the same call stack reaches. */
function hold(): void {
  underWay.holds += 1
}

/**
 * A change is complete. The outermost one lets out what was kept, and never throws what a listener throws. A change that a
 * listener makes is told after what was there before it.
 */
function release(): void {
  underWay.holds -= 1
  if (underWay.holds > 0 || underWay.isTelling || underWay.kept.length === 0) return
  const { kept } = underWay
  let index = 0
  underWay.isTelling = true
  // The list grows while it is told. None of these throws.
  for (; index < kept.length && index < MOST_OF_A_ROUND; index += 1) (kept[index] as () => void)()
  underWay.isTelling = false
  underWay.kept = []
  for (; index < kept.length; index += 1) (kept[index] as () => void)()
}

/** Makes a change of several parts, or of several caches. */
export function whole<T>(change: () => T): T {
  hold()
  try {
    return change()
  } finally {
    release()
  }
}

/**
 * Events and faults of one cache on their way to listeners. Listeners are user code: they may read, invalidate and set on
 * this cache and on others. While the state of any cache is not whole, what they are to hear is kept; it goes out, in order,
 * when the outermost change is complete.
 *
 * Each method that changes more than one thing holds the outbox first and releases it in `finally`.
 */
export class Outbox {
  /** The namespace, which each event names. */
  readonly prefix: string
  /** How many faults there have been. */
  faults = 0
  readonly #onFault: ((fault: Fault) => void) | undefined

  constructor(prefix: string, onFault: ((fault: Fault) => void) | undefined) {
    this.prefix = prefix
    this.#onFault = onFault
  }

  /** See {@link hold}. */
  hold(): void {
    hold()
  }

  /** See {@link release}. */
  release(): void {
    release()
  }

  /** See {@link whole}. */
  whole<T>(change: () => T): T {
    return whole(change)
  }

  /** Publishes a message, or keeps it until the state is whole. Ask `channel.hasSubscribers` before making one. */
  publish(channel: Channel, message: object): void {
    if (underWay.holds === 0 && !underWay.isTelling) channel.publish(message)
    else underWay.kept.push(() => channel.publish(message))
  }

  /** Calls code of the user, at once or when the state is whole. It must not throw. */
  tell(call: () => void): void {
    if (underWay.holds === 0 && !underWay.isTelling) call()
    else underWay.kept.push(call)
  }

  /** Counts and tells what fails nobody's call. */
  fault(error: ZooCacheError, key?: string): void {
    this.faults += 1
    const fault: Fault = { error, key }
    if (underWay.holds === 0 && !underWay.isTelling) this.#tell(fault)
    else underWay.kept.push(() => this.#tell(fault))
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

import type { Clock } from "../core/base/clock.js"
import { assert } from "../core/base/assert.js"
import { inRootContext } from "../core/base/contexts.js"
import { Listeners, pause, whenTold } from "../core/base/waits.js"

/** A write that can wait. Writes of one key go out one after the other. */
export interface Queueable {
  readonly key: string
  /** Memory that the write takes. */
  readonly bytes: number
}

export interface WriteQueueOptions<Write extends Queueable> {
  readonly clock: Clock
  /** How many writes may wait, and how many bytes. Beyond it the oldest are dropped. */
  readonly maxWrites: number
  readonly maxBytes: number
  /** Limits of the writes under way: what a client keeps of them is not for this queue to drop. */
  readonly maxInFlight: number
  readonly maxInFlightBytes: number
  /** The write that stands for two of a key, if one comes to the same; undefined if it doesn't. May change `last`. */
  readonly merge: (last: Write, next: Write) => Write | undefined
  /** False while nothing can be sent; `pump()` when that has changed. */
  readonly canSend: () => boolean
  /** Never rejects, and settles in bounded time. */
  readonly send: (write: Write) => Promise<void>
  /** The write will not be sent, or nobody waits for its answer any more. */
  readonly onDropped: (write: Write, why: "full" | "given up") => void
}

interface Lane<Write> {
  readonly waiting: Write[]
  inFlight: Write | undefined
}

/**
 * Writes that nobody waits for. They go out at the end of a turn, many at once, those of one key in their order; a newer
 * one takes the place of one that has not gone out yet. Memory is bounded: beyond that the oldest are dropped.
 */
export class WriteQueue<Write extends Queueable> {
  readonly #options: WriteQueueOptions<Write>
  readonly #lanes = new Map<string, Lane<Write>>()
  /** Lanes whose first write could go out. */
  readonly #ready = new Set<Lane<Write>>()
  /** In the order in which they came. */
  readonly #waiting = new Set<Write>()
  readonly #inFlight = new Set<Write>()
  #waitingBytes = 0
  #inFlightBytes = 0
  #isScheduled = false
  readonly #emptied = new Listeners()

  constructor(options: WriteQueueOptions<Write>) {
    this.#options = options
  }

  /** Writes that are not done. */
  get size(): number {
    return this.#waiting.size + this.#inFlight.size
  }

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  add(write: Write): void {
    const lane = this.#laneOf(write.key)
    const last = lane.waiting.at(-1)
    // The bytes of now: merging may change the write.
    const lastBytes = last?.bytes ?? 0
    const merged = last === undefined ? undefined : this.#options.merge(last, write)
    if (last !== undefined && merged !== undefined) {
      lane.waiting.pop()
      this.#waiting.delete(last)
      this.#waitingBytes -= lastBytes
    }
    const added = merged ?? write
    lane.waiting.push(added)
    this.#waiting.add(added)
    this.#waitingBytes += added.bytes
    if (lane.inFlight === undefined) this.#ready.add(lane)
    this.#keepWithin()
    this.#schedule()
  }

  /** Sends what can be sent now. */
  pump(): void {
    const { maxInFlight, maxInFlightBytes, canSend } = this.#options
    for (const lane of this.#ready) {
      if (this.#inFlight.size >= maxInFlight || this.#inFlightBytes >= maxInFlightBytes || !canSend()) return
      const write = lane.waiting.shift() as Write
      this.#ready.delete(lane)
      this.#forget(write)
      lane.inFlight = write
      this.#inFlight.add(write)
      this.#inFlightBytes += write.bytes
      void this.#options.send(write).finally(() => this.#done(lane, write))
    }
  }

  /** Drops what waits. */
  dropWaiting(): void {
    for (const write of this.#waiting) this.#drop(write, "given up")
    this.#noteEmpty()
  }

  /** Sends what waits, and resolves when all is done, after `timeoutMs` at most; what is not done by then is given up. */
  async flush(timeoutMs: number): Promise<void> {
    this.pump()
    if (this.size > 0) await pause(this.#options.clock, timeoutMs, true, whenTold(this.#emptied))
    this.dropWaiting()
    for (const write of this.#inFlight) this.#options.onDropped(write, "given up")
  }

  #laneOf(key: string): Lane<Write> {
    const known = this.#lanes.get(key)
    if (known !== undefined) return known
    const lane: Lane<Write> = { waiting: [], inFlight: undefined }
    this.#lanes.set(key, lane)
    return lane
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    // The queue goes on for as long as writes come, and belongs to none of their callers.
    inRootContext(() => {
      this.#options.clock.onTurnEnd(() => {
        this.#isScheduled = false
        this.pump()
      })
    })
  }

  #keepWithin(): void {
    const { maxWrites, maxBytes } = this.#options
    for (const oldest of this.#waiting) {
      if (this.#waiting.size <= maxWrites && this.#waitingBytes <= maxBytes) return
      this.#drop(oldest, "full")
    }
  }

  #drop(write: Write, why: "full" | "given up"): void {
    const lane = this.#lanes.get(write.key) as Lane<Write>
    // The oldest of all is the oldest of its key.
    lane.waiting.splice(lane.waiting.indexOf(write), 1)
    this.#forget(write)
    if (lane.waiting.length === 0) {
      this.#ready.delete(lane)
      if (lane.inFlight === undefined) this.#lanes.delete(write.key)
    }
    this.#options.onDropped(write, why)
  }

  #forget(write: Write): void {
    this.#waiting.delete(write)
    this.#waitingBytes -= write.bytes
    assert(this.#waitingBytes >= 0, "the queue of writes has fewer bytes than none")
  }

  #done(lane: Lane<Write>, write: Write): void {
    assert(lane.inFlight === write, "a write of Redis ended that was not under way")
    lane.inFlight = undefined
    this.#inFlight.delete(write)
    this.#inFlightBytes -= write.bytes
    if (lane.waiting.length > 0) this.#ready.add(lane)
    else this.#lanes.delete(write.key)
    if (this.#ready.size > 0) this.#schedule()
    this.#noteEmpty()
  }

  #noteEmpty(): void {
    if (this.size === 0) this.#emptied.tell()
  }
}

import { assert } from "../core/base/assert.js"
import type { Timer } from "../core/base/clock.js"
import { inRootContext } from "../core/base/contexts.js"
import { StoreError, type ZooCacheError } from "../core/base/errors.js"
import type { RedisClient } from "./client.js"
import { Guard, GuardedCall, type GuardOptions } from "./guard.js"
import { dropWrite, failWrite, mergeWrites, settleWrite, type StoreWrite } from "./merge-writes.js"
import { endOfRecord, packAmendment, packRank } from "./store-record.js"
import { DISCARD, PUT, REMOVE, runScript, TOUCH } from "./store-scripts.js"
import { WriteQueue } from "./write-queue.js"

export interface StoreWritesOptions extends Omit<GuardOptions, "kind"> {
  /** How many writes may wait, and how many bytes they may have together. Beyond it the oldest are dropped. */
  readonly maxWrites: number
  readonly maxBytes: number
  /** Time for which an entry is kept unused. */
  readonly maxIdleMs: number
  readonly onFault: (error: ZooCacheError) => void
}

/** Enough to keep a connection busy; a slow server makes the rest wait where it can be dropped. */
const MAX_IN_FLIGHT = 512
const MAX_IN_FLIGHT_BYTES = 8 * 1024 * 1024
/** Memory that a write takes beside its record, about. */
const SMALL_WRITE_BYTES = 256
/** Redis refuses ends beyond the range of its numbers. */
const LONGEST_MS = 2 ** 52

type Unqueued<Write> = Write extends unknown ? Omit<Write, "own" | "others" | "bytes"> : never

/** Writes to Redis: queued, merged by key, and sent under guard. Each resolves in bounded time; false: it was dropped. */
export class StoreWrites {
  readonly #options: StoreWritesOptions
  readonly #guard: Guard
  readonly #queue: WriteQueue<StoreWrite>
  readonly #onReady = () => this.#queue.pump()
  #downTimer: Timer | undefined
  #dropped = 0
  #isClosed = false

  constructor(options: StoreWritesOptions) {
    this.#options = options
    const { client, clock, maxWrites, maxBytes } = options
    this.#guard = new Guard({ ...options, kind: "write" })
    this.#queue = new WriteQueue({
      clock,
      maxWrites,
      maxBytes,
      maxInFlight: MAX_IN_FLIGHT,
      maxInFlightBytes: MAX_IN_FLIGHT_BYTES,
      merge: mergeWrites,
      canSend: () => this.#canSend(),
      send: (write) => this.#send(write),
      onDropped: (write, why) => this.noteDropped(write, why),
    })
    client.on("ready", this.#onReady)
  }

  /** Writes that are not done. */
  get size(): number {
    return this.#queue.size
  }

  get dropped(): number {
    return this.#dropped
  }

  /** Writes that were not answered in time. */
  get timeouts(): number {
    return this.#guard.timeouts
  }

  /** Resolves when it is written; to false where it was dropped, or something above it is stored. */
  add(write: Unqueued<StoreWrite>): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#queue.add({ ...write, bytes: bytesOf(write), own: { resolve, reject }, others: [] })
    })
  }

  /** The same for what nobody waits for. */
  addUnasked(write: Unqueued<StoreWrite>): void {
    this.#queue.add({ ...write, bytes: bytesOf(write), own: undefined, others: [] })
  }

  dropWaiting(): void {
    this.#queue.dropWaiting()
  }

  /** Counts a write that was refused before it was queued. */
  noteRefused(): void {
    this.#dropped += 1
  }

  /** Resolves when what is queued is written, after `timeoutMs` at most; what is not by then is given up. */
  async close(timeoutMs: number): Promise<void> {
    if (this.#options.reach.isLost) this.#queue.dropWaiting()
    await this.#queue.flush(timeoutMs)
    this.#isClosed = true
    this.#guard.close()
    this.#options.client.off("ready", this.#onReady)
    this.#downTimer?.cancel()
  }

  noteDropped(write: StoreWrite, why: "full" | "given up"): void {
    // Closing has given up and counted what was on its way.
    if (this.#isClosed) return
    this.#dropped += 1
    dropWrite(write)
    const { rarely, maxWrites, maxBytes, name, onFault } = this.#options
    if (why !== "full" || !rarely.isDue("full")) return
    const reason = `more than ${maxWrites} writes or ${maxBytes} bytes wait for ${name}; the oldest are dropped`
    onFault(new StoreError("write", new Error(reason)))
  }

  /** Without a connection writes wait, for a while: most connections come back at once. */
  #canSend(): boolean {
    const { clock, breaker, reach, timeoutMs } = this.#options
    if (!reach.isLost || breaker.state !== "closed") return true
    const look = () => {
      this.#downTimer = undefined
      if (this.#queue.size === 0) return
      if (reach.isLost) breaker.trip(new Error("the connection is lost"))
      else this.#queue.pump()
    }
    this.#downTimer ??= inRootContext(() => clock.setTimer(look, timeoutMs, false))
    return false
  }

  /** Resolves within the time that a write may take, whatever becomes of it. */
  #send(write: StoreWrite): Promise<void> {
    return new Promise((resolve) => {
      this.#guard.run(new WriteCommand(this, this.#options, write, resolve))
    })
  }
}

class WriteCommand extends GuardedCall {
  readonly #writes: StoreWrites
  readonly #options: StoreWritesOptions
  /** Undefined once it has ended. */
  #write: StoreWrite | undefined
  readonly #onEnd: () => void

  constructor(writes: StoreWrites, options: StoreWritesOptions, write: StoreWrite, onEnd: () => void) {
    super()
    this.#writes = writes
    this.#options = options
    this.#write = write
    this.#onEnd = onEnd
  }

  override send(client: RedisClient): Promise<unknown> {
    const write = this.#write as StoreWrite
    const wallMs = this.#options.clock.wall()
    const maxIdleMs = Math.min(this.#options.maxIdleMs, LONGEST_MS)
    switch (write.kind) {
      case "put": {
        const leftMs = Math.min(endOfRecord(write.record) - wallMs, maxIdleMs)
        const px = leftMs >= 1 ? Math.floor(leftMs) : 0
        return runScript(client, PUT, write.key, [write.record, String(px)])
      }
      case "remove":
        return runScript(client, REMOVE, write.key, [packRank(write.rank)])
      case "touch": {
        const { lifted, slid } = packAmendment(write.rank, write.amendment)
        const args = [packRank(write.rank), lifted, slid, String(Math.floor(wallMs)), String(maxIdleMs)]
        return runScript(client, TOUCH, write.key, args)
      }
      case "discard":
        return runScript(client, DISCARD, write.key, [write.head])
    }
  }

  override answered(reply: unknown): void {
    this.#end((write) => settleWrite(write, Number(reply) === 1))
  }

  /** A refusal that was told lately counts as a drop. */
  override refused(fault: ZooCacheError | undefined): void {
    this.#end((write) => {
      if (fault === undefined) this.#writes.noteDropped(write, "given up")
      else failWrite(write, fault)
    })
  }

  override unanswered(): void {
    this.#end((write) => this.#writes.noteDropped(write, "given up"))
  }

  #end(settle: (write: StoreWrite) => void): void {
    const write = this.#write
    assert(write !== undefined, "a write of Redis ended twice")
    this.#write = undefined
    settle(write)
    this.#onEnd()
  }
}

function bytesOf(write: Unqueued<StoreWrite>): number {
  return SMALL_WRITE_BYTES + (write.kind === "put" ? write.record.length : 0)
}

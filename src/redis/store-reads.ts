import { type ZooCacheError, StoreError } from "../core/base/errors.js"
import type { RedisArgument, RedisClient } from "./client.js"
import { Guard, GuardedCall, type GuardOptions } from "./guard.js"

/** More keys than this in one command would keep other clients waiting. */
const KEYS_PER_COMMAND = 64

export interface StoreReadsOptions extends Omit<GuardOptions, "kind"> {
  /** Keys of one command must lie in one slot. */
  readonly isCluster: boolean
}

interface Read {
  readonly key: string
  readonly resolve: (record: Buffer | undefined) => void
  readonly reject: (error: unknown) => void
}

/**
 * Reads of Redis. The first of a turn goes out at once, the others at its end, as one command where all keys are on one
 * server. Each is answered within `timeoutMs`, with nothing if Redis does not.
 */
export class StoreReads {
  readonly #options: StoreReadsOptions
  readonly #guard: Guard
  /** Reads that go out at the end of this turn; undefined in a turn without a read. */
  #pending: Read[] | undefined
  readonly #onTurnEnd = () => this.#flush()

  constructor(options: StoreReadsOptions) {
    this.#options = options
    this.#guard = new Guard({ ...options, kind: "read" })
  }

  /** Commands that were not answered in time. */
  get timeouts(): number {
    return this.#guard.timeouts
  }

  read(key: string): Promise<Buffer | undefined> {
    if (this.#options.breaker.isRefusing) return Promise.resolve(undefined)
    return new Promise((resolve, reject) => {
      const read = { key, resolve, reject }
      if (this.#pending !== undefined) {
        this.#pending.push(read)
        return
      }
      this.#pending = []
      this.#options.clock.onTurnEnd(this.#onTurnEnd)
      this.#guard.run(new ReadCommand([read]))
    })
  }

  /** Nobody waits for an answer any more. */
  close(): void {
    this.#guard.close()
  }

  #flush(): void {
    const reads = this.#pending as Read[]
    this.#pending = undefined
    const perCommand = this.#options.isCluster ? 1 : KEYS_PER_COMMAND
    for (let from = 0; from < reads.length; from += perCommand) {
      const together = reads.length <= perCommand ? reads : reads.slice(from, from + perCommand)
      this.#guard.run(new ReadCommand(together))
    }
  }
}

/** Reads that go out together. */
class ReadCommand extends GuardedCall {
  /** Empty once they are answered. */
  #reads: readonly Read[]

  constructor(reads: readonly Read[]) {
    super()
    this.#reads = reads
  }

  override send(client: RedisClient): Promise<unknown> {
    const reads = this.#reads
    if (reads.length === 1) return client.callBuffer("GET", (reads[0] as Read).key)
    return client.callBuffer("MGET", ...reads.map(({ key }): RedisArgument => key))
  }

  override answered(reply: unknown): void {
    const reads = this.#take()
    if (reads.length === 1) answerOne(reads[0] as Read, reply)
    else answer(reads, Array.isArray(reply) ? reply : NOTHING)
  }

  /** The first read of the command tells the fault; the others find nothing. */
  override refused(fault: ZooCacheError | undefined): void {
    const reads = this.#take()
    if (fault !== undefined) reads[0]?.reject(fault)
    answer(reads, NOTHING)
  }

  override unanswered(): void {
    answer(this.#take(), NOTHING)
  }

  #take(): readonly Read[] {
    const reads = this.#reads
    this.#reads = NO_READS
    return reads
  }
}

const NO_READS: readonly Read[] = []
const NOTHING: readonly unknown[] = []

function answer(reads: readonly Read[], reply: readonly unknown[]): void {
  for (let index = 0; index < reads.length; index += 1) answerOne(reads[index] as Read, reply[index])
}

function answerOne(read: Read, record: unknown): void {
  if (record === null || record === undefined) read.resolve(undefined)
  else if (Buffer.isBuffer(record)) read.resolve(record)
  else read.reject(new StoreError("read", new Error("the client answers with something that is no buffer")))
}

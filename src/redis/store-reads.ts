import type { Clock, Timer } from "../core/base/clock.js"
import { StoreError } from "../core/base/errors.js"
import type { Admission, Breaker } from "./breaker.js"
import type { RedisArgument, RedisClient } from "./client.js"
import { Reach } from "./store-reach.js"
import { codeOf, isUnavailable, type Rarely, refusalOf } from "./store-errors.js"

/** More keys than this in one command would keep other clients waiting. */
const KEYS_PER_COMMAND = 64
/** A timer that is later than this was kept back by this process itself. */
const LATE_MS = 20
const SECOND_CHANCE_MS = 10
/** So many commands that are over are kept at most before the list of what was sent is made anew. */
const MOST_FORGOTTEN = 1024

export interface StoreReadsOptions {
  readonly client: RedisClient
  /** Keys of one command must lie in one slot. */
  readonly isCluster: boolean
  readonly clock: Clock
  readonly breaker: Breaker
  readonly timeoutMs: number
  readonly name: string
  readonly rarely: Rarely
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
  readonly #reach: Reach
  #pending: Read[] | undefined
  /** What was sent, in the order of sending; those that are over go when the ones before them are. */
  #sent: ReadCommand[] = []
  #firstSent = 0
  #watching: Timer | undefined
  #timeouts = 0
  #isClosed = false
  readonly #onTurnEnd = () => this.#flush()

  constructor(options: StoreReadsOptions) {
    this.#options = options
    this.#reach = new Reach(options.client)
  }

  /** Commands that were not answered in time. */
  get timeouts(): number {
    return this.#timeouts
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
      this.#send([read])
    })
  }

  /** Nobody waits for an answer any more. */
  close(): void {
    this.#isClosed = true
    this.#watching?.cancel()
    for (const command of this.#sent) command.drop()
    this.#sent = []
    this.#firstSent = 0
  }

  #flush(): void {
    const reads = this.#pending as Read[]
    this.#pending = undefined
    const perCommand = this.#options.isCluster ? 1 : KEYS_PER_COMMAND
    for (let from = 0; from < reads.length; from += perCommand) {
      this.#send(reads.length <= perCommand ? reads : reads.slice(from, from + perCommand))
    }
  }

  #send(reads: readonly Read[]): void {
    const { clock, breaker, timeoutMs } = this.#options
    // What was to go out at the end of the turn, and in it the store was closed.
    if (this.#isClosed) return answer(reads, NOTHING)
    const admission = breaker.enter()
    if (admission === undefined) return answer(reads, NOTHING)
    const command = new ReadCommand(reads, this.#options, admission, clock.now() + timeoutMs)
    if (this.#reach.isLost) return command.fail(new Error("the connection is lost"))
    this.#forgetOver()
    this.#sent.push(command)
    this.#watching ??= this.#watch(timeoutMs)
    command.send()
  }

  #forgetOver(): void {
    while (this.#firstSent < this.#sent.length && (this.#sent[this.#firstSent] as ReadCommand).isOver)
      this.#firstSent += 1
    if (this.#firstSent === this.#sent.length) this.#sent.length = 0
    else if (this.#firstSent < MOST_FORGOTTEN) return
    else this.#sent = this.#sent.slice(this.#firstSent)
    this.#firstSent = 0
  }

  /** One timer for all that was sent, as `Link` has one for other commands. */
  #watch(delayMs: number): Timer {
    return startTimeout(this.#options.clock, delayMs, () => {
      this.#watching = undefined
      const { clock, timeoutMs } = this.#options
      const nowMs = clock.now()
      for (let at = this.#firstSent; at < this.#sent.length; at += 1) {
        const command = this.#sent[at] as ReadCommand
        if (command.isOver) continue
        if (command.dueMs > nowMs) {
          this.#watching = this.#watch(command.dueMs - nowMs)
          break
        }
        this.#timeouts += 1
        command.fail(new Error(`a read was not answered within ${timeoutMs} ms`))
      }
      this.#forgetOver()
    })
  }
}

/** Reads that go out together. */
class ReadCommand {
  readonly dueMs: number
  /** Undefined once they are answered. */
  #reads: readonly Read[] | undefined
  readonly #options: StoreReadsOptions
  readonly #admission: Admission

  constructor(reads: readonly Read[], options: StoreReadsOptions, admission: Admission, dueMs: number) {
    this.dueMs = dueMs
    this.#reads = reads
    this.#options = options
    this.#admission = admission
  }

  get isOver(): boolean {
    return this.#reads === undefined
  }

  send(): void {
    const { client } = this.#options
    const reads = this.#reads as readonly Read[]
    try {
      const reply =
        reads.length === 1
          ? client.callBuffer("GET", (reads[0] as Read).key)
          : client.callBuffer("MGET", ...reads.map(({ key }): RedisArgument => key))
      reply.then(
        (answered) => this.#succeed(answered),
        (error: unknown) => this.#reject(error),
      )
    } catch (error) {
      this.#reject(error)
    }
  }

  /** There is no server to ask: nothing is found. */
  fail(error: unknown): void {
    const reads = this.#end()
    if (reads === undefined) return
    this.#options.breaker.failed(this.#admission, error)
    answer(reads, NOTHING)
  }

  /** Nobody is to wait any longer. */
  drop(): void {
    answer(this.#end() ?? [], NOTHING)
  }

  #succeed(reply: unknown): void {
    const reads = this.#end()
    if (reads === undefined) return
    this.#options.breaker.succeeded(this.#admission)
    if (reads.length === 1) answerOne(reads[0] as Read, reply)
    else answer(reads, Array.isArray(reply) ? reply : NOTHING)
  }

  /** The first of a kind is told by who asked; the others find nothing. */
  #reject(error: unknown): void {
    if (isUnavailable(error)) return this.fail(error)
    const reads = this.#end()
    if (reads === undefined) return
    const { breaker, name, rarely } = this.#options
    breaker.succeeded(this.#admission)
    if (rarely.isDue(`read ${codeOf(error)}`)) reads[0]?.reject(refusalOf("read from", name, error))
    answer(reads, NOTHING)
  }

  /** Undefined where it is over: what comes after the time is dropped. */
  #end(): readonly Read[] | undefined {
    const reads = this.#reads
    this.#reads = undefined
    return reads
  }
}

const NOTHING: readonly unknown[] = []

function answer(reads: readonly Read[], reply: readonly unknown[]): void {
  for (let index = 0; index < reads.length; index += 1) answerOne(reads[index] as Read, reply[index])
}

function answerOne(read: Read, record: unknown): void {
  if (record === null || record === undefined) read.resolve(undefined)
  else if (Buffer.isBuffer(record)) read.resolve(record)
  else read.reject(new StoreError("read", new Error("the client answers with something that is no buffer")))
}

/** Time in which this process was busy with something else does not count: what has arrived meanwhile is looked at. */
export function startTimeout(clock: Clock, delayMs: number, callback: () => void): Timer {
  const dueMs = clock.now() + delayMs
  let timer = clock.setTimer(
    () => {
      if (clock.now() - dueMs <= LATE_MS) callback()
      else timer = clock.setTimer(callback, SECOND_CHANCE_MS, false)
    },
    delayMs,
    false,
  )
  return { cancel: () => timer.cancel() }
}

import type { Clock } from "../core/base/clock.js"
import type { ZooCacheError } from "../core/base/errors.js"
import type { SaidRarely } from "../core/base/said-rarely.js"
import type { Breaker } from "./breaker.js"
import type { RedisClient } from "./client.js"
import { type OnItsWay, ReplyWatch } from "./reply-watch.js"
import { codeOf, isUnavailable, refusalOf } from "./store-errors.js"
import type { Reach } from "./store-reach.js"

/** For sentences. */
const ASKED_TO = { read: "read from", write: "write to", lease: "lease a key of" } as const

export interface GuardOptions {
  readonly client: RedisClient
  readonly clock: Clock
  readonly breaker: Breaker
  readonly reach: Reach
  readonly timeoutMs: number
  readonly kind: keyof typeof ASKED_TO
  /** Name of the server. */
  readonly name: string
  readonly rarely: SaidRarely
}

/**
 * A call to a server, from being asked for to one of its three ends: `answered`, `refused` or `unanswered`. Each call ends
 * once, and then holds on to nothing.
 */
export abstract class GuardedCall implements OnItsWay {
  /** These three are written by the guard alone. */
  dueMs = 0
  admission = 0
  isOver = false

  /** May throw or reject. */
  abstract send(client: RedisClient): Promise<unknown>
  /** A reply has come in time. */
  abstract answered(reply: unknown): void
  /** The server is there and refuses. `fault` is undefined where the same was told lately. */
  abstract refused(fault: ZooCacheError | undefined): void
  /** Nothing was sent, or no reply has come in time: there is no server to use. */
  abstract unanswered(): void
  /** A reply after the end. */
  answeredLate(_reply: unknown): void {}
}

/**
 * Calls that nobody waits for long: refused while the breaker is open or the connection lost, given up after `timeoutMs`.
 * The breaker hears how each went, and what a server refuses is told rarely.
 */
export class Guard {
  readonly #options: GuardOptions
  readonly #watch: ReplyWatch<GuardedCall>
  #timeouts = 0
  #isClosed = false

  constructor(options: GuardOptions) {
    this.#options = options
    const { clock, timeoutMs, kind } = options
    this.#watch = new ReplyWatch(clock, timeoutMs, (call) => {
      this.#timeouts += 1
      this.#fail(call, new Error(`a ${kind} was not answered within ${timeoutMs} ms`))
    })
  }

  /** Calls that were not answered in time. */
  get timeouts(): number {
    return this.#timeouts
  }

  run(call: GuardedCall): void {
    const { clock, breaker, reach, timeoutMs, client } = this.#options
    const admission = this.#isClosed ? undefined : breaker.enter()
    if (admission === undefined) {
      call.isOver = true
      call.unanswered()
      return
    }
    call.admission = admission
    if (reach.isLost) {
      this.#fail(call, new Error("the connection is lost"))
      return
    }
    call.dueMs = clock.now() + timeoutMs
    this.#watch.add(call)
    try {
      call.send(client).then(
        (reply) => this.#succeed(call, reply),
        (error: unknown) => this.#reject(call, error),
      )
    } catch (error) {
      // A client of the user may throw where it should reject.
      this.#reject(call, error)
    }
  }

  /** Nobody waits for an answer any more, and nothing is sent. */
  close(): void {
    this.#isClosed = true
    for (const call of this.#watch.close()) {
      call.isOver = true
      call.unanswered()
    }
  }

  #succeed(call: GuardedCall, reply: unknown): void {
    if (call.isOver) {
      call.answeredLate(reply)
      return
    }
    call.isOver = true
    this.#options.breaker.succeeded(call.admission)
    call.answered(reply)
  }

  #reject(call: GuardedCall, error: unknown): void {
    if (call.isOver) return
    if (isUnavailable(error)) {
      this.#fail(call, error)
      return
    }
    call.isOver = true
    const { breaker, kind, name, rarely } = this.#options
    breaker.succeeded(call.admission)
    call.refused(rarely.isDue(`${kind} ${codeOf(error)}`) ? refusalOf(ASKED_TO[kind], name, error) : undefined)
  }

  #fail(call: GuardedCall, error: unknown): void {
    call.isOver = true
    this.#options.breaker.failed(call.admission, error)
    call.unanswered()
  }
}

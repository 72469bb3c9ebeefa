import { BackOff } from "../core/base/back-off.js"
import type { Clock, Timer } from "../core/base/clock.js"
import { SaidRarely } from "../core/base/said-rarely.js"
import { after, waitFor } from "../core/base/waits.js"
import type { RedisSubscriber } from "./client.js"
import { fail, type Failure, failureOf, SAME_FAULT_EVERY_MS, type Where } from "./failures.js"

export interface SubscriptionOptions {
  /** Makes a client that does not connect by itself; undefined while there is no server to connect to. */
  readonly make: () => (RedisSubscriber & { connect?(): Promise<unknown> }) | undefined
  /** Whether the client is ours to connect and to close; else it connects again by itself. */
  readonly isOwn: boolean
  readonly channel: string
  readonly clock: Clock
  readonly random: () => number
  readonly where: Where
  readonly replyTimeoutMs: number
  readonly onMessage: (message: string) => void
  /** The subscription listens now, and has missed what was said before. */
  readonly onListening: () => void
  readonly onFault: (failure: Failure) => void
}

const FIRST_RETRY_MS = 20
const SLOWEST_RETRY_MS = 1000
/** How often a quiet connection is asked whether it is still there. */
const PING_MS = 5000

/**
 * Listens to one channel for as long as it is open. A connection that is lost, killed or silent is replaced, and each new
 * one says so: what was published meanwhile is gone.
 */
export class Subscription {
  readonly #options: SubscriptionOptions
  #client: ReturnType<SubscriptionOptions["make"]>
  /** Takes the listeners off the client. */
  #leave: (() => void) | undefined
  #retry: Timer | undefined
  #ping: Timer | undefined
  readonly #backOff: BackOff
  readonly #rarely: SaidRarely
  #isClosed = false

  constructor(options: SubscriptionOptions) {
    this.#options = options
    const { clock, random } = options
    this.#backOff = new BackOff({ firstMs: FIRST_RETRY_MS, longestMs: SLOWEST_RETRY_MS, random })
    this.#rarely = new SaidRarely(clock, SAME_FAULT_EVERY_MS)
    this.#open()
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#retry?.cancel()
    this.#drop()
  }

  #open(): void {
    this.#retry = undefined
    const { make, isOwn, channel, onMessage } = this.#options
    let client: ReturnType<SubscriptionOptions["make"]>
    try {
      client = make()
    } catch (error) {
      this.#note(error)
    }
    if (client === undefined) {
      this.#openLater()
      return
    }
    this.#client = client
    const lost = (error?: unknown) => {
      if (this.#client !== client) return
      if (error !== undefined) this.#note(error)
      if (!isOwn) return
      this.#drop()
      this.#openLater()
    }
    const listeners: Record<string, (...args: any[]) => void> = {
      message: (of: unknown, message: unknown) => {
        if (of === channel && typeof message === "string" && !this.#isClosed) onMessage(message)
      },
      error: (error: unknown) => this.#note(error),
      ...(isOwn ? { close: () => lost(), end: () => lost() } : { ready: () => void subscribe() }),
    }
    for (const [event, listener] of Object.entries(listeners)) client.on(event, listener)
    this.#leave = () => {
      for (const [event, listener] of Object.entries(listeners)) {
        // An attempt that is on its way may still fail, and an error without a listener is printed.
        if (event !== "error" || !isOwn) client.off(event, listener)
      }
    }
    const subscribe = async () => {
      try {
        await this.#inTime(client.subscribe(channel))
        this.#listening(client, lost)
      } catch (error) {
        lost(error)
      }
    }
    if (!isOwn) {
      void subscribe()
      return
    }
    this.#inTime(client.connect?.() ?? Promise.resolve()).then(subscribe, lost)
  }

  #listening(client: RedisSubscriber, lost: (error?: unknown) => void): void {
    if (this.#isClosed || this.#client !== client) return
    const { clock, isOwn, onListening } = this.#options
    this.#backOff.reset()
    if (isOwn) {
      const ping = () => {
        this.#ping = clock.setTimer(
          () => {
            this.#inTime(client.callBuffer("ping")).then(() => {
              if (this.#client === client) ping()
            }, lost)
          },
          PING_MS,
          false,
        )
      }
      ping()
    }
    onListening()
  }

  #drop(): void {
    this.#ping?.cancel()
    this.#leave?.()
    this.#leave = undefined
    const client = this.#client
    this.#client = undefined
    if (this.#options.isOwn) client?.disconnect()
  }

  #openLater(): void {
    if (this.#isClosed) return
    this.#retry = this.#options.clock.setTimer(() => this.#open(), this.#backOff.next(), false)
  }

  #inTime<T>(work: Promise<T>): Promise<T> {
    const { clock, replyTimeoutMs, where } = this.#options
    const noReply = () => {
      throw fail(where, `no reply within ${replyTimeoutMs} ms`, "ETIMEDOUT")
    }
    return waitFor(work, after(clock, replyTimeoutMs, false, noReply))
  }

  #note(error: unknown): void {
    if (this.#isClosed) return
    const { where, onFault } = this.#options
    const failure = failureOf(error, where)
    if (this.#rarely.isDue(failure.message)) onFault(failure)
  }
}

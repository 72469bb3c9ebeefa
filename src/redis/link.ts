import type { Clock, Timer } from "../core/base/clock.js"
import type { RedisArgument, RedisClient } from "./client.js"
import { fail, type Failure, failureOf, type Where } from "./failures.js"
import { checkServer } from "./server.js"

export interface LinkOptions {
  readonly client: RedisClient & { connect?(): Promise<unknown> }
  /** Made by this library, so that it may be connected anew and closed. */
  readonly isOwn: boolean
  /** Commands go to many servers, each with an identity of its own, and one that is silent is the client's to notice. */
  readonly isCluster: boolean
  readonly clock: Clock
  readonly where: Where
  /** A server that has not replied after so long counts as gone. */
  readonly replyTimeoutMs: number
  /** For how long a command waits for a connection that is being made. */
  readonly connectWaitMs: number
  readonly onFault: (failure: Failure) => void
}

interface Sent {
  readonly atMs: number
  readonly reject: (failure: Failure) => void
}

const MOST_ARGUMENTS = 1000

/** How often the same trouble is told of. */
const SAME_FAULT_EVERY_MS = 10_000

/**
 * A client as this library uses it: nobody waits for long. A command is sent at once or, while a connection is being
 * made, soon; while there is none, it fails with the reason why. A reply that does not come ends the connection, since a
 * half-open one would stay silent for minutes.
 */
export class Link {
  readonly client: RedisClient
  readonly #options: LinkOptions
  readonly #onReady = () => this.#becomeReady()
  readonly #onClose = () => this.#becomeLost()
  readonly #onConnect = () => this.#watchHandshake()
  readonly #onError = (error: unknown) => this.#note(error)
  readonly #readyListeners = new Set<() => void>()
  readonly #closing = new Set<(failure: Failure) => void>()
  readonly #sent = new Set<Sent>()
  #watching: Timer | undefined
  #lastFailure: Failure | undefined
  #faultMessage = ""
  #faultMs = Number.NEGATIVE_INFINITY
  #waiting: Promise<void> | undefined
  #checking: Promise<void> | undefined
  #isChecked = false
  #isGivenUp = false
  #runId = ""
  #handshake: Timer | undefined
  #lastReplyMs = Number.NEGATIVE_INFINITY
  #isClosed = false

  constructor(options: LinkOptions) {
    this.#options = options
    this.client = options.client
    const { client } = options
    client.on("ready", this.#onReady)
    client.on("connect", this.#onConnect)
    client.on("close", this.#onClose)
    client.on("end", this.#onClose)
    client.on("error", this.#onError)
    client.on("node error", this.#onError)
  }

  /** The `run_id` of the server as read on this connection; empty where that says nothing of whom a command reaches. */
  get runId(): string {
    return this.#runId
  }

  /** @throws Failure */
  send(command: string, ...args: RedisArgument[]): Promise<unknown> {
    return this.call(command, args)
  }

  /** The same with arguments of any number. @throws Failure */
  call(command: string, args: readonly RedisArgument[]): Promise<unknown> {
    if (this.#isChecked && this.client.status === "ready" && !this.#isClosed) return this.#sendNow(command, args)
    return this.ready().then(() => this.#sendNow(command, args))
  }

  /** Resolves when commands can be sent. @throws Failure, with what the last attempt failed for */
  ready(): Promise<void> {
    this.#waiting ??= this.#becomingReady().finally(() => {
      this.#waiting = undefined
    })
    return this.#waiting
  }

  /** Calls back whenever a connection was made. Returns what ends that. */
  onReady(listener: () => void): () => void {
    this.#readyListeners.add(listener)
    return () => {
      this.#readyListeners.delete(listener)
    }
  }

  failureOf(error: unknown): Failure {
    const { message } = (error ?? {}) as { message?: unknown }
    // What ioredis says of commands that a lost connection took with it, or that met none. Why it was lost says more.
    if (this.#lastFailure !== undefined && typeof message === "string" && LOST.test(message)) return this.#lastFailure
    return failureOf(error, this.#options.where)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    const { client, isOwn, where } = this.#options
    this.#handshake?.cancel()
    this.#readyListeners.clear()
    this.#watching?.cancel()
    for (const reject of [...this.#closing, ...Array.from(this.#sent, (sent) => sent.reject)]) {
      reject(fail(where, "the connection was closed"))
    }
    this.#sent.clear()
    if (isOwn) {
      // Its listener for errors stays: an attempt that is on its way may still fail.
      client.disconnect()
      return
    }
    client.off("ready", this.#onReady)
    client.off("connect", this.#onConnect)
    client.off("close", this.#onClose)
    client.off("end", this.#onClose)
    client.off("error", this.#onError)
    client.off("node error", this.#onError)
  }

  #sendNow(command: string, args: readonly RedisArgument[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const sent: Sent = { atMs: this.#options.clock.now(), reject }
      this.#sent.add(sent)
      this.#watch()
      // Clients flatten lists, and an engine passes some ten thousand arguments at most.
      const passed = args.length > MOST_ARGUMENTS ? [args as unknown as RedisArgument] : args
      this.client.callBuffer(command, ...passed).then(
        (reply) => {
          this.#sent.delete(sent)
          this.#lastReplyMs = this.#options.clock.now()
          resolve(reply)
        },
        (error: unknown) => {
          this.#sent.delete(sent)
          const failure = this.failureOf(error)
          // A master that has become a replica stays connected: the name may lead to another one now.
          if (failure.code === "READONLY") this.#giveUp()
          reject(failure)
        },
      )
    })
  }

  /** One timer for all that was sent, since a timer for each costs more than the sending. */
  #watch(): void {
    if (this.#watching !== undefined) return
    const { clock, replyTimeoutMs, where } = this.#options
    const look = () => {
      this.#watching = undefined
      // In the order of sending.
      for (const sent of this.#sent) {
        const leftMs = replyTimeoutMs - (clock.now() - sent.atMs)
        if (leftMs > 0) {
          this.#watching = clock.setTimer(look, leftMs, false)
          return
        }
        this.#sent.delete(sent)
        const failure = fail(where, `no reply within ${replyTimeoutMs} ms`, "ETIMEDOUT")
        sent.reject(failure)
        this.#reconnect(failure, sent.atMs)
      }
    }
    this.#watching = clock.setTimer(look, replyTimeoutMs, false)
  }

  /** A connection that has been silent since something was sent is given up, if it is ours to give up. */
  #reconnect(failure: Failure, sentMs: number): void {
    if (this.#lastReplyMs >= sentMs || this.client.status !== "ready") return
    if (this.#options.isOwn && !this.#options.isCluster) this.#note(failure)
    this.#giveUp()
  }

  /** Once for each connection: until it is closed, which takes a while, its client takes itself for connected. */
  #giveUp(): void {
    const { client, isOwn, isCluster } = this.#options
    if (!isOwn || isCluster || this.#isClosed || this.#isGivenUp || client.status !== "ready") return
    this.#isGivenUp = true
    ;(client as { disconnect(reconnect?: boolean): void }).disconnect(true)
  }

  async #becomingReady(): Promise<void> {
    const { client, isOwn, where, connectWaitMs, clock } = this.#options
    if (this.#isClosed) throw fail(where, "the connection was closed")
    // A client that has given up, which no setting of ours makes it do, is asked again.
    const isIdle = client.status === "wait" || (isOwn && client.status === "end")
    if (isIdle) client.connect?.().catch((error: unknown) => this.#note(error))
    const { status } = client
    const isOnItsWay = isIdle || status === "connecting" || status === "connect"
    if (status !== "ready") {
      if (!isOnItsWay) throw this.#lastFailure ?? fail(where, "there is no connection", "ECONNRESET")
      await new Promise<void>((resolve, reject) => {
        const end = (failure: Failure | undefined) => {
          timer.cancel()
          this.#closing.delete(end)
          unlisten()
          client.off("close", onClose)
          if (failure === undefined) resolve()
          else reject(failure)
        }
        // The reason is told before or after, in the same turn.
        const onClose = () => clock.setTimer(() => end(this.#noConnection()), 0, false)
        const timer = clock.setTimer(() => end(this.#noConnection()), connectWaitMs, false)
        const unlisten = this.onReady(() => end(undefined))
        client.on("close", onClose)
        this.#closing.add(end)
      })
    }
    await this.#check()
  }

  #noConnection(): Failure {
    const { where, connectWaitMs } = this.#options
    return this.#lastFailure ?? fail(where, `no connection within ${connectWaitMs} ms`, "ETIMEDOUT")
  }

  /** Once for each connection: whether the server is new enough, and which one it is. */
  #check(): Promise<void> {
    if (this.#isChecked) return Promise.resolve()
    const { where, isCluster } = this.#options
    this.#checking ??= this.#sendNow("info", ["server"])
      .then((info) => {
        const runId = checkServer(info, where)
        this.#runId = isCluster ? "" : runId
        this.#isChecked = true
      })
      .finally(() => {
        this.#checking = undefined
      })
    return this.#checking
  }

  #becomeReady(): void {
    this.#handshake?.cancel()
    this.#lastFailure = undefined
    for (const listener of this.#readyListeners) listener()
  }

  #becomeLost(): void {
    this.#handshake?.cancel()
    this.#isChecked = false
    this.#isGivenUp = false
    this.#runId = ""
  }

  /** A server may take a connection, as its system does for a stopped one, and never say a word. */
  #watchHandshake(): void {
    const { client, clock, replyTimeoutMs, isOwn, isCluster, where } = this.#options
    if (!isOwn || isCluster) return
    this.#handshake?.cancel()
    this.#handshake = clock.setTimer(
      () => {
        if (client.status !== "connect" || this.#isClosed) return
        this.#note(fail(where, `no reply within ${replyTimeoutMs} ms`, "ETIMEDOUT"))
        ;(client as { disconnect(reconnect?: boolean): void }).disconnect(true)
      },
      replyTimeoutMs,
      false,
    )
  }

  #note(error: unknown): void {
    if (this.#isClosed) return
    const { clock, onFault } = this.#options
    const cause = (error as { lastNodeError?: unknown } | undefined)?.lastNodeError ?? error
    const failure = this.failureOf(cause)
    // It says that a connection was lost, and the reason has been told.
    if (failure === this.#lastFailure) return
    this.#lastFailure = failure
    const nowMs = clock.now()
    if (failure.message === this.#faultMessage && nowMs - this.#faultMs < SAME_FAULT_EVERY_MS) return
    this.#faultMessage = failure.message
    this.#faultMs = nowMs
    onFault(failure)
  }
}

const LOST =
  /^(Connection is closed|Stream isn't writeable|Reached the max retries per request|Command aborted|Cluster isn't ready|None of startup nodes|Failed to refresh slots)/

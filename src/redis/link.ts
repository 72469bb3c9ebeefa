import type { Clock, Timer } from "../core/base/clock.js"
import { inRootContext } from "../core/base/contexts.js"
import { SaidRarely } from "../core/base/said-rarely.js"
import { after, Closing, Listeners, waitUntil, whenClosed, whenTold } from "../core/base/waits.js"
import type { RedisArgument, RedisClient } from "./client.js"
import { fail, type Failure, failureOf, SAME_FAULT_EVERY_MS, type Where } from "./failures.js"
import { type OnItsWay, ReplyWatch } from "./reply-watch.js"
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

/** A command that was sent. The caller is forgotten when it is over. */
class Sent implements OnItsWay {
  readonly dueMs: number
  readonly sentMs: number
  #reject: ((failure: Failure) => void) | undefined

  constructor(sentMs: number, dueMs: number, reject: (failure: Failure) => void) {
    this.sentMs = sentMs
    this.dueMs = dueMs
    this.#reject = reject
  }

  get isOver(): boolean {
    return this.#reject === undefined
  }

  end(): void {
    this.#reject = undefined
  }

  fail(failure: Failure): void {
    this.#reject?.(failure)
    this.end()
  }
}

const MOST_ARGUMENTS = 1000

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
  readonly #readied = new Listeners()
  readonly #closing = new Closing()
  readonly #sent: ReplyWatch<Sent>
  readonly #rarely: SaidRarely
  #lastFailure: Failure | undefined
  #waiting: Promise<void> | undefined
  #checking: Promise<void> | undefined
  #isChecked = false
  #isGivenUp = false
  #runId = ""
  #handshake: Timer | undefined
  #lastReplyMs = Number.NEGATIVE_INFINITY

  constructor(options: LinkOptions) {
    this.#options = options
    const { client, clock, replyTimeoutMs, where } = options
    this.client = client
    this.#rarely = new SaidRarely(clock, SAME_FAULT_EVERY_MS)
    this.#sent = new ReplyWatch(clock, replyTimeoutMs, (sent) => {
      const failure = fail(where, `no reply within ${replyTimeoutMs} ms`, "ETIMEDOUT")
      sent.fail(failure)
      this.#reconnect(failure, sent.sentMs)
    })
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
    if (this.#isChecked && this.client.status === "ready" && !this.#closing.isOver) return this.#sendNow(command, args)
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
    return this.#readied.add(listener)
  }

  failureOf(error: unknown): Failure {
    const { message } = (error ?? {}) as { message?: unknown }
    // ioredis says only that a lost connection took the command with it, or that there was none. The loss itself says more.
    if (this.#lastFailure !== undefined && typeof message === "string" && LOST.test(message)) return this.#lastFailure
    const failure = failureOf(error, this.#options.where)
    // ioredis 5 sends commands before the server has judged the password. That it is wrong says more.
    return failure.code === "NOAUTH" && this.#lastFailure?.code === "WRONGPASS" ? this.#lastFailure : failure
  }

  close(): void {
    if (this.#closing.isOver) return
    const { client, isOwn } = this.#options
    this.#handshake?.cancel()
    this.#closing.close()
    for (const sent of this.#sent.close()) sent.fail(this.#closed())
    if (isOwn) {
      // The listener for errors stays: an attempt that is on its way may still fail.
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
      const { clock, replyTimeoutMs } = this.#options
      const nowMs = clock.now()
      const sent = new Sent(nowMs, nowMs + replyTimeoutMs, reject)
      this.#sent.add(sent)
      // Clients flatten lists, and an engine passes some ten thousand arguments at most.
      const passed = args.length > MOST_ARGUMENTS ? [args as unknown as RedisArgument] : args
      this.client.callBuffer(command, ...passed).then(
        (reply) => {
          sent.end()
          this.#lastReplyMs = clock.now()
          resolve(reply)
        },
        (error: unknown) => {
          sent.end()
          const failure = this.failureOf(error)
          // A master that has become a replica stays connected: the name may lead to another one now.
          if (failure.code === "READONLY") this.#giveUp()
          reject(failure)
        },
      )
    })
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
    if (!isOwn || isCluster || this.#closing.isOver || this.#isGivenUp || client.status !== "ready") return
    this.#isGivenUp = true
    ;(client as { disconnect(reconnect?: boolean): void }).disconnect(true)
  }

  async #becomingReady(): Promise<void> {
    const { client, isOwn, where } = this.#options
    if (this.#closing.isOver) throw this.#closed()
    // A client that has given up, which no setting of ours makes it do, is asked again.
    const isIdle = client.status === "wait" || (isOwn && client.status === "end")
    // The connection outlives the request that happens to need it first.
    if (isIdle) inRootContext(() => void client.connect?.().catch((error: unknown) => this.#note(error)))
    const { status } = client
    const isOnItsWay = isIdle || status === "connecting" || status === "connect"
    if (status !== "ready") {
      if (!isOnItsWay) throw this.#lastFailure ?? fail(where, "there is no connection", "ECONNRESET")
      await this.#connected()
    }
    await this.#check()
  }

  /** Resolves when the connection that is being made is made. @throws Failure */
  #connected(): Promise<void> {
    const { client, clock, connectWaitMs } = this.#options
    const noConnection = () => {
      throw this.#noConnection()
    }
    return waitUntil<void>(
      whenTold(this.#readied),
      after(clock, connectWaitMs, false, noConnection),
      whenClosed(this.#closing, () => {
        throw this.#closed()
      }),
      (wait) => {
        // The reason is told before or after, in the same turn.
        const onClose = () => clock.setTimer(() => wait.endWith(noConnection), 0, false)
        client.on("close", onClose)
        return () => client.off("close", onClose)
      },
    )
  }

  #noConnection(): Failure {
    const { where, connectWaitMs } = this.#options
    return this.#lastFailure ?? fail(where, `no connection within ${connectWaitMs} ms`, "ETIMEDOUT")
  }

  #closed(): Failure {
    return fail(this.#options.where, "the connection was closed")
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
    if (!this.#closing.isOver) this.#readied.tell()
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
        if (client.status !== "connect" || this.#closing.isOver) return
        this.#note(fail(where, `no reply within ${replyTimeoutMs} ms`, "ETIMEDOUT"))
        ;(client as { disconnect(reconnect?: boolean): void }).disconnect(true)
      },
      replyTimeoutMs,
      false,
    )
  }

  #note(error: unknown): void {
    if (this.#closing.isOver) return
    const { onFault } = this.#options
    const cause = (error as { lastNodeError?: unknown } | undefined)?.lastNodeError ?? error
    const failure = this.failureOf(cause)
    // This error says that a connection was lost, and the reason has been told.
    if (failure === this.#lastFailure) return
    this.#lastFailure = failure
    if (this.#rarely.isDue(failure.message)) onFault(failure)
  }
}

const LOST =
  /^(Connection is closed|Stream isn't writeable|Reached the max retries per request|Command aborted|Cluster isn't ready|None of startup nodes|Failed to refresh slots)/

import { randomBytes } from "node:crypto"
import type { Clock } from "../core/base/clock.js"
import { LogError, messageOf } from "../core/base/errors.js"
import { changeId } from "../core/ports/change.js"
import { SaidRarely } from "../core/base/said-rarely.js"
import type {
  AppendReply,
  LogChange,
  LoggedChange,
  LogNews,
  LogPosition,
  PullReply,
  RemoteLog,
} from "../core/ports/log.js"
import { type Epoch, isSameEpoch, TICKS_PER_MS, type Version } from "../core/tags/version.js"
import { membersOf } from "./changes.js"
import type { RedisArgument } from "./client.js"
import type { RedisConnection } from "./connection.js"
import { readRing, ringText } from "./doorbell.js"
import { codeOf, fail, Failure, logError, SAME_FAULT_EVERY_MS } from "./failures.js"
import { type LogKeys, logKeys } from "./keys.js"
import { type Page, readAppended, readPage, ReplyError, textOf } from "./replies.js"
import { appendScript, pullScript, type Script } from "./scripts.js"

export interface RedisLogOptions {
  readonly connection: RedisConnection
  readonly prefix: string
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Names a new epoch: 1 to 32 letters, digits, `-` and `_`, never the same twice. Default: 12 random bytes and a count. */
  readonly nonce?: (() => string) | undefined
  readonly maxTags: number
  readonly maxKeys: number
  /** Whether a server that was replaced or started again is trusted to have lost no acknowledged append. */
  readonly trust: boolean
  /** Hears of what fails nobody's call. */
  readonly onFault: (error: LogError) => void
  /** Called once, when the log is closed; the connection is closed by whoever opened it. */
  readonly onClose?: (() => void) | undefined
  /** How many changes a page of a pull has, or a few more. Default 1000. */
  readonly pageSize?: number | undefined
}

const PAGE_SIZE = 1000
const HOUR_MS = 3_600_000
/** For how long a replica may answer in place of its master before it is more than a failover. */
const FAILOVER_MS = 3000

/** The log of one prefix on a server. */
export class RedisLog implements RemoteLog {
  readonly local = false
  readonly canLoseAppends = true
  readonly keys: LogKeys
  readonly #options: RedisLogOptions
  readonly #nonce: () => string
  readonly #listeners = new Set<(news?: LogNews) => void>()
  /** Scripts that the server is being told. */
  readonly #telling = new Map<Script, Promise<void>>()
  #unsubscribe: (() => void) | undefined
  #readonlySinceMs: number | undefined
  readonly #bellFaults: SaidRarely
  #isClosed = false

  constructor(options: RedisLogOptions) {
    this.#options = options
    this.#bellFaults = new SaidRarely(options.clock, SAME_FAULT_EVERY_MS)
    const unique = randomBytes(12).toString("base64url")
    let count = 0
    this.#nonce = options.nonce ?? (() => `${unique}${(count++).toString(36)}`)
    this.keys = logKeys(options.prefix, options.connection.db)
  }

  append(changes: readonly LogChange[], position: LogPosition, origin: string): Promise<AppendReply> {
    const { maxTags, maxKeys } = this.#options
    // Made at once: the caller's array is the caller's.
    const members = membersOf(changes)
    const args = this.#begin(appendScript, position)
    args.push(`${maxTags} ${maxKeys}`, this.keys.channel, ringText(members, origin))
    for (const member of members) args.push(member)
    return this.#run(appendScript, args, this.#readAppend)
  }

  readonly #readAppend = (reply: unknown): AppendReply => {
    const { reply: appended, rest } = readAppended(textOf(reply))
    if (rest !== "-") this.#bellFailed(`the doorbell can't be rung: ${rest}`, codeOf(rest))
    return appended
  }

  async pull(position: LogPosition): Promise<PullReply> {
    const found = new Map<string, LoggedChange>()
    const { pageSize = PAGE_SIZE } = this.#options
    let before: { page: Page; next: Version } | undefined
    for (;;) {
      const args = this.#begin(pullScript, position)
      args.push(epochText(before?.page.reply.epoch), before?.next ?? 0, pageSize)
      const page = await this.#run(pullScript, args, readPage)
      // A new life has begun between two pages: this is its first.
      if (before !== undefined && !isSameEpoch(before.page.reply.epoch, page.reply.epoch)) found.clear()
      // A path that has moved up meanwhile is met again, with its newer version.
      for (const change of page.changes) found.set(changeId(change), change)
      if (page.next === undefined) return { ...page.reply, changes: [...found.values()] }
      before = { page, next: page.next }
    }
  }

  listen(onNews: (news?: LogNews) => void): () => void {
    const listener = (news?: LogNews) => onNews(news)
    if (this.#isClosed) return () => {}
    this.#listeners.add(listener)
    this.#unsubscribe ??= this.#subscribe()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size > 0) return
      this.#stopListening()
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#listeners.clear()
    this.#stopListening()
    this.#options.onClose?.()
  }

  #stopListening(): void {
    this.#unsubscribe?.()
    this.#unsubscribe = undefined
  }

  #subscribe(): () => void {
    const { connection } = this.#options
    // A server that is back may be another one: worth a look, also where doorbells come through another connection.
    const unlisten = connection.commands.onReady(() => this.#ring())
    const unsubscribe = connection.subscribe({
      channel: this.keys.channel,
      onMessage: (message) => this.#hear(message),
      onListening: () => this.#ring(),
    })
    return () => {
      unlisten()
      unsubscribe()
    }
  }

  #hear(message: string): void {
    let news: LogNews | undefined
    try {
      news = readRing(message)
    } catch (error) {
      this.#bellFailed(`a doorbell was ignored: ${messageOf(error)}`)
      return
    }
    this.#ring(news)
  }

  #ring(news?: LogNews): void {
    for (const listener of this.#listeners) listener(news)
  }

  #bellFailed(reason: string, code = ""): void {
    const { connection, onFault } = this.#options
    if (!this.#bellFaults.isDue(reason)) return
    onFault(logError("listen", fail(connection.where, connection.where.scrub(reason), code), false))
  }

  /** The first arguments of either script: its name, the keys, and what both want to know. */
  #begin(script: Script, { epoch, cursor }: LogPosition): RedisArgument[] {
    const { trust, random, connection } = this.#options
    // An hour or two ahead: above whatever a server gave out before it was lost, and not where another leap has led.
    const leap = trust ? ` ${Math.floor(HOUR_MS * (1 + random())) * TICKS_PER_MS}` : ""
    const { state, tags, keys } = this.keys
    const { runId } = connection.commands
    return [script.sha1, 3, state, tags, keys, epochText(epoch), cursor, this.#nonce() + leap, runId]
  }

  // Promises instead of async functions, here and below: each of those costs an append a tenth of its time.
  #run<T>(script: Script, args: readonly RedisArgument[], read: (reply: unknown) => T): Promise<T> {
    if (this.#isClosed) return Promise.reject(new LogError(script.name, "it is closed"))
    return this.#options.connection.commands.call("evalsha", args).then(
      (reply) => this.#read(script, read, reply),
      (error: unknown) => {
        if (!(error instanceof Failure) || error.code !== "NOSCRIPT") throw this.#errorOf(script, error)
        return this.#tell(script, args).then(
          (reply) => this.#read(script, read, reply),
          (failure: unknown) => {
            throw this.#errorOf(script, failure)
          },
        )
      },
    )
  }

  /** Runs a script on a server that was started again, or told to forget its scripts. The first call brings the script for all. */
  async #tell(script: Script, args: readonly RedisArgument[]): Promise<unknown> {
    const { commands } = this.#options.connection
    const telling = this.#telling.get(script)
    if (telling !== undefined) {
      await telling
      try {
        return await commands.call("evalsha", args)
      } catch (error) {
        if (!(error instanceof Failure) || error.code !== "NOSCRIPT") throw error
        // Forgotten once more, or never told: the one that was to do it has failed.
      }
    }
    const told = commands.call("eval", [script.text, ...args.slice(1)])
    if (telling === undefined) {
      const end = () => void this.#telling.delete(script)
      this.#telling.set(script, told.then(end, end))
    }
    return told
  }

  #read<T>(script: Script, read: (reply: unknown) => T, reply: unknown): T {
    this.#readonlySinceMs = undefined
    try {
      return read(reply)
    } catch (error) {
      throw this.#errorOf(script, error)
    }
  }

  #errorOf({ name }: Script, error: unknown): LogError {
    const { connection, clock } = this.#options
    const failure =
      error instanceof ReplyError
        ? fail(connection.where, `a reply makes no sense: ${error.message}`)
        : connection.commands.failureOf(error)
    if (failure.code !== "READONLY") return logError(name, failure)
    const nowMs = clock.now()
    this.#readonlySinceMs ??= nowMs
    return logError(name, failure, nowMs - this.#readonlySinceMs >= FAILOVER_MS)
  }
}

// Epochs are the same from one call to the next, until a life ends.
let lastEpoch: Epoch | undefined
let lastEpochText = ""

function epochText(epoch: Epoch | undefined): string {
  if (epoch !== lastEpoch) {
    lastEpochText = epoch === undefined ? "" : `${epoch.ordinal} ${epoch.nonce}`
    lastEpoch = epoch
  }
  return lastEpochText
}

import { assert } from "../base/assert.js"
import { backOffMs } from "../base/back-off.js"
import type { AppendReply, LogChange, LogEnd, LogNews } from "../ports/log.js"
import { type Epoch, isSameEpoch } from "../tags/version.js"
import { AppendHistory } from "./append-history.js"
import { isPermanent } from "./check-reply.js"
import { LogCursor, type LogCursorOptions } from "./log-cursor.js"

export interface LogStateOptions extends LogCursorOptions {
  readonly origin: string
  /** A new life of the log may not know all that was acknowledged in the one before. */
  readonly canLoseAppends: boolean
}

/** News kept while a pull is under way; beyond it the next pull brings them. */
const MOST_KEPT_NEWS = 10_000
const FIRST_RETRY_MS = 50
const SLOWEST_RETRY_MS = 1000
const RARE_RETRY_MS = 30_000

/**
 * The memory of a client between two replies of a log that others share: its cursor, what was confirmed and when, the news that
 * it could not apply yet, whether a pull is under way and how the last ones went.
 *
 * Each reply, each piece of news and each failure is one call, which applies what can be applied and answers with what is
 * left to do. Nothing here waits, sends, or looks at a clock.
 */
export class LogState extends LogCursor {
  readonly #options: LogStateOptions
  readonly #history = new AppendHistory()
  // The monotonic clock stops while a machine sleeps, the other may be set: the larger difference counts.
  #confirmedNowMs = Number.NEGATIVE_INFINITY
  #confirmedWallMs = Number.NEGATIVE_INFINITY
  #keptNews: LogNews[] = []
  #isPulling = false
  /** Something was heard that a pull under way may have been answered before. */
  #mustPullAgain = false
  #pullFailures = 0
  #obstacle: Error | undefined

  constructor(options: LogStateOptions) {
    super(options)
    this.#options = options
  }

  // --- replies and news ----------------------------------------------------------------------------------------------

  /** Whether a life of the log has ended, as far as is known here. */
  hasEnded(epoch: Epoch): boolean {
    return this.hasEpoch && epoch.ordinal < this.trie.epoch.ordinal
  }

  /**
   * Takes over the life of the log that has answered, if it is a newer one. Answers with the changes that the log may have
   * lost: they are to be appended again.
   */
  enter({ epoch, ended }: { readonly epoch: Epoch; readonly ended?: LogEnd | undefined }): readonly LogChange[] {
    assert(!this.hasEnded(epoch), "a life of the log that has ended was entered")
    const before = this.hasEpoch ? this.trie.epoch : undefined
    const isNew = before === undefined || !isSameEpoch(epoch, before)
    if (isNew) this.#enterNew(epoch, before !== undefined)
    // Pending from now on: others may have loaded, and stored, what it was to make stale.
    return this.#options.canLoseAppends ? this.#history.lostBy(ended, before, isNew) : []
  }

  #enterNew(epoch: Epoch, isAnother: boolean): void {
    if (isAnother) this.sink.epochEnds()
    this.begin(epoch)
    if (!isAnother) return
    this.unconfirmed()
    this.sink.epochChanged()
    this.sink.trustChanged(false)
  }

  /** Applies an append of this process. False if others may lie between it and the cursor, so that a pull is needed. */
  acknowledged({ version, previousHead }: AppendReply, changes: readonly LogChange[]): boolean {
    const follows = this.isRead && this.trie.cursor === previousHead
    if (this.#options.canLoseAppends) this.#history.note(changes, version)
    const cursor = follows ? version : undefined
    this.sink.take({ changes, version, by: this.#options.origin, isAcknowledged: true, cursor })
    return follows
  }

  /** Keeps news for {@link replay}: a pull that was answered before them would otherwise lose them until the next. */
  keep(news: LogNews): void {
    if (this.#keptNews.length < MOST_KEPT_NEWS) this.#keptNews.push(news)
  }

  /** Applies kept news in their order. False if some don't follow on what is known, so that a pull is needed. */
  replay(): boolean {
    if (this.#keptNews.length === 0 || !this.hasEpoch) return true
    const kept = this.#keptNews.sort((a, b) => a.version - b.version)
    this.#keptNews = []
    let isComplete = true
    for (const news of kept) isComplete = this.heard(news) && isComplete
    return isComplete
  }

  // --- confirmations -------------------------------------------------------------------------------------------------

  /** The log has confirmed, to a question that was asked then, that nothing was missed. */
  confirmed(nowMs: number, wallMs: number): void {
    this.#confirmedNowMs = nowMs
    this.#confirmedWallMs = wallMs
  }

  /** Others may know by now what this process does not. */
  unconfirmed(): void {
    this.#confirmedNowMs = Number.NEGATIVE_INFINITY
  }

  confirmedAgoMs(nowMs: number, wallMs: number): number {
    return Math.max(nowMs - this.#confirmedNowMs, wallMs - this.#confirmedWallMs)
  }

  // --- pulls ---------------------------------------------------------------------------------------------------------

  get isPulling(): boolean {
    return this.#isPulling
  }

  /** Why the last pull failed, where repeating it will not help soon. */
  get obstacle(): Error | undefined {
    return this.#obstacle
  }

  /** The delay before a pull that failed is repeated. */
  get retryMs(): number {
    if (this.#obstacle !== undefined) return RARE_RETRY_MS
    return backOffMs(this.#pullFailures, { firstMs: FIRST_RETRY_MS, longestMs: SLOWEST_RETRY_MS })
  }

  pullBegins(): void {
    assert(!this.#isPulling, "two pulls were under way")
    this.#isPulling = true
  }

  /** A pull is to follow on the one that is under way. */
  pullAgain(): void {
    assert(this.#isPulling, "a pull was to follow on none")
    this.#mustPullAgain = true
  }

  /** True if another one is to follow. */
  pullEnds(): boolean {
    assert(this.#isPulling, "a pull ended twice")
    this.#isPulling = false
    const mustFollow = this.#mustPullAgain
    this.#mustPullAgain = false
    return mustFollow
  }

  pullSucceeded(): void {
    this.#pullFailures = 0
    this.#obstacle = undefined
  }

  pullFailed(error: unknown): void {
    this.#pullFailures += 1
    this.#obstacle = isPermanent(error) ? (error as Error) : undefined
  }
}

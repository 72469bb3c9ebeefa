import { assert } from "../base/assert.js"
import { backOffMs } from "../base/back-off.js"
import { InvalidTokenError } from "../base/errors.js"
import type { AppendReply, LogChange, LogEnd, LogNews, LogPosition, PullReply } from "../ports/log.js"
import type { TagTrie } from "../tags/tag-trie.js"
import { type Epoch, formatToken, isSameEpoch, type Token, type Version } from "../tags/version.js"
import { AppendHistory } from "./append-history.js"
import { isPermanent } from "./check-reply.js"
import type { ChangeSink } from "./news.js"

export interface LogStateOptions {
  readonly trie: TagTrie
  readonly sink: ChangeSink
  readonly origin: string
  /** The log tells each change at once: whatever is known of it may be served. */
  readonly isAlwaysTrusted: boolean
  /** A new life of the log may not know all that was acknowledged in the one before. */
  readonly canLoseAppends: boolean
}

/** The place that a token names. */
export interface Target {
  readonly epoch: Epoch
  readonly version: Version
}

/** News kept while a pull is under way; beyond it the next pull brings them. */
const MOST_KEPT_NEWS = 10_000
const FIRST_RETRY_MS = 50
const SLOWEST_RETRY_MS = 1000
const RARE_RETRY_MS = 30_000

/**
 * The memory of a client between two replies of its log: which life and how far it has read, what was confirmed and when,
 * the news that it could not apply yet, whether a pull is under way and how the last ones went.
 *
 * Each reply, each piece of news and each failure is one call, which applies what can be applied and answers with what is
 * left to do. Nothing here waits, sends, or looks at a clock.
 */
export class LogState {
  readonly #options: LogStateOptions
  readonly #trie: TagTrie
  readonly #sink: ChangeSink
  readonly #history = new AppendHistory()
  #hasEpoch = false
  /** The log has been pulled in this epoch. */
  #isRead = false
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
    this.#options = options
    this.#trie = options.trie
    this.#sink = options.sink
  }

  // --- the place in the log ------------------------------------------------------------------------------------------

  get hasEpoch(): boolean {
    return this.#hasEpoch
  }

  get isRead(): boolean {
    return this.#isRead
  }

  /** The position as of now. */
  position(): LogPosition {
    return { epoch: this.#hasEpoch ? this.#trie.epoch : undefined, cursor: this.#trie.cursor }
  }

  /** Names all that is applied here. */
  token(): Token {
    return formatToken(this.#trie.epoch, this.#trie.cursor)
  }

  /** Whether a life of the log has ended, as far as is known here. */
  hasEnded(epoch: Epoch): boolean {
    return this.#hasEpoch && epoch.ordinal < this.#trie.epoch.ordinal
  }

  hasReached(target: Target | undefined): boolean {
    return (
      target !== undefined &&
      this.#hasEpoch &&
      isSameEpoch(target.epoch, this.#trie.epoch) &&
      this.#trie.cursor >= target.version
    )
  }

  /** Tells why a token names nothing that this log has. To be asked after a pull. @throws InvalidTokenError */
  checkReached(target: Target, token: Token | undefined): void {
    if (this.hasReached(target)) return
    if (isSameEpoch(target.epoch, this.#trie.epoch)) {
      throw new InvalidTokenError(token, "this log has not reached its version; was the token made by this log?")
    }
    // A token of an earlier life: what it names is stale with everything of that life, now that this one is known.
    if (target.epoch.ordinal < this.#trie.epoch.ordinal) return
    const reason = "this log knows no such epoch; was the token made with another prefix or server?"
    throw new InvalidTokenError(token, reason)
  }

  // --- replies and news ----------------------------------------------------------------------------------------------

  /**
   * Takes over the life of the log that has answered, if it is a newer one. Answers with the changes that the log may have
   * lost: they are to be appended again.
   */
  enter({ epoch, ended }: { readonly epoch: Epoch; readonly ended?: LogEnd | undefined }): readonly LogChange[] {
    assert(!this.hasEnded(epoch), "a life of the log that has ended was entered")
    const before = this.#hasEpoch ? this.#trie.epoch : undefined
    const isNew = before === undefined || !isSameEpoch(epoch, before)
    if (isNew) this.#begin(epoch, before !== undefined)
    // Pending from now on: others may have loaded, and stored, what it was to make stale.
    return this.#options.canLoseAppends ? this.#history.lostBy(ended, before, isNew) : []
  }

  #begin(epoch: Epoch, isAnother: boolean): void {
    if (isAnother) this.#sink.epochEnds()
    this.#hasEpoch = true
    this.#isRead = false
    this.#trie.adopt(epoch)
    if (this.#options.isAlwaysTrusted) this.#trie.setTrusted(true)
    if (!isAnother) return
    this.unconfirmed()
    this.#sink.epochChanged()
    this.#sink.trustChanged(false)
  }

  /** Applies what a pull has brought: everything up to its head. */
  pulled(reply: PullReply): void {
    const { cursor } = this.#trie
    if (reply.head < cursor) return
    this.#isRead = true
    this.#sink.take({
      changes: reply.changes.filter(({ version }) => version > cursor),
      by: "another process",
      cursor: reply.head,
      floors: { tags: reply.floor, keys: reply.keyFloor },
    })
  }

  /** Applies an append of this process. False if others may lie between it and the cursor, so that a pull is needed. */
  acknowledged({ version, previousHead }: AppendReply, changes: readonly LogChange[]): boolean {
    const follows = this.#isRead && this.#trie.cursor === previousHead
    if (this.#options.canLoseAppends) this.#history.note(changes, version)
    const cursor = follows ? version : undefined
    this.#sink.take({ changes, version, by: this.#options.origin, isAcknowledged: true, cursor })
    return follows
  }

  /** Applies news. False if they don't follow on what is known, so that a pull is needed. */
  heard({ epoch, version, previousHead, changes, origin }: LogNews): boolean {
    const trie = this.#trie
    if (!isSameEpoch(epoch, trie.epoch)) return epoch.ordinal < trie.epoch.ordinal
    if (version <= trie.cursor) return true
    if (previousHead !== trie.cursor) return false
    this.#sink.take({ changes, version, by: origin, cursor: version })
    return true
  }

  /** Keeps news for {@link replay}: a pull that was answered before them would otherwise lose them until the next. */
  keep(news: LogNews): void {
    if (this.#keptNews.length < MOST_KEPT_NEWS) this.#keptNews.push(news)
  }

  /** Applies kept news in their order. False if some don't follow on what is known, so that a pull is needed. */
  replay(): boolean {
    if (this.#keptNews.length === 0 || !this.#hasEpoch) return true
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

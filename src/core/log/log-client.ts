import { AppendHistory } from "./append-history.js"
import { Appender, type AppendOptions } from "./appender.js"
import type { ChangeSink } from "./news.js"
import type { Clock, Timer } from "../base/clock.js"
import { CacheClosedError, InvalidTokenError, LogError, SyncTimeoutError } from "../base/errors.js"
import { checkPull, isPermanent } from "./check-reply.js"
import type {
  AppendReply,
  InvalidationLog,
  LocalLog,
  LogChange,
  LogEnd,
  LogNews,
  LogPosition,
  PullReply,
  RemoteLog,
} from "../ports/log.js"
import type { TagTrie } from "../tags/tag-trie.js"
import { type Epoch, formatToken, isSameEpoch, parseToken, type Token } from "../tags/version.js"

export interface LogClientOptions {
  readonly log: InvalidationLog
  readonly ownsLog: boolean
  readonly trie: TagTrie
  readonly sink: ChangeSink
  readonly clock: Clock
  readonly random: () => number
  readonly origin: string
  readonly ackTimeoutMs: number
  readonly boundMs: number
}

export interface SyncOptions {
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** How much news is kept while a pull is under way. */
const MOST_KEPT_NEWS = 10_000
const HEARTBEAT_MS = 1000
const FIRST_RETRY_MS = 50
const RARE_RETRY_MS = 30_000
/** For how long closing waits for appends that were handed over. */
const CLOSE_MS = 1000
/** For how long a look at a log in shared memory is good within one turn of the event loop. */
const LONGEST_LOOK_MS = 5
/** How often a look that fails is told of. */
const FAILED_LOOK_EVERY_MS = 1000

/**
 * Keeps this process and its log together: appends and repeats them until they are acknowledged, moves the cursor
 * without gaps, pulls what was missed, and knows since when nothing was confirmed.
 */
export class LogClient {
  readonly #options: LogClientOptions
  readonly #log: InvalidationLog
  readonly #trie: TagTrie
  readonly #sink: ChangeSink
  readonly #clock: Clock
  readonly #unlisten: () => void
  /** Undefined where the log is local: it needs no repetitions. */
  readonly #appender: Appender | undefined
  readonly #history = new AppendHistory()
  #heartbeat: Timer | undefined
  #pulling: Promise<boolean> | undefined
  #mustPullAgain = false
  #keptNews: LogNews[] = []
  #confirmedNowMs = Number.NEGATIVE_INFINITY
  #confirmedWallMs = Number.NEGATIVE_INFINITY
  #hasEpoch = false
  #isClosed = false
  #pullFailures = 0
  /** It has been pulled in this epoch. */
  #isRead = false
  readonly #onClose = new Set<() => void>()
  /** Why the last pull failed, where repeating it will not help soon. */
  #obstacle: Error | undefined
  #isClosing = false
  /** In the time of the reading that asked for it. */
  #lookedAtMs = Number.NEGATIVE_INFINITY
  #failedLookAtMs = Number.NEGATIVE_INFINITY

  constructor(options: LogClientOptions) {
    this.#options = options
    this.#log = options.log
    this.#trie = options.trie
    this.#sink = options.sink
    this.#clock = options.clock
    if (this.#log.local) {
      const local = this.#log
      // A log of its own has nothing to tell that this client did not append.
      this.#unlisten = options.ownsLog ? () => {} : local.listen((news) => this.#hear(news))
      this.#adopt(local.pull(this.#position()))
      this.#pullLocally(local)
    } else {
      this.#trie.setTrusted(false)
      const { sink, clock, random, origin, ackTimeoutMs } = options
      this.#appender = new Appender({
        log: this.#log,
        port: {
          position: () => this.#position(),
          enter: (reply) => this.#enter(reply),
          acknowledged: (reply, changes) => this.#acknowledged(reply, changes),
        },
        sink,
        clock,
        random,
        origin,
        ackTimeoutMs,
      })
      this.#unlisten = this.#log.listen((news) => this.#hear(news))
      void this.#pull()
      this.#beat()
    }
  }

  get isLocal(): boolean {
    return this.#log.local
  }

  /** How many calls' changes the log has not acknowledged. */
  get pending(): number {
    return this.#appender?.pending ?? 0
  }

  /** How long ago the log last confirmed that nothing was missed; 0 for a local one, Infinity before the first time. */
  confirmedAgoMs(): number {
    if (this.#log.local) return 0
    // The monotonic clock stops while a machine sleeps, the other may be set: the larger difference counts.
    return Math.max(this.#clock.now() - this.#confirmedNowMs, this.#clock.wall() - this.#confirmedWallMs)
  }

  /** Whether what this process knows may be served. Called with each reading of the clock. */
  checkTrust(isNewTurn = true, nowMs = this.#clock.now()): void {
    if (this.#log.local) return
    // Before the first pull there is nothing to trust, and a log may still be opening.
    if (this.#log.look !== undefined && this.#hasEpoch && !this.#isClosed) {
      if (!isNewTurn && nowMs - this.#lookedAtMs < LONGEST_LOOK_MS) return
      this.#lookedAtMs = nowMs
      if (this.#look(nowMs) && this.#trie.trusted !== null) return
    }
    const isTrusted = this.#hasEpoch && this.confirmedAgoMs() <= this.#options.boundMs
    if (isTrusted === (this.#trie.trusted !== null)) return
    this.#trie.setTrusted(isTrusted)
    this.#sink.trustChanged(isTrusted)
  }

  /** The position as of now; for loads, and for users who read a row by hand. */
  #position(): LogPosition {
    return { epoch: this.#hasEpoch ? this.#trie.epoch : undefined, cursor: this.#trie.cursor }
  }

  /**
   * Appends at once. The local effect holds when this returns; the promise resolves with the token when the log has
   * acknowledged, and rejects with {@link InvalidationNotAcknowledgedError} when it has not done so in time. With
   * `wait: false` it resolves at once, without a token, and a missing acknowledgement is a fault.
   */
  append(changes: readonly LogChange[], options?: AppendOptions): Promise<Token | undefined> {
    return this.#appender?.append(changes, options ?? {}) ?? Promise.resolve(this.appendLocally(changes))
  }

  /** For a local log: the token of the acknowledged change, without a promise. */
  appendLocally(changes: readonly LogChange[]): Token {
    const { origin } = this.#options
    const log = this.#log as LocalLog
    const { epoch, version, previousHead } = log.append(changes, this.#position(), origin)
    // A log that other caches share has told its listeners before it returned, this one included.
    if (this.#trie.cursor < version) {
      if (previousHead === this.#trie.cursor) this.#sink.take({ changes, version, by: origin, cursor: version })
      else this.#pullLocally(log)
    }
    return formatToken(epoch, version)
  }

  /** Names all that is applied here. */
  tokenOfNow(): Token {
    return formatToken(this.#trie.epoch, this.#trie.cursor)
  }

  /** Resolves when at least the token is applied here; without one, all that the log holds now. */
  async sync(token: Token | undefined, options: SyncOptions): Promise<void> {
    const target = token === undefined ? undefined : parseToken(token)
    if (this.#isClosed) throw new CacheClosedError("sync")
    options.signal?.throwIfAborted()
    const isReached = () =>
      target !== undefined &&
      this.#hasEpoch &&
      isSameEpoch(target.epoch, this.#trie.epoch) &&
      this.#trie.cursor >= target.version
    if (isReached()) return
    if (this.#log.local) this.#pullLocally(this.#log)
    else {
      await this.#untilClosed("sync", () => this.#abortable((hasEnded) => this.#pullAfterNow(hasEnded), token, options))
    }
    if (target === undefined || isReached()) return
    if (!isSameEpoch(target.epoch, this.#trie.epoch)) {
      // A token of an earlier life: what it names is stale with everything of that life, now that this one is known.
      if (target.epoch.ordinal < this.#trie.epoch.ordinal) return
      throw new InvalidTokenError(
        token,
        "this log knows no such epoch; was the token made with another prefix or server?",
      )
    }
    throw new InvalidTokenError(token, "this log has not reached its version; was the token made by this log?")
  }

  /** Pulls what somebody else has seen already. Resolves when that is applied, or the time is over; never rejects. */
  async catchUp(patienceMs: number): Promise<void> {
    if (this.#isClosed) return
    const pull = (hasEnded: () => boolean) => this.#pullAfterNow(hasEnded)
    await this.#abortable(pull, undefined, { timeoutMs: patienceMs }).catch(() => {})
  }

  /** Resolves when the log has been read once; until then a shared log's process is unsure. Rejects on close. */
  async ready(): Promise<void> {
    await this.#untilClosed("ready", async () => {
      while (!this.#isRead && !this.#isClosed) {
        await this.#pull()
        if (this.#isRead) return
        // Waiting would not help; it is tried again now and then all the same.
        if (this.#obstacle !== undefined) throw this.#obstacle
        await this.#pause(this.#pullDelayMs())
      }
    })
  }

  /** Work that ends, with an error, when the cache is closed. */
  async #untilClosed(what: string, work: () => Promise<void>): Promise<void> {
    if (this.#isClosed) throw new CacheClosedError(what)
    let onClose: (() => void) | undefined
    const closed = new Promise<never>((_resolve, reject) => {
      onClose = () => reject(new CacheClosedError(what))
      this.#onClose.add(onClose)
    })
    try {
      await Promise.race([work(), closed])
    } finally {
      this.#onClose.delete(onClose as () => void)
    }
  }

  /** Waits, but not beyond the close. */
  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        timer.cancel()
        this.#onClose.delete(end)
        resolve()
      }
      const timer = this.#clock.setTimer(end, delayMs, true)
      this.#onClose.add(end)
    })
  }

  async close(): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    this.#heartbeat?.cancel()
    // What was handed over will be written: its callers should hear so.
    if (!this.#log.local && this.#log.endsAppends === true) await this.#appender?.untilSent(CLOSE_MS)
    this.#isClosed = true
    this.#heartbeat?.cancel()
    this.#unlisten()
    for (const onClose of this.#onClose) onClose()
    this.#appender?.close()
    if (this.#options.ownsLog) await this.#log.close()
  }

  // --- acknowledgements ------------------------------------------------------------------------------------------

  /** False where the log has answered for a life that has ended. */
  #enter(reply: AppendReply): boolean {
    if (this.#hasEpoch && reply.epoch.ordinal < this.#trie.epoch.ordinal) return false
    this.#adopt(reply)
    return true
  }

  #acknowledged(reply: AppendReply, changes: readonly LogChange[]): () => void {
    const { version } = reply
    const hasGap = !this.#isRead || this.#trie.cursor !== reply.previousHead
    if (this.#canLoseAppends) this.#history.note(changes, version)
    const cursor = hasGap ? undefined : version
    this.#sink.take({ changes, version, by: this.#options.origin, isAcknowledged: true, cursor })
    return () => {
      if (hasGap && this.#trie.cursor < reply.version) this.#pullSoon()
      else this.#replayNews()
    }
  }

  get #canLoseAppends(): boolean {
    return !this.#log.local && this.#log.canLoseAppends === true
  }

  // --- reading ---------------------------------------------------------------------------------------------------

  #beat(): void {
    if (this.#isClosed) return
    this.#heartbeat = this.#clock.setTimer(
      () => {
        void this.#pull()
        this.#beat()
      },
      this.#hasEpoch ? HEARTBEAT_MS : this.#pullDelayMs(),
      false,
    )
  }

  #pullDelayMs(): number {
    if (this.#obstacle !== undefined) return RARE_RETRY_MS
    return Math.min(HEARTBEAT_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#pullFailures, 5))
  }

  /** One pull at a time: whoever comes meanwhile shares the one that runs. */
  #pull(): Promise<boolean> {
    this.#pulling ??= this.#pullOnce().finally(() => {
      this.#pulling = undefined
      this.#replayNews()
      if (this.#mustPullAgain && !this.#isClosed) {
        this.#mustPullAgain = false
        void this.#pull()
      }
    })
    return this.#pulling
  }

  /** A pull for what was heard just now: one that is on its way may have been answered before. */
  #pullSoon(): void {
    const isPulling = this.#pulling !== undefined
    if (!this.#log.local && this.#log.look !== undefined && this.#hasEpoch && this.#look(this.#clock.now())) return
    if (isPulling) this.#mustPullAgain = true
    else void this.#pull()
  }

  /**
   * A pull that was sent after this call: one that runs may have been answered before what the caller asks about. A
   * failed one is repeated.
   */
  async #pullAfterNow(hasEnded: () => boolean): Promise<void> {
    if (this.#pulling !== undefined) await this.#pulling
    while (!hasEnded()) {
      const hasSucceeded = await this.#pull()
      if (this.#isClosed || hasSucceeded) return
      await this.#pause(this.#pullDelayMs())
    }
  }

  /** False if it failed, which it has told. */
  async #pullOnce(): Promise<boolean> {
    const sentNowMs = this.#clock.now()
    const sentWallMs = this.#clock.wall()
    try {
      const reply = await this.#answerOf(this.#log.pull(this.#position()))
      if (this.#isClosed) return false
      checkPull(reply)
      if (this.#hasEpoch && reply.epoch.ordinal < this.#trie.epoch.ordinal) {
        throw new LogError("pull", "it answered for an epoch that has ended")
      }
      this.#adopt(reply)
      this.#applyPull(reply)
      this.#pullFailures = 0
      this.#obstacle = undefined
      this.#confirmedNowMs = sentNowMs
      this.#confirmedWallMs = sentWallMs
      this.checkTrust()
      return true
    } catch (error) {
      if (this.#isClosed) return false
      this.#pullFailures += 1
      this.#obstacle = isPermanent(error) ? (error as Error) : undefined
      this.#sink.fault(error instanceof LogError ? error : new LogError("pull", error))
      // Whoever follows the state is told that the bound has passed, also while nobody reads.
      if (!this.#log.local && this.#log.look === undefined) this.checkTrust()
      return false
    }
  }

  /** A pull that answers at once; false where it can't, and then nothing is trusted. */
  #look(nowMs: number): boolean {
    const wallMs = this.#clock.wall()
    try {
      const reply = (this.#log as RemoteLog).look?.(this.#position())
      if (reply === "behind") {
        this.#confirmedNowMs = Number.NEGATIVE_INFINITY
        void this.#pull()
        return false
      }
      if (reply !== undefined) {
        checkPull(reply)
        if (this.#hasEpoch && reply.epoch.ordinal < this.#trie.epoch.ordinal) {
          throw new LogError("look", "it answered for an epoch that has ended")
        }
        this.#adopt(reply)
        this.#applyPull(reply)
      }
      this.#confirmedNowMs = nowMs
      this.#confirmedWallMs = wallMs
      return true
    } catch (error) {
      // Others may know by now what this process does not: the bound is for logs that can't be looked at.
      this.#confirmedNowMs = Number.NEGATIVE_INFINITY
      if (nowMs - this.#failedLookAtMs < FAILED_LOOK_EVERY_MS) return false
      this.#failedLookAtMs = nowMs
      this.#sink.fault(error instanceof LogError ? error : new LogError("look", error))
      return false
    }
  }

  /** A log that never answers must not end all pulls: the next one may get through. A late answer is not looked at. */
  #answerOf(reply: PullReply | Promise<PullReply>): Promise<PullReply> {
    return new Promise((resolve, reject) => {
      const end = () => {
        timer.cancel()
        this.#onClose.delete(end)
        reject(new LogError("pull", `no answer within ${this.#options.ackTimeoutMs} ms`))
      }
      const timer = this.#clock.setTimer(end, this.#options.ackTimeoutMs, false)
      this.#onClose.add(end)
      Promise.resolve(reply)
        .then(resolve, reject)
        .finally(() => {
          timer.cancel()
          this.#onClose.delete(end)
        })
    })
  }

  #applyPull(reply: PullReply): void {
    const trie = this.#trie
    if (reply.head < trie.cursor) return
    this.#isRead = true
    this.#sink.take({
      changes: reply.changes.filter(({ version }) => version > trie.cursor),
      by: "another process",
      cursor: reply.head,
      floors: { tags: reply.floor, keys: reply.keyFloor },
    })
  }

  /** Takes over a newer life of the log, if it is one. */
  #adopt(reply: { readonly epoch: Epoch; readonly ended?: LogEnd | undefined }): void {
    const before = this.#hasEpoch ? this.#trie.epoch : undefined
    const isNew = before === undefined || !isSameEpoch(reply.epoch, before)
    if (isNew) {
      if (before !== undefined) this.#sink.epochEnds()
      this.#hasEpoch = true
      this.#isRead = false
      this.#trie.adopt(reply.epoch)
      if (this.#log.local) this.#trie.setTrusted(true)
      if (before !== undefined) {
        this.#confirmedNowMs = Number.NEGATIVE_INFINITY
        this.#sink.epochChanged()
        this.#sink.trustChanged(false)
      }
    }
    if (!this.#canLoseAppends) return
    // Pending from now on: others may have loaded, and stored, what it was to make stale.
    const lost = this.#history.lostBy(reply.ended, before, isNew)
    if (lost.length > 0) this.#appender?.repeat(lost)
  }

  #hear(news: LogNews | undefined): void {
    if (this.#isClosed) return
    if (news === undefined) {
      this.#pullSoon()
      return
    }
    if (!this.#hasEpoch || this.#pulling !== undefined) {
      // Kept and replayed: a pull that was answered before this news would otherwise lose it until the next.
      if (this.#keptNews.length < MOST_KEPT_NEWS) this.#keptNews.push(news)
      return
    }
    if (this.#applyNews(news)) return
    if (this.#log.local) this.#pullLocally(this.#log)
    else void this.#pull()
  }

  /** Closes a gap at once: a listener of one change may have appended another before all had heard of the first. */
  #pullLocally(log: LocalLog): void {
    this.#applyPull(log.pull(this.#position()))
  }

  /** False if the news does not follow on what is known, so that a pull is needed. */
  #applyNews(news: LogNews): boolean {
    const trie = this.#trie
    if (!isSameEpoch(news.epoch, trie.epoch)) return news.epoch.ordinal < trie.epoch.ordinal
    if (news.version <= trie.cursor) return true
    if (news.previousHead !== trie.cursor) return false
    const { changes, version, origin } = news
    this.#sink.take({ changes, version, by: origin, cursor: version })
    return true
  }

  #replayNews(): void {
    if (this.#keptNews.length === 0 || this.#isClosed || !this.#hasEpoch) return
    const kept = this.#keptNews
    this.#keptNews = []
    kept.sort((a, b) => a.version - b.version)
    let isComplete = true
    for (const news of kept) isComplete = this.#applyNews(news) && isComplete
    if (!isComplete) void this.#pull()
  }

  /** Ends a wait when its time is over or its caller has left. */
  async #abortable(
    work: (hasEnded: () => boolean) => Promise<void>,
    token: Token | undefined,
    options: SyncOptions,
  ): Promise<void> {
    const { timeoutMs = this.#options.ackTimeoutMs, signal } = options
    let hasEnded = false
    let timer: Timer | undefined
    let onAbort: (() => void) | undefined
    const ended = new Promise<never>((_resolve, reject) => {
      timer = this.#clock.setTimer(() => reject(new SyncTimeoutError(token, timeoutMs)), timeoutMs, true)
      onAbort = () => reject(signal?.reason as Error)
      signal?.addEventListener("abort", onAbort, { once: true })
    })
    try {
      await Promise.race([work(() => hasEnded), ended])
    } finally {
      hasEnded = true
      timer?.cancel()
      if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort)
    }
  }
}

import type { Clock, Timer } from "./clock.js"
import {
  CacheClosedError,
  InvalidationNotAcknowledgedError,
  InvalidTokenError,
  LogError,
  SyncTimeoutError,
  type ZooCacheError,
} from "./errors.js"
import type {
  AppendReply,
  InvalidationLog,
  LogChange,
  LoggedChange,
  LogNews,
  LogPosition,
  PullReply,
  RemoteLog,
} from "./log.js"
import type { TagTrie } from "./tag-trie.js"
import { formatToken, isSameEpoch, isVersion, parseToken, type Token, type Version } from "./version.js"

/** What the client tells of changes; the engine knows what to do to nodes, entries and loads. */
export interface ChangeSink {
  /** A change got its version. Called before the cursor moves over it. */
  applied(change: LogChange, version: Version, by: string): void
  /** A change counts as newer than everything until {@link ChangeSink.settled}, once for each call. */
  pending(change: LogChange): void
  settled(change: LogChange): void
  /** Everything of this batch is applied and the cursor is where it belongs. */
  caughtUp(): void
  /** Nothing known can be trusted any more: the log began a new life. */
  epochChanged(): void
  fault(error: ZooCacheError): void
  trustChanged(isTrusted: boolean): void
}

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

export interface AppendOptions {
  /** Default true. */
  readonly wait?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Called when a shared log acknowledged, however late; without a version when that will never be known. */
  readonly onEnd?: ((version: Version | undefined) => void) | undefined
}

export interface SyncOptions {
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Beyond so many unacknowledged changes they collapse into what they have in common. */
const MOST_PENDING = 10_000
const HEARTBEAT_MS = 1000
const FIRST_RETRY_MS = 50
const SLOWEST_RETRY_MS = 5000
const RARE_RETRY_MS = 30_000
/** For how long closing waits for appends that were handed over. */
const CLOSE_MS = 1000
const CLOSE_STEP_MS = 5
/** For how long a look at a log in shared memory is good within one turn of the event loop. */
const LONGEST_LOOK_MS = 5
/** How often a look that fails is told of. */
const FAILED_LOOK_EVERY_MS = 1000

/** One call's append, from the call until the log acknowledged it, which may be long after the call was rejected. */
interface PendingAppend {
  readonly changes: readonly LogChange[]
  /** Settles the caller; undefined once it has been answered. */
  answer: ((outcome: AppendReply | ZooCacheError | "left") => void) | undefined
  timer: Timer | undefined
  isAcknowledged: boolean
  readonly onEnd: ((version: Version | undefined) => void) | undefined
}

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
  /** Appends that failed or timed out and wait for the next repetition. */
  readonly #backlog = new Set<PendingAppend>()
  /** How many changes those are. */
  #backlogChanges = 0
  /** Appends on their way. */
  readonly #sent = new Set<PendingAppend>()
  #retry: Timer | undefined
  #isRetrying = false
  #retryDelayMs = FIRST_RETRY_MS
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
  #retryDeadline: Timer | undefined
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
      this.#applyPull(local.pull(this.#position()))
    } else {
      this.#trie.setTrusted(false)
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
    return this.#backlog.size + this.#sent.size
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
    if (this.#log.local) return Promise.resolve(this.appendLocally(changes))
    return this.#appendRemotely(this.#log, changes, options ?? {})
  }

  /** For a local log: the token of the acknowledged change, without a promise. */
  appendLocally(changes: readonly LogChange[]): Token {
    const { origin } = this.#options
    const reply = this.#log.append(changes, this.#position(), origin) as AppendReply
    // A log that other caches share has told its listeners before it returned, this one included.
    if (this.#trie.cursor < reply.version) {
      for (const change of changes) this.#sink.applied(change, reply.version, origin)
      this.#trie.cursor = reply.version
      this.#sink.caughtUp()
    }
    return formatToken(reply.epoch, reply.version)
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
    if (this.#log.local) this.#applyPull(this.#log.pull(this.#position()))
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
    if (!this.#log.local && this.#log.endsAppends === true && this.#sent.size > 0) await this.#untilSent(CLOSE_MS)
    this.#isClosed = true
    this.#heartbeat?.cancel()
    this.#retry?.cancel()
    this.#retryDeadline?.cancel()
    this.#unlisten()
    for (const onClose of this.#onClose) onClose()
    for (const append of [...this.#sent, ...this.#backlog]) {
      this.#answer(append, this.#unacknowledged(append, "the cache was closed"))
    }
    this.#backlog.clear()
    this.#sent.clear()
    if (this.#options.ownsLog) await this.#log.close()
  }

  async #untilSent(patienceMs: number): Promise<void> {
    const patience = { isOver: false }
    const timer = this.#clock.setTimer(() => (patience.isOver = true), patienceMs, true)
    while (this.#sent.size > 0 && !patience.isOver) await this.#pause(CLOSE_STEP_MS)
    timer.cancel()
  }

  // --- appending -------------------------------------------------------------------------------------------------

  #appendRemotely(log: RemoteLog, changes: readonly LogChange[], options: AppendOptions): Promise<Token | undefined> {
    const append: PendingAppend = {
      changes,
      answer: undefined,
      timer: undefined,
      isAcknowledged: false,
      onEnd: options.onEnd,
    }
    for (const change of changes) this.#sink.pending(change)
    this.#sink.caughtUp()
    const answered = new Promise<Token>((resolve, reject) => {
      const { signal } = options
      const onAbort = () => append.answer?.("left")
      append.answer = (outcome) => {
        append.answer = undefined
        // Without a caller it still has to arrive, or to be repeated.
        if (outcome !== "left") append.timer?.cancel()
        signal?.removeEventListener("abort", onAbort)
        if (outcome === "left") reject(signal?.reason)
        else if (outcome instanceof Error) reject(outcome)
        else resolve(formatToken(outcome.epoch, outcome.version))
      }
      signal?.addEventListener("abort", onAbort, { once: true })
    })
    append.timer = this.#clock.setTimer(() => this.#timeOut(append), this.#options.ackTimeoutMs, true)
    this.#send(log, append)
    // Who no longer wants to wait has still said that something changed.
    if (options.signal?.aborted) append.answer?.("left")
    if (options.wait === false) {
      answered.catch((error: unknown) => {
        if (!this.#isClosed) this.#sink.fault(error as ZooCacheError)
      })
      return Promise.resolve(undefined)
    }
    return answered
  }

  #send(log: RemoteLog, append: PendingAppend): void {
    this.#sent.add(append)
    this.#call(() => log.append(append.changes, this.#position(), this.#options.origin)).then(
      (reply) => this.#acknowledge(append, reply),
      (error: unknown) => {
        this.#sent.delete(append)
        this.#postpone(append, error)
      },
    )
  }

  /** An answer that breaks the contract is a failure like any other. */
  async #call(send: () => Promise<AppendReply>): Promise<AppendReply> {
    const reply = await send()
    if (!isVersion(reply?.version) || !isVersion(reply.previousHead) || !isEpochLike(reply.epoch)) {
      throw new LogError("append", "it answered without a version")
    }
    return reply
  }

  #acknowledge(append: PendingAppend, reply: AppendReply): void {
    this.#sent.delete(append)
    if (this.#isClosed || append.isAcknowledged) return
    if (this.#hasEpoch && reply.epoch.ordinal < this.#trie.epoch.ordinal) {
      // An acknowledgement by an earlier life of the log ends nothing.
      this.#postpone(append, new LogError("append", "it answered for an epoch that has ended"))
      return
    }
    const isAdopted = this.#adopt(reply)
    if (this.#backlog.delete(append)) this.#backlogChanges -= append.changes.length
    append.isAcknowledged = true
    append.timer?.cancel()
    append.onEnd?.(reply.version)
    for (const change of append.changes) {
      this.#sink.applied(change, reply.version, this.#options.origin)
      this.#sink.settled(change)
    }
    const hasGap = !this.#hasEpoch || isAdopted || this.#trie.cursor !== reply.previousHead
    if (!hasGap) this.#trie.cursor = reply.version
    this.#sink.caughtUp()
    this.#answer(append, reply)
    if (hasGap && this.#trie.cursor < reply.version) this.#pullSoon()
    else this.#replayNews()
  }

  #timeOut(append: PendingAppend): void {
    append.timer = undefined
    if (append.isAcknowledged) return
    if (!this.#log.local && this.#log.endsAppends === true && this.#sent.has(append)) {
      // It will be acknowledged or fail, and is pending until then.
      this.#answer(append, this.#unacknowledged(append, `no answer within ${this.#options.ackTimeoutMs} ms`))
      return
    }
    this.#sent.delete(append)
    // What was sent may still arrive: its own acknowledgement will end it, or else a repetition.
    this.#addToBacklog(append)
    this.#scheduleRetry(false)
    this.#answer(append, this.#unacknowledged(append, `no answer within ${this.#options.ackTimeoutMs} ms`))
    this.#collapse()
  }

  #postpone(append: PendingAppend, error: unknown): void {
    // A late failure of what a repetition has brought through is no news.
    if (this.#isClosed || append.isAcknowledged) return
    const isFinal = isPermanent(error)
    this.#sink.fault(error instanceof LogError ? error : new LogError("append", error))
    this.#addToBacklog(append)
    if (isFinal) this.#answer(append, this.#unacknowledged(append, describe(error), error))
    this.#scheduleRetry(isFinal)
    this.#collapse()
  }

  #addToBacklog(append: PendingAppend): void {
    if (this.#backlog.has(append)) return
    this.#backlog.add(append)
    this.#backlogChanges += append.changes.length
  }

  #scheduleRetry(isRare: boolean): void {
    if (this.#retry !== undefined || this.#isRetrying || this.#isClosed) return
    const delayMs = isRare ? RARE_RETRY_MS : this.#retryDelayMs
    this.#retryDelayMs = Math.min(SLOWEST_RETRY_MS, this.#retryDelayMs * 2)
    // Between half and all of it, so that a fleet does not knock in step.
    this.#retry = this.#clock.setTimer(() => this.#sendBacklog(), delayMs * (0.5 + this.#options.random() / 2), false)
  }

  /** Everything that waits goes out in one append. */
  #sendBacklog(): void {
    this.#retry = undefined
    if (this.#isClosed || this.#backlog.size === 0 || this.#log.local) return
    const appends = [...this.#backlog]
    const unique = new Map<string, LogChange>()
    for (const append of appends) {
      for (const change of append.changes) unique.set(`${change.kind} ${change.path}`, change)
    }
    const log = this.#log
    let isOver = false
    const finish = (then: () => void) => {
      if (isOver || this.#isClosed) return
      isOver = true
      this.#retryDeadline?.cancel()
      this.#isRetrying = false
      then()
    }
    this.#isRetrying = true
    // A log that never answers may not end the repetitions; the next one then comes after a longer pause.
    this.#retryDeadline = this.#clock.setTimer(
      () => finish(() => this.#scheduleRetry(false)),
      Math.max(this.#options.ackTimeoutMs, FIRST_RETRY_MS),
      false,
    )
    this.#call(() => log.append([...unique.values()], this.#position(), this.#options.origin)).then(
      (reply) => {
        finish(() => {
          this.#retryDelayMs = FIRST_RETRY_MS
        })
        for (const append of appends) this.#acknowledge(append, reply)
        if (this.#backlog.size > 0) this.#scheduleRetry(false)
      },
      (error: unknown) => {
        finish(() => {
          this.#sink.fault(error instanceof LogError ? error : new LogError("append", error))
          this.#scheduleRetry(isPermanent(error))
        })
      },
    )
  }

  /** Bounds what a long outage can pile up: many changes become fewer that cover them. */
  #collapse(): void {
    if (this.#backlogChanges <= MOST_PENDING) return
    const appends = [...this.#backlog]
    const collapsed = collapseChanges(
      appends.flatMap((append) => append.changes),
      MOST_PENDING / 2,
    )
    const merged: PendingAppend = {
      changes: collapsed,
      answer: undefined,
      timer: undefined,
      isAcknowledged: false,
      onEnd: undefined,
    }
    for (const change of collapsed) this.#sink.pending(change)
    for (const append of appends) {
      this.#answer(append, this.#unacknowledged(append, "too many invalidations are waiting"))
      append.isAcknowledged = true
      append.onEnd?.(undefined)
      for (const change of append.changes) this.#sink.settled(change)
    }
    this.#backlog.clear()
    this.#backlogChanges = 0
    this.#addToBacklog(merged)
    this.#sink.caughtUp()
  }

  #unacknowledged(append: PendingAppend, reason: string, cause?: unknown): InvalidationNotAcknowledgedError {
    const subjects = append.changes.map((change) => (change.path === "" ? "everything" : change.path))
    return new InvalidationNotAcknowledgedError(subjects, reason, { cause })
  }

  #answer(append: PendingAppend, outcome: AppendReply | ZooCacheError): void {
    append.answer?.(outcome)
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
    if (!this.#log.local && this.#log.look !== undefined && this.#hasEpoch && this.#look(this.#clock.now())) return
    if (this.#pulling === undefined) void this.#pull()
    else this.#mustPullAgain = true
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
      return false
    }
  }

  /** A pull that answers at once; false where it can't, and then nothing is trusted. */
  #look(nowMs: number): boolean {
    const wallMs = this.#clock.wall()
    try {
      const reply = (this.#log as RemoteLog).look?.(this.#position())
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
    // Before anything of this pull: what the log forgot may have concerned anything that is older.
    const hasForgotten = reply.floor > trie.cursor || reply.keyFloor > trie.cursor
    if (reply.floor > trie.cursor) trie.floor = Math.max(trie.floor, reply.floor)
    if (reply.keyFloor > trie.cursor) trie.keyFloor = Math.max(trie.keyFloor, reply.keyFloor)
    trie.logForgot(reply.floor, reply.keyFloor)
    for (const change of reply.changes) {
      if (change.version > trie.cursor) this.#sink.applied(change, change.version, change.origin ?? "another process")
    }
    trie.cursor = reply.head
    this.#isRead = true
    if (hasForgotten) trie.moved()
    this.#sink.caughtUp()
  }

  /** Takes over a newer life of the log; true if it did. */
  #adopt(reply: { readonly epoch: AppendReply["epoch"] }): boolean {
    if (this.#hasEpoch && isSameEpoch(reply.epoch, this.#trie.epoch)) return false
    const isFirst = !this.#hasEpoch
    this.#hasEpoch = true
    this.#isRead = false
    this.#trie.adopt(reply.epoch)
    if (this.#log.local) this.#trie.setTrusted(true)
    if (!isFirst) {
      this.#confirmedNowMs = Number.NEGATIVE_INFINITY
      this.#sink.epochChanged()
      this.#sink.trustChanged(false)
    }
    return true
  }

  #hear(news: LogNews | undefined): void {
    if (this.#isClosed) return
    if (news === undefined) {
      this.#pullSoon()
      return
    }
    if (!this.#hasEpoch || this.#pulling !== undefined) {
      // Kept and replayed: a pull that was answered before this news would otherwise lose it until the next.
      if (this.#keptNews.length < MOST_PENDING) this.#keptNews.push(news)
      return
    }
    if (!this.#applyNews(news)) void this.#pull()
  }

  /** False if the news does not follow on what is known, so that a pull is needed. */
  #applyNews(news: LogNews): boolean {
    const trie = this.#trie
    if (!isSameEpoch(news.epoch, trie.epoch)) return news.epoch.ordinal < trie.epoch.ordinal
    if (news.version <= trie.cursor) return true
    if (news.previousHead !== trie.cursor) return false
    for (const change of news.changes) this.#sink.applied(change, news.version, news.origin)
    trie.cursor = news.version
    this.#sink.caughtUp()
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

/** Fewer changes that cover all of `changes`: the deepest paths give up their last segments until `most` are left. */
export function collapseChanges(changes: readonly LogChange[], most: number): LogChange[] {
  const unique = new Map<string, LogChange>()
  for (const change of changes) unique.set(`${change.kind} ${change.path}`, change)
  while (unique.size > most) {
    let deepest = 0
    for (const change of unique.values()) deepest = Math.max(deepest, depthOf(change))
    if (deepest === 0) break
    for (const [id, change] of unique) {
      if (depthOf(change) !== deepest) continue
      unique.delete(id)
      const parent = parentOf(change)
      unique.set(`${parent.kind} ${parent.path}`, parent)
    }
  }
  return [...unique.values()]
}

function depthOf(change: LogChange): number {
  // Keys know no hierarchy that a log could name: they become everything when there are too many.
  if (change.kind === "key" || change.kind === "function") return 1
  return change.path === "" ? 0 : change.path.split(":").length
}

function parentOf(change: LogChange): LogChange {
  if (change.kind === "key" || change.kind === "function") return { kind: "tag", path: "" }
  const end = change.path.lastIndexOf(":")
  return { kind: change.kind, path: end < 0 ? "" : change.path.slice(0, end) }
}

function isEpochLike(epoch: unknown): boolean {
  const { ordinal, nonce } = (epoch ?? {}) as { ordinal?: unknown; nonce?: unknown }
  return Number.isSafeInteger(ordinal) && typeof nonce === "string"
}

function checkPull(reply: PullReply): void {
  const isWhole =
    isEpochLike(reply?.epoch) &&
    isVersion(reply.head) &&
    isVersion(reply.floor) &&
    isVersion(reply.keyFloor) &&
    Array.isArray(reply.changes) &&
    reply.changes.every((change: LoggedChange) => isVersion(change?.version) && typeof change.path === "string")
  if (!isWhole) throw new LogError("pull", "it answered with something that is not a reply")
}

/** Repeating will not help soon. */
function isPermanent(error: unknown): boolean {
  return (error as { permanent?: unknown } | null | undefined)?.permanent === true
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

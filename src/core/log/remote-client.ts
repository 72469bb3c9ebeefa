import type { Timer } from "../base/clock.js"
import { inRootContext } from "../base/contexts.js"
import { asLogError, CacheClosedError, LogError, SyncTimeoutError } from "../base/errors.js"
import { SaidRarely } from "../base/said-rarely.js"
import { after, Closing, Deferred, type Ending, pause, waitFor, whenAborted, whenClosed } from "../base/waits.js"
import type { AppendReply, LogChange, LogNews, PullReply, RemoteLog } from "../ports/log.js"
import { parseToken, type Token } from "../tags/version.js"
import { Appender } from "./appender.js"
import { checkPull } from "./check-reply.js"
import type { AppendOptions, LogClientOptions, RemoteLogClient, SyncOptions } from "./log-client.js"
import { LogState } from "./log-state.js"

const HEARTBEAT_MS = 1000
/** Patience of closing with appends that were handed over. */
const CLOSE_MS = 1000
/** Time for which a look at a log in shared memory is good within one turn of the event loop. */
const LONGEST_LOOK_MS = 5
/** Pause between faults that tell of failing looks. */
const FAILED_LOOK_EVERY_MS = 1000

/**
 * The client of a log that others share. Replies and news go to {@link LogState}; sending, waiting and repeating are here.
 * No two pulls are under way at a time; a heartbeat pulls when nothing else does.
 */
export class RemoteClient implements RemoteLogClient {
  readonly isLocal = false
  readonly #options: LogClientOptions<RemoteLog>
  readonly #log: RemoteLog
  readonly #state: LogState
  readonly #appender: Appender
  readonly #failedLooks: SaidRarely
  readonly #closing = new Closing()
  readonly #unlisten: () => void
  #heartbeat: Timer | undefined
  #pulling: Promise<boolean> | undefined
  #isClosing = false
  /** In the time of the reading that asked for the look. */
  #lookedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: LogClientOptions<RemoteLog>) {
    this.#options = options
    const { log, trie, sink, clock, random, origin, ackTimeoutMs } = options
    this.#log = log
    const canLoseAppends = log.canLoseAppends === true
    this.#state = new LogState({ trie, sink, origin, canLoseAppends })
    this.#failedLooks = new SaidRarely(clock, FAILED_LOOK_EVERY_MS)
    trie.setTrusted(false)
    const port = {
      position: () => this.#state.position(),
      enter: (reply: AppendReply) => this.#enter(reply),
      acknowledged: (reply: AppendReply, changes: readonly LogChange[]) => this.#acknowledged(reply, changes),
    }
    this.#appender = new Appender({ log, port, sink, clock, random, origin, ackTimeoutMs })
    this.#unlisten = log.listen((news) => inRootContext(() => this.#hear(news)))
    void this.#pull()
    this.#beat()
  }

  get pending(): number {
    return this.#appender.pending
  }

  confirmedAgoMs(): number {
    const { clock } = this.#options
    return this.#state.confirmedAgoMs(clock.now(), clock.wall())
  }

  checkTrust(isNewTurn = true, nowMs = this.#options.clock.now()): void {
    const { trie, sink, boundMs } = this.#options
    // Before the first pull there is nothing to trust, and a log may still be opening.
    if (this.#log.look !== undefined && this.#state.hasEpoch && !this.#closing.isOver) {
      if (!isNewTurn && nowMs - this.#lookedAtMs < LONGEST_LOOK_MS) return
      this.#lookedAtMs = nowMs
      if (this.#look(nowMs) && trie.trusted !== null) return
    }
    const isTrusted = this.#state.hasEpoch && this.confirmedAgoMs() <= boundMs
    if (isTrusted === (trie.trusted !== null)) return
    trie.setTrusted(isTrusted)
    sink.trustChanged(isTrusted)
  }

  append(changes: readonly LogChange[], options: AppendOptions = {}): Promise<Token | undefined> {
    return this.#appender.append(changes, options)
  }

  tokenOfNow(): Token {
    return this.#state.token()
  }

  async sync(token: Token | undefined, options: SyncOptions): Promise<void> {
    const target = token === undefined ? undefined : parseToken(token)
    if (this.#closing.isOver) throw new CacheClosedError("sync")
    const { timeoutMs = this.#options.ackTimeoutMs, signal } = options
    signal?.throwIfAborted()
    if (this.#state.hasReached(target)) return
    const ended = new Closing()
    const tooLate = after<never>(this.#options.clock, timeoutMs, true, () => {
      throw new SyncTimeoutError(token, timeoutMs)
    })
    const endings = [tooLate, whenAborted(signal), this.#closed("sync")]
    await waitFor(this.#pullAfterNow(ended), ...endings).finally(() => ended.close())
    if (target !== undefined) this.#state.checkReached(target, token)
  }

  async catchUp(patienceMs: number): Promise<void> {
    if (this.#closing.isOver) return
    const ended = new Closing()
    const tooLate = after(this.#options.clock, patienceMs, true, () => {})
    await waitFor(this.#pullAfterNow(ended), tooLate).finally(() => ended.close())
  }

  async ready(): Promise<void> {
    if (this.#closing.isOver) throw new CacheClosedError("ready")
    await waitFor(this.#read(), this.#closed("ready"))
  }

  async close(): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    this.#heartbeat?.cancel()
    // Appends that were handed over will be written: their callers should hear so.
    if (this.#log.endsAppends === true) await this.#appender.untilSent(CLOSE_MS)
    this.#heartbeat?.cancel()
    this.#unlisten()
    this.#closing.close()
    this.#appender.close()
    if (this.#options.ownsLog) await this.#log.close()
  }

  /** Ends a wait, with an error, when the cache is closed. */
  #closed(what: string): Ending<never> {
    return whenClosed<never>(this.#closing, () => {
      throw new CacheClosedError(what)
    })
  }

  // --- acknowledgements ------------------------------------------------------------------------------------------------

  /** False where the log has answered for a life that has ended. */
  #enter(reply: AppendReply): boolean {
    if (this.#state.hasEnded(reply.epoch)) return false
    this.#adopt(reply)
    return true
  }

  #adopt(reply: AppendReply | PullReply): void {
    const lost = this.#state.enter(reply)
    if (lost.length > 0) this.#appender.repeat(lost)
  }

  #acknowledged(reply: AppendReply, changes: readonly LogChange[]): () => void {
    const follows = this.#state.acknowledged(reply, changes)
    return () => {
      if (follows || this.#options.trie.cursor >= reply.version) this.#replay()
      else this.#pullSoon()
    }
  }

  // --- reading -----------------------------------------------------------------------------------------------------------

  #beat(): void {
    if (this.#closing.isOver) return
    this.#heartbeat = this.#options.clock.setTimer(
      () => {
        void this.#pull()
        this.#beat()
      },
      this.#state.hasEpoch ? HEARTBEAT_MS : this.#state.retryMs,
      false,
    )
  }

  /** Pulls until the log has been read once. */
  async #read(): Promise<void> {
    while (!this.#state.isRead && !this.#closing.isOver) {
      await this.#pull()
      if (this.#state.isRead) return
      // Waiting would not help; it is tried again now and then all the same.
      if (this.#state.obstacle !== undefined) throw this.#state.obstacle
      await this.#pause()
    }
  }

  /**
   * A pull that was sent after this call: one that runs may have been answered before what the caller asks about. A failed
   * one is repeated until the caller's wait has ended.
   */
  async #pullAfterNow(ended: Closing): Promise<void> {
    if (this.#pulling !== undefined) await this.#pulling
    while (!ended.isOver) {
      const hasSucceeded = await this.#pull()
      if (this.#closing.isOver || hasSucceeded) return
      await this.#pause(ended)
    }
  }

  /** Waits before the next attempt, but not beyond the close, nor beyond the wait that it is for. */
  #pause(ended?: Closing): Promise<void> {
    const over = () => {}
    const endings = ended === undefined ? [] : [whenClosed(ended, over)]
    return pause(this.#options.clock, this.#state.retryMs, true, whenClosed(this.#closing, over), ...endings)
  }

  /** Pulls, or shares the pull that is under way. In the root context: a pull belongs to none of those who wait for it. */
  #pull(): Promise<boolean> {
    return this.#pulling ?? inRootContext(() => this.#beginPull())
  }

  #beginPull(): Promise<boolean> {
    // Known as under way before the log is called, which may call back.
    const pulling = new Deferred<boolean>()
    this.#pulling = pulling.promise
    this.#state.pullBegins()
    void this.#pullOnce().then((hasSucceeded) => {
      this.#pulling = undefined
      const mustFollow = this.#state.pullEnds()
      this.#replay()
      if (mustFollow && !this.#closing.isOver) void this.#pull()
      pulling.resolve(hasSucceeded)
    })
    return pulling.promise
  }

  /** A pull for what was heard just now: one that is on its way may have been answered before. */
  #pullSoon(): void {
    const { isPulling, hasEpoch } = this.#state
    if (this.#log.look !== undefined && hasEpoch && this.#look(this.#options.clock.now())) return
    if (isPulling) this.#state.pullAgain()
    else void this.#pull()
  }

  /** False if it failed, which it has told. */
  async #pullOnce(): Promise<boolean> {
    const { clock, sink } = this.#options
    const sentNowMs = clock.now()
    const sentWallMs = clock.wall()
    try {
      const reply = await this.#inTime(this.#log.pull(this.#state.position()))
      if (this.#closing.isOver) return false
      this.#take(reply, "pull")
      this.#state.pullSucceeded()
      this.#state.confirmed(sentNowMs, sentWallMs)
      this.checkTrust()
      return true
    } catch (error) {
      if (this.#closing.isOver) return false
      this.#state.pullFailed(error)
      sink.fault(asLogError("pull", error))
      // Listeners to the state are told that the bound has passed, also while nobody reads.
      if (this.#log.look === undefined) this.checkTrust()
      return false
    }
  }

  /** A pull that answers at once; false where it can't, and then nothing is trusted. */
  #look(nowMs: number): boolean {
    const { clock, sink } = this.#options
    const wallMs = clock.wall()
    try {
      const reply = this.#log.look?.(this.#state.position())
      if (reply === "behind") {
        this.#state.unconfirmed()
        void this.#pull()
        return false
      }
      if (reply !== undefined) this.#take(reply, "look")
      this.#state.confirmed(nowMs, wallMs)
      return true
    } catch (error) {
      // Others may know by now what this process does not: the bound is for logs that can't be looked at.
      this.#state.unconfirmed()
      if (this.#failedLooks.isDue("look")) sink.fault(asLogError("look", error))
      return false
    }
  }

  #take(reply: PullReply, operation: string): void {
    checkPull(reply)
    if (this.#state.hasEnded(reply.epoch)) throw new LogError(operation, "it answered for an epoch that has ended")
    this.#adopt(reply)
    this.#state.pulled(reply)
  }

  /** A log that never answers must not end all pulls: the next one may get through. A late answer is not looked at. */
  #inTime(reply: PullReply | Promise<PullReply>): Promise<PullReply> {
    const { clock, ackTimeoutMs } = this.#options
    const noAnswer = () => {
      throw new LogError("pull", `no answer within ${ackTimeoutMs} ms`)
    }
    const endings = [after(clock, ackTimeoutMs, false, noAnswer), whenClosed(this.#closing, noAnswer)]
    return waitFor(Promise.resolve(reply), ...endings)
  }

  #hear(news: LogNews | undefined): void {
    if (this.#closing.isOver) return
    if (news === undefined) this.#pullSoon()
    else if (!this.#state.hasEpoch || this.#state.isPulling) this.#state.keep(news)
    else if (!this.#state.heard(news)) void this.#pull()
  }

  #replay(): void {
    if (!this.#closing.isOver && !this.#state.replay()) void this.#pull()
  }
}

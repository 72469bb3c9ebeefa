import { collapseChanges } from "./change.js"
import { BackOff, jittered } from "../base/back-off.js"
import { inRootContext } from "../base/contexts.js"
import type { Clock, Timer } from "../base/clock.js"
import {
  asLogError,
  InvalidationNotAcknowledgedError,
  LogError,
  messageOf,
  type ZooCacheError,
} from "../base/errors.js"
import { changeId } from "../ports/change.js"
import { Listeners, pause, waitUntil, whenAborted, whenTold } from "../base/waits.js"
import type { AppendReply, LogChange, LogPosition, RemoteLog } from "../ports/log.js"
import { isEpochLike, isPermanent } from "./check-reply.js"
import type { AppendOptions } from "./log-client.js"
import type { ChangeSink } from "./news.js"
import { formatToken, isVersion, type Token, type Version } from "../tags/version.js"

/** The follower of the log, as far as appending needs it. */
export interface AppendPort {
  position(): LogPosition
  /** Takes over the life of the log that has answered; false where that has ended, so that the answer ends nothing. */
  enter(reply: AppendReply): boolean
  /** Applies an acknowledged append. Answers with what is to be done when its caller is answered. */
  acknowledged(reply: AppendReply, changes: readonly LogChange[]): () => void
}

export interface AppenderOptions {
  readonly log: RemoteLog
  readonly port: AppendPort
  readonly sink: ChangeSink
  readonly clock: Clock
  readonly random: () => number
  readonly origin: string
  readonly ackTimeoutMs: number
}

/** Unacknowledged changes beyond this number collapse into what they have in common. */
const MOST_PENDING = 10_000
const FIRST_RETRY_MS = 50
const SLOWEST_RETRY_MS = 5000
const RARE_RETRY_MS = 30_000

interface Unacknowledged {
  readonly reason: string
  readonly cause?: unknown
}

/** The append of a call, from the call until the log acknowledged it, which may be long after the call was rejected. */
interface PendingAppend {
  readonly changes: readonly LogChange[]
  /** Settles the caller; undefined once it has been answered or has left. */
  answer: ((outcome: AppendReply | Unacknowledged) => void) | undefined
  timer: Timer | undefined
  isAcknowledged: boolean
  /** Another append covers its changes, and brings its caller the answer. */
  isCovered?: boolean
  /** Appends whose callers wait for this one instead of their own. */
  readonly covered?: readonly PendingAppend[]
  readonly onEnd: ((version: Version | undefined) => void) | undefined
}

/** Hands this process's changes to a shared log, and repeats each until it is acknowledged, however long that takes. */
export class Appender {
  readonly #options: AppenderOptions
  /** Appends that failed or timed out and wait for the next repetition. */
  readonly #backlog = new Set<PendingAppend>()
  /** The number of changes in the backlog. */
  #backlogChanges = 0
  /** Appends on their way. */
  readonly #sent = new Set<PendingAppend>()
  /** Told when nothing is on its way any more. */
  readonly #allAnswered = new Listeners()
  #retry: Timer | undefined
  #isRetrying = false
  readonly #retries: BackOff
  #retryDeadline: Timer | undefined
  #isClosed = false

  constructor(options: AppenderOptions) {
    this.#options = options
    this.#retries = new BackOff({ firstMs: FIRST_RETRY_MS, longestMs: SLOWEST_RETRY_MS, random: options.random })
  }

  /** How many calls' changes the log has not acknowledged. */
  get pending(): number {
    return this.#backlog.size + this.#sent.size
  }

  /** The local effect holds when this returns; see `LogClient.append`. */
  append(changes: readonly LogChange[], options: AppendOptions): Promise<Token | undefined> {
    const append: PendingAppend = {
      changes,
      answer: undefined,
      timer: undefined,
      isAcknowledged: false,
      onEnd: options.onEnd,
    }
    this.#options.sink.pending(changes)
    const answered = waitUntil<Token>((wait) => {
      append.answer = (outcome) => {
        append.timer?.cancel()
        if ("reason" in outcome) wait.reject(unacknowledged(append, outcome))
        else wait.resolve(formatToken(outcome.epoch, outcome.version))
      }
      return () => {
        append.answer = undefined
      }
    }, whenAborted(options.signal))
    // An aborted caller stops waiting; the invalidation is still sent, and repeated where it has to be.
    append.timer = this.#options.clock.setTimer(() => this.#timeOut(append), this.#options.ackTimeoutMs, true)
    this.#send(append)
    if (options.wait === false) {
      answered.catch((error: unknown) => {
        if (!this.#isClosed) this.#options.sink.fault(error as ZooCacheError)
      })
      return Promise.resolve(undefined)
    }
    return answered
  }

  /** Appends changes that nobody waits for. */
  repeat(changes: readonly LogChange[]): void {
    this.#options.sink.pending(changes)
    this.#send({ changes, answer: undefined, timer: undefined, isAcknowledged: false, onEnd: undefined })
  }

  /** Resolves when what was handed over has been answered, or the time is over. */
  async untilSent(patienceMs: number): Promise<void> {
    if (this.#sent.size > 0) await pause(this.#options.clock, patienceMs, true, whenTold(this.#allAnswered))
  }

  /** Nothing is repeated any more, and everyone who waits is told. */
  close(): void {
    this.#isClosed = true
    this.#retry?.cancel()
    this.#retryDeadline?.cancel()
    for (const append of [...this.#sent, ...this.#backlog]) {
      this.#answer(append, { reason: "the cache was closed" })
    }
    this.#backlog.clear()
    this.#sent.clear()
  }

  /** In the root context: the log may answer long after the caller has gone. */
  #send(append: PendingAppend): void {
    this.#sent.add(append)
    void inRootContext(() =>
      this.#call(append.changes).then(
        (reply) => this.#acknowledge(append, reply),
        (error: unknown) => {
          this.#returned(append)
          this.#postpone(append, error)
        },
      ),
    )
  }

  #returned(append: PendingAppend): void {
    if (this.#sent.delete(append) && this.#sent.size === 0) this.#allAnswered.tell()
  }

  #call(changes: readonly LogChange[]): Promise<AppendReply> {
    const { log, port, origin } = this.#options
    try {
      return Promise.resolve(log.append(changes, port.position(), origin)).then(checkedReply)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #acknowledge(append: PendingAppend, reply: AppendReply): void {
    this.#returned(append)
    if (this.#isClosed || append.isAcknowledged) return
    const { port } = this.#options
    if (!port.enter(reply)) {
      this.#postpone(append, new LogError("append", "it answered for an epoch that has ended"))
      return
    }
    if (this.#backlog.delete(append)) this.#backlogChanges -= append.changes.length
    append.isAcknowledged = true
    append.timer?.cancel()
    const goOn = port.acknowledged(reply, append.changes)
    append.onEnd?.(reply.version)
    this.#answer(append, reply)
    goOn()
  }

  #timeOut(append: PendingAppend): void {
    append.timer = undefined
    if (append.isCovered === true) {
      this.#answer(append, this.#noAnswer())
      return
    }
    if (append.isAcknowledged) return
    if (this.#options.log.endsAppends === true && this.#sent.has(append)) {
      // The append will be acknowledged or fail, and is pending until then.
      this.#answer(append, this.#noAnswer())
      return
    }
    this.#returned(append)
    // The append may still arrive: its own acknowledgement will end it, or else a repetition.
    this.#addToBacklog(append)
    this.#scheduleRetry(false)
    this.#answer(append, this.#noAnswer())
    this.#collapse()
  }

  #postpone(append: PendingAppend, error: unknown): void {
    // A late failure of what a repetition has brought through is no news.
    if (this.#isClosed || append.isAcknowledged) return
    const isFinal = isPermanent(error)
    this.#options.sink.fault(asLogError("append", error))
    this.#addToBacklog(append)
    if (isFinal) this.#answer(append, { reason: messageOf(error), cause: error })
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
    const { clock, random } = this.#options
    const delayMs = this.#retries.next()
    const nextMs = isRare ? jittered(RARE_RETRY_MS, random) : delayMs
    // Repetitions go on for as long as an outage, and belong to none of the callers.
    this.#retry = inRootContext(() => clock.setTimer(() => this.#sendBacklog(), nextMs, false))
  }

  /** Everything that waits goes out in one append. */
  #sendBacklog(): void {
    this.#retry = undefined
    if (this.#isClosed || this.#backlog.size === 0) return
    const appends = [...this.#backlog]
    const unique = new Map<string, LogChange>()
    for (const append of appends) {
      for (const change of append.changes) unique.set(changeId(change), change)
    }
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
    this.#retryDeadline = this.#options.clock.setTimer(
      () => finish(() => this.#scheduleRetry(false)),
      Math.max(this.#options.ackTimeoutMs, FIRST_RETRY_MS),
      false,
    )
    this.#call([...unique.values()]).then(
      (reply) => {
        finish(() => this.#retries.reset())
        for (const append of appends) this.#acknowledge(append, reply)
        if (this.#backlog.size > 0) this.#scheduleRetry(false)
      },
      (error: unknown) => {
        finish(() => {
          this.#options.sink.fault(asLogError("append", error))
          const isFinal = isPermanent(error)
          if (isFinal) {
            for (const append of appends) this.#answer(append, { reason: messageOf(error), cause: error })
          }
          this.#scheduleRetry(isFinal)
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
    // Most callers have left by now, in a long outage: nothing of theirs is kept.
    const covered = appends.flatMap((append) => append.covered ?? [append]).filter(({ answer }) => answer !== undefined)
    const merged: PendingAppend = {
      changes: collapsed,
      answer: (outcome) => {
        merged.answer = undefined
        for (const append of covered) append.answer?.(outcome)
      },
      timer: undefined,
      isAcknowledged: false,
      covered,
      onEnd: undefined,
    }
    this.#options.sink.pending(collapsed)
    this.#backlog.clear()
    this.#backlogChanges = 0
    this.#addToBacklog(merged)
    for (const append of appends) {
      append.isCovered = true
      append.isAcknowledged = true
      this.#options.sink.settled(append.changes)
      append.onEnd?.(undefined)
    }
  }

  #noAnswer(): Unacknowledged {
    return { reason: `no answer within ${this.#options.ackTimeoutMs} ms` }
  }

  #answer(append: PendingAppend, outcome: AppendReply | Unacknowledged): void {
    append.answer?.(outcome)
  }
}

/** An answer that breaks the contract is a failure like any other. */
function checkedReply(reply: AppendReply): AppendReply {
  if (!isVersion(reply?.version) || !isVersion(reply.previousHead) || !isEpochLike(reply.epoch)) {
    throw new LogError("append", "it answered without a version")
  }
  return reply
}

function unacknowledged(
  { changes }: PendingAppend,
  { reason, cause }: Unacknowledged,
): InvalidationNotAcknowledgedError {
  const subjects = changes.map(({ path }) => (path === "" ? "everything" : path))
  return new InvalidationNotAcknowledgedError(subjects, reason, { cause })
}

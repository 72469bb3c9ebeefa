import type { Clock } from "../core/base/clock.js"
import { changeId, isOfTags } from "../core/ports/change.js"
import type {
  AppendReply,
  LogChange,
  LogEnd,
  LoggedChange,
  LogNews,
  LogPosition,
  PullReply,
  RemoteLog,
} from "../core/ports/log.js"
import { type Epoch, isSameEpoch, NO_VERSION, nextVersion, TICKS_PER_MS, type Version } from "../core/tags/version.js"

/**
 * The fate of one operation.
 * - `pass`: it takes effect and is answered at once.
 * - `hold`: nothing happens until the test says so; see {@link HeldOperation}.
 * - `fail`: no effect, and it rejects.
 * - `effectThenFail`: it takes effect, and rejects although it did.
 * - `lose`: no effect and no answer, ever. Of news: it never arrives.
 * - `mute`: it takes effect and is never answered. Of news: it rings without saying what.
 * - `twice`: it takes effect twice, and the second answer counts. Of news: it arrives twice.
 */
export type Fate = "pass" | "hold" | "fail" | "effectThenFail" | "lose" | "mute" | "twice"

/** A call of a log, or a delivery of news to one listener. */
export interface LogOperation {
  readonly kind: "append" | "pull" | "news"
  /** The name of the connection that called, or that is to hear. */
  readonly connection: string
  /** Changes that are appended, or that the news names; empty for a pull. */
  readonly changes: readonly LogChange[]
}

/** An operation that waits for the test. Every method does nothing where what it does has been done already. */
export interface HeldOperation extends LogOperation {
  /** Takes effect now, and keeps the answer back. */
  effect(): void
  /** Answers, after taking effect if it has not. News may be given more than once. */
  answer(): void
  /** Rejects, whether it took effect or not. */
  reject(error?: unknown): void
  /** Gives it up: it will never be answered, and takes no effect that it has not taken yet. */
  drop(): void
}

export interface FaultyLogOptions {
  readonly clock: Clock
  /** How many paths keep their newest version, tags and keys apart. Default: all of them. */
  readonly maxTags?: number | undefined
  /** The log may lose what it has acknowledged, and tells how each of its lives ended. */
  readonly canLoseAppends?: boolean | undefined
}

/**
 * A shared log in memory that fails as a network and a server do, but only when a test says so: answers may be late,
 * lost, repeated and out of order, an append may take effect although it rejected, history may be lost or forgotten.
 * Without faults it is a faithful log: it passes the conformance suite. No timers: what is held waits for the test.
 *
 * Several connections are several processes of one namespace.
 *
 * @example
 * const clock = new ManualClock()
 * const log = new FaultyLog({ clock })
 * const a = createCache({ clock, log: log.connect("a") })
 * const b = createCache({ clock, log: log.connect("b") })
 * log.decide = (operation) => (operation.kind === "news" ? "lose" : "pass")
 * await a.invalidate("user:1") // b finds it at its next heartbeat
 * log.decide = () => "hold"
 * const waiting = a.invalidate("user:1")
 * log.held[0]?.answer()
 * await waiting
 */
export class FaultyLog {
  /** Asked about each operation when it is called. */
  decide: (operation: LogOperation) => Fate = () => "pass"
  /** The error that failures reject with; `permanent: true` on it says that repeating will not help soon. */
  failure: () => unknown = () => new Error("the log is down")
  readonly #clock: Clock
  readonly #maxTags: number
  readonly #held = new Set<HeldOperation>()
  readonly #listeners = new Set<{ readonly connection: string; readonly onNews: (news?: LogNews) => void }>()
  // In the order of their versions: a path that changes again is deleted and set anew.
  #tags = new Map<string, LoggedChange>()
  #keys = new Map<string, LoggedChange>()
  #epoch: Epoch
  #epochs = 0
  readonly #canLoseAppends: boolean
  #ended: LogEnd | undefined
  #head: Version
  #floor: Version = NO_VERSION
  #keyFloor: Version = NO_VERSION
  #appends = 0
  #pulls = 0

  constructor(options: FaultyLogOptions) {
    this.#clock = options.clock
    this.#maxTags = options.maxTags ?? Number.POSITIVE_INFINITY
    this.#canLoseAppends = options.canLoseAppends ?? false
    this.#epoch = this.#newEpoch(0)
    this.#head = nextVersion(this.#clock.wall(), NO_VERSION)
  }

  /** Operations that wait, the oldest first. */
  get held(): readonly HeldOperation[] {
    return [...this.#held]
  }

  get head(): Version {
    return this.#head
  }

  get epoch(): Epoch {
    return this.#epoch
  }

  /** How many appends were called, whatever became of them. */
  get appends(): number {
    return this.#appends
  }

  /** How many pulls were called, whatever became of them. */
  get pulls(): number {
    return this.#pulls
  }

  /** A log for one cache. Closing it ends this connection alone: what it still waits for is never answered. */
  connect(name = "a"): RemoteLog {
    let isClosed = false
    const listening = new Set<() => void>()
    return {
      local: false,
      canLoseAppends: this.#canLoseAppends,
      append: (changes, position, origin) => {
        this.#appends += 1
        if (isClosed) return Promise.reject(new Error("the connection is closed"))
        const copied = changes.map(({ kind, path }) => ({ kind, path }))
        return this.#run({ kind: "append", connection: name, changes: copied }, () =>
          this.#append(copied, position, origin),
        )
      },
      pull: (position) => {
        this.#pulls += 1
        if (isClosed) return Promise.reject(new Error("the connection is closed"))
        return this.#run({ kind: "pull", connection: name, changes: [] }, () => this.#pull(position))
      },
      listen: (onNews) => {
        const listener = { connection: name, onNews }
        this.#listeners.add(listener)
        const end = () => {
          this.#listeners.delete(listener)
          listening.delete(end)
        }
        listening.add(end)
        return end
      },
      close: () => {
        isClosed = true
        for (const end of listening) end()
        return Promise.resolve()
      },
    }
  }

  /** Answers everything that waits, the oldest first, and what comes of that, until nothing waits. */
  releaseAll(): void {
    while (this.#held.size > 0) for (const operation of this.#held) operation.answer()
  }

  /** From now on everything passes; what waits is answered. */
  heal(): void {
    this.decide = () => "pass"
    this.releaseAll()
  }

  /**
   * The server fails over to one that has not heard of what was appended above `head`. A new epoch begins, or with
   * `keepsEpoch` the old one goes on above all that it ever gave. Nobody is told.
   */
  failOver(head: Version, { keepsEpoch = false } = {}): void {
    this.#ended = { epoch: this.#epoch, head, life: (this.#ended?.life ?? 0) + 1 }
    for (const newest of [this.#tags, this.#keys]) {
      for (const [id, { version }] of newest) if (version > head) newest.delete(id)
    }
    if (keepsEpoch) this.#head += HOUR_TICKS
    else this.#startEpoch()
  }

  /** History is lost: a new life begins, above every version that the old one gave. Nobody is told. */
  beginEpoch(): void {
    this.#ended = undefined
    this.#startEpoch()
  }

  #startEpoch(): void {
    this.#epoch = this.#newEpoch(this.#epoch.ordinal)
    this.#head = nextVersion(this.#clock.wall(), this.#head)
    this.#tags = new Map()
    this.#keys = new Map()
    this.#floor = NO_VERSION
    this.#keyFloor = NO_VERSION
  }

  /** Forgets the oldest paths until at most `keep` of tags and of keys are left, and raises the floors. */
  forget(keep = 0): void {
    this.#floor = Math.max(this.#floor, forgetOldest(this.#tags, keep))
    this.#keyFloor = Math.max(this.#keyFloor, forgetOldest(this.#keys, keep))
  }

  #newEpoch(after: number): Epoch {
    this.#epochs += 1
    return { ordinal: Math.max(after + 1, Math.floor(this.#clock.wall() / 1000)), nonce: `life${this.#epochs}` }
  }

  #append(changes: readonly LogChange[], _position: LogPosition, origin: string): AppendReply {
    const previousHead = this.#head
    const version = nextVersion(this.#clock.wall(), previousHead)
    this.#head = version
    for (const change of changes) {
      const { kind, path } = change
      const newest = isOfTags(change) ? this.#tags : this.#keys
      const id = changeId(change)
      newest.delete(id)
      newest.set(id, { kind, path, version, origin })
    }
    this.forget(this.#maxTags)
    const epoch = this.#epoch
    for (const listener of this.#listeners) {
      this.#deliver({ epoch, version, previousHead, changes, origin }, listener)
    }
    return { epoch, version, previousHead, ended: this.#ended }
  }

  #pull(position: LogPosition): PullReply {
    const isKnown = position.epoch !== undefined && isSameEpoch(position.epoch, this.#epoch)
    const after = isKnown ? position.cursor : NO_VERSION
    const changes = [...this.#tags.values(), ...this.#keys.values()].filter((change) => change.version > after)
    return {
      epoch: this.#epoch,
      ended: this.#ended,
      head: this.#head,
      floor: this.#floor,
      keyFloor: this.#keyFloor,
      changes,
    }
  }

  #run<Reply>(operation: LogOperation, take: () => Reply): Promise<Reply> {
    const fate = this.decide(operation)
    return new Promise<Reply>((resolve, reject) => {
      let reply: Reply | undefined
      const effect = () => {
        reply ??= take()
      }
      const answer = () => {
        effect()
        resolve(reply as Reply)
      }
      const failNow = () => reject(this.failure())
      switch (fate) {
        case "pass":
          return answer()
        case "fail":
          return failNow()
        case "effectThenFail":
          effect()
          return failNow()
        case "lose":
          return undefined
        case "mute":
          return effect()
        case "twice":
          take()
          return answer()
        case "hold":
          return this.#hold(operation, { effect, answer, reject: (error) => reject(error ?? this.failure()) })
      }
    })
  }

  #deliver(news: LogNews, listener: { readonly connection: string; readonly onNews: (news?: LogNews) => void }): void {
    const give = (what?: LogNews) => {
      // News arrives by itself, not inside of the append, and not at all once nobody listens.
      queueMicrotask(() => {
        if (this.#listeners.has(listener)) listener.onNews(what)
      })
    }
    const operation: LogOperation = { kind: "news", connection: listener.connection, changes: news.changes }
    switch (this.decide(operation)) {
      case "pass":
        return give(news)
      case "mute":
        return give()
      case "twice":
        give(news)
        return give(news)
      case "hold":
        return this.#hold(operation, { effect: () => {}, answer: () => give(news), reject: () => {} })
      case "fail":
      case "effectThenFail":
      case "lose":
        return undefined
    }
  }

  #hold(operation: LogOperation, does: Pick<HeldOperation, "effect" | "answer" | "reject">): void {
    let isDropped = false
    const unless = (act: () => void) => {
      if (!isDropped) act()
    }
    const held: HeldOperation = {
      ...operation,
      effect: () => unless(does.effect),
      answer: () => {
        unless(does.answer)
        this.#held.delete(held)
      },
      reject: (error) => {
        unless(() => does.reject(error))
        this.#held.delete(held)
      },
      drop: () => {
        isDropped = true
        this.#held.delete(held)
      },
    }
    this.#held.add(held)
  }
}

const HOUR_TICKS = 3_600_000 * TICKS_PER_MS

/** Drops the oldest until `keep` are left; the version of the newest that was dropped. */
function forgetOldest(newest: Map<string, LoggedChange>, keep: number): Version {
  let forgotten = NO_VERSION
  for (const [id, change] of newest) {
    if (newest.size <= keep) break
    newest.delete(id)
    forgotten = change.version
  }
  return forgotten
}

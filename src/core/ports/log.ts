import type { Epoch, Version } from "../tags/version.js"

/**
 * The kind of thing that an invalidation says has changed.
 * - `tag`: `path` and everything below it; the empty path is the root, so everything.
 * - `expiry`: the same, softer: what it covers counts as past its ttl.
 * - `key`: one entry, by its public key.
 * - `function`: every entry of a cached function, by its table name.
 */
export type ChangeKind = "tag" | "expiry" | "key" | "function"

export interface LogChange {
  readonly kind: ChangeKind
  readonly path: string
}

/** A change with the version that the log gave it. */
export interface LoggedChange extends LogChange {
  readonly version: Version
  /** The name of the process that appended it, where the log keeps that. */
  readonly origin?: string | undefined
}

/** The state of the log as a caller knows it: an append or a pull that finds another answers for that one. */
export interface LogPosition {
  /** Undefined before the first reply. */
  readonly epoch: Epoch | undefined
  readonly cursor: Version
}

/**
 * How the previous life of a log ended: its last epoch, or with an epoch that goes on the last run of its server. What was
 * acknowledged above `head` may be known to nobody but those who appended it.
 */
export interface LogEnd {
  readonly epoch: Epoch
  readonly head: Version
  /** Counts the lives. A process that sees it rise by more than one has missed a life, and can't tell what it lost. */
  readonly life: number
}

export interface AppendReply {
  readonly epoch: Epoch
  /** Undefined where the log has had no other life, or can't lose what it has acknowledged. */
  readonly ended?: LogEnd | undefined
  /** The version of all changes of the append. */
  readonly version: Version
  /** The newest version before this append. A caller whose cursor equals it has missed nothing. */
  readonly previousHead: Version
}

export interface PullReply {
  readonly epoch: Epoch
  /** As in {@link AppendReply}. */
  readonly ended?: LogEnd | undefined
  readonly head: Version
  /** Changes of tags at or below this may have been forgotten by the log. */
  readonly floor: Version
  /** The same for keys and functions, which have a budget of their own. */
  readonly keyFloor: Version
  /** The newest version of each path that lies above the caller's cursor (all of them for a caller of another epoch). */
  readonly changes: readonly LoggedChange[]
}

/** A doorbell: something was appended. `undefined` says no more than that. */
export interface LogNews extends AppendReply {
  readonly changes: readonly LogChange[]
  readonly origin: string
}

/**
 * The log gives invalidations their version. Correctness rests on `append` and `pull` alone; the doorbell only makes
 * news arrive early, and may lose, repeat and reorder what it says.
 *
 * A log that is `local` answers `append` and `pull` at once, never fails and never lags: no promise stands between a
 * caller and its version. Any other log answers with promises, which may take as long as they like, may reject, and may
 * take effect although they rejected; the caller times out and repeats, so a repeated append must do no harm (it is one
 * more invalidation). A rejection with `permanent: true` says that repeating will not help soon.
 *
 * The conformance suite in `zoocache/testing` states this contract as tests.
 */
export interface LocalLog {
  readonly local: true
  /** Atomic: all changes get one new version, above every earlier one. */
  append(changes: readonly LogChange[], position: LogPosition, origin: string): AppendReply
  pull(position: LogPosition): PullReply
  listen(onNews: (news: LogNews) => void): () => void
  close(): void
}

export interface RemoteLog {
  readonly local: false
  /** Atomic: all changes get one new version, above every earlier one. */
  append(changes: readonly LogChange[], position: LogPosition, origin: string): Promise<AppendReply>
  pull(position: LogPosition): Promise<PullReply>
  /**
   * For a log in shared memory: what a pull would bring, at once; undefined if the position is the newest there is. The
   * client looks before it trusts a hit, once per turn of the event loop. `"behind"`: that is too much to be brought at
   * once, and is to be pulled. Throws where it can't tell. After either, what is known is not trusted until a look or a pull
   * has succeeded.
   */
  look?(position: LogPosition): PullReply | "behind" | undefined
  /**
   * A new life of the log may not know all that was acknowledged in the one before: whoever has appended it does so again.
   */
  readonly canLoseAppends?: boolean
  /** Each append ends by itself, however late: it must not be repeated before, or repetitions would pile up behind it. */
  readonly endsAppends?: boolean
  /** `onNews()` without news says that there is some. Returns what ends the subscription. */
  listen(onNews: (news?: LogNews) => void): () => void
  close(): Promise<void>
}

export type InvalidationLog = LocalLog | RemoteLog

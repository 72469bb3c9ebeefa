import type { Clock } from "../base/clock.js"
import type { LogChange } from "../ports/log.js"
import type { TagTrie } from "../tags/tag-trie.js"
import type { Token, Version } from "../tags/version.js"
import type { ChangeSink } from "./news.js"

/** The trie and the log of one cache, and what keeps them together. */
export interface LogClientOptions<Log> {
  readonly log: Log
  /** The log was made for this client alone, and ends with it. */
  readonly ownsLog: boolean
  readonly trie: TagTrie
  readonly sink: ChangeSink
  readonly clock: Clock
  readonly random: () => number
  readonly origin: string
  readonly ackTimeoutMs: number
  /** Time without a confirmation after which nothing is trusted. */
  readonly boundMs: number
}

export interface SyncOptions {
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface AppendOptions {
  /** Default true. */
  readonly wait?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Called when a shared log acknowledged, however late; without a version when that will never be known. */
  readonly onEnd?: ((version: Version | undefined) => void) | undefined
}

/**
 * Keeps this process and its log together: appends, moves the cursor without gaps, pulls what was missed, and knows since
 * when nothing was confirmed.
 */
interface AnyLogClient {
  /** How many calls' changes the log has not acknowledged. */
  readonly pending: number
  /** How long ago the log last confirmed that nothing was missed; 0 for a local one, Infinity before the first time. */
  confirmedAgoMs(): number
  /** Whether what this process knows may be served. Called with each reading of the clock. */
  checkTrust(isNewTurn?: boolean, nowMs?: number): void
  /**
   * Appends at once. The local effect holds when this returns; the promise resolves with the token when the log has
   * acknowledged, and rejects with {@link InvalidationNotAcknowledgedError} when it has not done so in time. With
   * `wait: false` it resolves at once, without a token, and a missing acknowledgement is a fault.
   */
  append(changes: readonly LogChange[], options?: AppendOptions): Promise<Token | undefined>
  /** Names all that is applied here. */
  tokenOfNow(): Token
  /** Resolves when at least the token is applied here; without one, all that the log holds now. */
  sync(token: Token | undefined, options: SyncOptions): Promise<void>
  /** Pulls what somebody else has seen already. Resolves when that is applied, or the time is over; never rejects. */
  catchUp(patienceMs: number): Promise<void>
  /** Resolves when the log has been read once; until then a shared log's process is unsure. Rejects on close. */
  ready(): Promise<void>
  close(): Promise<void>
}

/** The place that a local log has given to changes. */
export interface Appended {
  readonly token: Token
  readonly version: Version
}

/** A client of a log in this process, which answers at once. */
export interface LocalLogClient extends AnyLogClient {
  readonly isLocal: true
  /** Appends, and answers with the place of the acknowledged changes. The cursor may be beyond it. */
  appendLocally(changes: readonly LogChange[]): Appended
}

/** A client of a log that others share, and that may be out of reach. */
export interface RemoteLogClient extends AnyLogClient {
  readonly isLocal: false
}

export type LogClient = LocalLogClient | RemoteLogClient

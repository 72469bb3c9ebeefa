import type { Clock } from "../base/clock.js"
import type { EntryCodec } from "./codec.js"
import type { ZooCacheError } from "../base/errors.js"
import type { InvalidationLog } from "./log.js"
import type { Store } from "./store.js"

/** The cache that opens a backend, as the backend sees it. */
export interface BackendContext {
  /** The namespace: entries and invalidations of other prefixes never meet these. */
  readonly prefix: string
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Hears of what fails nobody's call. */
  readonly onFault: (error: ZooCacheError) => void
}

/** A backend as one cache holds it. The cache closes both parts. */
export interface OpenBackend {
  readonly log: InvalidationLog
  /** Undefined where only invalidations are shared, and each process keeps entries in its own memory. */
  readonly store: Store | undefined
  /** How entries become bytes. */
  readonly codec: EntryCodec | undefined
  /**
   * When the log loses its history, entries in memory that have grace are kept as expired ones, so that they may be served
   * while they are loaded again. Default: they are stale like everything else.
   */
  readonly keepsExpired?: boolean
}

/**
 * A shared store and a log for invalidations, such as `lmdb({ path })` and `redis({ url })` make. Several caches may be
 * given the same one.
 */
export interface Backend {
  /** For sentences: `lmdb`. */
  readonly name: string
  /** The store takes entries of its own log only, so that the log can't be replaced. */
  readonly needsOwnLog?: boolean
  /** `maxLoads` of caches that have none: what a new epoch has everybody load at once is to reach the source in turns. */
  readonly maxLoads?: number
  /** Returns at once, and opens in the background where that takes time. Throws what is wrong with its options. */
  open(context: BackendContext): OpenBackend
}

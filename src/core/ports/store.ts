import type { Leases } from "./leases.js"
import type { Epoch, Version } from "../tags/version.js"

/** The place of an entry among the entries of its key: by epoch, then `keyVersion`, then `asOf`. */
export interface Rank {
  readonly epoch: Epoch
  readonly keyVersion: Version
  readonly asOf: Version
}

/** Changes of a stored entry that leave its value alone. Fields that are left out stay. */
export interface Amendment {
  /** The entry was found fresh as of here. */
  readonly asOf?: Version
  /** Sliding expiry; Unix milliseconds. */
  readonly idleUntilMs?: number
}

/** The operations of every store, wherever it is. */
interface AnyStore {
  /**
   * Keeps an entry, unless there is one of a higher rank: then false. The rank is in the bytes. The store may drop
   * entries at any time to keep within its budget. The bytes are the store's from the call on.
   */
  put(key: string, bytes: Uint8Array): Promise<boolean>
  /** Removes the entry of a key, unless there is one above `rank`. */
  remove(key: string, rank: Rank): Promise<void>
  /**
   * Notes that an entry was used, which keeps it from eviction for longer, and amends it if it still is the one of `rank`:
   * of its epoch and `keyVersion`, and with an `asOf` not below, for others may have lifted it. `asOf` only rises. Never
   * rejects: it is lost where it can't be done.
   */
  touch(key: string, rank: Rank, amendment: Amendment): Promise<void>
  /** Counts of what is stored now, as far as the store knows without a search. */
  stats(): StoreStats
  /** Resolves when what was queued is written, or can't be. Twice is fine. */
  close(): Promise<void>
}

/**
 * A shared tier: encoded entries (see {@link EntryCodec}) by public key. A store knows nothing of tags: whether an
 * entry may be served is for its reader to decide, by the freshness rule.
 *
 * Writes are queued, go out in order, and are visible to everyone when their promise resolves; a repeated write does no
 * harm. All operations may fail with `StoreError`, writes also with `StorageFullError`; after `close` all do.
 *
 * The conformance suite in `zoocache/testing` states this contract as tests.
 */
export type Store = LocalStore | RemoteStore

/** A store that is at hand, such as memory that all processes of a machine share: reads answer at once. */
export interface LocalStore extends AnyStore {
  readonly remote?: false
  /** The entry of a key, undefined if there is none. The bytes are the store's: valid until its next call only. */
  get(key: string): Uint8Array | undefined
}

/** A store behind a network: a read is waited for, by all who want the same key together. */
export interface RemoteStore extends AnyStore {
  readonly remote: true
  /**
   * The entry of a key, undefined if there is none, or where asking would take too long. The bytes are the caller's. The
   * store bounds the time that this takes.
   *
   * @param isLatest what was written by now must be seen, as whoever asks for a lease needs it; else it may lag behind.
   */
  get(key: string, isLatest?: boolean): Promise<Uint8Array | undefined>
  /** The nodes' agreement on who loads a key, for `singleflight: "cluster"`. Absent where they can't agree. */
  readonly leases?: Leases | undefined
}

export interface StoreStats {
  readonly entries: number
  readonly bytes: number
  /** Writes that wait. */
  readonly queued: number
  /** Whether a remote store is asked now: `open` while it does not answer, `half-open` while one call tries it. */
  readonly reads?: "closed" | "open" | "half-open"
  /** The same of writes. */
  readonly writes?: "closed" | "open" | "half-open"
  /** How often a remote store was given up for a while. */
  readonly openings?: number
  /** Reads and writes that a remote store did not answer in time. */
  readonly timeouts?: number
  /** Writes that were not made: the store could not be reached, or too many were waiting. */
  readonly dropped?: number
}

/** How a lease ended, for those who wait for it. */
export type LeaseEnd =
  /** A value was stored: worth a look. */
  | "stored"
  /** Nothing was stored, but the next load may do better: the loader failed, or something was invalidated meanwhile. */
  | "failed"
  /**
   * Nothing was stored, on purpose or because the store did not take it: the next load would not be stored either, so that
   * nobody should wait for it.
   */
  | "unwanted"

/** The right to load a key, for a while. */
export interface Lease {
  /**
   * Gives it back, and wakes those who wait. A lease that has run out stays with its next holder. Never rejects: what
   * can't be given back runs out. Twice is fine.
   */
  release(end: LeaseEnd): Promise<void>
}

/** Granted, or for how long somebody else has it at most. Undefined: nobody can tell, and nobody should wait. */
export type LeaseAnswer = { readonly lease: Lease } | { readonly heldForMs: number } | undefined

/**
 * The agreement of the nodes that share a store on who loads a key. It saves loads, and nothing depends on it: a lease
 * may be lost, or run out while its holder still loads.
 *
 * The suite `leaseConformance` in `zoocache/testing` states this contract as tests.
 */
export interface Leases {
  /**
   * Asks for the lease of a key. A lease that is granted goes to nobody else until it is released or `leaseMs` are
   * over. Never rejects, and answers soon, with undefined if nothing else is known. It takes effect before a `get` of
   * the same key that is called after it, so that this one shows what the last holder has stored.
   */
  acquire(key: string, leaseMs: number): Promise<LeaseAnswer>
  /**
   * Calls back when a lease of this key is released that somebody was refused for; best effort, and perhaps once too
   * often, so that whoever waits also asks from time to time. Without an end where one may have been missed. Returns what
   * ends it.
   */
  watch(key: string, onEnd: (end: LeaseEnd | undefined) => void): () => void
}

/** Counts of what happened in one table. All only grow. */
export interface Counters {
  /** Reads answered from a stored value. */
  hits: number
  /** Reads that found nothing they could use; those that joined a load are among them. */
  misses: number
  /** Misses that waited for a load that another had started, so that they cost none of their own. */
  joins: number
  loads: number
  loadErrors: number
  loadTimeouts: number
  /** Values kept. */
  stores: number
  /** Loads whose value could not be kept because something they depended on was invalidated meanwhile. */
  staleLoads: number
  /** Stored values given up because something they depended on was invalidated. */
  stale: number
  expired: number
  evicted: number
  /** Reads answered with an expired value in grace. */
  graceHits: number
  /** Loads started in the background, because a value was due or expired in grace. */
  refreshes: number
  /** Hits, and reads in grace, that memory did not have and the shared tier had. */
  storeHits: number
  /** Reads that found nothing of use in the shared tier either. */
  storeMisses: number
  /** Loads that had the lease of their key: with `singleflight: "cluster"`. */
  leases: number
  /** Times that this process waited for the load of another node. */
  leaseWaits: number
  /** Loads saved: another node's value came instead. */
  leaseHits: number
  /** Waits that were over before there was a value, so that this process loaded by itself. */
  leaseTimeouts: number
  /** Values that hold objects which can't be frozen, so all callers share them as they are. */
  shared: number
}

export function noCounts(): Counters {
  return {
    hits: 0,
    misses: 0,
    joins: 0,
    loads: 0,
    loadErrors: 0,
    loadTimeouts: 0,
    stores: 0,
    staleLoads: 0,
    stale: 0,
    expired: 0,
    evicted: 0,
    graceHits: 0,
    refreshes: 0,
    storeHits: 0,
    storeMisses: 0,
    leases: 0,
    leaseWaits: 0,
    leaseHits: 0,
    leaseTimeouts: 0,
    shared: 0,
  }
}

/** Adds one table's counts to a sum. */
export function addCounts(sum: Counters, counts: Counters): void {
  for (const name of Object.keys(sum) as (keyof Counters)[]) sum[name] += counts[name]
}

import { type Channel, channel } from "node:diagnostics_channel"

/** A message of the channels `zoocache:<name>` about one entry. Made only where somebody has subscribed. */
export interface CacheEvent {
  /** The prefix of the cache. */
  readonly cache: string
  /** The name of the cached function; `""` for keys given by hand. Bounded, so fit for a label. */
  readonly function: string
  /** The public key; not bounded. */
  readonly key: string
}

export interface LoadEvent extends CacheEvent {
  readonly durationMs: number
  readonly outcome: "value" | "error" | "timeout" | "aborted"
}

/** With `singleflight: "cluster"`: what came of asking whether another node loads the key already. */
export interface LeaseEvent extends CacheEvent {
  /**
   * `granted`: this process loads it for all. `found`: another node did, and its value was taken. `timeout`: waiting took
   * too long. `called-off`: nobody waits any more, or waiting has become of no use.
   */
  readonly outcome: "granted" | "found" | "timeout" | "called-off"
  /** How long was waited for another node. */
  readonly waitedMs: number
}

export interface EvictEvent extends CacheEvent {
  readonly reason: "budget"
}

export interface InvalidateEvent {
  readonly cache: string
  /** `expiry` and `key-expiry` are soft. */
  readonly kind: "tag" | "expiry" | "key" | "key-expiry" | "function"
  /** The tag or key; `""` is everything, or all keys. */
  readonly path: string
  readonly version: number
  readonly by: string
}

/** Whether what is stored may be served: a process that can't tell whether it is up to date is `unsure`. */
export interface StateEvent {
  readonly cache: string
  readonly state: "ready" | "unsure"
}

export interface FaultEvent {
  readonly cache: string
  readonly error: Error
  readonly key: string | undefined
}

export const channels = {
  hit: channel("zoocache:hit"),
  miss: channel("zoocache:miss"),
  load: channel("zoocache:load"),
  join: channel("zoocache:join"),
  lease: channel("zoocache:lease"),
  store: channel("zoocache:store"),
  stale: channel("zoocache:stale"),
  evict: channel("zoocache:evict"),
  expire: channel("zoocache:expire"),
  invalidate: channel("zoocache:invalidate"),
  fault: channel("zoocache:fault"),
  state: channel("zoocache:state"),
} satisfies Record<string, Channel>

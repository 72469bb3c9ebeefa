import type { Outbox } from "../base/outbox.js"
import type { CacheSettings } from "../options/settings.js"
import type { EntryCodec } from "../ports/codec.js"
import type { Leases } from "../ports/leases.js"
import type { InvalidationLog } from "../ports/log.js"
import type { Store } from "../ports/store.js"

/** The log, store and codec of a cache, and what closes those that it opened. */
export interface Backing {
  /** Undefined: one in this process, for this cache alone. */
  readonly log: InvalidationLog | undefined
  readonly store: Store | undefined
  readonly codec: EntryCodec | undefined
  /** The nodes' agreement on who loads a key; undefined where there is none. */
  readonly leases: Leases | undefined
  readonly keepsExpired: boolean
  /** Invalidations are ordered in this process. */
  readonly isAlone: boolean
  /** Entries go to a store, too. */
  readonly isStored: boolean
  readonly closing: readonly (() => Promise<void> | void)[]
}

/** The parts that a cache opens are the cache's; whoever made a part closes it, for other caches may be using it. */
export function openBacking(settings: CacheSettings, outbox: Outbox): Backing {
  const { prefix, clock, random } = settings
  const opened = settings.backend?.open({ prefix, clock, random, onFault: (error) => outbox.fault(error) })
  const log = settings.log ?? opened?.log
  const store = settings.store ?? opened?.store
  const codec = settings.codec ?? opened?.codec
  const closing: (() => Promise<void> | void)[] = []
  if (opened !== undefined) closing.push(() => opened.store?.close())
  if (opened !== undefined && log !== opened.log) closing.push(() => opened.log.close())
  const isAlone = log === undefined || log.local
  return {
    log,
    store,
    codec,
    // Nodes that order their invalidations each by itself can't use each other's entries.
    leases: store?.remote === true && !isAlone ? store.leases : undefined,
    keepsExpired: opened?.keepsExpired === true,
    isAlone,
    isStored: store !== undefined && codec !== undefined && settings.enabled,
    closing,
  }
}

import { InvalidOptionError } from "../base/errors.js"
import type { Outbox } from "../base/outbox.js"
import { randomName } from "../base/random-name.js"
import { HeldEntries } from "../entries/held-entries.js"
import { SharedTier } from "../entries/shared-tier.js"
import { EntryEncoder } from "../entries/stored-form.js"
import { leasingOf } from "../loads/lease-wait.js"
import { LocalClient } from "../log/local-client.js"
import { OwnClient } from "../log/own-client.js"
import { RemoteClient } from "../log/remote-client.js"
import type { CacheSettings } from "../options/settings.js"
import type { Backing } from "./backing.js"
import { SharedChanges } from "./shared-changes.js"

/**
 * The log, store and codec of a cache. The parts that a cache opens are the cache's; whoever made a part closes it, for other
 * caches may be using it.
 */
export function openBacking(settings: CacheSettings, outbox: Outbox): Backing {
  const { prefix, clock, random, ackTimeoutMs, stalenessBoundMs: boundMs } = settings
  const opened = settings.backend?.open({ prefix, clock, random, onFault: (error) => outbox.fault(error) })
  const log = settings.log ?? opened?.log
  const store = settings.store ?? opened?.store
  const codec = settings.codec ?? opened?.codec
  const closing: (() => Promise<void> | void)[] = []
  if (opened !== undefined) closing.push(() => opened.store?.close())
  if (opened !== undefined && log !== opened.log) closing.push(() => opened.log.close())
  const isAlone = log === undefined || log.local
  const isStored = store !== undefined && codec !== undefined && settings.enabled
  // Nodes that order their invalidations each by itself can't use each other's entries.
  const leases = store?.remote === true && !isAlone ? store.leases : undefined
  return {
    // A log in this process ends with it, and with it everything that a store keeps of its epoch.
    isShared: store !== undefined && !isAlone,
    looksAtLog: log !== undefined && !log.local && log.look !== undefined,
    closing,
    hold: ({ trie }) => (isStored ? new HeldEntries({ trie, clock, isRemote: store.remote === true }) : undefined),
    follow: (followed) => {
      const { trie, origin } = followed
      const isLocal = isAlone
      const keepsExpired = opened?.keepsExpired === true
      const changes = new SharedChanges({ ...followed, isLocal, isShared: isStored, keepsExpired })
      if (log === undefined) {
        return { changes, client: new OwnClient({ trie, sink: changes, clock, origin, nonce: randomName(random) }) }
      }
      const ownsLog = settings.log === undefined
      const options = { trie, sink: changes, clock, random, origin, ownsLog, ackTimeoutMs, boundMs }
      const client = log.local ? new LocalClient({ ...options, log }) : new RemoteClient({ ...options, log })
      return { changes, client }
    },
    share: ({ held, ...context }) => {
      const shared =
        store !== undefined && codec !== undefined && held !== undefined
          ? new SharedTier({ ...context, store, codec, held })
          : undefined
      const { trie, turn } = context
      const isKept = shared !== undefined
      // Without a shared tier values are tried only, in strict mode.
      const encodes = codec !== undefined && (isKept || settings.strict)
      return {
        shared,
        encoder: encodes ? new EntryEncoder({ codec, trie, clock, turn, isKept }) : undefined,
        leasing: isStored && leases !== undefined ? leasingOf(leases) : undefined,
      }
    },
    checkLease: ({ lease }) => {
      // A cache that shares nothing is a cluster of one.
      if (lease !== undefined && !isAlone && leases === undefined) throw leaseError(settings)
    },
    // The client would have closed the log.
    abandon: () => [() => (settings.log === undefined ? log?.close() : undefined), ...closing],
  }
}

function leaseError({ backend }: CacheSettings): InvalidOptionError {
  const where = backend === undefined ? "the store of this cache" : `the backend ${backend.name}, as it is set up here,`
  return new InvalidOptionError(
    "singleflight",
    "cluster",
    `${where} has no leases by which processes could agree on who loads. Use \`redis({ url })\` with entries, or ` +
      '`singleflight: "process"`',
  )
}

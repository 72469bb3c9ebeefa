import { inRootContext } from "../base/contexts.js"
import { InvalidOptionError } from "../base/errors.js"
import type { Lifetime } from "../base/lifetime.js"
import { Outbox } from "../base/outbox.js"
import { LOOKS_PER_READING, Turn } from "../base/turn.js"
import { Entries } from "../entries/entries.js"
import { HeldEntries } from "../entries/held-entries.js"
import { SharedTier } from "../entries/shared-tier.js"
import { EntryEncoder } from "../entries/stored-form.js"
import { Tables } from "../entries/tables.js"
import { restContext } from "../loads/frame.js"
import { Launcher } from "../loads/launcher.js"
import { LoadQueue } from "../loads/load-queue.js"
import { RunningLoads } from "../loads/running.js"
import { InProcessLog } from "../log/in-process-log.js"
import { LocalClient } from "../log/local-client.js"
import type { LogClient, LogClientOptions } from "../log/log-client.js"
import { RemoteClient } from "../log/remote-client.js"
import type { Behaviour, CacheSettings } from "../options/settings.js"
import type { EntryCodec } from "../ports/codec.js"
import type { InvalidationLog } from "../ports/log.js"
import type { Store } from "../ports/store.js"
import type { ReadContext } from "../reads/context.js"
import { Reader } from "../reads/reader.js"
import { TagTrie } from "../tags/tag-trie.js"
import { LatestSets } from "../writes/latest-sets.js"
import { Preparer } from "../writes/prepare.js"
import { SetsByHand } from "../writes/set-batch.js"
import { Writer } from "../writes/writer.js"
import { Changes } from "./changes.js"
import { Hints } from "./hints.js"

/** Marks of tags that nothing refers to which are kept, for positions taken before them. */
const REMEMBERED_MARKS = 10_000

/** The parts of one cache, put together. */
export interface OpenCache extends ReadContext {
  readonly tables: Tables
  readonly changes: Changes
  readonly queue: LoadQueue
  readonly hints: Hints
  readonly reader: Reader
  readonly writer: Writer
  /** Throws `InvalidOptionError` where single flight is to reach further than it can. */
  checkLease(behaviour: Behaviour): void
  /** Ends everything that the cache holds. Twice is fine. */
  close(): Promise<void>
}

/** The log, store and codec of a cache, and what closes those that it opened. */
interface Backing {
  readonly log: InvalidationLog | undefined
  readonly store: Store | undefined
  readonly codec: EntryCodec | undefined
  readonly keepsExpired: boolean
  readonly closing: readonly (() => Promise<void> | void)[]
}

/** Opens a cache. In the root context: what it makes outlives the request that happened to need it first. */
export function openCache(settings: CacheSettings): OpenCache {
  return inRootContext(() => open(settings))
}

/** Puts the parts together, each after those that it is given, so that nothing is used before it exists. */
function open(settings: CacheSettings): OpenCache {
  const { clock, random, behaviour, prefix } = settings
  const lifetime: Lifetime = { isOver: false }
  const outbox = new Outbox(prefix, settings.onFault)
  const origin = randomName(random)
  const { log, store, codec, keepsExpired, closing } = openBacking(settings, outbox)
  const looksAtLog = log !== undefined && !log.local && log.look !== undefined
  const isAlone = log === undefined || log.local
  const turn = new Turn(clock, looksAtLog ? 0 : LOOKS_PER_READING)
  const trie: TagTrie = new TagTrie({
    epoch: { ordinal: 0, nonce: "none" },
    random,
    oldestLoadAsOf: () => running.oldest?.stamp.asOf ?? Number.POSITIVE_INFINITY,
    rememberedMarks: REMEMBERED_MARKS,
    // A log in this process ends with it, and with it everything that a store keeps of its epoch.
    isShared: store !== undefined && !isAlone,
  })
  const isStored = store !== undefined && codec !== undefined && settings.enabled
  const held = isStored ? new HeldEntries({ trie, clock, isRemote: store.remote === true }) : undefined
  const intake = { behaviour, sizeOf: undefined, validate: undefined, hasAbsences: false }
  const tables = new Tables({ trie, outbox, intake })
  const entries = new Entries({ settings, clock, turn, trie, tables, outbox, lifetime, held })
  const running = new RunningLoads({ trie, turn, entries })
  const latestSets = new LatestSets()
  const changes = new Changes({
    clock,
    turn,
    trie,
    outbox,
    tables,
    entries,
    running,
    latestSets,
    origin,
    isLocal: isAlone,
    isShared: isStored,
    keepsExpired,
  })
  const client = follow(log ?? new InProcessLog({ clock, nonce: randomName(random) }), {
    ownsLog: settings.log === undefined,
    trie,
    sink: changes,
    clock,
    random,
    origin,
    ackTimeoutMs: settings.ackTimeoutMs,
    boundMs: settings.stalenessBoundMs,
  })
  const shared =
    isStored && held !== undefined
      ? new SharedTier({ store, codec, settings, clock, turn, trie, entries, held, client, outbox, lifetime })
      : undefined
  // Without a shared tier values are tried only, in strict mode.
  const encodes = codec !== undefined && (shared !== undefined || settings.strict)
  const encoder = encodes ? new EntryEncoder({ codec, trie, clock, turn, isKept: shared !== undefined }) : undefined
  const queue = new LoadQueue(settings.maxLoads)
  // Nodes that order their invalidations each by itself can't use each other's entries.
  const leases = store?.remote === true && shared !== undefined && !isAlone ? store.leases : undefined
  const parts = { settings, clock, turn, trie, outbox, lifetime, entries, held, shared, running, client }
  const launcher = new Launcher({ ...parts, encoder, queue, leases })
  const reader = new Reader({ ...parts, launcher })
  const { ackTimeoutMs } = settings
  const sets = new SetsByHand({ trie, clock, ackTimeoutMs, running, latest: latestSets, shared })
  const preparer = new Preparer({ settings, trie, turn, outbox, entries, encoder })
  const writer = new Writer({ trie, client, running, preparer, sets, outbox, lifetime })
  turn.watch((isNewTurn) => {
    restContext()
    if (!lifetime.isOver) client.checkTrust(isNewTurn, turn.readAtMs)
  })
  // A cache that shares nothing is a cluster of one.
  const canLease = isAlone || (store?.remote === true && store.leases !== undefined)
  return {
    ...parts,
    tables,
    changes,
    queue,
    hints: new Hints({ trie, manual: tables.manual, tellsUnknownTags: !settings.isProduction }),
    launcher,
    reader,
    writer,
    checkLease: ({ lease }) => {
      if (lease !== undefined && !canLease) throw leaseError(settings)
    },
    close: async () => {
      if (lifetime.isOver) return
      launcher.close()
      lifetime.isOver = true
      trie.setTrusted(false)
      // Functions outlive their cache; what it stored does not have to.
      entries.close()
      await client.close()
      for (const close of closing) await close()
    },
  }
}

function follow(log: InvalidationLog, options: Omit<LogClientOptions<unknown>, "log">): LogClient {
  return log.local ? new LocalClient({ ...options, log }) : new RemoteClient({ ...options, log })
}

/** The parts that a cache opened are the cache's; whoever made a part closes it, for other caches may be using it. */
function openBacking(settings: CacheSettings, outbox: Outbox): Backing {
  const { prefix, clock, random } = settings
  const opened = settings.backend?.open({ prefix, clock, random, onFault: (error) => outbox.fault(error) })
  const log = settings.log ?? opened?.log
  const closing: (() => Promise<void> | void)[] = []
  if (opened !== undefined) closing.push(() => opened.store?.close())
  if (opened !== undefined && log !== opened.log) closing.push(() => opened.log.close())
  return {
    log,
    store: settings.store ?? opened?.store,
    codec: settings.codec ?? opened?.codec,
    keepsExpired: opened?.keepsExpired === true,
    closing,
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

/** 12 random characters of the base64url alphabet. */
function randomName(random: () => number): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
  let name = ""
  for (let index = 0; index < 12; index += 1) name += alphabet[Math.floor(random() * 64)]
  return name
}

import { hashId } from "../values/hash-id.js"
import { MemoryTier } from "../memory/memory-tier.js"
import { ALWAYS, type Aged, ageOf, deadlineOf, expiredAging, expiryOf, GRACE_RETRY_MS } from "../entries/age.js"
import { type Clock, LOOKS_PER_READING, Turn } from "../base/clock.js"
import { restContext } from "../loads/frame.js"
import type { EntryCodec } from "../ports/codec.js"
import { encodeEntry, type Written } from "../entries/stored-form.js"
import { Entry, giveUp, GONE, type Rare } from "../entries/entry.js"
import { HookError, InvalidOptionError, type InvalidTagError, StoreError, ZooCacheError } from "../base/errors.js"
import { type CacheEvent, channels, type StateEvent } from "../base/events.js"
import { type Dependencies, expiredSince, freshnessOf, nodesOf } from "../tags/freshness.js"
import { InProcessLog } from "../log/in-process-log.js"
import { type EntryId, parseFunctionKey } from "../values/id.js"
import { Load, RunningLoads } from "../loads/running.js"
import type { Leases } from "../ports/leases.js"
import type { LogChange } from "../ports/log.js"
import type { ChangeSink } from "../log/news.js"
import { LogClient } from "../log/log-client.js"
import type { Fault } from "../options/options.js"
import type { Behaviour, CacheSettings } from "../options/settings.js"
import type { Run } from "../loads/run.js"
import { type Intake, SharedTier } from "../entries/shared-tier.js"
import { estimateSize } from "../values/size.js"
import type { StoreStats } from "../ports/store.js"
import { LoadSlots } from "../loads/slots.js"
import { MANUAL, Table, tableNameOf } from "../entries/table.js"
import { parseTag } from "../tags/tag.js"
import { markOf, type TagNode } from "../tags/tag-node.js"
import { TagTrie } from "../tags/tag-trie.js"
import { type Version, versionWallMs } from "../tags/version.js"
import type { SetByHand } from "../writes/writer.js"

/** What an entry costs in the memory tier beyond its value, for budgets in bytes. */
export const ENTRY_BYTES = 300
const REMEMBERED_MARKS = 10_000
const REMEMBERED_REMOVALS = 256

/** What it takes to keep a value. */
export interface Stored {
  readonly table: Table
  readonly id: EntryId
  readonly value: unknown
  readonly dependencies: Dependencies
  readonly aged: Aged
  readonly rare: Rare | null
  /** As {@link Engine.weigh} says. */
  readonly weight: number
  /** When its load began, in the time of `Turn.now`. */
  readonly bornMs: number
}

/** An entry that was given up as stale, kept for `explain`: what it depended on still shows why. */
export interface Removal {
  readonly entry: Entry
  readonly bornMs: number
  /** Its own key was set or deleted. */
  readonly isOverruled: boolean
  /** Higher is later. */
  readonly order: number
}

/**
 * The state of one cache and the few operations that change it: what is known of the log, what is stored, what is
 * running. Everything that decides is a rule of its own (freshness.ts, age.ts, flight.ts); reading and loading are built
 * on top (reader.ts, launcher.ts).
 */
export class Engine implements ChangeSink {
  readonly settings: CacheSettings
  readonly clock: Clock
  readonly turn: Turn
  readonly trie: TagTrie
  readonly client: LogClient
  readonly tier: MemoryTier<Entry> | undefined
  /** Entries that other processes have too. */
  readonly shared: SharedTier | undefined
  /** Who loads a key in the fleet; undefined where this cache is alone, or nodes can't agree on it. */
  readonly leases: Leases | undefined
  readonly #codec: EntryCodec | undefined
  readonly #looksAtLog: boolean
  /** Values that were set and wait for their version, where nothing newer was said of their key in this process since. */
  readonly latestSets = new Map<Table, Map<EntryId, SetByHand>>()
  readonly #closing: (() => Promise<void> | void)[] = []
  /** How entries are taken in where no function or call says it. */
  readonly #intake: Intake
  readonly tables = new Map<string, Table>()
  readonly manual: Table
  /** The last number that made the names of unnamed functions of one name differ. */
  readonly lastNumbers = new Map<string, number>()
  readonly running = new RunningLoads()
  readonly slots: LoadSlots
  /** Tells this process's invalidations from others'. */
  readonly origin: string
  /** Counts begins of flights and arrivals of callers: who came before whom. */
  sequence = 0
  isClosed = false
  faults = 0
  invalidations = 0
  readonly removals: (Removal | undefined)[] = []
  #removed = 0
  #hasMoved = false
  /** A new epoch leaves entries with grace as expired ones, rather than stale. */
  readonly #keepsExpired: boolean
  /** What was fresh when the epoch ended. */
  #outliving: Entry[] = []
  readonly #hashSeed: number
  /** A cache that shares nothing is a cluster of one. */
  readonly #canLease: boolean
  readonly #backendName: string | undefined

  constructor(settings: CacheSettings) {
    this.settings = settings
    this.clock = settings.clock
    const { random } = settings
    this.#hashSeed = Math.floor(random() * 2 ** 31)
    this.origin = randomName(random)
    this.#intake = { behaviour: settings.behaviour, sizeOf: undefined, validate: undefined }
    const opened = settings.backend?.open({
      prefix: settings.prefix,
      clock: this.clock,
      random,
      onFault: (error) => this.fault(error),
    })
    const log = settings.log ?? opened?.log
    const store = settings.store ?? opened?.store
    this.#codec = settings.codec ?? opened?.codec
    // What the cache opened is the cache's; whoever made a part closes it, for other caches may be using it.
    if (opened !== undefined) this.#closing.push(() => opened.store?.close())
    if (opened !== undefined && log !== opened.log) this.#closing.push(() => opened.log.close())
    this.#keepsExpired = opened?.keepsExpired === true
    this.#looksAtLog = log !== undefined && !log.local && log.look !== undefined
    this.turn = new Turn(this.clock, this.#looksAtLog ? 0 : LOOKS_PER_READING, (isNewTurn) =>
      this.#onReading(isNewTurn),
    )
    this.trie = new TagTrie({
      epoch: { ordinal: 0, nonce: "none" },
      random,
      oldestLoadAsOf: () => this.running.oldest?.stamp.asOf ?? Number.POSITIVE_INFINITY,
      rememberedMarks: REMEMBERED_MARKS,
      // A log in this process ends with it, and with it everything that a store keeps of its epoch.
      isShared: store !== undefined && log !== undefined && !log.local,
    })
    this.manual = this.#newTable(MANUAL, "", undefined)
    this.slots = new LoadSlots(settings.maxLoads)
    this.tier =
      settings.memory === false || !settings.enabled
        ? undefined
        : new MemoryTier<Entry>({
            maxEntries: settings.memory.maxEntries,
            maxBytes: settings.memory.maxBytes,
            clock: this.clock,
            random,
            onEvict: (victims) => this.#evicted(victims),
            reclaim: (entry) => this.#reclaim(entry),
            timeLeftMs: (entry) => expiryOf(entry) + (entry.aging?.graceMs ?? 0) - this.turn.now,
          })
    this.shared =
      store === undefined || this.#codec === undefined || !settings.enabled
        ? undefined
        : new SharedTier(this, store, this.#codec)
    // Nodes that order their invalidations each by itself can't use each other's entries.
    const isAlone = log === undefined || log.local
    this.leases = store?.remote === true && this.shared !== undefined && !isAlone ? store.leases : undefined
    this.#canLease = isAlone || (store?.remote === true && store.leases !== undefined)
    this.#backendName = settings.backend?.name
    this.client = new LogClient({
      log: log ?? new InProcessLog({ clock: this.clock, nonce: randomName(random) }),
      ownsLog: settings.log === undefined,
      trie: this.trie,
      sink: this,
      clock: this.clock,
      random,
      origin: this.origin,
      ackTimeoutMs: settings.ackTimeoutMs,
      boundMs: settings.stalenessBoundMs,
    })
  }

  /** What may be believed for a turn only is looked at with each reading of the clock. */
  #onReading(isNewTurn: boolean): void {
    restContext()
    if (!this.isClosed) this.client?.checkTrust(isNewTurn, this.turn.readAtMs)
  }

  /** Calls run their loaders and nothing else: the cache is switched off, or closed. */
  get isBypassed(): boolean {
    return this.isClosed || !this.settings.enabled
  }

  /** @throws InvalidOptionError where single flight is to reach further than it can. */
  checkLease({ lease }: Behaviour): void {
    if (lease === undefined || this.#canLease) return
    const name = this.#backendName
    const where = name === undefined ? "the store of this cache" : `the backend ${name}, as it is set up here,`
    throw new InvalidOptionError(
      "singleflight",
      "cluster",
      `${where} has no leases by which processes could agree on who loads. Use \`redis({ url })\` with entries, or ` +
        '`singleflight: "process"`',
    )
  }

  // --- tables ----------------------------------------------------------------------------------------------------

  tableOf(functionName: string, version: string | number | undefined): Table | undefined {
    return this.tables.get(tableNameOf(functionName, version))
  }

  addTable(functionName: string, version: string | number | undefined): Table {
    return this.#newTable(tableNameOf(functionName, version), functionName, version)
  }

  /** A later definition takes the name over: what the earlier one stored or is loading belongs to nobody. */
  dropTable(table: Table): void {
    table.isReplaced = true
    this.tables.delete(table.name)
    for (const entry of table.entries.values()) this.remove(entry)
    this.trie.release(table.keyNode)
  }

  #newTable(name: string, functionName: string, version: string | number | undefined): Table {
    const keyNode = this.trie.acquireChild(this.trie.keyRoot, name)
    const table = new Table(name, functionName, version, keyNode, this.#intake)
    this.tables.set(name, table)
    return table
  }

  /** The node of an own key, where something refers to it or a mark is kept on it. */
  keyNodeOf(table: Table, id: EntryId): TagNode | undefined {
    // The table itself is one use; without others there are no children to look among.
    if (table.keyNode.uses <= 1) return undefined
    return this.trie.findChild(table.keyNode, table.segmentOf(id))
  }

  acquireKeyNode(table: Table, id: EntryId): TagNode {
    // The node that a replaced table had may be gone; its successor has one of the same name.
    if (table.isReplaced) return this.trie.acquire([table.name, table.segmentOf(id)], this.trie.keyRoot)
    return this.trie.acquireChild(table.keyNode, table.segmentOf(id))
  }

  // --- entries ---------------------------------------------------------------------------------------------------

  /** The entry of a key in a shared tier at hand, fresh and taken into memory, where memory has none of use. */
  findShared(table: Table, id: EntryId, intake: Intake): Entry | undefined {
    // A load under way has looked there just before.
    if (this.shared === undefined || this.shared.isRemote || table.isReplaced || table.flights.has(id)) return undefined
    return this.shared.find(table, id, intake)
  }

  /** Whether the shared tier has to be asked, and waited for, before a load of a key begins. */
  canFetch(table: Table, id: EntryId): boolean {
    return this.shared?.isRemote === true && !table.isReplaced && !table.flights.has(id)
  }

  /** The same as {@link findShared} where that has to be waited for. Never rejects. */
  fetchShared(table: Table, id: EntryId, intake: Intake, isLatest = false): Promise<Entry | undefined> {
    return this.shared?.fetch(table, id, intake, isLatest) ?? Promise.resolve(undefined)
  }

  fetchManyShared(table: Table, ids: readonly EntryId[], intake: Intake): Promise<Entry | undefined>[] {
    return this.shared?.fetchMany(table, ids, intake) ?? []
  }

  /**
   * A value as the shared tier will keep it; undefined where there is none. Throws what is wrong with the value: then it
   * may not be kept anywhere, for every tier keeps the same.
   */
  encode(value: unknown, written: Written): Uint8Array | undefined {
    if (this.#codec === undefined || (this.shared === undefined && !this.settings.strict)) return undefined
    const bytes = encodeEntry(this, this.#codec, value, written)
    // Without a shared tier, strict mode has only tried it.
    return this.shared === undefined ? undefined : bytes
  }

  /**
   * Applies the freshness rule to a stored entry and remembers the answer in its stamp. What a soft invalidation covers
   * has expired, which its age tells from then on.
   */
  isFresh(entry: Entry): boolean {
    if (entry.stamp === this.trie.stamp) return true
    const freshness = freshnessOf(entry, this.trie)
    if (freshness === "stale") return false
    if (freshness === "expired") {
      // Its stamp stays: it still tells what expired it, and nothing that has expired takes the short cut of a hit.
      entry.aging = expiredAging(entry, expiredSince(entry.dependencies, entry.stamp.asOf, this.trie.root))
      entry.deadlineMs = entry.deadlineMs === ALWAYS ? ALWAYS : deadlineOf(entry.aging)
      return true
    }
    entry.stamp = this.trie.stamp
    // Fresh as of the cursor, its own key included.
    if (entry.rare !== null && entry.rare.keyVersion !== Number.POSITIVE_INFINITY) entry.rare.keyVersion = undefined
    return true
  }

  /** Whether an entry that was fetched may be served as it is, neither stale nor expired nor due for a refresh. */
  isCurrent(entry: Entry, nowMs: number): boolean {
    // One that was fetched may have been removed before those who waited for it come to look.
    return entry.slot !== GONE && this.isFresh(entry) && ageOf(entry, nowMs) === "current"
  }

  /** What has expired is not loaded again before a while has passed; known by its key where memory does not keep it. */
  postponeRetry(table: Table, id: EntryId, entry: Entry | undefined): void {
    const retryAtMs = this.turn.current() + GRACE_RETRY_MS
    if (entry?.aging != null) entry.aging.retryAtMs = retryAtMs
    if (entry === undefined || entry.slot < 0) this.shared?.postpone(table.keyOf(id), retryAtMs)
  }

  /** Stores a value in place of whatever its key has. Undefined where it can't be kept. */
  store(stored: Stored): Entry | undefined {
    const { table, id, value, dependencies, aged, rare, weight, bornMs } = stored
    const { tier } = this
    if (tier === undefined || table.isReplaced || this.isClosed) return undefined
    for (const node of nodesOf(dependencies)) node.uses += 1
    const entry = new Entry(table, id, value, dependencies, this.trie.stamp, aged, rare)
    const previous = table.entries.get(id)
    table.entries.set(id, entry)
    table.counters.stores += 1
    const victims =
      previous === undefined
        ? tier.add(entry, hashId(id, this.#hashSeed ^ table.keyNode.hash), weight, bornMs)
        : tier.replace(previous, entry, weight, bornMs)
    if (previous !== undefined) this.#leave(previous)
    this.#evicted(victims, entry)
    if (channels.store.hasSubscribers) channels.store.publish(this.event(table, id))
    return entry
  }

  /** Takes an entry out. */
  remove(entry: Entry): void {
    const { table } = entry
    if (table.entries.get(entry.id) === entry) table.entries.delete(entry.id)
    if (entry.slot < 0) return
    this.tier?.remove(entry)
    this.#leave(entry)
  }

  /** @param isOverruled its own key was set or deleted, rather than something that it depended on invalidated. */
  removeStale(entry: Entry, isOverruled = false): void {
    const bornMs = entry.slot < 0 ? 0 : (this.tier?.bornMs(entry, this.turn.now) ?? 0)
    entry.table.counters.stale += 1
    this.remove(entry)
    this.removals[this.#removed % REMEMBERED_REMOVALS] = { entry, bornMs, isOverruled, order: this.#removed }
    this.#removed += 1
    // Only what it depended on is of interest from here.
    giveUp(entry)
    if (channels.stale.hasSubscribers) channels.stale.publish(this.event(entry.table, entry.id))
  }

  removeExpired(entry: Entry): void {
    entry.table.counters.expired += 1
    this.remove(entry)
    if (channels.expire.hasSubscribers) channels.expire.publish(this.event(entry.table, entry.id))
  }

  /** What an entry weighs against a budget of bytes; 0 where there is none. */
  weigh(table: Table, id: EntryId, value: unknown, sizeOf: ((value: never) => number) | undefined): number {
    const { memory } = this.settings
    if (memory === false || memory.maxBytes === Number.POSITIVE_INFINITY) return 0
    const measure = (sizeOf ?? memory.sizeOf ?? estimateSize) as (value: unknown) => number
    const bytes = measure(value)
    if (typeof bytes !== "number" || !(bytes >= 0)) {
      throw new HookError("sizeOf", table.keyOf(id), `it returned ${String(bytes)}, not a number of bytes`)
    }
    return Math.ceil(bytes) + ENTRY_BYTES + (typeof id === "string" ? id.length : 8)
  }

  storeStats(): StoreStats | undefined {
    try {
      return this.isClosed ? undefined : this.shared?.store.stats()
    } catch (error) {
      this.fault(error instanceof ZooCacheError ? error : new StoreError("tell its stats", error))
      return undefined
    }
  }

  // --- loads -----------------------------------------------------------------------------------------------------

  /** Begins a load: from here on, what is invalidated makes its result stale. */
  beginLoad(table: Table, id: EntryId, run: Run): Load {
    const { trie } = this
    const asOf = trie.cursor
    const keyMark = this.keyNodeOf(table, id)?.mark
    const load = new Load(table, id, run, {
      stamp: { epoch: trie.epoch, asOf },
      seen: trie.stamp,
      keyVersion: keyMark == null || keyMark.invalidated <= asOf ? undefined : keyMark.invalidated,
      startedAtMs: this.turn.current(),
      startedWallMs: this.clock.wall(),
    })
    run.loads.push(load)
    this.running.add(load)
    table.addRunning(load)
    return load
  }

  /** The load may not be stored any more, and nothing has to be remembered for its sake. */
  endLoad(load: Load): void {
    this.running.remove(load)
    load.table.removeRunning(load)
    for (const node of load.ownDependencies) this.trie.release(node)
    load.ownDependencies = []
  }

  // --- changes, as the log client tells them ---------------------------------------------------------------------

  applied(change: LogChange, version: Version, by: string): void {
    this.invalidations += 1
    if (channels.invalidate.hasSubscribers) {
      channels.invalidate.publish({
        cache: this.settings.prefix,
        kind: change.kind,
        path: change.path,
        version,
        by: this.nameOrigin(by),
      })
    }
    const { trie } = this
    if (change.kind === "tag" || change.kind === "expiry") {
      const node = this.#acquireTag(change.path)
      const isReferenced = node.uses > 1 || node.parent === null
      // Grace counts from when it was expired, wherever that was.
      const agoMs = this.client?.isLocal ? 0 : Math.max(0, this.clock.wall() - versionWallMs(version))
      const atMs = this.turn.current() - agoMs
      trie.apply(node, change.kind === "expiry", version, this.#learnedAtMs(version), by, atMs)
      if (isReferenced) this.#hasMoved = true
      trie.release(node)
      return
    }
    const target = this.#resolveKey(change)
    if (target === undefined) return
    // Without a shared tier, entries go as soon as their key is marked, and nothing needs a mark that is not there yet.
    const isKept = this.shared !== undefined
    const node = isKept ? trie.acquire(target.path, trie.keyRoot) : trie.find(target.path, trie.keyRoot)
    if (node !== undefined) {
      trie.apply(node, false, version, this.#learnedAtMs(version), by, this.turn.current())
      this.#hasMoved = true
      if (isKept) trie.release(node)
    }
    if (target.table !== undefined && change.kind === "key") {
      const hadEntry = this.overrule(target.table, target.id, version)
      // Where hits look at the log, this one may have found the entry just before.
      if (hadEntry && this.#looksAtLog) this.#hasMoved = true
    }
  }

  pending(change: LogChange): void {
    const { trie } = this
    if (change.kind === "tag" || change.kind === "expiry") {
      const mark = markOf(this.#acquireTag(change.path))
      if (change.kind === "tag") mark.pending += 1
      else mark.pendingExpiry += 1
      noteChange(mark, this.clock.wall(), this.origin, this.turn.current())
      this.#hasMoved = true
      return
    }
    const target = this.#resolveKey(change)
    if (target === undefined) return
    const node = trie.acquire(target.path, trie.keyRoot)
    const isReferenced = node.uses > 1
    const mark = markOf(node)
    mark.pending += 1
    noteChange(mark, this.clock.wall(), this.origin, this.turn.current())
    if (change.kind === "function" || isReferenced) this.#hasMoved = true
    if (target.table === undefined) return
    if (change.kind === "function") this.latestSets.delete(target.table)
    else this.latestSets.get(target.table)?.delete(target.id)
    if (change.kind === "key") this.overrule(target.table, target.id, Number.POSITIVE_INFINITY)
    // What is on its way to the log as the newest word on its key has just been outdone.
    else
      for (const entry of target.table.entries.values())
        if (entry.keyVersion === Number.POSITIVE_INFINITY) this.removeStale(entry)
  }

  settled(change: LogChange): void {
    const { trie } = this
    if (change.kind === "tag" || change.kind === "expiry") {
      const node = this.#acquireTag(change.path)
      const mark = markOf(node)
      if (change.kind === "tag") mark.pending -= 1
      else mark.pendingExpiry -= 1
      trie.release(node)
      trie.release(node)
      return
    }
    const target = this.#resolveKey(change)
    if (target === undefined) return
    const node = trie.acquire(target.path, trie.keyRoot)
    markOf(node).pending -= 1
    trie.release(node)
    trie.release(node)
  }

  caughtUp(): void {
    if (!this.#hasMoved) {
      this.trie.advanced()
      return
    }
    this.#hasMoved = false
    this.trie.moved()
    this.tier?.mayHaveStale()
  }

  epochEnds(): void {
    if (!this.#keepsExpired) return
    const nowMs = this.turn.current()
    for (const table of this.tables.values()) {
      for (const entry of table.entries.values()) {
        const canBeServed = (entry.aging?.graceMs ?? 0) > 0 && !entry.isError
        if (!canBeServed || entry.keyVersion === Number.POSITIVE_INFINITY || !this.isFresh(entry)) continue
        entry.aging = expiredAging(entry, nowMs)
        entry.deadlineMs = entry.deadlineMs === ALWAYS ? ALWAYS : deadlineOf(entry.aging)
        this.#outliving.push(entry)
      }
    }
  }

  epochChanged(): void {
    // From before everything in the new epoch: whatever is invalidated in it reaches them too.
    const stamp = { epoch: this.trie.epoch, asOf: this.trie.cursor }
    for (const entry of this.#outliving) {
      entry.stamp = stamp
      if (entry.rare !== null) entry.rare.keyVersion = undefined
    }
    this.#outliving = []
    this.tier?.mayHaveStale()
  }

  trustChanged(isTrusted: boolean): void {
    this.tier?.mayHaveStale()
    if (!channels.state.hasSubscribers) return
    const event: StateEvent = { cache: this.settings.prefix, state: isTrusted ? "ready" : "unsure" }
    channels.state.publish(event)
  }

  /** A newer word on a key: what is stored goes, and no running load may be stored. True if something was stored. */
  overrule(table: Table, id: EntryId, version: Version): boolean {
    const entry = table.entries.get(id)
    const isOlder =
      entry !== undefined && (version === Number.POSITIVE_INFINITY || (entry.keyVersion ?? entry.stamp.asOf) < version)
    if (isOlder) this.removeStale(entry, true)
    else if (entry?.rare != null) entry.rare.rivalVersion = Math.max(entry.rare.rivalVersion, version)
    table.supersede(id)
    return isOlder
  }

  /** Something went wrong that fails nobody's call: it is counted and told. */
  fault(error: ZooCacheError, key?: string): void {
    this.faults += 1
    if (channels.fault.hasSubscribers) channels.fault.publish({ cache: this.settings.prefix, error, key })
    // The user's listener is no part of what it listens to: its own faults end here.
    void tell(this.settings.onFault, { error, key })
  }

  event(table: Table, id: EntryId): CacheEvent {
    return { cache: this.settings.prefix, function: table.functionName, key: table.keyOf(id) }
  }

  nameOrigin(by: string): string {
    return by === this.origin ? "this process" : by
  }

  async close(): Promise<void> {
    if (this.isClosed) return
    this.isClosed = true
    this.trie.setTrusted(false)
    // Functions outlive their cache; what it stored does not have to.
    for (const table of this.tables.values()) for (const entry of table.entries.values()) this.remove(entry)
    this.tier?.close()
    await this.client.close()
    for (const close of this.#closing) await close()
  }

  /** A local log has just read the clock for the version itself. */
  #learnedAtMs(version: Version): number {
    return this.client?.isLocal ? versionWallMs(version) : this.clock.wall()
  }

  #acquireTag(path: string): TagNode {
    if (path === "") return this.trie.acquire([])
    try {
      return this.trie.acquire(parseTag(path))
    } catch (error) {
      // A log that says something unreadable has still said that something changed: the root covers whatever it was.
      this.fault(error as InvalidTagError)
      return this.trie.acquire([])
    }
  }

  #resolveKey(change: LogChange): { table: Table | undefined; id: EntryId; path: string[] } | undefined {
    try {
      if (change.kind === "function") return { table: this.tables.get(change.path), id: undefined, path: [change.path] }
      const parts = parseFunctionKey(change.path)
      if (parts === undefined) return { table: this.manual, id: change.path, path: [MANUAL, change.path] }
      const name = tableNameOf(parts.name, parts.version)
      const table = this.tables.get(name)
      return { table, id: parts.id, path: [name, change.path.slice(name.length)] }
    } catch (error) {
      this.fault(error as ZooCacheError)
      return undefined
    }
  }

  /** @param arriving is being stored: if it could not stay, it is still of use to whoever has just stored it. */
  #evicted(victims: readonly Entry[], arriving?: Entry): void {
    for (const entry of victims) {
      const { table } = entry
      if (table.entries.get(entry.id) === entry) table.entries.delete(entry.id)
      table.counters.evicted += 1
      this.#leave(entry, entry === arriving)
    }
    if (!channels.evict.hasSubscribers) return
    for (const entry of victims) channels.evict.publish({ ...this.event(entry.table, entry.id), reason: "budget" })
  }

  #reclaim(entry: Entry): void {
    if (!this.isFresh(entry)) this.removeStale(entry)
    else if (ageOf(entry, this.turn.current()) === "over") this.removeExpired(entry)
  }

  /** Memory has let go of an entry. */
  #leave(entry: Entry, isArriving = false): void {
    for (const node of nodesOf(entry.dependencies)) this.trie.release(node)
    if (!isArriving && this.shared?.isKept(entry) !== true) giveUp(entry)
  }
}

/** 12 random characters of the base64url alphabet. */
function randomName(random: () => number): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
  let name = ""
  for (let index = 0; index < 12; index += 1) name += alphabet[Math.floor(random() * 64)]
  return name
}

function noteChange(
  mark: { atWallMs: number; by: string; expiredAtMs: number },
  wallMs: number,
  by: string,
  nowMs: number,
): void {
  mark.atWallMs = wallMs
  mark.by = by
  mark.expiredAtMs = nowMs
}

/** Whatever the listener does with a fault, also asynchronously, is no fault of the cache. */
async function tell(onFault: CacheSettings["onFault"], fault: Fault): Promise<void> {
  try {
    const told: unknown = onFault?.(fault)
    await told
  } catch {}
}

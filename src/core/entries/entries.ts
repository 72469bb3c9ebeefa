import type { Clock } from "../base/clock.js"
import type { Turn } from "../base/turn.js"
import { HookError } from "../base/errors.js"
import { channels } from "../base/events.js"
import type { Lifetime } from "../base/lifetime.js"
import type { Outbox } from "../base/outbox.js"
import { MemoryTier } from "../memory/memory-tier.js"
import type { CacheSettings } from "../options/settings.js"
import { type Dependencies, hold, letGo } from "../tags/dependencies.js"
import {
  expiredSince,
  freshnessOf,
  freshnessOfDependencies,
  freshnessWithKey,
  isUntouched,
  keyExpiredSince,
} from "../tags/freshness.js"
import { TagNode } from "../tags/tag-node.js"
import type { Stamp, TagTrie } from "../tags/tag-trie.js"
import type { Version } from "../tags/version.js"
import { hashId } from "../values/hash-id.js"
import type { EntryId } from "../values/id.js"
import { estimateSize, MAX_WEIGHT, weightOf } from "../values/size.js"
import { plainResult } from "../values/thenable.js"
import { ALWAYS, type Aged, ageOf, deadlineOf, expiredAging, expiryOf } from "./age.js"
import type { HeldEntries } from "./held-entries.js"
import { Entry, giveUp, GONE, isAbsent, type Rare, type Table } from "./table.js"
import type { Tables } from "./tables.js"

/** The bytes that an entry costs in the memory tier beyond its value, for budgets in bytes. */
export const ENTRY_BYTES = 300
/** The message and the stack of an error, which no look at its properties shows. */
const ERROR_BYTES = 1000
/** No place in the log. */
const UNKNOWN = -1
const REMEMBERED_REMOVALS = 256

/** The parts of an entry that is to be kept. */
export interface Stored {
  readonly table: Table
  readonly id: EntryId
  readonly value: unknown
  readonly dependencies: Dependencies
  /** The place in the log at which its load began; undefined where nobody knows. */
  readonly loadedAt: Version | undefined
  readonly aged: Aged
  readonly rare: Rare | null
  /** As {@link Entries.weigh} says. */
  readonly weight: number
  /** When its load began, in the time of `Turn.now`. */
  readonly bornMs: number
}

/** An entry that was given up as stale, kept for `explain`: what it depended on still shows why. */
export interface Removal {
  readonly entry: Entry
  /** The state in which it was last found fresh. */
  readonly stamp: Stamp
  readonly bornMs: number
  /** The entry's own key was set or deleted. */
  readonly isOverruled: boolean
  /** Higher is later. */
  readonly order: number
}

export interface EntriesOptions {
  readonly settings: CacheSettings
  readonly clock: Clock
  readonly turn: Turn
  readonly trie: TagTrie
  readonly tables: Tables
  readonly outbox: Outbox
  readonly lifetime: Lifetime
  /** Entries that are of use beside memory; undefined without a shared tier. */
  readonly held: HeldEntries | undefined
}

/** The entries in memory: takes them in, applies the rule to them, and gives them up. */
export class Entries {
  readonly tier: MemoryTier<Entry> | undefined
  readonly removals: (Removal | undefined)[] = []
  readonly #options: EntriesOptions
  readonly #hashSeed: number
  #removed = 0
  /** By the slot of an entry. As a field of each it would be a number in a box: four times as much. */
  #loadedAt = new Float64Array(64)
  readonly #bornOutside = new WeakMap<Entry, number>()
  /** Entries that were fresh when the epoch ended. */
  #outliving: Entry[] = []

  constructor(options: EntriesOptions) {
    this.#options = options
    const { settings, clock, turn } = options
    this.#hashSeed = Math.floor(settings.random() * 2 ** 31)
    if (settings.memory === false || !settings.enabled) return
    this.tier = new MemoryTier<Entry>({
      maxEntries: settings.memory.maxEntries,
      maxBytes: settings.memory.maxBytes,
      clock,
      random: settings.random,
      onEvict: (victims) => this.#evicted(victims),
      reclaim: (entry) => this.#reclaim(entry),
      timeLeftMs: (entry) =>
        entry.rare?.sources == null
          ? expiryOf(entry) + (entry.aging?.graceMs ?? 0) - turn.now
          : Number.POSITIVE_INFINITY,
    })
  }

  /**
   * Applies the freshness rule to a stored entry and remembers the answer in its stamp. An entry that a soft invalidation
   * covers has expired, which its age tells from then on.
   */
  isFresh(entry: Entry): boolean {
    const { trie } = this.#options
    if (entry.stamp === trie.stamp) return true
    const freshness = freshnessWithKey(entry, trie)
    if (freshness === "stale") return false
    if (freshness === "expired") {
      // The stamp stays: it still tells what expired the entry, and nothing that has expired takes the short cut of a
      // hit.
      const sinceMs = expiredSince(entry.dependencies, entry.stamp.asOf, trie.root)
      this.#expireAt(entry, Math.min(sinceMs, keyExpiredSince(entry)))
      return true
    }
    entry.stamp = trie.stamp
    // Fresh as of the cursor, its own key included.
    if (entry.rare !== null && entry.rare.keyVersion !== Number.POSITIVE_INFINITY) entry.rare.keyVersion = undefined
    return true
  }

  /** Whether an entry may be served, if only in grace. */
  isServable(entry: Entry): boolean {
    return this.isFresh(entry) && ageOf(entry, this.#options.turn.current()) !== "over"
  }

  /** Whether an entry may be served as far as the log goes; remembers it in its stamp, and changes nothing else. */
  isFreshNow(entry: Entry): boolean {
    const { trie } = this.#options
    const { trusted } = trie
    if (trusted === null) return false
    const { dependencies } = entry
    // Most entries are plain: one class of object on this way, so that it costs little more than a hit.
    if (entry.isPlain && (dependencies === null || dependencies instanceof TagNode)) {
      if (isUntouched(entry.stamp, dependencies, entry.table.keyNode, trie)) {
        entry.stamp = trusted
        return true
      }
    }
    return this.isFresh(entry) && entry.stamp === trusted
  }

  /** Whether an entry that was fetched may be served as it is, neither stale nor expired nor due for a refresh. */
  isCurrent(entry: Entry, nowMs: number): boolean {
    // An entry that was fetched may have been removed before those who waited for it come to look.
    return entry.slot !== GONE && this.isFresh(entry) && ageOf(entry, nowMs) === "current"
  }

  /**
   * Whether an entry that is of no other use may be told to `revalidate`: nobody has deleted it, and whatever made it stale or
   * ended its life is its own.
   */
  isPrevious(entry: Entry): boolean {
    const { trie, turn } = this.#options
    const { stamp, keyNode, keyVersion, slot, isError } = entry
    const sources = entry.rare?.sources
    if (sources == null || slot === GONE || isError || sources.latestExpiryMs <= turn.current()) return false
    const { inherited } = sources
    return (
      freshnessOf({ stamp, dependencies: inherited, keyNode, keyVersion }, trie) !== "stale" &&
      freshnessOfDependencies(inherited, stamp.asOf, trie) === "fresh"
    )
  }

  /** Stores a value in place of whatever its key has. Undefined where it can't be kept. */
  store(stored: Stored): Entry | undefined {
    const { table, id, value, dependencies, loadedAt, aged, rare, weight, bornMs } = stored
    const { trie, outbox, lifetime } = this.#options
    const { tier } = this
    if (tier === undefined || table.isReplaced || lifetime.isOver) return undefined
    outbox.hold()
    try {
      hold(dependencies)
      const entry = new Entry(table, id, value, dependencies, trie.stamp, aged, rare)
      const previous = table.entries.get(id)
      table.entries.set(id, entry)
      table.counters.stores += 1
      const victims =
        previous === undefined
          ? tier.add(entry, hashId(id, this.#hashSeed ^ table.keyNode.hash), weight, bornMs)
          : tier.replace(previous, entry, weight, bornMs)
      this.#noteLoadedAt(entry, loadedAt ?? UNKNOWN)
      if (previous !== undefined) this.#leave(previous)
      this.#evicted(victims, entry)
      if (channels.store.hasSubscribers) outbox.publish(channels.store, table.event(id))
      return entry
    } finally {
      outbox.release()
    }
  }

  /** An entry that memory does not keep, with a use of its nodes that is its caller's. */
  outside({ table, id, value, dependencies, aged, rare, bornMs }: Stored): Entry {
    const entry = new Entry(table, id, value, dependencies, this.#options.trie.stamp, aged, rare)
    this.#bornOutside.set(entry, bornMs)
    return entry
  }

  /** When the load of an entry began, in the time of `Turn.now`. */
  bornMs(entry: Entry): number {
    const { now } = this.#options.turn
    return entry.slot < 0 ? (this.#bornOutside.get(entry) ?? now) : (this.tier?.bornMs(entry, now) ?? now)
  }

  /**
   * The place in the log at which the load of an entry began, which no lift moves. Undefined where nobody knows: a store does
   * not keep it, and it says nothing in another life of the log.
   */
  loadedAt(entry: Entry): Version | undefined {
    const version = entry.slot < 0 ? UNKNOWN : (this.#loadedAt[entry.slot] as number)
    return version === UNKNOWN ? undefined : version
  }

  #noteLoadedAt({ slot }: Entry, version: Version): void {
    // An entry that could not stay has no place.
    if (slot < 0) return
    if (slot >= this.#loadedAt.length) {
      const grown = new Float64Array(this.#loadedAt.length * 2)
      grown.set(this.#loadedAt)
      this.#loadedAt = grown
    }
    this.#loadedAt[slot] = version
  }

  /** Takes an entry out. */
  remove(entry: Entry): void {
    const { table } = entry
    if (table.entries.get(entry.id) === entry) table.entries.delete(entry.id)
    if (entry.slot < 0) return
    this.tier?.remove(entry)
    this.#leave(entry)
  }

  /** Takes out all that a table has. */
  removeAll(table: Table): void {
    for (const entry of table.entries.values()) this.remove(entry)
  }

  /** Takes out an entry that was found stale, unless `revalidate` may be told of it. */
  giveUpStale(entry: Entry): void {
    if (!this.isPrevious(entry)) this.removeStale(entry)
  }

  /** The same for one whose time is over. */
  giveUpExpired(entry: Entry): void {
    if (!this.isPrevious(entry)) this.removeExpired(entry)
  }

  /** @param isOverruled its own key was set or deleted, rather than something that it depended on invalidated. */
  removeStale(entry: Entry, isOverruled = false): void {
    const { turn, outbox } = this.#options
    const { table, id } = entry
    const { stamp } = entry
    const bornMs = entry.slot < 0 ? 0 : (this.tier?.bornMs(entry, turn.now) ?? 0)
    table.counters.stale += 1
    this.remove(entry)
    this.removals[this.#removed % REMEMBERED_REMOVALS] = {
      entry,
      stamp,
      bornMs,
      isOverruled,
      order: this.#removed,
    }
    this.#removed += 1
    // From here on only its dependencies are of interest.
    giveUp(entry)
    if (channels.stale.hasSubscribers) outbox.publish(channels.stale, table.event(id))
  }

  removeExpired(entry: Entry): void {
    const { table, id } = entry
    table.counters.expired += 1
    this.remove(entry)
    if (channels.expire.hasSubscribers) this.#options.outbox.publish(channels.expire, table.event(id))
  }

  /** A newer word on a key: an older entry goes. True if there was one. */
  overrule(table: Table, id: EntryId, version: Version): boolean {
    const entry = table.entries.get(id)
    if (entry === undefined) return false
    const isOlder = version === Number.POSITIVE_INFINITY || (entry.keyVersion ?? entry.stamp.asOf) < version
    if (isOlder) this.removeStale(entry, true)
    else if (entry.rare !== null) entry.rare.rivalVersion = Math.max(entry.rare.rivalVersion, version)
    return isOlder
  }

  /** A soft change of a key: an older entry has expired then, by default now. */
  expire(table: Table, id: EntryId, version: Version, atMs = this.#options.turn.current()): void {
    const entry = table.entries.get(id)
    if (entry === undefined) return
    const isOlder = version === Number.POSITIVE_INFINITY || (entry.keyVersion ?? entry.stamp.asOf) < version
    if (isOlder) this.#expireAt(entry, atMs)
    else if (entry.rare !== null) entry.rare.softRivalVersion = Math.max(entry.rare.softRivalVersion, version)
  }

  /** The whole function was invalidated: what is on its way to the log as the newest word on its key has been outdone. */
  overruleSets(table: Table): void {
    for (const entry of table.entries.values()) {
      if (entry.keyVersion === Number.POSITIVE_INFINITY) this.removeStale(entry)
    }
  }

  /** The weight of an entry against a budget of bytes; 0 where there is none. Throws `HookError`. */
  weigh(table: Table, id: EntryId, value: unknown, sizeOf: ((value: never) => number) | undefined): number {
    const { memory } = this.#options.settings
    if (memory === false || memory.maxBytes === Number.POSITIVE_INFINITY) return 0
    const measure = (sizeOf ?? memory.sizeOf ?? estimateSize) as (value: unknown) => unknown
    if (isAbsent(value, table.intake)) return entryBytes(id)
    try {
      return entryBytes(id) + weightOf(plainResult("sizeOf", measure(value)))
    } catch (error) {
      throw new HookError("sizeOf", table.keyOf(id), error)
    }
  }

  /** The weight of an entry that holds an error, without a hook: those of users measure values. */
  weighError(id: EntryId, error: unknown): number {
    const { memory } = this.#options.settings
    if (memory === false || memory.maxBytes === Number.POSITIVE_INFINITY) return 0
    return entryBytes(id) + ERROR_BYTES + Math.min(estimateSize(error), MAX_WEIGHT)
  }

  /** The epoch is about to end: with `keepsExpired`, entries with grace outlive it as expired ones. */
  epochEnds(): void {
    const { turn, tables } = this.#options
    const nowMs = turn.current()
    for (const table of tables) {
      for (const entry of table.entries.values()) {
        const canBeServed = (entry.aging?.graceMs ?? 0) > 0 && !entry.isError
        if (!canBeServed || entry.keyVersion === Number.POSITIVE_INFINITY || !this.isFresh(entry)) continue
        this.#expireAt(entry, nowMs)
        this.#outliving.push(entry)
      }
    }
  }

  epochChanged(): void {
    const { trie } = this.#options
    // From before everything in the new epoch: whatever is invalidated in it reaches them too.
    const stamp = { epoch: trie.epoch, asOf: trie.cursor }
    for (const entry of this.#outliving) {
      entry.stamp = stamp
      this.#noteLoadedAt(entry, UNKNOWN)
      if (entry.rare !== null) entry.rare.keyVersion = undefined
    }
    this.#outliving = []
    this.tier?.mayHaveStale()
  }

  close(): void {
    for (const table of this.#options.tables) this.removeAll(table)
    this.tier?.close()
  }

  #expireAt(entry: Entry, atMs: number): void {
    entry.aging = expiredAging(entry, atMs)
    entry.deadlineMs = entry.deadlineMs === ALWAYS ? ALWAYS : deadlineOf(entry.aging)
  }

  /** @param arriving is being stored: if it could not stay, it is still of use to whoever has just stored it. */
  #evicted(victims: readonly Entry[], arriving?: Entry): void {
    if (victims.length === 0) return
    const { outbox } = this.#options
    outbox.hold()
    try {
      for (const entry of victims) {
        const { table, id } = entry
        if (table.entries.get(id) === entry) table.entries.delete(id)
        table.counters.evicted += 1
        this.#leave(entry, entry === arriving)
        if (channels.evict.hasSubscribers) outbox.publish(channels.evict, { ...table.event(id), reason: "budget" })
      }
    } finally {
      outbox.release()
    }
  }

  #reclaim(entry: Entry): void {
    if (this.isFresh(entry)) {
      if (ageOf(entry, this.#options.turn.current()) === "over") this.giveUpExpired(entry)
    } else this.giveUpStale(entry)
  }

  /** Memory has let go of an entry. */
  #leave(entry: Entry, isArriving = false): void {
    letGo(entry.dependencies, this.#options.trie)
    if (!isArriving && this.#options.held?.has(entry) !== true) giveUp(entry)
  }
}

/** The bytes of an entry beside its value. */
function entryBytes(id: EntryId): number {
  return ENTRY_BYTES + (typeof id === "string" ? id.length : 8)
}

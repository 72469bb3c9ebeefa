import type { Clock } from "../base/clock.js"
import { CorruptEntryError, HookError } from "../base/errors.js"
import type { Outbox } from "../base/outbox.js"
import type { Turn } from "../base/turn.js"
import type { CacheSettings } from "../options/settings.js"
import type { EntryCodec, EntryHeader } from "../ports/codec.js"
import type { Dependencies } from "../tags/dependencies.js"
import { expiredSince, freshnessWithKey, keyExpiredSince, type Subject } from "../tags/freshness.js"
import { prefixOfFunction, prefixOfKey } from "../tags/scope.js"
import type { TagTrie } from "../tags/tag-trie.js"
import { TICKS_PER_MS } from "../tags/version.js"
import type { EntryId } from "../values/id.js"
import { freezeOwn, isolate } from "../values/isolation.js"
import { isThenable } from "../values/thenable.js"
import { type Aging, deadlineOf, expiredAging, lookedAtAlways } from "./age.js"
import type { Entries, Stored } from "./entries.js"
import type { HeldEntries } from "./held-entries.js"
import type { Retries } from "./retries.js"
import type { SharedWrites } from "./shared-writes.js"
import { acquireDependencies, agedOf, isOfUse, rankOf } from "./stored-form.js"
import { type Entry, type Intake, isAbsent, rareOf, type Sources, type Table } from "./table.js"

/** Age up to which a read of an entry leaves its place among the used ones as it is. */
const YOUNG_MS = 60_000
/** Reads of older entries of which one is noted as a use. */
const NOTED_USES = 8
/** Age of `asOf` from which a fresh entry is lifted in the store, or earlier where the log forgets faster. */
const OLD_TICKS = 60_000 * TICKS_PER_MS

const NO_SOURCES: Sources = Object.freeze({ inherited: [], latestExpiryMs: Number.POSITIVE_INFINITY })

export interface ArrivalsOptions {
  readonly codec: EntryCodec
  readonly settings: CacheSettings
  readonly clock: Clock
  readonly turn: Turn
  readonly trie: TagTrie
  readonly entries: Entries
  readonly held: HeldEntries
  readonly outbox: Outbox
  readonly writes: SharedWrites
  readonly retries: Retries
  /** Whether the store is read over a wait, so that what was read must outlive the memory tier for a turn. */
  readonly isRemote: boolean
}

/** Entries as they arrive from the shared tier: bytes that others wrote, judged by the same rule as entries in memory. */
export class Arrivals {
  readonly #options: ArrivalsOptions

  constructor(options: ArrivalsOptions) {
    this.#options = options
  }

  /**
   * The entry that bytes hold, if it is fresh by the rule and of any use, taken into memory and kept up in the store.
   * Listeners hear of it when both is done: they may make it stale. Throws what is wrong with the bytes.
   */
  take(
    table: Table,
    id: EntryId,
    key: string,
    bytes: Uint8Array,
    intake: Intake,
    header = this.#options.codec.decodeHeader(bytes),
  ): Entry | undefined {
    return this.#options.outbox.whole(() => this.#takeWhole(table, id, key, bytes, intake, header))
  }

  #takeWhole(
    table: Table,
    id: EntryId,
    key: string,
    bytes: Uint8Array,
    intake: Intake,
    header: EntryHeader,
  ): Entry | undefined {
    const { trie, turn, clock, entries, held, retries, isRemote } = this.#options
    const wallMs = clock.wall()
    // A store may keep two keys in one place.
    if (header.key !== key || !isOfUse(header, trie, wallMs)) return undefined
    const acquired = acquireDependencies(
      header,
      trie,
      table.isManual ? prefixOfKey(key) : prefixOfFunction(table.functionName),
    )
    let areHeld = false
    try {
      const dependencies: Dependencies =
        acquired.length === 0 ? null : acquired.length === 1 ? (acquired[0] as (typeof acquired)[0]) : acquired.slice()
      const subject = (): Subject => {
        const stamp = { epoch: trie.epoch, asOf: header.asOf }
        return { stamp, dependencies, keyNode: table.keyNodeOf(id) ?? table.keyNode, keyVersion: header.keyVersion }
      }
      const judge = () => (isOfUse(header, trie, wallMs) ? freshnessWithKey(subject(), trie) : "stale")
      // A first look spares most stale entries the decoding. Hooks are user code: the last look comes after them.
      if (judge() === "stale") return undefined
      const value = this.#valueOf(table, key, bytes, intake)
      const weight = entries.weigh(table, id, value, intake.sizeOf)
      const freshness = judge()
      if (freshness === "stale") return undefined
      const times = { nowMs: turn.now, wallMs, retryAtMs: retries.atMs(key, turn.now) }
      let aged = agedOf(header, times, intake.behaviour)
      if (freshness === "expired") {
        const sinceMs = Math.min(expiredSince(dependencies, header.asOf, trie.root), keyExpiredSince(subject()))
        const aging = expiredAging(aged, Math.min(turn.now, sinceMs))
        aged = { aging, deadlineMs: deadlineOf(aging) }
      }
      const isCloned = intake.behaviour.isolation === "clone"
      if (isCloned) aged = lookedAtAlways(aged)
      const { revalidates } = intake.behaviour
      // The bytes tell the keys of what was used on the way, and not the tags.
      const sources = revalidates && header.keys.length === 0 ? NO_SOURCES : null
      const rare = isCloned || sources !== null ? rareOf({ isCloned, sources }) : null
      const bornMs = turn.now - Math.max(0, wallMs - header.storedAtMs)
      const stored: Stored = { table, id, value, dependencies, loadedAt: undefined, aged, rare, weight, bornMs }
      const entry = entries.store(stored) ?? entries.outside(stored)
      if (entry.slot < 0 || isRemote) {
        held.holdForTurn(entry)
        areHeld = true
      }
      this.#keepUp(key, header, wallMs, freshness === "fresh", entry.aging)
      return entry
    } finally {
      if (!areHeld) for (const node of acquired) trie.release(node)
    }
  }

  /** The value as callers get it. Throws what is wrong with it. */
  #valueOf(table: Table, key: string, bytes: Uint8Array, intake: Intake): unknown {
    const { behaviour, validate } = intake
    const isFrozen = behaviour.isolation === "freeze"
    // A hook may still bring it into shape.
    const value = this.#options.codec.decodeValue(bytes, isFrozen && validate === undefined)
    if (validate !== undefined && !isAbsent(value, intake)) {
      let isValid: boolean
      try {
        isValid = validate(value)
      } catch (error) {
        throw new HookError("validate", key, error)
      }
      if (!isValid) throw new CorruptEntryError("the hook `validate` has refused its value")
    }
    if (isThenable(value)) throw new CorruptEntryError("what its decoder has made is a thenable, which is no value")
    if (!isFrozen) return isolate(value, behaviour.isolation, key).value
    if (typeof value === "object" && value !== null) table.counters.shared += freezeOwn(value)
    return value
  }

  /** Keeps an entry that is still of use from being evicted, and from falling below what the log remembers. */
  #keepUp(key: string, header: EntryHeader, wallMs: number, isFresh: boolean, aging: Aging | null): void {
    const { trie, settings } = this.#options
    // An entry that a soft invalidation covers must stay below it.
    const isOld = isFresh && trie.cursor - header.asOf > Math.min(OLD_TICKS, (trie.cursor - trie.logFloor) / 2)
    const isNoted = wallMs - header.storedAtMs > YOUNG_MS && settings.random() * NOTED_USES < 1
    if (!isOld && !isNoted) return
    const rank = rankOf(header)
    this.#options.writes.touch(key, rank, isOld ? { asOf: trie.cursor } : {})
    // From here on it is known by its new rank.
    if (isOld && aging?.shared != null) aging.shared = { ...aging.shared, rank: { ...rank, asOf: trie.cursor } }
  }
}

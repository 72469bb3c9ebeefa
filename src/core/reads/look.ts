import { UnsureError } from "../base/errors.js"
import { channels } from "../base/events.js"
import { isTimeFaked } from "../base/machine.js"
import type { Turn } from "../base/turn.js"
import { ageOf, NEVER } from "../entries/age.js"
import { mayRetry } from "../entries/retries.js"
import { type Entry, GONE, type Intake, type Table } from "../entries/table.js"
import type { Flight } from "../loads/flight.js"
import { currentFrame, frames } from "../loads/frame.js"
import type { MemoryTier } from "../memory/memory-tier.js"
import type { WhenUnsure } from "../options/options.js"
import type { TagTrie } from "../tags/tag-trie.js"
import type { EntryId } from "../values/id.js"
import type { Transaction } from "../writes/transaction.js"
import type { ReadContext } from "./context.js"

/** The verdict on an entry: it can be used, and how; undefined where there is nothing to use. */
export type Look = { readonly entry: Entry; readonly age: "current" | "due" | "grace" } | undefined

/** Looks for entries that may be used, in memory and in a shared tier at hand, and clears away those that may not. */
export class Looks {
  readonly #context: ReadContext
  // Of their own, because every hit of a key given by hand looks at them.
  readonly #turn: Turn
  readonly #trie: TagTrie
  readonly #tier: MemoryTier<Entry> | undefined
  /** Loads of what may be served while they are under way. */
  readonly #standIns = new WeakSet<Flight>()

  constructor(context: ReadContext) {
    this.#context = context
    this.#turn = context.turn
    this.#trie = context.trie
    this.#tier = context.entries.tier
  }

  /** Whether entries may be used at all: this process knows that it is up to date, or was told not to care. */
  isOfUse(whenUnsure: WhenUnsure): boolean {
    return this.#context.trie.trusted !== null || whenUnsure === "serve"
  }

  /** The entry of a key where a hit needs no closer look; undefined where it takes {@link Looks.look} to tell. */
  quickHit(table: Table, id: EntryId): Entry | undefined {
    const entry = table.entries.get(id)
    if (entry === undefined || (frames.active !== 0 && currentFrame() !== undefined)) return undefined
    const turn = this.#turn
    if (--turn.left < 0 || isTimeFaked()) turn.read()
    if (
      (entry.stamp !== this.#trie.trusted && !this.#context.entries.isFreshNow(entry)) ||
      (turn.now >= entry.deadlineMs && entry.deadlineMs !== NEVER) ||
      channels.hit.hasSubscribers
    )
      return undefined
    table.counters.hits += 1
    this.#tier?.touch(entry)
    return entry
  }

  /** The entry of a key that may be used; what may not is cleared away. */
  look(
    table: Table,
    id: EntryId,
    nowMs: number,
    transaction: Transaction | undefined,
    whenUnsure: WhenUnsure,
    intake = table.intake,
  ): Look {
    if (!this.isOfUse(whenUnsure)) return undefined
    const look = this.lookAt(table.entries.get(id), nowMs, transaction)
    if (this.#context.shared === undefined) return look
    // Another process may have loaded what is missing or has expired here.
    if (look !== undefined && (look.age !== "grace" || !mayRetry(look.entry, nowMs))) return look
    const found = this.lookAt(this.findShared(table, id, intake, look === undefined), nowMs, transaction)
    // The entry that was found has taken the place of the other, also where this caller may not use it.
    return found ?? (look?.entry.slot === GONE ? undefined : look)
  }

  lookAt(entry: Entry | undefined, nowMs: number, transaction: Transaction | undefined): Look {
    const { entries } = this.#context
    // An entry that was fetched may have been removed before those who waited for it come to look.
    if (entry === undefined || entry.slot === GONE) return undefined
    if (!entries.isFresh(entry)) {
      entries.giveUpStale(entry)
      return undefined
    }
    if (transaction?.covers(entry) === true) return undefined
    const age = ageOf(entry, nowMs)
    // The time of an error after its end is no grace: only the memory of how many there were in a row.
    if (age === "grace" && entry.isError) return undefined
    if (age === "over") {
      entries.giveUpExpired(entry)
      return undefined
    }
    return { entry, age }
  }

  /**
   * The entry of a key in a shared tier at hand, fresh and taken into memory, where memory has none of use: none at all, if
   * it `isMissing`.
   */
  findShared(table: Table, id: EntryId, intake: Intake, isMissing = true): Entry | undefined {
    const { shared } = this.#context
    if (shared === undefined || shared.isRemote || !this.#mayAskShared(table, id, isMissing, intake)) return undefined
    return shared.find(table, id, intake)
  }

  /** Whether the shared tier has to be asked, and waited for, before a load of a key begins. */
  canFetch(table: Table, id: EntryId, isMissing = true, intake = table.intake): boolean {
    return this.#context.shared?.isRemote === true && this.#mayAskShared(table, id, isMissing, intake)
  }

  /** A load begins, or is joined, although there is a value that may be served. */
  noteStandIn(flight: Flight): void {
    this.#standIns.add(flight)
  }

  countMiss(table: Table, id: EntryId): void {
    table.counters.misses += 1
    if (channels.miss.hasSubscribers) this.#context.outbox.publish(channels.miss, table.event(id))
  }

  unsure(table: Table, id: EntryId): UnsureError {
    const agoMs = this.#context.client.confirmedAgoMs()
    const detail =
      agoMs === Number.POSITIVE_INFINITY
        ? "the log has not been read yet"
        : `the log was last heard ${Math.round(agoMs)} ms ago`
    return new UnsureError(table.keyOf(id), detail)
  }

  /** A load under way has looked there just before; where it found what stands in for it, memory may not have that. */
  #mayAskShared(table: Table, id: EntryId, isMissing: boolean, { behaviour }: Intake): boolean {
    if (table.isReplaced || behaviour.tiers === "memory") return false
    const flight = this.#context.running.flightOf(table, id)
    return flight === undefined || (isMissing && this.#standIns.has(flight))
  }
}

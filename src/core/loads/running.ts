import { assert } from "../base/assert.js"
import type { Turn } from "../base/turn.js"
import type { Entries } from "../entries/entries.js"
import type { Table } from "../entries/table.js"
import type { TagTrie } from "../tags/tag-trie.js"
import type { Version } from "../tags/version.js"
import type { EntryId } from "../values/id.js"
import type { Flight } from "./flight.js"
import { Load, type Run } from "./run.js"

/** Loads and flights of one table. */
class LoadsOfTable {
  /** The flight that a caller of an id may join. */
  readonly flights = new Map<EntryId, Flight>()
  /** The newest running load of an id; those before it are linked by `nextOfKey`. */
  readonly newest = new Map<EntryId, Load>()
}

export interface RunningLoadsOptions {
  readonly trie: TagTrie
  readonly turn: Turn
  readonly entries: Entries
}

/**
 * The loads and flights of a cache: by key, and in the order in which they began, so that the oldest is at hand. Loads that
 * nobody may join any more are among them: what is said of their keys concerns them.
 */
export class RunningLoads {
  readonly #options: RunningLoadsOptions
  #oldest: Load | undefined
  #newest: Load | undefined
  #size = 0
  #flights = 0

  constructor(options: RunningLoadsOptions) {
    this.#options = options
  }

  /** How many loads are running. */
  get size(): number {
    return this.#size
  }

  /** How many keys have a flight that may be joined. */
  get flights(): number {
    return this.#flights
  }

  get oldest(): Load | undefined {
    return this.#oldest
  }

  *[Symbol.iterator](): IterableIterator<Load> {
    for (let at = this.#oldest; at !== undefined; at = at.next) yield at
  }

  /** The flight that a caller of a key may join. */
  flightOf(table: Table, id: EntryId): Flight | undefined {
    return knownOf(table)?.flights.get(id)
  }

  /** Whether a load of a key is running, joinable or not. */
  isLoading(table: Table, id: EntryId): boolean {
    return knownOf(table)?.newest.has(id) === true
  }

  /** Makes a flight the one that callers of its key may join, in the place of any other. */
  addFlight(flight: Flight): void {
    const { flights } = this.#of(flight.table)
    if (!flights.has(flight.id)) this.#flights += 1
    flights.set(flight.id, flight)
  }

  /** Ends the joining of a flight, unless another one has taken its place. */
  removeFlight(flight: Flight): void {
    const { flights } = this.#of(flight.table)
    if (flights.get(flight.id) !== flight) return
    flights.delete(flight.id)
    this.#flights -= 1
  }

  /** Begins a load: from here on, what is invalidated makes its result stale. */
  begin(table: Table, id: EntryId, run: Run): Load {
    const { trie, turn } = this.#options
    const asOf = trie.cursor
    const keyMark = table.keyNodeOf(id)?.mark
    const load = new Load(table, id, run, {
      stamp: trie.moment,
      seen: trie.stamp,
      keyVersion: keyMark == null || keyMark.invalidated <= asOf ? undefined : keyMark.invalidated,
      startedAtMs: turn.current(),
    })
    run.loads.push(load)
    load.previous = this.#newest
    if (this.#newest === undefined) this.#oldest = load
    else this.#newest.next = load
    this.#newest = load
    this.#size += 1
    const { newest } = this.#of(table)
    load.nextOfKey = newest.get(id)
    newest.set(id, load)
    return load
  }

  /** Ends a load: it may not be stored any more, and nothing has to be remembered for its sake. Once for each. */
  end(load: Load): void {
    assert(load.previous !== undefined || this.#oldest === load, "a load has ended twice")
    if (load.previous === undefined) this.#oldest = load.next
    else load.previous.next = load.next
    if (load.next === undefined) this.#newest = load.previous
    else load.next.previous = load.previous
    load.previous = undefined
    load.next = undefined
    this.#size -= 1
    this.#endOfKey(load)
    load.end()
  }

  /** A newer word on a key: an older entry goes, and no running load may be stored. True if there was an entry. */
  overrule(table: Table, id: EntryId, version: Version): boolean {
    const hadEntry = this.#options.entries.overrule(table, id, version)
    for (let at = knownOf(table)?.newest.get(id); at !== undefined; at = at.nextOfKey) at.isSuperseded = true
    return hadEntry
  }

  /** The loads of a key that began before this one may not be stored any more. */
  supersedeOlder(load: Load): void {
    for (let at = load.nextOfKey; at !== undefined; at = at.nextOfKey) at.isSuperseded = true
  }

  #endOfKey(load: Load): void {
    const { newest } = this.#of(load.table)
    const first = newest.get(load.id)
    if (first === load) {
      if (load.nextOfKey === undefined) newest.delete(load.id)
      else newest.set(load.id, load.nextOfKey)
      return
    }
    for (let at = first; at !== undefined; at = at.nextOfKey) {
      if (at.nextOfKey !== load) continue
      at.nextOfKey = load.nextOfKey
      return
    }
  }

  #of(table: Table): LoadsOfTable {
    const loads = knownOf(table) ?? new LoadsOfTable()
    table.running = loads
    return loads
  }
}

function knownOf(table: Table): LoadsOfTable | undefined {
  return table.running as LoadsOfTable | undefined
}

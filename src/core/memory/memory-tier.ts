import type { Clock, Timer } from "../base/clock.js"
import { evictionPolicy } from "./eviction.js"
import { Sweep } from "./sweep.js"
import type { WindowTinyLfu } from "./window-tiny-lfu.js"

/** Something that the tier can keep. */
export interface Resident {
  /** Place in the tier; -1 outside. Set by the tier only. */
  slot: number
}

export interface MemoryTierOptions<E extends Resident> {
  readonly maxEntries: number
  readonly maxBytes: number
  readonly clock: Clock
  readonly random: () => number
  /**
   * Victims that the tier has dropped to hold its budgets, some time after the operation that made it necessary. The tier
   * is whole, and may be called from here.
   */
  readonly onEvict: (victims: readonly E[]) => void
  /**
   * Removes the entry (through {@link MemoryTier.remove}) if nobody can use it any more. Asked in the background; the tier
   * may be called from here.
   */
  readonly reclaim: (entry: E) => void
  /** Time after which the entry will be useless whatever happens, in milliseconds from now; Infinity if never. */
  readonly timeLeftMs: (entry: E) => number
}

/** Weight of the heaviest entry that may come in. With {@link LARGEST_BUDGET} no sum of weights leaves the safe integers. */
export const LARGEST_WEIGHT = 2 ** 51
const LARGEST_BUDGET = 2 ** 51

/** Victims of one operation, so that it takes a fraction of a millisecond; the others go in slices. */
const VICTIMS_PER_OPERATION = 256
/** A slice ends after this time, or after so many batches of as many victims as an operation has. */
const LONGEST_SLICE_MS = 4
const BATCHES_PER_SLICE = 20
/** Share of the budget of bytes by which newcomers may exceed it while evictions are under way. */
const EXCESS_SHARE = 1 / 8

const NOBODY: readonly never[] = []

/**
 * The entries of this process within their budgets. Knows places, weights and who is used how often; whether an entry
 * may be served is not its business.
 *
 * Evictions go in slices where one entry takes the place of very many. Until they are done the tier is over its budget
 * of bytes: by that entry, or by an eighth. An operation meanwhile evicts at least as many bytes as it brings in, or its
 * entry is refused.
 */
export class MemoryTier<E extends Resident> {
  readonly #options: MemoryTierOptions<E>
  readonly #maxBytes: number
  readonly #policy: WindowTinyLfu
  readonly #sweep: Sweep
  readonly #places: (E | undefined)[] = []
  readonly #free: number[] = []
  /** Begin of each entry's load, in the time of `Turn.now`; an array for it costs 4 bytes an entry instead of 8 or more. */
  #bornMs = new Uint32Array(64)
  /** Timer of the next slice of evictions. */
  #timer: Timer | undefined
  #isEvicting = false
  #isClosed = false

  constructor(options: MemoryTierOptions<E>) {
    this.#options = options
    this.#maxBytes = budgetOf(options.maxBytes)
    this.#policy = evictionPolicy({
      maxEntries: options.maxEntries,
      maxWeight: this.#maxBytes,
      random: options.random,
    })
    this.#sweep = new Sweep({
      clock: options.clock,
      places: () => this.#places.length,
      size: () => this.size,
      visit: (place) => this.#visit(place),
    })
  }

  get size(): number {
    return this.#policy.size
  }

  /** Bytes as the entries' weights say; meaningless without a budget of bytes. */
  get weight(): number {
    return this.#policy.weight
  }

  /** A hit; called on every one. */
  touch(entry: E): void {
    this.#policy.touch(entry.slot)
  }

  /**
   * Takes an entry in. Gives the victims that had to go for it, already outside; the entry is among them if it was refused.
   *
   * @param weight in bytes, an integer from 0 to {@link LARGEST_WEIGHT}
   * @throws Error for any other weight, and for an entry that is already in
   */
  add(entry: E, hash: number, weight: number, bornMs: number): readonly E[] {
    checkWeight(weight)
    if (entry.slot >= 0) throw new Error(`the entry to add is already in place ${entry.slot}`)
    const excess = this.#policy.excessWeight
    const slot = this.#free.pop() ?? this.#places.length
    this.#place(entry, slot, bornMs)
    this.#policy.insert(slot, hash, weight)
    return this.#makeRoom(entry, excess)
  }

  /**
   * The new entry takes the place of the old one, and what is known of the use of their key. Gives the victims that
   * had to go for it, as {@link add} does; never the old one.
   */
  replace(old: E, entry: E, weight: number, bornMs: number): readonly E[] {
    checkWeight(weight)
    const { slot } = old
    if (this.#places[slot] !== old) throw new Error(`the entry to replace is not in place ${slot}`)
    if (entry.slot >= 0) throw new Error(`the entry to put in its place is already in place ${entry.slot}`)
    const excess = this.#policy.excessWeight
    old.slot = -1
    this.#place(entry, slot, bornMs)
    this.#policy.replace(slot, weight)
    return this.#makeRoom(entry, excess)
  }

  remove(entry: E): void {
    const { slot } = entry
    if (slot < 0) return
    if (this.#places[slot] !== entry) throw new Error(`the entry to remove is not in place ${slot}`)
    this.#policy.remove(slot)
    this.#vacate(entry)
  }

  /** Time given to {@link MemoryTier.add}; exact for entries of up to 49 days. */
  bornMs(entry: E, nowMs: number): number {
    return nowMs - ((nowMs - (this.#bornMs[entry.slot] as number)) >>> 0)
  }

  /** Something was invalidated: entries may have become useless. */
  mayHaveStale(): void {
    this.#sweep.mayHaveStale()
  }

  /** A whole pass at once. */
  sweepNow(): void {
    // Entries that listeners put in meanwhile are not looked at: there may be no end of them.
    const { length } = this.#places
    for (let slot = 0; slot < length; slot += 1) {
      const entry = this.#places[slot]
      if (entry !== undefined) this.#options.reclaim(entry)
    }
  }

  *[Symbol.iterator](): IterableIterator<E> {
    for (const entry of this.#places) if (entry !== undefined) yield entry
  }

  /** Throws if the books don't agree; for tests. */
  check(): void {
    this.#policy.check()
    let count = 0
    this.#places.forEach((entry, slot) => {
      if (entry === undefined) return
      count += 1
      if (entry.slot !== slot) throw new Error(`the entry in place ${slot} believes it is in ${entry.slot}`)
    })
    if (count !== this.#policy.size) throw new Error(`${count} entries, but the policy knows ${this.#policy.size}`)
    if (count + this.#free.length !== this.#places.length) throw new Error("a place is neither free nor taken")
    if (this.#policy.excessWeight > this.#maxBytes) throw new Error("twice the bytes that the budget allows")
    // Budgets are reached later while slices are under way, and not at all once the tier is closed.
    if (this.#timer !== undefined || this.#isEvicting || this.#isClosed) return
    if (this.#policy.size > this.#options.maxEntries) throw new Error("more entries than the budget allows")
    if (this.#policy.excessWeight > 0) throw new Error("more bytes than the budget allows")
  }

  /** Leaves no timer. Entries that are over the budgets stay. */
  close(): void {
    this.#isClosed = true
    this.#sweep.close()
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #place(entry: E, slot: number, bornMs: number): void {
    entry.slot = slot
    this.#places[slot] = entry
    if (slot >= this.#bornMs.length) {
      const grown = new Uint32Array(this.#bornMs.length * 2)
      grown.set(this.#bornMs)
      this.#bornMs = grown
    }
    this.#bornMs[slot] = bornMs
    this.#sweep.put(this.#options.timeLeftMs(entry))
  }

  #vacate(entry: E): void {
    this.#places[entry.slot] = undefined
    this.#free.push(entry.slot)
    entry.slot = -1
  }

  /** Evicts as much as an operation may. `excess`: by how much the bytes were over their budget before it. */
  #makeRoom(entry: E, excess: number): readonly E[] {
    let victims = this.#evictSome()
    const most = Math.max(excess, EXCESS_SHARE * this.#maxBytes)
    if (excess > 0 && entry.slot >= 0 && this.#policy.excessWeight > most) {
      this.remove(entry)
      victims = [...victims, entry]
    }
    if (this.#policy.isOver) this.#evictLater()
    return victims
  }

  /** Victims that must go for the budgets to hold, or the first of them: as many as an operation may have. */
  #evictSome(): readonly E[] {
    let victims: E[] | undefined
    while (victims === undefined || victims.length < VICTIMS_PER_OPERATION) {
      const slot = this.#policy.evict()
      if (slot < 0) break
      const victim = this.#places[slot] as E
      this.#vacate(victim)
      if (victims === undefined) victims = [victim]
      else victims.push(victim)
    }
    return victims ?? NOBODY
  }

  #evictLater(): void {
    if (this.#timer !== undefined || this.#isEvicting || this.#isClosed) return
    this.#timer = this.#options.clock.setTimer(() => this.#evictSlice(), 1, false)
  }

  #evictSlice(): void {
    const { clock, onEvict } = this.#options
    this.#timer = undefined
    this.#isEvicting = true
    const startMs = clock.now()
    try {
      for (let batches = 0; batches < BATCHES_PER_SLICE && !this.#isClosed; batches += 1) {
        const victims = this.#evictSome()
        if (victims.length === 0) break
        onEvict(victims)
        if (clock.now() - startMs >= LONGEST_SLICE_MS) break
      }
    } finally {
      this.#isEvicting = false
      if (this.#policy.isOver) this.#evictLater()
    }
  }

  #visit(place: number): number {
    const entry = this.#places[place]
    if (entry === undefined) return Number.POSITIVE_INFINITY
    this.#options.reclaim(entry)
    return entry.slot === place ? this.#options.timeLeftMs(entry) : Number.POSITIVE_INFINITY
  }
}

/** A budget that no machine has is as good as any larger one, and sums within it are exact. */
function budgetOf(maxBytes: number): number {
  if (Number.isNaN(maxBytes) || maxBytes < 0) throw new Error(`a budget of ${maxBytes} bytes`)
  return maxBytes === Number.POSITIVE_INFINITY ? maxBytes : Math.min(LARGEST_BUDGET, Math.floor(maxBytes))
}

/** Callers check what users say; a weight that got past them would end the budget for good. */
function checkWeight(weight: number): void {
  if (Number.isSafeInteger(weight) && weight >= 0 && weight <= LARGEST_WEIGHT) return
  throw new Error(`an entry can't weigh ${weight}: weights are integers from 0 to ${LARGEST_WEIGHT}`)
}

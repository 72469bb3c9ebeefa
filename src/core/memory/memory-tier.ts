import type { Clock, Timer } from "../base/clock.js"
import { WindowTinyLfu } from "./window-tiny-lfu.js"

/** What the tier asks of what it keeps. */
export interface Resident {
  /** Its place; -1 outside. Set by the tier only. */
  slot: number
}

export interface MemoryTierOptions<E extends Resident> {
  readonly maxEntries: number
  readonly maxBytes: number
  readonly clock: Clock
  readonly random: () => number
  /** The tier has dropped it to hold its budgets. */
  readonly onEvict: (entry: E) => void
  /** Removes the entry (through {@link MemoryTier.remove}) if nobody can use it any more; asked in the background. */
  readonly reclaim: (entry: E) => void
  /** When time alone will make the entry useless, in milliseconds from now; Infinity if never. */
  readonly timeLeftMs: (entry: E) => number
}

const SLICE_INTERVAL_MS = 50
const SMALLEST_SLICE = 500
/** A pass over everything takes at most so many slices. */
const SLICES_PER_PASS = 200
/** Where only time can make something useless, passes are this far apart, unless something will be sooner or later. */
const SHORTEST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 60_000

/**
 * The entries of this process within their budgets. Knows places, weights and who is used how often; whether an entry
 * may be served is not its business.
 *
 * What nobody can use any more is found by a sweep: slices of a pass over all places, on one timer that runs only while
 * there can be something to find. So neither an expiry nor an invalidation needs a timer or a list of its own.
 */
export class MemoryTier<E extends Resident> {
  readonly #options: MemoryTierOptions<E>
  readonly #policy: WindowTinyLfu
  readonly #places: (E | undefined)[] = []
  readonly #free: number[] = []
  /** When each entry's load began, in the time of `Turn.now`; an array of its own costs 4 bytes instead of 8 or more. */
  #bornMs = new Uint32Array(64)
  #timer: Timer | undefined
  #sweepAt = 0
  #sweepEnd = 0
  /** Something may have become useless since the pass began. */
  #isDirty = false
  /** How long the entry that ages next has left, of those that this pass has seen. */
  #nextMs = Number.POSITIVE_INFINITY
  /** The timer that waits is the pause between two passes. */
  #isPausing = false
  #isClosed = false

  constructor(options: MemoryTierOptions<E>) {
    this.#options = options
    this.#policy = new WindowTinyLfu({
      maxEntries: options.maxEntries,
      maxWeight: options.maxBytes,
      random: options.random,
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

  /** Takes an entry in. It may be gone again at once: the budgets decide. */
  add(entry: E, hash: number, weight: number, bornMs: number): void {
    const slot = this.#free.pop() ?? this.#places.length
    this.#place(entry, slot, bornMs)
    this.#policy.insert(slot, hash, weight)
    this.#evict()
  }

  /** The new entry takes the place of the old one, and what is known of the use of their key. */
  replace(old: E, entry: E, weight: number, bornMs: number): void {
    const { slot } = old
    old.slot = -1
    this.#place(entry, slot, bornMs)
    this.#policy.replace(slot, weight)
    this.#evict()
  }

  remove(entry: E): void {
    const { slot } = entry
    if (slot < 0) return
    this.#policy.remove(slot)
    this.#vacate(entry)
  }

  /** As given to {@link MemoryTier.add}; exact for entries of up to 49 days. */
  bornMs(entry: E, nowMs: number): number {
    return nowMs - ((nowMs - (this.#bornMs[entry.slot] as number)) >>> 0)
  }

  /** Something was invalidated: entries may have become useless. */
  mayHaveStale(): void {
    if (this.#isDirty && this.#timer !== undefined) return
    this.#isDirty = true
    if (this.size === 0) return
    if (this.#isPausing) this.#timer?.cancel()
    if (this.#timer === undefined || this.#isPausing) this.#schedule(SLICE_INTERVAL_MS)
  }

  /** A whole pass at once. */
  sweepNow(): void {
    for (let slot = 0; slot < this.#places.length; slot += 1) {
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
    if (this.#policy.size > this.#options.maxEntries) throw new Error("more entries than the budget allows")
    if (this.#policy.weight > this.#options.maxBytes) throw new Error("more bytes than the budget allows")
  }

  close(): void {
    this.#isClosed = true
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
    if (this.#timer === undefined && this.#options.timeLeftMs(entry) !== Number.POSITIVE_INFINITY) {
      this.#pause(SHORTEST_PAUSE_MS)
    }
  }

  #vacate(entry: E): void {
    this.#places[entry.slot] = undefined
    this.#free.push(entry.slot)
    entry.slot = -1
  }

  #evict(): void {
    for (let slot = this.#policy.evict(); slot >= 0; slot = this.#policy.evict()) {
      const victim = this.#places[slot] as E
      this.#vacate(victim)
      this.#options.onEvict(victim)
    }
  }

  #schedule(delayMs: number): void {
    this.#isPausing = false
    if (this.#isClosed) return
    this.#timer = this.#options.clock.setTimer(() => this.#sweepSlice(), delayMs, false)
  }

  #pause(delayMs: number): void {
    this.#schedule(delayMs)
    this.#isPausing = true
  }

  #sweepSlice(): void {
    this.#timer = undefined
    this.#isPausing = false
    if (this.#sweepAt >= this.#sweepEnd) {
      this.#sweepAt = 0
      this.#sweepEnd = this.#places.length
      this.#isDirty = false
      this.#nextMs = Number.POSITIVE_INFINITY
    }
    const slice = Math.max(SMALLEST_SLICE, Math.ceil(this.#sweepEnd / SLICES_PER_PASS))
    const end = Math.min(this.#sweepEnd, this.#sweepAt + slice)
    for (let slot = this.#sweepAt; slot < end; slot += 1) {
      const entry = this.#places[slot]
      if (entry === undefined) continue
      this.#options.reclaim(entry)
      if (entry.slot === slot) this.#nextMs = Math.min(this.#nextMs, this.#options.timeLeftMs(entry))
    }
    this.#sweepAt = end
    if (this.size === 0) return
    if (end < this.#sweepEnd || this.#isDirty) this.#schedule(SLICE_INTERVAL_MS)
    else if (this.#nextMs !== Number.POSITIVE_INFINITY) {
      this.#pause(Math.min(LONGEST_PAUSE_MS, Math.max(SHORTEST_PAUSE_MS, this.#nextMs)))
    }
  }
}

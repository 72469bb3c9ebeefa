// Constants of the papers and of Caffeine: a window of 1 % to begin with, 80 % of the rest protected.
const MIN_WINDOW_SHARE = 0.01
const PROTECTED_SHARE = 0.8
// The main part is never given up, or nothing could tell any more that it would be of use again.
const MAX_WINDOW_SHARE = 0.98
// In a tier of ten, where 98 % are all of them, the main part gets an entry again after some 60 evictions.
const PROBE_SHARE = 0.0005

// Entries by which one event moves the window; up to nine times that when all events agree for a while.
const ENTRIES_PER_EVENT = 2
const TREND_BOOST = 8
const TREND_RATE = 1 / 32
// In a tiny tier one event would move the window by a third.
const MIN_ENTRIES_OF_STEP = 64

/**
 * The window's share of the budgets, and the limits that follow from it for the window and the protected list.
 *
 * How much the window should get depends on the workload, from 1 % (frequency decides) to nearly all (recency does).
 * Einziger, Eytan, Friedman, Manes: "Adaptive Software Cache Management" (Middleware 2018) climbs the hit ratio, which
 * takes ten accesses per entry for each step. Here each single event that tells the slope moves the window, as ghost
 * hits do in ARC (Megiddo, Modha, FAST 2003):
 * - a key returns that was rejected so recently that a window larger by the margin would still hold it: grow;
 * - a hit on one of the next victims of the main part, which a main part smaller by the margin would not hold: shrink.
 */
export class WindowSize {
  #maxEntries: number
  #maxWeight: number
  #share = MIN_WINDOW_SHARE
  #trend = 0
  #isWhole = false

  maxWindowEntries = 0
  maxWindowWeight = 0
  maxProtectedEntries = 0
  maxProtectedWeight = 0

  constructor(maxEntries: number, maxWeight: number) {
    this.#maxEntries = maxEntries
    this.#maxWeight = maxWeight
    this.#setShare(this.#share)
  }

  /** Whether all of the budgets is the window's for now, which makes an LRU cache. No event moves it then. */
  get isWhole(): boolean {
    return this.#isWhole
  }

  get share(): number {
    return this.#share
  }

  setWhole(): void {
    this.#isWhole = true
    this.#setShare(this.#share)
  }

  /** Gives the window this share, from 0 to 1. */
  setShare(share: number): void {
    this.#isWhole = false
    this.#setShare(share)
  }

  /** Other budgets; the shares stay. */
  limit(maxEntries: number, maxWeight: number): void {
    this.#maxEntries = maxEntries
    this.#maxWeight = maxWeight
    this.#setShare(this.#share)
  }

  /** An event says that the window should grow (1) or shrink (-1). `size`: how many entries there are. */
  move(direction: 1 | -1, size: number): void {
    if (this.#isWhole) return
    this.#trend += (direction - this.#trend) * TREND_RATE
    const entries = direction * ENTRIES_PER_EVENT * (1 + TREND_BOOST * Math.abs(this.#trend))
    this.#setShare(this.#share + entries / Math.max(MIN_ENTRIES_OF_STEP, size))
  }

  /** In a tiny tier the window may have taken all. Only a main part can tell whether it is of use again. */
  probeMain(): void {
    this.#setShare(this.#share - PROBE_SHARE)
  }

  #setShare(wanted: number): void {
    const share = Math.min(MAX_WINDOW_SHARE, Math.max(MIN_WINDOW_SHARE, wanted))
    if (!(share >= MIN_WINDOW_SHARE && share <= MAX_WINDOW_SHARE)) throw new Error(`the window's share became ${share}`)
    const maxEntries = this.#maxEntries
    this.#share = share
    const windowEntries = Math.max(1, Math.round(share * maxEntries))
    this.maxWindowEntries = this.#isWhole ? maxEntries : windowEntries
    this.maxWindowWeight = this.#isWhole ? this.#maxWeight : share * this.#maxWeight
    const maxMainEntries = maxEntries === Infinity ? Infinity : maxEntries - windowEntries
    this.maxProtectedEntries = PROTECTED_SHARE * maxMainEntries
    this.maxProtectedWeight = PROTECTED_SHARE * (1 - share) * this.#maxWeight
  }
}

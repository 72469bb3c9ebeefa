import { Recency } from "./recency.js"
import { ShadowCache } from "./shadow-cache.js"
import { type Advisor, type EvictionOptions, WindowTinyLfu } from "./window-tiny-lfu.js"

// Tiers up to this size are simulated whole; of larger ones half as many keys or more are. A set of 90 % is told from one
// of 100 % with more than two sigma by that.
const MOST_KEYS = 1024

// Lead that turns the verdict and the largest that is remembered, as shares of the keys of a shadow. A turn takes a few hits
// in a tiny tier, too.
const TURNING_SHARE = 1 / 16
const LARGEST_SHARE = 1 / 8
const LEAST_TURNING = 8

/**
 * Which policy a cache should follow: W-TinyLFU, or LRU where new working sets take turns.
 *
 * Two small caches without values, one of each policy, see the same requests; the one that has had more hits lately
 * leads (Subramanian, Smaragdakis, Loh: "Adaptive Caches: Effective Shaping of Cache Behavior to Workloads", MICRO 2006).
 * A counter that saturates holds the lead, so that a long past does not delay a turn, as in set duelling (Qureshi,
 * Jaleel, Patt, Steely, Emer: "Adaptive Insertion Policies for High Performance Caching", ISCA 2007). They see a sample
 * of the keys, chosen by their hash, with a budget of the same share (Waldspurger, Saemundsson, Ahmad, Park: "Cache
 * Modeling and Optimization using Miniature Simulations", USENIX ATC 2017); it is halved whenever they outgrow their
 * arrays, as in SHARDS (Waldspurger, Park, Garthwaite, Ahmad, FAST 2015).
 */
export class PolicyDuel implements Advisor {
  readonly #seed: number
  readonly #frequency: WindowTinyLfu
  readonly #byRecency: ShadowCache
  readonly #byFrequency: ShadowCache
  /** Bits of a mixed hash that are 0 in those that are sampled. */
  #mask = 0
  /** By how many hits recency leads; negative where frequency does. */
  #lead = 0

  prefersRecency = false

  constructor({ maxEntries, maxWeight, random = Math.random }: EvictionOptions) {
    this.#seed = Math.floor(random() * 2 ** 32)
    const budgets = { maxEntries, maxWeight }
    const slots = Math.min(maxEntries, MOST_KEYS) + 1
    this.#frequency = new WindowTinyLfu({ ...budgets, random })
    this.#byRecency = new ShadowCache(new Recency(slots, maxEntries, maxWeight), budgets, slots)
    this.#byFrequency = new ShadowCache(this.#frequency, budgets, slots)
  }

  /** Keys that are known, those of both caches. */
  get keys(): number {
    return this.#byRecency.size + this.#byFrequency.size
  }

  get windowShare(): number {
    return this.#frequency.windowShare
  }

  learn(hash: number, weight: number): void {
    const key = this.#keyOf(hash)
    if ((key & this.#mask) !== 0) return
    this.#byRecency.use(key, weight)
    this.#byFrequency.use(key, weight)
    this.#keepSample()
  }

  use(hash: number, weight: number, wasHit: boolean): void {
    const key = this.#keyOf(hash)
    // An entry that no shadow could hold is no evidence against its policy.
    if ((key & this.#mask) !== 0 || weight > this.#byRecency.maxWeight) return
    const byRecency = this.#byRecency.use(key, weight)
    const byFrequency = this.#byFrequency.use(key, weight)
    this.#keepSample()
    // A cache that follows frequency stands for itself: what its past made of it may hit less than the shadow does.
    const other = this.prefersRecency ? byFrequency : wasHit
    if (byRecency !== other) this.#count(byRecency ? 1 : -1)
  }

  forget(hash: number): void {
    const key = this.#keyOf(hash)
    if ((key & this.#mask) !== 0) return
    this.#byRecency.forget(key)
    this.#byFrequency.forget(key)
  }

  #count(point: 1 | -1): void {
    const keys = this.#byRecency.size
    const turning = Math.max(LEAST_TURNING, TURNING_SHARE * keys)
    const most = Math.max(2 * LEAST_TURNING, LARGEST_SHARE * keys)
    this.#lead = Math.max(-most, Math.min(most, this.#lead + point))
    if (this.#lead >= turning) this.prefersRecency = true
    else if (this.#lead <= -turning) this.prefersRecency = false
  }

  /** Halves the sample as often as it takes. */
  #keepSample(): void {
    while (Math.max(this.#byRecency.size, this.#byFrequency.size) > MOST_KEYS) {
      this.#mask = 2 * this.#mask + 1
      this.#byRecency.thin(this.#mask)
      this.#byFrequency.thin(this.#mask)
    }
  }

  /** Spreads hashes that were chosen to meet, since nobody knows the seed. */
  #keyOf(hash: number): number {
    let key = hash ^ this.#seed
    key = Math.imul(key ^ (key >>> 16), 0x85ebca6b)
    key = Math.imul(key ^ (key >>> 13), 0xc2b2ae35)
    return key ^ (key >>> 16)
  }
}

import { evictionPolicy } from "../../../../src/core/memory/eviction.js"
import type { WindowTinyLfu } from "../../../../src/core/memory/window-tiny-lfu.js"
import { randomFrom } from "./traces.js"

/** A cache of keys around the policy, as the memory tier uses it: `get`, and on a miss `set`. */
export class SimulatedTier {
  readonly policy: WindowTinyLfu
  readonly #slots = new Map<number, number>()
  readonly #keys: number[] = []
  readonly #free: number[] = []

  constructor(maxEntries: number, maxWeight = Infinity, seed = 1, policy?: WindowTinyLfu) {
    this.policy = policy ?? evictionPolicy({ maxEntries, maxWeight, random: randomFrom(seed) })
  }

  /** Whether it was a hit. */
  access(key: number, weight = 1): boolean {
    const known = this.#slots.get(key)
    if (known !== undefined) {
      this.policy.touch(known)
      return true
    }
    const slot = this.#free.pop() ?? this.#keys.length
    this.#keys[slot] = key
    this.#slots.set(key, slot)
    this.policy.insert(slot, mix(key), weight)
    for (let victim = this.policy.evict(); victim !== -1; victim = this.policy.evict()) {
      this.#slots.delete(this.#keys[victim]!)
      this.#free.push(victim)
    }
    return false
  }

  has(key: number): boolean {
    return this.#slots.has(key)
  }

  /** Percent of hits. */
  hitRatio(trace: readonly number[], weightOf: (key: number) => number = () => 1): number {
    let hits = 0
    for (const key of trace) if (this.access(key, weightOf(key))) hits++
    return (100 * hits) / trace.length
  }
}

/** An LRU cache of keys. */
export class SimulatedLru {
  readonly #maxWeight: number
  readonly #weights = new Map<number, number>()
  #weight = 0

  constructor(maxWeight: number) {
    this.#maxWeight = maxWeight
  }

  /** Whether it was a hit. */
  access(key: number, weight = 1): boolean {
    const isHit = this.forget(key)
    this.#weights.set(key, weight)
    this.#weight += weight
    for (const oldest of this.#weights.keys()) {
      if (this.#weight <= this.#maxWeight) break
      this.forget(oldest)
    }
    return isHit
  }

  /** Whether it was there. */
  forget(key: number): boolean {
    this.#weight -= this.#weights.get(key) ?? 0
    return this.#weights.delete(key)
  }
}

/** Percent of hits of an LRU cache. */
export function hitRatioOfLru(
  trace: readonly number[],
  maxWeight: number,
  weightOf: (key: number) => number = () => 1,
): number {
  const lru = new SimulatedLru(maxWeight)
  const hits = trace.filter((key) => lru.access(key, weightOf(key))).length
  return (100 * hits) / trace.length
}

/** Spreads small integers over 32 bits (the finalizer of MurmurHash3). */
export function mix(key: number): number {
  let hash = Math.imul(key ^ (key >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

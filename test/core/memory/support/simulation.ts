import { WindowTinyLfu } from "../../../../src/core/memory/window-tiny-lfu.js"
import { randomFrom } from "./traces.js"

/** A cache of keys around the policy, as the memory tier uses it: `get`, and on a miss `set`. */
export class SimulatedTier {
  readonly policy: WindowTinyLfu
  readonly #slots = new Map<number, number>()
  readonly #keys: number[] = []
  readonly #free: number[] = []

  constructor(maxEntries: number, maxWeight = Infinity) {
    this.policy = new WindowTinyLfu({ maxEntries, maxWeight, random: randomFrom(1) })
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
  hitRatio(trace: readonly number[]): number {
    let hits = 0
    for (const key of trace) if (this.access(key)) hits++
    return (100 * hits) / trace.length
  }
}

/** Percent of hits of an LRU cache. */
export function hitRatioOfLru(trace: readonly number[], capacity: number): number {
  const keys = new Set<number>()
  let hits = 0
  for (const key of trace) {
    if (keys.delete(key)) hits++
    keys.add(key)
    if (keys.size > capacity) keys.delete(keys.values().next().value!)
  }
  return (100 * hits) / trace.length
}

/** Spreads small integers over 32 bits (the finalizer of MurmurHash3). */
export function mix(key: number): number {
  let hash = Math.imul(key ^ (key >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

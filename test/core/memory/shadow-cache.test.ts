import fc from "fast-check"
import { expect, it } from "vitest"
import { Recency } from "../../../src/core/memory/recency.js"
import { ShadowCache } from "../../../src/core/memory/shadow-cache.js"
import { WindowTinyLfu } from "../../../src/core/memory/window-tiny-lfu.js"
import { mix, SimulatedLru, SimulatedTier } from "./support/simulation.js"
import { randomFrom, recencyBiased, zipfWithScans } from "./support/traces.js"

interface Shape {
  maxEntries?: number
  maxWeight?: number
  byRecency?: boolean
  mostKeys?: number
}

const shadow = ({ maxEntries = 100, maxWeight = Infinity, byRecency = true, mostKeys = 1024 }: Shape = {}) => {
  const slots = Math.min(maxEntries, mostKeys) + 1
  const budgets = { maxEntries, maxWeight }
  const policy = byRecency
    ? new Recency(slots, maxEntries, maxWeight)
    : new WindowTinyLfu({ ...budgets, random: randomFrom(1) })
  return new ShadowCache(policy, budgets, slots)
}

it("hits what LRU hits", () => {
  const cache = shadow()
  const lru = new SimulatedLru(100)
  const trace = [...recencyBiased(5000, 100, 3), ...zipfWithScans(5000, 100, 4)]
  expect(trace.filter((key) => cache.use(mix(key), 0) !== lru.access(key))).toEqual([])
  cache.check()
})

it("hits what LRU hits in a budget of bytes, whatever keys weigh next time", () => {
  const random = randomFrom(2)
  const cache = shadow({ maxEntries: Infinity, maxWeight: 2000 })
  const lru = new SimulatedLru(2000)
  const differences = recencyBiased(5000, 100, 3).filter((key) => {
    const weight = Math.floor(random() * 40)
    return cache.use(mix(key), weight) !== lru.access(key, weight)
  })
  expect(differences).toEqual([])
  cache.check()
})

it("hits what W-TinyLFU hits", () => {
  const cache = shadow({ byRecency: false })
  const policy = new WindowTinyLfu({ maxEntries: 100, maxWeight: Infinity, random: randomFrom(1) })
  const tier = new SimulatedTier(100, Infinity, 1, policy)
  expect(zipfWithScans(20_000, 100, 4).filter((key) => cache.use(mix(key), 0) !== tier.access(key))).toEqual([])
})

it("knows nothing of a key that it forgot", () => {
  const cache = shadow()
  cache.use(mix(1), 0)
  cache.use(mix(2), 0)
  cache.forget(mix(1))
  cache.forget(mix(3))
  expect(cache.size).toBe(1)
  expect(cache.use(mix(1), 0)).toBe(false)
  expect(cache.use(mix(2), 0)).toBe(true)
})

it("keeps the keys of the sample in the order of their use, and their share of the budgets, when it is thinned", () => {
  for (const budgets of [
    { maxEntries: 100, maxWeight: Infinity },
    { maxEntries: Infinity, maxWeight: 100 },
  ]) {
    const cache = shadow(budgets)
    const sample: number[] = []
    for (let key = 0; key < 100; key++) {
      cache.use(mix(key), 1)
      if ((mix(key) & 3) === 0) sample.push(key)
    }
    cache.thin(3)
    cache.check()
    const kept = sample.slice(-25)
    expect(cache.size).toBe(kept.length)
    for (const key of kept) expect(cache.use(mix(key), 1)).toBe(true)
    for (let key = 1000; cache.size < 25; key++) cache.use(mix(key), 1)
    cache.use(mix(-1), 1)
    expect(cache.size).toBe(25)
    cache.check()
  }
})

it("keeps its structure whatever is used, forgotten and thinned", () => {
  const operation = fc.oneof(
    { weight: 20, arbitrary: fc.record({ kind: fc.constant("use" as const), key: fc.nat(80), weight: fc.nat(30) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("forget" as const), key: fc.nat(80), weight: fc.nat(0) }) },
  )
  const options = fc.record({
    maxEntries: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.constant(Infinity)),
    maxWeight: fc.oneof(fc.integer({ min: 1, max: 500 }), fc.constant(Infinity)),
    byRecency: fc.boolean(),
  })
  fc.assert(
    fc.property(options, fc.array(operation, { maxLength: 300, size: "max" }), (budgets, operations) => {
      const mostKeys = 40
      const cache = shadow({ ...budgets, mostKeys })
      let mask = 0
      for (const { kind, key, weight } of operations) {
        const hash = mix(key)
        if ((hash & mask) !== 0) continue
        if (kind === "use") cache.use(hash, budgets.maxWeight === Infinity ? 0 : weight)
        else cache.forget(hash)
        while (cache.size > mostKeys) cache.thin((mask = 2 * mask + 1))
        cache.check()
      }
    }),
    { seed: 20, numRuns: 200 },
  )
})

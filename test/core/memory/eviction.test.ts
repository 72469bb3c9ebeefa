import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { WindowTinyLfu } from "../../../src/core/memory/window-tiny-lfu.js"
import { FrequencySketch } from "../../../src/core/memory/frequency-sketch.js"
import { hitRatioOfLru, mix, SimulatedTier } from "./support/simulation.js"
import { randomFrom, recencyBiased, zipf, zipfWithScans } from "./support/traces.js"

type Operation =
  | { kind: "insert"; key: number; weight: number }
  | { kind: "touch" | "remove"; pick: number }
  | { kind: "replace"; pick: number; weight: number }

const weights = fc.oneof(fc.integer({ min: 0, max: 10 }), fc.integer({ min: 0, max: 150 }))
const picks = fc.nat(1000)
const operations: fc.Arbitrary<Operation[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("insert" as const), key: fc.nat(60), weight: weights }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("touch" as const), pick: picks }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove" as const), pick: picks }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("replace" as const), pick: picks, weight: weights }) },
  ),
  { maxLength: 400, size: "max" },
)
const budgets = fc.oneof(
  fc.record({ maxEntries: fc.integer({ min: 1, max: 40 }), maxWeight: fc.constant(Infinity) }),
  fc.record({ maxEntries: fc.constant(Infinity), maxWeight: fc.integer({ min: 1, max: 120 }) }),
  fc.record({ maxEntries: fc.integer({ min: 1, max: 40 }), maxWeight: fc.integer({ min: 1, max: 120 }) }),
)

describe("WindowTinyLfu", () => {
  it("keeps the budgets and its structure after every operation, and evicts only what is there", () => {
    fc.assert(
      fc.property(budgets, operations, fc.integer(), ({ maxEntries, maxWeight }, sequence, seed) => {
        const policy = new WindowTinyLfu({ maxEntries, maxWeight, random: randomFrom(seed) })
        const resident = new Map<number, number>() // slot → weight
        const total = () => [...resident.values()].reduce((sum, weight) => sum + weight, 0)
        const settle = () => {
          for (let victim = policy.evict(); victim !== -1; victim = policy.evict()) {
            const wasOver = resident.size > maxEntries || total() > maxWeight
            expect(wasOver, "evicts only while a budget is exceeded").toBe(true)
            expect(resident.delete(victim), "evicts a resident slot").toBe(true)
          }
        }
        for (const operation of sequence) {
          if (operation.kind === "insert") {
            let slot = 0
            while (resident.has(slot)) slot++
            resident.set(slot, operation.weight)
            policy.insert(slot, mix(operation.key), operation.weight)
            settle()
          } else if (resident.size > 0) {
            const slot = [...resident.keys()][operation.pick % resident.size]!
            if (operation.kind === "touch") policy.touch(slot)
            if (operation.kind === "remove") {
              policy.remove(slot)
              resident.delete(slot)
            }
            if (operation.kind === "replace") {
              policy.replace(slot, operation.weight)
              resident.set(slot, operation.weight)
              settle()
            }
          }
          policy.check()
          expect(policy.size).toBe(resident.size)
          expect(policy.size).toBeLessThanOrEqual(maxEntries)
          expect(policy.weight).toBe(maxWeight === Infinity ? 0 : total())
          expect(policy.weight).toBeLessThanOrEqual(maxWeight)
        }
      }),
      { seed: 20, numRuns: 200 },
    )
  })

  it("stays consistent over long mixed traces with moving windows", () => {
    for (const capacity of [1, 2, 7, 25, 100]) {
      const tier = new SimulatedTier(capacity)
      const trace = [...recencyBiased(5000, capacity, 3), ...zipfWithScans(5000, capacity, 4)]
      trace.forEach((key, index) => {
        tier.access(key)
        if (index % 50 === 0) tier.policy.check()
      })
      expect(tier.policy.size).toBe(capacity)
    }
  })

  it("holds exactly the newest entry when there is room for one", () => {
    const tier = new SimulatedTier(1)
    for (let key = 0; key < 100; key++) {
      tier.access(key)
      expect(tier.has(key)).toBe(true)
      expect(tier.policy.size).toBe(1)
    }
  })

  it("evicts nothing without a budget", () => {
    const tier = new SimulatedTier(Infinity)
    for (let key = 0; key < 5000; key++) tier.access(key, 1e9)
    expect(tier.policy.size).toBe(5000)
    tier.policy.check()
  })

  it("takes slots again after their entries have gone, touched or not", () => {
    const policy = new WindowTinyLfu({ maxEntries: 4, maxWeight: Infinity, random: randomFrom(1) })
    for (let round = 0; round < 1000; round++) {
      for (let slot = 0; slot < 4; slot++) policy.insert(slot, mix(4 * round + slot), 1)
      policy.touch(round % 4)
      for (let slot = 0; slot < 4; slot++) policy.remove(slot)
      policy.check()
      expect(policy.evict()).toBe(-1)
      expect(policy.size).toBe(0)
    }
  })

  it("keeps what is used and drops what is not", () => {
    const tier = new SimulatedTier(100)
    for (let round = 0; round < 20; round++) {
      for (let key = 0; key < 50; key++) tier.access(key)
      for (let key = 0; key < 10; key++) tier.access(1000 + 10 * round + key)
    }
    for (let key = 0; key < 50; key++) expect(tier.has(key), `key ${key}`).toBe(true)
  })

  it("does not lose its hot set to a scan", () => {
    const tier = new SimulatedTier(1000)
    const next = zipf(800, 0.8, randomFrom(5))
    for (let count = 0; count < 20_000; count++) tier.access(next())
    const hot = Array.from({ length: 500 }, (_, key) => key).filter((key) => tier.has(key))
    for (let key = 0; key < 20_000; key++) tier.access(1_000_000 + key)
    expect(hot.length).toBe(500)
    expect(hot.filter((key) => tier.has(key)).length).toBeGreaterThanOrEqual(490)
  })

  it("follows popularity when it moves to other keys", () => {
    const tier = new SimulatedTier(500)
    const next = zipf(5000, 1, randomFrom(6))
    const phase = (offset: number) => Array.from({ length: 20_000 }, () => offset + next())
    const before = tier.hitRatio(phase(0))
    tier.hitRatio(phase(100_000))
    const settled = tier.hitRatio(phase(100_000))
    expect(settled).toBeGreaterThan(before - 1)
    for (let key = 0; key < 20; key++) expect(tier.has(100_000 + key), `key ${key}`).toBe(true)
  })

  it("beats LRU by far on popular keys with scans", () => {
    for (const [capacity, margin] of [
      [10, 7],
      [100, 6],
      [1000, 5],
    ] as const) {
      const trace = zipfWithScans(200_000, capacity, 7)
      const ratio = new SimulatedTier(capacity).hitRatio(trace)
      expect(ratio - hitRatioOfLru(trace, capacity), `capacity ${capacity}`).toBeGreaterThan(margin)
    }
  })

  it("holds most of a loop that is a little too long for it, where LRU hits nothing", () => {
    const trace = Array.from({ length: 40_000 }, (_, index) => index % 240)
    expect(hitRatioOfLru(trace, 200)).toBe(0)
    expect(new SimulatedTier(200).hitRatio(trace)).toBeGreaterThan(60)
  })

  it("is as good as LRU where recency is all that counts", () => {
    for (const capacity of [20, 100, 500]) {
      const trace = recencyBiased(200 * capacity, capacity, 8)
      const ratio = new SimulatedTier(capacity).hitRatio(trace)
      expect(ratio - hitRatioOfLru(trace, capacity), `capacity ${capacity}`).toBeGreaterThan(-1.5)
    }
  })

  it("finds the way back when frequency counts again", () => {
    const capacity = 500
    const tier = new SimulatedTier(capacity)
    tier.hitRatio(recencyBiased(100_000, capacity, 9).map((key) => 1e8 + key))
    const trace = zipfWithScans(200_000, capacity, 10)
    expect(tier.hitRatio(trace) - hitRatioOfLru(trace, capacity)).toBeGreaterThan(5)
  })

  describe("with a byte budget", () => {
    it("evicts an entry heavier than the whole budget at once, and nothing else", () => {
      const tier = new SimulatedTier(Infinity, 100)
      for (let key = 0; key < 10; key++) tier.access(key, 10)
      tier.access(99, 101)
      expect(tier.has(99)).toBe(false)
      for (let key = 0; key < 10; key++) expect(tier.has(key), `key ${key}`).toBe(true)
    })

    it("evicts an entry that was replaced by one heavier than the whole budget, and nothing else", () => {
      const policy = new WindowTinyLfu({ maxEntries: Infinity, maxWeight: 100, random: randomFrom(1) })
      for (let slot = 0; slot < 10; slot++) {
        policy.insert(slot, mix(slot), 10)
        expect(policy.evict()).toBe(-1)
      }
      policy.replace(3, 101)
      expect(policy.evict()).toBe(3)
      expect(policy.evict()).toBe(-1)
      policy.check()
    })

    it("does not give up many entries for a heavy one used more often than each, but not than all of them", () => {
      const tier = new SimulatedTier(Infinity, 1000)
      for (let key = 0; key < 100; key++) tier.access(key, 10)
      for (let count = 0; count < 5; count++) expect(tier.access(500, 600)).toBe(false)
      for (let key = 0; key < 100; key++) expect(tier.has(key), `key ${key}`).toBe(true)
    })

    it("gives up one entry for another of its weight that is used more often", () => {
      const tier = new SimulatedTier(Infinity, 1000)
      for (let key = 0; key < 100; key++) tier.access(key, 10)
      for (let count = 0; count < 5; count++) tier.access(500, 11)
      expect(tier.has(500)).toBe(true)
    })

    it("fills the budget with entries that weigh nothing beside it", () => {
      const tier = new SimulatedTier(50, 10)
      for (let key = 0; key < 200; key++) tier.access(key, 0)
      expect(tier.policy.size).toBe(50)
      expect(tier.policy.weight).toBe(0)
      tier.policy.check()
    })

    it("keeps popular keys of all sizes better than LRU order would", () => {
      const random = randomFrom(11)
      const next = zipf(5000, 0.9, random)
      const sizeOf = (key: number) => 1 + (mix(key) & 63)
      const trace = Array.from({ length: 100_000 }, next)
      const maxWeight = 16_000 // about 500 of them
      const tier = new SimulatedTier(Infinity, maxWeight)
      const hits = trace.filter((key) => tier.access(key, sizeOf(key))).length
      const recent = new Set<number>()
      let weight = 0
      let hitsOfLru = 0
      for (const key of trace) {
        if (recent.delete(key)) hitsOfLru++
        else weight += sizeOf(key)
        recent.add(key)
        for (const oldest of recent) {
          if (weight <= maxWeight) break
          recent.delete(oldest)
          weight -= sizeOf(oldest)
        }
      }
      expect((100 * (hits - hitsOfLru)) / trace.length).toBeGreaterThan(5)
    })
  })
})

describe("FrequencySketch", () => {
  it("never answers less than what it was told, also after it has grown, and halves it with age", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer(), fc.integer({ min: 0, max: 15 })), { maxLength: 200 }),
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 20_000 }),
        fc.integer(),
        (told, entries, later, seed) => {
          const sketch = new FrequencySketch(seed)
          sketch.ensureCapacity(entries)
          for (const [hash, frequency] of told) sketch.raise(hash, frequency)
          for (const [hash, frequency] of told) expect(sketch.frequency(hash)).toBeGreaterThanOrEqual(frequency)
          sketch.ensureCapacity(later)
          for (const [hash, frequency] of told) expect(sketch.frequency(hash)).toBeGreaterThanOrEqual(frequency)
          sketch.age()
          for (const [hash, frequency] of told) expect(sketch.frequency(hash)).toBeGreaterThanOrEqual(frequency >> 1)
        },
      ),
      { seed: 21 },
    )
  })

  it("knows nothing of keys it was not told of, but for a few", () => {
    const sketch = new FrequencySketch(1)
    sketch.ensureCapacity(1000)
    for (let key = 0; key < 1000; key++) sketch.raise(mix(key), 9)
    let wrong = 0
    for (let key = 1000; key < 11_000; key++) if (sketch.frequency(mix(key)) > 0) wrong++
    expect(wrong).toBeLessThan(200)
  })

  it("does not let the same keys collide under another seed", () => {
    const [one, other] = [new FrequencySketch(1), new FrequencySketch(2)]
    for (const sketch of [one, other]) {
      sketch.ensureCapacity(100)
      for (let key = 0; key < 300; key++) sketch.raise(mix(key), 9)
    }
    const colliding = (sketch: FrequencySketch) =>
      Array.from({ length: 20_000 }, (_, key) => 1000 + key).filter((key) => sketch.frequency(mix(key)) > 0)
    const under = new Set(colliding(other))
    const prepared = colliding(one)
    expect(prepared.length).toBeGreaterThan(100)
    expect(prepared.filter((key) => under.has(key)).length).toBeLessThan(prepared.length / 2)
  })
})

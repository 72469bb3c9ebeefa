import { describe, expect, it } from "vitest"
import { hitRatioOfLru, mix, SimulatedTier } from "./support/simulation.js"
import { loop, phases, randomFrom, recencyBiased, sawtooth, zipf, zipfWithScans } from "./support/traces.js"

// Points by which the hit ratio may lie below that of LRU. Seeds are those of the policy's own chance.
const MOST_BELOW = 3
const SEEDS = [1, 2, 3]

function pointsOverLru(trace: readonly number[], capacity: number): number[] {
  const lru = hitRatioOfLru(trace, capacity)
  return SEEDS.map((seed) => new SimulatedTier(capacity, Infinity, seed).hitRatio(trace) - lru)
}

function expectNearLru(trace: readonly number[], capacity: number): void {
  expect(Math.min(...pointsOverLru(trace, capacity))).toBeGreaterThan(-MOST_BELOW)
}

describe("a new working set is taken in as soon as by LRU", () => {
  const shares = [0.25, 0.5, 0.75, 0.9]
  const passes = [2, 4, 8]
  const cells = [500, 1000].flatMap((capacity) =>
    shares.flatMap((share) => passes.map((count) => ({ capacity, share, passes: count }))),
  )

  it.each(cells)("jobs with $share of $capacity entries, each read $passes times", ({ capacity, share, passes }) => {
    expectNearLru(phases({ keys: share * capacity, passes, jobs: 40 }), capacity)
  })

  it.each([10, 20, 50, 100])("jobs with half of %i entries, each read four times", (capacity) => {
    expectNearLru(phases({ keys: capacity / 2, passes: 4, jobs: 40 }), capacity)
  })

  it("jobs whose sets are known by a sample only", () => {
    for (const share of [0.5, 0.9]) expectNearLru(phases({ keys: share * 6000, passes: 4, jobs: 20 }), 6000)
  })

  it("jobs that read their sets in any order", () => {
    const random = randomFrom(2)
    const trace = Array.from({ length: 120_000 }, (_, at) => Math.floor(at / 4000) * 1e6 + Math.floor(random() * 700))
    expectNearLru(trace, 1000)
  })

  it.each([500, 1000])("a set of 90 % after a hot one of 90 %, of %i entries", (capacity) => {
    const hot = loop(0.9 * capacity, 100 * capacity)
    const tier = new SimulatedTier(capacity)
    tier.hitRatio(hot)
    const next = hot.map((key) => key + 1e6)
    const passLength = 0.9 * capacity
    // The first pass is lost to everybody, the second one to a policy that can't know yet that there will be more.
    tier.hitRatio(next.slice(0, 2 * passLength))
    expect(tier.hitRatio(next.slice(2 * passLength, 3 * passLength))).toBeGreaterThan(75)
    expect(tier.hitRatio(next.slice(3 * passLength, 4 * passLength))).toBeGreaterThan(95)
  })

  it("jobs with entries of all sizes in a budget of bytes", () => {
    const weightOf = (key: number) => 1 + (mix(key) & 63)
    const maxWeight = 32_500 // about 1,000 of them
    const trace = phases({ keys: 500, passes: 4, jobs: 40 })
    const lru = hitRatioOfLru(trace, maxWeight, weightOf)
    for (const seed of SEEDS) {
      const ratio = new SimulatedTier(Infinity, maxWeight, seed).hitRatio(trace, weightOf)
      expect(ratio - lru).toBeGreaterThan(-MOST_BELOW)
    }
  })
})

describe("what else LRU is made for", () => {
  it.each([100, 500, 1000])("recency, with %i entries", (capacity) => {
    expectNearLru(recencyBiased(100 * capacity, capacity, 8), capacity)
  })

  it.each([1.1, 1.5, 2, 3])("%f times as many keys as entries, forward and backward", (factor) => {
    for (const capacity of [100, 1000]) expectNearLru(sawtooth(factor * capacity, 60 * capacity), capacity)
  })
})

describe("frequency still counts where it is of use", () => {
  it.each([1.02, 1.2, 1.5])("a loop %f times as long as there are entries, between jobs", (factor) => {
    const capacity = 500
    const long = loop(Math.ceil(factor * capacity), 40 * capacity)
    const jobs = phases({ keys: capacity / 2, passes: 4, jobs: 20 })
    const trace = [0, 1, 2, 3].flatMap((turn) => [
      ...long.map((key) => key + (2 * turn + 1) * 1e8),
      ...jobs.map((key) => key + (2 * turn + 2) * 1e8),
    ])
    expect(Math.min(...pointsOverLru(trace, capacity))).toBeGreaterThan(8)
  })

  it("popular keys with scans, after jobs", () => {
    const capacity = 500
    for (const seed of SEEDS) {
      const tier = new SimulatedTier(capacity, Infinity, seed)
      tier.hitRatio(phases({ keys: capacity / 2, passes: 4, jobs: 40 }).map((key) => key + 1e9))
      const trace = zipfWithScans(200_000, capacity, 10)
      expect(tier.hitRatio(trace) - hitRatioOfLru(trace, capacity)).toBeGreaterThan(4)
    }
  })

  it("popular keys that change with each job", () => {
    const capacity = 500
    const next = zipf(10 * capacity, 1, randomFrom(6))
    const trace = Array.from({ length: 200_000 }, (_, at) => next() + 1e6 * Math.floor(at / 20_000))
    expect(Math.min(...pointsOverLru(trace, capacity))).toBeGreaterThan(2)
  })
})

import { describe, expect, it } from "vitest"
import { hitRatioOfLru, mix, SimulatedTier } from "./support/simulation.js"
import { loop, phases, randomFrom, recencyBiased, sawtooth, zipf, zipfWithScans } from "./support/traces.js"

// Points by which the hit ratio may lie below that of LRU.
const MOST_BELOW = 3

function pointsOverLru(trace: readonly number[], capacity: number): number {
  return new SimulatedTier(capacity).hitRatio(trace) - hitRatioOfLru(trace, capacity)
}

function expectNearLru(trace: readonly number[], capacity: number): void {
  expect(pointsOverLru(trace, capacity)).toBeGreaterThan(-MOST_BELOW)
}

describe("a new working set is taken in as soon as by LRU", () => {
  const shares = [0.25, 0.5, 0.75, 0.9]
  const passes = [2, 4, 8]
  const cells = shares.flatMap((share) => passes.map((count) => ({ share, passes: count })))

  it.each(cells)("jobs with $share of the entries, each read $passes times", ({ share, passes }) => {
    expectNearLru(phases({ keys: share * 200, passes, jobs: 20 }), 200)
  })

  it.each([2, 10, 20, 50, 1000])("jobs with half of %i entries, each read four times", (capacity) => {
    expectNearLru(phases({ keys: capacity / 2, passes: 4, jobs: 40 }), capacity)
  })

  it("jobs whose sets are known by a sample only", () => {
    expectNearLru(phases({ keys: 2700, passes: 4, jobs: 15 }), 3000)
  })

  it("jobs that read their sets in any order", () => {
    const random = randomFrom(2)
    const trace = Array.from({ length: 24_000 }, (_, at) => Math.floor(at / 800) * 1e6 + Math.floor(random() * 140))
    expectNearLru(trace, 200)
  })

  it.each([100, 500])("a set of 90 % after a hot one of 90 %, of %i entries", (capacity) => {
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
    const maxWeight = 6500 // about 200 of them
    const trace = phases({ keys: 100, passes: 4, jobs: 40 })
    const ratio = new SimulatedTier(Infinity, maxWeight).hitRatio(trace, weightOf)
    expect(ratio - hitRatioOfLru(trace, maxWeight, weightOf)).toBeGreaterThan(-MOST_BELOW)
  })
})

describe("what else LRU is made for", () => {
  it.each([50, 200])("recency, with %i entries", (capacity) => {
    expectNearLru(recencyBiased(100 * capacity, capacity, 8), capacity)
  })

  it.each([1.1, 1.5, 2, 3])("%f times as many keys as entries, forward and backward", (factor) => {
    expectNearLru(sawtooth(factor * 200, 60 * 200), 200)
  })
})

describe("frequency still counts where it is of use", () => {
  it.each([1.1, 1.2, 1.5])("a loop %f times as long as there are entries, between jobs", (factor) => {
    const long = loop(Math.ceil(factor * 200), 40 * 200)
    const jobs = phases({ keys: 100, passes: 4, jobs: 20 })
    const trace = [0, 1, 2, 3].flatMap((turn) => [
      ...long.map((key) => key + (2 * turn + 1) * 1e8),
      ...jobs.map((key) => key + (2 * turn + 2) * 1e8),
    ])
    expect(pointsOverLru(trace, 200)).toBeGreaterThan(8)
  })

  it("popular keys with scans, after jobs", () => {
    const tier = new SimulatedTier(200)
    tier.hitRatio(phases({ keys: 100, passes: 4, jobs: 40 }).map((key) => key + 1e9))
    const trace = zipfWithScans(60_000, 200, 10)
    expect(tier.hitRatio(trace) - hitRatioOfLru(trace, 200)).toBeGreaterThan(4)
  })

  it("popular keys that change with each job", () => {
    const next = zipf(2000, 1, randomFrom(6))
    const trace = Array.from({ length: 80_000 }, (_, at) => next() + 1e6 * Math.floor(at / 8000))
    expect(pointsOverLru(trace, 200)).toBeGreaterThan(1)
  })
})

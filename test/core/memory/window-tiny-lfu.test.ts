import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { WindowTinyLfu } from "../../../src/core/memory/window-tiny-lfu.js"
import { hitRatioOfLru, mix, SimulatedLru, SimulatedTier } from "./support/simulation.js"
import { loop, randomFrom, recencyBiased, zipf, zipfWithScans } from "./support/traces.js"

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

  it("gets out of the order in which the next key of a loop is always the one that just went", () => {
    const policy = new WindowTinyLfu({ maxEntries: 256, maxWeight: Infinity, random: randomFrom(1) })
    const tier = new SimulatedTier(256, Infinity, 1, policy)
    policy.followRecency(true)
    tier.hitRatio(loop(1011, 2028))
    policy.followRecency(false)
    const trace = loop(1011, 40_000).map((key) => (key + 6) % 1011)
    tier.hitRatio(trace)
    expect(tier.hitRatio(trace)).toBeGreaterThan(12)
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

    it("counts a replacement as a use, also where there is plenty of room", () => {
      const policy = new WindowTinyLfu({ maxEntries: Infinity, maxWeight: 1000, random: randomFrom(1) })
      for (let slot = 0; slot < 40; slot++) {
        policy.insert(slot, mix(slot), 10)
        expect(policy.evict()).toBe(-1)
      }
      policy.replace(0, 900)
      const victims = []
      for (let victim = policy.evict(); victim !== -1; victim = policy.evict()) victims.push(victim)
      expect(victims).not.toContain(0)
      expect(victims).toHaveLength(29)
    })

    it("gives a heavy candidate the room of protected entries without giving up the candidate itself", () => {
      const policy = new WindowTinyLfu({ maxEntries: Infinity, maxWeight: 1000, random: randomFrom(1) })
      const settle = () => {
        const victims = []
        for (let victim = policy.evict(); victim !== -1; victim = policy.evict()) victims.push(victim)
        return victims
      }
      for (let slot = 0; slot < 10; slot++) {
        policy.insert(slot, mix(slot), 100)
        expect(settle()).toEqual([])
      }
      // Protected, as many as may be: three stay in probation.
      for (let slot = 0; slot < 10; slot++) policy.touch(slot)
      expect(settle()).toEqual([])
      // Known as used often from an earlier life.
      policy.insert(10, mix(99), 0)
      for (let count = 0; count < 14; count++) policy.touch(10)
      policy.remove(10)
      policy.insert(10, mix(99), 500)
      expect(settle()).toEqual([0, 1, 2, 3, 4])
      policy.check()
      expect(policy.weight).toBe(1000)
    })

    it("keeps sums exact up to the largest budget", () => {
      const maxWeight = 2 ** 51
      const policy = new WindowTinyLfu({ maxEntries: Infinity, maxWeight, random: randomFrom(1) })
      policy.insert(0, mix(0), 2 ** 51 - 1)
      expect(policy.evict()).toBe(-1)
      for (let slot = 1; slot <= 3; slot++) policy.insert(slot, mix(slot), slot)
      expect(policy.weight).toBe(2 ** 51 + 5)
      expect(policy.excessWeight).toBe(5)
      policy.check()
      for (let slot = 0; slot <= 3; slot++) policy.remove(slot)
      expect(policy.weight).toBe(0)
      policy.check()
    })
  })

  describe("when evictions are put off", () => {
    /** 2,000 entries that nobody has used for long, in a budget that they fill, and a candidate that was asked for. */
    const coldTier = () => {
      const policy = new WindowTinyLfu({ maxEntries: Infinity, maxWeight: 20_000, random: randomFrom(1) })
      for (let slot = 0; slot < 2000; slot++) {
        policy.insert(slot, mix(slot), 10)
        expect(policy.evict()).toBe(-1)
      }
      // An entry that is used all the time makes the others' frequencies fall to 0.
      for (let count = 0; count < 60; count++) {
        for (let touches = 0; touches < 1000; touches++) policy.touch(1999)
        expect(policy.evict()).toBe(-1)
      }
      return policy
    }

    it("admits a candidate in the place of more entries than one look goes over", () => {
      const policy = coldTier()
      policy.insert(2000, mix(5000), 15_000)
      const victims = new Set<number>()
      for (let victim = policy.evict(); victim !== -1; victim = policy.evict()) victims.add(victim)
      expect(victims.has(2000)).toBe(false)
      expect(victims.size).toBe(1500)
      policy.check()
    })

    it("refuses it as soon as its victims together were used as often", () => {
      const policy = coldTier()
      // Beyond the first look.
      for (let slot = 1000; slot < 1999; slot++) policy.touch(slot)
      expect(policy.evict()).toBe(-1)
      policy.insert(2000, mix(5000), 15_000)
      const victims: number[] = []
      for (let victim = policy.evict(); victim !== -1; victim = policy.evict()) victims.push(victim)
      expect(victims.at(-1)).toBe(2000)
      expect(victims.length).toBeLessThanOrEqual(1001)
      expect(victims.length).toBeGreaterThan(900)
      policy.check()
    })

    it("goes on for the same candidate whatever is inserted, used and removed in between", () => {
      const policy = coldTier()
      policy.insert(2000, mix(5000), 15_000)
      for (let at = 0; at < 100; at++) {
        const victim = policy.evict()
        expect(victim).not.toBe(2000)
        policy.insert(victim, mix(10_000 + at), 10)
        policy.touch(2000)
        policy.evict()
        policy.check()
      }
      const victims: number[] = []
      for (let victim = policy.evict(); victim !== -1; victim = policy.evict()) victims.push(victim)
      expect(victims).not.toContain(2000)
      expect(policy.weight).toBeLessThanOrEqual(20_000)
    })

    it("owes nothing any more once others have been removed", () => {
      const policy = coldTier()
      policy.insert(2000, mix(5000), 15_000)
      const gone = new Set<number>()
      for (let count = 0; count < 10; count++) gone.add(policy.evict())
      for (let slot = 0; policy.isOver; slot++) if (!gone.has(slot)) policy.remove(slot)
      // Those that are left are used: nothing of theirs may go for the candidate any more, nor the candidate for them.
      for (let slot = 0; slot < 2000; slot++) policy.touch(slot)
      const newcomer = [...gone][0] as number
      policy.insert(newcomer, mix(7000), 4000)
      expect(policy.evict()).toBe(newcomer)
      expect(policy.evict()).toBe(-1)
      policy.check()
    })

    it("owes nothing to a candidate that has gone", () => {
      const policy = coldTier()
      policy.insert(2000, mix(5000), 15_000)
      for (let count = 0; count < 10; count++) policy.evict()
      policy.remove(2000)
      policy.check()
      expect(policy.evict()).toBe(-1)
      expect(policy.size).toBe(1990)
    })

    it("keeps its structure and ends within the budgets after any operations", () => {
      for (let seed = 0; seed < 300; seed++) {
        const random = randomFrom(seed)
        const pick = (count: number) => Math.floor(random() * count)
        const maxWeight = 1 + pick(300)
        const policy = new WindowTinyLfu({ maxEntries: 1 + pick(60), maxWeight, random })
        const resident = new Map<number, number>()
        for (let step = 0; step < 200; step++) {
          const slots = [...resident.keys()]
          const slot = slots[pick(slots.length)]
          const weight = random() < 0.1 ? pick(maxWeight) : pick(8)
          const kind = pick(10)
          if (kind < 4) {
            let free = 0
            while (resident.has(free)) free++
            policy.insert(free, mix(pick(200)), weight)
            resident.set(free, weight)
          } else if (kind < 7 && slot !== undefined) policy.touch(slot)
          else if (kind === 7 && slot !== undefined) {
            policy.remove(slot)
            resident.delete(slot)
          } else if (kind === 8 && slot !== undefined) {
            policy.replace(slot, weight)
            resident.set(slot, weight)
          } else {
            const victim = policy.evict()
            if (victim >= 0) expect(resident.delete(victim), `seed ${seed}`).toBe(true)
          }
          policy.check()
          expect(policy.size, `seed ${seed}`).toBe(resident.size)
        }
        for (let victim = policy.evict(); victim !== -1; victim = policy.evict()) {
          expect(resident.delete(victim), `seed ${seed}`).toBe(true)
        }
        expect(policy.isOver).toBe(false)
        policy.check()
      }
    })
  })

  describe("when it follows recency", () => {
    const policyOf = (maxEntries: number, maxWeight: number) =>
      new WindowTinyLfu({ maxEntries, maxWeight, random: randomFrom(1) })

    it("hits what LRU hits", () => {
      const policy = policyOf(100, Infinity)
      policy.followRecency(true)
      const tier = new SimulatedTier(100, Infinity, 1, policy)
      const lru = new SimulatedLru(100)
      const trace = [...zipfWithScans(10_000, 100, 4), ...recencyBiased(10_000, 100, 3)]
      expect(trace.filter((key) => tier.access(key) !== lru.access(key))).toEqual([])
    })

    it("hits what LRU hits in a budget of bytes", () => {
      const policy = policyOf(Infinity, 2000)
      policy.followRecency(true)
      const tier = new SimulatedTier(Infinity, 2000, 1, policy)
      const lru = new SimulatedLru(2000)
      const sizeOf = (key: number) => mix(key) & 63
      const trace = recencyBiased(10_000, 100, 3)
      expect(trace.filter((key) => tier.access(key, sizeOf(key)) !== lru.access(key, sizeOf(key)))).toEqual([])
    })

    it("hits what LRU hits as soon as what it kept before has gone", () => {
      const policy = policyOf(100, Infinity)
      const tier = new SimulatedTier(100, Infinity, 1, policy)
      tier.hitRatio(zipfWithScans(10_000, 100, 4))
      policy.followRecency(true)
      const lru = new SimulatedLru(100)
      for (const key of loop(100, 200)) {
        tier.access(1e6 + key)
        lru.access(1e6 + key)
      }
      const trace = recencyBiased(10_000, 100, 3)
      expect(trace.filter((key) => tier.access(key) !== lru.access(key))).toEqual([])
    })

    it("refuses an entry heavier than the whole budget, and nothing else", () => {
      const policy = policyOf(Infinity, 100)
      policy.followRecency(true)
      const tier = new SimulatedTier(Infinity, 100, 1, policy)
      for (let key = 0; key < 10; key++) tier.access(key, 10)
      tier.access(99, 101)
      expect(tier.has(99)).toBe(false)
      for (let key = 0; key < 10; key++) expect(tier.has(key), `key ${key}`).toBe(true)
    })

    it("keeps its structure however often it changes its mind, and its budgets change", () => {
      for (const budgets of [
        { maxEntries: 60, maxWeight: Infinity },
        { maxEntries: Infinity, maxWeight: 300 },
      ]) {
        const random = randomFrom(5)
        const policy = policyOf(budgets.maxEntries, budgets.maxWeight)
        const tier = new SimulatedTier(0, 0, 1, policy)
        zipfWithScans(5000, 60, 4).forEach((key, index) => {
          if (random() < 0.02) policy.followRecency(random() < 0.5, random())
          tier.access(key, 1 + (mix(key) & 7))
          if (index % 20 === 0) policy.check()
        })
        policy.limit(budgets.maxEntries / 2, budgets.maxWeight / 2)
        tier.access(-1)
        expect(policy.isOver).toBe(false)
        policy.check()
      }
    })
  })

  describe("with an advisor", () => {
    const advised = (maxEntries: number, maxWeight: number) => {
      const told: string[] = []
      const advisor = {
        prefersRecency: false,
        windowShare: 0.5,
        learn: (hash: number, weight: number) => told.push(`learn ${hash} ${weight}`),
        use: (hash: number, weight: number, wasHit: boolean) =>
          told.push(`${wasHit ? "hit" : "miss"} ${hash} ${weight}`),
        forget: (hash: number) => told.push(`forget ${hash}`),
      }
      const policy = new WindowTinyLfu({ maxEntries, maxWeight, random: randomFrom(1), advisor: () => advisor })
      return { policy, advisor, told: () => told.splice(0) }
    }

    it("asks for it when the budgets are half full, and tells it of requests and of what has gone, in order", () => {
      const { policy, told } = advised(4, 1000)
      policy.insert(0, 100, 1)
      policy.touch(0)
      expect(told()).toEqual([])
      policy.insert(1, 101, 2)
      expect(told()).toEqual(["learn 100 1", "learn 101 2"])
      policy.touch(1)
      policy.touch(0)
      expect(told()).toEqual([])
      policy.insert(2, 102, 3)
      policy.replace(0, 4)
      policy.remove(1)
      expect(told()).toEqual(["hit 101 2", "hit 100 1", "miss 102 3", "hit 100 4", "forget 101"])
    })

    it("does not tell it whom it evicts", () => {
      const { policy, told } = advised(2, Infinity)
      for (let slot = 0; slot < 3; slot++) policy.insert(slot, 100 + slot, 0)
      told()
      expect(policy.evict()).toBeGreaterThanOrEqual(0)
      expect(told()).toEqual([])
    })

    it("follows it both ways, and gives the window the share that it says", () => {
      const { policy, advisor } = advised(10, Infinity)
      const tier = new SimulatedTier(10, Infinity, 1, policy)
      for (let key = 0; key < 50; key++) tier.access(key % 10)
      advisor.prefersRecency = true
      for (let key = 100; key < 110; key++) tier.access(key)
      for (let key = 100; key < 110; key++) expect(tier.has(key), `key ${key}`).toBe(true)
      expect(policy.windowShare).toBeLessThan(0.5)
      advisor.prefersRecency = false
      tier.access(200)
      expect(policy.windowShare).toBeCloseTo(0.5, 2)
      policy.check()
    })
  })

  it("leaves its lists alone when a slot is touched that is not in use", () => {
    const policy = new WindowTinyLfu({ maxEntries: 4, maxWeight: Infinity, random: randomFrom(1) })
    for (let slot = 0; slot < 4; slot++) policy.insert(slot, mix(slot), 1)
    policy.remove(2)
    for (const slot of [2, -1, -2]) policy.touch(slot)
    expect(policy.evict()).toBe(-1)
    policy.check()
    expect(policy.size).toBe(3)
  })

  it("refuses a slot that is in use, and one that is not", () => {
    const policy = new WindowTinyLfu({ maxEntries: 4, maxWeight: Infinity, random: randomFrom(1) })
    policy.insert(0, mix(0), 1)
    expect(() => policy.insert(0, mix(1), 1)).toThrow("slot 0 is in use")
    expect(() => policy.remove(1)).toThrow("slot 1 is in no list")
    policy.check()
  })
})

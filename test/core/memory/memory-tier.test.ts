import { describe, expect, it } from "vitest"
import { ManualClock } from "zoocache/testing"
import { LARGEST_WEIGHT, MemoryTier, type Resident } from "../../../src/core/memory/memory-tier.js"
import { mix } from "./support/simulation.js"
import { randomFrom } from "./support/traces.js"

class Item implements Resident {
  slot = -1
  isUseless = false
  readonly id: number
  readonly weight: number
  readonly endsAtMs: number

  constructor(id: number, weight = 1, endsAtMs = Infinity) {
    this.id = id
    this.weight = weight
    this.endsAtMs = endsAtMs
  }
}

/** A tier, and what should be in it by what it said. */
class Ward {
  readonly clock = new ManualClock()
  readonly inside = new Set<Item>()
  readonly tier: MemoryTier<Item>
  readonly maxBytes: number
  onEvict: (victims: readonly Item[]) => void = () => {}
  onReclaim: (item: Item) => void = () => {}
  #count = 0

  constructor(budget: { maxEntries?: number; maxBytes?: number }, random = randomFrom(1)) {
    this.maxBytes = budget.maxBytes ?? Infinity
    this.tier = new MemoryTier<Item>({
      maxEntries: budget.maxEntries ?? Infinity,
      maxBytes: this.maxBytes,
      clock: this.clock,
      random,
      onEvict: (victims) => {
        this.#gone(victims)
        this.check()
        this.onEvict(victims)
      },
      reclaim: (item) => {
        if (!this.inside.has(item)) throw new Error(`asked to reclaim ${item.id}, which is outside`)
        if (item.isUseless || item.endsAtMs <= this.clock.now()) this.remove(item)
        this.onReclaim(item)
      },
      timeLeftMs: (item) => item.endsAtMs - this.clock.now(),
    })
  }

  add(weight = 1, lifeMs = Infinity, key = this.#count): { item: Item; victims: readonly Item[] } {
    const item = this.#newItem(weight, lifeMs)
    this.inside.add(item)
    const victims = this.tier.add(item, mix(key), weight, 0)
    this.#gone(victims)
    return { item, victims }
  }

  replace(old: Item, weight = old.weight, lifeMs = Infinity): { item: Item; victims: readonly Item[] } {
    const item = this.#newItem(weight, lifeMs)
    this.inside.delete(old)
    this.inside.add(item)
    const victims = this.tier.replace(old, item, weight, 0)
    this.#gone(victims)
    return { item, victims }
  }

  remove(item: Item): void {
    this.inside.delete(item)
    this.tier.remove(item)
  }

  fill(count: number, weight = 1): Item[] {
    return Array.from({ length: count }, () => this.add(weight).item)
  }

  check(): void {
    this.tier.check()
    if (this.tier.size !== this.inside.size) throw new Error(`${this.tier.size} inside, not ${this.inside.size}`)
    let weight = 0
    for (const item of this.tier) {
      if (!this.inside.has(item)) throw new Error(`${item.id} is inside`)
      weight += item.weight
    }
    if (this.maxBytes !== Infinity && weight !== this.tier.weight) throw new Error(`${this.tier.weight}, not ${weight}`)
  }

  #newItem(weight: number, lifeMs: number): Item {
    this.#count += 1
    return new Item(this.#count, weight, this.clock.now() + lifeMs)
  }

  #gone(victims: readonly Item[]): void {
    for (const victim of victims) {
      if (!this.inside.delete(victim)) throw new Error(`${victim.id} was evicted, and is not inside`)
      if (victim.slot >= 0) throw new Error(`${victim.id} was evicted, and has a place`)
    }
  }
}

describe("places", () => {
  it("gives the victims of an operation back, the newcomer among them where it is refused", () => {
    const ward = new Ward({ maxBytes: 100 })
    const [first] = ward.fill(10, 10)
    const { item, victims } = ward.add(101)
    expect(victims).toEqual([item])
    expect(item.slot).toBe(-1)
    expect(ward.replace(first as Item, 101).victims).toHaveLength(1)
    expect(ward.tier.size).toBe(9)
    ward.check()
    expect(ward.clock.timers).toBe(0)
  })

  it("refuses entries that are in already, and places of others", () => {
    const ward = new Ward({ maxEntries: 10 })
    const [one, other] = ward.fill(2) as [Item, Item]
    expect(() => ward.tier.add(one, 1, 1, 0)).toThrow("already in place 0")
    expect(() => ward.tier.replace(one, other, 1, 0)).toThrow("already in place 1")
    ward.remove(one)
    expect(() => ward.tier.replace(one, new Item(9), 1, 0)).toThrow("not in place -1")
    const stranger = new Item(10)
    stranger.slot = 1
    expect(() => ward.tier.remove(stranger)).toThrow("not in place 1")
    ward.tier.remove(one)
    ward.check()
  })

  it("tells when an entry's load began", () => {
    const ward = new Ward({ maxEntries: 1000 })
    const items = Array.from({ length: 200 }, (_, at) => {
      const item = new Item(at)
      ward.tier.add(item, mix(at), 1, 1000 + at)
      return item
    })
    for (const [at, item] of items.entries()) expect(ward.tier.bornMs(item, 50_000)).toBe(1000 + at)
  })
})

describe("weights", () => {
  const wrong = [Number.NaN, Infinity, -Infinity, -1, 0.5, 1e22, Number.MAX_VALUE, LARGEST_WEIGHT + 1]

  it.each(wrong)("refuses an entry of %d bytes, and stays as it was", (weight) => {
    const ward = new Ward({ maxBytes: 100 })
    const [first] = ward.fill(5, 10) as [Item]
    const item = new Item(99)
    expect(() => ward.tier.add(item, 1, weight, 0)).toThrow(`can't weigh ${weight}`)
    expect(() => ward.tier.replace(first, item, weight, 0)).toThrow(`can't weigh ${weight}`)
    expect(item.slot).toBe(-1)
    expect(ward.tier.weight).toBe(50)
    ward.check()
  })

  it.each([Number.NaN, -1])("refuses a budget of %d bytes", (maxBytes) => {
    expect(() => new Ward({ maxBytes })).toThrow("a budget of")
  })

  it.each([1e300, Number.MAX_SAFE_INTEGER, 2 ** 60])("keeps exact sums in a budget of %d bytes", (maxBytes) => {
    const ward = new Ward({ maxBytes })
    const heavy = ward.add(LARGEST_WEIGHT).item
    for (let count = 0; count < 100; count += 1) ward.add(count % 7)
    ward.clock.advance(100)
    ward.check()
    if (ward.inside.has(heavy)) ward.remove(heavy)
    for (const item of ward.inside) ward.remove(item)
    expect(ward.tier.weight).toBe(0)
  })

  it("takes a budget of a fraction as what is whole of it", () => {
    const ward = new Ward({ maxBytes: 10.9 })
    ward.fill(12)
    expect(ward.tier.weight).toBe(10)
  })
})

describe("one big value in the place of very many", () => {
  const crowd = (): { ward: Ward; big: Item } => {
    const ward = new Ward({ maxBytes: 25_000 })
    const big = ward.add(1).item
    ward.fill(24_000)
    ward.tier.touch(big)
    return { ward, big }
  }

  it("evicts a bounded number at once and the rest in slices", () => {
    const { ward, big } = crowd()
    const { item, victims } = ward.replace(big, 24_000)
    expect(victims.length).toBe(256)
    ward.check()
    expect(ward.tier.weight).toBeGreaterThan(25_000)
    let slices = 0
    for (; ward.clock.timers > 0; slices += 1) {
      const before = ward.tier.size
      ward.clock.advance(1)
      expect(before - ward.tier.size).toBeLessThanOrEqual(20 * 256)
      ward.check()
    }
    expect(slices).toBeGreaterThan(3)
    expect(ward.tier.weight).toBe(25_000)
    expect(item.slot).toBeGreaterThanOrEqual(0)
    expect(ward.clock.timers).toBe(0)
  })

  it("ends a slice after a few milliseconds where letting go of entries takes long", () => {
    const { ward, big } = crowd()
    ward.replace(big, 24_000)
    ward.onEvict = () => ward.clock.advanceWithinTurn(3)
    const before = ward.tier.size
    ward.clock.advance(1)
    expect(before - ward.tier.size).toBe(512)
  })

  it("has one timer, however many operations find it over its budget", () => {
    const { ward, big } = crowd()
    ward.replace(big, 24_000)
    ward.onEvict = () => {
      ward.fill(3)
      ward.clock.advanceWithinTurn(5)
    }
    for (let count = 0; count < 3; count += 1) {
      ward.fill(3)
      expect(ward.clock.timers).toBe(1)
      ward.clock.advance(1)
    }
    expect(ward.clock.timers).toBe(1)
  })

  it("has no timer that keeps a process alive, and none once it is closed", () => {
    const { ward, big } = crowd()
    ward.replace(big, 24_000)
    expect(ward.clock.timers).toBe(1)
    expect(ward.clock.keepingAlive).toBe(0)
    ward.tier.close()
    expect(ward.clock.timers).toBe(0)
    ward.add(1)
    expect(ward.clock.timers).toBe(0)
    ward.check()
  })

  it("stops where it is closed by who hears of an eviction", () => {
    const { ward, big } = crowd()
    ward.replace(big, 24_000)
    const { size } = ward.tier
    ward.onEvict = () => ward.tier.close()
    ward.clock.advance(100)
    expect(ward.tier.size).toBe(size - 256)
    expect(ward.clock.timers).toBe(0)
  })

  it("refuses others that are as big until it has its room, and takes small ones meanwhile", () => {
    const { ward, big } = crowd()
    ward.replace(big, 24_000)
    for (let count = 0; count < 50; count += 1) {
      const { item, victims } = ward.add(20_000)
      expect(victims).toContain(item)
      expect(ward.tier.weight).toBeLessThan(50_000)
      ward.check()
    }
    const small = ward.fill(50)
    expect(small.filter((item) => item.slot >= 0).length).toBeGreaterThan(40)
    ward.clock.advance(1000)
    expect(ward.tier.weight).toBeLessThanOrEqual(25_000)
    ward.check()
  })

  it("grows by an eighth at most where many that are rather big come at once", () => {
    const { ward } = crowd()
    for (const item of [...ward.inside].slice(12_000, 12_100)) if (item.slot >= 0) ward.replace(item, 1500)
    expect(ward.tier.weight).toBeGreaterThan(25_000)
    expect(ward.tier.weight).toBeLessThanOrEqual(28_125)
    ward.check()
    ward.clock.advance(1000)
    expect(ward.tier.weight).toBeLessThanOrEqual(25_000)
    ward.check()
  })

  it("evicts nothing more once others have been removed for it", () => {
    const { ward, big } = crowd()
    const { item } = ward.replace(big, 24_000)
    for (const other of [...ward.inside].slice(0, 23_500)) if (other !== item) ward.remove(other)
    const { size } = ward.tier
    ward.clock.advance(100)
    expect(ward.tier.size).toBe(size)
    expect(ward.clock.timers).toBe(0)
    ward.check()
  })
})

describe("the sweep", () => {
  it("comes earlier for 20,000 of a second than was planned for one of an hour", () => {
    const ward = new Ward({ maxEntries: 100_000 })
    ward.add(1, 3_600_000)
    ward.clock.advance(10_000)
    for (let count = 0; count < 20_000; count += 1) ward.add(1, 1000)
    ward.clock.advance(4000)
    expect(ward.tier.size).toBe(1)
    ward.check()
  })

  it("has one timer, whatever who hears of a removal does", () => {
    const ward = new Ward({ maxEntries: 100_000 })
    for (let count = 0; count < 1000; count += 1) ward.add(1, 1000)
    let isListening = true
    ward.onReclaim = () => {
      if (!isListening) return
      ward.tier.mayHaveStale()
      ward.add(1, 1000)
    }
    ward.clock.advance(1000)
    expect(ward.clock.timers).toBe(1)
    isListening = false
    ward.tier.close()
    expect(ward.clock.timers).toBe(0)
  })

  it("looks at everything at once when it is told to, at what comes meanwhile the next time", () => {
    const ward = new Ward({ maxEntries: 100_000 })
    const items = ward.fill(100)
    for (const item of items.slice(50)) item.isUseless = true
    let looks = 0
    ward.onReclaim = () => {
      looks += 1
      ward.add().item.isUseless = true
    }
    ward.tier.sweepNow()
    expect(looks).toBeLessThanOrEqual(150)
    expect(items.slice(50).every((item) => item.slot < 0)).toBe(true)
    ward.check()
  })
})

describe("calls from within its callbacks", () => {
  it("leave the books whole, whatever they are", () => {
    const reached = { evictions: 0, reclaims: 0 }
    for (let seed = 0; seed < 2000; seed += 1) run(seed, reached)
    expect(reached.evictions).toBeGreaterThan(30)
    expect(reached.reclaims).toBeGreaterThan(5000)
  })

  function run(seed: number, reached: { evictions: number; reclaims: number }): void {
    const random = randomFrom(seed)
    const pick = (count: number) => Math.floor(random() * count)
    const isLarge = seed % 30 === 0
    const maxBytes = isLarge ? 1000 : 1 + pick(60)
    const budget = {
      maxEntries: pick(3) === 0 ? 1 + pick(30) : Infinity,
      maxBytes: pick(4) === 0 ? Infinity : maxBytes,
    }
    const ward = new Ward(isLarge ? { maxBytes } : budget, random)
    if (isLarge) ward.fill(1000)
    let depth = 0
    let nestedLeft = 60
    const any = (): Item | undefined => {
      const skip = pick(ward.inside.size)
      let at = 0
      for (const item of ward.inside) if (at++ >= Math.min(skip, 50)) return item
      return undefined
    }
    const weightOf = () => (pick(6) === 0 ? pick(1.2 * maxBytes) : pick(5))
    const lifeOf = () => (pick(2) === 0 ? Infinity : pick(3000))
    const step = (): void => {
      const kind = pick(12)
      const item = any()
      if (kind < 4 || item === undefined) ward.add(weightOf(), lifeOf(), pick(60))
      else if (kind < 6) ward.replace(item, weightOf(), lifeOf())
      else if (kind === 6) ward.remove(item)
      else if (kind < 9) ward.tier.touch(item)
      else if (kind === 9) item.isUseless = true
      else if (kind === 10) ward.tier.mayHaveStale()
      else if (depth === 0) ward.tier.sweepNow()
    }
    const within = (): void => {
      if (depth >= 2 || nestedLeft <= 0 || pick(3) > 0) return
      depth += 1
      nestedLeft -= 1
      for (let count = pick(3); count >= 0; count -= 1) step()
      ward.check()
      depth -= 1
    }
    ward.onEvict = () => {
      reached.evictions += 1
      within()
    }
    ward.onReclaim = () => {
      reached.reclaims += 1
      within()
    }
    try {
      for (let count = 0; count < (isLarge ? 15 : 40); count += 1) {
        const first = any()
        if (isLarge && first !== undefined && pick(5) === 0) {
          ward.tier.touch(first)
          ward.replace(first, Math.floor(0.9 * maxBytes))
        } else if (pick(4) === 0) ward.clock.advance(pick(4) === 0 ? 2000 : pick(3))
        else step()
        ward.check()
      }
      ward.onEvict = ward.onReclaim = () => {}
      ward.tier.mayHaveStale()
      ward.clock.advance(10_000)
      ward.check()
      for (const item of ward.inside) {
        if (item.isUseless || item.endsAtMs <= ward.clock.now()) throw new Error(`${item.id} is still inside`)
      }
      if (ward.clock.timers > 0) throw new Error(`${ward.clock.timers} timers are left`)
      ward.tier.close()
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error })
    }
  }
})

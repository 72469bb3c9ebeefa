import { describe, expect, test } from "vitest"
import { type CacheOptions, type FunctionOptions } from "zoocache"
import { settled } from "zoocache/testing"
import { deferred, makeCache, stateOf, steered } from "../support/caches.js"

const DAY = 86_400_000

/** A function that counts its loads. */
function counted(options: FunctionOptions<[id?: number], number> = {}, cacheOptions: Omit<CacheOptions, "clock"> = {}) {
  const bench = makeCache(cacheOptions)
  const count = { loads: 0, isDown: false }
  const load = bench.cache.cacheable(
    async (_id?: number) => {
      count.loads += 1
      if (count.isDown) throw new Error(`down at load ${count.loads}`)
      return count.loads
    },
    { name: "load", ...options },
  )
  return { ...bench, count, load }
}

describe("ttl", () => {
  test("ends an entry, at most 5 ms late and never early", async () => {
    const { clock, load } = counted({ ttl: "10s" })
    await load()
    clock.advance(9_999)
    expect(await load()).toBe(1)
    clock.advance(6)
    expect(await load()).toBe(2)
  })

  test("does not slide", async () => {
    const { clock, load } = counted({ ttl: "10s" })
    await load()
    for (let index = 0; index < 5; index += 1) {
      clock.advance(1_900)
      expect(await load()).toBe(1)
    }
    clock.advance(1_900)
    expect(await load()).toBe(2)
  })

  test("counts from the end of the load", async () => {
    const { cache, clock } = makeCache()
    const source = steered<number>()
    const load = cache.cacheable(source.loader, { ttl: "10s", timeout: "1h" })
    const first = load()
    clock.advance(30_000)
    source.last.resolve(1)
    await first
    clock.advance(9_900)
    expect(load.peek()).toBe(1)
  })

  test("of a function overrides that of the cache; without either there is no end", async () => {
    const short = counted({ ttl: "1s" }, { ttl: "1h" })
    await short.load()
    short.clock.advance(2_000)
    expect(short.load.peek()).toBeUndefined()
    const long = counted({}, { ttl: "1h" })
    await long.load()
    long.clock.advance(3_599_000)
    expect(long.load.peek()).toBe(1)
    long.clock.advance(2_000)
    expect(long.load.peek()).toBeUndefined()
    const endless = counted()
    await endless.load()
    endless.clock.advance(10_000 * DAY)
    expect(endless.load.peek()).toBe(1)
  })

  test("may depend on the result and the arguments", async () => {
    const { cache, clock } = makeCache()
    const load = cache.cacheable(async (id: number) => ({ seconds: id }), {
      ttl: (value, id) => (id === 0 ? 0 : value.seconds * 1000),
    })
    await Promise.all([load(0), load(1), load(10)])
    expect(load.peek(0)).toBeUndefined()
    expect(load.peek(1)).toBeDefined()
    clock.advance(2_000)
    expect(load.peek(1)).toBeUndefined()
    expect(load.peek(10)).toBeDefined()
  })

  test("may be a duration text wherever it is given", async () => {
    const { cache, clock } = makeCache()
    const load = cache.cacheable(async () => 1, { ttl: () => "1m30s" })
    await load()
    await cache.set("key", 1, { ttl: "1m30s" })
    clock.advance(89_000)
    expect(load.peek()).toBe(1)
    expect(await cache.get("key")).toBe(1)
    clock.advance(2_000)
    expect(load.peek()).toBeUndefined()
    expect(await cache.lookup("key")).toBeUndefined()
  })

  test.each([
    25 * DAY,
    400 * DAY,
    Number.MAX_SAFE_INTEGER,
    Number.MAX_VALUE,
    "99999999999w",
    Number.POSITIVE_INFINITY,
  ] as const)("of %s neither overflows nor expires at once", async (ttl) => {
    const { cache, clock, load } = counted({ ttl, grace: 1 })
    await load()
    await cache.set("key", 1, { ttl })
    clock.advance(24 * DAY)
    expect(await load()).toBe(1)
    expect(await cache.get("key")).toBe(1)
  })

  test("is kept beyond 24 days of uptime, where 32 bits end", async () => {
    const { cache, clock, load } = counted({ ttl: "10d" })
    await cache.set("endless", 1)
    clock.advance(24 * DAY)
    expect(await load(1)).toBe(1)
    clock.advance(2 * DAY)
    expect(await load(1)).toBe(1)
    expect(await load(2)).toBe(2)
    clock.advance(7 * DAY)
    expect(await load(1)).toBe(1)
    clock.advance(2 * DAY)
    expect(await load(1)).toBe(3)
    expect(load.peek(2)).toBe(2)
    clock.advance(2 * DAY)
    expect(load.peek(2)).toBeUndefined()
    expect(await cache.get("endless")).toBe(1)
  })

  test("is not bent when the wall clock jumps", async () => {
    const { clock, load } = counted({ ttl: "10s", grace: "10s", idleTtl: "8s" })
    await load()
    for (const jump of [-DAY, 400 * DAY, -800 * DAY]) {
      clock.setWall(clock.wall() + jump)
      expect(await load()).toBe(1)
    }
    clock.advance(8_100)
    expect(load.peek()).toBeUndefined()
  })
})

describe("idleTtl", () => {
  test("starts anew with each read", async () => {
    const { cache, clock, load } = counted({ idleTtl: "10s" })
    await load()
    for (let index = 0; index < 5; index += 1) {
      clock.advance(9_000)
      expect(await load()).toBe(1)
    }
    clock.advance(9_000)
    expect(await cache.get(load.keyOf())).toBe(1)
    clock.advance(10_100)
    expect(await load()).toBe(2)
  })

  test("never goes beyond the ttl", async () => {
    const { clock, load } = counted({ idleTtl: "10s", ttl: "25s" })
    await load()
    clock.advance(9_000)
    await load()
    clock.advance(9_000)
    expect(await load()).toBe(1)
    clock.advance(7_100)
    expect(await load()).toBe(2)
  })

  test("is not extended by peek and has, which are no use", async () => {
    const { cache, clock, load } = counted({ idleTtl: "10s" })
    await load()
    clock.advance(9_000)
    expect(load.peek()).toBe(1)
    expect(await cache.has(load.keyOf())).toBe(true)
    clock.advance(1_100)
    expect(load.peek()).toBeUndefined()
  })

  test("of the cache is that of what is set by hand, too", async () => {
    const { cache, clock } = makeCache({ idleTtl: "10s" })
    await cache.set("key", 1)
    clock.advance(9_000)
    await cache.get("key")
    clock.advance(9_000)
    expect(await cache.get("key")).toBe(1)
    clock.advance(10_100)
    expect(await cache.lookup("key")).toBeUndefined()
  })
})

test("jitter shortens each ttl by a random part, so that what was loaded together does not end together", async () => {
  const parts = [0, 0.5, 0.999]
  let next = 0
  const { load, clock } = counted({ ttl: "100s", jitter: 0.2 }, { random: () => parts[next++ % 3] as number })
  next = 0
  for (const id of [0, 1, 2]) await load(id)
  const lives: (number | undefined)[] = [undefined, undefined, undefined]
  for (let seconds = 0; seconds < 110; seconds += 1) {
    for (const id of [0, 1, 2]) if (load.peek(id) === undefined) lives[id] ??= seconds
    clock.advance(1_000)
  }
  expect(lives.every((life) => life !== undefined && life >= 80 && life <= 101)).toBe(true)
  expect(new Set(lives).size).toBe(3)
})

describe("grace", () => {
  test("serves the expired value while it is loaded anew, once", async () => {
    const { clock, count, load } = counted({ ttl: "10s", grace: "1m" })
    await load()
    clock.advance(11_000)
    expect(await Promise.all([load(), load(), load()])).toEqual([1, 1, 1])
    await settled()
    expect(count.loads).toBe(2)
    expect(await load()).toBe(2)
  })

  test("serves it when the loader fails, tries again a second later, and reports it", async () => {
    const { clock, count, faults, load } = counted({ ttl: "10s", grace: "1m" })
    await load()
    count.isDown = true
    clock.advance(11_000)
    expect(await load()).toBe(1)
    await settled()
    expect(faults).toEqual([
      {
        key: "ƒ:load::",
        error: expect.objectContaining({ code: "ERR_ZOOCACHE_REFRESH", cause: new Error("down at load 2") }),
      },
    ])
    expect(await load()).toBe(1)
    await settled()
    expect(count.loads).toBe(2)
    clock.advance(1_100)
    expect(await load()).toBe(1)
    await settled()
    expect(count.loads).toBe(3)
    count.isDown = false
    clock.advance(1_100)
    await load()
    await settled()
    expect(await load()).toBe(4)
  })

  test("ends: after it the error reaches the caller", async () => {
    const { clock, count, load } = counted({ ttl: "10s", grace: "1m" })
    await load()
    count.isDown = true
    clock.advance(70_100)
    await expect(load()).rejects.toThrow("down at load 2")
  })

  test("never serves an invalidated value, not even when the loader fails", async () => {
    const { cache, clock, count, load } = counted({ ttl: "10s", grace: "1m", deps: ["t"] })
    await load()
    clock.advance(11_000)
    await cache.invalidate("t")
    count.isDown = true
    await expect(load()).rejects.toThrow("down at load 2")
  })

  test("is over when the value is invalidated while it waits for a slow load", async () => {
    const { cache, clock } = makeCache()
    const source = steered<number>()
    const load = cache.cacheable(source.loader, { ttl: "10s", grace: "1h", timeout: { soft: "1s" }, deps: ["t"] })
    const first = load()
    source.last.resolve(1)
    await first
    clock.advance(11_000)
    const second = load()
    await cache.invalidate("t")
    await clock.advanceAsync(2_000)
    expect(await stateOf(second)).toBe("pending")
    source.last.reject(new Error("down"))
    await expect(second).rejects.toThrow("down")
  })

  test("is no value for peek, get, has, lookup and getMany", async () => {
    const { cache, clock, load } = counted({ ttl: "10s", grace: "1m" })
    await load()
    clock.advance(11_000)
    const key = load.keyOf()
    expect(load.peek()).toBeUndefined()
    expect(await cache.get(key)).toBeUndefined()
    expect(await cache.has(key)).toBe(false)
    expect(await cache.lookup(key)).toBeUndefined()
    expect((await cache.getMany([key])).size).toBe(0)
  })

  test("follows expire(), with its full length from then on", async () => {
    const { cache, clock, count, load } = counted({ ttl: "1h", grace: "1m", deps: ["t"] })
    await load()
    await cache.expire("t")
    count.isDown = true
    expect(await load()).toBe(1)
    clock.advance(59_000)
    expect(await load()).toBe(1)
    clock.advance(2_000)
    await expect(load()).rejects.toThrow("down")
  })

  test("without a grace expire() is an invalidation", async () => {
    const { cache, load } = counted({ ttl: "1h", deps: ["t"] })
    await load()
    await cache.expire("t")
    expect(load.peek()).toBeUndefined()
    expect(await load()).toBe(2)
  })

  test("of a sync function serves the expired value only when its loader fails", async () => {
    const { cache, clock, faults } = makeCache()
    let isDown = false
    let loads = 0
    const load = cache.cacheableSync(
      () => {
        if (isDown) throw new Error("down")
        return ++loads
      },
      { ttl: "10s", grace: "1m" },
    )
    load()
    clock.advance(11_000)
    expect(load()).toBe(2)
    isDown = true
    clock.advance(11_000)
    expect(load()).toBe(2)
    expect(faults).toHaveLength(1)
    clock.advance(60_000)
    expect(() => load()).toThrow("down")
  })

  test("counts a load whose result may not be kept as one", async () => {
    const { cache, clock } = makeCache()
    const inner = { loads: 0, isDown: false }
    const outer = { loads: 0 }
    const options = { ttl: "10s", grace: "1h" } as const
    const readInner = cache.cacheable(
      async () => {
        inner.loads += 1
        if (inner.isDown) throw new Error("down")
        return inner.loads
      },
      { name: "inner", ...options },
    )
    const readOuter = cache.cacheable(async () => ((outer.loads += 1), readInner()), { name: "outer", ...options })
    await readOuter()
    inner.isDown = true
    clock.advance(11_000)
    for (let read = 0; read < 50; read += 1) {
      expect(await readOuter()).toBe(1)
      await settled()
    }
    expect([outer.loads, inner.loads]).toEqual([2, 2])
    clock.advance(1000)
    await readOuter()
    await settled()
    expect([outer.loads, inner.loads]).toEqual([3, 3])
  })

  test("of a sync function asks its source once in a second, too", async () => {
    const { cache, clock, faults } = makeCache()
    const source = { asked: 0, isDown: false }
    const load = cache.cacheableSync(
      () => {
        source.asked += 1
        if (source.isDown) throw new Error("down")
        return source.asked
      },
      { ttl: "10s", grace: "1m" },
    )
    load()
    clock.advance(11_000)
    source.isDown = true
    for (let second = 1; second <= 3; second += 1) {
      for (let read = 0; read < 20; read += 1) expect(load()).toBe(1)
      expect([source.asked, faults.length]).toEqual([1 + second, second])
      clock.advance(1000)
    }
    source.isDown = false
    expect([load(), load()]).toEqual([5, 5])
    expect(() => (load as { refresh: () => number }).refresh()).not.toThrow()
  })

  test.each([true, false])("ends what is made of it, too; the inner value slides: %s", async (slides) => {
    const { cache, clock, count, load } = counted({ grace: "1h", ...(slides ? { idleTtl: "10s" } : { ttl: "10s" }) })
    let made = 0
    const outer = cache.cacheable(async () => ((made += 1), load()), { name: "outer", ttl: "1h" })
    await load()
    clock.advance(11_000)
    count.isDown = true
    for (let read = 1; read <= 5; read += 1) {
      expect(await outer()).toBe(1)
      await settled()
      expect(made).toBe(read)
    }
    count.isDown = false
    clock.advance(1_000)
    await outer()
    await settled()
    expect(await outer()).toBeGreaterThan(1)
    const { loads } = count
    await outer()
    expect(count.loads).toBe(loads)
    expect(made).toBe(7)
  })

  test("of a value that has gone unread for too long is not ended by reads", async () => {
    const { cache, clock, count, faults, load } = counted({ idleTtl: "10s", grace: "1m" })
    await load()
    clock.advance(11_000)
    count.isDown = true
    for (let second = 1; second <= 50; second += 1) {
      expect(await load()).toBe(1)
      await settled()
      expect(load.peek()).toBeUndefined()
      expect(load.explain().state).toBe("expired")
      clock.advance(1_000)
    }
    expect(cache.stats()).toMatchObject({ graceHits: 50, refreshes: 50 })
    expect(faults).toHaveLength(50)
    count.isDown = false
    expect(await load()).toBe(1)
    await settled()
    expect(await load()).toBe(52)
    for (let step = 0; step < 5; step += 1) {
      clock.advance(9_000)
      expect(await load()).toBe(52)
    }
    count.isDown = true
    clock.advance(70_000)
    await expect(load()).rejects.toThrow("down")
  })
})

describe("a load that expire() overlapped", () => {
  test("is stored as expired already: of use only to those with grace", async () => {
    const { cache } = makeCache()
    const source = steered<number>()
    const load = cache.cacheable(source.loader, { ttl: "1h", grace: "1m", deps: ["t"] })
    const first = load()
    await cache.expire("t")
    source.last.resolve(1)
    expect(await first).toBe(1)
    expect(load.peek()).toBeUndefined()
    expect(await load()).toBe(1)
    expect(source.runs).toHaveLength(2)
    source.last.resolve(2)
    await settled()
    expect(await load()).toBe(2)
  })

  test("is not stored without grace", async () => {
    const { cache } = makeCache()
    const source = steered<number>()
    const load = cache.cacheable(source.loader, { deps: ["t"] })
    const first = load()
    await cache.expire("t")
    source.last.resolve(1)
    await first
    expect(cache.stats().entries).toBe(0)
  })
})

describe("the soft timeout", () => {
  const options = { ttl: "10s", grace: "1h", timeout: { soft: "2s", hard: "1m" } } as const

  test("serves the expired value to a caller that waited so long; the load goes on", async () => {
    const { cache, clock } = makeCache()
    const source = steered<number>()
    const load = cache.cacheable(source.loader, options)
    const first = load()
    source.last.resolve(1)
    await first
    clock.advance(11_000)
    const second = load()
    await clock.advanceAsync(1_900)
    expect(await stateOf(second)).toBe("pending")
    await clock.advanceAsync(200)
    expect(await stateOf(second)).toEqual({ value: 1 })
    source.last.resolve(2)
    await settled()
    expect(await load()).toBe(2)
    expect(source.runs).toHaveLength(2)
  })

  test("counts from each caller's own arrival", async () => {
    const { cache, clock } = makeCache()
    const source = steered<number>()
    const load = cache.cacheable(source.loader, options)
    const first = load()
    source.last.resolve(1)
    await first
    clock.advance(11_000)
    const early = load()
    await clock.advanceAsync(1_500)
    const late = load()
    await clock.advanceAsync(600)
    expect(await stateOf(early)).toEqual({ value: 1 })
    expect(await stateOf(late)).toBe("pending")
    await clock.advanceAsync(1_500)
    expect(await stateOf(late)).toEqual({ value: 1 })
    expect(source.runs).toHaveLength(2)
    source.last.resolve(2)
  })

  test("gives the new value to a caller whose load is quicker, and leaves no timer", async () => {
    const { cache, clock } = makeCache()
    const source = steered<number>()
    const load = cache.cacheable(source.loader, { ...options, idleTtl: Number.POSITIVE_INFINITY })
    const first = load()
    source.last.resolve(1)
    await first
    const timers = clock.timers
    clock.advance(11_000)
    const second = load()
    await clock.advanceAsync(1_000)
    source.last.resolve(2)
    expect(await second).toBe(2)
    await settled()
    expect(clock.timers).toBeLessThanOrEqual(timers)
  })

  test("without an expired value has nothing to serve, and waits", async () => {
    const { cache, clock } = makeCache()
    const source = steered<number>()
    const load = cache.cacheable(source.loader, options)
    const first = load()
    await clock.advanceAsync(30_000)
    expect(await stateOf(first)).toBe("pending")
    source.last.resolve(1)
    expect(await first).toBe(1)
  })
})

describe("the hard timeout", () => {
  test("is 60 s unless told otherwise, and rejects every waiter", async () => {
    const { cache, clock } = makeCache()
    const source = steered<number>()
    const load = cache.cacheable(source.loader, { name: "load" })
    const calls = Promise.allSettled([load(), load()])
    await clock.advanceAsync(59_900)
    expect(await stateOf(calls)).toBe("pending")
    await clock.advanceAsync(200)
    for (const outcome of await calls) {
      expect(outcome).toMatchObject({
        reason: {
          code: "ERR_ZOOCACHE_LOAD_TIMEOUT",
          subject: "ƒ:load::",
          message:
            "The load of ƒ:load:: did not settle within 60000 ms. Its late result will not be stored; raise `timeout` if it needs longer.",
        },
      })
    }
    expect(cache.stats().loadTimeouts).toBe(1)
    source.last.resolve(1)
  })

  test("counts from the load's start, not from a caller's arrival", async () => {
    const { cache, clock } = makeCache()
    const source = steered<number>()
    const load = cache.cacheable(source.loader, { timeout: "10s" })
    const first = load()
    await clock.advanceAsync(9_000)
    const second = load()
    const both = Promise.allSettled([first, second])
    await clock.advanceAsync(1_100)
    expect((await both).map(({ status }) => status)).toEqual(["rejected", "rejected"])
    source.last.reject(new Error("late error disturbs nobody"))
  })

  test("Infinity is none", async () => {
    const { cache, clock } = makeCache()
    const source = steered<number>()
    const load = cache.cacheable(source.loader, { timeout: Number.POSITIVE_INFINITY })
    const first = load()
    await clock.advanceAsync(400 * DAY)
    source.last.resolve(1)
    expect(await first).toBe(1)
    expect(load.peek()).toBe(1)
  })

  test("serves the expired value in grace to who waits", async () => {
    const { cache, clock, faults } = makeCache()
    const source = steered<number>()
    const load = cache.cacheable(source.loader, { ttl: "10s", grace: "1h", timeout: { soft: "20s", hard: "5s" } })
    const first = load()
    source.last.resolve(1)
    await first
    clock.advance(11_000)
    const second = load()
    await clock.advanceAsync(5_100)
    expect(await second).toBe(1)
    expect(faults).toHaveLength(1)
    source.last.resolve(2)
  })

  test("also ends a batch", async () => {
    const { cache, clock } = makeCache()
    const gate = deferred()
    const many = cache.cacheableMany(
      async (ids: readonly number[]) => {
        await gate.promise
        return ids.map((id) => id)
      },
      { timeout: "1s" },
    )
    const calls = Promise.allSettled([many([1, 2]), many.one(3)])
    await settled()
    await clock.advanceAsync(1_100)
    expect((await calls).map(({ status }) => status)).toEqual(["rejected", "rejected"])
    gate.resolve()
    await settled()
    expect(many.peek(1)).toBeUndefined()
  })
})

describe("earlyRefresh", () => {
  test("loads anew in the background after that part of the ttl, once, and readers go on with what there is", async () => {
    const { clock, count, load } = counted({ ttl: "100s", earlyRefresh: 0.8 })
    await load()
    clock.advance(79_000)
    expect(await load()).toBe(1)
    await settled()
    expect(count.loads).toBe(1)
    clock.advance(2_000)
    expect(await Promise.all([load(), load()])).toEqual([1, 1])
    await settled()
    expect(count.loads).toBe(2)
    expect(await load()).toBe(2)
    clock.advance(79_000)
    expect(await load()).toBe(2)
    await settled()
    expect(count.loads).toBe(2)
  })

  test("that fails is reported, and the value goes on until its ttl", async () => {
    const { clock, count, faults, load } = counted({ ttl: "100s", earlyRefresh: 0.8 })
    await load()
    count.isDown = true
    clock.advance(81_000)
    expect(await load()).toBe(1)
    await settled()
    expect(faults).toHaveLength(1)
    expect(await load()).toBe(1)
    clock.advance(20_000)
    await expect(load()).rejects.toThrow("down")
  })

  test("that fails is tried again a second later, and a second after each failure", async () => {
    const { clock, count, load } = counted({ ttl: "100s", earlyRefresh: 0.8 })
    await load()
    count.isDown = true
    clock.advance(81_000)
    for (let second = 1; second <= 5; second += 1) {
      for (let read = 0; read < 20; read += 1) {
        expect(await load()).toBe(1)
        await settled()
      }
      expect(count.loads).toBe(1 + second)
      clock.advance(999)
      await load()
      await settled()
      expect(count.loads).toBe(1 + second)
      clock.advance(1)
    }
    count.isDown = false
    await load()
    await settled()
    expect(await load()).toBe(7)
    clock.advance(79_000)
    expect(await load()).toBe(7)
    await settled()
    expect(count.loads).toBe(7)
  })

  test("that takes long is not begun again meanwhile, and a second after it has failed", async () => {
    const { cache, clock } = makeCache()
    const source = steered<number>()
    const load = cache.cacheable(source.loader, { ttl: "100s", earlyRefresh: 0.8 })
    const first = load()
    source.last.resolve(1)
    await first
    clock.advance(81_000)
    for (let second = 0; second < 5; second += 1) {
      expect(await load()).toBe(1)
      clock.advance(1_000)
    }
    expect(source.runs).toHaveLength(2)
    source.last.reject(new Error("down"))
    await settled()
    await load()
    clock.advance(999)
    await load()
    expect(source.runs).toHaveLength(2)
    clock.advance(1)
    expect(await load()).toBe(1)
    expect(source.runs).toHaveLength(3)
    source.last.resolve(2)
    await settled()
    expect(await load()).toBe(2)
  })

  test("that fails says nothing about a value that was primed meanwhile", async () => {
    const { cache, clock } = makeCache()
    const source = steered<number>()
    const options = { ttl: "100s", earlyRefresh: 0.8, grace: "1h", deps: ["t"] } as const
    const load = cache.cacheable(source.loader, { name: "load", ...options })
    const first = load()
    source.last.resolve(1)
    await first
    clock.advance(81_000)
    await load()
    await load.prime([], 2, { asOf: "now" })
    source.last.reject(new Error("down"))
    await settled()
    await cache.expire("t")
    expect(await load()).toBe(2)
    expect(source.runs).toHaveLength(3)
    source.last.resolve(3)
    await settled()
    expect(await load()).toBe(3)
  })

  test("does nothing without a ttl", async () => {
    const { clock, count, load } = counted({ earlyRefresh: 0.1 })
    await load()
    clock.advance(1_000 * DAY)
    await load()
    await settled()
    expect(count.loads).toBe(1)
  })
})

test("what has expired is cleared away without being read", async () => {
  const { cache, clock, load } = counted({ ttl: "10s" })
  await load()
  await cache.set("key", 1, { ttl: "10s" })
  expect(cache.stats().entries).toBe(2)
  await clock.advanceAsync(11_000, 50)
  expect(cache.stats()).toMatchObject({ entries: 0, expired: 2 })
  expect(clock.timers).toBe(0)
})

test("what was invalidated is cleared away without being read", async () => {
  const { cache, clock } = makeCache()
  await cache.setMany(Array.from({ length: 100 }, (_, index) => [`key:${index}`, index, { deps: ["t"] }] as const))
  await cache.invalidate("t")
  await clock.advanceAsync(200, 50)
  expect(cache.stats()).toMatchObject({ entries: 0, stale: 100 })
  expect(clock.timers).toBe(0)
})

test("entries without a ttl are served after the clock has passed what a small integer holds", async () => {
  const { cache, clock } = makeCache()
  const load = cache.cacheable(async () => 1, { name: "load" })
  await load()
  clock.advance(26 * 86_400_000)
  expect(load.peek()).toBe(1)
  expect(await load()).toBe(1)
  expect(cache.stats().loads).toBe(1)
})

/** What the original Zoocache (Python) does, behaviour by behaviour, as far as one process can tell. */
import { describe, expect, test, vi } from "vitest"
import * as zoocache from "zoocache"
import { settled } from "zoocache/testing"
import { makeCache, rejectionOf, stateOf, steered } from "../support/caches.js"

describe("the interface", () => {
  test("configure, cacheable, invalidate, addDeps, get, set, clear, prune, tagVersion and reset are functions of the package", () => {
    const { configure, cacheable, invalidate, addDeps, get, set, clear, prune, tagVersion, reset } = zoocache
    for (const named of [configure, cacheable, invalidate, addDeps, get, set, clear, prune, tagVersion, reset]) {
      expect(named).toBeTypeOf("function")
    }
    expect(zoocache.InvalidTagError).toBeTypeOf("function")
  })

  test("the two lines of its README work as they stand there", async () => {
    await zoocache.reset()
    const getUser = zoocache.cacheable(async (id: number) => ({ id }), { deps: (id) => [`user:${id}`] })
    const user = await getUser(42)
    expect(await getUser(42)).toBe(user)
    await zoocache.invalidate("user:42")
    expect(await getUser(42)).not.toBe(user)
    await zoocache.reset()
  })

  test("createCache accepts the settings of its configure: prefix, ttl, sliding ttl, entries", async () => {
    const { cache } = makeCache({ prefix: "app", ttl: "1h", idleTtl: "10m", memory: { maxEntries: 100 } })
    expect(cache.status().prefix).toBe("app")
  })
})

describe("calls", () => {
  test.each(["async", "sync"] as const)("a cached %s function runs once for equal arguments", async (kind) => {
    const { cache } = makeCache()
    const loader = vi.fn((id: number) => ({ id }))
    const load = kind === "sync" ? cache.cacheableSync(loader) : cache.cacheable(async (id: number) => loader(id))
    expect(await load(1)).toBe(await load(1))
    expect(loader).toHaveBeenCalledTimes(1)
  })

  test.each(["async", "sync"] as const)(
    "it runs again after any of its dependencies is invalidated, %s",
    async (kind) => {
      const { cache } = makeCache()
      const loader = vi.fn(() => 1)
      const options = { deps: ["a", "b"] }
      const load =
        kind === "sync" ? cache.cacheableSync(loader, options) : cache.cacheable(async () => loader(), options)
      for (const tag of ["a", "b"]) {
        await load()
        await cache.invalidate(tag)
      }
      await load()
      expect(loader).toHaveBeenCalledTimes(3)
    },
  )

  test("other arguments are other entries", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(async (a: number, b?: string) => `${a}${b}`)
    expect(await Promise.all([load(1), load(2), load(1, "x")])).toEqual(["1undefined", "2undefined", "1x"])
    expect(cache.stats().entries).toBe(3)
  })

  test("deps may be a list or a function of the arguments, and addDeps adds to both", async () => {
    const { cache } = makeCache()
    const make = (deps: string[] | ((id: number) => string[])) =>
      cache.cacheable(
        async (id: number) => {
          zoocache.addDeps("added")
          return id
        },
        { deps },
      )
    for (const load of [make(["static"]), make(() => ["static"])]) {
      for (const tag of ["static", "added"]) {
        await load(1)
        await cache.invalidate(tag)
        expect(load.peek(1)).toBeUndefined()
      }
    }
  })

  test("addDeps outside of a load does nothing", () => {
    expect(() => zoocache.addDeps("user:1")).not.toThrow()
  })

  test("invalidating a parent tag kills children, never siblings, never tags that share a text prefix", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(async (tag: string) => tag, { deps: (tag) => [tag] })
    const tags = ["org:1:user:1", "org:1:user:2", "org:10:user:1", "org:2", "organization"]
    for (const tag of tags) await load(tag)
    await cache.invalidate("org:1")
    expect(tags.map((tag) => load.peek(tag))).toEqual([undefined, undefined, "org:10:user:1", "org:2", "organization"])
  })

  test("any one of several tags is enough", async () => {
    const { cache } = makeCache()
    await cache.set("key", 1, { deps: ["a", "b", "c"] })
    await cache.invalidate("b")
    expect(await cache.lookup("key")).toBeUndefined()
  })

  test("nested cached calls pass their dependencies outward; a function may choose otherwise", async () => {
    const { cache } = makeCache()
    const inner = cache.cacheable(async () => 1, { name: "inner", deps: ["inner"] })
    const outer = cache.cacheable(async () => inner(), { name: "outer" })
    const apart = cache.cacheable(async () => inner(), { name: "apart", inherit: false })
    await Promise.all([outer(), apart()])
    await cache.invalidate("inner")
    expect([outer.peek(), apart.peek()]).toEqual([undefined, 1])
  })

  test("the order of an options object does not matter", async () => {
    const { cache } = makeCache()
    const loader = vi.fn(async (_options: object) => 1)
    const load = cache.cacheable(loader)
    await load({ limit: 10, filter: { a: 1, b: 2 } })
    await load({ filter: { b: 2, a: 1 }, limit: 10 })
    expect(loader).toHaveBeenCalledTimes(1)
  })

  test("arguments that can't be encoded raise an error with a hint", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(async (_argument: unknown) => 1)
    await expect(load(() => 1)).rejects.toThrow("Pass `key: (...args) => ...`")
  })

  test("null is cached", async () => {
    const { cache } = makeCache()
    const loader = vi.fn(async () => null)
    const load = cache.cacheable(loader)
    expect([await load(), await load()]).toEqual([null, null])
    expect(loader).toHaveBeenCalledTimes(1)
  })

  test("a missing key reads as undefined", async () => {
    const { cache } = makeCache()
    expect(await cache.get("missing")).toBeUndefined()
  })

  test.each([
    ["a string", "text"],
    ["a number", 1.5],
    ["a list", [1, "a", null]],
    ["a map", { a: { b: [1] } }],
    ["a large object", Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`key${index}`, index]))],
  ])("%s works as a value", async (_name, value) => {
    const { cache } = makeCache()
    await cache.set("key", value)
    expect(await cache.get("key")).toBe(value)
    expect(await cache.cacheable(async () => value)()).toBe(value)
  })

  test("a function may be wrapped before configure is called and follows the later configuration", async () => {
    await zoocache.reset()
    const load = zoocache.cacheable(async () => 1, { name: "early" })
    zoocache.configure({ prefix: "later", ttl: "1h" })
    await load()
    expect(zoocache.defaultCache().status().prefix).toBe("later")
    expect(load.explain().expiresInMs).toBeGreaterThan(3_500_000)
    await zoocache.reset()
  })

  test("configure twice with the same settings is fine; with others it throws; reset allows a new start", async () => {
    await zoocache.reset()
    zoocache.configure({ ttl: "1h" })
    zoocache.configure({ ttl: "1h" })
    expect(() => zoocache.configure({ ttl: "2h" })).toThrow(zoocache.ConfigurationError)
    await zoocache.reset()
    expect(() => zoocache.configure({ ttl: "2h" })).not.toThrow()
    await zoocache.reset()
  })
})

describe("tags", () => {
  test("an unknown tag has version 0, each invalidation raises the version strictly, independent tags don't touch each other", async () => {
    const { cache } = makeCache()
    expect(cache.tagVersion("a")).toBe(0)
    await cache.invalidate("a")
    const first = cache.tagVersion("a")
    await cache.invalidate("b")
    expect(cache.tagVersion("a")).toBe(first)
    await cache.invalidate("a")
    expect(cache.tagVersion("a")).toBeGreaterThan(first)
    expect(first).toBeGreaterThan(0)
  })

  test.each(["", " ", "a b", ":a", "a:", "a::b", "a".repeat(257), Array.from({ length: 17 }, () => "a").join(":")])(
    "%j is rejected",
    async (tag) => {
      const { cache } = makeCache()
      await expect(cache.invalidate(tag)).rejects.toBeInstanceOf(zoocache.InvalidTagError)
    },
  )

  test("an invalid static dependency throws at the call", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(async () => 1, { deps: ["not a tag"] })
    await expect(load()).rejects.toBeInstanceOf(zoocache.InvalidTagError)
  })

  test("50 dependents die in one invalidate", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(async (id: number) => id, { deps: (id) => ["all", `one:${id}`] })
    const ids = Array.from({ length: 50 }, (_, index) => index)
    for (const id of ids) await load(id)
    const { cursor } = cache.status()
    await cache.invalidate("all")
    expect(cache.stats().invalidations).toBe(1)
    expect(cache.status().cursor).toBeGreaterThan(cursor)
    expect(ids.every((id) => load.peek(id) === undefined)).toBe(true)
  })
})

describe("concurrency", () => {
  test.each([10, 100, 500])("%i concurrent callers of a missing key: exactly one load", async (count) => {
    const { cache } = makeCache()
    const loader = vi.fn(async () => {
      await settled()
      return 1
    })
    const load = cache.cacheable(loader)
    expect(new Set(await Promise.all(Array.from({ length: count }, () => load())))).toEqual(new Set([1]))
    expect(loader).toHaveBeenCalledTimes(1)
  })

  test("the loader fails: one run, every waiter gets its very error, and the next call runs it again", async () => {
    const { cache } = makeCache()
    const error = new Error("down")
    const loader = vi.fn(() => Promise.reject(error))
    const load = cache.cacheable(loader)
    expect(await Promise.all(Array.from({ length: 20 }, () => rejectionOf(load())))).toEqual(
      Array.from({ length: 20 }, () => error),
    )
    expect(loader).toHaveBeenCalledTimes(1)
    await load().catch(() => {})
    expect(loader).toHaveBeenCalledTimes(2)
  })

  test("a waiter gives up with an error after the timeout", async () => {
    const { cache, clock } = makeCache()
    const source = steered<number>()
    const load = cache.cacheable(source.loader, { timeout: "5s" })
    const calls = [load(), load()].map(rejectionOf)
    await clock.advanceAsync(5_000)
    for (const error of await Promise.all(calls)) expect(error).toBeInstanceOf(zoocache.LoadTimeoutError)
    source.last.resolve(1)
  })

  test("ten readers against one invalidator, two thousand rounds: no crash, no lost result, nothing stale", async () => {
    const { cache } = makeCache()
    let committed = 0
    const load = cache.cacheable(
      async () => {
        const seen = committed
        if (seen % 3 === 0) await Promise.resolve()
        if (seen % 97 === 0) await settled()
        return seen
      },
      { deps: ["t"] },
    )
    const state = { isOver: false }
    const reader = async (): Promise<number> => {
      let reads = 0
      while (!state.isOver) {
        const before = committed
        expect(await load()).toBeGreaterThanOrEqual(before)
        reads += 1
        if (reads % 10 === 0) await settled()
      }
      return reads
    }
    const readers = Array.from({ length: 10 }, reader)
    for (let round = 0; round < 2_000; round += 1) {
      committed += 1
      await cache.invalidate("t")
      if (round % 5 === 0) await settled()
    }
    state.isOver = true
    for (const reads of await Promise.all(readers)) expect(reads).toBeGreaterThan(100)
    expect(await load()).toBe(2_000)
  })
})

describe("time and room", () => {
  test("the ttl of an entry overrides the default one", async () => {
    const { cache, clock } = makeCache({ ttl: "10s" })
    await cache.set("short", 1, { ttl: "1s" })
    await cache.set("long", 1, { ttl: "1h" })
    await cache.set("default", 1)
    clock.advance(2_000)
    expect([...(await cache.getMany(["short", "long", "default"])).keys()]).toEqual(["long", "default"])
    clock.advance(10_000)
    expect([...(await cache.getMany(["short", "long", "default"])).keys()]).toEqual(["long"])
  })

  test("a sliding ttl extends on read, an absolute one does not", async () => {
    const { cache, clock } = makeCache()
    const sliding = cache.cacheable(async () => 1, { name: "sliding", idleTtl: "10s" })
    const absolute = cache.cacheable(async () => 1, { name: "absolute", ttl: "10s" })
    await Promise.all([sliding(), absolute()])
    clock.advance(8_000)
    await Promise.all([sliding(), absolute()])
    clock.advance(8_000)
    expect([sliding.peek(), absolute.peek()]).toEqual([1, undefined])
  })

  test("absurdly large ttls don't overflow", async () => {
    const { cache, clock } = makeCache()
    await cache.set("key", 1, { ttl: Number.MAX_VALUE })
    clock.advance(30 * 86_400_000)
    expect(await cache.get("key")).toBe(1)
  })

  test("beyond the entry limit something is evicted, recently used entries rather stay; 0 is rejected", async () => {
    const { cache } = makeCache({ memory: { maxEntries: 100 } })
    const load = cache.cacheable(async (id: number) => id)
    for (let round = 0; round < 10; round += 1) for (let id = 0; id < 20; id += 1) await load(id)
    for (let id = 1_000; id < 1_100; id += 1) await load(id)
    expect(cache.stats().entries).toBe(100)
    expect(
      Array.from({ length: 20 }, (_, id) => load.peek(id)).filter((value) => value !== undefined).length,
    ).toBeGreaterThan(15)
    expect(() => makeCache({ memory: { maxEntries: 0 } })).toThrow(zoocache.InvalidOptionError)
  })

  test("clear drops everything, twice is fine, and versions do not fall back to zero", async () => {
    const { cache } = makeCache()
    await cache.set("key", 1)
    await cache.invalidate("t")
    const before = cache.tagVersion("t")
    await cache.clear()
    await cache.clear()
    expect(await cache.lookup("key")).toBeUndefined()
    expect(cache.tagVersion("t")).toBeGreaterThanOrEqual(before)
  })

  test("prune(age) forgets tags not used for that long, and never makes an entry valid", async () => {
    const { cache, clock } = makeCache()
    await cache.set("key", "old", { deps: ["t"] })
    await cache.invalidate("t", "idle")
    clock.advance(3_600_000)
    await cache.invalidate("recent")
    expect(cache.prune("30m").tags).toBeGreaterThanOrEqual(1)
    expect(cache.tagVersion("recent")).toBeGreaterThan(0)
    expect(await cache.lookup("key")).toBeUndefined()
  })

  test("pruning is automatic: what is remembered of unused tags is bounded", async () => {
    const { cache } = makeCache()
    for (let index = 0; index < 25_000; index += 1) await cache.invalidate(`tag:${index}`)
    expect(cache.stats().tags).toBeLessThan(12_000)
  })
})

describe("observability", () => {
  test("hits, misses, errors, invalidations, timeouts and silent errors are counted", async () => {
    const { cache, clock } = makeCache()
    const source = steered<number>()
    const load = cache.cacheable(source.loader, { timeout: "1s", cacheIf: () => expect.fail("broken") })
    const slow = load().catch(() => {})
    await clock.advanceAsync(1_000)
    await slow
    source.last.resolve(0)
    const failing = load().catch(() => {})
    source.last.reject(new Error("down"))
    await failing
    const faulty = load()
    source.last.resolve(1)
    expect(await stateOf(faulty)).toEqual({ value: 1 })
    await cache.set("key", 1)
    await cache.get("key")
    await cache.invalidate("t")
    expect(cache.stats()).toMatchObject({
      hits: 1,
      misses: 3,
      loadErrors: 1,
      loadTimeouts: 1,
      invalidations: 2,
      faults: 1,
    })
  })
})

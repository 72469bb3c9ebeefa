/** Looking inside: explain, stats, status, prune, events. */
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { afterEach, describe, expect, test } from "vitest"
import { settled } from "zoocache/testing"
import { makeCache, makeShared, steered } from "../support/caches.js"

describe("explain", () => {
  async function stored(options: object = {}) {
    const bench = makeCache()
    const load = bench.cache.cacheable(async (id: number) => id, {
      name: "load",
      deps: (id) => [`org:1:user:${id}`],
      ...options,
    })
    await load(1)
    return { ...bench, load }
  }

  test("fresh", async () => {
    const { clock, load } = await stored({ ttl: "1h" })
    clock.advance(90_000)
    expect(load.explain(1)).toEqual({
      key: "ƒ:load::1",
      state: "fresh",
      text: "fresh: depends on `org:1:user:1`, which has not been invalidated since it was loaded 1.5 min ago; expires in 58.5 min",
      dependencies: ["org:1:user:1"],
      cause: undefined,
      expiresInMs: 3_510_000,
      isLoading: false,
    })
  })

  test("fresh, with several dependencies and without an end", async () => {
    const { load } = await stored({ deps: ["a", "b", "c", "d", "e"] })
    expect(load.explain(1).text).toBe(
      "fresh: depends on `a`, `b`, `c` and 2 more, none of them invalidated since it was loaded 0 ms ago; no expiry",
    )
    expect(load.explain(1).expiresInMs).toBe(Number.POSITIVE_INFINITY)
  })

  test("fresh, depending on nothing", async () => {
    const { load } = await stored({ deps: [] })
    expect(load.explain(1).text).toBe("fresh: depends on nothing; no expiry")
  })

  test("fresh: an error that is kept", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(() => Promise.reject(new Error("down")), { cacheErrors: "1m" })
    await load().catch(() => {})
    expect(load.explain().text).toBe("fresh: it holds an error, depends on nothing; expires in 1 min")
  })

  test("stale: which dependency, through which tag, when and by whom", async () => {
    const { cache, clock, load } = await stored()
    clock.advance(3_000)
    await cache.invalidate("org:1")
    const version = cache.tagVersion("org:1")
    clock.advance(2_000)
    const explanation = {
      key: "ƒ:load::1",
      state: "stale",
      text: "stale: depends on `org:1:user:1`, invalidated through `org:1` 2 s ago by this process, 3 s after the load began",
      dependencies: ["org:1:user:1"],
      cause: {
        dependency: "org:1:user:1",
        through: "org:1",
        kind: "invalidated",
        version,
        at: clock.wall() - 2_000,
        agoMs: 2_000,
        by: "this process",
        afterLoadMs: 3_000,
      },
      isLoading: false,
    }
    expect(load.explain(1)).toMatchObject(explanation)
    expect(load.peek(1)).toBeUndefined()
    expect(load.explain(1)).toEqual({ ...explanation, expiresInMs: undefined })
  })

  test("stale: the tag itself", async () => {
    const { cache, load } = await stored()
    await cache.invalidate("org:1:user:1")
    expect(load.explain(1).text).toBe(
      "stale: depends on `org:1:user:1`, invalidated 0 ms ago by this process, 0 ms after the load began",
    )
  })

  test("stale: everything was cleared", async () => {
    const { cache, load } = await stored({ deps: [] })
    await cache.clear()
    expect(load.explain(1).text).toBe(
      "stale: depends on everything, invalidated 0 ms ago by this process, 0 ms after the load began",
    )
  })

  test("stale: its own key was deleted", async () => {
    const { cache, load } = await stored()
    await load.delete(1)
    expect(load.explain(1)).toMatchObject({ state: "stale", text: "stale: its own key was set or deleted since" })
    await cache.set("key", 1)
    await cache.delete("key")
    expect(cache.explain("key")).toMatchObject({ key: "key", state: "stale" })
  })

  test("stale: its function was cleared", async () => {
    const { load } = await stored()
    await load.clear()
    expect(load.explain(1)).toMatchObject({ state: "stale", cause: { kind: "invalidated", by: "this process" } })
  })

  test("stale: an entry that it used was deleted", async () => {
    const { cache } = makeCache()
    const inner = cache.cacheable(async () => 1, { name: "inner" })
    const outer = cache.cacheable(async () => inner(), { name: "outer" })
    await outer()
    expect(outer.explain().dependencies).toEqual(["ƒ:inner::"])
    await inner.delete()
    expect(outer.explain().text).toBe(
      "stale: depends on `ƒ:inner::`, invalidated 0 ms ago by this process, 0 ms after the load began",
    )
  })

  test("expired: by time, in grace and beyond it", async () => {
    const { clock, load } = await stored({ ttl: "10s", grace: "1m" })
    clock.advance(15_000)
    expect(load.explain(1)).toMatchObject({
      state: "expired",
      text: "expired: its time ran out 5 s ago; it may still be served in grace",
      expiresInMs: -5_000,
      cause: undefined,
    })
  })

  test("expired: by expire()", async () => {
    const { cache, clock, load } = await stored({ ttl: "1h", grace: "1m" })
    clock.advance(1_000)
    await cache.expire("org")
    expect(load.explain(1).text).toBe(
      "expired: depends on `org:1:user:1`, expired through `org` 0 ms ago by this process, 1 s after the load began; it may still be served in grace",
    )
  })

  test("expired: by expire(), as long as the entry is kept, also when it has been looked at since", async () => {
    const { cache, clock, load } = await stored({ ttl: "1h", grace: "1m" })
    clock.advance(1_000)
    await cache.expire("org")
    expect(load.peek(1)).toBeUndefined()
    clock.advance(2_000)
    expect(load.explain(1)).toMatchObject({
      state: "expired",
      text: "expired: depends on `org:1:user:1`, expired through `org` 2 s ago by this process, 1 s after the load began; it may still be served in grace",
      cause: { kind: "expired", through: "org" },
    })
  })

  test("absent: never stored, and being loaded", async () => {
    const { cache } = makeCache()
    const source = steered<number>()
    const load = cache.cacheable(source.loader)
    expect(load.explain()).toMatchObject({
      state: "absent",
      text: "absent: it was never stored, or has expired or been evicted since",
      expiresInMs: undefined,
      isLoading: false,
    })
    const running = load()
    expect(load.explain()).toMatchObject({ state: "absent", text: "absent: it is being loaded", isLoading: true })
    source.last.resolve(1)
    await running
    expect(load.explain().state).toBe("fresh")
  })

  test("names who invalidated it elsewhere, and what the log has not acknowledged", async () => {
    const { cache, log } = await makeShared()
    await cache.set("key", 1, { deps: ["t"] })
    log.elsewhere("t")
    expect(cache.explain("key").text).toBe(
      "stale: depends on `t`, invalidated 0 ms ago by elsewhere, 0 ms after the load began",
    )
    await cache.set("key", 1, { deps: ["t"] })
    log.appends = "hold"
    const pending = cache.invalidate("t")
    expect(cache.explain("key").text).toBe(
      "stale: depends on `t`, invalidated 0 ms ago by this process, 0 ms after the load began, not yet acknowledged by the log",
    )
    expect(cache.explain("key").cause?.version).toBe(0)
    await log.release()
    await pending
  })

  test("still tells how long ago an entry was loaded after 25 days of uptime", async () => {
    const { cache, clock } = makeCache()
    clock.advance(25 * 86_400_000)
    await cache.set("key", 1, { deps: ["t"] })
    clock.advance(1_000)
    expect(cache.explain("key").text).toContain("since it was loaded 1 s ago")
  })

  test("changes nothing: neither counts nor removes", async () => {
    const { cache, load } = await stored()
    await cache.invalidate("org")
    const before = cache.stats()
    load.explain(1)
    load.explain(2)
    expect(cache.stats()).toEqual(before)
  })

  test("throws for what is no key", () => {
    const { cache } = makeCache()
    expect(() => cache.explain("")).toThrow(expect.objectContaining({ code: "ERR_ZOOCACHE_INVALID_KEY" }))
    expect(() => cache.explain("ƒ:unknown::")).toThrow(expect.objectContaining({ code: "ERR_ZOOCACHE_INVALID_KEY" }))
  })
})

describe("stats", () => {
  test("count what happened, by function and in all", async () => {
    const { cache } = makeCache()
    expect(cache.stats()).toMatchObject({ hits: 0, misses: 0, hitRatio: 0, entries: 0, running: 0 })
    const load = cache.cacheable(async (id: number) => id, { name: "load", deps: ["t"] })
    const versioned = cache.cacheable(async () => 1, { name: "load", version: 2 })
    await Promise.all([load(1), load(1), load(2), versioned()])
    await load(1)
    await cache.get("missing")
    expect(cache.stats()).toMatchObject({
      hits: 1,
      misses: 5,
      joins: 1,
      loads: 3,
      stores: 3,
      entries: 3,
      hitRatio: 1 / 6,
      functions: {
        load: { hits: 1, misses: 3, joins: 1, loads: 2 },
        "load@2": { loads: 1 },
        "": { misses: 1 },
      },
    })
    await cache.invalidate("t")
    await load(1)
    expect(cache.stats()).toMatchObject({ stale: 1, loads: 4, invalidations: 1 })
  })

  test("tell the bytes where there is a budget of bytes, and evictions", async () => {
    const { cache } = makeCache({ memory: { maxBytes: 10_000, sizeOf: () => 1_000 } })
    for (let index = 0; index < 50; index += 1) await cache.set(`key:${index}`, index)
    const { bytes, entries, evicted } = cache.stats()
    expect(bytes).toBeLessThanOrEqual(10_000)
    expect(bytes).toBeGreaterThan(5_000)
    expect(entries).toBeLessThanOrEqual(7)
    expect(entries + evicted).toBe(50)
  })

  test("count stale loads, errors and graces", async () => {
    const { cache, clock } = makeCache()
    const source = steered<number>()
    const load = cache.cacheable(source.loader, { deps: ["t"], ttl: "10s", grace: "1m" })
    const first = load()
    await cache.invalidate("t")
    source.last.resolve(1)
    await first
    const second = load()
    source.last.resolve(2)
    await second
    clock.advance(11_000)
    await load()
    source.last.reject(new Error("down"))
    await settled()
    expect(cache.stats()).toMatchObject({ staleLoads: 1, loadErrors: 1, graceHits: 1, refreshes: 1, faults: 1 })
  })
})

describe("status", () => {
  test("tells the prefix, the cursor, and that it is closed", async () => {
    const { cache } = makeCache({ prefix: "app" })
    expect(cache.status()).toEqual({ state: "ready", prefix: "app", cursor: 0, confirmedAgoMs: 0, pending: 0 })
    await cache.invalidate("t")
    expect(cache.status().cursor).toBe(cache.tagVersion("t"))
    await cache.close()
    expect(cache.status().state).toBe("closed")
  })

  test("is unsure before the log has been read", async () => {
    const { cache } = await makeShared()
    expect(cache.status()).toMatchObject({ state: "ready", pending: 0 })
    const { cache: early } = makeCache({ log: (await makeShared()).log })
    expect(early.status().state).toBe("unsure")
    await early.ready()
    expect(early.status().state).toBe("ready")
  })
})

describe("prune", () => {
  test("clears away what nobody can use and counts it", async () => {
    const { cache, clock } = makeCache()
    await cache.setMany([
      ["short", 1, { ttl: "1s" }],
      ["tagged", 1, { deps: ["t"] }],
      ["fine", 1, { deps: ["u"] }],
    ])
    await cache.invalidate("t", "unrelated")
    clock.advance(1)
    expect(cache.prune()).toEqual({ tags: expect.any(Number), entries: 1 })
    expect(cache.tagVersion("never") >= 0).toBe(true)
    clock.advance(1_010)
    cache.prune()
    expect(cache.stats().entries).toBe(1)
    expect(await cache.get("fine")).toBe(1)
  })

  test("forgets invalidations older than an age, and only those that nothing refers to", async () => {
    const { cache, clock } = makeCache()
    await cache.invalidate("old")
    clock.advance(60_000)
    await cache.invalidate("young")
    await cache.set("key", 1, { deps: ["used"] })
    await cache.invalidate("used")
    await cache.set("key", 2, { deps: ["used"] })
    expect(cache.prune("30s")).toEqual({ tags: 1, entries: 0 })
    expect(cache.prune()).toEqual({ tags: 1, entries: 0 })
    expect(cache.prune()).toEqual({ tags: 0, entries: 0 })
    expect(await cache.get("key")).toBe(2)
  })

  test("never makes versions fall back", async () => {
    const { cache, clock } = makeCache()
    await cache.invalidate("t")
    const before = cache.tagVersion("t")
    clock.advance(1_000)
    cache.prune()
    expect(cache.tagVersion("t")).toBeGreaterThanOrEqual(before)
    await cache.invalidate("t")
    expect(cache.tagVersion("t")).toBeGreaterThan(before)
  })
})

describe("events", () => {
  const listeners: (() => void)[] = []
  afterEach(() => {
    for (const end of listeners.splice(0)) end()
  })
  function listen(name: string): unknown[] {
    const events: unknown[] = []
    const listener = (event: unknown) => {
      events.push(event)
    }
    subscribe(`zoocache:${name}`, listener)
    listeners.push(() => unsubscribe(`zoocache:${name}`, listener))
    return events
  }
  const base = { cache: "app", function: "load", key: "ƒ:load::1" }
  function setup(options: object = {}) {
    const bench = makeCache({ prefix: "app" })
    const load = bench.cache.cacheable(async (id: number) => id, {
      name: "load",
      deps: (id) => [`t:${id}`],
      ...options,
    })
    return { ...bench, load }
  }

  test("hit and miss", async () => {
    const { load } = setup()
    const hits = listen("hit")
    const misses = listen("miss")
    await load(1)
    await load(1)
    expect(misses).toEqual([base])
    expect(hits).toEqual([base])
  })

  test("a listener that deletes the entry which was hit takes it from nobody who hit it", async () => {
    const { cache, clock, load } = setup()
    const soft = { name: "in grace", ttl: "1s", grace: "1h", timeout: { soft: "10ms" } } as const
    const failing = cache.cacheable(async (isDown: boolean) => (isDown ? Promise.reject(new Error("down")) : "old"), {
      ...soft,
      key: () => "same",
    })
    await cache.set("by hand", "set")
    await failing(false)
    await load(1)
    const end = (event: unknown) => void cache.delete((event as { key: string }).key)
    subscribe("zoocache:hit", end)
    listeners.push(() => unsubscribe("zoocache:hit", end))
    expect(await load(1)).toBe(1)
    expect(load.peek(1)).toBeUndefined()
    expect(await cache.get("by hand")).toBe("set")
    expect(await cache.get("by hand")).toBeUndefined()
    clock.advance(2000)
    expect(await failing(true)).toBe("old")
    await expect(failing(true)).rejects.toThrow("down")
  })

  test("load, with its duration and how it ended", async () => {
    const { cache, clock } = makeCache({ prefix: "app" })
    const events = listen("load")
    const source = steered<number, [number]>()
    const load = cache.cacheable(source.loader, { name: "load", timeout: "10s" })
    const value = load(1)
    clock.advance(100)
    source.last.resolve(1)
    await value
    expect(events.splice(0)).toEqual([{ ...base, durationMs: 100, outcome: "value" }])
    const error = load(2).catch(() => {})
    source.last.reject(new Error("down"))
    await error
    const slow = load(3).catch(() => {})
    await clock.advanceAsync(10_000)
    await slow
    source.last.resolve(3)
    const controller = new AbortController()
    const leaving = load
      .with({ signal: controller.signal })(4)
      .catch(() => {})
    controller.abort()
    await leaving
    source.last.resolve(4)
    expect(events).toMatchObject([
      { outcome: "error" },
      { outcome: "timeout", durationMs: 10_000 },
      { outcome: "aborted" },
    ])
  })

  test("join and store", async () => {
    const { load } = setup()
    const joins = listen("join")
    const stores = listen("store")
    await Promise.all([load(1), load(1)])
    expect(joins).toEqual([base])
    expect(stores).toEqual([base])
  })

  test("stale, expire and invalidate", async () => {
    const { cache, clock, load } = setup({ ttl: "10s" })
    const stale = listen("stale")
    const expired = listen("expire")
    const invalidations = listen("invalidate")
    await load(1)
    await cache.invalidate("t")
    await load(1)
    expect(stale).toEqual([base])
    clock.advance(11_000)
    await load(1)
    expect(expired).toEqual([base])
    await load.delete(1)
    await load.clear()
    await cache.expire("t:1")
    await cache.clear()
    const by = { cache: "app", version: expect.any(Number), by: "this process" }
    expect(invalidations).toEqual([
      { ...by, kind: "tag", path: "t" },
      { ...by, kind: "key", path: "ƒ:load::1" },
      { ...by, kind: "function", path: "ƒ:load::" },
      { ...by, kind: "expiry", path: "t:1" },
      { ...by, kind: "tag", path: "" },
    ])
  })

  test("evict", async () => {
    const { cache } = makeCache({ prefix: "app", memory: { maxEntries: 10 } })
    const events = listen("evict")
    for (let index = 0; index < 30; index += 1) await cache.set(`key:${index}`, index)
    expect(events).toHaveLength(20)
    expect(events[0]).toEqual({ cache: "app", function: "", key: expect.stringMatching(/^key:/), reason: "budget" })
  })

  test("fault", async () => {
    const { load } = setup({ cacheIf: () => expect.fail("broken") })
    const events = listen("fault")
    await load(1)
    expect(events).toEqual([
      { cache: "app", key: "ƒ:load::1", error: expect.objectContaining({ code: "ERR_ZOOCACHE_HOOK" }) },
    ])
  })

  test("hits of every kind are told: plain, keyed, by key, sync, grace", async () => {
    const { cache, clock } = makeCache({ prefix: "app" })
    const keyed = cache.cacheable(async (id: number) => id, { name: "keyed", key: (id) => [id] })
    const sync = cache.cacheableSync(() => 1, { name: "sync" })
    const grace = cache.cacheable(async () => 1, { name: "grace", ttl: "1s", grace: "1h" })
    await keyed(1)
    sync()
    await grace()
    await cache.set("key", 1)
    clock.advance(1_100)
    const events = listen("hit")
    await keyed(1)
    sync()
    await grace()
    await cache.get("key")
    await settled()
    expect(events.map((event) => (event as { function: string }).function)).toEqual(["keyed", "sync", "grace", ""])
  })
})

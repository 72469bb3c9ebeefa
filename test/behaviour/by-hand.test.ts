/** Values by key: set, get, lookup, has, getMany, setMany, getOrLoad, delete, position. */
import { describe, expect, test, vi } from "vitest"
import { settled } from "zoocache/testing"
import { deferred, makeCache, rejectionOf, steered } from "../support/caches.js"

describe("set and get", () => {
  test("a missing key reads as undefined; lookup tells it from a stored undefined", async () => {
    const { cache } = makeCache()
    expect(await cache.get("key")).toBeUndefined()
    expect(await cache.lookup("key")).toBeUndefined()
    expect(await cache.has("key")).toBe(false)
    await cache.set("key", undefined)
    expect(await cache.get("key")).toBeUndefined()
    expect(await cache.lookup("key")).toMatchObject({ value: undefined, state: "fresh" })
    expect(await cache.has("key")).toBe(true)
  })

  test("set resolves with a token, replaces, and holds before it returns", async () => {
    const { cache } = makeCache()
    expect(await cache.set("key", 1)).toMatch(/^zc1\./)
    void cache.set("key", 2)
    expect(await cache.get("key")).toBe(2)
  })

  test("set outranks a load that began before, and joins none", async () => {
    const { cache } = makeCache()
    const source = steered<string>()
    const early = cache.getOrLoad("key", source.loader)
    await cache.set("key", "set")
    expect(await cache.getOrLoad("key", source.loader)).toBe("set")
    source.last.resolve("loaded")
    expect(await early).toBe("loaded")
    expect(await cache.get("key")).toBe("set")
  })

  test("set outranks a load that began before though it stores nothing itself", async () => {
    const { cache } = makeCache()
    const source = steered<string>()
    const early = cache.getOrLoad("key", source.loader)
    await cache.set("key", "set", { ttl: 0 })
    const late = cache.getOrLoad("key", source.loader)
    expect(source.runs).toHaveLength(2)
    source.runs[0]?.resolve("old")
    await early
    expect(await cache.lookup("key")).toBeUndefined()
    source.runs[1]?.resolve("new")
    expect(await late).toBe("new")
    expect(await cache.get("key")).toBe("new")
  })

  test("set has deps and a ttl", async () => {
    const { cache, clock } = makeCache({ ttl: "1h" })
    await cache.set("tagged", 1, { deps: ["a:1", "b"] })
    await cache.set("short", 1, { ttl: "1s" })
    clock.advance(1_100)
    expect(await cache.lookup("short")).toBeUndefined()
    expect(await cache.get("tagged")).toBe(1)
    await cache.invalidate("a")
    expect(await cache.lookup("tagged")).toBeUndefined()
  })

  test("set with a bad dependency changes nothing", async () => {
    const { cache } = makeCache()
    await cache.set("key", "before")
    await expect(cache.set("key", "after", { deps: ["fine", "not a tag"] })).rejects.toMatchObject({
      code: "ERR_ZOOCACHE_INVALID_TAG",
    })
    expect(await cache.get("key")).toBe("before")
  })

  test("set inside a load checks its deps against that load's start", async () => {
    const { cache } = makeCache()
    const gate = deferred()
    const load = cache.cacheable(async () => {
      await gate.promise
      await cache.set("made", "old row", { deps: ["t"] })
    })
    const running = load()
    await cache.invalidate("t")
    gate.resolve()
    await running
    expect(await cache.lookup("made")).toBeUndefined()
  })

  test("set is read by position: an invalidation between the read of the row and the set is not lost", async () => {
    const { cache } = makeCache()
    const position = cache.position()
    await cache.invalidate("user:1")
    await cache.set("key", "old row", { deps: ["user:1"], asOf: position })
    expect(await cache.lookup("key")).toBeUndefined()
    await cache.set("key", "new row", { deps: ["user:1"], asOf: cache.position() })
    expect(await cache.get("key")).toBe("new row")
    await cache.invalidate("user:2")
    await cache.set("other", "unconcerned", { deps: ["user:1"], asOf: position })
    expect(await cache.lookup("other")).toBeUndefined()
    await cache.set("bare", "without deps", { asOf: position })
    expect(await cache.get("bare")).toBe("without deps")
    await cache.clear()
    await cache.set("bare", "cleared since", { asOf: position })
    expect(await cache.lookup("bare")).toBeUndefined()
  })

  test("a position outlives pruning: what may have been forgotten makes the value stale", async () => {
    const { cache, clock } = makeCache()
    const position = cache.position()
    await cache.invalidate("t")
    clock.advance(10_000)
    cache.prune()
    await cache.set("key", "old", { deps: ["t"], asOf: position })
    expect(await cache.lookup("key")).toBeUndefined()
  })

  test("a position of another cache is refused", async () => {
    const { cache } = makeCache()
    const { cache: other } = makeCache()
    expect(await rejectionOf(cache.set("key", 1, { asOf: other.position() }))).toMatchObject({
      code: "ERR_ZOOCACHE_INVALID_OPTION",
      subject: "asOf",
    })
  })
})

describe("getMany and setMany", () => {
  test("misses are absent", async () => {
    const { cache } = makeCache()
    await cache.setMany([
      ["a", 1],
      ["b", 2, { deps: ["t"] }],
      ["c", 3, { ttl: 0 }],
    ])
    expect(await cache.getMany(["a", "b", "c", "d"])).toEqual(
      new Map([
        ["a", 1],
        ["b", 2],
      ]),
    )
    await cache.invalidate("t")
    expect(await cache.getMany(["a", "b"])).toEqual(new Map([["a", 1]]))
    expect(await cache.getMany([])).toEqual(new Map())
  })

  test("of several values for one key the last counts, and all have one version", async () => {
    const { cache } = makeCache()
    const before = cache.status().cursor
    await cache.setMany([
      ["a", 1, { deps: ["t"] }],
      ["a", 2],
    ])
    expect(await cache.get("a")).toBe(2)
    await cache.invalidate("t")
    expect(await cache.get("a")).toBe(2)
    expect(cache.status().cursor).toBeGreaterThan(before)
    expect(await cache.setMany([])).toMatch(/^zc1\./)
  })

  test("one bad item stores none of them", async () => {
    const { cache } = makeCache()
    await expect(
      cache.setMany([
        ["a", 1],
        ["", 2],
      ]),
    ).rejects.toMatchObject({ code: "ERR_ZOOCACHE_INVALID_KEY" })
    await expect(
      cache.setMany([
        ["a", 1],
        ["b", 2, { deps: ["not a tag"] }],
      ]),
    ).rejects.toThrow()
    await expect(
      cache.setMany([
        ["a", 1],
        ["b", new Response("x")],
      ]),
    ).rejects.toThrow()
    expect(await cache.lookup("a")).toBeUndefined()
  })
})

describe("delete", () => {
  test("invalidates keys, one or several, present or not", async () => {
    const { cache } = makeCache()
    await cache.setMany([
      ["a", 1],
      ["b", 2],
      ["c", 3],
    ])
    expect(await cache.delete("a", "b", "missing")).toMatch(/^zc1\./)
    expect(await cache.getMany(["a", "b", "c"])).toEqual(new Map([["c", 3]]))
    expect(await cache.delete()).toMatch(/^zc1\./)
  })
})

describe("getOrLoad", () => {
  test("loads once, for concurrent callers as well, and gives its loader the load", async () => {
    const { cache } = makeCache()
    const loader = vi.fn(async () => "value")
    expect(await Promise.all([cache.getOrLoad("key", loader), cache.getOrLoad("key", loader)])).toEqual([
      "value",
      "value",
    ])
    expect(await cache.getOrLoad("key", loader)).toBe("value")
    expect(await cache.get("key")).toBe("value")
    expect(loader).toHaveBeenCalledTimes(1)
  })

  test("takes the options of a function: deps, depsOf, ttl, cacheIf, cacheErrors, grace", async () => {
    const { cache, clock } = makeCache()
    let loads = 0
    const read = (key: string, options: object) => cache.getOrLoad(key, () => ++loads, options)
    await read("deps", { deps: ["a"] })
    await read("depsOf", { depsOf: (value: number) => [`value:${value}`] })
    await cache.invalidate("a", "value")
    expect(await read("deps", {})).toBe(3)
    expect(await read("depsOf", {})).toBe(4)
    await read("ttl", { ttl: "1s" })
    await read("ttl of the value", { ttl: () => "1s" })
    await read("cacheIf", { cacheIf: () => false })
    clock.advance(1_100)
    expect((await cache.getMany(["ttl", "ttl of the value", "cacheIf"])).size).toBe(0)
    const fail = vi.fn(() => Promise.reject(new Error("down")))
    await expect(cache.getOrLoad("error", fail, { cacheErrors: "1h" })).rejects.toThrow("down")
    await expect(cache.getOrLoad("error", fail, { cacheErrors: "1h" })).rejects.toThrow("down")
    expect(fail).toHaveBeenCalledTimes(1)
    await read("grace", { ttl: "1s", grace: "1h" })
    clock.advance(1_100)
    expect(await read("grace", { grace: "1h" })).toBe(8)
    await settled()
    expect(await cache.get("grace")).toBe(9)
  })
})

test("cache.position() is frozen and says nothing to read", () => {
  const { cache } = makeCache()
  expect(Object.isFrozen(cache.position())).toBe(true)
})

describe("collect", () => {
  test("gathers tags and invalidates them in one go", async () => {
    const { cache } = makeCache()
    await cache.set("key", 1, { deps: ["a"] })
    const collector = cache.collect()
    collector.add("a", "b")
    collector.add("c")
    expect(await cache.get("key")).toBe(1)
    const token = await collector.commit()
    await cache.sync(token)
    expect(await cache.lookup("key")).toBeUndefined()
    expect(cache.tagVersion("c")).toBe(cache.tagVersion("a"))
  })

  test("drop forgets, and a second commit appends what was added since", async () => {
    const { cache } = makeCache()
    const collector = cache.collect()
    collector.add("a")
    collector.drop()
    expect(await collector.commit()).toMatch(/^zc1\./)
    expect(cache.tagVersion("a")).toBe(0)
    collector.add("b")
    await collector.commit()
    const { cursor } = cache.status()
    await collector.commit()
    expect(cache.status().cursor).toBe(cursor)
    expect(cache.tagVersion("b")).toBeGreaterThan(0)
  })

  test("a bad tag throws at add, and adds none of that call", async () => {
    const { cache } = makeCache()
    const collector = cache.collect()
    expect(() => collector.add("fine", "not a tag")).toThrow(
      expect.objectContaining({ code: "ERR_ZOOCACHE_INVALID_TAG" }),
    )
    await collector.commit()
    expect(cache.tagVersion("fine")).toBe(0)
  })
})

test("a promise that somebody forgot to await is not stored as a value", async () => {
  const { cache } = makeCache()
  expect(await rejectionOf(cache.set("key", Promise.resolve(1)))).toMatchObject({
    code: "ERR_ZOOCACHE_INVALID_OPTION",
    message: expect.stringContaining("await it first"),
  })
})

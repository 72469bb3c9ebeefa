import { describe, expect, test } from "vitest"
import { makeCache, rejectionOf } from "../support/caches.js"

function tenants() {
  const bench = makeCache()
  const one = bench.cache.scope("tenant:1")
  const two = bench.cache.scope("tenant:2")
  return { ...bench, one, two }
}

describe("a scope", () => {
  test("has keys of its own", async () => {
    const { cache, one, two } = tenants()
    await Promise.all([cache.set("key", "whole"), one.set("key", "one"), two.set("key", "two")])
    expect(await Promise.all([cache.get("key"), one.get("key"), two.get("key")])).toEqual(["whole", "one", "two"])
    await one.delete("key")
    expect(await Promise.all([cache.get("key"), one.get("key"), two.get("key")])).toEqual(["whole", undefined, "two"])
  })

  test("has function names of its own", async () => {
    const { cache } = makeCache()
    const make = (view: typeof cache, value: string) => view.cacheable(async () => value, { name: "load" })
    const functions = [make(cache, "whole"), make(cache.scope("a"), "a"), make(cache.scope("b"), "b")]
    expect(await Promise.all(functions.map((load) => load()))).toEqual(["whole", "a", "b"])
    expect(new Set(functions.map((load) => load.keyOf())).size).toBe(3)
  })

  test("has tags that live below its own", async () => {
    const { cache, one, two } = tenants()
    await Promise.all([one.set("key", 1, { deps: ["user:1"] }), two.set("key", 1, { deps: ["user:1"] })])
    await cache.invalidate("user:1")
    expect([await one.has("key"), await two.has("key")]).toEqual([true, true])
    await one.invalidate("user")
    expect([await one.has("key"), await two.has("key")]).toEqual([false, true])
    await cache.invalidate("tenant:2:user:1")
    expect(await two.has("key")).toBe(false)
    expect(one.tagVersion("user")).toBe(cache.tagVersion("tenant:1:user"))
  })

  test("can't reach outside, whatever its tags and keys look like", async () => {
    const { cache, one } = tenants()
    await cache.set("key", 1, { deps: ["user:1"] })
    for (const tag of ["", ":", "..", "user:1", "tenant:2"]) await one.invalidate(tag).catch(() => {})
    for (const key of ["key", "..:key", "tenant:2:key", "\tkey", "ƒscope:\tkey"]) await one.delete(key).catch(() => {})
    expect(await cache.get("key")).toBe(1)
    expect(await rejectionOf(one.set("ƒscope:tenant:2:\tkey", 1))).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_KEY" })
    await one.set("key", 2)
    // The form in which loads, events and errors name a key of a scope: the whole cache knows it, other scopes don't.
    expect(await cache.get("ƒscope:tenant:1:\tkey")).toBe(2)
    expect(await one.get("ƒscope:tenant:1:\tkey")).toBe(2)
    expect(await rejectionOf(one.get("ƒscope:tenant:10:\tkey"))).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_KEY" })
  })

  test("can't reach functions outside by their keys, but those of its own scopes", async () => {
    const { cache, one, two } = tenants()
    const load = cache.cacheable(async () => 1, { name: "load" })
    const elsewhere = two.cacheable(async () => 1, { name: "load" })
    const own = one.cacheable(async () => 1, { name: "load" })
    const nested = one.scope("team:1").cacheable(async () => 1, { name: "load" })
    await Promise.all([load(), elsewhere(), own(), nested()])
    for (const { keyOf } of [load, elsewhere]) {
      expect(await rejectionOf(one.get(keyOf()))).toMatchObject({
        code: "ERR_ZOOCACHE_INVALID_KEY",
        message: expect.stringContaining("it belongs to a function outside of the scope `tenant:1`"),
      })
      expect(await rejectionOf(one.delete(keyOf()))).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_KEY" })
    }
    for (const { keyOf } of [own, nested]) expect(await one.get(keyOf())).toBe(1)
    for (const { keyOf } of [load, elsewhere, own, nested]) expect(await cache.get(keyOf())).toBe(1)
  })

  test("is cleared alone, with its own scopes", async () => {
    const { cache, one, two } = tenants()
    const nested = one.scope("team:1")
    const lookalike = cache.scope("tenant:10")
    const views = [cache, one, two, nested, lookalike]
    for (const view of views) await view.set("key", 1)
    const functions = views.map((view) => view.cacheable(async () => 1, { name: "load" }))
    for (const load of functions) await load()
    await one.clear()
    expect(await Promise.all(views.map((view) => view.has("key")))).toEqual([true, false, true, false, true])
    expect(functions.map((load) => load.peek())).toEqual([1, undefined, 1, undefined, 1])
    await cache.invalidate("tenant")
    expect(await Promise.all(views.map((view) => view.has("key")))).toEqual([true, false, false, false, false])
  })

  test("nested means: below the tag of the outer one", async () => {
    const { cache, one } = tenants()
    const nested = one.scope("team:1")
    await nested.set("key", 1, { deps: ["t"] })
    expect(await cache.scope("tenant:1:team:1").get("key")).toBe(1)
    expect(await one.lookup("key")).toBeUndefined()
    await one.invalidate("team:1:t")
    expect(await nested.lookup("key")).toBeUndefined()
  })

  test("does not confuse keys and tags at the seam", async () => {
    const { cache } = makeCache()
    await cache.scope("a").set("b:key", 1)
    await cache.scope("a:b").set("key", 2)
    expect(await cache.scope("a").get("b:key")).toBe(1)
    expect(await cache.scope("a:b").get("key")).toBe(2)
  })

  test("passes its tags on to outer loads", async () => {
    const { cache, one } = tenants()
    const inner = one.cacheable(async () => 1, { name: "inner", deps: ["t"] })
    const outer = cache.cacheable(async () => inner(), { name: "outer" })
    for (const change of [() => one.invalidate("t"), () => one.clear(), () => inner.clear()]) {
      await outer()
      expect(outer.peek()).toBe(1)
      await change()
      expect(outer.peek()).toBeUndefined()
    }
  })

  test("works for batches, sync functions, getOrLoad and collectors", async () => {
    const { cache, one } = tenants()
    const many = one.cacheableMany(async (ids: readonly number[]) => ids.map((id) => id), { deps: (id) => [`n:${id}`] })
    const sync = one.cacheableSync(() => 1, { deps: ["t"] })
    await many([1])
    sync()
    await one.getOrLoad("key", () => 1, { deps: ["t"] })
    await cache.invalidate("n", "t")
    expect([many.peek(1), sync.peek(), await one.get("key")]).toEqual([1, 1, 1])
    const collector = one.collect()
    collector.add("n", "t")
    await collector.commit()
    expect([many.peek(1), sync.peek(), await one.get("key")]).toEqual([undefined, undefined, undefined])
  })

  test("explains its entries by the key that it was asked for", async () => {
    const { one } = tenants()
    await one.set("key", 1)
    expect(one.explain("key")).toMatchObject({ key: "key", state: "fresh" })
  })

  test("checks its tag, and that what is below it fits", async () => {
    const { cache } = makeCache()
    expect(() => cache.scope("not a tag")).toThrow(expect.objectContaining({ code: "ERR_ZOOCACHE_INVALID_TAG" }))
    expect(() => cache.scope("")).toThrow(expect.objectContaining({ code: "ERR_ZOOCACHE_INVALID_TAG" }))
    const deep = cache.scope(Array.from({ length: 16 }, () => "s").join(":"))
    await expect(deep.invalidate("one:more")).rejects.toMatchObject({ code: "ERR_ZOOCACHE_INVALID_TAG" })
  })
})

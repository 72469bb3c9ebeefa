/** The store itself; `integration/migrations` runs it below Keyv 5 and 6, with their own tests. */
import { createCache, InvalidOptionError, InvalidTagError, tag } from "zoocache"
import { keyvStore } from "zoocache/keyv"
import { FaultyLog, ManualClock } from "zoocache/testing"
import { expect, test } from "vitest"

test("keeps what it is given, for as long as it is told", async () => {
  const clock = new ManualClock()
  const store = keyvStore(createCache({ clock }))
  expect(await store.set("a", "1")).toBe(true)
  await store.set("b", "2", 1000)
  await store.setMany([
    { key: "c", value: "3", ttl: 2000 },
    { key: "d", value: "4" },
  ])
  expect(await store.getMany(["a", "b", "none", "c", "d"])).toEqual(["1", "2", undefined, "3", "4"])
  expect(await store.hasMany(["a", "none"])).toEqual([true, false])
  clock.advance(1000)
  expect(await store.get("b")).toBeUndefined()
  expect(await store.has("b")).toBe(false)
  expect(await store.get("c")).toBe("3")
  clock.advance(1000)
  expect(await store.getMany(["a", "c", "d"])).toEqual(["1", undefined, "4"])
})

test("says of a deletion whether there was anything", async () => {
  const store = keyvStore(createCache())
  await store.set("a", "1")
  expect([await store.delete("a"), await store.delete("a")]).toEqual([true, false])
  await store.set("b", "2")
  expect([await store.deleteMany(["none", "b"]), await store.deleteMany(["none", "b"])]).toEqual([true, false])
})

test("clears its namespace and no other", async () => {
  const cache = createCache()
  const stores = [undefined, "", "a", "b", "%", "keyv", "a/b"].map((namespace) => {
    const store = keyvStore(cache)
    store.namespace = namespace
    return store
  })
  for (const cleared of stores) {
    for (const store of stores) await store.set("k", "v")
    await cleared.clear()
    // Without a namespace is without one, however it is said.
    const isBare = (store: (typeof stores)[number]) => (store.namespace ?? "") === ""
    for (const store of stores) {
      const isCleared = store === cleared || (isBare(store) && isBare(cleared))
      expect(await store.has("k"), `${store.namespace} after ${cleared.namespace}`).toBe(!isCleared)
    }
  }
  await cache.invalidate("keyv")
  for (const store of stores) expect(await store.has("k")).toBe(false)
})

test("keeps namespaces and keys apart that look alike when they are joined", async () => {
  const cache = createCache()
  const [one, other] = [keyvStore(cache), keyvStore(cache)]
  one.namespace = "a"
  other.namespace = "a/b"
  await one.set("b/c", "one")
  expect(await other.get("c")).toBeUndefined()
})

test("its entries die with the tags that `deps` names", async () => {
  const cache = createCache()
  const byKey = keyvStore(cache, { deps: (key) => [tag`user:${key}`] })
  const constant = keyvStore(cache, { deps: ["config"] })
  byKey.namespace = "users"
  constant.namespace = "config"
  await byKey.set("1", "Ada")
  await byKey.setMany([{ key: "2", value: "Grace" }])
  await constant.set("x", "y")
  await cache.invalidate("user:2")
  expect(await byKey.getMany(["1", "2"])).toEqual(["Ada", undefined])
  await cache.invalidate("config")
  expect(await constant.get("x")).toBeUndefined()
  await cache.invalidate("user")
  expect(await byKey.get("1")).toBeUndefined()
})

test("a cached function inherits what it read", async () => {
  const cache = createCache()
  const store = keyvStore(cache, { deps: (key) => [tag`user:${key}`] })
  await store.set("1", "Ada")
  const greet = cache.cacheable(async () => `Hello ${await store.get("1")}`, { name: "greet" })
  expect(await greet()).toBe("Hello Ada")
  await cache.invalidate("user:1")
  await store.set("1", "Grace")
  expect(await greet()).toBe("Hello Grace")
})

/** Reads through, with an invalidation between the row that is read and its `set`. */
async function readThrough(inReading: boolean): Promise<unknown> {
  const cache = createCache()
  const store = keyvStore(cache, { deps: (key) => [tag`user:${key}`] })
  let row = "old"
  const read = async (): Promise<string> => {
    const seen = row
    row = "new"
    await cache.invalidate("user:1")
    await store.set("1", seen)
    return seen
  }
  expect(inReading ? await store.reading(read) : await read()).toBe("old")
  return await store.get("1")
}

test("what is invalidated between the read and its set is not kept in `reading`", async () => {
  expect(await readThrough(true)).toBeUndefined()
  // Without, the value counts as read when it is set: why there is `reading`.
  expect(await readThrough(false)).toBe("old")
})

test("`reading` counts from the load around it, keeps that load's result storable, and hands everything through", async () => {
  const cache = createCache()
  const store = keyvStore(cache, { deps: ["t"] })
  const response = new Response("body")
  expect(await store.reading(() => response)).toBe(response)
  await expect(store.reading(() => Promise.reject(new Error("no row")))).rejects.toThrow("no row")
  await expect(store.reading(undefined as never)).rejects.toThrow(InvalidOptionError)

  let loads = 0
  const load = cache.cacheable(
    async () => {
      loads += 1
      await store.reading(() => store.set("k", "v"))
      return loads
    },
    { name: "load" },
  )
  expect([await load(), await load()]).toEqual([1, 1])
  const overtaken = cache.cacheable(
    async () => {
      await cache.invalidate("t")
      await store.reading(() => store.set("k", "v2"))
    },
    { name: "overtaken" },
  )
  await overtaken()
  expect(await store.get("k")).toBeUndefined()
})

test("`reading` inside of another cache's load counts from its own beginning", async () => {
  const cache = createCache()
  const other = createCache()
  const store = keyvStore(cache, { deps: ["t"] })
  await other.getOrLoad("x", () =>
    store.reading(async () => {
      await cache.invalidate("t")
      await store.set("k", "v")
    }),
  )
  expect(await store.get("k")).toBeUndefined()
})

test("an entry dies in the other process, too", async () => {
  const clock = new ManualClock()
  const shared = new FaultyLog({ clock })
  const a = createCache({ clock, log: shared.connect("a") })
  const b = createCache({ clock, log: shared.connect("b") })
  await Promise.all([a.ready(), b.ready()])
  const [ours, theirs] = [keyvStore(a, { deps: ["t"] }), keyvStore(b, { deps: ["t"] })]
  await theirs.set("k", "v")
  await ours.clear()
  await b.sync()
  expect(await theirs.get("k")).toBeUndefined()
  await Promise.all([a.close(), b.close()])
})

test("refuses what it can't use", async () => {
  const cache = createCache()
  expect(() => keyvStore({} as never)).toThrow(InvalidOptionError)
  expect(() => keyvStore(cache, { tags: ["a"] } as never)).toThrow(/deps/)
  expect(() => keyvStore(cache, { deps: "a" as never })).toThrow(InvalidOptionError)
  await expect(keyvStore(cache, { deps: () => "a" as never }).set("k", "v")).rejects.toThrow(InvalidOptionError)
  await expect(keyvStore(cache, { deps: ["a b"] }).set("k", "v")).rejects.toThrow(InvalidTagError)
})

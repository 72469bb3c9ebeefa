/** Keys of a scope in the form in which loads, events and errors name them, used from inside and from outside. */
import { describe, expect, test } from "vitest"
import type { Cache } from "zoocache"
import { currentLoad } from "zoocache"
import { makeCache, rejectionOf } from "../support/caches.js"
import { Machine } from "../support/shared.js"

/** The whole key of `name` in a scope, as its load is told. */
async function wholeKeyOf(scope: Cache, name: string): Promise<string> {
  const key = await scope.getOrLoad(name, () => currentLoad()?.key ?? "")
  await scope.delete(name)
  return key
}

const writes: [string, (cache: Cache, key: string) => Promise<unknown>][] = [
  ["set", (cache, key) => cache.set(key, "value")],
  ["set with deps of its own", (cache, key) => cache.set(key, "value", { deps: ["elsewhere"] })],
  [
    "setMany",
    (cache, key) =>
      cache.setMany([
        ["other", 1],
        [key, "value"],
      ]),
  ],
  ["set in a transaction", (cache, key) => cache.transaction(() => cache.set(key, "value"))],
  ["getOrLoad", (cache, key) => cache.getOrLoad(key, () => "value")],
  ["getOrLoad with deps of its own", (cache, key) => cache.getOrLoad(key, () => "value", { deps: ["elsewhere"] })],
]

describe.each(writes)("a value that %s stores under a whole key of a scope", (_name, write) => {
  const ends: [string, (cache: Cache) => Promise<unknown>][] = [
    ["scope.clear()", (cache) => cache.scope("tenant:10").clear()],
    ["the clear() of a scope around", (cache) => cache.scope("tenant").clear()],
    ["an invalidation of the scope's tag", (cache) => cache.invalidate("tenant:10")],
    ["an invalidation of a tag above", (cache) => cache.invalidate("tenant")],
    ["the deletion of its key there", (cache) => cache.scope("tenant:10").delete("k")],
  ]
  test.each(ends)("is gone after %s", async (_end, end) => {
    const { cache } = makeCache()
    const scope = cache.scope("tenant:10")
    const key = await wholeKeyOf(scope, "k")
    await write(cache, key)
    expect([await scope.get("k"), await cache.get(key)]).toEqual(["value", "value"])
    await cache.invalidate("tenant:1", "tenant:11", "tenant:10:k")
    await cache.scope("tenant:11").clear()
    expect(await scope.get("k")).toBe("value")
    await end(cache)
    expect([await scope.lookup("k"), await cache.lookup(key)]).toEqual([undefined, undefined])
  })

  test("is gone after the scope was cleared, written from the scope around the key's", async () => {
    const { cache } = makeCache()
    const tenant = cache.scope("tenant:10")
    const user = tenant.scope("user:1")
    const key = await wholeKeyOf(user, "k")
    await write(tenant, key)
    expect(await user.get("k")).toBe("value")
    await user.clear()
    expect(await user.lookup("k")).toBeUndefined()
    await write(tenant, key)
    await tenant.clear()
    expect(await user.lookup("k")).toBeUndefined()
  })

  test("is gone for other processes on a shared store, too", async () => {
    const machine = new Machine()
    const [here, there] = [await machine.join(), await machine.join()]
    const key = await wholeKeyOf(here.cache.scope("tenant:10"), "k")
    await write(here.cache, key)
    expect(await there.cache.scope("tenant:10").get("k")).toBe("value")
    await there.cache.scope("tenant:10").clear()
    expect(await here.cache.lookup(key)).toBeUndefined()
    expect(await there.cache.scope("tenant:10").lookup("k")).toBeUndefined()
    await write(here.cache, key)
    await here.cache.invalidate("tenant:10")
    expect(await there.cache.lookup(key)).toBeUndefined()
  })

  test("can't be written from a scope beside", async () => {
    const { cache } = makeCache()
    const key = await wholeKeyOf(cache.scope("tenant:10"), "k")
    for (const scope of [cache.scope("tenant:1"), cache.scope("tenant:10:user"), cache.scope("other")]) {
      expect(await rejectionOf(write(scope, key))).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_KEY" })
    }
    expect(await cache.lookup(key)).toBeUndefined()
  })
})

test("deps that come with a whole key are named in the view of the caller", async () => {
  const { cache } = makeCache()
  const key = await wholeKeyOf(cache.scope("tenant:10"), "k")
  await cache.set(key, "value", { deps: ["shared"] })
  expect(cache.explain(key).dependencies).toEqual(["tenant:10", "shared"])
  await cache.invalidate("shared")
  expect(await cache.lookup(key)).toBeUndefined()
})

test("getMany, has, explain and delete take whole keys from outside", async () => {
  const { cache } = makeCache()
  const scope = cache.scope("tenant:10")
  const key = await wholeKeyOf(scope, "k")
  await scope.set("k", 1)
  expect(await cache.getMany([key, "k"])).toEqual(new Map([[key, 1]]))
  expect(await cache.has(key)).toBe(true)
  expect(cache.explain(key)).toMatchObject({ key, state: "fresh" })
  await cache.delete(key)
  expect(await scope.lookup("k")).toBeUndefined()
})

test("the deps of a load that a whole key began are reached by its scope, and by the view that named them", async () => {
  const { cache } = makeCache()
  const scope = cache.scope("tenant:10")
  const key = await wholeKeyOf(scope, "k")
  const read = () =>
    cache.getOrLoad(key, (load) => {
      load.addDeps("added")
      return "value"
    })
  await read()
  await cache.invalidate("tenant:10:added")
  expect(await scope.get("k")).toBe("value")
  await cache.invalidate("added")
  expect(await scope.lookup("k")).toBeUndefined()
})

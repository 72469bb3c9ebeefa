/** Lists of any length: nothing whose length a user chooses becomes arguments of a call. */
import { describe, expect, test } from "vitest"
import type { Cache } from "zoocache"
import { makeCache, steered } from "../support/caches.js"
import { Machine } from "../support/shared.js"

// More than the arguments that any call takes: engines differ between 65,000 and 125,000.
const COUNT = 130_000
const tags = Array.from({ length: COUNT }, (_, index) => `t:${index}`)
const keys = Array.from({ length: COUNT }, (_, index) => `k${index}`)

describe("130,000 tags", () => {
  const ways: [string, (cache: Cache) => Promise<unknown>][] = [
    ["invalidate", (cache) => cache.invalidate(tags)],
    ["expire", (cache) => cache.expire(tags)],
    ["invalidate in a transaction", (cache) => cache.transaction(() => cache.invalidate(tags))],
    [
      "invalidate in a nested transaction",
      (cache) => cache.transaction(() => cache.transaction(() => cache.invalidate(tags))),
    ],
    [
      "collect",
      (cache) => {
        const collected = cache.collect()
        for (let from = 0; from < COUNT; from += 50_000) collected.add(...tags.slice(from, from + 50_000))
        return collected.commit()
      },
    ],
  ]
  test.each(ways)("%s", async (_way, invalidate) => {
    const { cache } = makeCache()
    for (const at of [0, COUNT - 1]) await cache.set(`on ${at}`, at, { deps: [`t:${at}`] })
    await cache.set("other", 1, { deps: ["u"] })
    await invalidate(cache)
    expect(await cache.getMany(["on 0", `on ${COUNT - 1}`, "other"])).toEqual(new Map([["other", 1]]))
  })

  test("as deps of a value that is set, inside a transaction and outside", async () => {
    const { cache } = makeCache()
    await cache.set("a", 1, { deps: tags })
    await cache.transaction(() => cache.set("b", 1, { deps: tags }))
    expect(await cache.getMany(["a", "b"])).toEqual(
      new Map([
        ["a", 1],
        ["b", 1],
      ]),
    )
    await cache.invalidate(`t:${COUNT - 1}`)
    expect(await cache.getMany(["a", "b"])).toEqual(new Map())
  })

  test("as deps and depsOf of a function, and of one that uses it", async () => {
    const { cache } = makeCache()
    const inner = cache.cacheable(async () => 1, { name: "inner", deps: () => tags, depsOf: () => tags })
    const outer = cache.cacheable(() => inner(), { name: "outer", deps: ["own"] })
    await outer()
    expect(outer.explain()).toMatchObject({ state: "fresh" })
    expect(outer.explain().dependencies).toHaveLength(COUNT + 2)
    await cache.invalidate(`t:${COUNT - 1}`)
    expect([inner.peek(), outer.peek()]).toEqual([undefined, undefined])
    await inner.prime([], 2, { asOf: "now" })
    expect(inner.peek()).toBe(2)
  })
})

describe("130,000 keys", () => {
  const fill = (cache: Cache) => cache.setMany(keys.map((key) => [key, 1] as const))

  test("setMany, getMany and delete", async () => {
    const { cache } = makeCache({ memory: { maxEntries: 2 * COUNT } })
    await fill(cache)
    expect((await cache.getMany(keys)).size).toBe(COUNT)
    await cache.delete(keys)
    expect((await cache.getMany(keys)).size).toBe(0)
  })

  test("setMany and delete in a nested transaction", async () => {
    const { cache } = makeCache({ memory: { maxEntries: 2 * COUNT } })
    await cache.transaction(() => cache.transaction(() => fill(cache)))
    expect(cache.stats().entries).toBe(COUNT)
    await cache.transaction(() => cache.transaction(() => cache.delete(keys)))
    expect(cache.stats().entries).toBe(0)
  })

  test("many(ids), primeMany and the deletion of their keys", async () => {
    const { cache } = makeCache({ memory: { maxEntries: 2 * COUNT } })
    const batches: number[] = []
    const load = async (ids: readonly number[]) => {
      batches.push(ids.length)
      return ids.map((id) => id)
    }
    const many = cache.cacheableMany(load, { name: "many", deps: (id) => [`row:${id}`] })
    const ids = keys.map((_, index) => index)
    expect((await many(ids)).size).toBe(COUNT)
    expect(batches).toEqual([COUNT])
    await many.primeMany(
      ids.map((id) => [id, -id] as const),
      { asOf: "now" },
    )
    expect(many.peek(COUNT - 1)).toBe(1 - COUNT)
    await cache.delete(ids.map((id) => many.keyOf(id)))
    expect(cache.stats().entries).toBe(0)
  })
})

test("130,000 callers of one flight, and as many that came late", async () => {
  const { cache } = makeCache()
  const source = steered<number>()
  const read = cache.cacheable(source.loader, { name: "read", deps: ["t"] })
  const outer = cache.cacheable(async (_id: number) => read(), { name: "outer" })
  const calls = Array.from({ length: 65_000 }, (_, id) => outer(id))
  for (let id = 0; id < 65_000; id += 1) calls.push(read())
  await cache.invalidate("unrelated")
  for (let id = 65_000; id < 130_000; id += 1) calls.push(outer(id))
  for (let id = 0; id < 65_000; id += 1) calls.push(read())
  await cache.invalidate("t")
  source.runs[0]?.resolve(1)
  while (source.runs.length < 2) await Promise.resolve()
  source.runs[1]?.resolve(2)
  const values = await Promise.all(calls)
  expect(new Set(values.slice(0, 130_000))).toEqual(new Set([1]))
  expect(new Set(values.slice(130_000))).toEqual(new Set([2]))
})

test("a shared log and store take 50,000 tags and keys in one call", async () => {
  const machine = new Machine(200_000)
  const [here, there] = [await machine.join(), await machine.join()]
  const some = 50_000
  await here.cache.setMany(keys.slice(0, some).map((key, index) => [key, 1, { deps: [`t:${index}`] }] as const))
  expect(await there.cache.get(`k${some - 1}`)).toBe(1)
  await here.cache.invalidate(tags.slice(0, some))
  expect(await there.cache.lookup(`k${some - 1}`)).toBeUndefined()
  await here.cache.delete(keys.slice(0, some))
})

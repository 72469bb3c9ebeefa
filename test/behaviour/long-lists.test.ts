/** Lists of any length: nothing whose length a user chooses becomes arguments of a call. What takes longer is in long-lists.faults.ts. */
import { describe, expect, test } from "vitest"
import type { Cache } from "zoocache"
import { makeCache } from "../support/caches.js"

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
})

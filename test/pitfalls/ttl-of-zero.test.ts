import { expect, test } from "vitest"
import { makeCache } from "../support/caches.js"

test("a ttl of 0 or less does not store", async () => {
  const { cache } = makeCache()
  for (const ttl of [0, -1, "0s"] as const) {
    let loads = 0
    const load = cache.cacheable(async () => ++loads, { name: `ttl ${ttl}`, ttl })
    await load()
    expect(await load()).toBe(2)
    await cache.set("key", 1, { ttl })
    expect(await cache.lookup("key")).toBeUndefined()
  }
  expect(cache.stats()).toMatchObject({ stores: 0, entries: 0 })
})

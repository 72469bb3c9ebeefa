import { describe, expect, test } from "vitest"
import type { Cache } from "zoocache"
import type { ManualClock } from "zoocache/testing"
import { makeCache, steered } from "../support/caches.js"

describe("an invalidated entry never becomes valid again", () => {
  async function invalidated(): Promise<{
    cache: Cache
    load: () => Promise<number>
    key: string
    clock: ManualClock
  }> {
    const { cache, clock } = makeCache({ memory: { maxEntries: 20 } })
    let loads = 0
    const load = cache.cacheable(async () => ++loads, { name: "load", deps: ["t"] })
    await load()
    await cache.invalidate("t")
    return { cache, load, key: load.keyOf(), clock }
  }

  test("after a prune", async () => {
    const { cache, load, key, clock } = await invalidated()
    clock.advance(60_000)
    cache.prune()
    cache.prune("1ms")
    expect(await cache.lookup(key)).toBeUndefined()
    expect(await load()).toBe(2)
  })

  test("after evictions", async () => {
    const { cache, load, key } = await invalidated()
    for (let index = 0; index < 100; index += 1) await cache.set(`other:${index}`, index)
    expect(await cache.lookup(key)).toBeUndefined()
    expect(await load()).toBe(2)
  })

  test("after a clear", async () => {
    const { cache, load, key } = await invalidated()
    await cache.clear()
    expect(await cache.lookup(key)).toBeUndefined()
    expect(await load()).toBe(2)
  })

  test("when its tag is pruned while its load is still running", async () => {
    const { cache, clock } = makeCache()
    const source = steered<string>()
    const load = cache.cacheable(source.loader, { depsOf: () => ["t"] })
    const first = load()
    await cache.invalidate("t")
    clock.advance(3_600_000 / 2)
    cache.prune()
    source.last.resolve("old")
    await first.catch(() => {})
    expect(load.peek()).toBeUndefined()
  })

  test("when the wall clock goes back", async () => {
    const { cache, clock } = makeCache()
    let loads = 0
    const load = cache.cacheable(async () => ++loads, { deps: ["t"] })
    await load()
    clock.setWall(clock.wall() - 5_000)
    await cache.invalidate("t")
    expect(await load()).toBe(2)
    clock.setWall(clock.wall() - 3_600_000)
    await cache.invalidate("t")
    expect(await load()).toBe(3)
    expect(await load()).toBe(3)
  })
})

/** Cached functions that nobody holds any more. */
import { setImmediate as turn } from "node:timers/promises"
import { afterEach, describe, expect, test } from "vitest"
import * as zoocache from "zoocache"
import type { Cache, Cached, CachedMany, CachedSync } from "zoocache"
import { makeCache } from "../support/caches.js"

/** Runs the garbage collector until `isDone`, which it may need several rounds for. */
async function collect(isDone: () => boolean): Promise<void> {
  for (let round = 0; round < 50 && !isDone(); round += 1) {
    // A WeakRef that was looked at holds its object until the turn ends.
    await turn()
    ;(globalThis as unknown as { gc: () => void }).gc()
    await turn()
  }
}

const functionsOf = (cache: Cache) => Object.keys(cache.stats().functions).filter((name) => name !== "")

describe("a cached function without a name that nobody holds", () => {
  test("goes with its table, its entries and its tags; what it counted stays in the totals", async () => {
    const { cache } = makeCache()
    const tagsBefore = cache.stats().tags
    const serve = async (request: number) => {
      const load = cache.cacheable(async (id: number) => ({ id }), { deps: (id) => [`row:${request}:${id}`] })
      await load(1)
      await load(1)
    }
    for (let request = 0; request < 100; request += 1) await serve(request)
    await collect(() => functionsOf(cache).length === 0)
    const { entries, tags, hits, loads } = cache.stats()
    expect(functionsOf(cache)).toEqual([])
    expect({ entries, tags, hits, loads }).toEqual({ entries: 0, tags: tagsBefore, hits: 100, loads: 100 })
  })

  test("goes in each of its forms, whatever its hooks and its loader hold", async () => {
    const { cache } = makeCache()
    const define = async () => {
      const plain: Cached<(id: number) => Promise<number>> = cache.cacheable(
        async (id: number): Promise<number> => (id === 0 ? 0 : await plain(id - 1)),
        {
          sizeOf: () => plain.name.length + 1,
          validate: () => plain.length === 1,
          cacheErrors: () => (plain.length === 1 ? "1s" : false),
        },
      )
      const many: CachedMany<number, number> = cache.cacheableMany(async (ids: readonly number[]) =>
        ids.map((id) => id + many.length),
      )
      const sync: CachedSync<(id: number) => number> = cache.cacheableSync((id: number): number => id + sync.length)
      const scoped: Cached<() => Promise<number>> = cache
        .scope("tenant:1")
        .cacheable(async (): Promise<number> => scoped.length)
      await Promise.all([plain(2), many([1, 2]), many.one(3), scoped()])
      sync(1)
    }
    for (let request = 0; request < 10; request += 1) await define()
    await collect(() => functionsOf(cache).length === 0)
    expect(functionsOf(cache)).toEqual([])
    expect(cache.stats().entries).toBe(0)
  })

  test("stays while one of its methods is held, or while it loads", async () => {
    const { cache } = makeCache()
    const held: { peek?: (id: number) => unknown } = {}
    let finish = (_value: number): void => {}
    const define = () => {
      const load = cache.cacheable(async (id: number) => id)
      held.peek = load.peek
      void load(1)
      const slow = cache.cacheable(() => new Promise<number>((resolve) => (finish = resolve)))
      return slow()
    }
    const running = define()
    let isOver = false
    setTimeout(() => (isOver = true), 100)
    await collect(() => isOver)
    expect(functionsOf(cache)).toHaveLength(2)
    expect(held.peek?.(1)).toBe(1)
    finish(1)
    expect(await running).toBe(1)
    delete held.peek
    await collect(() => functionsOf(cache).length === 0)
    expect(functionsOf(cache)).toEqual([])
  })

  test("leaves its name to nobody: a store could still have its entries", async () => {
    const { cache } = makeCache()
    const names = new Set<string>()
    for (let request = 0; request < 5; request += 1) {
      names.add(cache.cacheable(async () => request).keyOf())
      await collect(() => functionsOf(cache).length === 0)
    }
    expect(names.size).toBe(5)
  })

  test("is collected of the default cache, too", async () => {
    for (let request = 0; request < 10; request += 1) await zoocache.cacheable(async () => request)()
    await collect(() => functionsOf(zoocache.defaultCache()).length === 0)
    expect(functionsOf(zoocache.defaultCache())).toEqual([])
  })

  test("goes after the close of its cache without harm, and keeps no cache", async () => {
    const caches: WeakRef<Cache>[] = []
    const define = async () => {
      const cache = zoocache.createCache()
      caches.push(new WeakRef(cache))
      await cache.cacheable(async () => 1)()
      await cache.close()
    }
    for (let count = 0; count < 5; count += 1) await define()
    const left = () => caches.filter((cache) => cache.deref() !== undefined).length
    // The last one may still lie in a register.
    await collect(() => left() < 2)
    expect(left()).toBeLessThan(2)
  })
})

describe("a cached function with a name", () => {
  test("stays, for others know it by its name", async () => {
    const { cache } = makeCache()
    const define = async () => void (await cache.cacheable(async () => 1, { name: "named" })())
    await define()
    let isOver = false
    setTimeout(() => (isOver = true), 100)
    await collect(() => isOver)
    expect(functionsOf(cache)).toEqual(["named"])
    expect(await cache.get("ƒ:named::")).toBe(1)
  })
})

afterEach(() => zoocache.reset())

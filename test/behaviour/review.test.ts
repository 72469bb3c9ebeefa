import { expect, test, vi } from "vitest"
import { checkInvariants, settled } from "zoocache/testing"
import { deferred, makeCache, rejectionOf } from "../support/caches.js"

// Each of these was found by a reader of the code, and failed before it was mended.

test("a value that is no longer to be kept ends the grace of the one before", async () => {
  const { cache, clock } = makeCache()
  let row: string | null = "row"
  let loads = 0
  const load = cache.cacheable(
    async () => {
      loads += 1
      return row
    },
    { name: "load", ttl: "1s", grace: "1h", cacheIf: (value) => value !== null },
  )
  expect(await load()).toBe("row")
  row = null
  clock.advance(1_100)
  expect(await load(), "served in grace while it is loaded anew").toBe("row")
  await settled()
  expect(await load()).toBe(null)
  expect(loads).toBe(3)
})

test("a refresh whose result is not kept leaves nothing older behind", async () => {
  const { cache } = makeCache()
  let value: number | null = 1
  const load = cache.cacheable(async () => value, { name: "load", cacheIf: (found) => found !== null })
  await load()
  value = null
  expect(await load.refresh()).toBe(null)
  expect(load.peek()).toBeUndefined()
})

test("a load that began before one whose result was not kept is not stored after it", async () => {
  const { cache } = makeCache()
  const gate = deferred()
  let runs = 0
  const load = cache.cacheable(
    async () => {
      runs += 1
      const run = runs
      if (run === 1) await gate.promise
      return run
    },
    { name: "load", cacheIf: (run) => run !== 2 },
  )
  const first = load()
  expect(await load.refresh()).toBe(2)
  gate.resolve()
  expect(await first).toBe(1)
  expect(load.peek()).toBeUndefined()
})

test("an asynchronous onFault that rejects is nobody's unhandled rejection", async () => {
  const unhandled = vi.fn()
  process.on("unhandledRejection", unhandled)
  const { createCache } = await import("zoocache")
  const cache = createCache({
    onFault: (() => Promise.reject(new Error("the listener is broken"))) as unknown as () => void,
  })
  const load = cache.cacheable(async () => 1, {
    name: "load",
    depsOf: () => {
      throw new Error("broken")
    },
  })
  expect(await load()).toBe(1)
  await settled()
  await cache.close()
  process.off("unhandledRejection", unhandled)
  expect(unhandled).not.toHaveBeenCalled()
})

test("entries without a ttl are served after the clock has passed what a small integer holds", async () => {
  const { cache, clock } = makeCache()
  const load = cache.cacheable(async () => 1, { name: "load" })
  await load()
  clock.advance(26 * 86_400_000)
  expect(load.peek()).toBe(1)
  expect(await load()).toBe(1)
  expect(cache.stats().loads).toBe(1)
})

test("an untracked load inside another says nothing on behalf of that one", async () => {
  const { cache } = makeCache()
  const { addDeps, currentLoad } = await import("zoocache")
  const seen: unknown[] = []
  const inner = cache.cacheable(
    async () => {
      seen.push(currentLoad())
      addDeps("leak")
      return 1
    },
    { name: "inner", tracking: false },
  )
  const outer = cache.cacheable(async () => inner(), { name: "outer" })
  await outer()
  expect(seen).toEqual([undefined])
  expect(outer.explain().dependencies).not.toContain("leak")
})

test("the version of a tag does not fall when it is used again after it was forgotten", async () => {
  const { cache } = makeCache()
  await cache.invalidate("a")
  cache.prune()
  const version = cache.tagVersion("a")
  await cache.cacheable(async () => 1, { name: "load", deps: ["a"] })()
  expect(cache.tagVersion("a")).toBe(version)
})

test("what an earlier definition of a name still uses does not spoil the books", async () => {
  const { cache } = makeCache({ redefine: true })
  const old = cache.cacheable(async () => 1, { name: "inner" })
  cache.cacheable(async () => 2, { name: "inner" })
  const outer = cache.cacheable(async () => old(), { name: "outer" })
  for (let call = 0; call < 5; call += 1) await outer()
  checkInvariants(cache)
})

test("explain says absent, not that somebody set it, of what has expired after it was loaded anew", async () => {
  const { cache, clock } = makeCache()
  const load = cache.cacheable(async () => 1, { name: "load", deps: ["t"], ttl: "1s" })
  await load()
  await cache.invalidate("t")
  await load()
  clock.advance(1_100)
  expect(load.peek()).toBeUndefined()
  expect(load.explain().text).not.toContain("set or deleted")
})

test("a promise that somebody forgot to await is not stored as a value", async () => {
  const { cache } = makeCache()
  expect(await rejectionOf(cache.set("key", Promise.resolve(1)))).toMatchObject({
    code: "ERR_ZOOCACHE_INVALID_OPTION",
    message: expect.stringContaining("await it first"),
  })
})

test("ten thousand unnamed functions are defined in an instant", () => {
  const { cache } = makeCache()
  for (let count = 0; count < 10_000; count += 1) cache.cacheable(async () => count)
  expect(Object.keys(cache.stats().functions)).toHaveLength(10_001)
})

/** Options of single calls, counters of functions that are defined again, and a cache that is switched off. */
import { describe, expect, test, vi } from "vitest"
import { createCache } from "zoocache"
import { settled } from "zoocache/testing"
import { deferred, errorOf, makeCache, stateOf, steered } from "../support/caches.js"

const badSignals = [null, "abort", 1, {}, { aborted: false }, new AbortController()]

describe("a signal that is none", () => {
  const calls = {
    with: (signal: never) => {
      const { cache } = makeCache()
      return cache.cacheable(async () => 1, { name: "f" }).with({ signal })()
    },
    getOrLoad: (signal: never) => makeCache().cache.getOrLoad("key", () => 1, { signal }),
    sync: (signal: never) => makeCache().cache.sync(undefined, { signal }),
    invalidate: (signal: never) => makeCache().cache.invalidate(["t"], { signal }),
    expire: (signal: never) => makeCache().cache.expire(["t"], { signal }),
  }
  test.each(Object.entries(calls))("is an InvalidOptionError in %s", async (_name, call) => {
    for (const signal of badSignals) {
      expect(await errorOf(() => call(signal as never))).toMatchObject({
        code: "ERR_ZOOCACHE_INVALID_OPTION",
        subject: "signal",
        message: expect.stringContaining("AbortSignal"),
      })
    }
  })

  test("invalidates nothing", async () => {
    const { cache } = makeCache()
    await cache.set("key", 1, { deps: ["t"] })
    await errorOf(() => cache.invalidate(["t"], { signal: {} as never }))
    expect(await cache.get("key")).toBe(1)
  })
})

test("with(…) refuses a `fresh` that is no boolean, and names that it does not know", () => {
  const { cache } = makeCache()
  const fn = cache.cacheable(async () => 1, { name: "f" })
  for (const fresh of ["no", 0, 1, null, {}]) {
    expect(() => fn.with({ fresh: fresh as never })).toThrow(
      expect.objectContaining({ code: "ERR_ZOOCACHE_INVALID_OPTION", subject: "fresh" }),
    )
  }
  expect(() => fn.with({ refresh: true } as never)).toThrow(expect.objectContaining({ subject: "refresh" }))
  expect(() => fn.with(undefined as never)).toThrow(expect.objectContaining({ code: "ERR_ZOOCACHE_INVALID_OPTION" }))
})

describe("with enabled: false", () => {
  const ways = {
    "a call": (loader: () => Promise<number>, signal?: AbortSignal) => {
      const { cache, clock } = makeCache({ enabled: false, timeout: 100 })
      return { clock, reading: cache.cacheable(loader, { name: "f" }).with({ signal })() }
    },
    getOrLoad: (loader: () => Promise<number>, signal?: AbortSignal) => {
      const { cache, clock } = makeCache({ enabled: false, timeout: 100 })
      return { clock, reading: cache.getOrLoad("key", loader, { signal }) }
    },
  }
  test.each(Object.entries(ways))("%s leaves at its signal", async (_way, call) => {
    const controller = new AbortController()
    const { reading } = call(steered<number>().loader, controller.signal)
    expect(await stateOf(reading)).toBe("pending")
    controller.abort(new Error("left"))
    expect(await stateOf(reading)).toEqual({ error: new Error("left") })
  })

  test.each(Object.entries(ways))("%s does not begin with a signal that has aborted", async (_way, call) => {
    const loader = vi.fn(async () => 1)
    const { reading } = call(loader, AbortSignal.abort(new Error("left")))
    expect(await stateOf(reading)).toEqual({ error: new Error("left") })
    expect(loader).not.toHaveBeenCalled()
  })

  test.each(Object.entries(ways))("%s ends with its hard timeout", async (_way, call) => {
    const { clock, reading } = call(steered<number>().loader)
    const state = reading.catch((error: unknown) => error)
    await settled()
    clock.advance(101)
    expect(await state).toMatchObject({ code: "ERR_ZOOCACHE_LOAD_TIMEOUT" })
  })

  test.each(Object.entries(ways))("%s that answers in time leaves no timer", async (_way, call) => {
    const gate = deferred<number>()
    const { clock, reading } = call(() => gate.promise, new AbortController().signal)
    gate.resolve(1)
    expect(await reading).toBe(1)
    clock.advance(1_000)
    await settled()
  })

  test("many ids end with the hard timeout, too", async () => {
    const { cache, clock } = makeCache({ enabled: false, timeout: 100 })
    const many = cache.cacheableMany(() => new Promise<number[]>(() => {}), { name: "many" })
    const state = many([1]).catch((error: unknown) => error)
    await settled()
    clock.advance(101)
    expect(await state).toMatchObject({ code: "ERR_ZOOCACHE_LOAD_TIMEOUT" })
  })
})

describe("stats", () => {
  test("counts of a function go on where it is defined again, and no sum ever falls", async () => {
    const { cache } = makeCache({ redefine: "replace" })
    const define = () => cache.cacheable(async (id: number) => id, { name: "f" })
    let before = cache.stats()
    for (let round = 1; round <= 3; round += 1) {
      const fn = define()
      await fn(1)
      await fn(1)
      const now = cache.stats()
      for (const [name, count] of Object.entries(before.functions["f"] ?? {})) {
        expect([name, now.functions["f"]?.[name as "hits"]]).toEqual([name, expect.toSatisfy((n) => n >= count)])
      }
      expect(now.functions["f"]).toMatchObject({ loads: round, hits: round, stores: round })
      expect(now).toMatchObject({ loads: round, hits: round })
      before = now
    }
  })

  test("an old definition that is still called counts, too", async () => {
    const { cache } = makeCache({ redefine: "replace" })
    const old = cache.cacheable(async () => 1, { name: "f" })
    const next = cache.cacheable(async () => 1, { name: "f" })
    await old()
    await next()
    expect(cache.stats().functions["f"]).toMatchObject({ loads: 2 })
  })

  test("a name with an @ and a version have lines of their own", async () => {
    const { cache } = makeCache()
    const named = [
      cache.cacheable(async () => 1, { name: "a@1" }),
      cache.cacheable(async () => 1, { name: "a", version: 1 }),
      cache.cacheable(async () => 1, { name: "a", version: "1@2" }),
      cache.cacheable(async () => 1, { name: "a@1", version: 2 }),
      cache.cacheable(async () => 1, { name: "a" }),
      cache.cacheable(async () => 1, { name: "a@" }),
    ]
    for (const [index, fn] of named.entries()) for (let call = 0; call <= index; call += 1) await fn()
    const hits = Object.entries(cache.stats().functions).flatMap(([name, counts]) => (name === "" ? [] : [counts.hits]))
    expect(hits).toEqual([0, 1, 2, 3, 4, 5])
  })
})

test("getMany rejects on a closed cache, also without keys", async () => {
  const cache = createCache()
  await cache.close()
  for (const keys of [[], ["key"]]) {
    expect(await errorOf(() => cache.getMany(keys))).toMatchObject({ code: "ERR_ZOOCACHE_CLOSED" })
  }
})

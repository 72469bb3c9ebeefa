import { describe, expect, test } from "vitest"
import { makeCache } from "../support/caches.js"

describe("a fault of the cache does not fail a call whose loader succeeded", () => {
  const fails = () => {
    throw new Error("the hook is broken")
  }
  test.each([
    ["depsOf", { depsOf: fails }],
    ["ttl", { ttl: fails }],
    ["cacheIf", { cacheIf: fails }],
    ["sizeOf", { sizeOf: fails }],
  ])("when %s throws: the value is returned and not stored, and the fault is told", async (hook, options) => {
    const { cache, faults } = makeCache({ memory: { maxBytes: 10_000 } })
    const load = cache.cacheable(async () => "value", { name: "load", ...options })
    expect(await load()).toBe("value")
    expect(load.peek()).toBeUndefined()
    expect(faults).toEqual([
      {
        key: load.keyOf(),
        error: expect.objectContaining({ code: "ERR_ZOOCACHE_HOOK", subject: hook }),
      },
    ])
    expect(cache.stats().faults).toBe(1)
  })

  test("when cacheErrors throws: callers get the error of the loader", async () => {
    const { cache, faults } = makeCache()
    const load = cache.cacheable(() => Promise.reject(new Error("down")), { cacheErrors: fails })
    await expect(load()).rejects.toThrow("down")
    expect(faults).toHaveLength(1)
  })

  test("when onFault itself throws", async () => {
    const { cache } = makeCache({ onFault: fails })
    const load = cache.cacheable(async () => "value", { cacheIf: fails })
    expect(await load()).toBe("value")
  })

  test("when the value refuses to be frozen", async () => {
    const { cache, faults } = makeCache()
    const stubborn = new Proxy({ a: 1 }, { preventExtensions: () => false })
    const load = cache.cacheable(async () => stubborn)
    expect(await load()).toBe(stubborn)
    expect(load.peek()).toBeUndefined()
    expect(faults).toHaveLength(1)
  })

  test("when the value refuses to be looked at", async () => {
    const { cache, faults } = makeCache()
    const secretive = new Proxy({ a: 1 }, { ownKeys: fails })
    const load = cache.cacheable(async () => secretive)
    expect(await load()).toBe(secretive)
    expect(load.peek()).toBeUndefined()
    expect(faults).toHaveLength(1)
  })

  test("when the value can't be cloned", async () => {
    const { cache, faults } = makeCache({ isolation: "clone" })
    const value = { callback: () => 1 }
    const load = cache.cacheable(async () => value)
    expect(await load()).toBe(value)
    expect(load.peek()).toBeUndefined()
    expect(faults).toHaveLength(1)
  })
})

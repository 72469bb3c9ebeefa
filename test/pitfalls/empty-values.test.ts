import { describe, expect, test, vi } from "vitest"
import { makeCache } from "../support/caches.js"

describe.each([0, -0, false, "", null, undefined, Number.NaN, 0n])("%s is a value", (value) => {
  test("a function that returns it runs once", async () => {
    const { cache } = makeCache()
    const loader = vi.fn(async () => value)
    const load = cache.cacheable(loader)
    expect(await load()).toBe(value)
    expect(await load()).toBe(value)
    expect(loader).toHaveBeenCalledTimes(1)
  })

  test("set by hand it is found", async () => {
    const { cache } = makeCache()
    await cache.set("key", value)
    expect(await cache.lookup("key")).toMatchObject({ value, state: "fresh" })
    expect(await cache.get("key")).toBe(value)
    expect(await cache.has("key")).toBe(true)
    expect(await cache.getMany(["key", "other"])).toEqual(new Map([["key", value]]))
    expect(await cache.getOrLoad("key", () => expect.fail("it was loaded"))).toBe(value)
  })
})

import { describe, expect, test } from "vitest"
import { HookError } from "zoocache"
import { makeCache } from "../support/caches.js"

describe("a budget of bytes", () => {
  test.each<[string, unknown]>([
    ["Infinity", Number.POSITIVE_INFINITY],
    ["Number.MAX_VALUE", Number.MAX_VALUE],
    ["1e22", 1e22],
    ["NaN", Number.NaN],
    ["a negative number", -5],
    ["a text", "1000"],
    ["a promise that rejects", "promise"],
  ])("holds whatever `sizeOf` answers: %s is not stored, and said", async (_name, answer) => {
    const sizeOf = (value: unknown): number =>
      value !== "odd" ? 1_000 : ((answer === "promise" ? Promise.reject(new Error("handled")) : answer) as number)
    const { cache, faults } = makeCache({ memory: { maxBytes: Number.MAX_SAFE_INTEGER, sizeOf } })
    const load = cache.cacheable(async (value: string) => value)
    for (let round = 0; round < 3; round += 1) {
      expect(await load("odd")).toBe("odd")
      await load(`small ${round}`)
      await cache.set("odd", "odd")
    }
    expect(load.peek("odd")).toBe(undefined)
    expect(await cache.lookup("odd")).toBe(undefined)
    expect(load.peek("small 0")).toBe("small 0")
    expect(faults).toHaveLength(6)
    for (const { error } of faults) expect(error).toBeInstanceOf(HookError)
    expect(faults[0]?.error.message).toMatch("sizeOf")
    const { bytes } = cache.stats()
    expect(Number.isSafeInteger(bytes) && bytes > 3_000 && bytes < 6_000).toBe(true)
  })
})

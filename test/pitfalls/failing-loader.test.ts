import { describe, expect, test } from "vitest"
import { settled } from "zoocache/testing"
import { makeCache, steered } from "../support/caches.js"

describe("a failing loader", () => {
  test("runs once for 50 concurrent callers, and all of them get its error", async () => {
    const { cache } = makeCache()
    const source = steered<never>()
    const load = cache.cacheable(source.loader)
    const callers = Array.from({ length: 50 }, () => load())
    const error = new Error("the database is down")
    source.last.reject(error)
    const outcomes = await Promise.allSettled(callers)
    expect(outcomes).toEqual(Array.from({ length: 50 }, () => ({ status: "rejected", reason: error })))
    expect(source.runs).toHaveLength(1)
  })

  test("runs twice at most when an invalidation falls among 50 callers, never one after the other", async () => {
    const { cache } = makeCache()
    const source = steered<never>()
    const load = cache.cacheable(source.loader, { deps: ["t"] })
    const before = Array.from({ length: 25 }, () => load())
    void cache.invalidate("t")
    const after = Array.from({ length: 25 }, () => load())
    for (const run of source.runs) run.reject(new Error("down"))
    await Promise.allSettled([...before, ...after])
    await settled()
    expect(source.runs).toHaveLength(2)
  })

  test("runs twice at most when callers come after an unrelated invalidation and the load turns out stale", async () => {
    const { cache } = makeCache()
    const source = steered<never>()
    const load = cache.cacheable(source.loader, { deps: ["t"] })
    const before = load()
    void cache.invalidate("unrelated")
    const after = Array.from({ length: 49 }, () => load())
    const outcomes = Promise.allSettled([before, ...after])
    void cache.invalidate("t")
    source.runs[0]?.reject(new Error("down"))
    await settled()
    expect(source.runs).toHaveLength(2)
    source.runs[1]?.reject(new Error("still down"))
    expect((await outcomes).filter(({ status }) => status === "rejected")).toHaveLength(50)
    expect(source.runs).toHaveLength(2)
  })

  test("is not remembered: the next call runs it again", async () => {
    const { cache } = makeCache()
    let isDown = true
    const load = cache.cacheable(async () => {
      if (isDown) throw new Error("down")
      return "up"
    })
    await expect(load()).rejects.toThrow("down")
    isDown = false
    expect(await load()).toBe("up")
  })
})

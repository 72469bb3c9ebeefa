import { describe, expect, test } from "vitest"
import { settled } from "zoocache/testing"
import { makeCache, steered } from "../support/caches.js"

describe("a hard timeout", () => {
  test("frees the key, and the late first result never overwrites the newer one", async () => {
    const { cache, clock } = makeCache()
    const source = steered<string>()
    const load = cache.cacheable(source.loader, { name: "load", timeout: "1s" })
    const first = load()
    const timedOut = expect(first).rejects.toMatchObject({ code: "ERR_ZOOCACHE_LOAD_TIMEOUT" })
    await clock.advanceAsync(1000)
    await timedOut
    const second = load()
    source.runs[1]?.resolve("new")
    expect(await second).toBe("new")
    source.runs[0]?.resolve("old")
    await settled()
    expect(await load()).toBe("new")
    expect(source.runs).toHaveLength(2)
  })

  test("lets no late result in, even where nothing newer is stored", async () => {
    const { cache, clock } = makeCache()
    const source = steered<string>()
    const load = cache.cacheable(source.loader, { timeout: 1000 })
    const first = load()
    first.catch(() => {})
    await clock.advanceAsync(1000)
    source.runs[0]?.resolve("late")
    await settled()
    expect(load.peek()).toBeUndefined()
  })
})

test("one caller's abort, timeout or throw never wedges a key", async () => {
  const { cache, clock } = makeCache()
  const source = steered<string>()
  const load = cache.cacheable(source.loader, { timeout: "1s" })
  const controller = new AbortController()
  const leaving = load.with({ signal: controller.signal })()
  controller.abort(new Error("gone"))
  await expect(leaving).rejects.toThrow("gone")
  const slow = load()
  const timedOut = expect(slow).rejects.toMatchObject({ code: "ERR_ZOOCACHE_LOAD_TIMEOUT" })
  await clock.advanceAsync(1000)
  await timedOut
  const failing = load()
  source.last.reject(new Error("down"))
  await expect(failing).rejects.toThrow("down")
  const fine = load()
  source.last.resolve("fine")
  expect(await fine).toBe("fine")
  for (const run of source.runs) run.resolve("too late")
  await settled()
  expect(await load()).toBe("fine")
})

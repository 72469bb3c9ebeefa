/** Loads that end otherwise than by their loader, and calls that their caller leaves. */
import { describe, expect, test } from "vitest"
import { currentLoad } from "zoocache"
import { settled } from "zoocache/testing"
import { deferred, leavesLoadsRunning, makeCache, rejectionOf, steered } from "../support/caches.js"

describe("what a loader stores after its load has ended early is as old as the load", () => {
  /** A loader that reads a row, waits, and stores what it read under a key; and the row. */
  function slowWriter(options: object) {
    const bench = makeCache()
    const { cache } = bench
    const gate = deferred()
    const source = { row: "v1" }
    let stored: Promise<unknown> | undefined
    const list = cache.cacheable(
      async () => {
        const { row } = source
        await gate.promise
        stored = cache.set("item", row, { deps: ["t"] })
        await stored
        return row
      },
      { name: "list", ...options },
    )
    const goOn = async () => {
      gate.resolve()
      await settled()
      await stored
    }
    return { ...bench, list, source, goOn }
  }

  test("by its timeout", async () => {
    const { cache, clock, list, source, goOn } = slowWriter({ timeout: 20 })
    const called = rejectionOf(list())
    clock.advance(20)
    await called
    source.row = "v2"
    await cache.invalidate("t")
    await goOn()
    expect(await cache.get("item")).toBeUndefined()
  })

  test("because its last caller left", async () => {
    const { cache, list, source, goOn } = slowWriter({})
    const controller = new AbortController()
    const called = rejectionOf(list.with({ signal: controller.signal })())
    controller.abort(new Error("gone"))
    await called
    source.row = "v2"
    await cache.invalidate("t")
    await goOn()
    expect(await cache.get("item")).toBeUndefined()
  })

  test("and is kept where nothing has changed since", async () => {
    const { cache, clock, list, goOn } = slowWriter({ timeout: 20 })
    const called = rejectionOf(list())
    clock.advance(20)
    await called
    await goOn()
    expect(await cache.get("item")).toBe("v1")
  })
})

test("code that outlives a load that has ended by its loader stores what it read now", async () => {
  const { cache } = makeCache()
  const gate = deferred()
  let later: Promise<unknown> = Promise.resolve()
  const load = cache.cacheable(
    async () => {
      later = gate.promise.then(() => cache.set("item", "read now", { deps: ["t"] }))
      return 1
    },
    { name: "load" },
  )
  await load()
  await cache.invalidate("t")
  gate.resolve()
  await later
  expect(await cache.get("item")).toBe("read now")
})

describe("a nested call that is left early", () => {
  /** An outer function that gives a fallback where the inner one is left. */
  function withFallback(leave: (inner: Promise<string>) => Promise<string>) {
    const bench = makeCache()
    const { cache } = bench
    const source = steered<string, [number]>()
    const inner = cache.cacheable(source.loader, { name: "inner", deps: (id) => [`user:${id}`] })
    let controller = new AbortController()
    const outer = cache.cacheable(
      async () => leave(inner.with({ signal: controller.signal })(1)).catch(() => "fallback"),
      { name: "outer" },
    )
    const abort = () => {
      controller.abort()
      controller = new AbortController()
    }
    return { ...bench, source, inner, outer, abort }
  }

  test("by its signal: what was made without it is not kept", async () => {
    const { source, inner, outer, abort } = withFallback((call) => call)
    const others = inner(1)
    const left = outer()
    abort()
    expect(await left).toBe("fallback")
    expect(outer.peek()).toBeUndefined()
    source.last.resolve("real")
    await others
    expect(await outer()).toBe("real")
  })

  test("in a race: what was made without it is not kept, and that is told", async () => {
    const { source, inner, outer, faults } = withFallback((call) => Promise.race([call, Promise.resolve("fallback")]))
    expect(await outer()).toBe("fallback")
    expect(outer.peek()).toBeUndefined()
    expect(faults.map(({ error }) => error.code)).toEqual(["ERR_ZOOCACHE_UNAWAITED_CALL"])
    expect(faults[0]?.error.message).toMatch("ƒ:outer")
    expect(faults[0]?.error.message).toMatch("ƒ:inner")
    source.last.resolve("real")
    await inner(1)
    await settled()
  })

  test("and what it was known to depend on is passed on to loads further out", async () => {
    const { cache, source, outer, abort } = withFallback((call) => call)
    const outermost = cache.cacheable(async () => outer(), { name: "outermost" })
    const called = outermost()
    abort()
    expect(await called).toBe("fallback")
    expect([outer.peek(), outermost.peek()]).toEqual([undefined, undefined])
    source.last.resolve("real")
    await settled()
  })

  test("in a load that fails, fails nothing more", async () => {
    const { cache, faults } = makeCache()
    const source = steered<number>()
    const inner = cache.cacheable(source.loader, { name: "inner" })
    const failing = cache.cacheable(
      async () => {
        await Promise.all([inner(), Promise.reject(new Error("down"))])
      },
      { name: "failing", cacheErrors: "1m" },
    )
    expect(await rejectionOf(failing())).toEqual(new Error("down"))
    expect(await rejectionOf(failing())).toEqual(new Error("down"))
    expect([source.runs.length, faults]).toEqual([1, []])
    source.last.resolve(1)
    await settled()
  })
})

test("what was made after a nested call has timed out is not kept", async () => {
  const { cache, clock } = makeCache()
  const source = steered<string>()
  const inner = cache.cacheable(source.loader, { name: "inner", timeout: 20 })
  const outer = cache.cacheable(async () => inner().catch(() => "fallback"), { name: "outer" })
  const called = outer()
  clock.advance(20)
  expect(await called).toBe("fallback")
  expect(outer.peek()).toBeUndefined()
})

describe("one signal for many calls", () => {
  test("warns of no leak, and detaches all of them", async () => {
    const { cache } = makeCache()
    leavesLoadsRunning(cache)
    const warnings: Error[] = []
    const listener = (warning: Error) => warnings.push(warning)
    process.on("warning", listener)
    const source = steered<number, [number]>()
    const load = cache.cacheable(source.loader, { name: "load" })
    const controller = new AbortController()
    const calls = Array.from({ length: 50 }, (_, id) => load.with({ signal: controller.signal })(id))
    const reason = new Error("gone")
    controller.abort(reason)
    const outcomes = await Promise.allSettled(calls)
    await new Promise((resolve) => setImmediate(resolve))
    process.off("warning", listener)
    expect(outcomes.every((outcome) => outcome.status === "rejected" && outcome.reason === reason)).toBe(true)
    expect(warnings).toEqual([])
  })

  test("that the loader aborts before it first waits detaches the call, and aborts the load", async () => {
    const { cache } = makeCache()
    const controller = new AbortController()
    const reason = new Error("gone")
    let inner: AbortSignal | undefined
    const load = cache.cacheable(
      async () => {
        inner = currentLoad()?.signal
        controller.abort(reason)
        await deferred().promise
      },
      { name: "load" },
    )
    expect(await rejectionOf(load.with({ signal: controller.signal })())).toBe(reason)
    expect(inner?.aborted).toBe(true)
    expect(cache.stats().running).toBe(0)
  })
})

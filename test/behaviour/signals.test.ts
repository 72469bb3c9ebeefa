import { describe, expect, test } from "vitest"
import { currentLoad } from "zoocache"
import { settled } from "zoocache/testing"
import { deferred, makeCache, rejectionOf, steered } from "../support/caches.js"

/** A function whose loader can be aborted; the signals it was given. */
function abortable() {
  const bench = makeCache()
  const source = steered<string>()
  const signals: AbortSignal[] = []
  const load = bench.cache.cacheable(
    () => {
      signals.push((currentLoad() as NonNullable<ReturnType<typeof currentLoad>>).signal)
      return source.loader()
    },
    { name: "load" },
  )
  return { ...bench, source, signals, load }
}

describe("a caller's signal", () => {
  test("detaches that caller only", async () => {
    const { load, source, signals } = abortable()
    const controller = new AbortController()
    const leaving = load.with({ signal: controller.signal })()
    const staying = load()
    const reason = new Error("gone")
    controller.abort(reason)
    expect(await rejectionOf(leaving)).toBe(reason)
    expect(signals[0]?.aborted).toBe(false)
    source.last.resolve("value")
    expect(await staying).toBe("value")
    expect(load.peek()).toBe("value")
    expect(source.runs).toHaveLength(1)
  })

  test("that has been aborted before rejects at once and loads nothing", async () => {
    const { load, source } = abortable()
    const reason = new Error("gone")
    expect(await rejectionOf(load.with({ signal: AbortSignal.abort(reason) })())).toBe(reason)
    expect(source.runs).toHaveLength(0)
  })

  test("changes nothing when it comes after the value", async () => {
    const { load, source } = abortable()
    const controller = new AbortController()
    const call = load.with({ signal: controller.signal })()
    source.last.resolve("value")
    expect(await call).toBe("value")
    controller.abort()
    expect(await load()).toBe("value")
  })

  test("is not needed for a hit", async () => {
    const { load, source } = abortable()
    const first = load()
    source.last.resolve("value")
    await first
    const { signal } = new AbortController()
    expect(await load.with({ signal })()).toBe("value")
  })

  test("works with getOrLoad", async () => {
    const { cache } = makeCache()
    const gate = deferred()
    const controller = new AbortController()
    let inner: AbortSignal | undefined
    const leaving = cache.getOrLoad(
      "key",
      (load) => {
        inner = load.signal
        return gate.promise
      },
      { signal: controller.signal },
    )
    controller.abort(new Error("gone"))
    await expect(leaving).rejects.toThrow("gone")
    expect(inner?.aborted).toBe(true)
    gate.resolve()
  })
})

describe("when the last caller has left", () => {
  test("the loader's own signal aborts with its reason", async () => {
    const { load, source, signals } = abortable()
    const controllers = [new AbortController(), new AbortController(), new AbortController()]
    const calls = controllers.map(({ signal }) => rejectionOf(load.with({ signal })()))
    const reasons = controllers.map((_controller, index) => new Error(`reason ${index}`))
    controllers[0]?.abort(reasons[0])
    controllers[2]?.abort(reasons[2])
    expect(signals[0]?.aborted).toBe(false)
    controllers[1]?.abort(reasons[1])
    expect(signals[0]?.aborted).toBe(true)
    expect(signals[0]?.reason).toBe(reasons[1])
    expect(await Promise.all(calls)).toEqual(reasons)
    expect(source.runs).toHaveLength(1)
    source.last.resolve("late")
  })

  test("nobody joins that flight any more, and its late result is not stored", async () => {
    const { load, source } = abortable()
    const controller = new AbortController()
    const leaving = rejectionOf(load.with({ signal: controller.signal })())
    controller.abort()
    await leaving
    const next = load()
    expect(source.runs).toHaveLength(2)
    source.runs[0]?.resolve("aborted")
    await settled()
    expect(load.peek()).toBeUndefined()
    source.runs[1]?.resolve("value")
    expect(await next).toBe("value")
    expect(await load()).toBe("value")
  })

  test("a loader that rejects because of it disturbs nobody", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(
      () =>
        new Promise<string>((_resolve, reject) => {
          const { signal } = currentLoad() as NonNullable<ReturnType<typeof currentLoad>>
          signal.addEventListener("abort", () => reject(signal.reason as Error))
        }),
    )
    const controller = new AbortController()
    const leaving = load.with({ signal: controller.signal })()
    controller.abort(new Error("gone"))
    await expect(leaving).rejects.toThrow("gone")
    await settled()
  })

  test("late callers count: the load goes on for them", async () => {
    const { cache, load, source, signals } = abortable()
    const controller = new AbortController()
    const leaving = rejectionOf(load.with({ signal: controller.signal })())
    await cache.invalidate("unrelated")
    const late = load()
    controller.abort(new Error("gone"))
    await leaving
    expect(signals[0]?.aborted).toBe(false)
    source.last.resolve("value")
    expect(await late).toBe("value")
    expect(source.runs).toHaveLength(1)
  })

  test("a late caller leaves like any other", async () => {
    const { cache, load, source, signals } = abortable()
    const first = new AbortController()
    const second = new AbortController()
    const calls = [rejectionOf(load.with({ signal: first.signal })())]
    await cache.invalidate("unrelated")
    calls.push(rejectionOf(load.with({ signal: second.signal })()))
    second.abort(new Error("second"))
    expect(signals[0]?.aborted).toBe(false)
    first.abort(new Error("first"))
    expect(signals[0]?.aborted).toBe(true)
    expect(await Promise.all(calls)).toEqual([new Error("first"), new Error("second")])
    source.last.resolve("late")
  })

  test("late callers that have all left are not loaded for again", async () => {
    const { cache } = makeCache()
    const source = steered<string>()
    const load = cache.cacheable(source.loader, { deps: ["t"] })
    const first = load()
    await cache.invalidate("unrelated")
    const controller = new AbortController()
    const late = rejectionOf(load.with({ signal: controller.signal })())
    await cache.invalidate("t")
    controller.abort(new Error("gone"))
    await late
    source.last.resolve("old")
    await first
    await settled()
    expect(source.runs).toHaveLength(1)
  })

  test("a caller that has moved on to the next load can leave that one", async () => {
    const { cache } = makeCache()
    const source = steered<string>()
    const signals: (AbortSignal | undefined)[] = []
    const load = cache.cacheable(
      () => {
        signals.push(currentLoad()?.signal)
        return source.loader()
      },
      { deps: ["t"] },
    )
    const first = load()
    await cache.invalidate("unrelated")
    const controller = new AbortController()
    const late = rejectionOf(load.with({ signal: controller.signal })())
    await cache.invalidate("t")
    source.runs[0]?.resolve("old")
    await first
    await settled()
    expect(source.runs).toHaveLength(2)
    controller.abort(new Error("gone"))
    expect(await late).toEqual(new Error("gone"))
    expect(signals[1]?.aborted).toBe(true)
    const next = load()
    expect(source.runs).toHaveLength(3)
    source.runs[1]?.resolve("aborted")
    source.runs[2]?.resolve("new")
    expect(await next).toBe("new")
    expect(await load()).toBe("new")
  })

  test("a background refresh is not aborted: nobody waits for it from the start", async () => {
    const { cache, clock } = makeCache()
    const signals: (AbortSignal | undefined)[] = []
    let loads = 0
    const load = cache.cacheable(
      async () => {
        signals.push(currentLoad()?.signal)
        await settled()
        return ++loads
      },
      { ttl: "1m", grace: "1h" },
    )
    await load()
    clock.advance(61_000)
    const controller = new AbortController()
    expect(await load.with({ signal: controller.signal })()).toBe(1)
    controller.abort()
    await settled()
    await settled()
    expect(signals[1]?.aborted).toBe(false)
    expect(load.peek()).toBe(2)
  })

  test("a hard timeout aborts the loader's signal too", async () => {
    const { clock, load, source, signals } = abortable()
    const call = rejectionOf(load())
    await clock.advanceAsync(60_000)
    expect(await call).toMatchObject({ code: "ERR_ZOOCACHE_LOAD_TIMEOUT" })
    expect(signals[0]?.aborted).toBe(true)
    expect(signals[0]?.reason).toMatchObject({ code: "ERR_ZOOCACHE_LOAD_TIMEOUT" })
    source.last.resolve("late")
  })
})

test("with({ fresh: true }) takes no stored value and joins no load that began before", async () => {
  const { load, source } = abortable()
  const first = load()
  const fresh = load.with({ fresh: true })()
  expect(source.runs).toHaveLength(2)
  source.runs[1]?.resolve("fresh")
  expect(await fresh).toBe("fresh")
  source.runs[0]?.resolve("older")
  expect(await first).toBe("older")
  expect(await load()).toBe("fresh")
  const again = load.with({ fresh: true })()
  source.last.resolve("again")
  expect(await again).toBe("again")
  expect(await load()).toBe("again")
})

test("with() without options is the function itself", async () => {
  const { load, source } = abortable()
  const call = load.with({})()
  source.last.resolve("value")
  expect(await call).toBe("value")
  expect(await load()).toBe("value")
})

import { describe, expect, test } from "vitest"
import { type Cache, LoadCycleError } from "zoocache"
import { settled } from "zoocache/testing"
import { deferred, makeCache, rejectionOf } from "../support/caches.js"

const cycle = (message: string): unknown => expect.objectContaining({ code: "ERR_ZOOCACHE_LOAD_CYCLE", message })

test("a load that calls itself rejects, and the error names the cycle", async () => {
  const { cache } = makeCache()
  const load = cache.cacheable(async (id: number): Promise<number> => (await load(id)) + 1, { name: "load" })
  const error = await rejectionOf(load(1))
  expect(error).toBeInstanceOf(LoadCycleError)
  expect(error).toEqual(cycle("A load waits for itself: ƒ:load::1 → ƒ:load::1"))
})

test("recursion over other arguments is no cycle", async () => {
  const { cache } = makeCache()
  const sum = cache.cacheable(async (n: number): Promise<number> => (n === 0 ? 0 : n + (await sum(n - 1))), {
    name: "sum",
  })
  expect(await sum(50)).toBe(1275)
})

test("two loads that call each other reject, and the error names both", async () => {
  const { cache } = makeCache()
  const a = cache.cacheable(async (): Promise<string> => b(), { name: "a" })
  const b = cache.cacheable(async (): Promise<string> => a(), { name: "b" })
  expect(await rejectionOf(a())).toEqual(cycle("A load waits for itself: ƒ:a:: → ƒ:b:: → ƒ:a::"))
})

test("a cycle through three functions names all of them", async () => {
  const { cache } = makeCache()
  const a = cache.cacheable(async (): Promise<string> => b(), { name: "a" })
  const b = cache.cacheable(async (): Promise<string> => c(), { name: "b" })
  const c = cache.cacheable(async (): Promise<string> => a(), { name: "c" })
  expect(await rejectionOf(a())).toEqual(cycle("A load waits for itself: ƒ:a:: → ƒ:b:: → ƒ:c:: → ƒ:a::"))
})

test("a loader may catch the error of the cycle and go on", async () => {
  const { cache } = makeCache()
  const load = cache.cacheable(
    async (): Promise<string> => {
      await settled()
      return load().catch(() => "no parent")
    },
    { name: "load" },
  )
  expect(await load()).toBe("no parent")
})

test("two loads that wait for each other crosswise don't hang: one of them is told, and the key is free again", async () => {
  const { cache } = makeCache()
  const gate = deferred()
  let isCrossed = true
  const a = cache.cacheable(
    async (): Promise<string> => {
      await gate.promise
      return isCrossed ? b() : "a"
    },
    { name: "a" },
  )
  const b = cache.cacheable(
    async (): Promise<string> => {
      await gate.promise
      return isCrossed ? a() : "b"
    },
    { name: "b" },
  )
  const both = Promise.allSettled([a(), b()])
  gate.resolve()
  for (const outcome of await both) {
    expect(outcome).toMatchObject({ status: "rejected", reason: { code: "ERR_ZOOCACHE_LOAD_CYCLE" } })
  }
  isCrossed = false
  expect(await Promise.all([a(), b()])).toEqual(["a", "b"])
})

test("a crosswise cycle of four is seen", async () => {
  const { cache } = makeCache()
  const gate = deferred()
  const load: (id: number) => Promise<number> = cache.cacheable(
    async (id: number): Promise<number> => {
      await gate.promise
      return load((id + 1) % 4)
    },
    { name: "ring" },
  )
  const all = Promise.allSettled([0, 1, 2, 3].map((id) => load(id)))
  gate.resolve()
  const outcomes = await all
  expect(outcomes.every(({ status }) => status === "rejected")).toBe(true)
})

test("callers outside of a cycle may wait for what is in it, and share its end", async () => {
  const { cache } = makeCache()
  const gate = deferred()
  const a = cache.cacheable(
    async (): Promise<string> => {
      await gate.promise
      return a()
    },
    { name: "a" },
  )
  const callers = Promise.allSettled([a(), a(), a()])
  gate.resolve()
  for (const outcome of await callers) {
    expect(outcome).toMatchObject({ status: "rejected", reason: { code: "ERR_ZOOCACHE_LOAD_CYCLE" } })
  }
})

describe("a cycle through", () => {
  test.each<[string, (cache: Cache, call: () => Promise<unknown>) => () => Promise<unknown>]>([
    ["getOrLoad", (cache, call) => () => cache.getOrLoad("key", call)],
    [
      "cacheableMany",
      (cache, call) => {
        const many = cache.cacheableMany(async (ids: readonly number[]) => {
          await call()
          return ids.map(() => 1)
        })
        return () => many([1, 2])
      },
    ],
    [
      "cacheableMany, one id",
      (cache, call) => {
        const many = cache.cacheableMany(async (ids: readonly number[]) => {
          await call()
          return ids.map(() => 1)
        })
        return () => many.one(1)
      },
    ],
    ["a transaction", (cache, call) => () => cache.transaction(call)],
    ["an uncached helper that runs things side by side", (_cache, call) => () => Promise.all([settled(), call()])],
    [
      "refresh",
      (cache, call) => {
        const inner = cache.cacheable(call, { name: "inner" })
        return () => inner.refresh()
      },
    ],
    [
      "with({ fresh: true })",
      (cache, call) => {
        const inner = cache.cacheable(call, { name: "inner" })
        return () => inner.with({ fresh: true })()
      },
    ],
    [
      "a function that runs in the root context",
      (cache, call) => cache.cacheable(call, { name: "root", context: "root" }),
    ],
    ["a scope", (cache, call) => cache.scope("tenant").cacheable(call, { name: "scoped" })],
  ])("%s is seen", async (_name, through) => {
    const { cache } = makeCache()
    const outer: () => Promise<unknown> = cache.cacheable(async () => inner(), { name: "outer" })
    const inner = through(cache, () => outer())
    expect(await rejectionOf(outer())).toMatchObject({ code: "ERR_ZOOCACHE_LOAD_CYCLE" })
  })

  test("cacheableSync is seen", async () => {
    const { cache } = makeCache()
    const fib = cache.cacheableSync((n: number): number => fib(n), { name: "fib" })
    expect(() => fib(1)).toThrow(expect.objectContaining({ message: "A load waits for itself: ƒ:fib::1 → ƒ:fib::1" }))
    const a = cache.cacheableSync((): number => b(), { name: "a" })
    const b = cache.cacheableSync((): number => a(), { name: "b" })
    expect(() => a()).toThrow(LoadCycleError)
  })

  test("another cache is seen", async () => {
    const { cache } = makeCache()
    const { cache: other } = makeCache()
    const here = cache.cacheable(async (): Promise<string> => there(), { name: "here" })
    const there = other.cacheable(async (): Promise<string> => here(), { name: "there" })
    expect(await rejectionOf(here())).toEqual(cycle("A load waits for itself: ƒ:here:: → ƒ:there:: → ƒ:here::"))
  })

  test("a call that was not awaited at once is seen", async () => {
    const { cache } = makeCache()
    const outer: () => Promise<string> = cache.cacheable(
      async () => {
        const started = inner()
        started.catch(() => {})
        await settled()
        return started
      },
      { name: "outer" },
    )
    const inner = cache.cacheable(async (): Promise<string> => outer(), { name: "inner" })
    expect(await rejectionOf(outer())).toMatchObject({ code: "ERR_ZOOCACHE_LOAD_CYCLE" })
  })

  test("a load that has to be done again is seen", async () => {
    // `a` waits for `b`, which turns out stale and is loaded anew on behalf of another caller; the new `b` calls `a`.
    const { cache } = makeCache()
    const gate = deferred()
    let runs = 0
    const a: () => Promise<string> = cache.cacheable(async () => `a of ${await b()}`, { name: "a" })
    const b = cache.cacheable(
      async (): Promise<string> => {
        runs += 1
        if (runs > 1) return a()
        await gate.promise
        return "b"
      },
      { name: "b", deps: ["t"] },
    )
    const first = b()
    await cache.invalidate("unrelated")
    const late = Promise.allSettled([b(), a()])
    await cache.invalidate("t")
    gate.resolve()
    expect(await first).toBe("b")
    for (const outcome of await late) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "ERR_ZOOCACHE_LOAD_CYCLE" } })
    }
  }, 2000)

  test("a load that has to be done again is seen, when it waits before it calls back", async () => {
    const { cache } = makeCache()
    const gate = deferred()
    let runs = 0
    const a: () => Promise<string> = cache.cacheable(async () => `a of ${await b()}`, { name: "a" })
    const b = cache.cacheable(
      async (): Promise<string> => {
        runs += 1
        if (runs > 1) {
          await settled()
          return a()
        }
        await gate.promise
        return "b"
      },
      { name: "b", deps: ["t"] },
    )
    const first = b()
    await cache.invalidate("unrelated")
    const late = Promise.allSettled([b(), a()])
    await cache.invalidate("t")
    gate.resolve()
    expect(await first).toBe("b")
    for (const outcome of await late) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "ERR_ZOOCACHE_LOAD_CYCLE" } })
    }
  }, 2000)
})

test("a timer that outlives its load may call the same function", async () => {
  const { cache } = makeCache()
  const again = deferred<string>()
  const load: () => Promise<string> = cache.cacheable(
    async () => {
      setImmediate(() => {
        load().then(again.resolve, again.reject)
      })
      return "value"
    },
    { name: "load" },
  )
  expect(await load()).toBe("value")
  expect(await again.promise).toBe("value")
})

test("a background refresh may read the key it refreshes for", async () => {
  const { cache, clock, faults } = makeCache()
  let loads = 0
  const config = cache.cacheable(async () => `config ${++loads}`, { name: "config", ttl: "1m", grace: "1h" })
  const page = cache.cacheable(async () => `page of ${await config()}`, { name: "page", ttl: "10m" })
  await config()
  clock.advance(61_000)
  expect(await page()).toBe("page of config 1")
  await settled()
  expect(await page()).toBe("page of config 2")
  expect(faults).toEqual([])
})

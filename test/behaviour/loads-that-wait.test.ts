/** Loads that don't begin at once: behind another, for a slot, for their batch, for the end of the stack. */
import { describe, expect, test } from "vitest"
import { LoadCycleError } from "zoocache"
import { settled } from "zoocache/testing"
import { deferred, makeCache, rejectionOf, steered } from "../support/caches.js"

describe("arguments that change before the load begins", () => {
  test("are those of the call where they are plain data", async () => {
    const { cache } = makeCache({ maxLoads: 1 })
    const getPage = cache.cacheable(async (q: { page: number }) => `page ${q.page}`, { name: "page" })
    const q = { page: 0 }
    const pages: Promise<string>[] = []
    for (; q.page < 4; q.page += 1) pages.push(getPage(q))
    expect(await Promise.all(pages)).toEqual(["page 0", "page 1", "page 2", "page 3"])
    expect(getPage.peek({ page: 1 })).toBe("page 1")
  })

  test("are those of the call behind a flight that may be too old", async () => {
    const { cache } = makeCache()
    const source = steered<string, [{ page: number }]>()
    const getPage = cache.cacheable(source.loader, { name: "page", depsOf: () => ["t"] })
    const early = getPage({ page: 1 })
    await cache.invalidate("t")
    const q = { page: 1 }
    const late = getPage(q)
    q.page = 2
    source.last.resolve("old")
    await early
    expect(source.runs.map(({ args }) => args[0].page)).toEqual([1, 1])
    source.last.resolve("new")
    expect(await late).toBe("new")
  })

  test("are those of the call in a batch", async () => {
    const { cache } = makeCache()
    const seen: number[] = []
    const getAll = cache.cacheableMany(
      async (ids: readonly { id: number }[]) => {
        for (const { id } of ids) seen.push(id)
        return ids.map(({ id }) => `row ${id}`)
      },
      { name: "rows" },
    )
    const id = { id: 1 }
    const first = getAll.one(id)
    id.id = 2
    expect(await first).toBe("row 1")
    expect(seen).toEqual([1])
  })

  test("reject the call where they can't be copied and name another key by then", async () => {
    const { cache } = makeCache({ maxLoads: 1 })
    class Query {
      page = 0
    }
    const getPage = cache.cacheable(async (q: Query) => `page ${q.page}`, { name: "page", key: (q) => q.page })
    const q = new Query()
    const first = getPage(q)
    q.page = 1
    const second = rejectionOf(getPage(q))
    q.page = 2
    expect(await first).toBe("page 0")
    const error = (await second) as { code?: string; message: string }
    expect(error.code).toBe("ERR_ZOOCACHE_ARGUMENTS_CHANGED")
    expect(error.message).toMatch("ƒ:page::1")
    expect([getPage.peek(Object.assign(new Query(), { page: 1 })), cache.stats().waiting]).toEqual([undefined, 0])
  })
})

describe("slots", () => {
  test("a cycle through a flight that waits for its slot is found", async () => {
    const { cache } = makeCache({ maxLoads: 1 })
    const gate = deferred()
    const blocker = cache.cacheable(async () => gate.promise, { name: "blocker" })
    const x: () => Promise<unknown> = cache.cacheable(async () => y(), { name: "x" })
    const y: () => Promise<unknown> = cache.cacheable(async () => x(), { name: "y" })
    const first = blocker()
    const calls = [rejectionOf(y()), rejectionOf(x())]
    gate.resolve()
    await first
    for (const call of calls) expect(await call).toBeInstanceOf(LoadCycleError)
  })

  test("loads of two caches that wait for each other's slots go on", async () => {
    const clockOf = makeCache({ maxLoads: 1 })
    const a = clockOf.cache
    const b = makeCache({ maxLoads: 1, prefix: "other" }).cache
    const fa: (n: number) => Promise<number> = a.cacheable(async (n: number) => (n === 0 ? 0 : 1 + (await fb(n - 1))), {
      name: "fa",
      inherit: false,
    })
    const fb: (n: number) => Promise<number> = b.cacheable(
      async (n: number) => {
        await settled()
        return n === 0 ? 0 : 1 + (await fa(n - 1))
      },
      { name: "fb", inherit: false },
    )
    expect(await Promise.all([fa(3), fb(6), fa(9), fb(12)])).toEqual([3, 6, 9, 12])
  })

  test("two flights that wait in rings of one load both begin", async () => {
    const a = makeCache({ maxLoads: 1 }).cache
    const b = makeCache({ maxLoads: 1, prefix: "other" }).cache
    const gates = [deferred(), deferred()]
    const g = b.cacheable(async (id: number) => id, { name: "g" })
    const r = a.cacheable(
      async () => {
        await gates[0]?.promise
        return Promise.all([g(1), g(2)])
      },
      { name: "r", inherit: false },
    )
    const h = b.cacheable(
      async () => {
        await gates[1]?.promise
        return r()
      },
      { name: "h", inherit: false },
    )
    const both = [r(), h()]
    gates[0]?.resolve()
    await settled()
    gates[1]?.resolve()
    expect(await Promise.all(both)).toEqual([
      [1, 2],
      [1, 2],
    ])
    expect(await g(3)).toBe(3)
  })

  test("a nested load of another cache waits for a slot there while one can become free", async () => {
    const a = makeCache({ maxLoads: 1 }).cache
    const b = makeCache({ maxLoads: 1, prefix: "other" }).cache
    const source = steered<number>()
    const busy = b.cacheable(source.loader, { name: "busy" })
    const inner = b.cacheable(async () => 1, { name: "inner" })
    const outer = a.cacheable(async () => inner(), { name: "outer", inherit: false })
    const running = busy()
    const called = outer()
    await settled()
    expect(b.stats()).toMatchObject({ running: 1, waiting: 1 })
    source.last.resolve(0)
    expect([await running, await called]).toEqual([0, 1])
  })
})

describe("deep nesting", () => {
  test("needs no stack: a recursion of 2,000 loads", async () => {
    const { cache } = makeCache()
    const f: (n: number) => Promise<number> = cache.cacheable(
      async (n: number) => (n === 0 ? 0 : 1 + (await f(n - 1))),
      {
        name: "f",
      },
    )
    expect(await f(2000)).toBe(2000)
    expect(await f(545)).toBe(545)
  })

  test("a stack that is full when a load would begin wedges no key", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(async (depth: number) => depth, { name: "load" })
    const failed = new Set<number>()
    const calls: Promise<unknown>[] = []
    const fill = (depth: number): void => {
      calls.push(load(depth).catch(() => failed.add(depth)))
      fill(depth + 1)
    }
    expect(() => fill(0)).toThrow(RangeError)
    await Promise.all(calls)
    await settled()
    expect(cache.stats()).toMatchObject({ running: 0, waiting: 0 })
    // The calls that found no room, and those beyond them.
    for (let depth = calls.length - 5; depth < calls.length + 5; depth += 1) expect(await load(depth)).toBe(depth)
  })

  test("the same for synchronous functions", async () => {
    const { cache } = makeCache()
    const load = cache.cacheableSync((depth: number) => depth, { name: "load" })
    let deepest = 0
    const fill = (depth: number): void => {
      deepest = depth
      load(depth)
      fill(depth + 1)
    }
    expect(() => fill(0)).toThrow(RangeError)
    await settled()
    expect(cache.stats().running).toBe(0)
    for (let depth = deepest - 5; depth < deepest + 5; depth += 1) expect(load(depth)).toBe(depth)
  })
})

test("what a load of another cache sees inside a transaction is not kept", async () => {
  const a = makeCache().cache
  const b = makeCache({ prefix: "other" }).cache
  let row = 1
  const load = b.cacheable(async () => row, { name: "load" })
  const outer = b.cacheable(async () => load(), { name: "outer" })
  const rolledBack = a.transaction(async () => {
    row = 2
    expect(await load()).toBe(2)
    expect(await outer()).toBe(2)
    row = 1
    throw new Error("rolled back")
  })
  await rejectionOf(rolledBack)
  expect([await load(), await outer()]).toEqual([1, 1])
})

test("a run that waits twice for one flight, and leaves it once, still waits for it", async () => {
  const { cache } = makeCache()
  const gate = deferred()
  const controller = new AbortController()
  const x: () => Promise<unknown> = cache.cacheable(
    async () => {
      await gate.promise
      return y()
    },
    { name: "x" },
  )
  const y: () => Promise<unknown> = cache.cacheable(
    async () => {
      const staying = xs()
      const leaving = xs
        .with({ signal: controller.signal })()
        .catch(() => "left")
      controller.abort()
      await leaving
      gate.resolve()
      return staying
    },
    { name: "y" },
  )
  const xs = x as typeof x & { with: (options: { signal: AbortSignal }) => typeof x }
  const first = rejectionOf(x())
  expect(await rejectionOf(y())).toBeInstanceOf(LoadCycleError)
  expect(await first).toBeInstanceOf(LoadCycleError)
})

/** `revalidate` and `KEEP`: conditional requests to the source of a value. */
import { describe, expect, expectTypeOf, test } from "vitest"
import { type Cache, currentLoad, type FunctionOptions, KEEP, type Previous } from "zoocache"
import { settled } from "zoocache/testing"
import { deferred, errorOf, leavesLoadsRunning, makeCache, makeShared } from "../support/caches.js"
import { Machine } from "../support/shared.js"

type Options = Omit<FunctionOptions<[id: number], { readonly n: number }>, "revalidate">

/** A source with ETags: what it was asked, and a function over it. */
function conditional(cache: Cache, options: Options = {}) {
  const source = { n: 1, loads: 0, asked: [] as Previous<{ readonly n: number }>[], before: async () => {} }
  const load = cache.cacheable(
    async (_id: number): Promise<{ readonly n: number }> => {
      source.loads += 1
      return { n: source.n }
    },
    {
      name: "load",
      deps: (id) => [`row:${id}`],
      ttl: "10s",
      ...options,
      revalidate: async (previous) => {
        const { n } = source
        source.asked.push(previous)
        await source.before()
        return previous.value.n === n ? KEEP : { n }
      },
    },
  )
  return Object.assign(source, { load })
}

describe("is asked in place of the loader", () => {
  test("where a value has expired; KEEP stores it anew, as the same object", async () => {
    const { cache, clock } = makeCache()
    const source = conditional(cache)
    const storedAt = new Date(clock.wall())
    const first = await source.load(1)
    clock.advance(11_000)
    expect(await source.load(1)).toBe(first)
    expect(source.asked).toEqual([{ value: { n: 1 }, storedAt }])
    expect(source.load.peek(1)).toBe(first)
    clock.advance(9_000)
    expect(source.load.peek(1)).toBe(first)
    clock.advance(2_000)
    expect(source.load.peek(1)).toBeUndefined()
    source.n = 2
    expect(await source.load(1)).toEqual({ n: 2 })
    expect(source.asked[1]?.storedAt).toEqual(new Date(storedAt.getTime() + 11_000))
    expect(source.loads).toBe(1)
  })

  test.each([
    ["invalidated", (cache: Cache) => cache.invalidate("row")],
    ["expired by its tag", (cache: Cache) => cache.expire("row:1")],
  ])("where a value was %s, also long after the sweep", async (_how, change) => {
    const { cache, clock } = makeCache()
    const source = conditional(cache, { ttl: "1h" })
    const first = await source.load(1)
    await change(cache)
    clock.advance(60_000)
    expect(source.load.peek(1)).toBeUndefined()
    expect(await source.load(1)).toBe(first)
    expect(source.load.peek(1)).toBe(first)
    expect([source.loads, source.asked.length]).toEqual([1, 1])
  })

  test("by `refresh`, by grace and by an early refresh", async () => {
    const { cache, clock } = makeCache()
    const refreshed = conditional(cache)
    await refreshed.load(1)
    await refreshed.load.refresh(1)
    expect([refreshed.loads, refreshed.asked.length]).toEqual([1, 1])
    for (const [options, ms] of [
      [{ grace: "1m" }, 11_000],
      [{ earlyRefresh: 0.5 }, 6_000],
    ] as const) {
      const source = conditional(cache, { ...options, name: `load after ${ms}` })
      await source.load(1)
      clock.advance(ms)
      await source.load(1)
      await settled()
      expect([source.loads, source.asked.length]).toEqual([1, 1])
    }
  })

  test("of values that were primed, and of methods with their `this`", async () => {
    const { cache, clock } = makeCache()
    const source = conditional(cache)
    await source.load.prime([1], { n: 1 }, { asOf: "now" })
    clock.advance(11_000)
    expect(await source.load(1)).toEqual({ n: 1 })
    expect([source.loads, source.asked.length]).toEqual([0, 1])
    const seen: unknown[] = []
    const self = {
      load: cache.cacheable(async () => 1, {
        ttl: 10,
        revalidate(this: unknown) {
          seen.push(this)
          return KEEP
        },
      }),
    }
    await self.load()
    clock.advance(20)
    await self.load()
    expect(seen).toEqual([self])
  })

  test("of synchronous functions, which answer at once", async () => {
    const { cache, clock } = makeCache()
    let loads = 0
    const load = cache.cacheableSync(() => (loads += 1), { ttl: 10, revalidate: () => KEEP })
    load()
    clock.advance(20)
    expect([load(), loads]).toEqual([1, 1])
  })

  test("never where nothing is stored: the loader runs", async () => {
    const { cache } = makeCache({ enabled: false })
    const source = conditional(cache)
    await source.load(1)
    await source.load(1)
    expect([source.loads, source.asked.length]).toEqual([2, 0])
  })
})

describe("gets no previous value", () => {
  test.each([
    ["`delete`", (_cache: Cache, source: ReturnType<typeof conditional>) => source.load.delete(1)],
    ["`delete` by key", (cache: Cache, source: ReturnType<typeof conditional>) => cache.delete(source.load.keyOf(1))],
    ["`clear` of the function", (_cache: Cache, source: ReturnType<typeof conditional>) => source.load.clear()],
    ["`clear` of everything", (cache: Cache) => cache.clear()],
  ])("after %s, before it has expired or after", async (_how, remove) => {
    for (const isBefore of [true, false]) {
      const { cache, clock } = makeCache()
      const source = conditional(cache)
      await source.load(1)
      if (!isBefore) clock.advance(11_000)
      await remove(cache, source)
      if (isBefore) clock.advance(11_000)
      await source.load(1)
      expect([source.loads, source.asked.length]).toEqual([2, 0])
    }
  })

  /** A page that uses a row of another cached function, and has a source of its own. */
  function nested(cache: Cache, options: Options = {}) {
    const state = { row: 1, asked: 0, loads: 0 }
    const row = cache.cacheable(async () => state.row, { name: "row", deps: ["row"], ...(options as object) })
    const page = cache.cacheable(
      async () => {
        state.loads += 1
        return `page of ${await row()}`
      },
      {
        name: "page",
        deps: ["page"],
        ttl: "10s",
        revalidate: () => {
          state.asked += 1
          return KEEP
        },
      },
    )
    return Object.assign(state, { page, inner: row })
  }

  test("where an inherited dependency is what made it stale: its tag, or its key", async () => {
    for (const change of [
      (cache: Cache) => cache.invalidate("row"),
      (cache: Cache) => cache.expire("row"),
      (_cache: Cache, inner: { delete(): Promise<unknown> }) => inner.delete(),
    ]) {
      const { cache, clock } = makeCache()
      const source = nested(cache)
      await source.page()
      source.row = 2
      await change(cache, source.inner)
      clock.advance(11_000)
      expect(await source.page()).toBe("page of 2")
      expect(source.asked).toBe(0)
    }
  })

  test("but where its own dependency did, while the inherited ones hold, it does; and goes on to depend on both", async () => {
    const { cache } = makeCache()
    const source = nested(cache)
    await source.page()
    await cache.invalidate("page")
    expect(await source.page()).toBe("page of 1")
    expect([source.asked, source.loads]).toEqual([1, 1])
    source.row = 2
    await cache.invalidate("row")
    expect(await source.page()).toBe("page of 2")
    expect([source.asked, source.loads]).toEqual([1, 2])
  })

  test("where both did", async () => {
    const { cache } = makeCache()
    const source = nested(cache)
    await source.page()
    source.row = 2
    await cache.invalidate("page", "row")
    expect(await source.page()).toBe("page of 2")
    expect(source.asked).toBe(0)
  })

  test("where what it inherited has expired by time, also after it was kept", async () => {
    const { cache, clock } = makeCache()
    const source = nested(cache, { ttl: "5s" })
    await source.page()
    clock.advance(3_000)
    await cache.invalidate("page")
    expect(await source.page()).toBe("page of 1")
    expect(source.asked).toBe(1)
    source.row = 2
    clock.advance(2_100)
    expect(await source.page()).toBe("page of 2")
    expect(source.asked).toBe(1)
  })

  test("inside a transaction: what holds there the source does not know", async () => {
    const { cache } = makeCache()
    const source = conditional(cache)
    await source.load(1)
    await cache.transaction(async () => {
      await cache.invalidate("row:1")
      await source.load(1)
    })
    expect([source.loads, source.asked.length]).toEqual([2, 0])
  })

  test("while an invalidation of what it inherited is not acknowledged", async () => {
    const { cache, log } = await makeShared()
    const source = nested(cache)
    await source.page()
    log.appends = "hold"
    source.row = 2
    const invalidating = cache.invalidate("row", "page")
    expect(await source.page()).toBe("page of 2")
    expect(source.asked).toBe(0)
    await log.release()
    await invalidating
  })

  test("where the log has lost its history", async () => {
    const machine = new Machine(1)
    const { cache } = await machine.join()
    const source = conditional(cache)
    await source.load(1)
    machine.append({ kind: "tag", path: "a" })
    machine.append({ kind: "tag", path: "b" })
    machine.append({ kind: "tag", path: "c" })
    await settled()
    await source.load(1)
    expect(source.asked.length).toBe(0)
  })

  test("after an error that is kept", async () => {
    const { cache, clock } = makeCache()
    let asked = 0
    const load = cache.cacheable(async () => Promise.reject(new Error("down")), {
      cacheErrors: 10,
      revalidate: () => ((asked += 1), KEEP),
    })
    await load().catch(() => {})
    clock.advance(20)
    await load().catch(() => {})
    expect(asked).toBe(0)
  })
})

describe("KEEP", () => {
  test("has the load's own place in the log: what is invalidated while the source is asked makes it stale", async () => {
    const { cache, clock } = makeCache()
    const source = conditional(cache)
    await source.load(1)
    clock.advance(11_000)
    const gate = deferred()
    source.before = () => gate.promise
    const loading = source.load(1)
    await settled()
    await cache.invalidate("row:1")
    gate.resolve()
    await loading
    expect(source.load.peek(1)).toBeUndefined()
  })

  test("keeps the union of old and new dependencies, those that were added at run time too", async () => {
    const { cache, clock } = makeCache()
    let when = "old"
    const load = cache.cacheable(
      async () => {
        currentLoad()?.addDeps(`${when}:added`)
        return 1
      },
      {
        ttl: "10s",
        deps: () => [`${when}:declared`],
        depsOf: () => [`${when}:seen`],
        revalidate: () => {
          currentLoad()?.addDeps(`${when}:asked`)
          return KEEP
        },
      },
    )
    await load()
    clock.advance(11_000)
    when = "new"
    await load()
    expect(load.explain().dependencies.toSorted()).toEqual([
      "new:asked",
      "new:declared",
      "new:seen",
      "old:added",
      "old:declared",
      "old:seen",
    ])
    await cache.invalidate("old:added")
    expect(load.peek()).toBeUndefined()
  })

  test("is looked at by `depsOf`, `ttl` and `cacheIf` again", async () => {
    const { cache, clock } = makeCache()
    const seen: unknown[] = []
    const load = cache.cacheable(async (id: number) => ({ id }), {
      depsOf: (value, id) => (seen.push("depsOf", value.id, id), []),
      ttl: (value, id) => (seen.push("ttl", value.id, id), "10s"),
      cacheIf: (value, id) => (seen.push("cacheIf", value.id, id), seen.length < 10),
      revalidate: () => KEEP,
    })
    await load(7)
    const first = [...seen]
    clock.advance(11_000)
    await load(7)
    expect(first).toEqual(["depsOf", 7, 7, "cacheIf", 7, 7, "ttl", 7, 7])
    expect(seen.slice(9)).toEqual(["depsOf", 7, 7, "cacheIf", 7, 7])
    expect(load.peek(7)).toBeUndefined()
  })

  test("of a value that callers get copies of", async () => {
    const { cache, clock } = makeCache({ isolation: "clone" })
    const load = cache.cacheable(async () => ({ n: 1 }), {
      ttl: 10,
      revalidate: (previous) => {
        previous.value.n = 2
        return KEEP
      },
    })
    await load()
    clock.advance(20)
    expect(await load()).toEqual({ n: 1 })
    expect(load.peek()).toEqual({ n: 1 })
  })

  test("goes to the shared store anew, and one from there is asked about", async () => {
    const machine = new Machine()
    const [one, two] = [await machine.join(), await machine.join()]
    const [ofOne, ofTwo] = [conditional(one.cache), conditional(two.cache)]
    await ofOne.load(1)
    await settled()
    expect(ofTwo.load.peek(1)).toEqual({ n: 1 })
    machine.clock.advance(11_000)
    await ofTwo.load(1)
    await settled()
    expect([ofTwo.loads, ofTwo.asked.length]).toEqual([0, 1])
    const { cache } = await machine.join()
    expect(conditional(cache).load.peek(1)).toEqual({ n: 1 })
  })

  test("of a private value stays private", async () => {
    const machine = new Machine()
    const { cache, clock } = await machine.join()
    const own = cache.cacheable(async () => "secret", { name: "own", private: true })
    const load = cache.cacheable(async () => own(), { name: "load", ttl: 10, inherit: false, revalidate: () => KEEP })
    await load()
    clock.advance(20)
    await load()
    await settled()
    expect([load.peek(), machine.data.size]).toEqual(["secret", 0])
  })

  test("after its load has ended otherwise, it changes nothing", async () => {
    const { cache, clock } = makeCache()
    const source = conditional(cache, { timeout: "1s" })
    await source.load(1)
    clock.advance(11_000)
    const gate = deferred()
    source.before = () => gate.promise
    const loading = errorOf(() => source.load(1))
    await settled()
    clock.advance(1_000)
    expect(await loading).toMatchObject({ code: "ERR_ZOOCACHE_LOAD_TIMEOUT" })
    gate.resolve()
    await settled()
    expect(source.load.peek(1)).toBeUndefined()
  })
})

test("a new value takes the place of the old one, and depends on nothing that only the old one did", async () => {
  const { cache, clock } = makeCache()
  let when = "old"
  const load = cache.cacheable(async () => when, { ttl: "10s", deps: () => [when], revalidate: () => when })
  await load()
  clock.advance(11_000)
  when = "new"
  expect(await load()).toBe("new")
  expect(load.explain().dependencies).toEqual(["new"])
})

test("one that fails is a load that failed: the caller hears of it, and the value is still there to ask about", async () => {
  const { cache, clock } = makeCache()
  let isDown = true
  let loads = 0
  const load = cache.cacheable(async () => (loads += 1), {
    ttl: "10s",
    revalidate: async () => (isDown ? Promise.reject(new Error("down")) : KEEP),
  })
  await load()
  clock.advance(11_000)
  expect(await errorOf(() => load())).toMatchObject({ message: "down" })
  isDown = false
  expect([await load(), loads]).toEqual([1, 1])
})

test("errors are kept although there is a value to ask about, which nobody may be served", async () => {
  const { cache, clock } = makeCache()
  let calls = 0
  const load = cache.cacheable(async () => 1, {
    ttl: "10s",
    cacheErrors: "5s",
    revalidate: () => {
      calls += 1
      throw new Error("down")
    },
  })
  await load()
  clock.advance(11_000)
  await errorOf(() => load())
  await errorOf(() => load())
  expect(calls).toBe(1)
})

test("what is kept for it goes when memory needs the room", async () => {
  const { cache, clock } = makeCache({ memory: { maxEntries: 2 } })
  const source = conditional(cache)
  for (const id of [1, 2, 3, 4]) await source.load(id)
  expect(cache.stats().entries).toBe(2)
  clock.advance(60_000)
  expect(cache.stats().entries).toBe(2)
})

test("of other functions, nothing is kept longer", async () => {
  const { cache, clock } = makeCache({ ttl: "10s" })
  await cache.cacheable(async () => 1)()
  clock.advance(60_000)
  expect(cache.stats().entries).toBe(0)
})

test("a source that never answers wedges nothing", async () => {
  const { cache, clock } = makeCache()
  leavesLoadsRunning(cache)
  const source = conditional(cache, { timeout: "1s" })
  await source.load(1)
  clock.advance(11_000)
  source.before = () => new Promise(() => {})
  const loading = errorOf(() => source.load(1))
  await settled()
  clock.advance(1_000)
  await loading
  source.before = async () => {}
  expect(await source.load(1)).toEqual({ n: 1 })
})

test("is refused where there is no single value to ask about, and where it is no function", async () => {
  const { cache } = makeCache()
  const revalidate = () => KEEP
  const refused = [
    () => cache.cacheableMany(async (ids: readonly number[]) => ids, { revalidate } as object),
    () => cache.getOrLoad("key", () => 1, { revalidate } as object),
    () => cache.cacheable(async () => 1, { revalidate: true as unknown as () => number }),
  ]
  for (const make of refused) {
    expect(await errorOf(make)).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_OPTION", subject: "revalidate" })
  }
})

test("its types", () => {
  const { cache } = makeCache()
  cache.cacheable(async (id: number) => ({ id, etag: "a" }), {
    revalidate: (previous, id) => {
      expectTypeOf(previous).toEqualTypeOf<Previous<{ id: number; etag: string }>>()
      expectTypeOf(previous.storedAt).toEqualTypeOf<Date>()
      expectTypeOf(id).toEqualTypeOf<number>()
      return KEEP
    },
  })
  // @ts-expect-error -- another value than the loader's
  cache.cacheable(async () => 1, { revalidate: () => "text" })
  expectTypeOf(KEEP).toEqualTypeOf<typeof KEEP>()
})

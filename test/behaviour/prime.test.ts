/** Write-through: results of cached functions that were not loaded. */
import { describe, expect, test, vi } from "vitest"
import {
  addDeps,
  type Cache,
  cacheable,
  cacheableMany,
  cacheableSync,
  configure,
  createCache,
  defaultCache,
  type FunctionOptions,
  reset,
} from "zoocache"
import { deferred, errorOf, makeCache, makeShared, rejectionOf } from "../support/caches.js"
import { Machine, rowsOf } from "../support/shared.js"

const refused = (subject: string, message: string) => ({
  code: "ERR_ZOOCACHE_INVALID_OPTION",
  subject,
  message: expect.stringContaining(message),
})

/** The forms of cached functions, each primed for the id 1 and read back without a load. */
interface Form {
  readonly prime: (value: unknown, options?: object) => Promise<unknown>
  readonly primeMany: (values: readonly [number, unknown][], options?: object) => Promise<unknown>
  readonly peek: (id?: number) => unknown
}

const forms: [string, (cache: Cache, options?: FunctionOptions<[number], unknown>) => Form][] = [
  [
    "cacheable",
    (cache, options = {}) => {
      const fn = cache.cacheable(async (_id: number): Promise<unknown> => "loaded", { name: "f", ...options })
      return {
        prime: (value, more) => fn.prime([1], value, more as never),
        primeMany: (values, more) =>
          fn.primeMany(
            values.map(([id, value]) => [[id], value] as const),
            more as never,
          ),
        peek: (id = 1) => fn.peek(id),
      }
    },
  ],
  [
    "cacheableSync",
    (cache, options = {}) => {
      const fn = cache.cacheableSync((_id: number): unknown => "loaded", { name: "f", ...options })
      return {
        prime: (value, more) => fn.prime([1], value, more as never),
        primeMany: (values, more) =>
          fn.primeMany(
            values.map(([id, value]) => [[id], value] as const),
            more as never,
          ),
        peek: (id = 1) => fn.peek(id),
      }
    },
  ],
  [
    "cacheableMany",
    (cache, options = {}) => {
      const fn = cache.cacheableMany(async (ids: readonly number[]) => ids.map((): unknown => "loaded"), {
        name: "f",
        ...options,
      })
      return {
        prime: (value, more) => fn.prime(1, value, more as never),
        primeMany: (values, more) => fn.primeMany(values, more as never),
        peek: (id = 1) => fn.peek(id),
      }
    },
  ],
]

describe.each(forms)("prime of %s", (_form, make) => {
  const now = { asOf: "now" }

  test("stores the value as if it had been loaded, and resolves with a token", async () => {
    const { cache } = makeCache()
    const { prime, peek } = make(cache)
    expect(await prime("row", now)).toMatch(/^zc1\./)
    expect(peek()).toBe("row")
  })

  test("holds before it returns, and replaces what was there", async () => {
    const { cache } = makeCache()
    const { prime, peek } = make(cache)
    void prime("first", now)
    expect(peek()).toBe("first")
    void prime("second", now)
    expect(peek()).toBe("second")
  })

  test("gives it the function's deps and depsOf", async () => {
    const { cache } = makeCache()
    const options = { deps: (id: number) => [`user:${id}`], depsOf: (value: unknown) => [`org:${String(value)}`] }
    const { prime, peek } = make(cache, options)
    await prime("7", now)
    await cache.invalidate("user:2", "org:8")
    expect(peek()).toBe("7")
    await cache.invalidate("org:7")
    expect(peek()).toBeUndefined()
    await prime("7", now)
    await cache.invalidate("user:1")
    expect(peek()).toBeUndefined()
  })

  test("gives it a constant list of deps", async () => {
    const { cache } = makeCache()
    const { prime, peek } = make(cache, { deps: ["users"] })
    await prime("row", now)
    await cache.invalidate("users")
    expect(peek()).toBeUndefined()
  })

  test("gives it the function's ttl, constant or by the value", async () => {
    const { cache, clock } = makeCache({ ttl: "1d" })
    const constant = make(cache, { name: "constant", ttl: "1s" })
    const asked = make(cache, { name: "asked", ttl: (value, id) => Number(value) * id })
    const ofCache = make(cache, { name: "ofCache" })
    for (const { prime } of [constant, asked, ofCache]) await prime("2000", now)
    clock.advance(1_100)
    expect([constant.peek(), asked.peek(), ofCache.peek()]).toEqual([undefined, "2000", "2000"])
    clock.advance(1_000)
    expect([asked.peek(), ofCache.peek()]).toEqual([undefined, "2000"])
  })

  test("a ttl of 0 keeps nothing, and outdates what was there", async () => {
    const { cache } = makeCache()
    const { prime, peek } = make(cache, { ttl: (value) => (value === "kept" ? "1h" : 0) })
    await prime("kept", now)
    await prime("not kept", now)
    expect(peek()).toBeUndefined()
  })

  test("spreads its end by the function's jitter", async () => {
    const { cache, clock } = makeCache({ random: () => 1 - 1e-9 })
    const { prime, peek } = make(cache, { ttl: "10s", jitter: 0.5 })
    await prime("row", now)
    clock.advance(5_500)
    expect(peek()).toBeUndefined()
  })

  test("asks cacheIf: what it refuses is not kept, and outdates what was there", async () => {
    const { cache } = makeCache()
    const cacheIf = vi.fn((value: unknown, id: number) => value === "kept" && id === 1)
    const { prime, peek } = make(cache, { cacheIf })
    await prime("kept", now)
    expect(peek()).toBe("kept")
    await prime("refused", now)
    expect(peek()).toBeUndefined()
    expect(cacheIf.mock.calls).toEqual([
      ["kept", 1],
      ["refused", 1],
    ])
  })

  test("asks sizeOf, once", async () => {
    const { cache } = makeCache({ memory: { maxBytes: 10_000 } })
    const sizeOf = vi.fn(() => 100)
    const { prime } = make(cache, { sizeOf })
    await prime("row", now)
    expect(sizeOf.mock.calls).toEqual([["row"]])
    expect(cache.stats().bytes).toBeGreaterThanOrEqual(100)
  })

  test("isolates it as the function does", async () => {
    const { cache } = makeCache()
    const frozen = make(cache, { name: "frozen" })
    const cloned = make(cache, { name: "cloned", isolation: "clone" })
    const shared = make(cache, { name: "shared", isolation: "share" })
    const row = { id: 1 }
    await cloned.prime(row, now)
    await shared.prime(row, now)
    expect(cloned.peek()).toEqual(row)
    expect(cloned.peek()).not.toBe(row)
    expect(shared.peek()).toBe(row)
    expect(Object.isFrozen(row)).toBe(false)
    await frozen.prime(row, now)
    expect(Object.isFrozen(row)).toBe(true)
    const strict = make(cache, { name: "strict", isolation: "strict" })
    await expect(strict.prime(new Date(), now)).rejects.toMatchObject({ code: "ERR_ZOOCACHE_UNCACHEABLE_VALUE" })
  })

  test.each([
    ["depsOf", () => ["fine", "not a tag"]],
    ["depsOf", () => "no list"],
    ["depsOf", () => Promise.reject(new Error("late"))],
    ["cacheIf", async () => false],
    ["ttl", () => "soon"],
    ["sizeOf", () => Number.NaN],
    ...["depsOf", "cacheIf", "ttl", "sizeOf"].map((hook) => [
      hook,
      () => {
        throw new Error("broken")
      },
    ]),
  ] as [string, () => unknown][])(
    "a bad %s (%s) is a fault: nothing is kept, nothing older either",
    async (hook, bad) => {
      const { cache, faults } = makeCache({ memory: { maxBytes: 1e6 } })
      let isBad = false
      const good: Record<string, () => unknown> = {
        depsOf: () => [],
        cacheIf: () => true,
        ttl: () => "1h",
        sizeOf: () => 1,
      }
      const { prime, peek } = make(cache, { [hook]: () => (isBad ? bad() : good[hook]?.()) })
      await prime("older", now)
      expect(peek()).toBe("older")
      isBad = true
      expect(await prime("row", now)).toMatch(/^zc1\./)
      expect(peek()).toBeUndefined()
      expect(faults).toHaveLength(1)
      expect(faults[0]).toMatchObject({ key: "ƒ:f::1", error: { code: "ERR_ZOOCACHE_HOOK" } })
    },
  )

  test.each([
    ["throws", () => expect.unreachable(), undefined],
    ["names no tag", () => ["not a tag"], "ERR_ZOOCACHE_INVALID_TAG"],
    ["is a promise", () => Promise.reject(new Error("late")), "ERR_ZOOCACHE_INVALID_OPTION"],
    ["is no list", () => "user:1", "ERR_ZOOCACHE_INVALID_OPTION"],
  ] as [string, () => unknown, string | undefined][])(
    "a deps that %s rejects, and changes nothing",
    async (_what, bad, code) => {
      const { cache, faults } = makeCache()
      let isBad = false
      const { prime, peek } = make(cache, { deps: () => (isBad ? bad() : []) as string[] })
      await prime("older", now)
      isBad = true
      const error = await rejectionOf(prime("row", now))
      if (code !== undefined) expect(error).toMatchObject({ code })
      expect(peek()).toBe("older")
      expect(faults).toEqual([])
    },
  )

  test("needs asOf outside of a load, and says what to pass", async () => {
    const { cache } = makeCache()
    const { prime, primeMany } = make(cache)
    for (const call of [() => prime("row"), () => prime("row", {}), () => primeMany([[1, "row"]])]) {
      expect(await errorOf(call)).toMatchObject(refused("asOf", "cache.position()"))
    }
  })

  test('takes positions of this cache and the word "now", nothing else', async () => {
    const { cache } = makeCache()
    const { cache: other } = makeCache()
    const { prime, peek } = make(cache)
    for (const asOf of ["later", 1, {}, null, other.position()]) {
      expect(await errorOf(() => prime("row", { asOf }))).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_OPTION" })
    }
    for (const options of ["now", 1, null]) {
      expect(await errorOf(() => prime("row", options as never))).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_OPTION" })
    }
    expect(await errorOf(() => prime("row", { asOf: "now", ttl: "1h" }))).toMatchObject(refused("ttl", "prime"))
    expect(peek()).toBeUndefined()
  })

  test("a row from before an invalidation is not served", async () => {
    const { cache } = makeCache()
    const { prime, peek } = make(cache, { deps: ["row"] })
    const asOf = cache.position()
    await cache.invalidate("row")
    await prime("v1", { asOf })
    expect(peek()).toBeUndefined()
    await prime("v2", { asOf: cache.position() })
    expect(peek()).toBe("v2")
    await cache.invalidate("row:below")
    expect(peek()).toBe("v2")
  })

  test("inside a load the start of that load counts", async () => {
    const { cache } = makeCache()
    const { prime, peek } = make(cache, { deps: ["row"] })
    const gate = deferred()
    const load = cache.cacheable(
      async (_attempt: number) => {
        await gate.promise
        await prime("row of then")
      },
      { name: "load" },
    )
    const running = load(1)
    await cache.invalidate("row")
    gate.resolve()
    await running
    expect(peek()).toBeUndefined()
    await load(2)
    expect(peek()).toBe("row of then")
  })

  test("outranks a load that began before", async () => {
    const { cache } = makeCache()
    const gate = deferred()
    const fn = cache.cacheable(() => gate.promise.then(() => "loaded"), { name: "g" })
    const early = fn()
    await fn.prime([], "primed", { asOf: "now" })
    gate.resolve()
    expect(await early).toBe("loaded")
    expect(fn.peek()).toBe("primed")
  })

  test("a hook that invalidates what the value depends on makes it stale", async () => {
    const { cache } = makeCache()
    const options = {
      deps: ["row"],
      depsOf: () => {
        void cache.invalidate("row")
        return []
      },
    }
    const { prime, peek } = make(cache, options)
    await prime("row", now)
    expect(peek()).toBeUndefined()
  })

  test("several are one append; of several for one call the last counts", async () => {
    const { cache } = makeCache()
    const { primeMany, peek } = make(cache, { deps: (id) => [`row:${id}`] })
    const before = cache.stats().invalidations
    await primeMany(
      [
        [1, "first"],
        [2, "other"],
        [1, "last"],
      ],
      now,
    )
    expect([peek(1), peek(2)]).toEqual(["last", "other"])
    expect(cache.stats().invalidations).toBe(before + 2)
    await cache.invalidate("row:1")
    expect([peek(1), peek(2)]).toEqual([undefined, "other"])
    expect(await primeMany([], now)).toMatch(/^zc1\./)
  })

  test("one bad item stores none", async () => {
    const { cache } = makeCache()
    const { primeMany, peek } = make(cache)
    await expect(
      primeMany(
        [
          [1, "fine"],
          [2, Promise.resolve("a promise")],
        ],
        now,
      ),
    ).rejects.toMatchObject({ code: "ERR_ZOOCACHE_INVALID_OPTION" })
    expect(peek(1)).toBeUndefined()
  })

  test("inside a transaction holds there at once, and for others when it has committed", async () => {
    const { cache } = makeCache()
    const { prime, peek } = make(cache, { deps: ["row"] })
    const inside = deferred()
    const go = deferred()
    const done = cache.transaction(async () => {
      expect(await prime("row", now)).toBeUndefined()
      expect(peek()).toBe("row")
      inside.resolve()
      await go.promise
    })
    await inside.promise
    expect(peek()).toBeUndefined()
    go.resolve()
    await done
    expect(peek()).toBe("row")
    await cache.invalidate("row")
    expect(peek()).toBeUndefined()
  })

  test("inside a transaction that fails leaves nothing", async () => {
    const { cache } = makeCache()
    const { prime, peek } = make(cache)
    await prime("before", now)
    await cache
      .transaction(async () => {
        await prime("inside", now)
        throw new Error("rolled back")
      })
      .catch(() => {})
    expect(peek()).toBe("before")
  })

  test("in a scope depends on the scope's tag, and names tags within it", async () => {
    const { cache } = makeCache()
    const tenant = cache.scope("tenant:1")
    const { prime, peek } = make(tenant, { deps: ["row"], depsOf: () => ["org"] })
    for (const tag of ["tenant:1:row", "tenant:1:org", "tenant:1"]) {
      await prime("row", now)
      await cache.invalidate("row", "org", "tenant:2")
      expect(peek()).toBe("row")
      await cache.invalidate(tag)
      expect(peek()).toBeUndefined()
    }
  })

  test("rejects on a closed cache", async () => {
    const cache = createCache()
    const { prime } = make(cache)
    await cache.close()
    expect(await errorOf(() => prime("row", now))).toMatchObject({
      code: "ERR_ZOOCACHE_CLOSED",
      message: expect.stringContaining("prime"),
    })
  })

  test("of a function that was defined again stores nothing", async () => {
    const { cache } = makeCache({ redefine: "replace" })
    const { prime } = make(cache)
    const later = make(cache)
    await prime("of the old one", now)
    expect(later.peek()).toBeUndefined()
  })
})

test("row = v1; the row becomes v2; invalidate; prime(v1) from before is not served, to anybody", async () => {
  const machine = new Machine()
  const rows = new Map<number, unknown>([[1, "v1"]])
  const [here, there] = [await machine.join(), await machine.join()]
  const [mine, theirs] = [rowsOf(here.cache, rows), rowsOf(there.cache, rows)]
  const asOf = here.cache.position()
  const row = rows.get(1)
  rows.set(1, "v2")
  await there.cache.invalidate("row:1")
  await mine.read.prime([1], row, { asOf })
  expect(await mine.read(1)).toBe("v2")
  expect(await theirs.read(1)).toBe("v2")
})

test("on a shared store other processes get it, with the function's own deps", async () => {
  const machine = new Machine()
  const rows = new Map<number, unknown>([[1, "loaded"]])
  const [here, there] = [await machine.join(), await machine.join()]
  const [mine, theirs] = [rowsOf(here.cache, rows), rowsOf(there.cache, rows)]
  await mine.read.prime([1], "primed", { asOf: "now" })
  expect(await theirs.read(1)).toBe("primed")
  expect(theirs.loads).toBe(0)
  await here.cache.invalidate("row:1")
  expect(await theirs.read(1)).toBe("loaded")
})

test("what cacheIf refuses is not on the shared store either, nor what was there before", async () => {
  const machine = new Machine()
  const rows = new Map<number, unknown>([[1, "loaded"]])
  const [here, there] = [await machine.join(), await machine.join()]
  const mine = rowsOf(here.cache, rows, { cacheIf: (value) => value !== "refused" })
  const theirs = rowsOf(there.cache, rows)
  await mine.read.prime([1], "kept", { asOf: "now" })
  expect(await theirs.read(1)).toBe("kept")
  await mine.read.prime([1], "refused", { asOf: "now" })
  expect(await theirs.read(1)).toBe("loaded")
})

test("of a function that was defined again, the shared store gets nothing", async () => {
  const machine = new Machine()
  const rows = new Map<number, unknown>([[1, "loaded"]])
  const [here, there] = [await machine.join({ redefine: "replace" }), await machine.join()]
  const old = rowsOf(here.cache, rows)
  rowsOf(here.cache, rows)
  const theirs = rowsOf(there.cache, rows)
  await old.read.prime([1], "of the old one", { asOf: "now" })
  expect(await theirs.read(1)).toBe("loaded")
})

test("a value that was primed inside a load lives no longer than what the load had used, on the store as well", async () => {
  const machine = new Machine()
  const [here, there] = [await machine.join(), await machine.join()]
  const rows = new Map<number, unknown>([[1, "loaded"]])
  const [mine, theirs] = [rowsOf(here.cache, rows, { ttl: "1h" }), rowsOf(there.cache, rows, { ttl: "1h" })]
  const short = here.cache.cacheable(async () => 1, { name: "short", ttl: "10s" })
  const load = here.cache.cacheable(
    async () => {
      await short()
      await mine.read.prime([1], "made of it", {} as never)
    },
    { name: "load" },
  )
  await load()
  expect([mine.read.peek(1), await theirs.read(1)]).toEqual(["made of it", "made of it"])
  machine.clock.advance(11_000)
  expect([mine.read.peek(1), theirs.read.peek(1)]).toEqual([undefined, undefined])
})

test("without a name on a shared log it rejects like a call", async () => {
  const { cache } = await makeShared()
  const fn = cache.cacheable(async () => 1)
  expect(await rejectionOf(fn.prime([], 1, { asOf: "now" }))).toMatchObject({ code: "ERR_ZOOCACHE_MISSING_NAME" })
})

describe("of many ids", () => {
  test("that an id has no value is stored too, as after a load", async () => {
    const { cache } = makeCache()
    const loader = vi.fn(async () => new Map<number, string>())
    const cacheIf = vi.fn(() => false)
    const depsOf = vi.fn(() => [])
    const users = cache.cacheableMany(loader, { name: "users", cacheIf, depsOf })
    await users.prime(1, undefined as never, { asOf: "now" })
    expect(await users([1])).toEqual(new Map())
    expect(loader).not.toHaveBeenCalled()
    expect([cacheIf, depsOf].map(({ mock }) => mock.calls)).toEqual([[], []])
  })

  test("an error is no value of an id", async () => {
    const { cache } = makeCache()
    const users = cache.cacheableMany(async (ids: readonly number[]) => ids.map((): unknown => 1), { name: "users" })
    expect(await rejectionOf(users.prime(1, new Error("gone"), { asOf: "now" }))).toMatchObject(
      refused("value", "error"),
    )
  })

  test("wrong items are named in the form that it takes", async () => {
    const { cache } = makeCache()
    const users = cache.cacheableMany(async (ids: readonly number[]) => ids.map(() => 1), { name: "users" })
    expect(await rejectionOf(users.primeMany([1] as never, { asOf: "now" }))).toMatchObject(
      refused("items", "[[42, row]]"),
    )
  })
})

test("arguments that are no list are named in the form that it takes", async () => {
  const { cache } = makeCache()
  const fn = cache.cacheable(async (_id: number) => 1, { name: "f" })
  expect(await rejectionOf(fn.prime(1 as never, 1, { asOf: "now" }))).toMatchObject(refused("args", "[42]"))
  expect(await rejectionOf(fn.primeMany([[1, 1]] as never, { asOf: "now" }))).toMatchObject(refused("args", "[42]"))
  expect(await rejectionOf(fn.primeMany({} as never, { asOf: "now" }))).toMatchObject(refused("items", "[[[42], row]]"))
})

test("a custom key and grace are those of the function", async () => {
  const { cache, clock } = makeCache()
  const load = vi.fn(async (user: { id: number }) => `loaded ${user.id}`)
  const fn = cache.cacheable(load, { name: "f", key: (user) => user.id, ttl: "1s", grace: "1h", timeout: { soft: 0 } })
  await fn.prime([{ id: 1 }], "primed", { asOf: "now" })
  expect(await fn({ id: 1 })).toBe("primed")
  clock.advance(2_000)
  expect(await fn({ id: 1 })).toBe("primed")
  expect(load).toHaveBeenCalledTimes(1)
})

test("what the load around used is no dependency of a primed value: it has its function's own", async () => {
  const { cache } = makeCache()
  const fn = cache.cacheable(async () => "loaded", { name: "f", deps: ["own"] })
  const load = cache.cacheable(
    async () => {
      addDeps("used")
      await fn.prime([], "primed", {} as never)
    },
    { name: "load" },
  )
  await load()
  await cache.invalidate("used")
  expect(fn.peek()).toBe("primed")
})

describe("set, setMany and getOrLoad", () => {
  test.each([
    ["set", (cache: Cache, key: string) => cache.set(key, "by hand")],
    [
      "setMany",
      (cache: Cache, key: string) =>
        cache.setMany([
          ["fine", 1],
          [key, "by hand"],
        ]),
    ],
    ["getOrLoad", (cache: Cache, key: string) => cache.getOrLoad(key, () => "by hand")],
  ] as const)("%s refuses the key of a function and names prime", async (name, write) => {
    const { cache } = makeCache()
    const fn = cache.cacheable(async (_id: number) => "loaded", { name: "f", deps: (id) => [`user:${id}`] })
    const many = cache.cacheableMany(async (ids: readonly number[]) => ids.map(() => 1), { name: "m" })
    const sync = cache.cacheableSync(() => 1, { name: "s" })
    const inScope = cache.scope("t").cacheable(async () => 1, { name: "f" })
    await fn(42)
    for (const key of [fn.keyOf(42), fn.keyOf(1), many.keyOf(1), sync.keyOf(), inScope.keyOf()]) {
      const error = await rejectionOf(write(cache, key))
      expect(error).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_KEY", message: expect.stringContaining("prime") })
      expect((error as Error).message).toContain(`\`${name}\``)
    }
    expect(await fn(42)).toBe("loaded")
    expect(await cache.lookup("fine")).toBeUndefined()
  })

  test("inside a transaction as well", async () => {
    const { cache } = makeCache()
    const fn = cache.cacheable(async () => "loaded", { name: "f" })
    await cache.transaction(async () => {
      expect(await rejectionOf(cache.set(fn.keyOf(), 1))).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_KEY" })
    })
  })
})

test("functions of the default cache have it", async () => {
  await reset()
  configure()
  try {
    const one = cacheable(async (_id: number) => "loaded", { name: "one", deps: (id) => [`row:${id}`] })
    const sync = cacheableSync((_id: number) => "loaded", { name: "sync" })
    const many = cacheableMany(async (ids: readonly number[]) => ids.map(() => "loaded"), { name: "many" })
    await one.prime([1], "primed", { asOf: "now" })
    await one.primeMany([[[2], "primed"]], { asOf: "now" })
    await sync.prime([1], "primed", { asOf: "now" })
    await sync.primeMany([[[2], "primed"]], { asOf: "now" })
    await many.prime(1, "primed", { asOf: "now" })
    await many.primeMany([[2, "primed"]], { asOf: "now" })
    expect([one.peek(1), one.peek(2), sync(1), sync(2), many.peek(1), many.peek(2)]).toEqual(Array(6).fill("primed"))
    await defaultCache().invalidate("row:1")
    expect(await one(1)).toBe("loaded")
    expect(await rejectionOf(one.prime([1], "row", {} as never))).toMatchObject(refused("asOf", "cache.position()"))
  } finally {
    await reset()
  }
})

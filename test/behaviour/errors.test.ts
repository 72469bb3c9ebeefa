import { describe, expect, test, vi } from "vitest"
import { createCache, InvalidOptionError, InvalidTagError, ZooCacheError } from "zoocache"
import { settled } from "zoocache/testing"
import { makeCache, rejectionOf } from "../support/caches.js"

class NotFound extends Error {}

/** A function that fails until told otherwise. */
function failing(options: object = {}) {
  const bench = makeCache()
  const state = { loads: 0, error: new NotFound("not found") as unknown }
  const load = bench.cache.cacheable(
    async (_id?: number) => {
      state.loads += 1
      if (state.error !== undefined) throw state.error
      return state.loads
    },
    { name: "load", ...options },
  )
  return { ...bench, state, load }
}

describe("cacheErrors", () => {
  test("is off by default", async () => {
    const { load, state } = failing()
    await load().catch(() => {})
    await load().catch(() => {})
    expect(state.loads).toBe(2)
  })

  test("keeps an error for that long and gives every caller the same one", async () => {
    const { clock, load, state } = failing({ cacheErrors: "10s" })
    expect(await rejectionOf(load())).toBe(state.error)
    clock.advance(9_900)
    expect(await rejectionOf(load())).toBe(state.error)
    expect(state.loads).toBe(1)
    clock.advance(200)
    await load().catch(() => {})
    expect(state.loads).toBe(2)
  })

  test("doubles with each failure in a row, up to 64 times, and begins anew after a success", async () => {
    const { clock, load, state } = failing({ cacheErrors: "1s", ttl: "1ms" })
    await load().catch(() => {})
    for (const factor of [1, 2, 4, 8, 16, 32, 64, 64, 64]) {
      const before = state.loads
      clock.advance(factor * 1_000 - 100)
      await load().catch(() => {})
      expect(state.loads).toBe(before)
      clock.advance(200)
      await load().catch(() => {})
      expect(state.loads).toBe(before + 1)
    }
    const { error } = state
    state.error = undefined
    clock.advance(65_000)
    await load()
    state.error = error
    clock.advance(10)
    await load().catch(() => {})
    const before = state.loads
    clock.advance(1_100)
    await load().catch(() => {})
    expect(state.loads).toBe(before + 1)
  })

  test("may depend on the error and the arguments", async () => {
    const { load, state } = failing({
      cacheErrors: (error: unknown, id: number) => (error instanceof NotFound && id === 1 ? "1h" : false),
    })
    await load(1).catch(() => {})
    await load(1).catch(() => {})
    expect(state.loads).toBe(1)
    await load(2).catch(() => {})
    await load(2).catch(() => {})
    expect(state.loads).toBe(3)
    state.error = new Error("something else")
    await load(1).catch(() => {})
    expect(state.loads).toBe(3)
  })

  test("keeps an error only until one of its dependencies is invalidated", async () => {
    const { cache, load, state } = failing({ cacheErrors: "1h", deps: ["t"] })
    await load().catch(() => {})
    await cache.invalidate("t")
    state.error = undefined
    expect(await load()).toBe(2)
  })

  test("keeps no error of a load that an invalidation overlapped", async () => {
    const { cache } = makeCache()
    let reject!: (error: Error) => void
    const loader = vi.fn(
      () =>
        new Promise<string>((_resolve, onError) => {
          reject = onError
        }),
    )
    const load = cache.cacheable(loader, { cacheErrors: "1h", deps: ["t"] })
    const first = load()
    await cache.invalidate("t")
    reject(new Error("old"))
    await expect(first).rejects.toThrow("old")
    const second = load()
    reject(new Error("new"))
    await expect(second).rejects.toThrow("new")
    await expect(load()).rejects.toThrow("new")
    expect(loader).toHaveBeenCalledTimes(2)
  })

  test("keeps errors of a batch per id, and of a sync function", async () => {
    const { cache } = makeCache()
    const batches: (readonly number[])[] = []
    const many = cache.cacheableMany(
      async (ids: readonly number[]) => {
        batches.push(ids)
        return ids.map((id) => (id === 1 ? new NotFound("1") : id))
      },
      { cacheErrors: "1h" },
    )
    await expect(many([1, 2])).rejects.toThrow(NotFound)
    await expect(many.one(1)).rejects.toThrow(NotFound)
    expect(await many.one(2)).toBe(2)
    expect(batches).toEqual([[1, 2]])
    const loader = vi.fn((): number => {
      throw new NotFound("sync")
    })
    const once = cache.cacheableSync(loader, { cacheErrors: "1h" })
    expect(() => once()).toThrow(NotFound)
    expect(() => once()).toThrow(NotFound)
    expect(loader).toHaveBeenCalledTimes(1)
  })

  test("keeps nothing for 0, and no value is hidden by an error: peek, get and has find none", async () => {
    const zero = failing({ cacheErrors: 0 })
    await zero.load().catch(() => {})
    await zero.load().catch(() => {})
    expect(zero.state.loads).toBe(2)
    const { cache, load } = failing({ cacheErrors: "1h" })
    await load().catch(() => {})
    expect(load.peek()).toBeUndefined()
    expect(await cache.lookup(load.keyOf())).toBeUndefined()
    expect(await cache.has(load.keyOf())).toBe(false)
  })

  test("does not replace a value that may be served in grace", async () => {
    const { clock, load, state } = failing({ cacheErrors: "1h", ttl: "10s", grace: "1h" })
    const { error } = state
    state.error = undefined
    await load()
    state.error = error
    clock.advance(11_000)
    expect(await load()).toBe(1)
    await load.refresh().catch(() => {})
    expect(await load()).toBe(1)
  })

  test("gives way to delete, refresh and set", async () => {
    const { load, state } = failing({ cacheErrors: "1h" })
    await load().catch(() => {})
    state.error = undefined
    expect(await load.refresh()).toBe(2)
    expect(await load()).toBe(2)
    state.error = new Error("again")
    await load.delete()
    await load().catch(() => {})
    await load.prime([], 42, { asOf: "now" })
    expect(await load()).toBe(42)
  })

  test("leaves no rejection unhandled when nobody asks again", async () => {
    const { clock, load } = failing({ cacheErrors: "1s" })
    await load().catch(() => {})
    await clock.advanceAsync(5_000, 50)
  })
})

describe("cacheIf", () => {
  test("decides by the result and the arguments what is stored", async () => {
    const { cache } = makeCache()
    const loader = vi.fn(async (id: number) => (id > 10 ? null : { id }))
    const load = cache.cacheable(loader, { cacheIf: (value, id) => value !== null && id !== 2 })
    for (const id of [1, 1, 2, 2, 11, 11]) await load(id)
    expect(loader.mock.calls.map(([id]) => id)).toEqual([1, 2, 2, 11, 11])
  })
})

describe("a hook that fails is a fault: the value is returned and not stored", () => {
  test.each([
    ["depsOf", { depsOf: () => "no array" }],
    ["depsOf", { depsOf: () => ["not a tag"] }],
    ["ttl", { ttl: () => "soon" }],
    ["ttl", { ttl: () => undefined }],
    ["cacheIf", { cacheIf: () => expect.fail("broken") }],
    ["sizeOf", { sizeOf: () => Number.NaN }],
    ["sizeOf", { sizeOf: () => -1 }],
  ])("%s: %o", async (hook, options) => {
    const { cache, faults } = makeCache({ memory: { maxBytes: 1_000_000 } })
    const load = cache.cacheable(async () => "value", { name: "load", ...(options as object) })
    expect(await load()).toBe("value")
    expect(load.peek()).toBeUndefined()
    expect(faults).toHaveLength(1)
    expect(faults[0]).toMatchObject({ key: "ƒ:load::", error: { code: "ERR_ZOOCACHE_HOOK", subject: hook } })
    expect(faults[0]?.error.message).toMatch(new RegExp(`^The hook \`${hook}\` failed for ƒ:load::: `))
  })

  test("depsOf: an outer load that used the value is not stored either, for nobody knows what it depends on", async () => {
    const { cache } = makeCache()
    const inner = cache.cacheable(async () => 1, { depsOf: () => expect.fail("broken") })
    const outer = cache.cacheable(async () => inner())
    await outer()
    expect(outer.peek()).toBeUndefined()
  })
})

describe("a bad result of deps or key rejects the call, and the loader does not run", () => {
  test.each<[string, object, unknown]>([
    ["deps throws", { deps: () => expect.fail("broken") }, expect.objectContaining({ message: "broken" })],
    ["deps returns no array", { deps: () => "t" }, expect.any(InvalidOptionError)],
    ["deps returns no tags", { deps: () => ["fine", "not a tag"] }, expect.any(InvalidTagError)],
    ["deps is a list with a bad tag", { deps: ["a::b"] }, expect.any(InvalidTagError)],
    ["key throws", { key: () => expect.fail("broken") }, expect.objectContaining({ message: "broken" })],
    ["key returns a function", { key: () => () => 1 }, expect.objectContaining({ code: "ERR_ZOOCACHE_INVALID_KEY" })],
  ])("%s", async (_name, options, error) => {
    const { cache } = makeCache()
    const loader = vi.fn(async () => 1)
    const load = cache.cacheable(loader, options)
    expect(await rejectionOf(load())).toEqual(error)
    expect(await rejectionOf(load())).toEqual(error)
    expect(loader).not.toHaveBeenCalled()
    expect(cache.stats().faults).toBe(0)
  })
})

test("a synchronous throw of a loader is a rejection with that very error, for all who wait", async () => {
  const { cache } = makeCache()
  const error = new Error("thrown")
  const load = cache.cacheable((): string => {
    throw error
  })
  expect(await rejectionOf(load())).toBe(error)
  expect(await Promise.all([rejectionOf(load()), rejectionOf(load())])).toEqual([error, error])
})

test("whatever is thrown reaches the callers as it is, even undefined", async () => {
  const { cache } = makeCache()
  for (const thrown of [undefined, null, 0, "text", Symbol("s"), { code: 1 }]) {
    const load = cache.cacheable(() => Promise.reject(thrown), { cacheErrors: "1h" })
    expect(await rejectionOf(load())).toBe(thrown)
    expect(await rejectionOf(load())).toBe(thrown)
  }
})

test("every error of the library has a class, a stable code and a name", async () => {
  const { cache } = makeCache()
  const error = (await rejectionOf(cache.invalidate("not a tag"))) as ZooCacheError
  expect(error).toBeInstanceOf(ZooCacheError)
  expect(error).toBeInstanceOf(Error)
  expect(error.name).toBe("InvalidTagError")
  expect(error.code).toMatch(/^ERR_ZOOCACHE_/)
})

test("an asynchronous onFault that rejects is nobody's unhandled rejection", async () => {
  const unhandled = vi.fn()
  process.on("unhandledRejection", unhandled)
  const cache = createCache({
    onFault: (() => Promise.reject(new Error("the listener is broken"))) as unknown as () => void,
  })
  const load = cache.cacheable(async () => 1, {
    name: "load",
    depsOf: () => {
      throw new Error("broken")
    },
  })
  expect(await load()).toBe(1)
  await settled()
  await cache.close()
  process.off("unhandledRejection", unhandled)
  expect(unhandled).not.toHaveBeenCalled()
})

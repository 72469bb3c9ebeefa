import { describe, expect, test, vi } from "vitest"
import { settled } from "zoocache/testing"
import { makeCache, steered } from "../support/caches.js"

function users() {
  const bench = makeCache()
  let version = 0
  const loader = vi.fn(async (id: number) => ({ id, version: ++version }))
  const getUser = bench.cache.cacheable(loader, { name: "getUser", deps: (id) => [`user:${id}`] })
  return { ...bench, loader, getUser }
}

describe("a cached function", () => {
  test("runs its loader once for equal arguments", async () => {
    const { getUser, loader } = users()
    expect(await getUser(1)).toEqual({ id: 1, version: 1 })
    expect(await getUser(1)).toEqual({ id: 1, version: 1 })
    expect(await getUser(2)).toEqual({ id: 2, version: 2 })
    expect(loader.mock.calls).toEqual([[1], [2]])
  })

  test("returns the same promise for hits, so that a hit allocates nothing", async () => {
    const { getUser } = users()
    await getUser(1)
    expect(getUser(1)).toBe(getUser(1))
  })

  test("has the name and the number of parameters of its loader", () => {
    const { cache } = makeCache()
    async function findUser(_id: number, _org: string): Promise<void> {}
    const cached = cache.cacheable(findUser)
    expect(cached.name).toBe("findUser")
    expect(cached.length).toBe(2)
  })

  test("passes all its arguments and its `this` to the loader and the hooks", async () => {
    const { cache } = makeCache()
    const seen: unknown[] = []
    const self = {
      base: 10,
      add: cache.cacheable(
        async function (this: { base: number }, a: number, b: number) {
          return this.base + a + b
        },
        {
          deps: function (this: unknown, ...args) {
            seen.push(["deps", this, args])
            return []
          },
          depsOf: function (this: unknown, ...args) {
            seen.push(["depsOf", this, args])
            return []
          },
        },
      ),
    }
    expect(await self.add(1, 2)).toBe(13)
    expect(seen).toEqual([
      ["deps", self, [1, 2]],
      ["depsOf", self, [13, 1, 2]],
    ])
  })

  test("key says what distinguishes two calls", async () => {
    const { cache } = makeCache()
    const loader = vi.fn(async (user: { id: number; session: symbol }) => user.id)
    const load = cache.cacheable(loader, { key: (user) => user.id })
    await load({ id: 1, session: Symbol("a") })
    await load({ id: 1, session: Symbol("b") })
    await load({ id: 2, session: Symbol("a") })
    expect(loader).toHaveBeenCalledTimes(2)
  })

  test("never throws synchronously", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable((_argument: unknown): number => {
      throw new Error("thrown")
    })
    const calls = [load(1), load(() => 1), load(Symbol("s")), load.refresh(() => 1), load.delete(() => 1)]
    for (const outcome of await Promise.allSettled(calls)) expect(outcome.status).toBe("rejected")
  })

  test("that has several dependencies dies with any of them", async () => {
    const { cache } = makeCache()
    let loads = 0
    const load = cache.cacheable(async () => ++loads, { deps: ["a", "b:1", "c"] })
    for (const tag of ["a", "b", "c"]) {
      await load()
      await cache.invalidate(tag)
      expect(load.peek()).toBeUndefined()
    }
  })
})

describe("keyOf", () => {
  test("is the public key: a name, a version and the arguments", () => {
    const { cache } = makeCache()
    const load = cache.cacheable(async (..._args: unknown[]) => 1, { name: "load", version: 2 })
    expect(load.keyOf()).toBe("ƒ:load:2:")
    expect(load.keyOf(1, "a", { b: [true] })).toBe('ƒ:load:2:1,"a",{b:[true]}')
  })

  test("throws for arguments that have no key", () => {
    const { cache } = makeCache()
    const load = cache.cacheable(async (_argument: unknown) => 1)
    expect(() => load.keyOf(() => 1)).toThrow(expect.objectContaining({ code: "ERR_ZOOCACHE_INVALID_KEY" }))
  })
})

describe("peek", () => {
  test("gives the stored value without loading, undefined without one", async () => {
    const { cache, getUser, loader } = users()
    expect(getUser.peek(1)).toBeUndefined()
    expect(loader).not.toHaveBeenCalled()
    const user = await getUser(1)
    expect(getUser.peek(1)).toBe(user)
    await cache.invalidate("user:1")
    expect(getUser.peek(1)).toBeUndefined()
  })

  test("counts neither as a hit nor as a miss", async () => {
    const { cache, getUser } = users()
    getUser.peek(1)
    await getUser(1)
    getUser.peek(1)
    expect(cache.stats()).toMatchObject({ hits: 0, misses: 1 })
  })
})

describe("refresh", () => {
  test("loads anew and stores what it gets", async () => {
    const { getUser } = users()
    await getUser(1)
    expect(await getUser.refresh(1)).toEqual({ id: 1, version: 2 })
    expect(await getUser(1)).toEqual({ id: 1, version: 2 })
  })

  test("joins no load that began before, and its result outlives that of the earlier one", async () => {
    const { cache } = makeCache()
    const source = steered<string>()
    const load = cache.cacheable(source.loader)
    const early = load()
    const refreshed = load.refresh()
    const joined = load()
    expect(source.runs).toHaveLength(2)
    source.runs[1]?.resolve("new")
    expect(await refreshed).toBe("new")
    expect(await joined).toBe("new")
    source.runs[0]?.resolve("old")
    expect(await early).toBe("old")
    expect(await load()).toBe("new")
  })

  test("readers go on with what there is meanwhile", async () => {
    const { cache } = makeCache()
    const source = steered<string>()
    const load = cache.cacheable(source.loader)
    const first = load()
    source.last.resolve("old")
    await first
    const refreshed = load.refresh()
    expect(await load()).toBe("old")
    source.last.resolve("new")
    await refreshed
    expect(await load()).toBe("new")
  })

  test("that fails leaves the value where it was", async () => {
    const { cache } = makeCache()
    const source = steered<string>()
    const load = cache.cacheable(source.loader)
    const first = load()
    source.last.resolve("value")
    await first
    const refreshed = load.refresh()
    source.last.reject(new Error("down"))
    await expect(refreshed).rejects.toThrow("down")
    expect(await load()).toBe("value")
  })

  test("does not invalidate what depends on the value", async () => {
    const { cache, getUser } = users()
    const page = cache.cacheable(async (id: number) => (await getUser(id)).version)
    await page(1)
    await getUser.refresh(1)
    expect(page.peek(1)).toBe(1)
  })
})

describe("delete and clear", () => {
  test("delete invalidates the entry of one call and resolves with a token", async () => {
    const { cache, getUser } = users()
    await getUser(1)
    await getUser(2)
    const token = await getUser.delete(1)
    expect(getUser.peek(1)).toBeUndefined()
    expect(getUser.peek(2)).toBeDefined()
    await cache.sync(token)
  })

  test("clear invalidates every entry of this function and of no other", async () => {
    const { cache, getUser } = users()
    const other = cache.cacheable(async (id: number) => id, { name: "getUsers" })
    await Promise.all([getUser(1), getUser(2), other(1)])
    await getUser.clear()
    expect([getUser.peek(1), getUser.peek(2)]).toEqual([undefined, undefined])
    expect(other.peek(1)).toBe(1)
  })

  test("clear leaves another version of the same function alone", async () => {
    const { cache } = makeCache()
    const one = cache.cacheable(async () => 1, { name: "load", version: 1 })
    const two = cache.cacheable(async () => 2, { name: "load", version: 2 })
    await Promise.all([one(), two()])
    await one.clear()
    expect([one.peek(), two.peek()]).toEqual([undefined, 2])
  })

  test("both hold for loads that are under way", async () => {
    for (const change of ["delete", "clear"] as const) {
      const { cache } = makeCache()
      const source = steered<string>()
      const load = cache.cacheable(source.loader)
      const early = load()
      await load[change]()
      const late = load()
      await settled()
      source.runs[0]?.resolve("old")
      expect(await early).toBe("old")
      await settled()
      expect(load.peek()).toBeUndefined()
      source.last.resolve("new")
      expect(await late).toBe("new")
      expect(source.runs).toHaveLength(2)
    }
  })
})

describe("concurrent callers", () => {
  test("share one load", async () => {
    const { cache } = makeCache()
    const source = steered<string>()
    const load = cache.cacheable(source.loader)
    const callers = Array.from({ length: 1_000 }, () => load())
    source.last.resolve("value")
    expect(new Set(await Promise.all(callers))).toEqual(new Set(["value"]))
    expect(cache.stats()).toMatchObject({ loads: 1, misses: 1_000, joins: 999 })
  })

  test("who come after an unrelated invalidation take the result of the load that is under way, if it is fresh", async () => {
    const { cache } = makeCache()
    const source = steered<string>()
    const load = cache.cacheable(source.loader, { deps: ["t"] })
    const early = load()
    await cache.invalidate("unrelated")
    const late = [load(), load()]
    source.last.resolve("value")
    expect(await Promise.all([early, ...late])).toEqual(["value", "value", "value"])
    expect(source.runs).toHaveLength(1)
  })

  test("who can't take it share the next load, and never load one after the other", async () => {
    const { cache } = makeCache()
    const source = steered<string>()
    const load = cache.cacheable(source.loader, { deps: ["t"] })
    const early = load()
    await cache.invalidate("unrelated")
    const late = Array.from({ length: 20 }, () => load())
    await cache.invalidate("t")
    source.runs[0]?.resolve("old")
    expect(await early).toBe("old")
    await settled()
    expect(source.runs).toHaveLength(2)
    source.runs[1]?.resolve("new")
    expect(new Set(await Promise.all(late))).toEqual(new Set(["new"]))
    expect(source.runs).toHaveLength(2)
    expect(await load()).toBe("new")
  })

  test("a set during a load is what callers after it get, and it is not overwritten", async () => {
    const { cache } = makeCache()
    const source = steered<string>()
    const load = cache.cacheable(source.loader)
    const early = load()
    await load.prime([], "set", { asOf: "now" })
    expect(await load()).toBe("set")
    source.last.resolve("loaded")
    expect(await early).toBe("loaded")
    expect(await load()).toBe("set")
  })
})

describe("enabled: false", () => {
  test("runs the loader for every call and stores nothing", async () => {
    const { cache } = makeCache({ enabled: false })
    const loader = vi.fn(async (id: number) => id)
    const load = cache.cacheable(loader, { deps: (id) => [`t:${id}`] })
    expect(await Promise.all([load(1), load(1)])).toEqual([1, 1])
    expect(loader).toHaveBeenCalledTimes(2)
    await cache.set("key", 1)
    expect(await cache.lookup("key")).toBeUndefined()
    expect(await cache.getOrLoad("key", (current) => current.key)).toBe("key")
    expect(await cache.invalidate("t")).toEqual(expect.any(String))
    const many = cache.cacheableMany(async (ids: readonly number[]) => ids.map((id) => id))
    expect(await many([1, 2])).toEqual(
      new Map([
        [1, 1],
        [2, 2],
      ]),
    )
    expect(cache.cacheableSync(() => 1)()).toBe(1)
    expect(await load.with({ fresh: true })(1)).toBe(1)
  })
})

describe("memory: false", () => {
  test("stores nothing and leaves single flight", async () => {
    const { cache } = makeCache({ memory: false })
    const source = steered<string>()
    const load = cache.cacheable(source.loader, { cacheErrors: "1h" })
    const callers = [load(), load()]
    source.last.resolve("value")
    expect(await Promise.all(callers)).toEqual(["value", "value"])
    expect(source.runs).toHaveLength(1)
    expect(load.peek()).toBeUndefined()
    const next = load()
    source.last.reject(new Error("down"))
    await expect(next).rejects.toThrow("down")
    await cache.set("key", 1)
    expect(await cache.lookup("key")).toBeUndefined()
  })
})

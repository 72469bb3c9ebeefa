/** What the other caches for Node.js get wrong, as far as one process can tell. */
import { describe, expect, test, vi } from "vitest"
import { type Cache, createCache } from "zoocache"
import { checkInvariants, ManualClock, settled } from "zoocache/testing"
import { deferred, makeCache, steered } from "./support/caches.js"

describe("an invalidation during a load", () => {
  test("is not lost: the value loaded before it is never served again", async () => {
    const { cache } = makeCache()
    const source = steered<string, [number]>()
    const getUser = cache.cacheable(source.loader, { name: "getUser", deps: (id) => [`user:${id}`] })
    const early = getUser(1)
    await cache.invalidate("user:1")
    source.last.resolve("old")
    expect(await early).toBe("old")
    expect(getUser.peek(1)).toBeUndefined()
    const late = getUser(1)
    source.last.resolve("new")
    expect(await late).toBe("new")
    expect(await getUser(1)).toBe("new")
    expect(source.runs).toHaveLength(2)
  })

  test.each<[string, (cache: Cache, key: string) => Promise<unknown>]>([
    ["of a parent tag", (cache) => cache.invalidate("org:1")],
    ["of everything", (cache) => cache.clear()],
    ["of the key", (cache, key) => cache.delete(key)],
  ])("%s is not lost", async (_name, invalidate) => {
    const { cache } = makeCache()
    const source = steered<string>()
    const load = cache.cacheable(source.loader, { name: "load", deps: ["org:1:user:1"] })
    const early = load()
    await invalidate(cache, load.keyOf())
    source.last.resolve("old")
    expect(await early).toBe("old")
    const late = load()
    source.last.resolve("new")
    expect(await late).toBe("new")
    expect(await load()).toBe("new")
  })

  test("of the whole function is not lost", async () => {
    const { cache } = makeCache()
    const source = steered<string>()
    const load = cache.cacheable(source.loader)
    const early = load()
    await load.clear()
    source.last.resolve("old")
    await early
    expect(load.peek()).toBeUndefined()
  })

  test("is not lost when the dependency is added only after it", async () => {
    const { cache } = makeCache()
    const gate = deferred()
    let loads = 0
    const getOrder = () =>
      cache.getOrLoad("order", async (load) => {
        loads += 1
        await gate.promise
        load.addDeps("customer:7")
        return loads
      })
    const first = getOrder()
    await cache.invalidate("customer:7")
    gate.resolve()
    expect(await first).toBe(1)
    expect(await getOrder()).toBe(2)
  })

  test("is not lost when the dependency shows only in the result", async () => {
    const { cache } = makeCache()
    const source = steered<{ org: number }>()
    const load = cache.cacheable(source.loader, { depsOf: (user) => [`org:${user.org}`] })
    const first = load()
    await cache.invalidate("org:1")
    source.last.resolve({ org: 1 })
    await first
    expect(load.peek()).toBeUndefined()
  })

  test("is not lost when it hits a dependency of a nested call that has finished", async () => {
    const { cache } = makeCache()
    const gate = deferred()
    let name = "old"
    const getName = cache.cacheable(async () => name, { name: "getName", deps: ["name"] })
    const getPage = cache.cacheable(
      async () => {
        const seen = await getName()
        await gate.promise
        return `page of ${seen}`
      },
      { name: "getPage" },
    )
    const early = getPage()
    await settled()
    name = "new"
    await cache.invalidate("name")
    gate.resolve()
    expect(await early).toBe("page of old")
    expect(await getPage()).toBe("page of new")
  })
})

test("a caller that arrives after the invalidation does not join the load that began before it", async () => {
  const { cache } = makeCache()
  const source = steered<string>()
  const load = cache.cacheable(source.loader, { deps: ["t"] })
  const before = load()
  const invalidated = cache.invalidate("t")
  const after = load()
  await invalidated
  expect(source.runs).toHaveLength(2)
  source.runs[0]?.resolve("old")
  source.runs[1]?.resolve("new")
  expect(await before).toBe("old")
  expect(await after).toBe("new")
  expect(await load()).toBe("new")
})

test("the late result of the older load does not replace the newer one, in whichever order they land", async () => {
  const { cache } = makeCache()
  const source = steered<string>()
  const load = cache.cacheable(source.loader, { deps: ["t"] })
  const before = load()
  void cache.invalidate("t")
  const after = load()
  source.runs[1]?.resolve("new")
  expect(await after).toBe("new")
  source.runs[0]?.resolve("old")
  expect(await before).toBe("old")
  expect(await load()).toBe("new")
  expect(source.runs).toHaveLength(2)
})

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

describe("an invalidated entry never becomes valid again", () => {
  async function invalidated(): Promise<{
    cache: Cache
    load: () => Promise<number>
    key: string
    clock: ManualClock
  }> {
    const { cache, clock } = makeCache({ memory: { maxEntries: 20 } })
    let loads = 0
    const load = cache.cacheable(async () => ++loads, { name: "load", deps: ["t"] })
    await load()
    await cache.invalidate("t")
    return { cache, load, key: load.keyOf(), clock }
  }

  test("after a prune", async () => {
    const { cache, load, key, clock } = await invalidated()
    clock.advance(60_000)
    cache.prune()
    cache.prune("1ms")
    expect(await cache.lookup(key)).toBeUndefined()
    expect(await load()).toBe(2)
  })

  test("after evictions", async () => {
    const { cache, load, key } = await invalidated()
    for (let index = 0; index < 100; index += 1) await cache.set(`other:${index}`, index)
    expect(await cache.lookup(key)).toBeUndefined()
    expect(await load()).toBe(2)
  })

  test("after a clear", async () => {
    const { cache, load, key } = await invalidated()
    await cache.clear()
    expect(await cache.lookup(key)).toBeUndefined()
    expect(await load()).toBe(2)
  })

  test("when its tag is pruned while its load is still running", async () => {
    const { cache, clock } = makeCache()
    const source = steered<string>()
    const load = cache.cacheable(source.loader, { depsOf: () => ["t"] })
    const first = load()
    await cache.invalidate("t")
    clock.advance(3_600_000 / 2)
    cache.prune()
    source.last.resolve("old")
    await first.catch(() => {})
    expect(load.peek()).toBeUndefined()
  })

  test("when the wall clock goes back", async () => {
    const { cache, clock } = makeCache()
    let loads = 0
    const load = cache.cacheable(async () => ++loads, { deps: ["t"] })
    await load()
    clock.setWall(clock.wall() - 5_000)
    await cache.invalidate("t")
    expect(await load()).toBe(2)
    clock.setWall(clock.wall() - 3_600_000)
    await cache.invalidate("t")
    expect(await load()).toBe(3)
    expect(await load()).toBe(3)
  })
})

test("clear reaches every entry: with tags, without, set by hand, of every function and scope", async () => {
  const { cache } = makeCache()
  const tagged = cache.cacheable(async () => 1, { name: "tagged", deps: ["t"] })
  const bare = cache.cacheable(async () => 1, { name: "bare" })
  const scoped = cache.scope("tenant:1")
  await Promise.all([tagged(), bare(), cache.set("a", 1), cache.set("b", 1, { deps: ["t"] }), scoped.set("c", 1)])
  await cache.clear()
  expect(tagged.peek()).toBeUndefined()
  expect(bare.peek()).toBeUndefined()
  expect(await cache.getMany(["a", "b"])).toEqual(new Map())
  expect(await scoped.lookup("c")).toBeUndefined()
})

test("clear holds for loads that are under way", async () => {
  const { cache } = makeCache()
  const source = steered<string>()
  const load = cache.cacheable(source.loader)
  const early = load()
  await cache.clear()
  source.last.resolve("old")
  await early
  expect(load.peek()).toBeUndefined()
})

describe.each([0, -0, false, "", null, undefined, Number.NaN, 0n])("%s is a value", (value) => {
  test("a function that returns it runs once", async () => {
    const { cache } = makeCache()
    const loader = vi.fn(async () => value)
    const load = cache.cacheable(loader)
    expect(await load()).toBe(value)
    expect(await load()).toBe(value)
    expect(loader).toHaveBeenCalledTimes(1)
  })

  test("set by hand it is found", async () => {
    const { cache } = makeCache()
    await cache.set("key", value)
    expect(await cache.lookup("key")).toEqual({ value })
    expect(await cache.get("key")).toBe(value)
    expect(await cache.has("key")).toBe(true)
    expect(await cache.getMany(["key", "other"])).toEqual(new Map([["key", value]]))
    expect(await cache.getOrLoad("key", () => expect.fail("it was loaded"))).toBe(value)
  })
})

describe("a fault of the cache does not fail a call whose loader succeeded", () => {
  const fails = () => {
    throw new Error("the hook is broken")
  }
  test.each([
    ["depsOf", { depsOf: fails }],
    ["ttl", { ttl: fails }],
    ["cacheIf", { cacheIf: fails }],
    ["sizeOf", { sizeOf: fails }],
  ])("when %s throws: the value is returned and not stored, and the fault is told", async (hook, options) => {
    const { cache, faults } = makeCache({ memory: { maxBytes: 10_000 } })
    const load = cache.cacheable(async () => "value", { name: "load", ...options })
    expect(await load()).toBe("value")
    expect(load.peek()).toBeUndefined()
    expect(faults).toEqual([
      {
        key: load.keyOf(),
        error: expect.objectContaining({ code: "ERR_ZOOCACHE_HOOK", subject: hook }),
      },
    ])
    expect(cache.stats().faults).toBe(1)
  })

  test("when cacheErrors throws: callers get the error of the loader", async () => {
    const { cache, faults } = makeCache()
    const load = cache.cacheable(() => Promise.reject(new Error("down")), { cacheErrors: fails })
    await expect(load()).rejects.toThrow("down")
    expect(faults).toHaveLength(1)
  })

  test("when onFault itself throws", async () => {
    const { cache } = makeCache({ onFault: fails })
    const load = cache.cacheable(async () => "value", { cacheIf: fails })
    expect(await load()).toBe("value")
  })

  test("when the value refuses to be frozen", async () => {
    const { cache, faults } = makeCache()
    const stubborn = new Proxy({ a: 1 }, { preventExtensions: () => false })
    const load = cache.cacheable(async () => stubborn)
    expect(await load()).toBe(stubborn)
    expect(load.peek()).toBeUndefined()
    expect(faults).toHaveLength(1)
  })

  test("when the value refuses to be looked at", async () => {
    const { cache, faults } = makeCache()
    const secretive = new Proxy({ a: 1 }, { ownKeys: fails })
    const load = cache.cacheable(async () => secretive)
    expect(await load()).toBe(secretive)
    expect(load.peek()).toBeUndefined()
    expect(faults).toHaveLength(1)
  })

  test("when the value can't be cloned", async () => {
    const { cache, faults } = makeCache({ isolation: "clone" })
    const value = { callback: () => 1 }
    const load = cache.cacheable(async () => value)
    expect(await load()).toBe(value)
    expect(load.peek()).toBeUndefined()
    expect(faults).toHaveLength(1)
  })
})

describe("two different calls never share an entry", () => {
  const date = new Date(0)
  const different: unknown[][] = [
    [],
    [null],
    [1],
    ["1"],
    [1n],
    [true],
    ["true"],
    [-0],
    [0],
    [Number.NaN],
    ["NaN"],
    [[]],
    [[1]],
    [[[1]]],
    [1, 2],
    ["1,2"],
    ["1", "2"],
    [[1, 2]],
    [{}],
    [{ a: undefined }],
    [{ a: 1 }],
    [{ a: "1" }],
    [{ a: { b: 1 } }],
    [{ "a:b": 1 }],
    [date],
    [date.toISOString()],
    [0, undefined, 1],
    [0, null, 1],
    [new Map([["a", 1]])],
    [new Set(["a"])],
    [new Uint8Array([1])],
    [new Uint16Array([1])],
    ["\0"],
    ["\0#"],
    ["x".repeat(129)],
    [`${"x".repeat(128)}y`],
    ["\ud800"],
    ["\ufffd"],
  ]

  test("by their arguments", async () => {
    const { cache } = makeCache()
    let loads = 0
    const load = cache.cacheable(async (..._args: unknown[]) => ++loads, { name: "load" })
    const seen = []
    for (const args of different) seen.push(await load(...args))
    expect(seen).toEqual(different.map((_args, index) => index + 1))
    expect(new Set(different.map((args) => load.keyOf(...args))).size).toBe(different.length)
    for (const [index, args] of different.entries()) expect(await load(...args)).toBe(index + 1)
  })

  test("by their function, when names and arguments look alike", async () => {
    const { cache } = makeCache()
    const make = (name: string, version?: string) =>
      cache.cacheable(async (..._args: unknown[]) => `${name} ${version}`, { name, ...(version && { version }) })
    const functions = [make("a"), make("a:b"), make("a", "b"), make("a%3Ab"), make("b", "a"), make("a.b")]
    const seen = await Promise.all(functions.map((call) => call("b")))
    expect(new Set(seen).size).toBe(functions.length)
  })

  test("though their arguments are long and differ in one character", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(async (text: string) => text)
    const texts = Array.from({ length: 50 }, (_, index) => `${"x".repeat(1000)}${String.fromCharCode(65 + index)}`)
    for (const text of texts) expect(await load(text)).toBe(text)
    for (const text of texts) expect(await load(text)).toBe(text)
  })
})

test("mutating a returned object throws instead of corrupting it for everyone, for the first caller too", async () => {
  const { cache } = makeCache()
  const load = cache.cacheable(async () => ({ tags: ["a"], nested: { n: 1 } }))
  const first = await load()
  expect(() => first.tags.push("b")).toThrow(TypeError)
  expect(() => {
    first.nested.n = 2
  }).toThrow(TypeError)
  const second = await load()
  expect(second).toBe(first)
  expect(second).toEqual({ tags: ["a"], nested: { n: 1 } })
})

test("a ttl of 0 or less does not store", async () => {
  const { cache } = makeCache()
  for (const ttl of [0, -1, "0s"] as const) {
    let loads = 0
    const load = cache.cacheable(async () => ++loads, { name: `ttl ${ttl}`, ttl })
    await load()
    expect(await load()).toBe(2)
    await cache.set("key", 1, { ttl })
    expect(await cache.lookup("key")).toBeUndefined()
  }
  expect(cache.stats()).toMatchObject({ stores: 0, entries: 0 })
})

test("one invalidation kills ten thousand dependents without touching them", async () => {
  const { cache } = makeCache()
  await cache.setMany(Array.from({ length: 10_000 }, (_, index) => [`key:${index}`, index, { deps: ["all"] }] as const))
  await cache.invalidate("all")
  expect((await cache.getMany(Array.from({ length: 10_000 }, (_, index) => `key:${index}`))).size).toBe(0)
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

test("caches do not see each other's entries and invalidations", async () => {
  const clock = new ManualClock()
  const { cache } = makeCache({ clock })
  const other = createCache({ clock })
  await Promise.all([cache.set("key", "here", { deps: ["t"] }), other.set("key", "there", { deps: ["t"] })])
  await cache.invalidate("t")
  expect(await other.get("key")).toBe("there")
  expect(await cache.lookup("key")).toBeUndefined()
  checkInvariants(other)
  await other.close()
})

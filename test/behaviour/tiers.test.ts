/** `tiers` and `private`: what never leaves the memory of a process. */
import { describe, expect, expectTypeOf, test } from "vitest"
import { type Cache, cacheable, createCache, type FunctionOptions, reset, type Tiers } from "zoocache"
import { RemoteMemoryStore, settled } from "zoocache/testing"
import { deferred, errorOf, makeCache } from "../support/caches.js"
import { Machine } from "../support/shared.js"

/** The texts that stand anywhere in what a store has. */
function storedTexts(machine: Machine): string {
  return [...machine.data.values()].map((bytes) => Buffer.from(bytes).toString("latin1")).join()
}

describe('tiers: "memory"', () => {
  test("keeps results here, and stores what callers make of them", async () => {
    const machine = new Machine()
    const { cache } = await machine.join()
    let loads = 0
    const own = cache.cacheable(async () => `own ${(loads += 1)}`, { name: "own", tiers: "memory" })
    const caller = cache.cacheable(async () => `made of ${await own()}`, { name: "caller" })
    await caller()
    await settled()
    expect([own.peek(), caller.peek()]).toEqual(["own 1", "made of own 1"])
    expect([...machine.data.keys()]).toEqual([caller.keyOf()])
  })

  test("reads nothing that others have stored under its name", async () => {
    const machine = new Machine()
    const [one, two] = [await machine.join(), await machine.join()]
    await one.cache.cacheable(async () => "theirs", { name: "f" })()
    await settled()
    expect(machine.data.size).toBe(1)
    const own = two.cache.cacheable(async () => "ours", { name: "f", tiers: "memory" })
    expect([own.peek(), await own()]).toEqual([undefined, "ours"])
    expect(two.cache.stats()).toMatchObject({ storeHits: 0, storeMisses: 0 })
  })

  test("is invalidated like everything else, from other processes too", async () => {
    const machine = new Machine()
    const [one, two] = [await machine.join(), await machine.join()]
    let row = 1
    const own = one.cache.cacheable(async () => row, { name: "f", tiers: "memory", deps: ["t"] })
    await own()
    row = 2
    await two.cache.invalidate("t")
    expect(await own()).toBe(2)
  })

  test("also what is primed, and batches, and keys given by hand", async () => {
    const machine = new Machine()
    const { cache } = await machine.join()
    const own = cache.cacheable(async (id: number) => id, { name: "f", tiers: "memory" })
    await own.prime([1], 1, { asOf: "now" })
    const many = cache.cacheableMany(async (ids: readonly number[]) => ids.map(String), { name: "m", tiers: "memory" })
    await many([1, 2])
    await cache.getOrLoad("key", () => 1, { tiers: "memory" })
    const sync = cache.cacheableSync(() => 1, { name: "s", tiers: "memory" })
    sync()
    await settled()
    expect(machine.data.size).toBe(0)
    expect([own.peek(1), many.peek(2), await cache.get("key"), sync.peek()]).toEqual([1, "2", 1, 1])
  })

  test("needs no form as bytes, so nothing is refused that a store could not bring back", async () => {
    const machine = new Machine()
    const { cache, faults } = await machine.join({ strict: true })
    const make = async () => ({ self: () => 1 })
    const own = cache.cacheable(make, { name: "own", tiers: "memory" })
    const other = cache.cacheable(make, { name: "other" })
    expect(await own()).toBe(await own())
    expect(await errorOf(() => other())).toMatchObject({ code: "ERR_ZOOCACHE_UNENCODABLE_VALUE" })
    expect(faults).toEqual([])
  })

  test("asks no store behind a network, and for no lease", async () => {
    const machine = new Machine()
    const store = new RemoteMemoryStore({ codec: machine.codec, data: machine.data, clock: machine.clock })
    const { cache } = await machine.join({ store })
    const own = cache.cacheable(async () => 1, { name: "f", tiers: "memory", singleflight: "cluster", grace: "1m" })
    await own()
    await cache.getOrLoad("key", () => 1, { tiers: "memory" })
    expect(cache.stats()).toMatchObject({ storeMisses: 0, leases: 0, loads: 2 })
  })

  test("without a memory tier, or a store, it is stored nowhere, or as ever", async () => {
    const { cache: none } = makeCache({ memory: false })
    const { cache } = makeCache()
    for (const [home, loads] of [
      [none, 2],
      [cache, 1],
    ] as const) {
      let count = 0
      const own = home.cacheable(async () => (count += 1), { tiers: "memory" })
      await own()
      await own()
      expect(count).toBe(loads)
    }
  })
})

describe("private", () => {
  const secret = "the secret"
  const owner = (cache: Cache, options: FunctionOptions<[], string> = {}) =>
    cache.cacheable(async () => secret, { name: "owner", deps: ["t"], private: true, ...options })

  /** Ways by which a load comes to a private value. */
  const ways: [string, (cache: Cache, own: ReturnType<typeof owner>) => Promise<unknown>][] = [
    ["calls it", (_cache, own) => own()],
    ["hits it", async (_cache, own) => (await own()) && own()],
    ["peeks", async (_cache, own) => own.peek() ?? own()],
    ["refreshes it", (_cache, own) => own.refresh()],
    ["gets it by key", async (cache, own) => (await own()) && cache.get(own.keyOf())],
    ["looks it up", async (cache, own) => (await own()) && (await cache.lookup(own.keyOf()))?.value],
    ["gets many", async (cache, own) => (await own()) && (await cache.getMany([own.keyOf()])).get(own.keyOf())],
    ["waits for a load of it", async (_cache, own) => (await Promise.all([own(), own()])).at(1)],
  ]

  test.each(ways)("a caller that %s inherits it, in any depth", async (_way, read) => {
    const machine = new Machine()
    const { cache } = await machine.join()
    const own = owner(cache)
    const caller = cache.cacheable(async () => [await read(cache, own)], { name: "caller" })
    const outer = cache.cacheable(async () => ({ page: await caller() }), { name: "outer" })
    const [first, again] = [await outer(), await outer()]
    await settled()
    expect(again).toBe(first)
    expect(first).toEqual({ page: [secret] })
    expect(machine.data.size).toBe(0)
    await own.clear()
    await settled()
    expect(storedTexts(machine)).toBe("")
  })

  test("whatever `inherit` says, and what the load around has `set`", async () => {
    const machine = new Machine()
    const { cache } = await machine.join()
    const own = owner(cache)
    const caller = cache.cacheable(
      async () => {
        await cache.set("before", "nothing private yet")
        const value = await own()
        await cache.set("made", value)
        return value
      },
      { name: "caller", inherit: false },
    )
    await caller()
    await settled()
    expect([...machine.data.keys()]).toEqual(["before"])
    expect([await cache.get("made"), caller.peek()]).toEqual([secret, secret])
    const reader = cache.cacheable(async () => cache.get("made"), { name: "reader" })
    expect(await reader()).toBe(secret)
    await settled()
    expect([...machine.data.keys()]).toEqual(["before"])
  })

  test("of values that are primed, in transactions, by hand and as kept errors too", async () => {
    const machine = new Machine()
    const { cache } = await machine.join()
    const own = owner(cache)
    await own.prime([], secret, { asOf: "now" })
    const ofPrimed = cache.cacheable(async () => own(), { name: "ofPrimed" })
    expect(await ofPrimed()).toBe(secret)
    await cache.transaction(async () => own.prime([], secret, { asOf: "now" }))
    expect(await ofPrimed()).toBe(secret)
    await cache.getOrLoad("key", () => secret, { private: true })
    const ofKey = cache.cacheable(async () => cache.get("key"), { name: "ofKey" })
    expect(await ofKey()).toBe(secret)
    const failing = cache.cacheable(async () => Promise.reject(new Error(secret)), {
      name: "failing",
      private: true,
      cacheErrors: "1h",
    })
    await failing().catch(() => {})
    const ofError = cache.cacheable(async () => failing().catch((error: Error) => error.message), { name: "ofError" })
    expect(await ofError()).toBe(secret)
    await settled()
    expect(machine.data.size).toBe(0)
  })

  test("a loader that was left behind hands it on to what it sets", async () => {
    const machine = new Machine()
    const { cache, clock } = await machine.join()
    const own = owner(cache)
    const [gate, isMade] = [deferred(), deferred()]
    const caller = cache.cacheable(
      async () => {
        const value = await own()
        await gate.promise
        await cache.set("made", value).finally(isMade.resolve)
      },
      { name: "caller", timeout: "1s" },
    )
    const timedOut = errorOf(() => caller())
    await settled()
    clock.advance(1_000)
    expect(await timedOut).toMatchObject({ code: "ERR_ZOOCACHE_LOAD_TIMEOUT" })
    gate.resolve()
    await isMade.promise
    await settled()
    expect(await cache.get("made")).toBe(secret)
    expect(machine.data.size).toBe(0)
  })

  test("a result that became private takes what the store had of an older one", async () => {
    const machine = new Machine()
    const { cache } = await machine.join()
    const own = owner(cache)
    let isPrivate = false
    const caller = cache.cacheable(async () => (isPrivate ? own() : "public"), { name: "caller" })
    await caller()
    await settled()
    expect(machine.data.size).toBe(1)
    isPrivate = true
    await caller.refresh()
    await settled()
    expect([machine.data.size, caller.peek()]).toEqual([0, secret])
  })

  test("is not given up by `currentLoad().set`, nor by `tiers`", async () => {
    const machine = new Machine()
    const { cache } = await machine.join()
    const own = cache.getOrLoad("key", (load) => (load.set({ tiers: "all" }), secret), { private: true, tiers: "all" })
    expect(await own).toBe(secret)
    await settled()
    expect(machine.data.size).toBe(0)
  })

  test("a load of another cache that used one keeps its result in memory", async () => {
    const machine = new Machine()
    const { cache } = await machine.join()
    const other = makeCache()
    const own = owner(other.cache)
    const caller = cache.cacheable(async () => own(), { name: "caller", inherit: false })
    expect([await caller(), caller.peek()]).toEqual([secret, secret])
    await settled()
    expect(machine.data.size).toBe(0)
    const around = other.cache.cacheable(async () => cache.set("made", await own()), { private: true })
    await around()
    await settled()
    expect(machine.data.size).toBe(0)
  })

  test("a function that calls nothing private is stored as ever", async () => {
    const machine = new Machine()
    const { cache } = await machine.join()
    await owner(cache)()
    await cache.cacheable(async () => 1, { name: "open", private: false })()
    await settled()
    expect(machine.data.size).toBe(1)
  })

  test("untracked code inside of a load hands it on; by itself it can't see", async () => {
    const machine = new Machine()
    const { cache } = await machine.join()
    const own = owner(cache)
    const untracked = cache.cacheable(async () => own(), { name: "untracked", tracking: false })
    const caller = cache.cacheable(async () => untracked(), { name: "caller" })
    await caller()
    await settled()
    expect(machine.data.size).toBe(0)
  })
})

test("are checked where a function is made, and at each call of `getOrLoad`", async () => {
  const { cache } = makeCache()
  const load = async () => 1
  for (const options of [{ tiers: "disk" }, { tiers: 1 }, { private: "yes" }] as unknown as FunctionOptions<
    [],
    number
  >[]) {
    for (const make of [
      () => cache.cacheable(load, options),
      () => cache.cacheableSync(() => 1, options),
      () => cacheable(load, options),
      () => cache.cacheable(options),
      () => cache.getOrLoad("key", load, options),
    ]) {
      expect(await errorOf(make)).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_OPTION" })
    }
  }
  // @ts-expect-error -- options of functions only
  expect(await errorOf(() => createCache({ tiers: "memory" }))).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_OPTION" })
  expectTypeOf<NonNullable<FunctionOptions<[], number>["tiers"]>>().toEqualTypeOf<Tiers>()
  await reset()
})

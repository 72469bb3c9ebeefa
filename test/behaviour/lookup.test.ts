/** `lookup`: a stored value with what is known of it, also past its ttl, and judged by tags that it does not depend on. */
import { describe, expect, expectTypeOf, test } from "vitest"
import * as zoocache from "zoocache"
import { InProcessLog } from "zoocache/backend"
import { createCodec } from "zoocache/codec"
import { ManualClock, MemoryStore, settled } from "zoocache/testing"
import { deferred, errorOf, makeCache, makeShared, stateOf, steered } from "../support/caches.js"
import { Machine, rowsOf } from "../support/shared.js"

describe("what is known of an entry", () => {
  test("of a loaded one: since when, until when, on what it depends, and its place in the order of changes", async () => {
    const { cache, clock } = makeCache()
    await cache.invalidate("other")
    const version = cache.tagVersion("other")
    const source = steered<string>()
    const load = cache.cacheable(source.loader, { name: "load", deps: ["a", "b"], ttl: "1m" })
    const loading = load()
    const storedAt = new Date(clock.wall())
    clock.advance(2000)
    source.last.resolve("value")
    await loading
    const expiresAt = new Date(clock.wall() + 60_000)
    clock.advance(5000)
    expect(await cache.lookup(load.keyOf())).toEqual({
      value: "value",
      state: "fresh",
      storedAt,
      expiresAt,
      dependencies: ["a", "b"],
      version,
    })
  })

  test("of a value that was set, without an end, made of nothing", async () => {
    const { cache, clock } = makeCache()
    await cache.set("key", null)
    const storedAt = new Date(clock.wall())
    clock.advance(1000)
    const known = { state: "fresh", storedAt, expiresAt: undefined, dependencies: [] }
    expect(await cache.lookup("key")).toMatchObject({ value: null, ...known })
  })

  test("of one made of another, the key of that comes after the tags", async () => {
    const { cache } = makeCache()
    const inner = cache.cacheable(async () => 1, { name: "inner", deps: ["t"] })
    const outer = cache.cacheable(async () => inner(), { name: "outer" })
    await outer()
    expect((await cache.lookup(outer.keyOf()))?.dependencies).toEqual(["t", inner.keyOf()])
  })

  test("of one that slides: its end as this read has left it", async () => {
    const { cache, clock } = makeCache({ idleTtl: "10s" })
    await cache.set("key", 1)
    clock.advance(4000)
    expect((await cache.lookup("key"))?.expiresAt).toEqual(new Date(clock.wall() + 10_000))
  })

  test("counts as a use, and a miss as a miss", async () => {
    const { cache } = makeCache()
    await cache.set("key", 1)
    await cache.lookup("key")
    await cache.lookup("none")
    await cache.lookup("key", { deps: ["t"] })
    expect(cache.stats()).toMatchObject({ hits: 2, misses: 1 })
  })

  test("its types", async () => {
    const { cache } = makeCache()
    const found = await cache.lookup<number>("key")
    expectTypeOf(found).toEqualTypeOf<zoocache.LookedUp<number> | undefined>()
    expectTypeOf<zoocache.LookedUp<number>["state"]>().toEqualTypeOf<"fresh" | "expired">()
    expectTypeOf<zoocache.LookedUp<number>["expiresAt"]>().toEqualTypeOf<Date | undefined>()
    expectTypeOf<zoocache.LookedUp<number>["version"]>().toEqualTypeOf<number | undefined>()
    // @ts-expect-error -- there is no such option
    expect(await errorOf(() => cache.lookup("key", { tags: [] }))).toMatchObject({
      code: "ERR_ZOOCACHE_INVALID_OPTION",
    })
  })

  test("an error that is kept is none", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(async () => Promise.reject(new Error("down")), { cacheErrors: "1h" })
    await load().catch(() => {})
    expect(await cache.lookup(load.keyOf(), { expired: true })).toBeUndefined()
  })

  test("a caller that may change its copy gets one", async () => {
    const { cache } = makeCache({ isolation: "clone" })
    await cache.set("key", { n: 1 })
    const first = await cache.lookup<{ n: number }>("key")
    if (first !== undefined) first.value.n = 2
    expect((await cache.lookup("key"))?.value).toEqual({ n: 1 })
  })

  test("refuses options that are none, before anything else", async () => {
    const { cache } = makeCache()
    const refused = [{ expired: 1 }, { deps: "t" }, { deps: [1] }, { expires: true }, null]
    for (const options of refused) {
      const error = await errorOf(() => cache.lookup("key", options as object))
      expect(error, JSON.stringify(options)).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_OPTION" })
    }
    const bad = await errorOf(() => cache.lookup("key", { deps: ["not a tag"] }))
    expect(bad).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_TAG" })
    expect(cache.stats().misses).toBe(0)
  })

  test("stands at the root, for the default cache", async () => {
    await zoocache.set("key", 1)
    expect(await zoocache.lookup<number>("key", { deps: ["t"] })).toMatchObject({ value: 1 })
    await zoocache.reset()
  })
})

describe("expired", () => {
  test("is not given unless it is asked for, and then for as long as its grace lasts", async () => {
    const { cache, clock } = makeCache({ ttl: "10s", grace: "1m" })
    await cache.set("key", 1)
    const expiresAt = new Date(clock.wall() + 10_000)
    clock.advance(50_000)
    expect(await cache.lookup("key")).toBeUndefined()
    expect(await cache.lookup("key", { expired: true })).toMatchObject({ value: 1, state: "expired", expiresAt })
    expect(await cache.get("key")).toBeUndefined()
  })

  test("what is past its grace, or has none, is given while memory has it", async () => {
    const { cache, clock } = makeCache({ ttl: "10s" })
    // Has a sweep come before the end of the other one; the next is a second later.
    await cache.set("first", 1, { ttl: "9.5s" })
    await cache.set("key", 1)
    clock.advance(10_000)
    expect(await cache.lookup("key", { expired: true })).toMatchObject({ value: 1, state: "expired" })
    expect(await cache.lookup("key", { expired: true })).toMatchObject({ value: 1 })
    expect(await cache.get("key")).toBeUndefined()
    expect(await cache.lookup("key", { expired: true })).toBeUndefined()
  })

  test("what `expire` has reached is expired, and never fresh", async () => {
    const { cache } = makeCache({ grace: "1m" })
    await cache.set("key", 1, { deps: ["t"] })
    await cache.expire("t")
    expect(await cache.lookup("key")).toBeUndefined()
    expect(await cache.lookup("key", { expired: true })).toMatchObject({ state: "expired" })
  })

  test("is fresh while it is", async () => {
    const { cache } = makeCache({ ttl: "10s", grace: "1m" })
    await cache.set("key", 1)
    expect(await cache.lookup("key", { expired: true })).toMatchObject({ state: "fresh" })
  })

  test.each([
    ["a tag", (cache: zoocache.Cache) => cache.invalidate("t")],
    ["everything", (cache: zoocache.Cache) => cache.clear()],
    ["its key", (cache: zoocache.Cache) => cache.delete("key")],
  ])("never what was invalidated: by %s, before it expired or after", async (_by, invalidate) => {
    for (const isBefore of [true, false]) {
      const { cache, clock } = makeCache({ ttl: "10s", grace: "1m" })
      await cache.set("key", 1, { deps: ["t"] })
      if (!isBefore) clock.advance(20_000)
      await invalidate(cache)
      if (isBefore) clock.advance(20_000)
      expect(await cache.lookup("key", { expired: true })).toBeUndefined()
    }
  })

  test("never what is pending as invalidated, also past its grace", async () => {
    const { cache, clock, log } = await makeShared({ ttl: "1s", grace: "1m" })
    await cache.set("key", 1, { deps: ["t"] })
    clock.advance(1_100)
    expect(await cache.lookup("key", { expired: true })).toBeDefined()
    log.appends = "hold"
    const invalidating = cache.invalidate("t")
    expect(await cache.lookup("key", { expired: true })).toBeUndefined()
    await log.release()
    await invalidating
  })

  test("never what the transaction around has invalidated", async () => {
    const { cache, clock } = makeCache({ ttl: "10s", grace: "1m" })
    await cache.set("key", 1, { deps: ["t"] })
    clock.advance(10_100)
    expect(await cache.lookup("key", { expired: true })).toBeDefined()
    await cache.transaction(async () => {
      await cache.invalidate("t")
      expect(await cache.lookup("key", { expired: true })).toBeUndefined()
    })
  })

  test("a load that was handed one is not stored, nor what is made of it", async () => {
    const { cache, clock } = makeCache({ grace: "1h" })
    await cache.set("key", 1, { ttl: "10s" })
    clock.advance(10_100)
    const inner = cache.cacheable(async () => cache.lookup("key", { expired: true }))
    const outer = cache.cacheable(async () => inner())
    expect(await outer()).toMatchObject({ state: "expired" })
    expect([inner.peek(), outer.peek()]).toEqual([undefined, undefined])
    await cache.set("key", 2)
    expect(await outer()).toMatchObject({ value: 2, state: "fresh" })
    expect(outer.peek()).toMatchObject({ value: 2 })
  })

  test("a load that was handed a fresh one ends with it, and depends on what it depends on", async () => {
    const { cache, clock } = makeCache()
    await cache.set("key", 1, { ttl: "10s", deps: ["t"] })
    const outer = cache.cacheable(async () => (await cache.lookup<number>("key"))?.value)
    await outer()
    expect(outer.peek()).toBe(1)
    clock.advance(10_100)
    expect(outer.peek()).toBeUndefined()
    await cache.set("key", 2, { deps: ["t"] })
    expect(await outer()).toBe(2)
    await cache.invalidate("t")
    expect(outer.peek()).toBeUndefined()
  })

  test("a read in this way lets nothing slide back to life", async () => {
    const { cache, clock } = makeCache({ idleTtl: "10s", grace: "1m" })
    await cache.set("key", 1)
    clock.advance(15_000)
    expect(await cache.lookup("key", { expired: true })).toMatchObject({ state: "expired" })
    expect(await cache.lookup("key", { expired: true })).toMatchObject({ state: "expired" })
    expect(await cache.get("key")).toBeUndefined()
  })

  test("the value that another process has stored meanwhile is the one", async () => {
    const machine = new Machine()
    const rows = new Map([[1, "old"]])
    const [one, two] = [await machine.join({ ttl: "10s" }), await machine.join({ ttl: "10s" })]
    const [ofOne, ofTwo] = [rowsOf(one.cache, rows), rowsOf(two.cache, rows)]
    await ofOne.read(1)
    machine.clock.advance(10_100)
    rows.set(1, "new")
    await ofTwo.read(1)
    await settled()
    const found = await one.cache.lookup(ofOne.read.keyOf(1), { expired: true })
    expect(found).toMatchObject({ value: "new", state: "fresh" })
  })
})

describe("deps", () => {
  test("a tag that was invalidated since the load began makes it a miss; the entry stays for others", async () => {
    const { cache } = makeCache()
    await cache.set("key", 1)
    expect(await cache.lookup("key", { deps: ["t"] })).toMatchObject({ value: 1 })
    await cache.invalidate("t")
    expect(await cache.lookup("key", { deps: ["t:below"] })).toBeUndefined()
    expect(await cache.lookup("key", { deps: ["other"] })).toMatchObject({ value: 1 })
    expect(await cache.lookup("key")).toMatchObject({ value: 1 })
    await cache.set("key", 2)
    expect(await cache.lookup("key", { deps: ["t", "other"] })).toMatchObject({ value: 2 })
  })

  test("no lift moves what they are judged against", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(async () => "made before", { deps: ["own"] })
    const key = load.keyOf()
    await load()
    const { version } = (await cache.lookup(key)) ?? {}
    await cache.invalidate("t")
    // Found fresh, and lifted, in every state of the log that follows.
    for (const tag of ["own:below", "x", "y"]) {
      await cache.invalidate(tag)
      await load()
    }
    expect(await cache.lookup(key, { deps: ["t"] })).toBeUndefined()
    expect((await cache.lookup(key))?.version).toBe(version)
  })

  test("the load's begin counts, not its end", async () => {
    const { cache } = makeCache()
    const source = steered<number>()
    const load = cache.cacheable(source.loader)
    const loading = load()
    await cache.invalidate("t")
    source.last.resolve(1)
    await loading
    expect(load.peek()).toBe(1)
    expect(await cache.lookup(load.keyOf(), { deps: ["t"] })).toBeUndefined()
  })

  test("for a value that was set, its position counts", async () => {
    const { cache } = makeCache()
    const before = cache.position()
    await cache.invalidate("t")
    await cache.set("early", 1, { asOf: before })
    await cache.set("late", 1)
    expect(await cache.lookup("early", { deps: ["t"] })).toBeUndefined()
    expect(await cache.lookup("late", { deps: ["t"] })).toMatchObject({ value: 1 })
    const load = cache.cacheable(async (id: number) => id)
    await load.prime([1], 1, { asOf: before })
    expect(await cache.lookup(load.keyOf(1), { deps: ["t"] })).toBeUndefined()
  })

  test("what has expired since is expired", async () => {
    const { cache } = makeCache()
    await cache.set("key", 1)
    await cache.expire("t")
    expect(await cache.lookup("key", { deps: ["t"] })).toBeUndefined()
    expect(await cache.lookup("key", { deps: ["t"], expired: true })).toMatchObject({ state: "expired" })
    await cache.invalidate("t")
    expect(await cache.lookup("key", { deps: ["t"], expired: true })).toBeUndefined()
  })

  test("a load that was handed one which has expired by these tags alone is not stored", async () => {
    const { cache } = makeCache()
    await cache.set("key", 1)
    await cache.expire("t")
    const load = cache.cacheable(async () => cache.lookup("key", { deps: ["t"], expired: true }))
    expect(await load()).toMatchObject({ value: 1, state: "expired" })
    expect(load.peek()).toBeUndefined()
  })

  test("what the log has not acknowledged counts", async () => {
    const { cache, log } = await makeShared()
    await cache.set("key", 1)
    log.appends = "hold"
    const invalidating = cache.invalidate("t")
    expect(await cache.lookup("key", { deps: ["t"] })).toBeUndefined()
    await log.release()
    await invalidating
    expect(await cache.lookup("key", { deps: ["t"] })).toBeUndefined()
  })

  test("what a transaction around has invalidated counts, for what is stored and what was set inside", async () => {
    const { cache } = makeCache()
    await cache.set("key", 1)
    await cache.transaction(async () => {
      await cache.set("inside", 1)
      await cache.invalidate("t")
      await cache.set("later", 1)
      await cache.transaction(async () => {
        expect(await cache.lookup("key", { deps: ["t"] })).toBeUndefined()
        expect(await cache.lookup("inside", { deps: ["t"] })).toBeUndefined()
        expect(await cache.lookup("later", { deps: ["t"] })).toMatchObject({ value: 1, state: "fresh" })
      })
    })
  })

  test("where this process has forgotten, nobody can say so: a miss", async () => {
    const { cache } = makeCache()
    await cache.set("key", 1)
    await cache.invalidate("t")
    cache.prune()
    expect(await cache.lookup("key")).toMatchObject({ value: 1 })
    expect(await cache.lookup("key", { deps: ["t"] })).toBeUndefined()
    expect(await cache.lookup("key", { deps: ["never"] })).toBeUndefined()
    await cache.set("key", 2)
    expect(await cache.lookup("key", { deps: ["t"] })).toMatchObject({ value: 2 })
  })

  test("where the log has forgotten what this process had not read: a miss", async () => {
    const clock = new ManualClock()
    const log = new InProcessLog({ clock, nonce: "small", maxTags: 1 })
    const { cache } = makeCache({ clock, log })
    await cache.set("key", 1)
    for (const tag of ["a", "b", "c"]) await cache.invalidate(tag)
    expect(await cache.lookup("key", { deps: ["d"] })).toMatchObject({ value: 1 })
    const { cache: late } = makeCache({ clock, log })
    await late.set("key", 1, { asOf: late.position() })
    expect(await late.lookup("key", { deps: ["a"] })).toMatchObject({ value: 1 })
  })

  test("an entry from a store, whose bytes do not tell when it was loaded, is a miss", async () => {
    const machine = new Machine()
    const rows = new Map([[1, "row"]])
    const one = rowsOf((await machine.join()).cache, rows)
    await one.read(1)
    await settled()
    const { cache } = await machine.join()
    const two = rowsOf(cache, rows)
    expect(await cache.lookup(two.read.keyOf(1))).toMatchObject({ value: "row", version: undefined })
    expect(await cache.lookup(two.read.keyOf(1), { deps: ["t"] })).toBeUndefined()
    expect(two.loads).toBe(0)
  })

  test("the time at which another process stored an entry is told where memory keeps nothing, too", async () => {
    const clock = new ManualClock()
    const [codec, data] = [createCodec(), new Map<string, Uint8Array>()]
    const log = new InProcessLog({ clock, nonce: "n", maxTags: 10 })
    const options = { clock, log, codec, memory: false as const }
    const { cache: one } = makeCache({ ...options, store: new MemoryStore({ codec, data }) })
    await one.set("key", 1)
    const storedAt = new Date(clock.wall())
    clock.advance(5000)
    const { cache: two } = makeCache({ ...options, store: new MemoryStore({ codec, data }) })
    expect((await two.lookup("key"))?.storedAt).toEqual(storedAt)
  })

  test("a load that asks depends on these tags, whatever it was told", async () => {
    const { cache } = makeCache()
    await cache.set("key", 1)
    const seen = cache.cacheable(async () => (await cache.lookup<number>("key", { deps: ["t"] }))?.value ?? "none")
    const none = cache.cacheable(async () => (await cache.lookup<number>("other", { deps: ["t"] }))?.value ?? "none")
    expect([await seen(), await none()]).toEqual([1, "none"])
    expect([seen.peek(), none.peek()]).toEqual([1, "none"])
    await cache.invalidate("t")
    expect([seen.peek(), none.peek()]).toEqual([undefined, undefined])
    expect(await seen()).toBe("none")
  })

  test("are named as the scope of the caller does", async () => {
    const { cache } = makeCache()
    const scope = cache.scope("tenant:1")
    await scope.set("key", 1)
    await cache.invalidate("t")
    expect(await scope.lookup("key", { deps: ["t"] })).toMatchObject({ value: 1, dependencies: ["tenant:1"] })
    await scope.invalidate("t")
    expect(await scope.lookup("key", { deps: ["t"] })).toBeUndefined()
  })
})

test("where this process is unsure, it does as `whenUnsure` says", async () => {
  const { cache, clock, log } = await makeShared({ staleness: { whenUnsure: "throw", bound: "1s" } })
  await cache.set("key", 1)
  log.pulls = "fail"
  clock.advance(5000)
  await settled()
  expect(await errorOf(() => cache.lookup("key"))).toMatchObject({ code: "ERR_ZOOCACHE_UNSURE" })
})

test("of a cache that is switched off there is nothing, and after close it rejects", async () => {
  const { cache } = makeCache({ enabled: false })
  await cache.set("key", 1)
  expect(await cache.lookup("key", { expired: true })).toBeUndefined()
  await cache.close()
  expect(await errorOf(() => cache.lookup("key"))).toMatchObject({ code: "ERR_ZOOCACHE_CLOSED" })
})

test("waits for nothing where there is nothing to wait for", async () => {
  const { cache } = makeCache()
  const gate = deferred()
  const load = cache.cacheable(async () => gate.promise)
  const loading = load()
  expect(await stateOf(cache.lookup(load.keyOf()))).toEqual({ value: undefined })
  gate.resolve()
  await loading
})

/** `expireKeys`, and `expire` of cached functions: single entries count as past their ttl. */
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { describe, expect, expectTypeOf, test } from "vitest"
import * as zoocache from "zoocache"
import { type Cache, cachedMethod, KEEP, type Token } from "zoocache"
import { InProcessLog } from "zoocache/backend"
import { FaultyLog, ManualClock, recordInvalidations, settled } from "zoocache/testing"
import { deferred, errorOf, makeCache, makeShared, rejectionOf, steered } from "../support/caches.js"
import { Machine, rowsOf } from "../support/shared.js"

/** A function that counts its loads. */
function counted(cache: Cache, options: zoocache.FunctionOptions<[id: number], string> = {}) {
  const state = { loads: 0, isDown: false }
  const load = cache.cacheable(
    async (id: number) => {
      state.loads += 1
      if (state.isDown) throw new Error("down")
      return `${id} in load ${state.loads}`
    },
    { name: "load", ...options },
  )
  return Object.assign(state, { load })
}

describe("an entry that has expired so", () => {
  test("is loaded anew; others are not", async () => {
    const { cache } = makeCache()
    const source = counted(cache)
    await source.load(1)
    await source.load(2)
    expect(await source.load.expire(1)).toMatch(/^zc1\./)
    expect(await source.load(1)).toBe("1 in load 3")
    expect(await source.load(1)).toBe("1 in load 3")
    expect(await source.load(2)).toBe("2 in load 2")
  })

  test("may be served in grace, counted from then, and once more where its loader fails", async () => {
    const { cache, clock } = makeCache({ grace: "10s", ttl: "1h" })
    const source = counted(cache)
    await source.load(1)
    clock.advance(60_000)
    await source.load.expire(1)
    expect(source.load.explain(1)).toMatchObject({ state: "expired" })
    source.isDown = true
    clock.advance(9_000)
    expect(await source.load(1)).toBe("1 in load 1")
    await settled()
    clock.advance(1_100)
    expect(await errorOf(() => source.load(1))).toMatchObject({ message: "down" })
  })

  test("is what `lookup({ expired })` gives and `revalidate` is asked about", async () => {
    const { cache } = makeCache({ grace: "1m" })
    let asked = 0
    const load = cache.cacheable(async () => ({}), { revalidate: () => ((asked += 1), KEEP), grace: 0 })
    const first = await load()
    await load.expire()
    expect(await load()).toBe(first)
    expect(asked).toBe(1)
    await cache.set("key", 1)
    await cache.expireKeys("key")
    expect(await cache.get("key")).toBeUndefined()
    expect(await cache.lookup("key", { expired: true })).toMatchObject({ value: 1, state: "expired" })
  })

  test("by key, one by one and as an array, of functions and by hand", async () => {
    const { cache } = makeCache()
    const source = counted(cache)
    await source.load(1)
    await cache.setMany([
      ["a", 1],
      ["b", 2],
      ["c", 3],
    ])
    await cache.expireKeys("a", source.load.keyOf(1))
    await cache.expireKeys(["b"])
    expect([await cache.get("a"), await cache.get("b"), await cache.get("c")]).toEqual([undefined, undefined, 3])
    expect(source.load.peek(1)).toBeUndefined()
    expect(await cache.expireKeys()).toMatch(/^zc1\./)
  })

  test("of batches, synchronous functions and methods", async () => {
    const { cache } = makeCache()
    const many = cache.cacheableMany(async (ids: readonly number[]) => ids.map(() => ({})))
    await many([1, 2, 3])
    await many.expire(1, 2)
    expect([many.peek(1), many.peek(2), many.peek(3)]).toEqual([undefined, undefined, {}])
    const sync = cache.cacheableSync(() => ({}))
    const first = sync()
    await sync.expire()
    expect(sync()).not.toBe(first)
    class Users {
      @cache.cacheable({ name: "byId" })
      async byId(id: number) {
        return { id }
      }
    }
    const [one, two] = [new Users(), new Users()]
    const values = [await one.byId(1), await two.byId(1)]
    await cachedMethod(one, "byId").expire(1)
    expect(await one.byId(1)).not.toBe(values[0])
    expect(await two.byId(1)).toBe(values[1])
  })

  test("takes what was made of it with it, as if its ttl had passed", async () => {
    const { cache } = makeCache()
    const inner = counted(cache, { name: "inner" })
    const outer = cache.cacheable(async () => inner.load(1))
    await outer()
    await inner.load.expire(1)
    expect(outer.peek()).toBeUndefined()
    expect(await outer()).toBe("1 in load 2")
  })

  test("an error that is kept is not served any more", async () => {
    const { cache } = makeCache()
    const source = counted(cache, { cacheErrors: "1h" })
    source.isDown = true
    await rejectionOf(source.load(1))
    await source.load.expire(1)
    source.isDown = false
    expect(await source.load(1)).toBe("1 in load 2")
  })

  test("does not slide back to life", async () => {
    const { cache } = makeCache({ idleTtl: "1m", grace: "1h" })
    const source = counted(cache)
    await source.load(1)
    await source.load.expire(1)
    source.isDown = true
    await source.load(1)
    await settled()
    expect(source.load.explain(1).state).toBe("expired")
  })

  test("what is not there stays so, and a later value is fresh", async () => {
    const { cache } = makeCache()
    await cache.expireKeys("key")
    await cache.set("key", 1)
    expect(await cache.get("key")).toBe(1)
  })
})

test("a load that overlaps it is stored as expired, and goes to nobody who comes after", async () => {
  const { cache } = makeCache({ grace: "1m" })
  const source = steered<string, [id: number]>()
  const load = cache.cacheable(source.loader, { name: "load", grace: 0 })
  const graced = cache.cacheable(source.loader, { name: "graced" })
  const early = [load(1), graced(1)]
  await load.expire(1)
  await graced.expire(1)
  const late = load(1)
  source.runs[0]?.resolve("old")
  source.runs[1]?.resolve("old")
  expect(await Promise.all(early)).toEqual(["old", "old"])
  expect(load.peek(1)).toBeUndefined()
  expect(await cache.lookup(graced.keyOf(1), { expired: true })).toMatchObject({ value: "old", state: "expired" })
  await settled()
  source.last.resolve("new")
  expect(await late).toBe("new")
})

test("a value that is set while it is on its way is the newer word", async () => {
  const { cache, log } = await makeShared()
  await cache.set("key", 1)
  log.appends = "hold"
  const expiring = cache.expireKeys("key")
  expect(await cache.get("key")).toBeUndefined()
  const setting = cache.set("key", 2)
  expect(await cache.get("key")).toBe(2)
  await log.release()
  await Promise.all([expiring, setting])
  expect(await cache.get("key")).toBe(2)
})

test.each([
  ["after", undefined],
  ["before", "newer"],
])("of another process, ordered %s a value that waits for its version", async (order, served) => {
  const clock = new ManualClock()
  const log = new FaultyLog({ clock })
  const { cache } = makeCache({ clock, log: log.connect("here") })
  const { cache: other } = makeCache({ clock, log: log.connect("there") })
  await Promise.all([cache.ready(), other.ready()])
  log.decide = ({ kind, connection }) => (kind === "append" && connection === "here" ? "hold" : "pass")
  const setting = cache.set("key", "newer")
  await settled()
  const [held] = log.held
  if (order === "after") held?.effect()
  await other.expireKeys("key")
  await settled()
  held?.answer()
  await setting
  await cache.sync()
  expect(await cache.get("key")).toBe(served)
})

describe("in a fleet", () => {
  test("reaches other processes, what they have stored, and what they will find in the store", async () => {
    const machine = new Machine()
    const [one, two] = [await machine.join({ grace: "1h" }), await machine.join({ grace: "1h" })]
    const rows = new Map([[1, "old"]])
    const [ofOne, ofTwo] = [rowsOf(one.cache, rows), rowsOf(two.cache, rows)]
    await ofOne.read(1)
    await settled()
    await ofTwo.read(1)
    rows.set(1, "new")
    await one.cache.expireKeys(ofOne.read.keyOf(1))
    const key = ofTwo.read.keyOf(1)
    expect(await two.cache.lookup(key)).toBeUndefined()
    expect(await two.cache.lookup(key, { expired: true })).toMatchObject({ value: "old", state: "expired" })
    const late = await machine.join({ grace: "1h" })
    const ofLate = rowsOf(late.cache, rows)
    expect(await late.cache.lookup(key)).toBeUndefined()
    expect(await ofLate.read(1)).toBe("old")
    await settled()
    expect(await ofLate.read(1)).toBe("new")
    await settled()
    const last = await machine.join()
    expect(rowsOf(last.cache, rows).read.peek(1)).toBe("new")
  })

  test("is repeated until the log has it, and holds here meanwhile", async () => {
    const { cache, log } = await makeShared({ ackTimeout: "1h" })
    const source = counted(cache)
    await source.load(1)
    log.appends = "hold"
    const expiring = source.load.expire(1)
    expect(source.load.peek(1)).toBeUndefined()
    await log.release()
    expect(await expiring).toMatch(/^zc1\./)
    expect(source.load.peek(1)).toBeUndefined()
  })

  test("for a release that does not know it, it is the expiry of a tag on which nothing depends", async () => {
    const { cache, log } = await makeShared()
    const source = counted(cache)
    await source.load.expire(1)
    expect(log.arrived.at(-1)).toEqual([{ kind: "expiry", path: "ƒkey:%C6%92%3Aload%3A%3A1" }])
    await source.load.delete(1)
    expect(log.arrived.at(-1)).toEqual([{ kind: "key", path: source.load.keyOf(1) }])
  })

  test("a key that fits into no tag is invalidated", async () => {
    const { cache, log } = await makeShared({ grace: "1h" })
    const key = "k".repeat(300)
    await cache.set(key, 1)
    await cache.expireKeys(key)
    expect(log.arrived.at(-1)).toEqual([{ kind: "key", path: key }])
    expect(await cache.lookup(key, { expired: true })).toBeUndefined()
  })

  test("many that are collapsed on their way reach all keys", async () => {
    const clock = new ManualClock()
    const log = new InProcessLog({ clock, nonce: "n", maxTags: 100 })
    const { cache } = makeCache({ clock, log })
    const source = counted(cache)
    const outer = cache.cacheable(async () => source.load(1), { name: "outer" })
    await outer()
    await cache.set("key", 1)
    log.append([{ kind: "expiry", path: "ƒkey" }], { epoch: undefined, cursor: 0 }, "elsewhere")
    expect([source.load.peek(1), outer.peek(), await cache.get("key")]).toEqual([undefined, undefined, undefined])
    await cache.set("key", 2)
    expect(await cache.get("key")).toBe(2)
  })
})

describe("in a transaction", () => {
  test("holds for reads inside at once, and for all others with the commit", async () => {
    const { cache } = makeCache()
    const source = counted(cache)
    await source.load(1)
    const gate = deferred()
    const done = cache.transaction(async (tx) => {
      expect(await source.load.expire(1)).toBeUndefined()
      expect(source.load.peek(1)).toBeUndefined()
      await gate.promise
      return tx
    })
    expect(source.load.peek(1)).toBe("1 in load 1")
    gate.resolve()
    expect((await done).token).toMatch(/^zc1\./)
    expect(source.load.peek(1)).toBeUndefined()
  })

  test("that is rolled back, nothing has expired", async () => {
    const { cache } = makeCache()
    await cache.set("key", 1)
    await rejectionOf(
      cache.transaction(async () => {
        await cache.expireKeys("key")
        throw new Error("rolled back")
      }),
    )
    expect(await cache.get("key")).toBe(1)
  })

  test("of a value set there before it, nothing is stored; of one after it, that", async () => {
    const { cache } = makeCache()
    await cache.transaction(async () => {
      await cache.set("before", 1)
      await cache.expireKeys("before", "after")
      await cache.set("after", 1)
      expect([await cache.get("before"), await cache.get("after")]).toEqual([undefined, 1])
    })
    expect([await cache.get("before"), await cache.get("after")]).toEqual([undefined, 1])
  })
})

test("names keys as its scope does, and no others", async () => {
  const { cache } = makeCache()
  const scope = cache.scope("tenant:1")
  await cache.set("key", "outside")
  await scope.set("key", "inside")
  await scope.expireKeys("key")
  expect([await cache.get("key"), await scope.get("key")]).toEqual(["outside", undefined])
})

test("is told as an event of its own kind, with the key", async () => {
  const events: { kind: string; path: string }[] = []
  const hear = (event: unknown) => void events.push(event as { kind: string; path: string })
  subscribe("zoocache:invalidate", hear)
  const { cache } = makeCache()
  const recorded = recordInvalidations(cache)
  await cache.expireKeys("a key")
  unsubscribe("zoocache:invalidate", hear)
  recorded.stop()
  expect(events).toMatchObject([{ kind: "key-expiry", path: "a key" }])
  expect([recorded.tags, recorded.expired]).toEqual([[], []])
})

test("no tag may be taken for it", async () => {
  const { cache } = makeCache()
  for (const tag of ["ƒkey", "ƒkey:a"]) {
    expect(await rejectionOf(cache.expire(tag))).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_TAG" })
    const load = cache.cacheable(async () => 1, { deps: [tag] })
    expect(await rejectionOf(load())).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_TAG" })
  }
  await cache.set("other", 1, { deps: ["ƒkeys:a"] })
  await cache.invalidate("ƒkeys")
  expect(await cache.get("other")).toBeUndefined()
})

test("rejects what is no key, and after close", async () => {
  const { cache } = makeCache()
  const load = cache.cacheable(async (id: unknown) => id)
  expect(await rejectionOf(load.expire(() => {}))).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_KEY" })
  expect(await rejectionOf(cache.expireKeys("ƒ:unknown::1"))).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_KEY" })
  expect(await rejectionOf(cache.expireKeys(""))).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_KEY" })
  await cache.close()
  expect(await rejectionOf(load.expire(1))).toMatchObject({ code: "ERR_ZOOCACHE_CLOSED" })
  expect(await rejectionOf(cache.expireKeys("key"))).toMatchObject({ code: "ERR_ZOOCACHE_CLOSED" })
})

test("stands at the root, and follows the default cache", async () => {
  const load = zoocache.cacheable(async (_id: number) => ({}))
  const first = await load(1)
  expect(await load.expire(1)).toMatch(/^zc1\./)
  expect(await load(1)).not.toBe(first)
  await zoocache.set("key", 1)
  await zoocache.expireKeys("key")
  expect(await zoocache.get("key")).toBeUndefined()
  const many = zoocache.cacheableMany(async (ids: readonly number[]) => ids)
  const sync = zoocache.cacheableSync(() => 1)
  expect([await many.expire(1), await sync.expire()]).toEqual([expect.any(String), expect.any(String)])
  await zoocache.reset()
})

test("its types", () => {
  const { cache } = makeCache()
  const load = cache.cacheable(async (id: number, _locale?: "en" | "de") => id)
  expectTypeOf(load.expire).toEqualTypeOf<(id: number, locale?: "en" | "de") => Promise<Token | undefined>>()
  expectTypeOf(cache.expireKeys).returns.toEqualTypeOf<Promise<Token | undefined>>()
  const many = cache.cacheableMany(async (ids: readonly number[]) => ids)
  expectTypeOf(many.expire).toEqualTypeOf<(...ids: readonly number[]) => Promise<Token | undefined>>()
})

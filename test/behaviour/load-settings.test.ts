/** `currentLoad().set`: how the result of one load is kept. */
import { describe, expect, expectTypeOf, test } from "vitest"
import { type CurrentLoad, currentLoad, type LoadSettings } from "zoocache"
import { settled } from "zoocache/testing"
import { deferred, makeCache } from "../support/caches.js"
import { Machine } from "../support/shared.js"

describe("ttl and grace", () => {
  test("hold for this result, and for no other of the function", async () => {
    const { cache, clock } = makeCache({ ttl: "1m" })
    let loads = 0
    const load = cache.cacheable(async (id: number) => {
      loads += 1
      if (id === 1) currentLoad()?.set({ ttl: "10s", grace: "1h" })
      return loads
    })
    await Promise.all([load(1), load(2)])
    clock.advance(20_000)
    expect(await load(1)).toBe(1)
    expect(await load(2)).toBe(2)
    await settled()
    expect(loads).toBe(3)
    expect(await load(1)).toBe(3)
    clock.advance(70_000)
    expect(load.peek(2)).toBeUndefined()
  })

  test("what is left out stays; what is said later counts, whichever method says it", async () => {
    const { cache, clock } = makeCache({ ttl: "1m", grace: "1m" })
    const load = cache.cacheable(async () => {
      currentLoad()?.set({ ttl: "10s" })
      currentLoad()?.set({ grace: 0 })
      currentLoad()?.set({})
      currentLoad()?.set({ ttl: undefined, grace: undefined, tiers: undefined })
      currentLoad()?.setTtl("20s")
      currentLoad()?.set({ ttl: "30s" })
      return 1
    })
    await load()
    clock.advance(29_000)
    expect(load.peek()).toBe(1)
    clock.advance(1_100)
    expect(await cache.lookup(load.keyOf())).toBeUndefined()
    expect(cache.stats().graceHits).toBe(0)
  })

  test("a ttl of 0 or less: not stored, nor what is made of it", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(async () => currentLoad()?.set({ ttl: 0 }))
    const outer = cache.cacheable(async () => load())
    await outer()
    expect([cache.stats().entries, load.explain().state, outer.explain().state]).toEqual([0, "absent", "absent"])
  })

  test("grace counts from what `expire` has overlapped, too", async () => {
    const { cache } = makeCache()
    const gate = deferred()
    const load = cache.cacheable(
      async () => {
        currentLoad()?.set({ grace: "1m" })
        await gate.promise
        return 1
      },
      { deps: ["t"] },
    )
    const loading = load()
    await cache.expire("t")
    gate.resolve()
    await loading
    expect(await cache.lookup(load.keyOf(), { expired: true })).toMatchObject({ value: 1, state: "expired" })
  })

  test("no setting makes an invalidated value valid", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(
      async () => {
        currentLoad()?.set({ ttl: "1h", grace: "1h" })
        return {}
      },
      { deps: ["t"] },
    )
    const first = await load()
    await cache.invalidate("t")
    expect(await load()).not.toBe(first)
  })
})

test("is there for `getOrLoad` and for batches, whose results all take it", async () => {
  const { cache, clock } = makeCache({ ttl: "1m" })
  await cache.getOrLoad("key", (load) => load.set({ ttl: "10s" }))
  const many = cache.cacheableMany(async (ids: readonly number[]) => {
    currentLoad()?.set({ ttl: "10s" })
    return ids.map(String)
  })
  await many([1, 2])
  clock.advance(10_100)
  expect([await cache.has("key"), many.peek(1), many.peek(2)]).toEqual([false, undefined, undefined])
})

test("after the end of its load, and where nothing is cached, it does nothing", async () => {
  const { cache, clock } = makeCache({ ttl: "1m" })
  let load: CurrentLoad | undefined
  await cache.getOrLoad("key", (its) => {
    load = its
  })
  load?.set({ ttl: 0 })
  load?.set({ no: 1 } as LoadSettings)
  clock.advance(30_000)
  expect(await cache.has("key")).toBe(true)
  const { cache: off } = makeCache({ enabled: false })
  expect(await off.getOrLoad("key", (its) => its.set({ ttl: "1s" }))).toBeUndefined()
})

test.each([[{ ttl: "soon" }], [{ grace: -1 }], [{ tiers: "disk" }], [{ ttl: "1s", lifetime: 1 }], [undefined], ["1h"]])(
  "refuses %j, and takes nothing of it",
  async (settings) => {
    const { cache, clock } = makeCache({ ttl: "1m" })
    let error: unknown
    await cache.getOrLoad("key", (load) => {
      try {
        load.set(settings as LoadSettings)
      } catch (thrown) {
        error = thrown
      }
    })
    expect(error).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_OPTION" })
    clock.advance(50_000)
    expect(await cache.has("key")).toBe(true)
  },
)

test("`tiers` keeps one result here, and takes what the store had of an older one", async () => {
  const machine = new Machine()
  const { cache } = await machine.join()
  let isHere = false
  const load = cache.cacheable(
    async (id: number) => {
      currentLoad()?.set({ tiers: isHere ? "memory" : "all" })
      return { id, isHere }
    },
    { name: "load" },
  )
  await load(1)
  await settled()
  expect(machine.data.size).toBe(1)
  isHere = true
  await load.refresh(1)
  await load(2)
  await settled()
  expect(machine.data.size).toBe(0)
  expect([load.peek(1), load.peek(2)]).toEqual([
    { id: 1, isHere: true },
    { id: 2, isHere: true },
  ])
})

test("its types", () => {
  expectTypeOf<CurrentLoad["set"]>().parameters.toEqualTypeOf<[settings: LoadSettings]>()
  expectTypeOf<NonNullable<LoadSettings["tiers"]>>().toEqualTypeOf<"all" | "memory">()
})

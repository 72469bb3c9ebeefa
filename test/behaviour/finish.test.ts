/** `finish: "always"`: a load that has begun goes on though nobody waits for it. */
import { describe, expect, test } from "vitest"
import { type CacheOptions, currentLoad, type FunctionOptions } from "zoocache"
import { LeaseBoard, RemoteMemoryStore, settled } from "zoocache/testing"
import { deferred, errorOf, leavesLoadsRunning, makeCache, rejectionOf, stateOf, steered } from "../support/caches.js"
import { Machine } from "../support/shared.js"

/** A function whose loads the test ends; the signals it was given, and a caller that leaves. */
function leaving(options: FunctionOptions<[id?: number], string> = {}, cacheOptions: Omit<CacheOptions, "clock"> = {}) {
  const bench = makeCache(cacheOptions)
  const source = steered<string, [id?: number]>()
  const signals: AbortSignal[] = []
  const load = bench.cache.cacheable(
    (id?: number) => {
      signals.push((currentLoad() as NonNullable<ReturnType<typeof currentLoad>>).signal)
      return source.loader(id)
    },
    { name: "load", deps: ["t"], ...options },
  )
  const leave = async (id?: number) => {
    const controller = new AbortController()
    const call = load.with({ signal: controller.signal })(id)
    const rejected = rejectionOf(call)
    await settled()
    controller.abort(new Error("gone"))
    expect(await rejected).toMatchObject({ message: "gone" })
  }
  return { ...bench, source, signals, load, leave }
}

const ways = [
  ["of the cache", {}, { finish: "always" }],
  ["of the function", { finish: "always" }, {}],
  ["of the function, against the cache", { finish: "always" }, { finish: "wanted" }],
] as const

describe.each(ways)("%s", (_way, ofFunction, ofCache) => {
  test("the load goes on, its signal does not abort, and its result is stored", async () => {
    const { leave, source, signals, load } = leaving(ofFunction, ofCache)
    await leave()
    expect(signals[0]?.aborted).toBe(false)
    source.last.resolve("value")
    await settled()
    expect(load.peek()).toBe("value")
  })

  test("who comes later joins it", async () => {
    const { leave, source, load, cache } = leaving(ofFunction, ofCache)
    await leave()
    const joining = load()
    await leave()
    source.last.resolve("value")
    expect(await joining).toBe("value")
    expect(cache.stats()).toMatchObject({ loads: 1, joins: 2 })
  })
})

test('by default, and with "wanted", it aborts and nobody joins it', async () => {
  for (const [ofFunction, ofCache] of [
    [{}, {}],
    [{ finish: "wanted" }, { finish: "always" }],
  ] as const) {
    const { leave, source, signals, load } = leaving(ofFunction, ofCache)
    await leave()
    expect(signals[0]?.aborted).toBe(true)
    const next = load()
    expect(source.runs).toHaveLength(2)
    source.runs[0]?.resolve("late")
    source.last.resolve("value")
    expect(await next).toBe("value")
  }
})

test("its result obeys the rule: what was invalidated meanwhile is not stored, and goes to nobody", async () => {
  const { leave, source, load, cache } = leaving({ finish: "always" })
  await leave()
  await cache.invalidate("t")
  const late = load()
  source.runs[0]?.resolve("old")
  await settled()
  expect(load.peek()).toBeUndefined()
  source.last.resolve("new")
  expect(await late).toBe("new")
  expect(source.runs).toHaveLength(2)
})

test("callers that came late and have left too leave nothing behind", async () => {
  const { leave, source, load, cache } = leaving({ finish: "always", deps: ["t"] })
  await leave()
  await cache.invalidate("other")
  await leave()
  source.last.resolve("value")
  await settled()
  expect(load.peek()).toBe("value")
  expect(source.runs).toHaveLength(1)
})

test("its failure is nobody's, and no unhandled rejection", async () => {
  const { leave, source, load } = leaving({ finish: "always" })
  await leave()
  source.last.reject(new Error("down"))
  await settled()
  expect(load.peek()).toBeUndefined()
  const again = load()
  source.last.resolve("value")
  expect(await again).toBe("value")
})

test("the hard timeout ends it, and frees its key and its slot", async () => {
  const { leave, clock, signals, load, source } = leaving({ finish: "always", timeout: "1s" }, { maxLoads: 1 })
  await leave()
  clock.advance(1_000)
  await settled()
  expect(signals[0]?.reason).toMatchObject({ code: "ERR_ZOOCACHE_LOAD_TIMEOUT" })
  const next = load()
  source.last.resolve("value")
  expect(await next).toBe("value")
})

test("`close()` ends those that nobody waits for, and lets others go on for their callers", async () => {
  const { leave, cache, signals, load, source } = leaving({ finish: "always" })
  await leave(1)
  const staying = load(2)
  await settled()
  await cache.close()
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
  source.last.resolve("value")
  expect(await staying).toBe("value")
})

test("after `close()` the last caller that leaves ends it", async () => {
  const { cache, load, signals } = leaving({ finish: "always" })
  const controller = new AbortController()
  const call = rejectionOf(load.with({ signal: controller.signal })())
  await settled()
  await cache.close()
  controller.abort()
  await call
  expect(signals[0]?.aborted).toBe(true)
})

test("one that waits for a slot is dropped", async () => {
  const { leave, source, load } = leaving({ finish: "always" }, { maxLoads: 1 })
  const first = load(1)
  await leave(2)
  source.last.resolve("one")
  await first
  await settled()
  expect(source.runs).toHaveLength(1)
  expect(load.peek(2)).toBeUndefined()
})

test("one that waits for another node is dropped", async () => {
  const machine = new Machine()
  const board = new LeaseBoard({ clock: machine.clock })
  const storeOf = () => new RemoteMemoryStore({ codec: machine.codec, data: machine.data, clock: machine.clock, board })
  const options = { singleflight: "cluster", finish: "always" } as const
  const [one, two] = [
    await machine.join({ store: storeOf(), ...options }),
    await machine.join({ store: storeOf(), ...options }),
  ]
  const gate = deferred()
  const load = async () => gate.promise
  const leading = one.cache.cacheable(load, { name: "f" })()
  await settled()
  const controller = new AbortController()
  let loads = 0
  const waiting = rejectionOf(
    two.cache.cacheable(async () => (loads += 1), { name: "f" }).with({ signal: controller.signal })(),
  )
  await settled()
  controller.abort()
  await waiting
  gate.resolve()
  await leading
  await settled()
  expect(loads).toBe(0)
})

test("one inside of a transaction aborts", async () => {
  const { leave, cache, signals, source } = leaving({ finish: "always" })
  await cache.transaction(async () => leave())
  expect(signals[0]?.aborted).toBe(true)
  source.last.resolve("value")
  await settled()
  expect(cache.stats().entries).toBe(0)
})

test("of a nested load, too: the load around that has left is told, and the nested one ends by itself", async () => {
  const { cache } = makeCache()
  const gate = deferred()
  const inner = cache.cacheable(
    async () => {
      await gate.promise
      return "inner"
    },
    { finish: "always" },
  )
  const outer = cache.cacheable(async () => inner.with({ signal: currentLoad()?.signal })(), { name: "outer" })
  const controller = new AbortController()
  const call = rejectionOf(outer.with({ signal: controller.signal })())
  await settled()
  controller.abort()
  await call
  gate.resolve()
  await settled()
  expect([inner.peek(), outer.peek()]).toEqual(["inner", undefined])
})

test("without an end of its own it is left running, and joined", async () => {
  const { leave, load, cache } = leaving({ finish: "always", timeout: Infinity })
  leavesLoadsRunning(cache)
  await leave()
  expect(await stateOf(load())).toBe("pending")
})

test("refuses anything else", async () => {
  const { cache } = makeCache()
  const finish = "maybe" as unknown as "always"
  expect(await errorOf(() => makeCache({ finish }))).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_OPTION" })
  expect(await errorOf(() => cache.cacheable(async () => 1, { finish }))).toMatchObject({ subject: "finish" })
})

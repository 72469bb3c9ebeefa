/** What caches that share a store behind a network owe each other: reads that take their time. */
import { describe, expect, test } from "vitest"
import { ConfigurationError, StoreError } from "zoocache"
import { settled } from "zoocache/testing"
import { Fleet, type FleetNode } from "../support/fleet.js"
import { asksOnceInASecond, failingSource, memories, ways } from "../support/failing-source.js"
import { rowsOf } from "../support/shared.js"

const rows = () => new Map<number, unknown>([[1, { name: "one" }]])

/** The reads of a node's store wait until they are answered. */
function hold({ store }: FleetNode): void {
  store.decide = ({ kind }) => (kind === "get" ? "hold" : "pass")
}

async function answer({ store }: FleetNode): Promise<void> {
  for (const operation of store.held) await operation.answer()
  await settled()
}

/** Two nodes; the first has loaded row 1, which the store has. */
async function loaded(options: Parameters<typeof rowsOf>[2] = {}, ofB: Parameters<Fleet["join"]>[1] = {}) {
  const fleet = new Fleet()
  const [a, b] = [await fleet.join("a"), await fleet.join("b", ofB)]
  const table = rows()
  const onA = rowsOf(a.cache, table, options)
  const onB = rowsOf(b.cache, table, options)
  await onA.read(1)
  await settled()
  return { fleet, a, b, table, onA, onB }
}

describe("entries that others stored", () => {
  test("are served without a load, frozen like one's own, and then from memory", async () => {
    const { b, onB } = await loaded()
    const value = await onB.read(1)
    expect(value).toEqual({ name: "one" })
    expect(Object.isFrozen(value)).toBe(true)
    await onB.read(1)
    expect(onB.loads).toBe(0)
    expect(b.store.calls.get).toBe(1)
    expect(b.cache.stats()).toMatchObject({ storeHits: 1, hits: 2, misses: 0 })
  })

  test("are served where memory keeps nothing", async () => {
    const { b, onB } = await loaded({}, { memory: false })
    expect([await onB.read(1), await onB.read(1)]).toEqual([{ name: "one" }, { name: "one" }])
    expect(onB.loads).toBe(0)
    expect(b.store.calls.get).toBe(2)
  })

  test("are seen by every kind of read", async () => {
    const fleet = new Fleet()
    const a = await fleet.join("a")
    await a.cache.set("k", { n: 1 })
    const other = async () => (await fleet.join("other")).cache
    expect(await (await other()).get("k")).toEqual({ n: 1 })
    expect(await (await other()).getMany(["k", "x"])).toEqual(new Map([["k", { n: 1 }]]))
    expect(await (await other()).has("k")).toBe(true)
    expect(await (await other()).has("x")).toBe(false)
    expect(await (await other()).lookup("k")).toMatchObject({ value: { n: 1 } })
    expect(await (await other()).getOrLoad("k", () => "loaded")).toEqual({ n: 1 })
  })

  test("of many ids: only what is missing is loaded, in one batch", async () => {
    const fleet = new Fleet()
    const [a, b] = [await fleet.join("a"), await fleet.join("b")]
    const batches: number[][] = []
    const define = (node: FleetNode) =>
      node.cache.cacheableMany(
        async (ids: readonly number[]) => {
          batches.push([...ids])
          return new Map(ids.map((id) => [id, id * 10]))
        },
        { name: "many" },
      )
    await define(a)([1, 2])
    await settled()
    expect(await define(b)([1, 2, 3, 4])).toEqual(new Map([1, 2, 3, 4].map((id) => [id, id * 10])))
    expect(batches).toEqual([
      [1, 2],
      [3, 4],
    ])
  })

  test("hand on what they depend on", async () => {
    const { a, b, onB, table } = await loaded()
    const outer = b.cache.cacheable(async () => await onB.read(1), { name: "outer" })
    expect(await outer()).toEqual({ name: "one" })
    table.set(1, "new")
    await a.cache.invalidate("row:1")
    await settled()
    expect(await outer()).toBe("new")
  })

  test("need no slot of `maxLoads`", async () => {
    const { b, onB } = await loaded({}, { maxLoads: 1 })
    let release = (): void => {}
    const busy = b.cache.cacheable(() => new Promise<void>((resolve) => (release = resolve)), { name: "busy" })
    const running = busy()
    await settled()
    expect(await onB.read(1)).toEqual({ name: "one" })
    release()
    await running
  })

  test("of a higher version of the function are others", async () => {
    const { a, b } = await loaded()
    await rowsOf(a.cache, rows(), { name: "f", version: 1 }).read(1)
    await settled()
    const next = rowsOf(b.cache, rows(), { name: "f", version: 2 })
    await next.read(1)
    expect(next.loads).toBe(1)
  })
})

describe("while the store is asked", () => {
  test("10,000 callers share one read of it, and one load where it has nothing", async () => {
    const fleet = new Fleet()
    const node = await fleet.join("a")
    const of = rowsOf(node.cache, rows())
    hold(node)
    const reading = Promise.all(Array.from({ length: 10_000 }, () => of.read(1)))
    await answer(node)
    expect(new Set(await reading).size).toBe(1)
    expect(of.loads).toBe(1)
    expect(node.store.calls.get).toBe(1)
    expect(node.cache.stats()).toMatchObject({ misses: 10_000, joins: 9_999, storeMisses: 1 })
  })

  test("an invalidation makes what it will answer stale", async () => {
    const { a, b, onB, table } = await loaded()
    hold(b)
    const reading = onB.read(1)
    await settled()
    await b.store.held[0]?.effect()
    table.set(1, "new")
    await a.cache.invalidate("row:1")
    await settled()
    await answer(b)
    expect(await reading).toBe("new")
    expect(onB.loads).toBe(1)
  })

  test("a caller who comes after an invalidation shares the read, and gets nothing older", async () => {
    const { a, b, onB, table } = await loaded()
    hold(b)
    const early = onB.read(1)
    await settled()
    await b.store.held[0]?.effect()
    table.set(1, "new")
    await a.cache.invalidate("row:1")
    await settled()
    const late = onB.read(1)
    await answer(b)
    expect(await late).toBe("new")
    expect(await early).toBe("new")
    expect(onB.loads).toBe(1)
  })

  test.each([true, false])(
    "a newer load of this process outranks what it will answer; memory: %s",
    async (hasMemory) => {
      const { b, onB, table } = await loaded({}, hasMemory ? {} : { memory: false })
      hold(b)
      const early = onB.read(1)
      await settled()
      await b.store.held[0]?.effect()
      table.set(1, "refreshed")
      expect(await (onB.read as unknown as { refresh(id: number): Promise<unknown> }).refresh(1)).toBe("refreshed")
      await settled()
      await answer(b)
      expect(await early).toBe("refreshed")
      const again = onB.read(1)
      await answer(b)
      expect(await again).toBe("refreshed")
    },
  )

  test.each([true, false])(
    "a value that this process sets outranks what it will answer; memory: %s",
    async (hasMemory) => {
      const fleet = new Fleet()
      const [a, b] = [await fleet.join("a"), await fleet.join("b", hasMemory ? {} : { memory: false })]
      await a.cache.set("k", "old")
      await settled()
      hold(b)
      const early = b.cache.get("k")
      await settled()
      await b.store.held[0]?.effect()
      await b.cache.set("k", "new")
      await answer(b)
      expect(await early).toBe("new")
    },
  )

  test("the bound passes: what it answers is not trusted", async () => {
    const { fleet, b, onB } = await loaded({}, { staleness: { bound: 3000 } })
    hold(b)
    const reading = onB.read(1)
    await settled()
    fleet.log.decide = ({ kind, connection }) => (connection === "b" && kind === "pull" ? "fail" : "pass")
    await fleet.clock.advanceAsync(4000, 500)
    await answer(b)
    expect(await reading).toEqual({ name: "one" })
    expect(onB.loads).toBe(1)
    fleet.log.heal()
  })

  test("the bound passes: with `serve` what it answers is served", async () => {
    const { fleet, b, onB } = await loaded({}, { staleness: { bound: 3000, whenUnsure: "serve" } })
    hold(b)
    const reading = onB.read(1)
    await settled()
    fleet.log.decide = ({ kind, connection }) => (connection === "b" && kind === "pull" ? "fail" : "pass")
    await fleet.clock.advanceAsync(4000, 500)
    await answer(b)
    await reading
    expect(onB.loads).toBe(0)
    fleet.log.heal()
  })

  test("a caller may leave", async () => {
    const { b, onB } = await loaded()
    hold(b)
    const leaving = new AbortController()
    const read = onB.read as unknown as { with(o: object): (id: number) => Promise<unknown> }
    const reading = read.with({ signal: leaving.signal })(1)
    const staying = onB.read(1)
    leaving.abort(new Error("left"))
    await expect(reading).rejects.toThrow("left")
    await answer(b)
    expect(await staying).toEqual({ name: "one" })
    expect(onB.loads).toBe(0)
  })

  test("the cache is closed: callers get what their loader gives", async () => {
    const { b, onB } = await loaded()
    hold(b)
    const reading = onB.read(1)
    await settled()
    await b.cache.close()
    await answer(b)
    expect(await reading).toEqual({ name: "one" })
  })

  // A word on the own key: a `delete` here; in a fleet it may be a pull whose reply comes with that of the read.
  test.each(Array.from({ length: 24 }, (_, hops) => hops))(
    "its key is deleted %i microtasks after the answer: callers get a value all the same",
    async (hops) => {
      const { b, onB } = await loaded()
      const get = b.store.get.bind(b.store)
      b.store.get = async (key) => {
        const bytes = await get(key)
        void (async () => {
          for (let hop = 0; hop < hops; hop += 1) await Promise.resolve()
          await (onB.read as unknown as { delete(id: number): Promise<unknown> }).delete(1)
        })()
        return bytes
      }
      expect(await onB.read(1)).toEqual({ name: "one" })
    },
  )

  test("`fresh` asks nobody", async () => {
    const { b, onB } = await loaded()
    await (onB.read as unknown as { refresh(id: number): Promise<unknown> }).refresh(1)
    expect(b.store.calls.get).toBe(0)
    expect(onB.loads).toBe(1)
  })
})

describe("an entry from above the cursor", () => {
  test("has this process catch up, and is served", async () => {
    const { fleet, a, b, onA, onB, table } = await loaded()
    fleet.log.decide = ({ kind, connection }) => (connection === "b" && kind === "news" ? "lose" : "pass")
    table.set(1, "new")
    await a.cache.invalidate("row:1")
    await onA.read(1)
    await settled()
    const pulls = fleet.log.pulls
    expect(await onB.read(1)).toBe("new")
    expect(onB.loads).toBe(0)
    expect(fleet.log.pulls).toBe(pulls + 1)
    expect(b.cache.tagVersion("row:1")).toBe(a.cache.tagVersion("row:1"))
  })

  test("is not served where this process can't catch up", async () => {
    const { fleet, a, b, onA, onB, table } = await loaded()
    fleet.log.decide = ({ kind, connection }) => (connection === "b" && kind !== "append" ? "lose" : "pass")
    table.set(1, "new")
    await a.cache.invalidate("row:1")
    await onA.read(1)
    await settled()
    const reading = onB.read(1)
    await settled()
    await fleet.clock.advanceAsync(300, 50)
    expect(await reading).toBe("new")
    expect(onB.loads).toBe(1)
    expect(b.cache.stats().storeMisses).toBe(1)
    fleet.log.heal()
  })
})

describe("a store that fails", () => {
  test("is a miss, a fault, and nobody's error", async () => {
    const { b, onB } = await loaded()
    b.store.decide = ({ kind }) => (kind === "get" ? "fail" : "pass")
    expect(await onB.read(1)).toEqual({ name: "one" })
    expect(onB.loads).toBe(1)
    expect(b.faults.map(({ error }) => error.constructor)).toEqual([StoreError])
    expect(await b.cache.get("x")).toBeUndefined()
  })

  test("can't have `cacheableSync`, which says so", async () => {
    const { b } = await loaded()
    expect(() => b.cache.cacheableSync((n: number) => n, { name: "sync" })).toThrow(ConfigurationError)
  })
})

describe("many that are asked for at once", () => {
  test("wait for a silent log once, and what needs no look at it is served", async () => {
    const fleet = new Fleet()
    const [a, b] = [await fleet.join("a"), await fleet.join("b", { memory: false })]
    const batches: number[][] = []
    const define = ({ cache }: FleetNode) =>
      cache.cacheableMany(
        async (ids: readonly number[]) => {
          batches.push([...ids])
          return new Map(ids.map((id) => [id, id]))
        },
        { name: "many" },
      )
    const [onA, onB] = [define(a), define(b)]
    await onA([3])
    await settled()
    // From here on b hears nothing of the log.
    fleet.log.decide = ({ kind, connection }) =>
      connection === "b" && kind !== "append" ? (kind === "pull" ? "hold" : "lose") : "pass"
    await a.cache.invalidate("x")
    await onA([1, 2])
    await settled()
    batches.length = 0
    const reading = onB([1, 2, 3])
    await settled()
    await fleet.clock.advanceAsync(260, 10)
    await settled()
    expect(batches).toEqual([[1, 2]])
    expect([...(await reading).values()]).toEqual([1, 2, 3])
    fleet.log.heal()
  })
})

describe("grace", () => {
  test("serves what has expired in the store, and loads anew in the background", async () => {
    const { fleet, onB, table } = await loaded({ ttl: 1000, grace: 10_000 })
    await fleet.clock.advanceAsync(2000, 500)
    table.set(1, "new")
    expect(await onB.read(1)).toEqual({ name: "one" })
    await settled()
    expect(onB.loads).toBe(1)
    expect(await onB.read(1)).toBe("new")
  })

  test("takes what another process has loaded anew, without a load", async () => {
    const { fleet, onA, onB, table } = await loaded({ ttl: 1000, grace: 10_000 })
    await onB.read(1)
    await fleet.clock.advanceAsync(2000, 500)
    table.set(1, "new")
    await onA.read(1)
    await settled()
    await onB.read(1)
    await settled()
    expect(await onB.read(1)).toBe("new")
    expect(onB.loads).toBe(0)
  })
})

describe("grace where the source fails", () => {
  test("is not tried again for a second, also where the expired entry is fetched again and again", async () => {
    const { fleet, onB } = await loaded({ ttl: 1000, grace: 100_000 })
    await onB.read(1)
    onB.fail = true
    await fleet.clock.advanceAsync(2000, 500)
    for (let times = 0; times < 20; times += 1) {
      expect(await onB.read(1)).toEqual({ name: "one" })
      await settled()
      await fleet.clock.advanceAsync(10, 10)
    }
    expect(onB.loads).toBe(1)
    await fleet.clock.advanceAsync(1500, 500)
    await onB.read(1)
    await settled()
    expect(onB.loads).toBe(2)
  })

  test.each([
    ["in the background", {}],
    ["while the caller waits", { timeout: { soft: 100 } }],
  ])("is not tried again for a second where memory keeps nothing either: %s", async (_how, more) => {
    const { fleet, onB } = await loaded({ ttl: 1000, grace: 100_000, ...more }, { memory: false })
    onB.fail = true
    await fleet.clock.advanceAsync(2000, 500)
    for (const loads of [1, 2]) {
      for (let times = 0; times < 20; times += 1) {
        expect(await onB.read(1)).toEqual({ name: "one" })
        await settled()
        await fleet.clock.advanceAsync(10, 10)
      }
      expect(onB.loads).toBe(loads)
      await fleet.clock.advanceAsync(1500, 500)
    }
    onB.fail = false
    await onB.read(1)
    await settled()
    expect(onB.loads).toBe(3)
    expect(await onB.read(1)).toEqual({ name: "one" })
    await settled()
    expect(onB.loads).toBe(3)
  })

  const soft = { ttl: 1000, grace: 100_000, timeout: { soft: 100 } }

  test("stands in for a load that fails where memory keeps nothing", async () => {
    const { fleet, onB } = await loaded(soft, { memory: false })
    await fleet.clock.advanceAsync(2000, 500)
    onB.fail = true
    expect(await onB.read(1)).toEqual({ name: "one" })
    expect(onB.loads).toBe(1)
  })

  test("stands in for a load that takes long where memory keeps nothing, for all who asked together", async () => {
    const { fleet, onB } = await loaded(soft, { memory: false })
    await fleet.clock.advanceAsync(2000, 500)
    onB.before = () => new Promise((resolve) => fleet.clock.setTimer(resolve, 1500, true))
    const beganMs = fleet.clock.now()
    const tooks = [1, 2].map(async () => {
      expect(await onB.read(1)).toEqual({ name: "one" })
      return fleet.clock.now() - beganMs
    })
    await fleet.clock.advanceAsync(3000, 10)
    expect(await Promise.all(tooks)).toEqual([100, 100])
    expect(onB.loads).toBe(1)
  })

  test("does not stand in for what was invalidated while memory kept nothing", async () => {
    const { fleet, a, onB } = await loaded(soft, { memory: false })
    await fleet.clock.advanceAsync(2000, 500)
    onB.fail = true
    onB.before = async () => {
      await a.cache.invalidate("row:1")
      await settled()
    }
    await expect(onB.read(1)).rejects.toThrow("the source is down")
  })

  test("does not stand in for what this process has deleted while memory kept nothing, acknowledged or not", async () => {
    const { fleet, onB } = await loaded(soft, { memory: false })
    await fleet.clock.advanceAsync(2000, 500)
    onB.fail = true
    onB.before = async () => {
      fleet.log.decide = ({ kind }) => (kind === "append" ? "hold" : "pass")
      void onB.read.delete(1).catch(() => {})
      await settled()
    }
    await expect(onB.read(1)).rejects.toThrow("the source is down")
    fleet.log.heal()
  })

  /** Node b has in memory what has expired; its loader fails, after others have taken its place in memory. */
  async function evictedMeanwhile(before: (a: FleetNode) => Promise<void>, more: Parameters<typeof rowsOf>[2] = {}) {
    // A tag that is only known once there is a value: the load that fails does not depend on it.
    const late = { ...soft, deps: [], depsOf: () => ["late:1"], ...more }
    const { fleet, a, b, onB } = await loaded(late, { memory: { maxEntries: 4 } })
    await onB.read(1)
    await fleet.clock.advanceAsync(2000, 500)
    expect(b.cache.stats().entries).toBe(1)
    onB.fail = true
    let wasEvicted = false
    onB.before = async () => {
      for (let times = 0; times < 3; times += 1) {
        for (let other = 0; other < 8; other += 1) await b.cache.getOrLoad(`other ${other}`, async () => other)
      }
      wasEvicted = b.cache.explain("ƒ:row::1").state === "absent"
      b.store.decide = ({ kind }) => (kind === "get" ? "fail" : "pass")
      await before(a)
    }
    return { onB, wasEvicted: () => wasEvicted }
  }

  test("stands in for a load that fails after memory has evicted it", async () => {
    const { onB, wasEvicted } = await evictedMeanwhile(async () => {})
    expect(await onB.read(1)).toEqual({ name: "one" })
    expect(wasEvicted()).toBe(true)
  })

  test("stands in after memory has evicted it also where errors are kept", async () => {
    const { onB, wasEvicted } = await evictedMeanwhile(async () => {}, { cacheErrors: "10s" })
    expect(await onB.read(1)).toEqual({ name: "one" })
    expect(wasEvicted()).toBe(true)
  })

  test("does not stand in for what was invalidated after memory has evicted it", async () => {
    const { onB, wasEvicted } = await evictedMeanwhile(async (a) => {
      await a.cache.invalidate("late:1")
      await settled()
    })
    await expect(onB.read(1)).rejects.toThrow("the source is down")
    expect(wasEvicted()).toBe(true)
  })
})

describe("a transaction", () => {
  test("does not see what it has invalidated", async () => {
    const { b, onB, table } = await loaded()
    table.set(1, "uncommitted")
    await b.cache.transaction(async () => {
      await b.cache.invalidate("row:1")
      expect(await onB.read(1)).toBe("uncommitted")
    })
    expect(onB.loads).toBe(1)
  })
})

describe("a source that fails", () => {
  const memoryNames = Object.keys(memories) as (keyof typeof memories)[]
  const wayNames = Object.keys(ways) as (keyof typeof ways)[]
  const both = memoryNames.flatMap((memory) => wayNames.map((way) => [memory, way] as const))

  test.each(both)("is asked once in a second: %s, %s", async (memory, way) => {
    const fleet = new Fleet()
    const { cache } = await fleet.join("a", { staleness: { bound: "1d" }, ...memories[memory] })
    await asksOnceInASecond(cache, fleet.clock, memory, way)
  })

  test("is not asked where another node has loaded the value anew, and fails no reader, without a memory", async () => {
    const fleet = new Fleet()
    const options = { ttl: "100s", earlyRefresh: 0.5 } as const
    const others = { memory: false, staleness: { bound: "1d" } } as const
    const [a, b] = [await fleet.join("a", others), await fleet.join("b", others)]
    const [ofA, ofB] = [failingSource(a.cache, options), failingSource(b.cache, options)]
    await ofA.read()
    await settled()
    fleet.clock.advance(60_000)
    ofA.isDown = ofB.isDown = true
    const readers = [...Array.from({ length: 20 }, () => ofA.read()), ofB.read()]
    expect(new Set(await Promise.all(readers))).toEqual(new Set(["v1"]))
    await settled()
    await settled()
    for (let read = 0; read < 10; read += 1) {
      expect([await ofA.read(), await ofB.read()]).toEqual(["v1", "v1"])
      await settled()
    }
    expect([ofA.asked, ofB.asked]).toEqual([2, 1])
    ofA.isDown = false
    ofA.version = 2
    fleet.clock.advance(1000)
    await ofA.read()
    await expect.poll(ofA.read).toBe("v2")
    for (let read = 0; read < 10; read += 1) expect(await ofB.read()).toBe("v2")
    expect([ofA.asked, ofB.asked]).toEqual([3, 1])
  })
})

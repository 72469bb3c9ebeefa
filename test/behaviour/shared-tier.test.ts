/** What caches that share a store and a log owe each other, on a log that everyone can look at. */
import { describe, expect, test } from "vitest"
import {
  type Cache,
  CorruptEntryError,
  createCache,
  type FunctionOptions,
  HookError,
  InvalidOptionError,
  UnencodableValueError,
} from "zoocache"
import { createCodec } from "zoocache/codec"
import { FaultyStore, ManualClock, MemoryStore, settled } from "zoocache/testing"
import { leavesLoadsRunning, makeCache } from "../support/caches.js"
import { asksOnceInASecond, failingSource, memories, ways } from "../support/failing-source.js"
import { Machine, rowsOf } from "../support/shared.js"

const rows = () => new Map<number, unknown>([[1, { name: "one" }]])

describe("entries that others stored", () => {
  test("are served without a load, frozen like one's own", async () => {
    const machine = new Machine()
    const [a, b] = [await machine.join(), await machine.join()]
    const table = rows()
    const ofA = rowsOf(a.cache, table)
    const ofB = rowsOf(b.cache, table)
    await ofA.read(1)
    await settled()
    const value = await ofB.read(1)
    expect(value).toEqual({ name: "one" })
    expect(Object.isFrozen(value)).toBe(true)
    expect(ofB.loads).toBe(0)
    expect(b.cache.stats()).toMatchObject({ storeHits: 1, hits: 1, misses: 0 })
    await ofB.read(1)
    expect(b.cache.stats()).toMatchObject({ storeHits: 1, hits: 2 })
  })

  test("are seen by every kind of read", async () => {
    const machine = new Machine()
    const [a, b] = [await machine.join(), await machine.join()]
    await a.cache.set("k", { n: 1 })
    expect(await b.cache.get("k")).toEqual({ n: 1 })
    const c = await machine.join()
    expect(await c.cache.getMany(["k", "x"])).toEqual(new Map([["k", { n: 1 }]]))
    expect(await (await machine.join()).cache.has("k")).toBe(true)
    expect(await (await machine.join()).cache.lookup("k")).toMatchObject({ value: { n: 1 } })
    expect(await (await machine.join()).cache.getOrLoad("k", () => "loaded")).toEqual({ n: 1 })
    const compute = (cache: typeof a.cache) => {
      let runs = 0
      const square = cache.cacheableSync((n: number) => ((runs += 1), n * n), { name: "square" })
      return { square, runs: () => runs }
    }
    const first = compute(a.cache)
    expect(first.square(3)).toBe(9)
    await settled()
    const second = compute(b.cache)
    expect(second.square.peek(3)).toBe(9)
    expect(second.square(3)).toBe(9)
    expect(second.runs()).toBe(0)
  })

  test("miss in the very next call after another's invalidation", async () => {
    const machine = new Machine()
    const [a, b] = [await machine.join(), await machine.join()]
    const table = rows()
    const ofA = rowsOf(a.cache, table)
    const ofB = rowsOf(b.cache, table)
    await ofB.read(1)
    await ofA.read(1)
    table.set(1, { name: "new" })
    await a.cache.invalidate("row:1")
    expect(await ofB.read(1)).toEqual({ name: "new" })
    expect(ofB.loads).toBe(2)
    expect(await ofA.read(1)).toEqual({ name: "new" })
    expect(ofA.loads).toBe(0)
  })

  test("are not served where another's invalidation overlapped their load", async () => {
    const machine = new Machine()
    const [a, b, c] = [await machine.join(), await machine.join(), await machine.join()]
    let release = (_value: string): void => {}
    const slow = a.cache.cacheable(() => new Promise<string>((resolve) => (release = resolve)), {
      name: "slow",
      deps: ["row:1"],
    })
    const pending = slow()
    await settled()
    await b.cache.invalidate("row:1")
    release("old")
    expect(await pending).toBe("old")
    await settled()
    const others = c.cache.cacheable(async () => "new", { name: "slow", deps: ["row:1"] })
    expect(await others()).toBe("new")
    const again = slow()
    release("newer")
    expect(await again).not.toBe("old")
  })

  test("depend on what they were made of in the process that made them", async () => {
    const machine = new Machine()
    const make = async () => {
      const { cache } = await machine.join()
      const inner = cache.cacheable(async (id: number) => `inner ${id}`, { name: "inner", deps: (id) => [`in:${id}`] })
      let loads = 0
      const outer = cache.cacheable(
        async () => {
          loads += 1
          return `${await inner(1)} ${await cache.get("by-hand")}`
        },
        { name: "outer" },
      )
      return { cache, inner, outer, loads: () => loads }
    }
    const [a, b] = [await make(), await make()]
    await a.outer()
    await settled()
    await b.outer()
    expect(b.loads()).toBe(0)
    for (const change of [
      () => a.cache.invalidate("in"),
      () => a.inner.delete(1),
      () => a.inner.clear(),
      () => a.cache.set("by-hand", 1),
      () => a.cache.delete("by-hand"),
      () => a.cache.clear(),
    ]) {
      const c = await make()
      await c.outer()
      expect(c.loads()).toBe(0)
      await change()
      await c.outer()
      expect(c.loads(), String(change)).toBe(1)
      await settled()
    }
  })

  test("are gone for everyone when their key is deleted, set, or their function cleared", async () => {
    const machine = new Machine()
    const [a, b] = [await machine.join(), await machine.join()]
    const table = rows()
    const ofA = rowsOf(a.cache, table)
    const ofB = rowsOf(b.cache, table)
    await ofA.read(1)
    await ofB.read(1)
    await ofA.read.delete(1)
    table.set(1, "second")
    expect(await ofB.read(1)).toBe("second")
    await settled()
    await ofB.read.clear()
    table.set(1, "third")
    expect(await ofA.read(1)).toBe("third")
    await settled()
    await ofA.read.prime([1], "by hand", { asOf: "now" })
    expect(await ofB.read(1)).toBe("by hand")
    expect(ofB.loads).toBe(1)
  })

  test("a load that began before another's set does not replace what was set", async () => {
    const machine = new Machine()
    const [a, b, c] = [await machine.join(), await machine.join(), await machine.join()]
    let release = (_value: string): void => {}
    const load = () => new Promise<string>((resolve) => (release = resolve))
    const slow = a.cache.getOrLoad("k", load)
    await settled()
    await b.cache.set("k", "set")
    release("loaded")
    await slow
    await settled()
    expect(await c.cache.get("k")).toBe("set")
    expect(await a.cache.get("k")).toBe("set")
  })

  test("age in all processes alike", async () => {
    const machine = new Machine()
    const [a, b] = [await machine.join({ ttl: 1000 }), await machine.join({ ttl: 1000 })]
    const ofA = rowsOf(a.cache, rows())
    const ofB = rowsOf(b.cache, rows())
    await ofA.read(1)
    await settled()
    machine.clock.advance(900)
    await ofB.read(1)
    expect(ofB.loads).toBe(0)
    machine.clock.advance(100)
    await ofB.read(1)
    expect(ofB.loads).toBe(1)
  })

  test("serve in grace after another's expire, and load anew", async () => {
    const machine = new Machine()
    const options = { ttl: 1000, grace: 5000 }
    const [a, b] = [await machine.join(options), await machine.join(options)]
    const table = rows()
    const ofA = rowsOf(a.cache, table)
    const ofB = rowsOf(b.cache, table)
    await ofA.read(1)
    await settled()
    await a.cache.expire("row:1")
    table.set(1, "new")
    expect(await ofB.read(1)).toEqual({ name: "one" })
    await settled()
    expect(ofB.loads).toBe(1)
    expect(await ofB.read(1)).toBe("new")
  })

  test("stay expired for everyone, whoever reads them in grace", async () => {
    const machine = new Machine()
    const options = { ttl: "1h", grace: "1h" } as const
    const a = await machine.join(options)
    await rowsOf(a.cache, rows()).read(1)
    await settled()
    machine.clock.advance(100_000)
    await a.cache.expire("row:1")
    const never = new Promise(() => {})
    for (let process = 0; process < 3; process += 1) {
      const { cache } = await machine.join(options)
      leavesLoadsRunning(cache)
      const read = cache.cacheable(async (_id: number) => never, { name: "row", deps: (id) => [`row:${id}`] })
      expect(await read(1)).toEqual({ name: "one" })
      expect(cache.stats()).toMatchObject({ graceHits: 1, refreshes: 1 })
      await settled()
      await cache.close()
    }
  })

  test("that expired here are taken from others, where one has loaded them anew", async () => {
    const machine = new Machine()
    const options = { ttl: 1000, grace: 5000 }
    const [a, b] = [await machine.join(options), await machine.join(options)]
    const table = rows()
    const ofA = rowsOf(a.cache, table)
    const ofB = rowsOf(b.cache, table)
    await ofA.read(1)
    await settled()
    await ofB.read(1)
    machine.clock.advance(1500)
    table.set(1, "new")
    await ofA.read.refresh(1)
    await settled()
    expect(await ofB.read(1)).toBe("new")
    machine.clock.advance(1500)
    machine.data.clear()
    expect(await ofB.read(1)).toBe("new")
    expect(b.cache.stats().graceHits).toBe(1)
  })

  test("slide for everyone when one uses them", async () => {
    const machine = new Machine()
    const options = { idleTtl: 1000 }
    const [a, b] = [await machine.join(options), await machine.join(options)]
    const ofA = rowsOf(a.cache, rows())
    await ofA.read(1)
    await settled()
    for (let step = 0; step < 4; step += 1) {
      machine.clock.advance(600)
      await ofA.read(1)
      await settled()
    }
    expect(ofA.loads).toBe(1)
    machine.clock.advance(600)
    const ofB = rowsOf(b.cache, rows())
    await ofB.read(1)
    expect(ofB.loads).toBe(0)
    machine.clock.advance(1000)
    await ofB.read(1)
    expect(ofB.loads).toBe(1)
  })

  test("slide on after they have been lifted", async () => {
    const machine = new Machine()
    const options = { idleTtl: 200_000 }
    const [a, b] = [await machine.join(options), await machine.join(options)]
    await rowsOf(a.cache, rows()).read(1)
    await settled()
    machine.clock.advance(100_000)
    await a.cache.invalidate("other")
    const ofB = rowsOf(b.cache, rows())
    await ofB.read(1)
    await settled()
    for (let step = 0; step < 3; step += 1) {
      machine.clock.advance(100_000)
      await ofB.read(1)
      await settled()
    }
    expect(ofB.loads).toBe(0)
    const c = await machine.join(options)
    const ofC = rowsOf(c.cache, rows())
    await ofC.read(1)
    expect(ofC.loads).toBe(0)
  })

  test("are served without a memory tier too, and so is what was made of them", async () => {
    const machine = new Machine()
    const a = await machine.join({ memory: false })
    const inner = rowsOf(a.cache, rows())
    let loads = 0
    const outer = a.cache.cacheable(async () => ((loads += 1), inner.read(1)), { name: "outer" })
    await inner.read(1)
    await settled()
    await outer()
    await settled()
    await outer()
    expect([inner.loads, loads]).toEqual([1, 1])
    await a.cache.invalidate("row:1")
    await outer()
    expect([inner.loads, loads]).toEqual([2, 2])
  })

  test("count as dependencies of what is being made of them, also where memory does not keep them", async () => {
    const machine = new Machine()
    const { cache } = await machine.join({ memory: false })
    const table = rows()
    const inner = rowsOf(cache, table)
    await inner.read(1)
    await settled()
    const gates: (() => void)[] = []
    const outer = cache.cacheable(
      async () => {
        const value = await inner.read(1)
        await new Promise<void>((open) => gates.push(open))
        return value
      },
      { name: "outer" },
    )
    const before = outer()
    await settled()
    table.set(1, "new")
    await cache.invalidate("row:1")
    const after = outer()
    await settled()
    for (const open of gates.splice(0)) open()
    expect(await before).toEqual({ name: "one" })
    await settled()
    for (const open of gates.splice(0)) open()
    expect(await after).toBe("new")
  })

  test("of a key that was set twice are those of the later set, in whatever order the log took them", async () => {
    const machine = new Machine()
    const [a, b] = [await machine.join(), await machine.join()]
    a.log.hold()
    const sets = [a.cache.set("k", "first"), a.cache.set("k", "second")]
    await settled()
    a.log.release("backwards")
    await Promise.all(sets)
    await settled()
    expect(await b.cache.get("k")).not.toBe("first")
    expect(await a.cache.get("k")).not.toBe("first")
  })

  test("stay of use while others invalidate ten thousand other tags", async () => {
    const machine = new Machine(100_000)
    const [a, b] = [await machine.join(), await machine.join()]
    await rowsOf(a.cache, rows()).read(1)
    await settled()
    for (let n = 0; n < 11_000; n += 1) machine.append({ kind: "tag", path: `other:${n}` })
    await settled()
    const ofB = rowsOf(b.cache, rows())
    await ofB.read(1)
    expect(ofB.loads).toBe(0)
    expect(b.cache.stats().tags).toBeGreaterThan(11_000)
  })

  test("of a load that outlived the log's memory are not served", async () => {
    const machine = new Machine(4)
    const [a, b] = [await machine.join(), await machine.join()]
    const ofA = rowsOf(a.cache, rows())
    await ofA.read(1)
    await settled()
    await b.cache.invalidate("row:1")
    for (let n = 0; n < 20; n += 1) await b.cache.invalidate(`other:${n}`)
    const c = await machine.join()
    const ofC = rowsOf(c.cache, rows())
    await ofC.read(1)
    expect(ofC.loads).toBe(1)
  })

  test("that stay in use outlive the log's memory", async () => {
    const machine = new Machine(8)
    const a = await machine.join()
    const ofA = rowsOf(a.cache, rows())
    await ofA.read(1)
    await settled()
    for (let n = 0; n < 100; n += 1) {
      machine.clock.advance(10)
      await a.cache.invalidate(`other:${n}`)
      const reader = await machine.join()
      const of = rowsOf(reader.cache, rows())
      await of.read(1)
      await settled()
      expect(of.loads, `after ${n + 1} invalidations`).toBe(0)
      await reader.cache.close()
    }
  })

  test("in a transaction, what is loaded reaches nobody", async () => {
    const machine = new Machine()
    const [a, b] = [await machine.join(), await machine.join()]
    const table = rows()
    const ofA = rowsOf(a.cache, table)
    const ofB = rowsOf(b.cache, table)
    await expect(
      a.cache.transaction(async () => {
        table.set(1, "uncommitted")
        await a.cache.invalidate("row:1")
        expect(await ofA.read(1)).toBe("uncommitted")
        await a.cache.set("k", "uncommitted")
        throw new Error("rolled back")
      }),
    ).rejects.toThrow("rolled back")
    table.set(1, "committed")
    await settled()
    expect(await ofB.read(1)).toBe("committed")
    expect(await b.cache.get("k")).toBeUndefined()
    await a.cache.transaction(async () => {
      await a.cache.set("k", "set inside")
    })
    expect(await b.cache.get("k")).toBe("set inside")
  })

  test("that a function does not want kept end what others stored before", async () => {
    const machine = new Machine()
    const [a, b] = [await machine.join(), await machine.join()]
    const table = rows()
    const ofA = rowsOf(a.cache, table)
    await ofA.read(1)
    await settled()
    table.set(1, "odd")
    const picky = rowsOf(b.cache, table, { cacheIf: (value: unknown) => value !== "odd" })
    expect(await picky.read.refresh(1)).toBe("odd")
    await settled()
    const c = await machine.join()
    expect(await rowsOf(c.cache, table).read(1)).toBe("odd")
  })
})

describe("what a review has found", () => {
  test("grace covers a failing load with a soft timeout, with memory and without", async () => {
    for (const memory of [undefined, false] as const) {
      const machine = new Machine()
      const options = {
        ttl: 50,
        grace: "1h",
        timeout: { soft: 1000 },
        ...(memory === false ? { memory } : {}),
      } as const
      const { cache } = await machine.join(options)
      let isDown = false
      const read = cache.cacheable(
        async () => {
          if (isDown) throw new Error("down")
          return "v1"
        },
        { name: "read" },
      )
      await read()
      await settled()
      machine.clock.advance(100)
      isDown = true
      expect(await read()).toBe("v1")
    }
  })

  test("grace covers a load that makes memory evict what it would serve before it first waits", async () => {
    const machine = new Machine()
    const others = (cache: Cache) => cache.cacheable(async (id: number) => id, { name: "other" })
    const filling = others((await machine.join()).cache)
    for (let id = 0; id < 60; id += 1) await filling(id)
    await settled()
    const { cache } = await machine.join({ memory: { maxEntries: 4 } })
    const other = others(cache)
    let isDown = false
    let evicted = 0
    const read = cache.cacheable(
      async (_id: number): Promise<string> => {
        if (!isDown) return "old"
        const all = Array.from({ length: 120 }, (_, at) => other(at < 60 ? at % 10 : at - 60))
        evicted = cache.stats().functions["read"]?.evicted ?? 0
        await Promise.all(all)
        throw new Error("down")
      },
      { name: "read", ttl: "1s", grace: "1h", timeout: { soft: "10s" } },
    )
    expect(await read(1)).toBe("old")
    machine.clock.advance(2000)
    isDown = true
    expect(await read(1)).toBe("old")
    expect(evicted).toBe(1)
  })

  test("a source that fails is asked once a second in grace, of as many keys as there are, without memory too", async () => {
    const machine = new Machine()
    const { cache } = await machine.join({ memory: false })
    const loads = new Map<number, number>()
    let isDown = false
    const read = cache.cacheable(
      async (id: number) => {
        loads.set(id, (loads.get(id) ?? 0) + 1)
        if (isDown) throw new Error("down")
        return id
      },
      { name: "read", ttl: "1s", grace: "1h" },
    )
    const ids = Array.from({ length: 1100 }, (_, id) => id)
    const readAll = async (those: readonly number[]) => {
      for (const id of those) expect(await read(id)).toBe(id)
      await settled()
    }
    await readAll(ids)
    machine.clock.advance(2000)
    isDown = true
    loads.clear()
    await readAll(ids)
    await readAll(ids.slice(500))
    await readAll(ids.slice(500))
    expect(ids.slice(500).every((id) => loads.get(id) === 1)).toBe(true)
    machine.clock.advance(1100)
    await readAll([1050])
    expect(loads.get(1050)).toBe(2)
  })

  test("a process reads its own writes while they are under way", async () => {
    const machine = new Machine()
    const store = new FaultyStore(new MemoryStore({ codec: machine.codec, data: machine.data }))
    const { cache } = await machine.join({ memory: false, store })
    const table = rows()
    const of = rowsOf(cache, table, { cacheIf: (value: unknown) => value !== "odd" })
    await of.read(1)
    await settled()
    store.decide = (operation) => (operation.kind === "get" ? "pass" : "hold")
    table.set(1, "second")
    expect(await of.read.refresh(1)).toBe("second")
    expect(await of.read(1)).toBe("second")
    expect(of.loads).toBe(2)
    table.set(1, "odd")
    expect(await of.read.refresh(1)).toBe("odd")
    table.set(1, "third")
    expect(await of.read(1)).toBe("third")
    await store.heal()
  })

  test("the end of one removal is not the end of the next", async () => {
    const machine = new Machine()
    const store = new FaultyStore(new MemoryStore({ codec: machine.codec, data: machine.data }))
    const { cache } = await machine.join({ memory: false, store })
    const table = rows()
    const of = rowsOf(cache, table, { cacheIf: (value: unknown) => value !== "odd" })
    await of.read(1)
    await settled()
    store.decide = (operation) => (operation.kind === "get" ? "pass" : "hold")
    table.set(1, "odd")
    await of.read.refresh(1)
    await of.read.refresh(1)
    const [first] = store.held
    expect(store.held.map(({ kind }) => kind)).toEqual(["remove", "remove"])
    first?.reject(new Error("it failed"))
    await settled()
    table.set(1, "third")
    expect(await of.read(1)).toBe("third")
    await store.heal()
  })

  test("grace after an expire counts from then, in a process that starts later too", async () => {
    const machine = new Machine()
    const options = { ttl: "1h", grace: 300 } as const
    const a = await machine.join(options)
    await rowsOf(a.cache, rows()).read(1)
    await settled()
    await a.cache.expire("row:1")
    machine.clock.advance(400)
    const b = await machine.join(options)
    const ofB = rowsOf(b.cache, new Map([[1, "new"]]))
    expect(await ofB.read(1)).toBe("new")
  })

  test("a value that was set slides for everyone", async () => {
    const machine = new Machine()
    const a = await machine.join({ idleTtl: 400 })
    await a.cache.set("k", 1)
    for (let step = 0; step < 6; step += 1) {
      machine.clock.advance(300)
      expect(await a.cache.get("k")).toBe(1)
      await settled()
    }
    const b = await machine.join({ idleTtl: 400 })
    expect(await b.cache.get("k")).toBe(1)
  })

  test("a set does not wait for ever for a store that is stuck", async () => {
    const machine = new Machine()
    const store = new FaultyStore(new MemoryStore({ codec: machine.codec, data: machine.data }))
    const { cache } = await machine.join({ store, ackTimeout: 500 })
    store.decide = (operation) => (operation.kind === "put" ? "hold" : "pass")
    let isDone = false
    const done = cache.set("k", 1).then(() => (isDone = true))
    await settled()
    await settled()
    expect(isDone).toBe(false)
    machine.clock.advance(500)
    await done
    await store.heal()
  })

  test("a clock that is set back lets nothing outlive its ttl", async () => {
    const machine = new Machine()
    const a = await machine.join({ ttl: 300 })
    machine.clock.setWall(machine.clock.wall() + 86_400_000)
    await a.cache.set("k", 1)
    machine.clock.setWall(machine.clock.wall() - 86_400_000)
    const b = await machine.join({ ttl: 300 })
    expect(await b.cache.get("k")).toBeUndefined()
    expect(await a.cache.get("k")).toBe(1)
    machine.clock.advance(300)
    expect(await a.cache.get("k")).toBeUndefined()
  })

  test("closing waits for appends that are under way, and their callers hear of it", async () => {
    const machine = new Machine()
    const { cache, log } = await machine.join()
    log.hold()
    const token = cache.invalidate("t")
    const closed = cache.close()
    await settled()
    log.release()
    await settled()
    machine.clock.advance(5)
    await closed
    expect(await token).toMatch(/^zc1/)
  })

  test("a store that throws at once fails nobody's call", async () => {
    const machine = new Machine()
    const inner = new MemoryStore({ codec: machine.codec, data: machine.data })
    const broken = () => {
      throw new Error("broken")
    }
    const store = {
      get: (key: string) => inner.get(key),
      put: broken,
      remove: broken,
      touch: broken,
      stats: () => inner.stats(),
      close: () => inner.close(),
    }
    const { cache, faults } = await machine.join({ store, idleTtl: 1000 })
    const read = cache.cacheable(async (n: number) => n, { name: "read", cacheIf: (n) => n !== 2 })
    expect([await read(1), await read(2)]).toEqual([1, 2])
    machine.clock.advance(500)
    expect(await read(1)).toBe(1)
    await settled()
    expect(faults.map(({ error }) => error.code)).toEqual([
      "ERR_ZOOCACHE_STORE",
      "ERR_ZOOCACHE_STORE",
      "ERR_ZOOCACHE_STORE",
    ])
  })
})

describe("faults of the shared tier", () => {
  test("a value that it can't bring back as it is reaches its caller, is told of, and is kept nowhere", async () => {
    const machine = new Machine()
    const { cache, faults } = await machine.join()
    class Money {
      amount = 1
    }
    let loads = 0
    const price = cache.cacheable(async () => ((loads += 1), { total: new Money() }), { name: "price" })
    expect((await price()).total).toBeInstanceOf(Money)
    expect(faults.map(({ error, key }) => [error.constructor, key])).toEqual([[UnencodableValueError, price.keyOf()]])
    await price()
    expect(loads).toBe(2)
    await cache.set("k", { total: new Money() })
    expect(await cache.get("k")).toBeUndefined()
    expect(faults).toHaveLength(3)
    expect(machine.data.size).toBe(0)
  })

  test("in strict mode it is an error of the call", async () => {
    const machine = new Machine()
    const { cache } = await machine.join({ strict: true })
    const price = cache.cacheable(async () => () => 1, { name: "price" })
    await expect(price()).rejects.toBeInstanceOf(UnencodableValueError)
    await expect(cache.set("k", () => 1)).rejects.toBeInstanceOf(UnencodableValueError)
  })

  test("strict mode tries values in memory too, where a codec is given, and needs one", async () => {
    const { cache } = makeCache({ strict: true, codec: createCodec() })
    await expect(cache.getOrLoad("k", () => () => 1)).rejects.toBeInstanceOf(UnencodableValueError)
    expect(await cache.getOrLoad("ok", () => 1)).toBe(1)
    expect(() => createCache({ strict: true })).toThrow(InvalidOptionError)
  })

  test("bytes that nobody wrote are a miss and a fault", async () => {
    const machine = new Machine()
    const a = await machine.join()
    await a.cache.set("k", "value")
    for (const [key, bytes] of machine.data) machine.data.set(key, bytes.slice(0, bytes.length - 1))
    const b = await machine.join()
    expect(await b.cache.getOrLoad("k", () => "loaded")).toBe("loaded")
    expect(b.faults.map(({ error }) => error.constructor)).toContain(CorruptEntryError)
  })

  test("what `validate` refuses, or chokes on, is loaded", async () => {
    const machine = new Machine()
    const a = await machine.join()
    const table = rows()
    await rowsOf(a.cache, table).read(1)
    await settled()
    for (const [validate, fault] of [
      [() => false, CorruptEntryError],
      [
        () => {
          throw new Error("odd")
        },
        HookError,
      ],
    ] as const) {
      const { cache, faults } = await machine.join()
      const of = rowsOf(cache, table, { validate })
      await of.read(1)
      expect(of.loads).toBe(1)
      expect(faults.map(({ error }) => error.constructor)).toEqual([fault])
      await settled()
    }
  })
})

describe("looks at the log", () => {
  test("that find a key deleted make a hit of it a miss, without a store too", async () => {
    const machine = new Machine()
    const { cache } = makeCache({ log: machine.lookedAt(), clock: machine.clock })
    await cache.ready()
    const of = rowsOf(cache, rows())
    await of.read(1)
    await settled()
    machine.append({ kind: "key", path: of.read.keyOf(1) })
    expect(await of.read(1)).toEqual({ name: "one" })
    expect(of.loads).toBe(2)
  })

  test("happen once per turn of the event loop", async () => {
    const machine = new Machine()
    const { cache, log } = await machine.join()
    await cache.set("k", 1)
    await settled()
    log.looks = 0
    await cache.get("k")
    await cache.get("k")
    await cache.get("k")
    expect(log.looks).toBe(1)
    await new Promise((resolve) => setImmediate(resolve))
    await cache.get("k")
    expect(log.looks).toBe(2)
  })

  test("are good for 5 ms within a turn", async () => {
    const machine = new Machine()
    const { cache } = await machine.join()
    await cache.set("k", "old")
    expect(await cache.get("k")).toBe("old")
    machine.append({ kind: "key", path: "k" })
    machine.clock.advanceWithinTurn(4)
    expect(await cache.get("k")).toBe("old")
    machine.clock.advanceWithinTurn(1)
    expect(await cache.get("k")).toBeUndefined()
  })

  test("between the end of a load and its storing can't make a stale result fresh", async () => {
    const machine = new Machine()
    const { cache } = await machine.join()
    let loads = 0
    const read = cache.cacheable(async () => ((loads += 1), "old"), {
      name: "read",
      deps: ["row:1"],
      cacheIf: () => {
        if (loads > 1) return true
        machine.append({ kind: "tag", path: "row:1" })
        machine.clock.advanceWithinTurn(10)
        return true
      },
    })
    await read()
    await settled()
    await read()
    expect(loads).toBe(2)
  })

  test("that fail end the trust at once, and are told once a second", async () => {
    const machine = new Machine()
    const a = await machine.join({ staleness: { bound: "1h", whenUnsure: "throw" } })
    await a.cache.set("k", 1)
    await settled()
    a.log.failure = new Error("gone")
    await expect(a.cache.get("k")).rejects.toMatchObject({ code: "ERR_ZOOCACHE_UNSURE" })
    expect(a.cache.status().state).toBe("unsure")
    machine.clock.advance(10)
    await expect(a.cache.get("k")).rejects.toMatchObject({ code: "ERR_ZOOCACHE_UNSURE" })
    expect(a.faults).toHaveLength(1)
    a.log.failure = undefined
    machine.clock.advance(10)
    expect(await a.cache.get("k")).toBe(1)
    expect(a.cache.status().state).toBe("ready")
  })
})

test("a look that finds too much leads to one pull, and is no fault", async () => {
  const machine = new Machine()
  const a = await machine.join({ staleness: { bound: "1h" } })
  const of = rowsOf(a.cache, rows())
  await of.read(1)
  await settled()
  a.log.mostLookedAt = 3
  a.log.pulls = 0
  machine.append(...Array.from({ length: 4 }, (_, index) => ({ kind: "tag", path: `row:${index}` }) as const))
  machine.clock.advance(1)
  const reading = of.read(1)
  expect(a.cache.status().state).toBe("unsure")
  await reading
  await settled()
  expect(of.loads).toBe(2)
  expect(a.cache.status().state).toBe("ready")
  expect(a.log.pulls).toBe(1)
  expect(a.faults).toEqual([])
})

test("an append that will end by itself is not repeated when its time is over", async () => {
  const machine = new Machine()
  const a = await machine.join({ ackTimeout: 100 })
  const b = await machine.join()
  await b.cache.set("k", "old", { deps: ["t"] })
  a.log.hold()
  let appends = 0
  const append = a.log.append.bind(a.log)
  a.log.append = (...args) => {
    appends += 1
    return append(...args)
  }
  const rejected = expect(a.cache.invalidate("t")).rejects.toMatchObject({ code: "ERR_ZOOCACHE_NOT_ACKNOWLEDGED" })
  machine.clock.advance(100)
  await rejected
  machine.clock.advance(60_000)
  await settled()
  expect(appends).toBe(1)
  expect(await a.cache.get("k")).toBeUndefined()
  expect(a.cache.status().pending).toBe(1)
  expect(await b.cache.get("k")).toBe("old")
  a.log.release()
  await settled()
  expect(a.cache.status().pending).toBe(0)
  expect(await b.cache.get("k")).toBeUndefined()
})

test("a cache without a codec for its store is refused", () => {
  const clock = new ManualClock()
  expect(() => createCache({ clock, store: new Machine().join as never })).toThrow(InvalidOptionError)
})

test("`validate` may bring a value into shape before it is frozen", async () => {
  const machine = new Machine()
  const [a, b] = [await machine.join(), await machine.join()]
  const shape = (value: unknown) => ((value as { n: number }).n = 2) === 2
  const [onA, onB] = [a, b].map(({ cache }) =>
    rowsOf(cache, new Map<number, unknown>([[1, { n: 1 }]]), { validate: shape }),
  ) as [ReturnType<typeof rowsOf>, ReturnType<typeof rowsOf>]
  await onA.read(1)
  await settled()
  const value = await onB.read(1)
  expect([value, Object.isFrozen(value), onB.loads]).toEqual([{ n: 2 }, true, 0])
})

describe("a source that fails", () => {
  const memoryNames = Object.keys(memories) as (keyof typeof memories)[]
  const wayNames = Object.keys(ways) as (keyof typeof ways)[]
  const both = memoryNames.flatMap((memory) => wayNames.map((way) => [memory, way] as const))

  test.each(both)("is asked once in a second: %s, %s", async (memory, way) => {
    const machine = new Machine()
    const { cache } = await machine.join(memories[memory])
    await asksOnceInASecond(cache, machine.clock, memory, way)
  })

  test.each(wayNames)("fails no reader beside it, without a memory: %s", async (way) => {
    const machine = new Machine()
    const { cache } = await machine.join({ memory: false })
    const { options, afterMs } = ways[way]
    const { rejects, read } = await slowAndDown(cache, options)
    machine.clock.advance(afterMs)
    expect(await Promise.all([read(), read(), read()])).toEqual(["old", "old", "old"])
    await settled()
    expect(await read()).toBe("old")
    expect(rejects).toHaveLength(1)
    rejects[0]?.()
    await settled()
    expect(await read()).toBe("old")
    expect(rejects).toHaveLength(1)
  })

  test("fails no reader that waits for it with a soft timeout, without a memory", async () => {
    const machine = new Machine()
    const { cache } = await machine.join({ memory: false })
    const { rejects, read } = await slowAndDown(cache, { ttl: "1s", grace: "1h", timeout: { soft: "5s" } })
    machine.clock.advance(2000)
    const readers = [read(), read()]
    await settled()
    readers.push(read())
    expect(rejects).toHaveLength(1)
    await settled()
    rejects[0]?.()
    expect(await Promise.all(readers)).toEqual(["old", "old", "old"])
    expect(await read()).toBe("old")
    expect(rejects).toHaveLength(1)
  })

  test("is not asked here where another process has loaded the value anew", async () => {
    const machine = new Machine()
    const options: FunctionOptions<[], string> = { ttl: "100s", earlyRefresh: 0.5, grace: "1h", deps: ["t"] }
    const [a, b] = [await machine.join(), await machine.join()]
    const [ofA, ofB] = [failingSource(a.cache, options), failingSource(b.cache, options)]
    await ofA.read()
    await settled()
    await ofB.read()
    machine.clock.advance(60_000)
    ofA.version = 2
    await ofA.read()
    await settled()
    ofB.isDown = true
    expect(await ofB.read()).toBe("v1")
    expect(await ofB.read()).toBe("v2")
    expect([ofA.asked, ofB.asked]).toEqual([2, 0])
    // Another value, which has not been tried yet.
    await a.cache.expire("t")
    expect(await ofB.read()).toBe("v2")
    await settled()
    expect(ofB.asked).toBe(1)
  })

  test.each(memoryNames)("says nothing about a value that was set meanwhile: %s", async (memory) => {
    const machine = new Machine()
    const { cache } = await machine.join(memories[memory])
    const { rejects, read } = await slowAndDown(cache, { ttl: "100s", earlyRefresh: 0.5, grace: "1h", deps: ["t"] })
    machine.clock.advance(60_000)
    await read()
    expect(rejects).toHaveLength(1)
    await read.prime([], "primed", { asOf: "now" })
    rejects[0]?.()
    await settled()
    await cache.expire("t")
    expect(await read()).toBe("primed")
    await settled()
    expect(rejects).toHaveLength(2)
    rejects[1]?.()
    await settled()
  })

  test.each(["fails", "drops what it is given"])("is asked no more often where the store %s", async (how) => {
    const machine = new Machine()
    const store = new FaultyStore(new MemoryStore({ codec: machine.codec, data: machine.data }))
    const { cache } = await machine.join({ memory: false, store })
    const source = failingSource(cache, { ttl: "100s", earlyRefresh: 0.5 })
    await source.read()
    await settled()
    machine.clock.advance(60_000)
    store.put = () => (how === "fails" ? Promise.reject(new Error("full")) : Promise.resolve(false))
    for (let read = 0; read < 20; read += 1) {
      expect(await source.read()).toBe("v1")
      await settled()
    }
    expect(source.asked).toBe(2)
  })
})

describe("what has gone unread for too long", () => {
  test.each(["all in memory", "no memory"] as const)(
    "is expired for all processes, whoever reads it: %s",
    async (memory) => {
      const machine = new Machine()
      const options = { idleTtl: "1s", grace: "1h" } as const
      const [a, b] = [await machine.join(memories[memory]), await machine.join(memories[memory])]
      const [ofA, ofB] = [failingSource(a.cache, options), failingSource(b.cache, options)]
      let made = 0
      const outer = a.cache.cacheable(async () => ((made += 1), ofA.read()), { name: "outer" })
      await ofA.read()
      await settled()
      await ofB.read()
      machine.clock.advance(1500)
      ofA.isDown = ofB.isDown = true
      for (let step = 1; step <= 10; step += 1) {
        expect([await ofA.read(), await ofB.read(), await outer()]).toEqual(["v1", "v1", "v1"])
        await settled()
        expect(made).toBe(step)
        expect(a.cache.stats().graceHits).toBe(2 * step)
        expect(b.cache.stats().graceHits).toBe(step)
        machine.clock.advance(300)
      }
      const c = await machine.join()
      const ofC = failingSource(c.cache, options)
      ofC.version = 2
      expect(await ofC.read()).toBe("v1")
      expect(c.cache.stats().graceHits).toBe(1)
      await settled()
      expect(await ofC.read()).toBe("v2")
    },
  )
})

/** A function whose first load brings a value; all later ones wait until the test lets them fail. */
async function slowAndDown(cache: Cache, options: FunctionOptions<[], string>) {
  const rejects: (() => void)[] = []
  let isLoaded = false
  const read = cache.cacheable(
    async () => {
      if (isLoaded) return new Promise<string>((_resolve, reject) => rejects.push(() => reject(new Error("down"))))
      isLoaded = true
      return "old"
    },
    { name: "slow", ...options },
  )
  await read()
  await settled()
  return { rejects, read }
}

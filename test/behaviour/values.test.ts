import { Readable } from "node:stream"
import { describe, expect, test } from "vitest"
import { UncacheableValueError } from "zoocache"
import { makeCache, rejectionOf } from "../support/caches.js"

const row = () => ({ id: 1, tags: ["a"], at: new Date(0), nested: { n: 1 } })

describe('isolation: "freeze", the default', () => {
  test("gives every caller the same value, the first one too", async () => {
    const { cache } = makeCache()
    const value = row()
    const load = cache.cacheable(async () => value)
    const [first, joined] = await Promise.all([load(), load()])
    expect(first).toBe(value)
    expect(joined).toBe(value)
    expect(await load()).toBe(value)
    expect(load.peek()).toBe(value)
    expect(await cache.get(load.keyOf())).toBe(value)
  })

  test("freezes plain objects and arrays, however deep", async () => {
    const { cache } = makeCache()
    const value = await cache.cacheable(async () => row())()
    expect(() => value.tags.push("b")).toThrow(TypeError)
    expect(() => Object.assign(value.nested, { n: 2 })).toThrow(TypeError)
    expect(() => Object.assign(value, { extra: 1 })).toThrow(TypeError)
  })

  test("freezes what is not stored as well, so that callers meet no difference", async () => {
    const { cache } = makeCache()
    const value = await cache.cacheable(async () => row(), { ttl: 0 })()
    expect(Object.isFrozen(value.nested)).toBe(true)
  })

  test("freezes what is set by hand", async () => {
    const { cache } = makeCache()
    const value = row()
    await cache.set("key", value)
    expect(Object.isFrozen(value.nested)).toBe(true)
    expect(await cache.get("key")).toBe(value)
  })

  test("shares other objects as they are, and counts them", async () => {
    const { cache } = makeCache()
    class User {
      name = "ann"
    }
    const value = { at: new Date(0), users: [new User()], map: new Map([["a", 1]]), bytes: new Uint8Array([1]) }
    const load = cache.cacheable(async () => value)
    const found = await load()
    found.users[0]!.name = "bob"
    found.map.set("b", 2)
    found.bytes[0] = 2
    expect(await load()).toBe(value)
    expect(cache.stats().shared).toBe(4)
  })

  test("copes with cycles and with great depth", async () => {
    const { cache } = makeCache()
    interface Ring {
      next?: Ring
    }
    const ring: Ring = {}
    ring.next = { next: ring }
    let deep: Ring = {}
    for (let index = 0; index < 100_000; index += 1) deep = { next: deep }
    const load = cache.cacheable(async (which: string) => (which === "ring" ? ring : deep))
    expect(await load("ring")).toBe(ring)
    expect(Object.isFrozen(ring.next)).toBe(true)
    expect(await load("deep")).toBe(deep)
  })

  test("runs no accessor", async () => {
    const { cache } = makeCache()
    const value = {
      get lazy(): number {
        return expect.fail("the accessor ran")
      },
    }
    const load = cache.cacheable(async () => value)
    expect(await load()).toBe(value)
    expect(await load()).toBe(value)
  })
})

describe('isolation: "clone"', () => {
  test("gives every caller a copy of its own, the first and those who join too", async () => {
    const { cache } = makeCache({ isolation: "clone" })
    const value = row()
    const load = cache.cacheable(async () => value)
    const copies = [...(await Promise.all([load(), load()])), await load(), load.peek()]
    copies.push(await cache.get<typeof value>(load.keyOf()))
    for (const copy of copies) expect(copy).toEqual(row())
    expect(new Set([value, ...copies]).size).toBe(6)
    copies[0]!.tags.push("mine")
    value.tags.push("the loader's")
    expect(await load()).toEqual(row())
  })

  test("copies what is set by hand, at once", async () => {
    const { cache } = makeCache({ isolation: "clone" })
    const value = row()
    await cache.set("key", value)
    value.tags.push("later")
    const found = await cache.get<typeof value>("key")
    expect(found).toEqual(row())
    found?.tags.push("mine")
    expect(await cache.get("key")).toEqual(row())
    expect((await cache.getMany("key".split(","))).get("key")).not.toBe(await cache.get("key"))
  })

  test("copies for callers that are served in grace", async () => {
    const { cache, clock } = makeCache({ isolation: "clone", ttl: "1m", grace: "1h" })
    let loads = 0
    const load = cache.cacheable(async () => ({ loads: ++loads }))
    await load()
    clock.advance(61_000)
    const stale = await load()
    expect(stale).toEqual({ loads: 1 })
    expect(Object.isFrozen(stale)).toBe(false)
  })

  test("copies for callers of batches and of sync functions", async () => {
    const { cache } = makeCache({ isolation: "clone" })
    const many = cache.cacheableMany(async (ids: readonly number[]) => ids.map(() => row()))
    const once = cache.cacheableSync(() => row())
    const copies = [(await many([1])).get(1), await many.one(1), many.peek(1), once(), once(), once.peek()]
    for (const copy of copies) expect(copy).toEqual(row())
    expect(new Set(copies).size).toBe(copies.length)
  })

  test("can be chosen by a function alone", async () => {
    const { cache } = makeCache()
    const cloned = cache.cacheable(async () => row(), { isolation: "clone" })
    const frozen = cache.cacheable(async () => row())
    expect(Object.isFrozen(await cloned())).toBe(false)
    expect(Object.isFrozen(await frozen())).toBe(true)
  })
})

test('isolation: "share" gives everybody the value as it is', async () => {
  const { cache } = makeCache({ isolation: "share" })
  const load = cache.cacheable(async () => row())
  const first = await load()
  first.tags.push("b")
  expect(await load()).toBe(first)
  expect((await load()).tags).toEqual(["a", "b"])
})

describe("what can be read only once is rejected, and nothing is stored", () => {
  test.each<[string, () => unknown]>([
    ["a Response", () => new Response("body")],
    ["a Node.js stream", () => Readable.from(["a"])],
    ["a web stream", () => new ReadableStream()],
    ["a generator", () => (function* () {})()],
    ["an async generator", () => (async function* () {})()],
    ["an iterator", () => [1, 2][Symbol.iterator]()],
    ["one of these inside an object", () => ({ rows: [{ body: new Response("body") }] })],
  ])("%s", async (_name, make) => {
    const { cache } = makeCache()
    const load = cache.cacheable(async () => make(), { name: "load" })
    const error = await rejectionOf(load())
    expect(error).toBeInstanceOf(UncacheableValueError)
    expect(error).toMatchObject({ code: "ERR_ZOOCACHE_UNCACHEABLE_VALUE", subject: "ƒ:load::" })
    expect(load.peek()).toBeUndefined()
    await expect(cache.set("key", make())).rejects.toBeInstanceOf(UncacheableValueError)
    expect(await cache.lookup("key")).toBeUndefined()
    await expect(cache.cacheable(async () => make(), { isolation: "share" })()).rejects.toBeInstanceOf(
      UncacheableValueError,
    )
  })
})

test("a value that can't be frozen does no harm: it is handed out, not stored, and reported", async () => {
  const { cache, faults } = makeCache()
  const value = new Proxy([1], { preventExtensions: () => false })
  const load = cache.cacheable(async () => value, { name: "load" })
  expect(await load()).toBe(value)
  expect(load.peek()).toBeUndefined()
  expect(faults).toEqual([{ key: "ƒ:load::", error: expect.objectContaining({ code: "ERR_ZOOCACHE_HOOK" }) }])
})

test("functions, symbols and errors are values like any other", async () => {
  const { cache } = makeCache()
  const values = [() => 1, Symbol("s"), new Error("e"), new Map(), /x/, Promise]
  for (const [index, value] of values.entries()) {
    const load = cache.cacheable(async () => value, { name: `value ${index}` })
    expect(await load()).toBe(value)
    expect(await load()).toBe(value)
  }
})

test("a loader may return a value, a promise, or any thenable", async () => {
  const { cache } = makeCache()
  const plain = cache.cacheable((n: number) => n * 2)
  const thenable = cache.cacheable(() => ({
    // oxlint-disable-next-line unicorn/no-thenable -- it is what the test is about
    then: (resolve: (value: number) => void) => resolve(7),
  }))
  expect(plain(2)).toBeInstanceOf(Promise)
  expect(await plain(2)).toBe(4)
  expect(await thenable()).toBe(7)
  expect(await thenable()).toBe(7)
})

import { describe, expect, test } from "vitest"
import { HookError, UncacheableValueError } from "zoocache"
import { createCodec } from "zoocache/codec"
import { makeCache, rejectionOf } from "../support/caches.js"
import { Machine, rowsOf } from "../support/shared.js"

class User {
  name = "ann"
}

describe('isolation: "clone"', () => {
  test("keeps the class, the code and the bytes of what it copies", async () => {
    const { cache, faults } = makeCache({ isolation: "clone" })
    const value = () => ({
      url: new URL("http://a/b"),
      error: Object.assign(new TypeError("no"), { code: "ENOENT" }),
      bytes: Buffer.from("zebra"),
      bare: Object.assign(Object.create(null) as object, { a: 1 }),
      pattern: Object.assign(/a/g, { lastIndex: 2 }),
    })
    const load = cache.cacheable(async () => value())
    const copies = [await load(), await load(), load.peek()]
    for (const copy of copies) {
      expect(copy).toStrictEqual(value())
      expect(copy?.error.code).toBe("ENOENT")
      expect(copy?.pattern.lastIndex).toBe(2)
    }
    expect(new Set(copies.map((copy) => copy?.url)).size).toBe(3)
    expect(faults).toEqual([])
  })

  test.each<[string, () => unknown]>([
    ["a class instance", () => new User()],
    ["one inside a row", () => ({ owner: new User() })],
    ["headers", () => new Headers({ a: "1" })],
    ["an error of a class of its own", () => new (class Missing extends Error {})()],
    ["a function", () => ({ run: () => 1 })],
    ["a symbol as a key", () => ({ [Symbol("s")]: 1 })],
  ])("hands out %s as it is, does not keep it, and says so", async (_name, make) => {
    const { cache, faults } = makeCache({ isolation: "clone" })
    const value = make()
    let loads = 0
    const load = cache.cacheable(async () => {
      loads += 1
      return value
    })
    expect(await load()).toBe(value)
    expect(await load()).toBe(value)
    expect(loads).toBe(2)
    expect(faults.map(({ error }) => error)).toEqual([expect.any(HookError), expect.any(HookError)])
    expect(faults[0]?.error.message).toMatch("can't be copied as it is")
    expect(await rejectionOf(cache.set("key", make()))).toBeInstanceOf(UncacheableValueError)
    expect(await cache.lookup("key")).toBe(undefined)
  })
})

describe('isolation: "strict"', () => {
  test("freezes what it keeps, and gives every caller the same", async () => {
    const { cache, faults } = makeCache({ isolation: "strict" })
    const load = cache.cacheable(async () => ({ rows: [{ id: 1 }] }))
    const value = await load()
    expect(Object.isFrozen(value.rows[0])).toBe(true)
    expect(await load()).toBe(value)
    await cache.set("key", { a: [1] })
    expect(Object.isFrozen((await cache.get<{ a: number[] }>("key"))?.a)).toBe(true)
    expect(faults).toEqual([])
  })

  test.each<[string, () => unknown]>([
    ["a date", () => ({ at: new Date() })],
    ["a map", () => new Map()],
    ["a class instance", () => [new User()]],
    ["a function", () => () => 1],
    ["an accessor", () => Object.defineProperty({}, "a", { get: () => 1, enumerable: true })],
  ])("hands out %s as it is, does not keep it, and says so", async (_name, make) => {
    const { cache, faults } = makeCache()
    const value = make()
    const load = cache.cacheable(async () => value, { isolation: "strict" })
    expect(await load()).toBe(value)
    expect(load.peek()).toBe(undefined)
    expect(faults).toHaveLength(1)
    expect(faults[0]?.error.message).toMatch("can't be frozen")
  })

  test("names the place in what `set` rejects with", async () => {
    const { cache } = makeCache({ isolation: "strict" })
    const error = await rejectionOf(cache.set("key", { rows: [{ at: new Date() }] }))
    expect(error).toBeInstanceOf(UncacheableValueError)
    expect((error as Error).message).toMatch("An object (Date) at `value.rows[0].at` can't be frozen")
    expect(await cache.lookup("key")).toBe(undefined)
  })

  test("rejects what can be read only once, as every isolation does", async () => {
    const { cache } = makeCache({ isolation: "strict" })
    const load = cache.cacheable(async () => new Response("body"))
    expect(await rejectionOf(load())).toBeInstanceOf(UncacheableValueError)
    expect(await rejectionOf(cache.set("key", new Response("body")))).toBeInstanceOf(UncacheableValueError)
  })

  test("can be chosen by synchronous functions and batches", async () => {
    const { cache, faults } = makeCache({ isolation: "strict" })
    const once = cache.cacheableSync(() => ({ at: new Date(0) }))
    expect(once().at).toEqual(new Date(0))
    expect(once.peek()).toBe(undefined)
    const many = cache.cacheableMany(async (ids: readonly number[]) =>
      ids.map((id) => (id === 1 ? new Date(0) : { id })),
    )
    expect(await many.one(1)).toEqual(new Date(0))
    expect(Object.isFrozen(await many.one(2))).toBe(true)
    expect(many.peek(1)).toBe(undefined)
    expect(faults).toHaveLength(2)
  })
})

describe("what comes from a shared tier", () => {
  test.each<["clone" | "strict", unknown]>([
    ["strict", { at: new Date(0) }],
    ["strict", new Map([["a", 1]])],
  ])("is a miss under %s where it does not fit, and said", async (isolation, value) => {
    const machine = new Machine()
    const [a, b] = [await machine.join(), await machine.join()]
    const rows = new Map([[1, value]])
    await rowsOf(a.cache, rows).read(1)
    const picky = rowsOf(b.cache, rows, { isolation })
    expect(await picky.read(1)).toEqual(value)
    expect(picky.loads).toBe(1)
    expect(b.faults[0]?.error).toBeInstanceOf(UncacheableValueError)
  })

  test("is frozen under strict, and copied for each caller under clone", async () => {
    const machine = new Machine()
    const rows = new Map<number, unknown>([
      [1, { tags: ["a"], at: new Date(0) }],
      [2, { tags: ["a"] }],
    ])
    const a = await machine.join()
    const first = rowsOf(a.cache, rows)
    await first.read(1)
    await first.read(2)
    const strict = rowsOf((await machine.join()).cache, rows, { isolation: "strict" })
    expect(Object.isFrozen(((await strict.read(2)) as { tags: string[] }).tags)).toBe(true)
    const cloned = rowsOf((await machine.join()).cache, rows, { isolation: "clone" })
    const [one, two] = [await cloned.read(1), await cloned.read(1)] as { tags: string[] }[]
    one?.tags.push("mine")
    expect(two).toEqual(rows.get(1))
    expect(await cloned.read(1)).toEqual(rows.get(1))
    expect([strict.loads, cloned.loads]).toEqual([0, 0])
  })

  test("is a miss where a decoder has made a thenable of it", async () => {
    class Query {
      id = 1
    }
    const codec = createCodec()
    const plain = codec.extend({ name: "Query", class: Query, encode: () => [1], decode: () => new Query() })
    const hostile = codec.extend({
      name: "Query",
      class: Query,
      encode: () => [1],
      // oxlint-disable-next-line unicorn/no-thenable -- the point of it
      decode: () => Object.defineProperty(new Query(), "then", { value: () => {} }),
    })
    const machine = new Machine()
    const [a, b] = [await machine.join({ codec: plain }), await machine.join({ codec: hostile })]
    const rows = new Map<number, unknown>([[1, new Query()]])
    await rowsOf(a.cache, rows).read(1)
    const reader = rowsOf(b.cache, rows)
    expect(await reader.read(1)).toBe(rows.get(1))
    expect(reader.loads).toBe(1)
    expect(b.faults).toHaveLength(1)
  })
})

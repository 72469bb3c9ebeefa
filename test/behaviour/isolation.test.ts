import { describe, expect, test } from "vitest"
import { HookError, UncacheableValueError } from "zoocache"
import { makeCache, rejectionOf } from "../support/caches.js"

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

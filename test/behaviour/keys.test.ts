import { describe, expect, test, vi } from "vitest"
import { makeCache, rejectionOf } from "../support/caches.js"

const argumentLists: unknown[][] = [
  [],
  [1],
  ["text"],
  ["with : and % and \n and 🦓"],
  ["\ud800"],
  [null],
  [undefined, 1],
  [-0],
  [Number.NaN],
  [10n],
  [{ b: 1, a: [new Date(0)] }],
  [new Map([["a", new Set([1])]]), new Uint8Array([1, 2])],
  ["x".repeat(500)],
  [Array.from({ length: 200 }, (_, index) => index)],
]

describe("what keyOf returns addresses its entry", () => {
  test.each(argumentLists.map((args) => [args] as const))("of the call with %o", async (args) => {
    const { cache } = makeCache()
    const load = cache.cacheable(
      vi.fn(async (..._args: unknown[]) => ({ loaded: true })),
      { name: "load: it", version: "1:0" },
    )
    const value = await load(...args)
    const key = load.keyOf(...args)
    expect(await cache.get(key)).toBe(value)
    expect(await cache.has(key)).toBe(true)
    expect(cache.explain(key)).toMatchObject({ key, state: "fresh" })
    await cache.delete(key)
    expect(load.peek(...args)).toBeUndefined()
    await load.prime(args, { loaded: false }, { asOf: "now" })
    expect(await load(...args)).toEqual({ loaded: false })
    expect(await cache.get(key)).toEqual({ loaded: false })
  })

  test("before anything is stored, and for a function that was defined later", async () => {
    const { cache } = makeCache()
    const { cache: other } = makeCache()
    const key = other.cacheable(async () => 1, { name: "load" }).keyOf()
    expect(await cache.lookup(key)).toBeUndefined()
    expect(await cache.has(key)).toBe(false)
    expect((await cache.getMany([key])).size).toBe(0)
    const load = cache.cacheable(async () => 1, { name: "load" })
    expect(await cache.lookup(key)).toBeUndefined()
    await load()
    expect(await cache.get(key)).toBe(1)
  })
})

describe("keys given by hand", () => {
  test("are any text, and stay apart", async () => {
    const { cache } = makeCache()
    const keys = ["a", "a:b", "A", " ", "user", "ƒ", "ƒx", "__proto__", "\0", "\ud800", "🦓", "x".repeat(10_000)]
    await cache.setMany(keys.map((key, index) => [key, index] as const))
    expect(await cache.getMany(keys)).toEqual(new Map(keys.map((key, index) => [key, index])))
  })

  test("can't meet those of functions: what begins with `ƒ:` is reserved", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(async () => "loaded", { name: "load" })
    await load()
    for (const key of ["load", "load::", ":load::", "ƒ", "ƒload::", " ƒ:load::"]) {
      await cache.set(key, "by hand")
      expect(await load()).toBe("loaded")
    }
    for (const key of ["ƒ:", "ƒ:load", "ƒ:load:", "ƒ:load::[", "ƒ:load::01", "ƒ:lo ad::"]) {
      expect(await rejectionOf(cache.set(key, 1))).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_KEY" })
      expect(await rejectionOf(cache.get(key))).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_KEY" })
    }
  })

  test("writing to a function that is not defined here is refused", async () => {
    const { cache } = makeCache()
    for (const write of [
      cache.set("ƒ:unknown::1", 1),
      cache.delete("ƒ:unknown::1"),
      cache.getOrLoad("ƒ:unknown::1", () => 1),
    ]) {
      expect(await rejectionOf(write)).toMatchObject({
        code: "ERR_ZOOCACHE_INVALID_KEY",
        message: 'Invalid key "ƒ:unknown::1": no function of that name and version is defined in this process',
      })
    }
  })

  test("are no tags: setting or deleting one invalidates nothing else", async () => {
    const { cache } = makeCache()
    await cache.set("user:1", "entry", { deps: ["user:1"] })
    await cache.set("other", "entry", { deps: ["user:1"] })
    await cache.set("user", "entry")
    await cache.delete("user")
    expect(await cache.get("user:1")).toBe("entry")
    expect(await cache.get("other")).toBe("entry")
    expect(cache.tagVersion("user")).toBe(0)
  })
})

describe("arguments", () => {
  test("that mean the same are one call", async () => {
    const { cache } = makeCache()
    const loader = vi.fn(async (..._args: unknown[]) => 1)
    const load = cache.cacheable(loader)
    const same: [unknown[], unknown[]][] = [
      [[{ a: 1, b: 2 }], [{ b: 2, a: 1 }]],
      [[1, undefined, undefined], [1]],
      [[Object.assign(Object.create(null) as object, { a: 1 })], [{ a: 1 }]],
      [[new Set([1, 2])], [new Set([2, 1])]],
      [
        [
          new Map([
            ["a", 1],
            ["b", 2],
          ]),
        ],
        [
          new Map([
            ["b", 2],
            ["a", 1],
          ]),
        ],
      ],
    ]
    for (const [one, other] of same) {
      loader.mockClear()
      await load(...one)
      await load(...other)
      expect(loader).toHaveBeenCalledTimes(1)
      await load.clear()
    }
  })

  test("without content to compare are refused with a hint, and `key` helps", async () => {
    const { cache } = makeCache()
    class Connection {
      id = 1
    }
    const load = cache.cacheable(async (_connection: unknown) => 1, { name: "load" })
    const cyclic: Record<string, unknown> = {}
    cyclic["self"] = cyclic
    const refused = [
      () => 1,
      Symbol("s"),
      cyclic,
      new Connection(),
      {
        get a() {
          return 1
        },
      },
      new WeakMap(),
      [() => 1],
    ]
    for (const argument of refused) {
      expect(await rejectionOf(load(argument))).toMatchObject({
        code: "ERR_ZOOCACHE_INVALID_KEY",
        message: expect.stringContaining("Pass `key: (...args) => ...`"),
      })
    }
    const keyed = cache.cacheable(async (connection: Connection) => connection.id, { key: ({ id }) => id })
    expect(await keyed(new Connection())).toBe(1)
  })

  test("a hit by a plain argument and by its canonical encoding is the same entry", async () => {
    const { cache } = makeCache()
    const loader = vi.fn(async (..._args: unknown[]) => 1)
    const load = cache.cacheable(loader)
    for (const argument of [
      1,
      "a",
      true,
      false,
      null,
      "x".repeat(128),
      "x".repeat(129),
      -0,
      0,
      Number.NaN,
      undefined,
    ]) {
      loader.mockClear()
      await load(argument)
      await load(argument, undefined)
      await load.with({})(argument)
      expect(loader).toHaveBeenCalledTimes(1)
    }
  })
})

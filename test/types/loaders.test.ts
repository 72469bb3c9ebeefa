/** What callers see of loaders that are no plain async functions; each type is held against what happens. */
import { afterAll, describe, expect, expectTypeOf, test, vi } from "vitest"
import * as zoocache from "zoocache"
import type { Token } from "zoocache"

interface Row {
  id: number
}

/** As a query builder is: it can be awaited, and has more than a promise has. */
class Query<T> implements PromiseLike<T> {
  readonly #rows: () => T
  constructor(rows: () => T) {
    this.#rows = rows
  }
  limit(_rows: number): this {
    return this
  }
  // oxlint-disable-next-line unicorn/no-thenable -- that is what a query is
  then<A = T, B = never>(
    onResolved?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return Promise.resolve().then(this.#rows).then(onResolved, onRejected)
  }
}

/** The same with every member of a promise, as those of Knex and Drizzle. */
class FullQuery<T> extends Query<T> implements Promise<T> {
  readonly [Symbol.toStringTag] = "FullQuery"
  catch<B = never>(onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.then(undefined, onRejected)
  }
  finally(onFinally?: (() => void) | null): Promise<T> {
    return this.then(undefined).finally(onFinally)
  }
}

class SpecialPromise<T> extends Promise<T> {
  readonly isSpecial = true
}

const cache = zoocache.createCache()
afterAll(() => cache.close())

describe("a loader that returns what can be awaited gives a promise of its value", () => {
  test("a query", async () => {
    const find = cache.cacheable((id: number) => new Query<Row>(() => ({ id })))
    expectTypeOf(find).parameters.toEqualTypeOf<[id: number]>()
    expectTypeOf(find).returns.toEqualTypeOf<Promise<Row>>()
    expectTypeOf(find.peek).returns.toEqualTypeOf<Row | undefined>()
    expectTypeOf(find.refresh).returns.toEqualTypeOf<Promise<Row>>()
    expectTypeOf(find.with({ fresh: true })).returns.toEqualTypeOf<Promise<Row>>()
    const found = find(1)
    expectTypeOf(found).not.toHaveProperty("limit")
    expect(found).toBeInstanceOf(Promise)
    expect(await found).toEqual({ id: 1 })
    expect(find.peek(1)).toBe(await found)
    expect(await find.refresh(1)).toEqual({ id: 1 })
  })

  test("a query with every member of a promise", async () => {
    const find = cache.cacheable((id: number) => new FullQuery<Row>(() => ({ id })))
    expectTypeOf(find).returns.toEqualTypeOf<Promise<Row>>()
    expectTypeOf(find.refresh).returns.toEqualTypeOf<Promise<Row>>()
    expect(await find(1).finally(() => {})).toEqual({ id: 1 })
    const atRoot = zoocache.cacheable((id: number) => new FullQuery<Row>(() => ({ id })))
    expectTypeOf(atRoot).returns.toEqualTypeOf<Promise<Row>>()
    expect(await atRoot(1)).toEqual({ id: 1 })
    await zoocache.reset()
  })

  test("a subclass of Promise, a PromiseLike, a union of them with a value", async () => {
    const special = cache.cacheable((id: number) => SpecialPromise.resolve({ id }) as SpecialPromise<Row>)
    expectTypeOf(special).returns.toEqualTypeOf<Promise<Row>>()
    expect(await special(1)).toEqual({ id: 1 })
    const like = cache.cacheable((id: number): PromiseLike<Row> => new Query(() => ({ id })))
    expectTypeOf(like).returns.toEqualTypeOf<Promise<Row>>()
    const some = cache.cacheable((id: number): Query<Row> | string | Promise<null> =>
      id > 0 ? "a" : new Query(() => ({ id })),
    )
    expectTypeOf(some).returns.toEqualTypeOf<Promise<Row | string | null>>()
    const twice = cache.cacheable((id: number): Promise<number> | Promise<string> => Promise.resolve(id))
    expectTypeOf(twice).returns.toEqualTypeOf<Promise<number> | Promise<string>>()
  })

  test("nothing that was not there before", () => {
    expectTypeOf(cache.cacheable((): never => expect.fail())).returns.toEqualTypeOf<Promise<never>>()
    expectTypeOf(cache.cacheable((): unknown => 1)).returns.toEqualTypeOf<Promise<unknown>>()
    expectTypeOf(cache.cacheable(JSON.parse)).returns.toEqualTypeOf<Promise<any>>()
    expectTypeOf(cache.cacheable(async (): Promise<any> => 1)).returns.toEqualTypeOf<Promise<any>>()
  })

  test("hooks get the value", () => {
    cache.cacheable((id: number) => new Query<Row>(() => ({ id })), {
      depsOf: (row, id) => {
        expectTypeOf(row).toEqualTypeOf<Row>()
        expectTypeOf(id).toEqualTypeOf<number>()
        return []
      },
    })
  })

  test("in getOrLoad, cacheableMany and transactions, too", async () => {
    const loaded = cache.getOrLoad("row", () => new FullQuery<Row>(() => ({ id: 1 })))
    expectTypeOf(loaded).toEqualTypeOf<Promise<Row>>()
    expect(await loaded).toEqual({ id: 1 })
    const many = cache.cacheableMany(
      (ids: readonly number[]) => new Query<Map<number, Row>>(() => new Map(ids.map((id) => [id, { id }]))),
    )
    expectTypeOf(many.one).returns.toEqualTypeOf<Promise<Row | undefined>>()
    expect(await many.one(1)).toEqual({ id: 1 })
    const done = cache.transaction(() => new Query<Row>(() => ({ id: 2 })))
    expectTypeOf(done).toEqualTypeOf<Promise<Row>>()
    expect(await done).toEqual({ id: 2 })
  })

  test("but no cacheableSync", () => {
    const find = cache.cacheableSync((id: number) => new Query<Row>(() => ({ id })))
    expect(() => find(1)).toThrow(zoocache.InvalidOptionError)
  })
})

describe("a loader with overloads keeps them all", () => {
  function load(id: number): Promise<number>
  function load(slug: string, locale?: "en" | "de"): Promise<string>
  function load(pair: readonly [a: number, b: number]): Promise<bigint>
  function load(all: boolean): Promise<boolean>
  async function load(given: unknown): Promise<unknown> {
    return typeof given === "object" ? 1n : given
  }

  test("in calls and in each method", async () => {
    const cached = cache.cacheable(load, { name: "load" })
    expectTypeOf(cached(1)).toEqualTypeOf<Promise<number>>()
    expectTypeOf(cached([1, 2])).toEqualTypeOf<Promise<bigint>>()
    expectTypeOf(cached.refresh("a", "en")).toEqualTypeOf<Promise<string>>()
    expectTypeOf(cached.refresh([1, 2])).toEqualTypeOf<Promise<bigint>>()
    expectTypeOf(cached.with({ fresh: true })(1)).toEqualTypeOf<Promise<number>>()
    expectTypeOf(cached.peek(1)).toEqualTypeOf<number | undefined>()
    expectTypeOf(cached.peek("a", "de")).toEqualTypeOf<string | undefined>()
    expectTypeOf(cached.peek([1, 2])).toEqualTypeOf<bigint | undefined>()
    expectTypeOf(cached.peek(true)).toEqualTypeOf<boolean | undefined>()
    const keys = [cached.keyOf(1), cached.keyOf("a", "de"), cached.keyOf([1, 2]), cached.keyOf(true)]
    expect(new Set(keys).size).toBe(4)
    await cached.prime(["a", "de"], "A", { asOf: "now" })
    await cached.primeMany(
      [
        [[1], 1],
        [[[1, 2]], 12n],
      ],
      { asOf: "now" },
    )
    expect([cached.peek("a", "de"), cached.peek(1), cached.peek([1, 2])]).toEqual(["A", 1, 12n])
    expect([cached.explain(1).key, cached.explain([1, 2]).key]).toEqual([keys[0], keys[2]])
    await Promise.all([cached.delete(1), cached.delete("a", "en"), cached.delete([1, 2]), cached.delete(true)])
    void (() => {
      // @ts-expect-error -- no overload takes a bigint
      cached.keyOf(1n)
      // @ts-expect-error -- nor a locale with a number
      void cached.delete(1, "en")
      // @ts-expect-error -- nor nothing
      cached.peek()
      // @ts-expect-error -- a number is loaded for a number, not a text
      void cached.prime([1], "a", { asOf: "now" })
      // @ts-expect-error -- in one of many neither
      void cached.primeMany([[[1], "a"]], { asOf: "now" })
      // @ts-expect-error -- when the value was read has to be said
      void cached.prime([1], 1)
    })
  })

  test("and its hooks hear of each", () => {
    cache.cacheable(load, {
      name: "hooked",
      deps: (given, locale) => {
        expectTypeOf(given).toEqualTypeOf<number | string | boolean | readonly [a: number, b: number]>()
        expectTypeOf(locale).toEqualTypeOf<"en" | "de" | undefined>()
        return []
      },
      cacheIf: (value) => {
        expectTypeOf(value).toEqualTypeOf<number | string | bigint | boolean>()
        return true
      },
    })
  })

  test("where they are synchronous", async () => {
    function half(n: number): number
    function half(n: bigint): bigint
    function half(n: number | bigint): number | bigint {
      return typeof n === "bigint" ? n / 2n : n / 2
    }
    const cached = cache.cacheable(half)
    expectTypeOf(cached(2)).toEqualTypeOf<Promise<number>>()
    expectTypeOf(cached(2n)).toEqualTypeOf<Promise<bigint>>()
    expect(await Promise.all([cached(2), cached(2n)])).toEqual([1, 1n])
    const sync = cache.cacheableSync(half)
    expectTypeOf(sync(2n)).toEqualTypeOf<bigint>()
    expectTypeOf(sync.peek(2)).toEqualTypeOf<number | undefined>()
    expectTypeOf(sync.refresh(2)).toEqualTypeOf<number>()
    expectTypeOf(sync.delete(2n)).toEqualTypeOf<Promise<Token | undefined>>()
    expect([sync.keyOf(2), sync.keyOf(2n)]).toEqual([sync.explain(2).key, sync.explain(2n).key])
  })

  test("where one of them returns a query", () => {
    function find(id: number): Promise<Row>
    function find(text: string): FullQuery<Row[]>
    function find(given: number | string): Promise<Row> | FullQuery<Row[]> {
      return typeof given === "string" ? new FullQuery<Row[]>(() => []) : Promise.resolve({ id: given })
    }
    const cached = cache.cacheable(find)
    expectTypeOf(cached(1)).toEqualTypeOf<Promise<Row>>()
    expectTypeOf(cached("a")).toEqualTypeOf<Promise<Row[]>>()
  })
})

describe("a generic loader", () => {
  const first = cache.cacheable(async <T>(list: readonly T[]): Promise<T | undefined> => list[0])

  test("stays generic in calls, `refresh` and `with`", async () => {
    expectTypeOf(first(["a"])).toEqualTypeOf<Promise<string | undefined>>()
    expectTypeOf(first.refresh([1])).toEqualTypeOf<Promise<number | undefined>>()
    expectTypeOf(first.with({})([true])).toEqualTypeOf<Promise<boolean | undefined>>()
    expect(await first(["a"])).toBe("a")
  })

  test("takes any call in the other methods", async () => {
    expectTypeOf(first.peek(["b"])).toEqualTypeOf<unknown>()
    expect([first.keyOf(["a"]), first.keyOf([1])]).toEqual([first.explain(["a"]).key, first.explain([1]).key])
    await first.delete(["a"])
  })

  test("in an overload, too", () => {
    function pick<T>(list: readonly T[]): Promise<T>
    function pick(text: string): Promise<string>
    async function pick(given: string | readonly unknown[]): Promise<unknown> {
      return given[0]
    }
    const cached = cache.cacheable(pick)
    expectTypeOf(cached([1])).toEqualTypeOf<Promise<number>>()
    expectTypeOf(cached("a")).toEqualTypeOf<Promise<string>>()
    void (() => [cached.keyOf([1]), cached.keyOf("a"), cached.peek([1]), cached.delete("a"), cached.explain([1])])
  })
})

describe("a loader that needs a `this`", () => {
  class Repo {
    readonly org = "a"
  }
  const nameOf = cache.cacheable(async function (this: Repo, suffix: string) {
    return this.org + suffix
  })
  const half = cache.cacheable(function (this: Repo, suffix: string) {
    return this.org + suffix
  })

  test("is called with one, and so are `refresh` and `with`", () => {
    expectTypeOf<ThisParameterType<typeof nameOf>>().toEqualTypeOf<Repo>()
    expectTypeOf<ThisParameterType<typeof nameOf.refresh>>().toEqualTypeOf<Repo>()
    expectTypeOf<ThisParameterType<typeof half>>().toEqualTypeOf<Repo>()
    expectTypeOf<ThisParameterType<typeof half.refresh>>().toEqualTypeOf<Repo>()
    const fresh = nameOf.with({ fresh: true })
    expectTypeOf<ThisParameterType<typeof fresh>>().toEqualTypeOf<Repo>()
    void (() => {
      void nameOf.refresh.call(new Repo(), "x")
      // @ts-expect-error -- the function itself is no Repo
      void nameOf.refresh("x")
      // @ts-expect-error -- the function itself is no Repo
      void half.refresh("x")
    })
  })

  test("gets it, whichever way it is called", async () => {
    for (const home of [cache, zoocache]) {
      const load = home.cacheable(
        async function (this: Repo | undefined) {
          return this?.org
        },
        { cacheIf: () => false },
      )
      const size = home.cacheableSync(function (this: Repo | undefined) {
        return this?.org
      })
      const repo = new Repo()
      expect(await Promise.all([load.call(repo), load.with({}).call(repo), load.refresh.call(repo)])).toEqual([
        "a",
        "a",
        "a",
      ])
      expect(size.refresh.call(repo)).toBe("a")
      // A method of the cached function has no other `this` to hand on.
      const { refresh } = load as unknown as { refresh: () => Promise<string | undefined> }
      expect(await refresh()).toBeUndefined()
      expect(await (load as unknown as { refresh: typeof refresh }).refresh()).toBeUndefined()
    }
    await zoocache.reset()
  })

  test("has keys without one", () => {
    expectTypeOf(nameOf.keyOf).parameters.toEqualTypeOf<[suffix: string]>()
    expectTypeOf(nameOf.peek("x")).toEqualTypeOf<string | undefined>()
  })
})

test("a wrapper that is generic itself", async () => {
  const wrap = <Args extends unknown[], R>(loader: (...args: Args) => Promise<R>) => {
    const cached = cache.cacheable(loader, { key: (...args) => args })
    return {
      call: (...args: Args): Promise<R> => cached(...args),
      fresh: (...args: Args): Promise<R> => cached.with({ fresh: true })(...args),
      peek: (...args: Args): Awaited<R> | undefined => cached.peek(...args),
      refresh: (...args: Args): Promise<R> => cached.refresh(...args),
      keyOf: (...args: Args): string => cached.keyOf(...args),
      prime: (args: Args, value: Awaited<R>) => cached.prime(args, value, { asOf: "now" }),
    }
  }
  const wrapped = wrap(async (id: number) => `${id}`)
  expectTypeOf(wrapped.call).toEqualTypeOf<(id: number) => Promise<string>>()
  expect([await wrapped.call(1), await wrapped.refresh(1), wrapped.peek(1)]).toEqual(["1", "1", "1"])
  await wrapped.prime([1], "one")
  expect(wrapped.peek(1)).toBe("one")
  class Rows<T extends Row> {
    readonly load: (id: number) => Promise<T>
    readonly get = cache.cacheable((id: number) => this.load(id), { depsOf: (row) => [`row:${row.id}`] })
    constructor(load: (id: number) => Promise<T>) {
      this.load = load
    }
    find(id: number): Promise<T> {
      return this.get(id)
    }
  }
  expect(await new Rows(async (id) => ({ id, name: "a" })).find(1)).toEqual({ id: 1, name: "a" })
})

test("properties of a loader are not promised", async () => {
  const loader = Object.assign(async (id: number) => id, { table: "rows" })
  const cached = cache.cacheable(loader)
  expectTypeOf(cached).parameters.toEqualTypeOf<[id: number]>()
  expectTypeOf(cached).returns.toEqualTypeOf<Promise<number>>()
  expectTypeOf(cached).not.toHaveProperty("table")
  expect(cached).not.toHaveProperty("table")
  expectTypeOf(cache.cacheableSync(Object.assign((id: number) => id, { table: "rows" }))).not.toHaveProperty("table")
  const mock = vi.fn(async (id: number) => `${id}`)
  const ofMock = cache.cacheable(mock)
  expectTypeOf(ofMock).parameters.toEqualTypeOf<[id: number]>()
  expectTypeOf(ofMock.peek(1)).toEqualTypeOf<string | undefined>()
  expectTypeOf(ofMock).not.toHaveProperty("mock")
  const twice = cache.cacheable(cached)
  expectTypeOf(twice.refresh(1)).toEqualTypeOf<Promise<number>>()
  expect(await twice(1)).toBe(1)
})

test("untyped parameters are an error wherever a loader is taken", () => {
  void (() => {
    // @ts-expect-error -- `text` would be any
    cache.cacheableSync((text) => String(text))
    // @ts-expect-error -- `text` would be any
    zoocache.cacheableSync((text) => String(text))
    // @ts-expect-error -- `text` would be any
    zoocache.cacheable((text) => String(text))
  })
})

describe("cacheableMany takes", () => {
  test("a Map or an array, promised or not", async () => {
    const array = cache.cacheableMany((ids: readonly string[]) => ids.map((id) => id.length))
    expectTypeOf(array).toEqualTypeOf<zoocache.CachedMany<string, number>>()
    expect(await array.one("abc")).toBe(3)
    const map = cache.cacheableMany((ids: readonly string[]) => new Map(ids.map((id) => [id, id.length])))
    expectTypeOf(map).toEqualTypeOf<zoocache.CachedMany<string, number>>()
    expect(await map(["abc"])).toEqual(new Map([["abc", 3]]))
    const either = cache.cacheableMany(async (ids: readonly string[]) =>
      ids.length > 1 ? ids.map((id) => id.length) : new Map(ids.map((id) => [id, id.length])),
    )
    expectTypeOf(either).toEqualTypeOf<zoocache.CachedMany<string, number>>()
    const atRoot = zoocache.cacheableMany((ids: readonly number[]) => ids.map((id) => `${id}`))
    expectTypeOf(atRoot).toEqualTypeOf<zoocache.CachedMany<number, string>>()
    expect(await atRoot([1])).toEqual(new Map([[1, "1"]]))
    await zoocache.reset()
  })

  test("null as a value, undefined as none, and errors", async () => {
    const answers = [null, undefined, new TypeError("bad"), "a"] as const
    const loader = (ids: readonly number[]) => ids.map((id): string | null | undefined | Error => answers[id])
    const fromArray = cache.cacheableMany(loader)
    expectTypeOf(fromArray).toEqualTypeOf<zoocache.CachedMany<number, string | null>>()
    expectTypeOf(fromArray.one).returns.toEqualTypeOf<Promise<string | null | undefined>>()
    const fromMap = cache.cacheableMany((ids: readonly number[]) => {
      return new Map(ids.map((id, index) => [id, loader(ids)[index]]))
    })
    expectTypeOf(fromMap).toEqualTypeOf<zoocache.CachedMany<number, string | null>>()
    for (const many of [fromArray, fromMap]) {
      expect(await many([0, 1, 3])).toEqual(
        new Map<number, unknown>([
          [0, null],
          [3, "a"],
        ]),
      )
      expect([await many.one(0), await many.one(1)]).toEqual([null, undefined])
      expect(many.peek(0)).toBeNull()
      await expect(many.one(2)).rejects.toThrow("bad")
    }
  })

  test("ids of any kind, and a generic wrapper around it", () => {
    interface Id {
      readonly tenant: string
    }
    const byObject = cache.cacheableMany(async (ids: readonly Id[]) => ids.map((id) => id.tenant))
    expectTypeOf(byObject).toEqualTypeOf<zoocache.CachedMany<Id, string>>()
    const wrap = <K, V>(loader: zoocache.ManyLoader<K, V>): zoocache.CachedMany<K, V> => cache.cacheableMany(loader)
    expectTypeOf(wrap((ids: readonly number[]) => ids.map(String))).toEqualTypeOf<zoocache.CachedMany<number, string>>()
  })
})

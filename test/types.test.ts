/** What callers see: everything is inferred from the loader. Checked by `npm run typecheck`, and run like any test. */
import { afterAll, describe, expectTypeOf, test } from "vitest"
import * as zoocache from "zoocache"
import type {
  Cached,
  CachedMany,
  CacheOptions,
  CurrentLoad,
  Explanation,
  FunctionOptions,
  LeaseEvent,
  LoadOptions,
  LookedUp,
  ManyOptions,
  MethodOptions,
  Position,
  Singleflight,
  Stats,
  Token,
} from "zoocache"
import type { LeaseAnswer, Leases } from "zoocache/backend"

interface User {
  id: number
  org: string
}
const user: User = { id: 1, org: "a" }
const cache = zoocache.createCache()
afterAll(() => cache.close())

describe("cacheable infers", () => {
  test("arguments and result from an async loader, for the function and its methods", () => {
    const getUser = cache.cacheable(async (id: number, _locale: "en" | "de"): Promise<User> => ({ ...user, id }), {
      deps: (id, locale) => {
        expectTypeOf(id).toEqualTypeOf<number>()
        expectTypeOf(locale).toEqualTypeOf<"en" | "de">()
        return [`user:${id}`]
      },
      depsOf: (value, id, locale) => {
        expectTypeOf(value).toEqualTypeOf<User>()
        expectTypeOf(id).toEqualTypeOf<number>()
        expectTypeOf(locale).toEqualTypeOf<"en" | "de">()
        return [`org:${value.org}`]
      },
      ttl: (value, id) => {
        expectTypeOf(value).toEqualTypeOf<User>()
        expectTypeOf(id).toEqualTypeOf<number>()
        return "1h"
      },
      cacheIf: (value) => value.id > 0,
      cacheErrors: (error, id) => {
        expectTypeOf(error).toEqualTypeOf<unknown>()
        expectTypeOf(id).toEqualTypeOf<number>()
        return false
      },
      key: (id, locale) => `${id}${locale}`,
      sizeOf: (value) => value.org.length,
    })
    expectTypeOf(getUser).parameters.toEqualTypeOf<[id: number, _locale: "en" | "de"]>()
    expectTypeOf(getUser).returns.toEqualTypeOf<Promise<User>>()
    expectTypeOf(getUser.peek).parameters.toEqualTypeOf<[id: number, _locale: "en" | "de"]>()
    expectTypeOf(getUser.peek).returns.toEqualTypeOf<User | undefined>()
    expectTypeOf(getUser.refresh).returns.toEqualTypeOf<Promise<User>>()
    expectTypeOf(getUser.delete).returns.toEqualTypeOf<Promise<Token | undefined>>()
    expectTypeOf(getUser.clear).toEqualTypeOf<() => Promise<Token | undefined>>()
    expectTypeOf(getUser.keyOf).returns.toEqualTypeOf<string>()
    expectTypeOf(getUser.explain).returns.toEqualTypeOf<Explanation>()
    expectTypeOf(getUser.with({ fresh: true })).parameters.toEqualTypeOf<[id: number, _locale: "en" | "de"]>()
    expectTypeOf(getUser.with({})).returns.toEqualTypeOf<Promise<User>>()
    // @ts-expect-error -- an argument is missing
    void (() => getUser(1))
    // @ts-expect-error -- an argument has the wrong type
    void (() => getUser("1", "en"))
    // @ts-expect-error -- an argument has the wrong type, in methods too
    void (() => getUser.peek(1, "fr"))
  })

  test("optional arguments, defaults and rest parameters", () => {
    const optional = cache.cacheable(async (_a: number, _b?: string) => 1)
    expectTypeOf(optional).parameters.toEqualTypeOf<[_a: number, _b?: string | undefined]>()
    const defaulted = cache.cacheable(async (_a: number, _b = "x") => 1)
    expectTypeOf<Parameters<typeof defaulted>[1]>().toEqualTypeOf<string | undefined>()
    const rest = cache.cacheable(async (_a: number, ..._rest: string[]) => 1)
    expectTypeOf(rest).parameters.toEqualTypeOf<[_a: number, ..._rest: string[]]>()
    void (() => [optional(1), defaulted(1), rest(1, "a", "b")])
    // @ts-expect-error -- a parameter without a type stays an error: it is not silently `any`
    cache.cacheable(async (untyped) => String(untyped))
  })

  test("generics", () => {
    const first = cache.cacheable(async <T>(list: readonly T[]): Promise<T | undefined> => list[0])
    const call = () => first(["a"])
    expectTypeOf(call).returns.toEqualTypeOf<Promise<string | undefined>>()
  })

  test("overloads", () => {
    function load(id: number): Promise<number>
    function load(id: string): Promise<string>
    async function load(id: number | string): Promise<number | string> {
      return id
    }
    const cached = cache.cacheable(load)
    const byNumber = () => cached(1)
    const byText = () => cached("a")
    expectTypeOf(byNumber).returns.toEqualTypeOf<Promise<number>>()
    expectTypeOf(byText).returns.toEqualTypeOf<Promise<string>>()
  })

  test("a synchronous loader: its cached form returns a promise", () => {
    const double = cache.cacheable((n: number) => n * 2)
    expectTypeOf(double).parameters.toEqualTypeOf<[n: number]>()
    expectTypeOf(double).returns.toEqualTypeOf<Promise<number>>()
    expectTypeOf(double.peek).returns.toEqualTypeOf<number | undefined>()
    const maybe = cache.cacheable((n: number): number | Promise<string> => n)
    expectTypeOf(maybe).returns.toEqualTypeOf<Promise<number | string>>()
  })

  test("`this`", () => {
    const bound = cache.cacheable(async function (this: User, suffix: string) {
      return this.org + suffix
    })
    expectTypeOf<ThisParameterType<typeof bound>>().toEqualTypeOf<User>()
    const owner = { ...({} as User), name: bound }
    void (() => owner.name("x"))
    // @ts-expect-error -- it needs a `this`
    void (() => bound("x"))
  })

  test("void, never and unions of results", () => {
    expectTypeOf(cache.cacheable(async () => {})).returns.toEqualTypeOf<Promise<void>>()
    expectTypeOf(cache.cacheable(async (): Promise<User | null> => null).peek).returns.toEqualTypeOf<
      User | null | undefined
    >()
    expectTypeOf(cache.cacheable((): Promise<never> => Promise.reject(new Error("x")))).returns.toEqualTypeOf<
      Promise<never>
    >()
  })

  test("nothing is any", () => {
    const load = cache.cacheable(async (id: number) => ({ id }))
    expectTypeOf(load).parameter(0).not.toBeAny()
    expectTypeOf(load).returns.resolves.not.toBeAny()
    expectTypeOf(load.peek).returns.not.toBeAny()
    expectTypeOf<Cached<(id: number) => Promise<User>>>().returns.resolves.toEqualTypeOf<User>()
  })

  test("the same at the root", () => {
    const load = zoocache.cacheable(async (id: number, _b?: string) => ({ id }), {
      deps: (id) => [`t:${id.toFixed()}`],
    })
    expectTypeOf(load).parameters.toEqualTypeOf<[id: number, _b?: string | undefined]>()
    expectTypeOf(load).returns.resolves.toEqualTypeOf<{ id: number }>()
    expectTypeOf(zoocache.getOrLoad<number>).returns.toEqualTypeOf<Promise<number>>()
  })
})

describe("cacheableSync infers", () => {
  test("the function as it is", () => {
    const parse = cache.cacheableSync((text: string, _radix?: number) => ({ text }), {
      deps: (text) => [`t:${text.length}`],
      depsOf: (value) => [`t:${value.text}`],
    })
    expectTypeOf(parse).parameters.toEqualTypeOf<[text: string, _radix?: number | undefined]>()
    expectTypeOf(parse).returns.toEqualTypeOf<{ text: string }>()
    expectTypeOf(parse.peek).returns.toEqualTypeOf<{ text: string } | undefined>()
    expectTypeOf(parse.refresh).returns.toEqualTypeOf<{ text: string }>()
  })
})

describe("cacheableMany infers", () => {
  test("ids and values from a loader that returns a Map", () => {
    const users = cache.cacheableMany(
      async (ids: readonly number[]): Promise<Map<number, User>> => new Map(ids.map((id) => [id, user])),
      {
        deps: (id) => {
          expectTypeOf(id).toEqualTypeOf<number>()
          return [`user:${id}`]
        },
        depsOf: (value, id) => {
          expectTypeOf(value).toEqualTypeOf<User>()
          expectTypeOf(id).toEqualTypeOf<number>()
          return [`org:${value.org}`]
        },
        maxBatch: 100,
      },
    )
    expectTypeOf(users).toEqualTypeOf<CachedMany<number, User>>()
    expectTypeOf(users).returns.toEqualTypeOf<Promise<Map<number, User>>>()
    expectTypeOf(users.one).returns.toEqualTypeOf<Promise<User | undefined>>()
    expectTypeOf(users.peek).returns.toEqualTypeOf<User | undefined>()
    // @ts-expect-error -- ids are numbers
    void (() => users(["a"]))
    // @ts-expect-error -- it takes a list
    void (() => users(1))
  })

  test("values from a loader that returns an array, with errors in it", () => {
    const squares = cache.cacheableMany(async (ids: readonly number[]) => ids.map((id) => `${id}`))
    expectTypeOf(squares.one).returns.toEqualTypeOf<Promise<string | undefined>>()
    const some = cache.cacheableMany(async (ids: readonly number[]) =>
      ids.map((id) => (id > 1 ? `${id}` : new Error("x"))),
    )
    expectTypeOf(some.one).returns.toEqualTypeOf<Promise<string | undefined>>()
  })
})

describe("values by key", () => {
  test("get, lookup, getMany and getOrLoad", () => {
    expectTypeOf(cache.get<User>).returns.toEqualTypeOf<Promise<User | undefined>>()
    expectTypeOf(cache.lookup<User>).returns.toEqualTypeOf<Promise<LookedUp<User> | undefined>>()
    expectTypeOf(cache.getMany<User>).returns.toEqualTypeOf<Promise<Map<string, User>>>()
    const loaded = () =>
      cache.getOrLoad(
        "key",
        async (load) => {
          expectTypeOf(load).toEqualTypeOf<CurrentLoad>()
          return user
        },
        { depsOf: (value) => [`org:${value.org}`], ttl: (value) => value.id },
      )
    expectTypeOf(loaded).returns.toEqualTypeOf<Promise<User>>()
    const plain = () => cache.getOrLoad("key", () => 1)
    expectTypeOf(plain).returns.toEqualTypeOf<Promise<number>>()
    const untyped = () => cache.get("key")
    expectTypeOf(untyped).returns.toEqualTypeOf<Promise<unknown>>()
  })

  test("positions and tokens", () => {
    expectTypeOf(cache.position()).toEqualTypeOf<Position>()
    void (() => cache.set("key", 1, { asOf: cache.position(), ttl: "1h", deps: ["t"] }))
    // @ts-expect-error -- a position is made by the cache alone
    void (() => cache.set("key", 1, { asOf: {} }))
    expectTypeOf(cache.invalidate("t")).toEqualTypeOf<Promise<Token | undefined>>()
    const withoutWaiting = () => cache.invalidate(["t"], { wait: false })
    expectTypeOf(withoutWaiting).returns.toEqualTypeOf<Promise<Token | undefined>>()
    expectTypeOf(cache.stats()).toEqualTypeOf<Stats>()
  })

  test("a transaction hands over the result of its function", () => {
    const run = () => cache.transaction(async (tx) => ({ token: tx.token, n: 1 }))
    expectTypeOf(run).returns.toEqualTypeOf<Promise<{ token: Token | undefined; n: number }>>()
    const plain = () => cache.transaction(() => "text" as const)
    expectTypeOf(plain).returns.toEqualTypeOf<Promise<"text">>()
  })

  test("`tag` takes what can be a part of a tag", () => {
    expectTypeOf(zoocache.tag`user:${1}:${"a"}:${2n}:${true}`).toEqualTypeOf<string>()
    // @ts-expect-error -- null is no part of a tag
    void (() => zoocache.tag`user:${null}`)
    // @ts-expect-error -- neither is an object
    void (() => zoocache.tag`user:${{}}`)
  })
})

describe("the decorator", () => {
  test("keeps the type of its method, and checks what its options say of the arguments", () => {
    class Repo {
      readonly org = "a"
      @cache.cacheable({ deps: (id: number) => [`user:${id.toFixed()}`], keyThis: (self: Repo) => self.org })
      async user(id: number): Promise<User> {
        return { id, org: this.org }
      }
      @cache.cacheable({ ttl: "1h" })
      async all(): Promise<User[]> {
        return []
      }
      // @ts-expect-error -- deps expects a string, the method takes a number
      @cache.cacheable({ deps: (id: string) => [id] })
      async wrong(id: number): Promise<number> {
        return id
      }
      // @ts-expect-error -- a method that returns no promise can't be cached by a decorator
      @cache.cacheable({})
      plain(): number {
        return 1
      }
    }
    expectTypeOf<Repo["user"]>().toEqualTypeOf<(id: number) => Promise<User>>()
    expectTypeOf<Repo["all"]>().toEqualTypeOf<() => Promise<User[]>>()
  })
})

describe("single flight", () => {
  test("has one type wherever it is an option, and leaves the function's as they are", () => {
    expectTypeOf<FunctionOptions<[id: number], User>["singleflight"]>().toEqualTypeOf<Singleflight | undefined>()
    expectTypeOf<CacheOptions["singleflight"]>().toEqualTypeOf<Singleflight | undefined>()
    expectTypeOf<ManyOptions<number, User>["singleflight"]>().toEqualTypeOf<Singleflight | undefined>()
    expectTypeOf<MethodOptions["singleflight"]>().toEqualTypeOf<Singleflight | undefined>()
    expectTypeOf<LoadOptions<User>["singleflight"]>().toEqualTypeOf<Singleflight | undefined>()
    expectTypeOf<"process" | "cluster">().toExtend<Singleflight>()
    expectTypeOf<{ scope: "cluster"; lease: "10s"; wait: 500 }>().toExtend<Singleflight>()
    const getUser = cache.cacheable(async (id: number): Promise<User> => ({ ...user, id }), {
      singleflight: { scope: "cluster", lease: "30s" },
    })
    expectTypeOf(getUser).parameters.toEqualTypeOf<[id: number]>()
    expectTypeOf(getUser).returns.toEqualTypeOf<Promise<User>>()
  })

  test("is counted and told", () => {
    expectTypeOf<Stats["leases" | "leaseWaits" | "leaseHits" | "leaseTimeouts"]>().toEqualTypeOf<number>()
    expectTypeOf<LeaseEvent["outcome"]>().toEqualTypeOf<"granted" | "found" | "timeout" | "called-off">()
    expectTypeOf<Leases["acquire"]>().returns.toEqualTypeOf<Promise<LeaseAnswer>>()
  })
})

describe("wrong options do not compile", () => {
  test("of a function", () => {
    const load = async (id: number) => id
    void (() => {
      // @ts-expect-error -- a misspelt option
      cache.cacheable(load, { tll: "1h" })
      // @ts-expect-error -- no duration
      cache.cacheable(load, { ttl: "soon" })
      // @ts-expect-error -- tags are strings
      cache.cacheable(load, { deps: [1] })
      // @ts-expect-error -- one tag is no list
      cache.cacheable(load, { deps: "user" })
      // @ts-expect-error -- the argument is a number
      cache.cacheable(load, { deps: (id: string) => [id] })
      // @ts-expect-error -- the value is a number
      cache.cacheable(load, { depsOf: (value: string) => [value] })
      // @ts-expect-error -- single flight reaches to the process or to the cluster
      cache.cacheable(load, { singleflight: "fleet" })
      // @ts-expect-error -- a lease lasts for a time
      cache.cacheable(load, { singleflight: { scope: "cluster", lease: true } })
      // @ts-expect-error -- in a process there are no leases
      cache.cacheable(load, { singleflight: { scope: "process", lease: "1s" } })
      // @ts-expect-error -- not a way of isolation
      cache.cacheable(load, { isolation: "copy" })
      // @ts-expect-error -- true is no duration
      cache.cacheable(load, { cacheErrors: true })
      // @ts-expect-error -- ids are loaded in batches by cacheableMany only
      cache.cacheable(load, { maxBatch: 10 })
      // @ts-expect-error -- a call has no ttl
      cache.cacheable(load).with({ ttl: 1 })
      // @ts-expect-error -- the key is the first argument
      void cache.getOrLoad("key", () => 1, { name: "load" })
    })
  })

  test("of a cache", () => {
    void (() => {
      // @ts-expect-error -- a misspelt option
      zoocache.createCache({ tll: "1h" })
      // @ts-expect-error -- a function's ttl may depend on its result, a cache's may not
      zoocache.createCache({ ttl: () => 1 })
      // @ts-expect-error -- a misspelt option of memory
      zoocache.createCache({ memory: { max: 1 } })
      // @ts-expect-error -- true is not how memory is configured
      zoocache.createCache({ memory: true })
      // @ts-expect-error -- not a way to be unsure
      zoocache.createCache({ staleness: { whenUnsure: "guess" } })
      // @ts-expect-error -- it hears faults
      zoocache.createCache({ onFault: (fault: string) => fault })
    })
  })
})

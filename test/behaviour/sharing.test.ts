/** One module that is loaded more than once: by hot reload, or since a bundler put it into several bundles. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest"
import * as zoocache from "zoocache"
import { type Cache, type CacheOptions, type Cached, createCache, DuplicateNameError } from "zoocache"
import { checkInvariants } from "zoocache/testing"
import { makeCache, steered } from "../support/caches.js"

type Load = Cached<(id: number) => Promise<string>>

/** Defines `load` as a module of a bundle does. Other text, or another address, is another script. */
function evaluate<T = Load>(cache: Cache, address: string, code: string): T {
  // oxlint-disable-next-line no-implied-eval -- as bundlers do in development
  const script = new Function(
    "cache",
    "zoocache",
    `return eval(${JSON.stringify(`${code}\n//# sourceURL=${address}`)})`,
  )
  return (script as (each: Cache, library: typeof zoocache) => T)(cache, zoocache)
}

const PAGE = "webpack-internal:///(page)/./users.js"
const ROUTE = "webpack-internal:///(route)/./users.js"

const loading = (by: string, options = "") =>
  `cache.cacheable(async (id) => "${by} " + id, { name: "load", deps: (id) => ["user:" + id], ${options} })`

const pause = () => Promise.resolve()

beforeEach(() => {
  vi.stubEnv("NODE_ENV", "production")
})

describe('with `redefine: "share"`, copies of one module', () => {
  test("share one table, and each runs its own loader", async () => {
    const { cache } = makeCache({ redefine: "share" })
    const page = evaluate(cache, PAGE, loading("page"))
    expect(await page(1)).toBe("page 1")
    const route = evaluate(cache, ROUTE, loading("route"))
    expect([await route(1), route.peek(1)]).toEqual(["page 1", "page 1"])
    expect([await route(2), await page(2), page.peek(2)]).toEqual(["route 2", "route 2", "route 2"])
    expect(Object.keys(cache.stats().functions)).toEqual(["", "load"])
    await route.delete(1)
    expect(page.peek(1)).toBeUndefined()
    await cache.invalidate("user:2")
    expect(await page(2)).toBe("page 2")
    await page.clear()
    expect(route.peek(2)).toBeUndefined()
    await route.prime([3], "primed", { asOf: "now" })
    expect(await page(3)).toBe("primed")
  })

  test("share a load that is running", async () => {
    const { cache } = makeCache({ redefine: "share" })
    const source = steered<string>()
    const page = cache.cacheable(source.loader, { name: "load" })
    const route = cache.cacheable(() => source.loader(), { name: "load" })
    const both = Promise.all([page(), route()])
    expect(source.runs).toHaveLength(1)
    source.last.resolve("once")
    expect(await both).toEqual(["once", "once"])
  })

  test("share batches and synchronous functions too, but no form shares with another", async () => {
    const { cache } = makeCache({ redefine: "share" })
    const many = `cache.cacheableMany(async (ids) => ids.map((id) => "many " + id), { name: "many" })`
    const sync = `cache.cacheableSync((id) => "sync " + id, { name: "sync" })`
    type Many = ReturnType<typeof cache.cacheableMany<number, string>>
    const [many1, many2] = [evaluate<Many>(cache, PAGE, many), evaluate<Many>(cache, ROUTE, many)]
    await many1([1])
    expect(many2.peek(1)).toBe("many 1")
    type Sync = (id: number) => string
    const [sync1, sync2] = [evaluate<Sync>(cache, PAGE, sync), evaluate<Sync & Load>(cache, ROUTE, sync)]
    sync1(1)
    expect(sync2.peek(1)).toBe("sync 1")
    expect(() => evaluate(cache, ROUTE, many.replace('"many" })', '"sync" })'))).toThrow(DuplicateNameError)
  })

  test("keep the instances of decorated methods apart", async () => {
    const { cache } = makeCache({ redefine: "share" })
    const decorating = (by: string) => `
      const descriptor = { value: async () => "${by}", configurable: true }
      const name = Object.defineProperty({}, "x", cache.cacheable({ name: "Users.all" })({}, "all", descriptor))
      name`
    const [one, two] = [PAGE, ROUTE].map((at, index) =>
      evaluate<{ x: () => Promise<string> }>(cache, at, decorating(`${index}`)),
    )
    expect([await one?.x(), await two?.x()]).toEqual(["0", "1"])
  })

  test("in development begin with an empty table: what is stored may come from older code", async () => {
    vi.stubEnv("NODE_ENV", "development")
    const { cache } = makeCache({ redefine: "share" })
    const page = evaluate(cache, PAGE, loading("page"))
    await page(1)
    const route = evaluate(cache, ROUTE, loading("route"))
    expect(page.peek(1)).toBeUndefined()
    expect([await route(1), await page(1)]).toEqual(["route 1", "route 1"])
    expect([await page(1), cache.stats().functions["load"]?.hits]).toEqual(["route 1", 2])
    checkInvariants(cache)
  })

  test("that hot reload loads anew replace their earlier selves, and the others go on", async () => {
    const { cache } = makeCache({ redefine: "share" })
    const [page, route] = [evaluate(cache, PAGE, loading("page")), evaluate(cache, ROUTE, loading("route"))]
    await Promise.all([page(1), route(2)])
    await pause()
    const edited = evaluate(cache, PAGE, `\n${loading("edited")}`)
    expect([edited.peek(1), route.peek(1), route.peek(2)]).toEqual([undefined, undefined, undefined])
    expect([await edited(1), await route(1), route.peek(1)]).toEqual(["edited 1", "edited 1", "edited 1"])
    // The code of before runs no more than for whoever still has it.
    expect([await page(1), await page(3), edited.peek(3)]).toEqual(["page 1", "page 3", undefined])
    await pause()
    const same = evaluate(cache, PAGE, `\n${loading("edited")}`)
    expect([same.peek(1), await same(1), route.peek(1)]).toEqual([undefined, "edited 1", "edited 1"])
    expect(Object.keys(cache.stats().functions)).toEqual(["", "load"])
  })

  test("are no instances: one place that defines a name twice is refused", () => {
    const { cache } = makeCache({ redefine: "share" })
    const inClass = `
      class Users { byId = cache.cacheable(async (id) => id, { name: "Users.byId" }) }
      [new Users(), new Users()]`
    const inLoop = `for (const tenant of ["a", "b"]) cache.cacheable(async () => tenant, { name: "tenant" })`
    for (const code of [inClass, inLoop]) {
      expect(() => evaluate(cache, PAGE, code)).toThrow(expect.objectContaining({ recurrence: "again" }))
    }
    const handle = () => cache.cacheable(async () => 1, { name: "request" })
    handle()
    expect(handle).toThrow(expect.objectContaining({ recurrence: "again" }))
  })

  test("are told by their places: where an engine tells none, a second definition is refused", () => {
    const { cache } = makeCache({ redefine: "share" })
    vi.spyOn(Error, "captureStackTrace").mockImplementation(() => {})
    cache.cacheable(async () => 1, { name: "load" })
    expect(() => cache.cacheable(async () => 2, { name: "load" })).toThrow(DuplicateNameError)
  })
})

test('with `redefine: "replace"` twenty reloads leave one definition', async () => {
  const { cache } = makeCache({ redefine: "replace" })
  for (let edition = 1; edition <= 20; edition += 1) {
    const load = evaluate(cache, PAGE, loading(`edition ${edition}`))
    expect([load.peek(1), await load(1), await load(1)]).toEqual([
      undefined,
      `edition ${edition} 1`,
      `edition ${edition} 1`,
    ])
  }
  expect(Object.keys(cache.stats().functions)).toEqual(["", "load"])
})

test("the error of a module that hot reload loaded anew says so", async () => {
  const { cache } = makeCache()
  evaluate(cache, PAGE, loading("page"))
  await pause()
  expect(() => evaluate(cache, PAGE, loading("edited"))).toThrow(
    expect.objectContaining({
      recurrence: "reloaded",
      message: expect.stringMatching(/the same module at \S+users\.js:1:\d+ defined .* `redefine: "replace"`/),
    }),
  )
})

describe("a cache with a name", () => {
  const made: Cache[] = []
  const make = (options: CacheOptions) => {
    const cache = createCache(options)
    made.push(cache)
    return cache
  }
  afterEach(async () => {
    await Promise.all(made.splice(0).map((cache) => cache.close()))
  })

  test("is the same wherever it is made with the same options", async () => {
    const options = () => ({ name: "app", ttl: "1h", onFault: () => {} }) as const
    const [one, two] = [make(options()), make(options())]
    expect(one).toBe(two)
    expect(make({ name: "other" })).not.toBe(one)
    expect(createCache()).not.toBe(createCache())
  })

  test("throws where its options differ, and says which", () => {
    make({ name: "app", ttl: "1h" })
    expect(() => make({ name: "app", ttl: "2h" })).toThrow(
      expect.objectContaining({
        code: "ERR_ZOOCACHE_CONFIGURATION",
        message: expect.stringMatching(/named "app" in this process already, with another `ttl`\..*"replace".*"share"/),
      }),
    )
    expect(() => make({ name: "app", ttl: "1h", onFault: () => {} })).toThrow("another `onFault`")
  })

  test("is made anew when it has been closed", async () => {
    const closed = make({ name: "app", ttl: "1h" })
    await closed.close()
    const cache = make({ name: "app", ttl: "2h" })
    expect(cache).not.toBe(closed)
    await cache.set("key", 1)
    expect(await cache.get("key")).toBe(1)
  })

  test('of other options replaces the earlier one with `redefine: "replace"`', async () => {
    const earlier = make({ name: "app", redefine: "replace", ttl: "1h" })
    expect(make({ name: "app", redefine: "replace", ttl: "1h" })).toBe(earlier)
    const later = make({ name: "app", redefine: "replace", ttl: "2h" })
    expect(later).not.toBe(earlier)
    await expect(earlier.get("key")).rejects.toMatchObject({ code: "ERR_ZOOCACHE_CLOSED" })
    expect(make({ name: "app", redefine: "replace", ttl: "2h" })).toBe(later)
  })

  test('is the same for copies of one module with `redefine: "share"`, whatever their functions look like', async () => {
    const code = (fault: string, ttl = "1h") =>
      `zoocache.createCache({ name: "app", redefine: "share", ttl: "${ttl}", onFault: () => ${fault} })`
    const page = evaluate<Cache>(undefined as never, PAGE, code("a"))
    made.push(page)
    expect(evaluate<Cache>(undefined as never, ROUTE, code("b"))).toBe(page)
    expect(() => evaluate<Cache>(undefined as never, "webpack-internal:///other.js", code("a", "2h"))).toThrow("`ttl`")
    // Of one copy that hot reload loads anew, the newer options count.
    await pause()
    const edited = evaluate<Cache>(undefined as never, ROUTE, code("b", "3h"))
    made.push(edited)
    expect(edited).not.toBe(page)
    expect(evaluate<Cache>(undefined as never, PAGE, code("a", "3h"))).toBe(edited)
  })

  test("of other options counts in development, which warns: a bundler may have renamed the script that changed", () => {
    vi.stubEnv("NODE_ENV", "development")
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {})
    const code = (ttl: string) => `zoocache.createCache({ name: "app", redefine: "share", ttl: "${ttl}" })`
    const page = evaluate<Cache>(undefined as never, PAGE, code("1h"))
    const renamed = evaluate<Cache>(undefined as never, "webpack-internal:///renamed.js", code("2h"))
    made.push(page, renamed)
    expect(renamed).not.toBe(page)
    expect(warn.mock.calls).toEqual([
      [
        expect.stringContaining('"app" was given another `ttl`'),
        expect.objectContaining({ code: "ZOOCACHE_OPTIONS_CHANGED" }),
      ],
    ])
  })
})

test("in Next.js a cache without a name is told of, once", async () => {
  const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {})
  vi.stubEnv("NEXT_RUNTIME", "nodejs")
  const caches = [createCache({ name: "named" }), createCache(), createCache()]
  expect(warn.mock.calls).toEqual([
    [
      expect.stringContaining('createCache({ name: "app", redefine: "share" })'),
      expect.objectContaining({ code: "ZOOCACHE_UNNAMED_CACHE" }),
    ],
  ])
  await Promise.all(caches.map((cache) => cache.close()))
})

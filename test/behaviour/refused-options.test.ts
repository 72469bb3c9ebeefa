/** Each misuse is told at once, by an error with a class, a code, a subject and a text that says what to do. */
import { describe, expect, test } from "vitest"
import { type Cache, cacheable, type CacheOptions, configure, createCache, InvalidOptionError } from "zoocache"
import { errorOf, makeCache } from "../support/caches.js"

describe("options of createCache", () => {
  test.each<[unknown, string, string]>([
    [{ tll: 1 }, "tll", "Invalid option tll = 1: createCache has no such option; it has"],
    [null, "options", "Invalid option options = null: the options of createCache must be an object"],
    [{ prefix: 1 }, "prefix", "Invalid option prefix = 1: it must be a string"],
    [
      { ttl: "soon" },
      "ttl",
      'Invalid option ttl = "soon": pass milliseconds, or a text such as "250ms", "30s", "5m", "1h30m", "7d"',
    ],
    [{ ttl: Number.NaN }, "ttl", "Invalid option ttl = NaN: it is not a number"],
    [{ ttl: null }, "ttl", "Invalid option ttl = null: pass milliseconds"],
    [{ ttl: "1m1h" }, "ttl", 'Invalid option ttl = "1m1h": each unit may occur once, the larger first, as in "1h30m"'],
    [{ ttl: () => 1 }, "ttl", "Invalid option ttl = function ttl: pass milliseconds"],
    [{ idleTtl: "x" }, "idleTtl", 'Invalid option idleTtl = "x"'],
    [{ jitter: 1.5 }, "jitter", "Invalid option jitter = 1.5: it must be a number from 0 to 1"],
    [{ jitter: -0.1 }, "jitter", "Invalid option jitter = -0.1"],
    [{ grace: -1 }, "grace", "Invalid option grace = -1: it must not be negative"],
    [
      { timeout: 0 },
      "timeout",
      "Invalid option timeout = 0: it must be above 0; use Infinity for a load that may take for ever",
    ],
    [{ timeout: { hard: -1 } }, "timeout", "Invalid option timeout = -1"],
    [{ timeout: { soft: -1 } }, "timeout.soft", "Invalid option timeout.soft = -1: it must not be negative"],
    [
      { timeout: { medium: 1 } },
      "timeout.medium",
      "Invalid option timeout.medium = 1: timeout has no such option; it has hard, soft",
    ],
    [{ earlyRefresh: 1 }, "earlyRefresh", "Invalid option earlyRefresh = 1: it must be a number from 0 to below 1"],
    [
      { isolation: "copy" },
      "isolation",
      'Invalid option isolation = "copy": it must be one of "freeze", "clone", "share", "strict"',
    ],
    [{ inherit: "no" }, "inherit", 'Invalid option inherit = "no": it must be true or false'],
    [{ tracking: 0 }, "tracking", "Invalid option tracking = 0: it must be true or false"],
    [{ context: "request" }, "context", 'Invalid option context = "request": it must be one of "caller", "root"'],
    [{ memory: true }, "memory", "Invalid option memory = true: the options of memory must be an object"],
    [
      { memory: { maxEntries: 0 } },
      "memory.maxEntries",
      "Invalid option memory.maxEntries = 0: it must be a whole number of at least 1, or Infinity",
    ],
    [{ memory: { maxEntries: 1.5 } }, "memory.maxEntries", "Invalid option memory.maxEntries = 1.5"],
    [{ memory: { maxBytes: "1MB" } }, "memory.maxBytes", 'Invalid option memory.maxBytes = "1MB"'],
    [{ memory: { sizeOf: 1 } }, "memory.sizeOf", "Invalid option memory.sizeOf = 1: it must be a function"],
    [
      { memory: { max: 1 } },
      "memory.max",
      "Invalid option memory.max = 1: memory has no such option; it has maxBytes, maxEntries, sizeOf",
    ],
    [{ staleness: { bound: -1 } }, "staleness.bound", "Invalid option staleness.bound = -1: it must not be negative"],
    [
      { staleness: { whenUnsure: "guess" } },
      "staleness.whenUnsure",
      'Invalid option staleness.whenUnsure = "guess": it must be one of "load", "serve", "throw"',
    ],
    [{ ackTimeout: "x" }, "ackTimeout", 'Invalid option ackTimeout = "x"'],
    [{ maxLoads: 0 }, "maxLoads", "Invalid option maxLoads = 0: it must be a whole number of at least 1, or Infinity"],
    [{ enabled: "yes" }, "enabled", 'Invalid option enabled = "yes": it must be true or false'],
    [{ redefine: true }, "redefine", 'Invalid option redefine = true: it must be one of "error", "replace", "share"'],
    [{ redefine: false }, "redefine", 'it must be one of "error", "replace", "share"'],
    [{ name: "" }, "name", 'Invalid option name = "": it must be a string of 1 to 200 characters'],
    [{ onFault: "log" }, "onFault", 'Invalid option onFault = "log": it must be a function'],
    [{ random: 4 }, "random", "Invalid option random = 4: it must be a function"],
    [
      { log: {} },
      "log",
      "Invalid option log = an object (Object): it must have `local`, `append`, `pull`, `listen` and `close`",
    ],
    [{ clock: {} }, "clock", "Invalid option clock = an object (Object)"],
  ])("%j throws", (options, subject, message) => {
    expect(() => createCache(options as CacheOptions)).toThrow(
      expect.objectContaining({
        code: "ERR_ZOOCACHE_INVALID_OPTION",
        name: "InvalidOptionError",
        subject,
        message: expect.stringContaining(message),
      }),
    )
  })

  test("the caller's options are not changed", () => {
    const options = Object.freeze({ ttl: "1h", memory: Object.freeze({ maxEntries: 10 }) } as const)
    expect(() => createCache(options)).not.toThrow()
  })
})

describe("options of functions", () => {
  const cases: [unknown, string, string][] = [
    [{ tll: 1 }, "tll", "Invalid option tll = 1: cacheable has no such option; it has"],
    [null, "options", "Invalid option options = null: the options of cacheable must be an object"],
    [[], "options", "Invalid option options = an array of 0: the options of cacheable must be an object"],
    [
      { name: "" },
      "name",
      'Invalid option name = "": it must be a string of 1 to 200 characters without control characters',
    ],
    [{ name: "a\nb" }, "name", 'Invalid option name = "a\\nb"'],
    [{ name: "x".repeat(201) }, "name", "it must be a string of 1 to 200 characters"],
    [{ name: 42 }, "name", "Invalid option name = 42"],
    [{ version: Number.NaN }, "version", "Invalid option version = NaN: it must be a string or a number"],
    [{ version: {} }, "version", "Invalid option version = an object (Object): it must be a string or a number"],
    [
      { deps: "user" },
      "deps",
      'Invalid option deps = "user": it must be an array of tags, or a function that returns one',
    ],
    [{ deps: [1] }, "deps", "Invalid option deps = an array of 1"],
    [{ depsOf: [] }, "depsOf", "Invalid option depsOf = an array of 0: it must be a function"],
    [{ key: "id" }, "key", 'Invalid option key = "id": it must be a function'],
    [{ cacheIf: true }, "cacheIf", "Invalid option cacheIf = true: it must be a function"],
    [{ sizeOf: 1 }, "sizeOf", "Invalid option sizeOf = 1: it must be a function"],
    [{ cacheErrors: true }, "cacheErrors", "Invalid option cacheErrors = true"],
    [{ cacheErrors: "soon" }, "cacheErrors", 'Invalid option cacheErrors = "soon"'],
    [{ ttl: "soon" }, "ttl", 'Invalid option ttl = "soon"'],
    [{ grace: -1 }, "grace", "Invalid option grace = -1: it must not be negative"],
    [{ timeout: 0 }, "timeout", "Invalid option timeout = 0"],
    [{ isolation: "none" }, "isolation", 'Invalid option isolation = "none"'],
  ]
  const kinds: [string, (cache: Cache, options: never) => unknown][] = [
    ["cacheable", (cache, options) => cache.cacheable(async () => 1, options)],
    ["cacheableSync", (cache, options) => cache.cacheableSync(() => 1, options)],
    ["cacheableMany", (cache, options) => cache.cacheableMany(async () => new Map(), options)],
  ]
  describe.each(kinds)("%s", (_kind, make) => {
    test.each(cases)("%j throws", (options, subject, message) => {
      const { cache } = makeCache()
      expect(() => make(cache, options as never)).toThrow(
        expect.objectContaining({
          code: "ERR_ZOOCACHE_INVALID_OPTION",
          subject,
          message: expect.stringContaining(message),
        }),
      )
    })
  })

  test("getOrLoad rejects for the same, and for what says which call it is: its key does", async () => {
    const { cache } = makeCache()
    for (const options of [
      { tll: 1 },
      { ttl: "soon" },
      { deps: "user" },
      null,
      { name: "x" },
      { version: 2 },
      { key: () => 1 },
    ]) {
      const error = await errorOf(() => cache.getOrLoad("key", () => 1, options as never))
      expect(error, JSON.stringify(options)).toBeInstanceOf(InvalidOptionError)
    }
    expect(await cache.lookup("key")).toBeUndefined()
  })

  test.each([0, -1, 1.5, "10"])("maxBatch: %j throws", (maxBatch) => {
    const { cache } = makeCache()
    expect(() => cache.cacheableMany(async () => new Map(), { maxBatch: maxBatch as number })).toThrow(
      expect.objectContaining({
        subject: "maxBatch",
        message: expect.stringContaining("it must be a whole number of at least 1"),
      }),
    )
  })
})

describe("options that other caches call otherwise", () => {
  const takers: readonly (readonly [string, (options: object) => unknown])[] = [
    ["createCache", (options) => createCache(options)],
    ["configure", (options) => configure(options)],
    ["cacheable", (options) => makeCache().cache.cacheable(async () => 1, options)],
    ["cacheableSync", (options) => makeCache().cache.cacheableSync(() => 1, options)],
    ["cacheableMany", (options) => makeCache().cache.cacheableMany(async () => new Map(), options)],
    ["the default cacheable", (options) => cacheable(async () => 1, options)],
    ["set", (options) => makeCache().cache.set("k", 1, options)],
    ["setMany", (options) => makeCache().cache.setMany([["k", 1, options]])],
    ["getOrLoad", (options) => makeCache().cache.getOrLoad("k", () => 1, options)],
  ]
  const hintOf = async (take: (options: object) => unknown, name: string) => {
    const { message } = (await errorOf(async () => take({ [name]: 1 }))) as Error
    return /(Did you mean .*|No option .*)$/.exec(message)?.[1]
  }
  const caches = ["createCache", "configure"]

  test.each(takers)("%s tells what its own names are", async (taker, take) => {
    const isCache = caches.includes(taker)
    for (const name of ["tags", "tag", "dependencies", "dependsOn"]) {
      expect(await hintOf(take, name), name).toBe(isCache ? undefined : "Did you mean `deps`?")
    }
    for (const name of ["ttlMs", "expiresIn", "maxAge"]) {
      expect(await hintOf(take, name), name).toBe("Did you mean `ttl`?")
    }
    for (const name of ["max", "maxSize", "maxEntries"]) {
      expect(await hintOf(take, name), name).toBe(isCache ? "Did you mean `memory: { maxEntries }`?" : undefined)
    }
    expect(await hintOf(take, "invalidates")).toBe(
      "No option invalidates: call `cache.invalidate(...tags)` after the change",
    )
  })
})

/** Every misuse is told at once, by an error with a class, a code, a subject and a text that says what to do. */
import { describe, expect, test } from "vitest"
import {
  type Cache,
  type CacheOptions,
  createCache,
  InvalidKeyError,
  InvalidOptionError,
  InvalidTagError,
  InvalidTokenError,
  tag,
} from "zoocache"
import { makeCache, rejectionOf } from "./support/caches.js"

/** What a call throws, or what its promise is rejected with. */
async function errorOf(call: () => unknown): Promise<unknown> {
  let result: unknown
  try {
    result = call()
  } catch (error) {
    return error
  }
  return rejectionOf(Promise.resolve(result))
}

describe("tags", () => {
  test.each<[unknown, string]>([
    ["", 'Invalid tag "": it is empty'],
    [":", 'Invalid tag ":": segment 1 is empty'],
    ["a::b", 'Invalid tag "a::b": segment 2 is empty'],
    ["a:", 'Invalid tag "a:": segment 2 is empty'],
    ["user 42", 'Invalid tag "user 42": a tag has no white space (U+0020)'],
    ["user:*", 'Invalid tag "user:*": a tag has no `*`: it already covers everything below it'],
    ["a\0", 'Invalid tag "a\\u0000": a tag has no control characters (U+0000)'],
    ["a\ud800", 'Invalid tag "a\\ud800": a lone surrogate has no UTF-8 encoding, so it can\'t be sent'],
    ["x".repeat(257), `Invalid tag "${"x".repeat(76)}...: it is longer than 256 bytes in UTF-8`],
    [
      Array.from({ length: 17 }, () => "s").join(":"),
      'Invalid tag "s:s:s:s:s:s:s:s:s:s:s:s:s:s:s:s:s": it has 17 segments, at most 16 are allowed',
    ],
    [undefined, "Invalid tag undefined: a tag is a string"],
    [null, "Invalid tag null: a tag is a string"],
    [42, "Invalid tag 42: a tag is a string"],
    [{ id: 1 }, "Invalid tag an object (Object): a tag is a string"],
  ])("%j is refused everywhere with the same text", async (bad, message) => {
    const { cache } = makeCache()
    const given = bad as string
    const calls: (() => unknown)[] = [
      () => cache.invalidate(given),
      () => cache.invalidate([given]),
      () => cache.expire("fine", given),
      () => cache.tagVersion(given),
      () => cache.scope(given),
      () => cache.collect().add(given),
      () => cache.transaction(() => cache.invalidate(given)),
      () => cache.getOrLoad("key", (load) => load.addDeps(given)),
    ]
    if (typeof bad === "string") {
      calls.push(
        () => cache.set("key", 1, { deps: [given] }),
        () => cache.cacheable(async () => 1, { deps: [given] })(),
        () => cache.cacheable(async () => 1, { deps: () => [given] })(),
      )
    }
    for (const call of calls) {
      const error = await errorOf(call)
      expect(error).toBeInstanceOf(InvalidTagError)
      expect(error).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_TAG", message, name: "InvalidTagError" })
    }
  })

  test.each<[string, () => string, string]>([
    [
      "null",
      () => tag`user:${null as never}`,
      'Invalid tag null: the value after "user:" is null; pass a string, number, bigint or boolean',
    ],
    [
      "undefined",
      () => tag`user:${undefined as never}`,
      'Invalid tag undefined: the value after "user:" is undefined; pass a string, number, bigint or boolean',
    ],
    ["the empty string", () => tag`user:${""}`, 'Invalid tag "": the value after "user:" is the empty string'],
    ["NaN", () => tag`user:${Number.NaN}`, 'Invalid tag NaN: the value after "user:" is not a finite number'],
    [
      "an object",
      () => tag`${{} as never}`,
      'Invalid tag an object (Object): the value after "the start" is of type object; pass a string, number, bigint or boolean',
    ],
  ])("`tag` refuses %s", (_name, call, message) => {
    expect(call).toThrow(expect.objectContaining({ code: "ERR_ZOOCACHE_INVALID_TAG", message }))
  })
})

describe("keys", () => {
  test.each<[unknown, string]>([
    ["", 'Invalid key "": it is empty'],
    [undefined, "Invalid key undefined: a key is a string"],
    [42, "Invalid key 42: a key is a string"],
    ["ƒ:getUser", 'Invalid key "ƒ:getUser": keys that begin with "ƒ:" are those that keyOf returns'],
    ["ƒ:getUser::01", 'Invalid key "ƒ:getUser::01": it is not the canonical encoding of its arguments'],
    ["ƒ:getUser::{", 'Invalid key "ƒ:getUser::{": it encodes no arguments'],
    ["ƒ:a b::1", 'Invalid key "ƒ:a b::1": a b is no name or version that keyOf writes'],
    ["ƒscope:a", 'Invalid key "ƒscope:a": keys that begin with `ƒscope:` are reserved'],
  ])("%j is refused everywhere with the same text", async (bad, message) => {
    const { cache } = makeCache()
    const key = bad as string
    const calls: (() => unknown)[] = [
      () => cache.get(key),
      () => cache.lookup(key),
      () => cache.has(key),
      () => cache.getMany([key]),
      () => cache.set(key, 1),
      () =>
        cache.setMany([
          ["fine", 1],
          [key, 1],
        ]),
      () => cache.delete("fine", key),
      () => cache.getOrLoad(key, () => 1),
      () => cache.explain(key),
    ]
    for (const call of calls) {
      const error = await errorOf(call)
      expect(error).toBeInstanceOf(InvalidKeyError)
      expect(error).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_KEY", message })
    }
  })

  test.each<[string, unknown[], string]>([
    ["a function", [() => 1], "args[0] is a function, which has no content to compare"],
    ["a symbol inside", [1, { a: [Symbol("s")] }], "args[1].a[0] is a symbol, which has no content to compare"],
    [
      "a cycle",
      [
        (() => {
          const a: unknown[] = []
          a.push(a)
          return a
        })(),
      ],
      "args[0][0] contains itself",
    ],
  ])("%s as an argument is refused with its place and a hint", async (_name, args, reason) => {
    const { cache } = makeCache()
    const load = cache.cacheable(async (..._args: unknown[]) => 1)
    for (const call of [
      () => load(...args),
      () => load.keyOf(...args),
      () => load.delete(...args),
      () => load.peek(...args),
    ]) {
      expect(await errorOf(call)).toMatchObject({
        code: "ERR_ZOOCACHE_INVALID_KEY",
        message: expect.stringContaining(`: ${reason}. Pass \`key: (...args) => ...\``),
      })
    }
  })
})

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
    [{ redefine: 1 }, "redefine", "Invalid option redefine = 1: it must be true or false"],
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

describe("loaders that are no function", () => {
  test.each([null, 42, "loader", {}, Promise.resolve(1)])("%s", async (given) => {
    const { cache } = makeCache()
    const loader = given as unknown as () => number
    const calls: (() => unknown)[] = [
      () => cache.cacheable(loader, { name: "load" }),
      () => cache.cacheableSync(loader),
      () => cache.cacheableMany(loader as never),
      () => cache.getOrLoad("key", loader),
    ]
    for (const call of calls) {
      expect(await errorOf(call)).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_OPTION", subject: "loader" })
    }
  })

  test("undefined with options is a loader that was forgotten, not a decorator", () => {
    const { cache } = makeCache()
    expect(() => cache.cacheable(undefined as never, { name: "load" })).toThrow(
      expect.objectContaining({ code: "ERR_ZOOCACHE_INVALID_OPTION", subject: "loader" }),
    )
  })

  test("a transaction without a function rejects", async () => {
    const { cache } = makeCache()
    expect(await errorOf(() => cache.transaction(undefined as never))).toMatchObject({
      code: "ERR_ZOOCACHE_INVALID_OPTION",
    })
  })
})

describe("other arguments", () => {
  test.each<[string, (cache: Cache) => unknown, string, string]>([
    [
      "set, option",
      (cache) => cache.set("key", 1, { tll: 1 } as never),
      "tll",
      "Invalid option tll = 1: set has no such option; it has asOf, deps, ttl",
    ],
    [
      "set, options",
      (cache) => cache.set("key", 1, "1h" as never),
      "options",
      'Invalid option options = "1h": the options of set must be an object',
    ],
    [
      "set, deps",
      (cache) => cache.set("key", 1, { deps: "t" as never }),
      "deps",
      'Invalid option deps = "t": it must be an array of tags',
    ],
    ["set, ttl", (cache) => cache.set("key", 1, { ttl: "soon" as never }), "ttl", 'Invalid option ttl = "soon"'],
    [
      "set, asOf",
      (cache) => cache.set("key", 1, { asOf: 12 as never }),
      "asOf",
      "Invalid option asOf = 12: it must be what `cache.position()` of this cache returned",
    ],
    ["setMany", (cache) => cache.setMany("key" as never), "items", 'Invalid option items = "key": it must be an array'],
    ["setMany, item", (cache) => cache.setMany([1] as never), "items", "Invalid option items"],
    ["getMany", (cache) => cache.getMany("key" as never), "keys", 'Invalid option keys = "key": it must be an array'],
    [
      "invalidate, option",
      (cache) => cache.invalidate(["t"], { wiat: false } as never),
      "wiat",
      "Invalid option wiat = false: invalidate has no such option; it has signal, wait",
    ],
    [
      "expire, option",
      (cache) => cache.expire(["t"], { wiat: false } as never),
      "wiat",
      "Invalid option wiat = false: expire has no such option; it has signal, wait",
    ],
    [
      "sync, option",
      (cache) => cache.sync(undefined, { timeuot: 1 } as never),
      "timeuot",
      "Invalid option timeuot = 1: sync has no such option; it has signal, timeout",
    ],
    [
      "sync, timeout",
      (cache) => cache.sync(undefined, { timeout: "soon" as never }),
      "timeout",
      'Invalid option timeout = "soon"',
    ],
    ["prune", (cache) => cache.prune("old" as never), "age", 'Invalid option age = "old"'],
    ["prune, negative", (cache) => cache.prune(-1), "age", "Invalid option age = -1: it must not be negative"],
    [
      "with",
      (cache) => cache.cacheable(async () => 1).with({ fersh: true } as never),
      "fersh",
      "Invalid option fersh = true: with has no such option; it has fresh, signal",
    ],
    [
      "with, nothing",
      (cache) => cache.cacheable(async () => 1).with(undefined as never),
      "with",
      "Invalid option with = undefined: it must be an object with `signal`, `fresh` or both",
    ],
    [
      "many",
      (cache) => cache.cacheableMany(async () => new Map())(1 as never),
      "ids",
      "Invalid option ids = 1: it must be an array of ids; use `.one(id)` for a single one",
    ],
    [
      "setTtl",
      (cache) => cache.getOrLoad("key", (load) => load.setTtl("soon" as never)),
      "ttl",
      'Invalid option ttl = "soon"',
    ],
  ])("%s", async (_name, call, subject, message) => {
    const { cache } = makeCache()
    const error = await errorOf(() => call(cache))
    expect(error).toBeInstanceOf(InvalidOptionError)
    expect(error).toMatchObject({ subject, message: expect.stringContaining(message) })
  })

  test("a token that no log has made", async () => {
    const { cache } = makeCache()
    const error = await errorOf(() => cache.sync("yesterday"))
    expect(error).toBeInstanceOf(InvalidTokenError)
    expect(error).toMatchObject({
      code: "ERR_ZOOCACHE_INVALID_TOKEN",
      message: 'Invalid token "yesterday": tokens are what `invalidate` and its kin return',
    })
  })

  test("the same name twice", () => {
    const { cache } = makeCache({ redefine: false })
    cache.cacheable(async () => 1, { name: "load" })
    expect(() => cache.cacheable(async () => 1, { name: "load" })).toThrow(
      expect.objectContaining({
        code: "ERR_ZOOCACHE_DUPLICATE_NAME",
        subject: "load",
        message:
          'The name "load" is taken by another cached function of this cache. Give one of them another `name`, ' +
          "or create the cache with `redefine: true` if a later definition should replace the earlier one (hot reload).",
      }),
    )
  })
})

test("calls after close say what was called", async () => {
  const { cache } = makeCache()
  const load = cache.cacheable(async () => 1)
  await cache.close()
  const calls: [string, () => Promise<unknown>][] = [
    ["invalidate", () => cache.invalidate("t")],
    ["expire", () => cache.expire("t")],
    ["clear", () => cache.clear()],
    ["get", () => cache.get("key")],
    ["set", () => cache.set("key", 1)],
    ["delete", () => cache.delete("key")],
    ["getOrLoad", () => cache.getOrLoad("key", () => 1)],
    ["sync", () => cache.sync()],
    ["transaction", () => cache.transaction(() => 1)],
    ["ready", () => cache.ready()],
    ["delete", () => load.delete()],
    ["clear", () => load.clear()],
  ]
  for (const [what, call] of calls) {
    expect(await errorOf(call)).toMatchObject({
      code: "ERR_ZOOCACHE_CLOSED",
      subject: what,
      message: `${what} was called after close(). Create a new cache, or call it before closing.`,
    })
  }
})

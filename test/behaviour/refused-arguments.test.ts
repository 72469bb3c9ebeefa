/** Each misuse is told at once, by an error with a class, a code, a subject and a text that says what to do. */
import { describe, expect, test } from "vitest"
import { type Cache, InvalidOptionError, InvalidTokenError } from "zoocache"
import { errorOf, makeCache } from "../support/caches.js"

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
    const { cache } = makeCache()
    cache.cacheable(async () => 1, { name: "load" })
    expect(() => cache.cacheable(async () => 1, { name: "load" })).toThrow(
      expect.objectContaining({
        code: "ERR_ZOOCACHE_DUPLICATE_NAME",
        subject: "load",
        message: expect.stringMatching(
          /^The name "load" is taken by another cached function of this cache at \S+:\d+:\d+; this one is defined at \S+:\d+:\d+\. .*`redefine: "share"`/,
        ),
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

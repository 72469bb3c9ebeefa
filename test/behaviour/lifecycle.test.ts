/** The life of a cache: ready, sync and tokens, close, the process that must exit; and the default cache. */
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest"
import * as zoocache from "zoocache"
import { CacheClosedError, createCache } from "zoocache"
import { InProcessLog } from "zoocache/backend"
import { checkInvariants, ManualClock, settled } from "zoocache/testing"
import { makeCache, makeShared, rejectionOf, stateOf, steered } from "../support/caches.js"
import { program } from "../support/program.js"

describe("sync", () => {
  test("resolves for tokens of this cache, and without one", async () => {
    const { cache } = makeCache()
    const tokens = [await cache.invalidate("a"), await cache.set("b", 1), await cache.delete("b"), await cache.clear()]
    for (const token of tokens) await cache.sync(token)
    await cache.sync()
    expect(new Set(tokens).size).toBe(4)
  })

  test("rejects a version that the log does not know, and changes nothing", async () => {
    const { cache } = makeCache()
    const token = (await cache.invalidate("a")) as string
    const { cursor } = cache.status()
    const parts = token.split(".")
    const later = [...parts.slice(0, 3), String(Number(parts[3]) + 1_000_000), parts[4]].join(".")
    expect(await rejectionOf(cache.sync(later))).toMatchObject({
      code: "ERR_ZOOCACHE_INVALID_TOKEN",
      message: `Invalid token ${JSON.stringify(later)}: this log has not reached its version; was the token made by this log?`,
    })
    expect(cache.status().cursor).toBe(cursor)
    await cache.set("key", 1)
    expect(await cache.get("key")).toBe(1)
  })

  test("rejects the token of another cache", async () => {
    const { cache } = makeCache()
    const clock = new ManualClock(Date.UTC(2026, 5, 1))
    const { cache: other } = makeCache({ clock })
    await cache.invalidate("a")
    expect(await rejectionOf(cache.sync(await other.invalidate("a")))).toMatchObject({
      code: "ERR_ZOOCACHE_INVALID_TOKEN",
      message: expect.stringContaining("this log knows no such epoch"),
    })
  })

  test.each([
    "",
    "zc1",
    "zc1.a.b.1",
    "zc2.a.b.1.1",
    "zc1.a.b.1.1.1",
    "zc1.A.b.1.1",
    "zc1.a.b c.1.1",
    "zc1.a.b.-1.1",
    "zc1.a.b.1.1024",
    "zc1.a.b.01.1",
    "zc1.a.b.9999999999999.1",
    "zc1.zzzzzzzzzzz.b.1.1",
    "x".repeat(10_000),
    42,
    null,
    {},
  ])("rejects %j, which no log has made", async (token) => {
    const { cache } = makeCache()
    expect(await rejectionOf(cache.sync(token as string))).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_TOKEN" })
  })

  test("on a shared log pulls what is not there yet", async () => {
    const { cache, log } = await makeShared()
    await cache.set("key", 1, { deps: ["t"] })
    log.pulls = "hold"
    const reached = cache.sync()
    expect(await stateOf(reached)).toBe("pending")
    await log.release()
    expect(await stateOf(reached)).toEqual({ value: undefined })
  })

  test("gives up after its timeout, or when its signal says so", async () => {
    const { cache, clock, log } = await makeShared()
    log.pulls = "hold"
    const slow = rejectionOf(cache.sync(undefined, { timeout: "1s" }))
    await clock.advanceAsync(1_000)
    expect(await slow).toMatchObject({
      code: "ERR_ZOOCACHE_SYNC_TIMEOUT",
      message: "The log was not applied up to its head within 1000 ms.",
    })
    const controller = new AbortController()
    const leaving = rejectionOf(cache.sync(undefined, { signal: controller.signal }))
    const reason = new Error("gone")
    controller.abort(reason)
    expect(await leaving).toBe(reason)
    log.pulls = "answer"
    await log.release()
  })

  test("inside a load that another waits for does not hang", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(async () => {
      await cache.sync()
      return 1
    })
    expect(await Promise.all([load(), load()])).toEqual([1, 1])
  })
})

describe("close", () => {
  test("ends the cache: loaders still run, everything else rejects", async () => {
    const { cache } = makeCache()
    const loader = vi.fn(async (id: number) => id)
    const load = cache.cacheable(loader)
    const many = cache.cacheableMany(async (ids: readonly number[]) => ids.map((id) => id * 2))
    const once = cache.cacheableSync(() => 1)
    const collector = cache.collect()
    collector.add("t")
    await load(1)
    await cache.close()
    expect(await load(1)).toBe(1)
    expect(await load.refresh(1)).toBe(1)
    expect(await load.with({})(1)).toBe(1)
    expect(loader).toHaveBeenCalledTimes(4)
    expect(await many([1, 2])).toEqual(
      new Map([
        [1, 2],
        [2, 4],
      ]),
    )
    expect(once()).toBe(1)
    expect(load.peek(1)).toBeUndefined()
    const refused: Record<string, () => Promise<unknown>> = {
      invalidate: () => cache.invalidate("t"),
      expire: () => cache.expire("t"),
      clear: () => cache.clear(),
      set: () => cache.set("key", 1),
      setMany: () => cache.setMany([["key", 1]]),
      get: () => cache.get("key"),
      lookup: () => cache.lookup("key"),
      has: () => cache.has("key"),
      getMany: () => cache.getMany(["key"]),
      delete: () => cache.delete("key"),
      getOrLoad: () => cache.getOrLoad("key", () => 1),
      sync: () => cache.sync(),
      transaction: () => cache.transaction(() => 1),
      ready: () => cache.ready(),
      commit: () => collector.commit(),
      "load.delete": () => load.delete(1),
      "load.clear": () => load.clear(),
      "many.delete": () => many.delete(1),
    }
    for (const [name, call] of Object.entries(refused)) {
      expect(await rejectionOf(call()), name).toBeInstanceOf(CacheClosedError)
    }
  })

  test("twice is fine, also at the same time, and through `await using`", async () => {
    const cache = createCache()
    await Promise.all([cache.close(), cache.close()])
    await cache[Symbol.asyncDispose]()
    checkInvariants(cache)
    let kept: zoocache.Cache
    {
      await using disposed = createCache()
      kept = disposed
    }
    expect(kept.status().state).toBe("closed")
  })

  test("leaves no timer behind", async () => {
    const { cache, clock } = makeCache()
    const source = steered<number>()
    const load = cache.cacheable(source.loader, { ttl: "1m", grace: "1h", timeout: { soft: "10s", hard: "1m" } })
    const first = load()
    source.last.resolve(1)
    await first
    await cache.set("key", 1, { ttl: "1m" })
    clock.advance(61_000)
    const second = load()
    await cache.close()
    expect(clock.keepingAlive, "a load may still time out, but the process may end before").toBe(0)
    source.last.resolve(2)
    expect(await second).toBe(2)
    await settled()
    expect(clock.timers).toBe(0)
  })

  test("does not leave callers of running loads, or of queued ones, hanging", async () => {
    const { cache, clock } = makeCache({ maxLoads: 1 })
    const hung = cache.cacheable(() => new Promise<never>(() => {}), { name: "hung", timeout: "1s" })
    const queued = cache.cacheable(async () => 1, { name: "queued" })
    const first = rejectionOf(hung())
    const second = queued()
    await cache.close()
    clock.advance(1_001)
    expect(await first).toMatchObject({ code: "ERR_ZOOCACHE_LOAD_TIMEOUT" })
    expect(await second).toBe(1)
  })

  test("rejects what the log has not acknowledged", async () => {
    const { cache, log } = await makeShared()
    log.appends = "hold"
    const invalidated = rejectionOf(cache.invalidate("t"))
    await cache.close()
    expect(await invalidated).toMatchObject({
      code: "ERR_ZOOCACHE_NOT_ACKNOWLEDGED",
      message: expect.stringContaining("the cache was closed"),
    })
  })

  test("callers of a load that is under way get its result", async () => {
    const { cache } = makeCache()
    const source = steered<number>()
    const load = cache.cacheable(source.loader)
    const calls = [load(), load()]
    await cache.close()
    source.last.resolve(1)
    expect(await Promise.all(calls)).toEqual([1, 1])
    expect(cache.stats().entries).toBe(0)
  })
})

describe("a process", () => {
  const run = promisify(execFile)
  const script = (body: string) => `
    import { createCache } from ${JSON.stringify(program("library"))}
    const cache = createCache({ ttl: "1h", idleTtl: "1h", grace: "1h" })
    const load = cache.cacheable(async (id) => id, { deps: ["t"], timeout: { soft: "10m", hard: "20m" } })
    await load(1)
    await cache.set("key", 1, { ttl: "10m" })
    await cache.invalidate("t")
    await load(1)
    ${body}
    console.log("done")
  `
  test.each([
    ["that closed its cache exits by itself", "await cache.close()"],
    ["that did not close its cache exits by itself all the same", ""],
    [
      "with a load that never settles exits by itself after close",
      "void load(2); cache.cacheable(() => new Promise(() => {}))(); await cache.close()",
    ],
  ])("%s", async (_name, body) => {
    const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", script(body)])
    expect(stdout).toBe("done\n")
  })
})

describe("the default cache", () => {
  beforeEach(() => zoocache.reset())
  afterEach(() => zoocache.reset())

  test("works without any configuration", async () => {
    const getUser = zoocache.cacheable(async (id: number) => ({ id }), { deps: (id) => [`user:${id}`] })
    const user = await getUser(1)
    expect(await getUser(1)).toBe(user)
    await zoocache.invalidate("user:1")
    expect(await getUser(1)).not.toBe(user)
  })

  test("a function may be wrapped before configure and follows it", async () => {
    const clock = new ManualClock()
    const load = zoocache.cacheable(async () => ({}))
    zoocache.configure({ ttl: "10s", clock })
    const first = await load()
    expect(await load()).toBe(first)
    clock.advance(11_000)
    expect(await load()).not.toBe(first)
  })

  test("configure twice with the same settings is fine, with others it throws", () => {
    zoocache.configure({ ttl: "1h", memory: { maxEntries: 10 } })
    zoocache.configure({ memory: { maxEntries: 10 }, ttl: "1h" })
    const others = [
      [{ ttl: "2h" }, "ttl"],
      [{}, "ttl"],
      [{ ttl: "1h", memory: { maxEntries: 11 } }, "memory"],
      [{ ttl: "1h", memory: { maxEntries: 10 }, redefine: "share" }, "redefine"],
    ] as const
    vi.stubEnv("NODE_ENV", "production")
    for (const [options, option] of others) {
      expect(() => zoocache.configure(options)).toThrow(
        expect.objectContaining({
          code: "ERR_ZOOCACHE_CONFIGURATION",
          message: expect.stringContaining(
            `The default cache is configured already, with another \`${option}\`. Configure it in one place, or \`await reset()\` first.`,
          ),
        }),
      )
    }
  })

  test("configure twice with functions of the same text is fine, with others it throws", () => {
    const configure = () => zoocache.configure({ onFault: () => {}, memory: { sizeOf: () => 1 } })
    configure()
    expect(configure).not.toThrow()
    expect(() => zoocache.configure({ onFault: () => {}, memory: { sizeOf: () => 2 } })).toThrow("another `memory`")
  })

  test('configure with other settings and `redefine: "replace"` begins anew, and wrapped functions follow', async () => {
    zoocache.configure({ redefine: "replace", ttl: "1h" })
    const load = zoocache.cacheable(async () => 1, { name: "load", deps: ["row"] })
    await load()
    const earlier = zoocache.defaultCache()
    zoocache.configure({ redefine: "replace", ttl: "2h" })
    expect(load.peek()).toBeUndefined()
    await load()
    expect(load.peek()).toBe(1)
    expect(zoocache.defaultCache()).not.toBe(earlier)
    await expect(earlier.get("key")).rejects.toBeInstanceOf(CacheClosedError)
  })

  test("the default cache has no name", () => {
    expect(() => zoocache.configure({ name: "app" } as never)).toThrow(
      expect.objectContaining({ code: "ERR_ZOOCACHE_INVALID_OPTION", subject: "name" }),
    )
  })

  test("configure after the first use throws, unless it was configured so before", async () => {
    await zoocache.set("key", 1)
    expect(() => zoocache.configure({ ttl: "1h" })).toThrow(
      expect.objectContaining({
        code: "ERR_ZOOCACHE_CONFIGURATION",
        message:
          "The default cache has been used already. Call `configure` before the first use, or `await reset()` first.",
      }),
    )
    await zoocache.reset()
    zoocache.configure({ ttl: "1h" })
    await zoocache.set("key", 1)
    expect(() => zoocache.configure({ ttl: "1h" })).not.toThrow()
  })

  test("a bad option throws and configures nothing", () => {
    expect(() => zoocache.configure({ ttl: "soon" as never })).toThrow(
      expect.objectContaining({ code: "ERR_ZOOCACHE_INVALID_OPTION" }),
    )
    expect(() => zoocache.configure({ ttl: "1h" })).not.toThrow()
  })

  test("reset closes it and allows a new start; wrapped functions follow", async () => {
    const before = zoocache.defaultCache()
    const load = zoocache.cacheable(async () => ({}))
    const first = await load()
    await zoocache.reset()
    expect(before.status().state).toBe("closed")
    expect(await load()).not.toBe(first)
    expect(zoocache.defaultCache()).not.toBe(before)
  })

  test("has every function at the root", async () => {
    await zoocache.set("a", 1, { deps: ["t"] })
    await zoocache.setMany([["b", 2]])
    expect(await zoocache.get("a")).toBe(1)
    expect(await zoocache.lookup("b")).toMatchObject({ value: 2, state: "fresh" })
    expect(await zoocache.has("c")).toBe(false)
    expect((await zoocache.getMany(["a", "b"])).size).toBe(2)
    expect(await zoocache.getOrLoad("c", () => 3)).toBe(3)
    await zoocache.del("b")
    await zoocache.expire("t")
    expect(await zoocache.has("a")).toBe(false)
    const token = await zoocache.invalidate("t")
    await zoocache.sync(token)
    expect(zoocache.tagVersion("t")).toBeGreaterThan(0)
    expect(await zoocache.transaction(() => 1)).toBe(1)
    zoocache.collect().add("t")
    await zoocache.set("d", 1, { asOf: zoocache.position() })
    await zoocache.scope("s").set("d", 1)
    expect(zoocache.explain("d").state).toBe("fresh")
    expect(zoocache.status().state).toBe("ready")
    expect(zoocache.stats().entries).toBeGreaterThan(0)
    expect(zoocache.prune()).toEqual({ tags: expect.any(Number), entries: expect.any(Number) })
    await zoocache.clear()
    expect(await zoocache.has("d")).toBe(false)
    const many = zoocache.cacheableMany(async (ids: readonly number[]) => ids.map((id) => id))
    expect(await many.one(1)).toBe(1)
    expect(many.peek(1)).toBe(1)
    const once = zoocache.cacheableSync((id: number) => id)
    expect(once(1)).toBe(1)
    expect(once.keyOf(1)).toMatch(/^ƒ:/)
    const load = zoocache.cacheable(async (id: number) => id, { name: "load" })
    expect(await load.with({ fresh: true })(1)).toBe(1)
    expect(load.keyOf(1)).toBe("ƒ:load::1")
    expect([load.name, load.length]).toEqual(["", 1])
    await load.delete(1)
    await load.clear()
    expect(await load.refresh(1)).toBe(1)
    expect(load.explain(1).state).toBe("fresh")
    checkInvariants(zoocache.defaultCache())
  })

  test("whatever returns a promise rejects and never throws, also where the options are bad", async () => {
    const calls = [
      () => zoocache.invalidate("not a tag"),
      () => zoocache.get(""),
      () => zoocache.set("", 1),
      () => zoocache.getOrLoad("", () => 1),
      () => zoocache.cacheable(async (_argument: unknown) => 1)(() => 1),
    ]
    for (const call of calls) expect(await rejectionOf(call())).toBeInstanceOf(zoocache.ZooCacheError)
  })

  test("wrong options of a function throw where they are given", () => {
    expect(() => zoocache.cacheable(async () => 1, { tll: "1h" } as never)).toThrow(
      expect.objectContaining({ code: "ERR_ZOOCACHE_INVALID_OPTION", subject: "tll" }),
    )
    expect(() => zoocache.cacheableMany(async () => new Map(), { maxBatch: 0 })).toThrow(
      expect.objectContaining({ code: "ERR_ZOOCACHE_INVALID_OPTION", subject: "maxBatch" }),
    )
    expect(() => zoocache.cacheableSync(() => 1, { ttl: "soon" as never })).toThrow()
  })
})

test("two caches that share a log hear each other", async () => {
  const clock = new ManualClock()
  const log = new InProcessLog({ clock, nonce: "shared", maxTags: 100 })
  const { cache: one } = makeCache({ clock, log })
  const { cache: two } = makeCache({ clock, log })
  await one.set("key", 1, { deps: ["t"] })
  await two.set("other", 1, { deps: ["t"] })
  const token = await two.invalidate("t")
  await one.sync(token)
  expect(await one.lookup("key")).toBeUndefined()
  await one.set("other", 2)
  expect(await two.lookup("other")).toBeUndefined()
})

import { describe, expect, test } from "vitest"
import { tag } from "zoocache"
import { settled } from "zoocache/testing"
import { makeCache, makeShared, rejectionOf, stateOf, steered } from "../support/caches.js"

async function withTags(...tags: string[]) {
  const bench = makeCache()
  await bench.cache.setMany(tags.map((name) => [name, name, { deps: [name] }] as const))
  const left = async () => [...(await bench.cache.getMany(tags)).keys()]
  return { ...bench, left }
}

describe("invalidate", () => {
  test("reaches a tag and everything below it, no sibling and no namesake", async () => {
    const { cache, left } = await withTags("user", "user:1", "user:1:posts", "user:2", "users", "use", "org:user:1")
    await cache.invalidate("user:1")
    expect(await left()).toEqual(["user", "user:2", "users", "use", "org:user:1"])
    await cache.invalidate("user")
    expect(await left()).toEqual(["users", "use", "org:user:1"])
  })

  test("takes several tags, as arguments or as a list, and gives them one version", async () => {
    const { cache, left } = await withTags("a", "b", "c", "d", "e")
    const token = await cache.invalidate("a", "b")
    expect(token).toMatch(/^zc1\./)
    expect(cache.tagVersion("a")).toBe(cache.tagVersion("b"))
    await cache.invalidate(["c", "d"], { wait: true })
    expect(await left()).toEqual(["e"])
  })

  test("holds before it returns: its local effect is synchronous", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(async () => 1, { deps: ["t"] })
    await load()
    void cache.invalidate("t")
    expect(load.peek()).toBeUndefined()
  })

  test("of nothing resolves with a token and changes nothing", async () => {
    const { cache, left } = await withTags("a")
    const before = cache.stats().invalidations
    expect(await cache.invalidate()).toMatch(/^zc1\./)
    expect(await cache.invalidate([])).toMatch(/^zc1\./)
    expect(await left()).toEqual(["a"])
    expect(cache.stats().invalidations).toBe(before)
  })

  test("with one bad tag invalidates none of them", async () => {
    const { cache, left } = await withTags("a")
    await expect(cache.invalidate("a", "not a tag")).rejects.toMatchObject({ code: "ERR_ZOOCACHE_INVALID_TAG" })
    await expect(cache.invalidate("a", undefined as never)).rejects.toMatchObject({ code: "ERR_ZOOCACHE_INVALID_TAG" })
    expect(await left()).toEqual(["a"])
  })

  test("understands UUIDs, e-mail addresses and slugs, and what `tag` escapes", async () => {
    const names = [
      "user:0b0e3c1e-52a5-4c1f-9d3e-6a3f2f7a1b2c",
      "mail:ann@example.com",
      "post:hello-world_1.0",
      tag`x:${"a:b c*"}`,
    ]
    const { cache, left } = await withTags(...names)
    for (const [index, name] of names.entries()) {
      await cache.invalidate(name)
      expect(await left()).toEqual(names.slice(index + 1))
    }
  })

  test("of one tag raises its version strictly, and no other's", async () => {
    const { cache } = makeCache()
    let previous = cache.tagVersion("a:b")
    expect(previous).toBe(0)
    for (let index = 0; index < 10; index += 1) {
      await cache.invalidate("a:b")
      expect(cache.tagVersion("a:b")).toBeGreaterThan(previous)
      previous = cache.tagVersion("a:b")
    }
    expect(cache.tagVersion("a:b:c")).toBe(previous)
    expect(cache.tagVersion("a")).toBe(0)
    expect(cache.tagVersion("other")).toBe(0)
  })

  test("an entry stored after it is fresh, and one before it never again", async () => {
    const { cache } = makeCache()
    await cache.invalidate("t")
    await cache.set("key", 1, { deps: ["t"] })
    expect(await cache.get("key")).toBe(1)
    await cache.invalidate("t")
    await cache.invalidate("other")
    expect(await cache.lookup("key")).toBeUndefined()
  })

  test("millions of tags that nothing depends on are forgotten, and what still matters is not", async () => {
    const { cache } = makeCache()
    const source = steered<string>()
    const load = cache.cacheable(source.loader, { depsOf: () => ["late"] })
    const early = load()
    await cache.invalidate("late")
    for (let index = 0; index < 30_000; index += 1) await cache.invalidate(`passing:${index}`)
    source.last.resolve("old")
    await early
    expect(load.peek()).toBeUndefined()
    for (let index = 0; index < 30_000; index += 1) await cache.invalidate(`passing:${index}`)
    expect(cache.stats().tags).toBeLessThan(12_000)
  })
})

describe("expire", () => {
  test("is softer: what it covers counts as past its ttl, so that grace may serve it once more", async () => {
    const { cache } = makeCache({ grace: "1m" })
    let loads = 0
    const load = cache.cacheable(async () => ++loads, { deps: ["t"] })
    await load()
    expect(await cache.expire("t")).toMatch(/^zc1\./)
    expect(load.peek()).toBeUndefined()
    expect(await load()).toBe(1)
    await settled()
    expect(await load()).toBe(2)
  })

  test("reaches below its tags and not beside them, and an invalidation outranks it", async () => {
    const { cache } = makeCache({ grace: "1m" })
    const load = cache.cacheable(async (id: string) => id, { deps: (id) => [id] })
    for (const id of ["a:1", "a:2", "ab"]) await load(id)
    await cache.expire(["a"], {})
    expect([load.peek("a:1"), load.peek("a:2"), load.peek("ab")]).toEqual([undefined, undefined, "ab"])
    expect(load.explain("a:1").state).toBe("expired")
    await cache.invalidate("a:1")
    expect(load.explain("a:1").state).toBe("stale")
    expect(load.explain("a:2").state).toBe("expired")
  })

  test("does not move the version of a tag", async () => {
    const { cache } = makeCache()
    await cache.expire("t")
    expect(cache.tagVersion("t")).toBe(0)
  })
})

describe("clear", () => {
  test("drops everything, twice is fine, and versions don't fall back", async () => {
    const { cache, left } = await withTags("a", "b:1")
    await cache.set("bare", 1)
    await cache.invalidate("a")
    const before = cache.tagVersion("a")
    expect(await cache.clear()).toMatch(/^zc1\./)
    expect(await cache.clear()).toMatch(/^zc1\./)
    expect(await left()).toEqual([])
    expect(await cache.lookup("bare")).toBeUndefined()
    expect(cache.tagVersion("a")).toBeGreaterThan(before)
    expect(cache.tagVersion("never:used")).toBeGreaterThan(before)
  })
})

describe("on a shared log", () => {
  test("an invalidation holds from its call on, and resolves when the log has acknowledged", async () => {
    const { cache, log } = await makeShared()
    const load = cache.cacheable(async () => 1, { name: "load", deps: ["t"] })
    await load()
    log.appends = "hold"
    const invalidated = cache.invalidate("t")
    expect(load.peek()).toBeUndefined()
    await load()
    expect(load.peek()).toBeUndefined()
    expect(await stateOf(invalidated)).toBe("pending")
    expect(cache.status().pending).toBe(1)
    log.appends = "answer"
    await log.release()
    expect(await invalidated).toMatch(/^zc1\./)
    expect(cache.status().pending).toBe(0)
    await load()
    expect(load.peek()).toBe(1)
  })

  test("not acknowledged in time it rejects, holds here, and is repeated until it is", async () => {
    const { cache, clock, log } = await makeShared({ ackTimeout: "1s" })
    const load = cache.cacheable(async () => 1, { name: "load", deps: ["t"] })
    await load()
    log.appends = "fail"
    const error = rejectionOf(cache.invalidate("t"))
    await clock.advanceAsync(1_100, 100)
    expect(await error).toMatchObject({
      code: "ERR_ZOOCACHE_NOT_ACKNOWLEDGED",
      committed: false,
      message:
        "The invalidation of t was not acknowledged: no answer within 1000 ms. It holds in this process and is retried until it is.",
    })
    await load()
    expect(load.peek()).toBeUndefined()
    log.appends = "answer"
    await clock.advanceAsync(10_000, 100)
    expect(cache.status().pending).toBe(0)
    expect(cache.tagVersion("t")).toBeGreaterThan(0)
    await load()
    expect(load.peek()).toBe(1)
  })

  test("wait: false resolves at once, without a token; a missing acknowledgement is a fault", async () => {
    const { cache, clock, faults, log } = await makeShared({ ackTimeout: "1s" })
    log.appends = "hold"
    expect(await cache.invalidate(["t"], { wait: false })).toBeUndefined()
    expect(faults).toEqual([])
    await clock.advanceAsync(1_000)
    expect(faults).toEqual([
      { error: expect.objectContaining({ code: "ERR_ZOOCACHE_NOT_ACKNOWLEDGED" }), key: undefined },
    ])
    log.appends = "answer"
    await log.release()
    await clock.advanceAsync(1_000, 100)
    expect(cache.status().pending).toBe(0)
  })

  test("a signal ends the waiting; the invalidation stays", async () => {
    const { cache, log } = await makeShared()
    log.appends = "hold"
    const controller = new AbortController()
    const invalidated = rejectionOf(cache.invalidate(["t"], { signal: controller.signal }))
    const reason = new Error("enough")
    controller.abort(reason)
    expect(await invalidated).toBe(reason)
    await log.release()
    expect(cache.tagVersion("t")).toBeGreaterThan(0)
    expect(cache.status().pending).toBe(0)
  })

  test("a signal that was aborted before ends the waiting at once; the invalidation is made all the same", async () => {
    const { cache, log } = await makeShared()
    const load = cache.cacheable(async () => 1, { name: "load", deps: ["t"] })
    await load()
    const reason = new Error("the client has gone")
    expect(await rejectionOf(cache.invalidate(["t"], { signal: AbortSignal.abort(reason) }))).toBe(reason)
    await settled()
    expect(load.peek()).toBeUndefined()
    expect(log.arrived).toEqual([[{ kind: "tag", path: "t" }]])
  })

  test("an invalidation elsewhere reaches this process by the doorbell", async () => {
    const { cache, log } = await makeShared()
    const load = cache.cacheable(async () => 1, { name: "load", deps: ["t"] })
    await load()
    log.elsewhere("t")
    expect(load.peek()).toBeUndefined()
  })

  test("a process that hears nothing within the bound stops trusting its cache, and does what was chosen", async () => {
    for (const [whenUnsure, expected] of [
      ["load", { value: 2 }],
      ["serve", { value: 1 }],
      ["throw", { error: expect.objectContaining({ code: "ERR_ZOOCACHE_UNSURE" }) }],
    ] as const) {
      const { cache, clock, log } = await makeShared({ staleness: { bound: "3s", whenUnsure } })
      let loads = 0
      const load = cache.cacheable(async () => ++loads, { name: "load" })
      await load()
      log.pulls = "fail"
      await clock.advanceAsync(4_000, 100)
      expect(cache.status().state).toBe("unsure")
      expect(await stateOf(load())).toEqual(expected)
      log.pulls = "answer"
      await clock.advanceAsync(2_000, 100)
      expect(cache.status().state).toBe("ready")
    }
  })
})

/** Calls that do nothing, silently, because a tag was mistyped or a key given for a tag, are told once. */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest"
import { type Cache, createCache, defineTags, InvalidTagError } from "zoocache"
import { lmdb } from "zoocache/lmdb"
import { FaultyLog, ManualClock, settled } from "zoocache/testing"
import { makeCache } from "../support/caches.js"
import { Machine } from "../support/shared.js"

interface Warned {
  readonly code: string
  readonly text: string
}

let warned: Warned[]

beforeEach(() => {
  warned = []
  vi.spyOn(process, "emitWarning").mockImplementation(((text: string, { type, code }: NodeJS.EmitWarningOptions) => {
    expect(type).toBe("ZooCacheWarning")
    warned.push({ code: code as string, text })
  }) as typeof process.emitWarning)
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

const codes = () => warned.map(({ code }) => code)

async function dependOn(cache: Cache, ...tags: string[]): Promise<void> {
  await cache.getOrLoad(`what depends on ${tags.join(", ")}`, () => 1, { deps: tags })
}

describe("a tag that matches nothing", () => {
  test("is told once, with the name that was probably meant", async () => {
    const { cache } = makeCache()
    await dependOn(cache, "user:42")
    for (let round = 0; round < 3; round += 1) await cache.invalidate("users:42", `users:${round}`)
    expect(codes()).toEqual(["ZOOCACHE_UNKNOWN_TAG"])
    expect(warned[0]?.text).toMatch(/`users`.*Did you mean `user`\?/)
    expect(warned[0]?.text).toMatch('invalidate("users:42")')
  })

  test.each<[string, (cache: Cache, tag: string) => unknown]>([
    ["invalidate", (cache, tag) => cache.invalidate(tag)],
    ["invalidate of a list", (cache, tag) => cache.invalidate([tag], { wait: false })],
    ["expire", (cache, tag) => cache.expire(tag)],
    ["collect", (cache, tag) => cache.collect().add(tag)],
    ["a transaction", (cache, tag) => cache.transaction(() => cache.invalidate(tag))],
  ])("is told by %s", async (_name, call) => {
    const { cache } = makeCache()
    await dependOn(cache, "user:42")
    await call(cache, "user:43")
    expect(warned).toEqual([])
    await call(cache, "usr:42")
    expect(codes()).toEqual(["ZOOCACHE_UNKNOWN_TAG"])
  })

  test("is not told of a name without a near one, nor of one on which something once depended", async () => {
    const { cache } = makeCache()
    await cache.invalidate("users:42")
    await dependOn(cache, "user:42")
    await cache.invalidate("order:1", "user", "user:1:posts")
    await cache.clear()
    cache.prune()
    await cache.invalidate("user:42")
    expect(warned).toEqual([])
    await dependOn(cache, "orders:1")
    await cache.invalidate("order:1")
    expect(codes()).toEqual(["ZOOCACHE_UNKNOWN_TAG"])
  })

  test("is not told of what functions declare, or `defineTags`, before anything was loaded", async () => {
    const { cache } = makeCache()
    await dependOn(cache, "author:1", "reader:1")
    cache.cacheable(async () => [], { name: "authors", deps: ["authors"] })
    const tags = defineTags({ readers: "readers", any: "{kind}:{id}" })
    await cache.invalidate("authors", tags.readers())
    expect(warned).toEqual([])
    await cache.invalidate(tags.any({ kind: "athor", id: 1 }))
    expect(codes()).toEqual(["ZOOCACHE_UNKNOWN_TAG"])
  })

  test("is not told in production, as it was when the cache was made", async () => {
    vi.stubEnv("NODE_ENV", "production")
    const { cache } = makeCache()
    vi.stubEnv("NODE_ENV", "development")
    await dependOn(cache, "user:42")
    await cache.invalidate("users:42")
    expect(warned).toEqual([])
    const { cache: other } = makeCache()
    vi.stubEnv("NODE_ENV", "production")
    await dependOn(other, "user:42")
    await other.invalidate("users:42")
    expect(codes()).toEqual(["ZOOCACHE_UNKNOWN_TAG"])
  })

  test("is a matter of each cache by itself", async () => {
    const [a, b] = [makeCache().cache, makeCache().cache]
    await dependOn(a, "user:42")
    await b.invalidate("users:42")
    expect(warned).toEqual([])
    await a.invalidate("users:42")
    await dependOn(b, "user:42")
    await b.invalidate("users:42")
    expect(codes()).toEqual(["ZOOCACHE_UNKNOWN_TAG", "ZOOCACHE_UNKNOWN_TAG"])
  })

  test("is told in a scope by the names in scopes", async () => {
    const { cache } = makeCache()
    const [ten, eleven] = [cache.scope("tenant:10"), cache.scope("tenant:11")]
    await dependOn(ten, "user:42")
    await dependOn(cache, "country:de")
    await eleven.invalidate("user:42", "tenants", "countries:de")
    await cache.invalidate("tenant:10:users:42")
    expect(warned).toEqual([])
    await eleven.invalidate("users:42")
    await ten.invalidate("users:43")
    expect(codes()).toEqual(["ZOOCACHE_UNKNOWN_TAG"])
    expect(warned[0]?.text).toMatch("Did you mean `user`?")
    await cache.invalidate("tenants:10")
    expect(warned[1]?.text).toMatch("Did you mean `tenant`?")
    expect(warned).toHaveLength(2)
  })

  test("is not told of the name of a scope within one", async () => {
    const { cache } = makeCache()
    const outer = cache.scope("tenant:10")
    await dependOn(outer, "apps")
    await dependOn(outer.scope("app:1"), "user:42")
    await outer.invalidate("app:1:user:42", "app:1")
    expect(warned).toEqual([])
  })

  test("is told where the log is remote, of one's own dependencies only", async () => {
    const clock = new ManualClock()
    const log = new FaultyLog({ clock })
    const [a, b] = [makeCache({ clock, log: log.connect("a") }), makeCache({ clock, log: log.connect("b") })]
    await Promise.all([a.cache.ready(), b.cache.ready()])
    await dependOn(a.cache, "user:42")
    await b.cache.invalidate("users:42")
    await settled()
    expect(warned).toEqual([])
    await a.cache.invalidate("users:42")
    expect(codes()).toEqual(["ZOOCACHE_UNKNOWN_TAG"])
  })

  test("is told of entries that a store brought, in scopes too", async () => {
    const machine = new Machine()
    const define = (cache: Cache) =>
      cache.scope("tenant:10").cacheable(async () => 1, { name: "f", deps: () => ["users", "role:1"] })
    const a = await machine.join()
    await define(a.cache)()
    await a.cache.scope("tenant:10").set("k", 1, { deps: ["invoice:1"] })
    await settled()
    const b = await machine.join()
    await define(b.cache)()
    const scope = b.cache.scope("tenant:10")
    expect(await scope.get("k")).toBe(1)
    await dependOn(scope, "user:42", "invoices")
    await scope.invalidate("users", "invoice")
    expect(warned).toEqual([])
    await scope.invalidate("roles")
    expect(codes()).toEqual(["ZOOCACHE_UNKNOWN_TAG"])
  })

  test("is told on LMDB", async () => {
    const path = mkdtempSync(join(tmpdir(), "zoocache-hints-"))
    const cache = createCache({ backend: lmdb({ path }) })
    try {
      await dependOn(cache, "user:42")
      await cache.invalidate("users:42")
      expect(codes()).toEqual(["ZOOCACHE_UNKNOWN_TAG"])
    } finally {
      await cache.close()
      rmSync(path, { recursive: true, force: true })
    }
  })
})

describe("a key for a tag", () => {
  test.each(["invalidate", "expire"] as const)("that of a function is an error of %s that says so", async (call) => {
    const { cache } = makeCache()
    const user = cache.cacheable(async (id: number) => id, { name: "user", version: 2 })
    const inScope = cache.scope("tenant:10")
    for (const view of [cache, inScope]) {
      await expect(view[call](user.keyOf(42))).rejects.toThrow(/is the key of an entry.*call `delete\(key\)`/)
    }
    await expect(cache[call]("ƒ:user::42")).rejects.toThrow(InvalidTagError)
    await expect(cache[call]("ƒscope:tenant:10:\tk")).rejects.toThrow("is the key of an entry")
    await expect(cache.getOrLoad("k", () => 1, { deps: [user.keyOf(42)] })).rejects.toThrow("is the key of an entry")
    expect(await cache.get(user.keyOf(42))).toBe(undefined)
    await user(42)
    expect(await cache.get(user.keyOf(42))).toBe(42)
    await cache.delete(user.keyOf(42))
    expect(user.peek(42)).toBe(undefined)
    await cache.invalidate("ƒ", "fƒ:a")
    expect(warned).toEqual([])
  })

  test.each(["invalidate", "expire"] as const)("one given by hand is told once by %s", async (call) => {
    vi.stubEnv("NODE_ENV", "production")
    const { cache } = makeCache()
    const scope = cache.scope("tenant:10")
    await cache.set("k", 1)
    await cache.set("tagged", 1, { deps: ["tagged:1"] })
    await cache[call]("tagged", "other")
    await scope[call]("k")
    expect(warned).toEqual([])
    for (let round = 0; round < 2; round += 1) {
      await cache[call]("k")
      await cache.set("k", 1)
    }
    expect(codes()).toEqual(["ZOOCACHE_KEY_AS_TAG"])
    expect(warned[0]?.text).toMatch(`${call}("k") takes tags`)
    expect(warned[0]?.text).toMatch('Call `delete("k")`')
    await scope.set("k", 1)
    await scope[call]("k")
    expect(codes()).toEqual(["ZOOCACHE_KEY_AS_TAG", "ZOOCACHE_KEY_AS_TAG"])
  })
})

test("one tag in 16 is looked at once a thousand have been", async () => {
  const { cache } = makeCache()
  await cache.set("k", 1)
  for (let call = 0; call < 1000; call += 1) await cache.invalidate(`other:${call}`)
  expect(warned).toEqual([])
  for (let call = 0; call < 16; call += 1) await cache.invalidate("k")
  expect(codes()).toEqual(["ZOOCACHE_KEY_AS_TAG"])
})

describe("a tag for a key", () => {
  test("is told once by `delete`, where there is no such key", async () => {
    const { cache } = makeCache()
    await dependOn(cache, "user:42", "user:43")
    await cache.set("user:43", 1)
    await cache.delete("user:43", "other", "no tag at all", "user:44")
    expect(warned).toEqual([])
    for (let round = 0; round < 2; round += 1) await cache.delete("user:42")
    await cache.delete(["user:43"])
    expect(codes()).toEqual(["ZOOCACHE_TAG_AS_KEY"])
    expect(warned[0]?.text).toMatch('Call `invalidate("user:42")`')
    const scope = cache.scope("tenant:10")
    await scope.delete("user:42")
    expect(warned).toHaveLength(1)
    await dependOn(scope, "user:42")
    await scope.delete("user:42")
    expect(warned).toHaveLength(2)
  })

  test("is not told where a store has the key, or can't be asked at once", async () => {
    const machine = new Machine()
    const [a, b] = [await machine.join(), await machine.join()]
    await a.cache.set("user:42", 1)
    await settled()
    await dependOn(b.cache, "user:42")
    await b.cache.delete("user:42")
    expect(warned).toEqual([])
    await settled()
    await b.cache.delete("user:42")
    expect(codes()).toEqual(["ZOOCACHE_TAG_AS_KEY"])
  })
})

describe("a cached function that is given to `map`", () => {
  const ids = [5, 6, Number.NaN]

  test("is told once for each function, whatever is called", async () => {
    const { cache } = makeCache()
    const one = cache.cacheable(async (id: number) => id, { name: "one" })
    const two = cache.cacheable(async () => 2, { name: "two" })
    const three = cache.scope("s").cacheableSync((id: number) => id, { name: "three" })
    for (const fn of [one, one.refresh, two, three]) {
      await Promise.all(ids.map(fn as (id: number, index: number, list: number[]) => unknown))
    }
    expect(codes()).toEqual(["ZOOCACHE_MAPPED_CALL", "ZOOCACHE_MAPPED_CALL", "ZOOCACHE_MAPPED_CALL"])
    expect(warned.map(({ text }) => text.split(" ", 1)[0])).toEqual(["`one`", "`two`", "`three`"])
    expect(warned[0]?.text).toMatch("ids.map((id) => fn(id))")
  })

  test("is not told where the key is of the id alone, or the loader takes what it is given", async () => {
    const { cache } = makeCache()
    const keyed = cache.cacheable(async (id: number) => id, { name: "keyed", key: (id) => id })
    const wide = cache.cacheable(async (id: number, _index: number, _list: number[]) => id, { name: "wide" })
    const plain = cache.cacheable(async (...numbers: unknown[]) => numbers, { name: "plain" })
    const many = cache.cacheableMany(async (all: readonly number[]) => new Map(all.map((id) => [id, id])))
    await Promise.all(ids.map(keyed as never))
    await Promise.all(ids.map(wide))
    await Promise.all(ids.map(many.one))
    await Promise.all(ids.map((id) => plain(id)))
    await plain(5, 1, ids)
    await plain(5, 0, [])
    await plain(5, 0.5, ids)
    await plain(5, 0)
    await plain(5, 0, ids, 1)
    expect(warned).toEqual([])
  })
})

test("a process that has nowhere to warn goes on", async () => {
  vi.spyOn(process, "emitWarning").mockImplementation(() => {
    throw new Error("no warnings here")
  })
  const { cache } = makeCache()
  await dependOn(cache, "user:42")
  await cache.invalidate("users:42")
  vi.stubGlobal("process", undefined)
  try {
    await cache.invalidate("uesr:42")
  } finally {
    vi.unstubAllGlobals()
  }
})

import { describe, expect, test, vi } from "vitest"
import { checkInvariants } from "zoocache/testing"
import { DuplicateNameError, MissingNameError } from "zoocache"
import { makeCache, makeShared, rejectionOf, steered } from "../support/caches.js"

test("without a shared log a missing name is that of the function, made unique", async () => {
  const { cache } = makeCache()
  const make = () => cache.cacheable(async function getUser() {})
  expect([make(), make(), make()].map((load) => load.keyOf())).toEqual([
    "ƒ:getUser::",
    "ƒ:getUser#2::",
    "ƒ:getUser#3::",
  ])
  const anonymous = [cache.cacheable(async () => 1), cache.cacheable(async () => 2)]
  expect(await Promise.all(anonymous.map((load) => load()))).toEqual([1, 2])
})

test("with a shared log a missing name rejects the first call, and each one after it", async () => {
  const { cache } = await makeShared()
  const load = cache.cacheable(async function getUser() {
    return 1
  })
  for (const call of [() => load(), () => load(), () => load.refresh(), () => load.with({})()]) {
    const error = await rejectionOf(call())
    expect(error).toBeInstanceOf(MissingNameError)
    expect(error).toMatchObject({ code: "ERR_ZOOCACHE_MISSING_NAME", message: expect.stringContaining("getUser") })
  }
  const sync = cache.cacheableSync(() => 1)
  expect(() => sync()).toThrow(MissingNameError)
  const many = cache.cacheableMany(async (ids: readonly number[]) => ids.map((id) => id))
  await expect(many([1])).rejects.toBeInstanceOf(MissingNameError)
  await expect(many.one(1)).rejects.toBeInstanceOf(MissingNameError)
  const named = cache.cacheable(async () => 1, { name: "named" })
  expect(await named()).toBe(1)
})

test("the same name twice throws", () => {
  const { cache } = makeCache()
  cache.cacheable(async () => 1, { name: "load" })
  for (const again of [
    () => cache.cacheable(async () => 2, { name: "load" }),
    () => cache.cacheableSync(() => 2, { name: "load" }),
    () => cache.cacheableMany(async () => new Map(), { name: "load" }),
  ]) {
    expect(again).toThrow(DuplicateNameError)
  }
  expect(() => cache.cacheable(async () => 2, { name: "load", version: 2 })).not.toThrow()
  expect(() => cache.scope("a").cacheable(async () => 2, { name: "load" })).not.toThrow()
})

test.each(["production", "development", "test"])("the same name twice throws with NODE_ENV=%s", (environment) => {
  vi.stubEnv("NODE_ENV", environment)
  const { cache } = makeCache()
  class Users {
    readonly byId = cache.cacheable(async (id: number) => id, { name: "Users.byId" })
  }
  expect(new Users()).toBeDefined()
  expect(() => new Users()).toThrow(
    expect.objectContaining({
      code: "ERR_ZOOCACHE_DUPLICATE_NAME",
      subject: "Users.byId",
      recurrence: "again",
      message: expect.stringMatching(
        /^The name "Users\.byId" is taken: one place in the source at \S*names\.test\.ts:\d+:\d+ defined it twice, once per instance .* `keyThis`/,
      ),
    }),
  )
})

describe("the error of a name that is taken tells", () => {
  const duplicateOf = (define: () => unknown): DuplicateNameError => {
    try {
      define()
    } catch (error) {
      if (error instanceof DuplicateNameError) return error
    }
    return expect.fail("there was no DuplicateNameError")
  }

  test("two functions with one name", () => {
    const { cache } = makeCache()
    cache.cacheable(async () => 1, { name: "load" })
    const error = duplicateOf(() => cache.cacheable(async () => 2, { name: "load" }))
    expect(error.recurrence).toBe("elsewhere")
    expect(error.message).toMatch(/give one of them another `name`.*`redefine: "share"`.*`redefine: "replace"`/)
    const lines = [...error.message.matchAll(/names\.test\.ts:(\d+):/g)].map(([, line]) => Number(line))
    expect(lines).toHaveLength(2)
    expect((lines[1] as number) - (lines[0] as number)).toBe(1)
  })

  test("a function that is made for each request", () => {
    const { cache } = makeCache()
    const handle = (tenant: string) => cache.cacheable(async () => tenant, { name: "load" })
    handle("a")
    expect(duplicateOf(() => handle("b")).recurrence).toBe("again")
  })

  test("what a function without a name is called", () => {
    const { cache } = makeCache()
    cache.cacheable(async function load() {})
    expect(duplicateOf(() => cache.cacheable(async () => 2, { name: "load" })).recurrence).toBe("unknown")
  })

  test("nothing of places where the engine does not tell them", () => {
    const { cache } = makeCache()
    vi.spyOn(Error, "captureStackTrace").mockImplementation(() => {})
    cache.cacheable(async () => 1, { name: "load" })
    const error = duplicateOf(() => cache.cacheable(async () => 2, { name: "load" }))
    expect(error.recurrence).toBe("unknown")
    expect(error.message).toContain("of this cache; this one is defined elsewhere.")
  })

  test("the place in spite of what the process does with stack traces", () => {
    const { cache } = makeCache()
    const { stackTraceLimit } = Error
    const before = Object.getOwnPropertyDescriptor(Error, "prepareStackTrace")
    const prepare = () => "prepared"
    Error.stackTraceLimit = 0
    Error.prepareStackTrace = prepare
    try {
      const make = () => cache.cacheable(async () => 1, { name: "load" })
      make()
      expect(duplicateOf(make).recurrence).toBe("again")
      expect(Error.stackTraceLimit).toBe(0)
      expect(Reflect.get(Error, "prepareStackTrace")).toBe(prepare)
    } finally {
      Error.stackTraceLimit = stackTraceLimit
      Reflect.deleteProperty(Error, "prepareStackTrace")
      if (before !== undefined) Object.defineProperty(Error, "prepareStackTrace", before)
    }
  })
})

test("a redefined function starts without entries, and the one before it stores no more", async () => {
  const { cache } = makeCache({ redefine: "replace" })
  const before = cache.cacheable(async () => "before", { name: "load" })
  await before()
  const after = cache.cacheable(async () => "after", { name: "load" })
  expect(after.peek()).toBeUndefined()
  expect(await before()).toBe("before")
  expect(after.peek()).toBeUndefined()
  expect(await after()).toBe("after")
  expect(await before()).toBe("before")
  expect(await cache.get(after.keyOf())).toBe("after")
})

test("a load of the function before it that lands after the redefinition is not stored for either", async () => {
  const { cache } = makeCache({ redefine: "replace" })
  const source = steered<string>()
  const before = cache.cacheable(source.loader, { name: "load", deps: ["t"] })
  const running = before()
  const after = cache.cacheable(async () => "after", { name: "load" })
  expect(await after()).toBe("after")
  source.last.resolve("before")
  expect(await running).toBe("before")
  expect(await after()).toBe("after")
  expect(before.peek()).toBeUndefined()
})

test("a redefined function can still be used inside loads, before and after", async () => {
  const { cache } = makeCache({ redefine: "replace" })
  const before = cache.cacheable(async () => "before", { name: "load", deps: ["t"] })
  const page = cache.cacheable(async (id: number) => `${id} ${await before()}`, { name: "page" })
  await page(1)
  const after = cache.cacheable(async () => "after", { name: "load" })
  expect(await page(2)).toBe("2 before")
  expect(await page(3)).toBe("3 before")
  await cache.invalidate("t")
  expect(page.peek(2)).toBeUndefined()
  expect(await after()).toBe("after")
  await after.clear()
  await page.clear()
})

test("a name may hold anything but control characters, and stays apart from what looks like it", async () => {
  const { cache } = makeCache()
  const names = ["a", "a:", "a:b", "a b", "a%3Ab", "ä", "🦓", "ƒ:a", "__proto__", "constructor", "#2"]
  const loads = names.map((name) => cache.cacheable(async () => name, { name }))
  expect(await Promise.all(loads.map((load) => load()))).toEqual(names)
  for (const [index, load] of loads.entries()) expect(await cache.get(load.keyOf())).toBe(names[index])
  expect(Object.keys(cache.stats().functions)).toEqual(expect.arrayContaining(names))
})

test("a version is part of the key; a number and its text are the same version", () => {
  const { cache } = makeCache()
  expect(cache.cacheable(async () => 1, { name: "load", version: "2026-01" }).keyOf()).toBe("ƒ:load:2026-01:")
  cache.cacheable(async () => 1, { name: "load", version: 2 })
  expect(() => cache.cacheable(async () => 1, { name: "load", version: "2" })).toThrow(DuplicateNameError)
})

test("what an earlier definition of a name still uses does not spoil the books", async () => {
  const { cache } = makeCache({ redefine: "replace" })
  const old = cache.cacheable(async () => 1, { name: "inner" })
  cache.cacheable(async () => 2, { name: "inner" })
  const outer = cache.cacheable(async () => old(), { name: "outer" })
  for (let call = 0; call < 5; call += 1) await outer()
  checkInvariants(cache)
})

test("ten thousand unnamed functions are defined in an instant", () => {
  const { cache } = makeCache()
  for (let count = 0; count < 10_000; count += 1) cache.cacheable(async () => count)
  expect(Object.keys(cache.stats().functions)).toHaveLength(10_001)
})

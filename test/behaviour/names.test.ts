import { expect, test, vi } from "vitest"
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
  const { cache } = makeCache({ redefine: false })
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

test("by default names may be redefined in development and not in production", () => {
  vi.stubEnv("NODE_ENV", "production")
  const { cache: strict } = makeCache()
  vi.stubEnv("NODE_ENV", "development")
  const { cache: lenient } = makeCache()
  for (const cache of [strict, lenient]) cache.cacheable(async () => 1, { name: "load" })
  expect(() => strict.cacheable(async () => 2, { name: "load" })).toThrow(DuplicateNameError)
  expect(() => lenient.cacheable(async () => 2, { name: "load" })).not.toThrow()
})

test("a redefined function starts without entries, and the one before it stores no more", async () => {
  const { cache } = makeCache({ redefine: true })
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
  const { cache } = makeCache({ redefine: true })
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
  const { cache } = makeCache({ redefine: true })
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
  const { cache } = makeCache({ redefine: false })
  expect(cache.cacheable(async () => 1, { name: "load", version: "2026-01" }).keyOf()).toBe("ƒ:load:2026-01:")
  cache.cacheable(async () => 1, { name: "load", version: 2 })
  expect(() => cache.cacheable(async () => 1, { name: "load", version: "2" })).toThrow(DuplicateNameError)
})

import { expect, test } from "vitest"
import { makeCache, steered } from "../support/caches.js"

test("clear reaches every entry: with tags, without, set by hand, of every function and scope", async () => {
  const { cache } = makeCache()
  const tagged = cache.cacheable(async () => 1, { name: "tagged", deps: ["t"] })
  const bare = cache.cacheable(async () => 1, { name: "bare" })
  const scoped = cache.scope("tenant:1")
  await Promise.all([tagged(), bare(), cache.set("a", 1), cache.set("b", 1, { deps: ["t"] }), scoped.set("c", 1)])
  await cache.clear()
  expect(tagged.peek()).toBeUndefined()
  expect(bare.peek()).toBeUndefined()
  expect(await cache.getMany(["a", "b"])).toEqual(new Map())
  expect(await scoped.lookup("c")).toBeUndefined()
})

test("clear holds for loads that are under way", async () => {
  const { cache } = makeCache()
  const source = steered<string>()
  const load = cache.cacheable(source.loader)
  const early = load()
  await cache.clear()
  source.last.resolve("old")
  await early
  expect(load.peek()).toBeUndefined()
})

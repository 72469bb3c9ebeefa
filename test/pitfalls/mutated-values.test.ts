import { expect, test } from "vitest"
import { makeCache } from "../support/caches.js"

test("mutating a returned object throws instead of corrupting it for everyone, for the first caller too", async () => {
  const { cache } = makeCache()
  const load = cache.cacheable(async () => ({ tags: ["a"], nested: { n: 1 } }))
  const first = await load()
  expect(() => first.tags.push("b")).toThrow(TypeError)
  expect(() => {
    first.nested.n = 2
  }).toThrow(TypeError)
  const second = await load()
  expect(second).toBe(first)
  expect(second).toEqual({ tags: ["a"], nested: { n: 1 } })
})

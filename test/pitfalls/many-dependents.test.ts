import { expect, test } from "vitest"
import { makeCache } from "../support/caches.js"

test("one invalidation kills ten thousand dependents without touching them", async () => {
  const { cache } = makeCache()
  await cache.setMany(Array.from({ length: 10_000 }, (_, index) => [`key:${index}`, index, { deps: ["all"] }] as const))
  await cache.invalidate("all")
  expect((await cache.getMany(Array.from({ length: 10_000 }, (_, index) => `key:${index}`))).size).toBe(0)
})

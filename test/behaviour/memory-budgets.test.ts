import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { expect, it } from "vitest"
import { createCache } from "zoocache"
import { ManualClock } from "zoocache/testing"

const BUDGET = 4_000_000

/** A cache of 8,000 small values, and a key that is about to get a big one. */
async function crowded() {
  const clock = new ManualClock()
  const sizeOf = (value: unknown) => (typeof value === "number" ? 100 : (value as { bytes: number }).bytes)
  const cache = createCache({ clock, memory: { maxBytes: BUDGET, sizeOf } })
  await cache.set("big", 0)
  for (let key = 0; key < 8000; key += 1) await cache.set(`small:${key}`, key)
  await cache.get("big")
  return { clock, cache }
}

it("evicts thousands of small values for a big one a few at a time", async () => {
  const { clock, cache } = await crowded()
  const { entries } = cache.stats()
  await cache.set("big", { bytes: 3_900_000 })
  expect(entries - cache.stats().entries).toBeLessThan(500)
  expect(cache.stats().bytes).toBeGreaterThan(BUDGET)
  // Further values that are as big don't make it worse.
  for (let count = 0; count < 20; count += 1) await cache.set(`other:${count}`, { bytes: 3_000_000 })
  expect(cache.stats().bytes).toBeLessThan(2 * BUDGET)
  clock.advance(100)
  expect(cache.stats().bytes).toBeLessThanOrEqual(BUDGET)
  expect(await cache.get("big")).toEqual({ bytes: 3_900_000 })
  expect(clock.timers).toBe(0)
  await cache.close()
})

it("leaves no timer when it is closed while evictions are under way", async () => {
  const { clock, cache } = await crowded()
  await cache.set("big", { bytes: 3_900_000 })
  expect(clock.timers).toBeGreaterThan(0)
  await cache.close()
  expect(clock.timers).toBe(0)
})

it("lets listeners to evictions read, store and delete while evictions are under way", async () => {
  const { clock, cache } = await crowded()
  let heard = 0
  const listen = (message: unknown) => {
    const { key } = message as { key: string }
    heard += 1
    if (heard % 10 !== 0) return
    void cache.get(key)
    void cache.set(`again:${heard % 50}`, heard)
    void cache.delete(`small:${heard}`)
  }
  subscribe("zoocache:evict", listen)
  try {
    await cache.set("big", { bytes: 3_900_000 })
    clock.advance(1000)
  } finally {
    unsubscribe("zoocache:evict", listen)
  }
  expect(heard).toBeGreaterThan(5000)
  expect(cache.stats().bytes).toBeLessThanOrEqual(BUDGET)
  expect(await cache.get("big")).toEqual({ bytes: 3_900_000 })
  await cache.close()
})

it("lets go of 20,000 values of a second although one of an hour was there first", async () => {
  const clock = new ManualClock()
  const cache = createCache({ clock })
  await cache.set("hour", 1, { ttl: "1h" })
  clock.advance(5000)
  for (let key = 0; key < 20_000; key += 1) await cache.set(`second:${key}`, key, { ttl: "1s" })
  expect(cache.stats().entries).toBeGreaterThan(10_000)
  clock.advance(4000)
  expect(cache.stats().entries).toBe(1)
  await cache.close()
})

import { expect } from "vitest"
import type { Cache, CacheOptions, FunctionOptions } from "zoocache"
import { type ManualClock, settled } from "zoocache/testing"

/** How much of what it serves the memory of a cache keeps: all of it, nothing, or never for long. */
export const memories = {
  "all in memory": {},
  "a small memory": { memory: { maxEntries: 2 } },
  "no memory": { memory: false },
} as const satisfies Record<string, CacheOptions>

/** The two ways in which readers go on with what there is while it is loaded anew, and when each begins. */
export const ways = {
  "early refresh": { options: { ttl: "100s", earlyRefresh: 0.5 }, afterMs: 60_000 },
  grace: { options: { ttl: "1s", grace: "1h" }, afterMs: 2_000 },
} as const satisfies Record<string, { options: FunctionOptions<[], unknown>; afterMs: number }>

/** A function whose source counts how often it is asked, and fails while it is down. */
export function failingSource(cache: Cache, options: FunctionOptions<[], string> = {}) {
  const source = { asked: 0, isDown: false, version: 1 }
  const read = cache.cacheable(
    async (): Promise<string> => {
      source.asked += 1
      const { isDown, version } = source
      await settled()
      if (isDown) throw new Error("the source is down")
      return `v${version}`
    },
    { name: "failing", ...options },
  )
  return Object.assign(source, { read })
}

/**
 * Shows that a source that fails is asked once in a second, however often a cache is read, whatever its memory keeps; and at
 * once no more often when it is back.
 */
export async function asksOnceInASecond(
  cache: Cache,
  clock: ManualClock,
  memory: keyof typeof memories,
  way: keyof typeof ways,
): Promise<void> {
  const { options, afterMs } = ways[way]
  const source = failingSource(cache, options)
  const other = cache.cacheable(async (id: number) => id, { name: "other" })
  let at = 0
  /** Whatever a small memory has makes room. */
  const evict = async () => {
    if (memory !== "a small memory") return
    for (let count = 0; count < 8; count += 1) await other((at = (at + 1) % 24))
  }
  const readOften = async (value: string) => {
    for (let count = 0; count < 100; count += 1) {
      await evict()
      expect(await source.read()).toBe(value)
      await settled()
    }
  }
  expect(await source.read()).toBe("v1")
  await evict()
  await expect.poll(() => cache.has(source.read.keyOf())).toBe(true)
  clock.advance(afterMs)
  source.isDown = true
  source.version = 2
  const { storeHits } = cache.stats()
  for (let second = 1; second <= 3; second += 1) {
    await readOften("v1")
    // A store behind a network is asked first.
    await expect.poll(() => source.asked).toBeGreaterThan(second)
    await readOften("v1")
    expect(source.asked).toBe(1 + second)
    clock.advance(1000)
  }
  if (memory !== "all in memory") expect(cache.stats().storeHits - storeHits).toBeGreaterThan(400)
  source.isDown = false
  await source.read()
  await expect.poll(source.read).toBe("v2")
  await readOften("v2")
  expect(source.asked).toBe(5)
}

import { expect, test } from "vitest"
import { settled } from "zoocache/testing"
import { deferred, makeCache } from "../support/caches.js"

test("a value that is no longer to be kept ends the grace of the one before", async () => {
  const { cache, clock } = makeCache()
  let row: string | null = "row"
  let loads = 0
  const load = cache.cacheable(
    async () => {
      loads += 1
      return row
    },
    { name: "load", ttl: "1s", grace: "1h", cacheIf: (value) => value !== null },
  )
  expect(await load()).toBe("row")
  row = null
  clock.advance(1_100)
  expect(await load(), "served in grace while it is loaded anew").toBe("row")
  await settled()
  expect(await load()).toBe(null)
  expect(loads).toBe(3)
})

test("a refresh whose result is not kept leaves nothing older behind", async () => {
  const { cache } = makeCache()
  let value: number | null = 1
  const load = cache.cacheable(async () => value, { name: "load", cacheIf: (found) => found !== null })
  await load()
  value = null
  expect(await load.refresh()).toBe(null)
  expect(load.peek()).toBeUndefined()
})

test("a load that began before one whose result was not kept is not stored after it", async () => {
  const { cache } = makeCache()
  const gate = deferred()
  let runs = 0
  const load = cache.cacheable(
    async () => {
      runs += 1
      const run = runs
      if (run === 1) await gate.promise
      return run
    },
    { name: "load", cacheIf: (run) => run !== 2 },
  )
  const first = load()
  expect(await load.refresh()).toBe(2)
  gate.resolve()
  expect(await first).toBe(1)
  expect(load.peek()).toBeUndefined()
})

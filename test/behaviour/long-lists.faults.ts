import { expect, test } from "vitest"
import { makeCache, steered } from "../support/caches.js"
import { Machine } from "../support/shared.js"

// More than the arguments that any call takes: engines differ between 65,000 and 125,000.
const COUNT = 130_000
const tags = Array.from({ length: COUNT }, (_, index) => `t:${index}`)
const keys = Array.from({ length: COUNT }, (_, index) => `k${index}`)

test("130,000 keys: many(ids), primeMany and the deletion of their keys", async () => {
  const { cache } = makeCache({ memory: { maxEntries: 2 * COUNT } })
  const batches: number[] = []
  const load = async (ids: readonly number[]) => {
    batches.push(ids.length)
    return ids.map((id) => id)
  }
  const many = cache.cacheableMany(load, { name: "many", deps: (id) => [`row:${id}`] })
  const ids = keys.map((_, index) => index)
  expect((await many(ids)).size).toBe(COUNT)
  expect(batches).toEqual([COUNT])
  await many.primeMany(
    ids.map((id) => [id, -id] as const),
    { asOf: "now" },
  )
  expect(many.peek(COUNT - 1)).toBe(1 - COUNT)
  await cache.delete(ids.map((id) => many.keyOf(id)))
  expect(cache.stats().entries).toBe(0)
})

test("130,000 callers of one flight, and as many that came late", async () => {
  const { cache } = makeCache()
  const source = steered<number>()
  const read = cache.cacheable(source.loader, { name: "read", deps: ["t"] })
  const outer = cache.cacheable(async (_id: number) => read(), { name: "outer" })
  const calls = Array.from({ length: 65_000 }, (_, id) => outer(id))
  for (let id = 0; id < 65_000; id += 1) calls.push(read())
  await cache.invalidate("unrelated")
  for (let id = 65_000; id < 130_000; id += 1) calls.push(outer(id))
  for (let id = 0; id < 65_000; id += 1) calls.push(read())
  await cache.invalidate("t")
  source.runs[0]?.resolve(1)
  while (source.runs.length < 2) await Promise.resolve()
  source.runs[1]?.resolve(2)
  const values = await Promise.all(calls)
  expect(new Set(values.slice(0, 130_000))).toEqual(new Set([1]))
  expect(new Set(values.slice(130_000))).toEqual(new Set([2]))
})

test("a shared log and store take 50,000 tags and keys in one call", async () => {
  const machine = new Machine(200_000)
  const [here, there] = [await machine.join(), await machine.join()]
  const some = 50_000
  await here.cache.setMany(keys.slice(0, some).map((key, index) => [key, 1, { deps: [`t:${index}`] }] as const))
  expect(await there.cache.get(`k${some - 1}`)).toBe(1)
  await here.cache.invalidate(tags.slice(0, some))
  expect(await there.cache.lookup(`k${some - 1}`)).toBeUndefined()
  await here.cache.delete(keys.slice(0, some))
})

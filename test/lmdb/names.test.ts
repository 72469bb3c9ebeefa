/** Single entries that expire, and what stays in memory, between caches on one directory. */
import { afterEach, expect, test } from "vitest"
import { type Cache, createCache } from "zoocache"
import { lmdb } from "zoocache/lmdb"
import { cleanUp, onCleanUp, temporaryDirectory } from "./support/backends.js"

afterEach(cleanUp)

async function open(path: string): Promise<Cache> {
  const cache = createCache({ backend: lmdb({ path }), grace: "1h" })
  onCleanUp(() => cache.close())
  await cache.ready()
  return cache
}

const rowOf = (cache: Cache, state: { row: string }) =>
  cache.cacheable(async (_id: number) => state.row, { name: "row" })

test("`expire` of one call reaches the caches that have the entry, and those that find it later", async () => {
  const path = temporaryDirectory()
  const [one, two] = [await open(path), await open(path)]
  const state = { row: "old" }
  const [ofOne, ofTwo] = [rowOf(one, state), rowOf(two, state)]
  await ofOne(1)
  await expect.poll(() => ofTwo.peek(1)).toBe("old")
  await ofOne.expire(1)
  const key = ofOne.keyOf(1)
  expect(await two.lookup(key)).toBeUndefined()
  expect(await two.lookup(key, { expired: true })).toMatchObject({ value: "old", state: "expired" })
  const late = await open(path)
  rowOf(late, state)
  expect(await late.lookup(key, { expired: true })).toMatchObject({ value: "old", state: "expired" })
  state.row = "new"
  await ofTwo.refresh(1)
  await expect.poll(() => ofOne.peek(1)).toBe("new")
})

test("what is private, or stays in memory, is in no file", async () => {
  const cache = await open(temporaryDirectory())
  const own = cache.cacheable(async () => "secret", { name: "own", private: true })
  const caller = cache.cacheable(async () => own(), { name: "caller", inherit: false })
  const here = cache.cacheable(async () => 1, { name: "here", tiers: "memory" })
  const other = cache.cacheable(async () => 1, { name: "other" })
  await Promise.all([caller(), here(), other()])
  await expect.poll(() => cache.stats().store?.entries).toBe(1)
  expect([caller.peek(), here.peek()]).toEqual(["secret", 1])
})

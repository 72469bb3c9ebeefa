/** Single entries that expire, and what stays in memory, between nodes on one server. */
import { expect, test } from "vitest"
import { type Cache, createCache } from "zoocache"
import { redis } from "zoocache/redis"
import { RedisServer } from "./support/server.js"

async function join(server: RedisServer): Promise<Cache> {
  const cache = createCache({ backend: redis({ url: server.url }), grace: "1h" })
  await cache.ready()
  return cache
}

const rowOf = (cache: Cache, state: { row: string }) =>
  cache.cacheable(async (_id: number) => state.row, { name: "row" })

test("`expire` of one call reaches the nodes that have the entry, and those that find it later", async () => {
  await using server = await RedisServer.start()
  await using one = await join(server)
  await using two = await join(server)
  const state = { row: "old" }
  const [ofOne, ofTwo] = [rowOf(one, state), rowOf(two, state)]
  const key = ofOne.keyOf(1)
  await ofOne(1)
  await expect.poll(async () => (await two.lookup(key))?.value).toBe("old")
  await two.sync(await ofOne.expire(1))
  expect(await two.lookup(key)).toBeUndefined()
  expect(await two.lookup(key, { expired: true })).toMatchObject({ value: "old", state: "expired" })
  await using late = await join(server)
  rowOf(late, state)
  expect(await late.lookup(key, { expired: true })).toMatchObject({ value: "old", state: "expired" })
  expect(await late.lookup(key)).toBeUndefined()
  state.row = "new"
  await ofTwo.refresh(1)
  await expect.poll(async () => (await one.lookup(key))?.value).toBe("new")
})

test("what is private, or stays in memory, is not on the server; `waitUntil` hears of what is", async () => {
  await using server = await RedisServer.start()
  const open: Promise<void>[] = []
  await using cache = createCache({ backend: redis({ url: server.url }), waitUntil: (work) => open.push(work) })
  await cache.ready()
  const own = cache.cacheable(async () => "secret", { name: "own", private: true })
  const caller = cache.cacheable(async () => own(), { name: "caller", inherit: false })
  const here = cache.cacheable(async () => 1, { name: "here", tiers: "memory" })
  const other = cache.cacheable(async () => 1, { name: "other" })
  await Promise.all([caller(), here(), other()])
  await Promise.all(open)
  await using reader = await join(server)
  expect(await reader.cacheable(async () => 2, { name: "other" })()).toBe(1)
  expect(await reader.cacheable(async () => "none", { name: "caller" })()).toBe("none")
})

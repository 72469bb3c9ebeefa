/** `singleflight: "cluster"` over a real server, where it takes more than two nodes on one connection each to see it. */
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { setTimeout } from "node:timers/promises"
import { afterEach, expect, onTestFinished, test } from "vitest"
import { type Cache, type CacheOptions, createCache, type LeaseEvent, type ZooCacheError } from "zoocache"
import { redis, type RedisOptions } from "zoocache/redis"
import { patientCache, patientRedis } from "../support/patience.js"
import { Pair } from "./fleet/support/pair.js"
import { RedisCluster } from "./support/cluster.js"
import { RedisServer } from "./support/server.js"
import { until } from "./support/until.js"

interface Node {
  readonly cache: Cache
  readonly faults: ZooCacheError[]
  readonly read: (id: number) => Promise<number>
}

const caches: Cache[] = []
afterEach(() => Promise.all(caches.splice(0).map((cache) => cache.close())))

/** How often the loader ran, on whichever node. */
let loads = 0

async function join(options: RedisOptions, loadMs: number, others: CacheOptions = {}): Promise<Node> {
  const faults: ZooCacheError[] = []
  const cache = createCache({
    ...patientCache,
    backend: redis({ ...patientRedis, ...options }),
    prefix: "shop",
    // Nobody waits for the end of a lease: it is given back, or the test does not end.
    singleflight: { scope: "cluster", lease: "10m" },
    onFault: ({ error }) => faults.push(error),
    ...others,
  })
  caches.push(cache)
  await cache.ready()
  const read = cache.cacheable(
    async (id: number) => {
      loads += 1
      await setTimeout(loadMs)
      return id
    },
    { name: "row" },
  )
  return { cache, faults, read }
}

async function joinAll(count: number, options: RedisOptions, loadMs: number): Promise<Node[]> {
  loads = 0
  return Promise.all(Array.from({ length: count }, () => join(options, loadMs)))
}

test("8 nodes of a Redis Cluster and 100 callers on each load each of 30 keys once", async () => {
  await using cluster = await RedisCluster.start()
  const nodes = await joinAll(8, { cluster: cluster.urls }, 20)
  const ids = Array.from({ length: 30 }, (_, id) => id)
  const reads = nodes.flatMap(({ read }) =>
    ids.flatMap((id) => Array.from({ length: 100 }, async () => expect(await read(id)).toBe(id))),
  )
  await Promise.all(reads)
  expect(loads).toBe(ids.length)
  expect(nodes.flatMap(({ faults }) => faults)).toEqual([])
  const held = await Promise.all(cluster.nodes.map((node) => node.command("KEYS", "zc1:l:*")))
  expect(held.flat()).toEqual([])
})

test("those who wait are woken, and need not ask again", async () => {
  await using server = await RedisServer.start()
  const waits: LeaseEvent[] = []
  const hear = (event: unknown) => {
    if ((event as LeaseEvent).outcome === "found") waits.push(event as LeaseEvent)
  }
  loads = 0
  // The first time to ask again is near its latest, after a second.
  const others = { random: () => 0.9 + Math.random() / 10 }
  const options = { url: server.url }
  const [a, b] = [await join(options, 100, others), await join(options, 100, others)]
  // The first wait opens the connection that listens.
  await Promise.all([a.read(1), b.read(1)])
  subscribe("zoocache:lease", hear)
  onTestFinished(() => void unsubscribe("zoocache:lease", hear))
  // Whoever asks again is never so quick; whoever is woken may be late on a busy machine.
  let id = 2
  for (; !waits.some(({ waitedMs }) => waitedMs < 900); id += 1) await Promise.all([a.read(id), b.read(id)])
  expect(loads).toBe(id - 1)
})

test("where entries are read from a replica that lags, who waits still finds what was stored", async () => {
  await using pair = await Pair.start()
  const options: RedisOptions = { url: pair.master.url, replicaUrl: pair.replica.url, readFrom: "replica" }
  const nodes = await joinAll(3, { ...options }, 100)
  pair.part()
  expect(await Promise.all(nodes.map(({ read }) => read(1)))).toEqual([1, 1, 1])
  expect(loads).toBe(1)
})

test("a node that closes while it loads lets another one load at once", async () => {
  await using server = await RedisServer.start()
  const [a, b] = (await joinAll(2, { url: server.url }, 400)) as [Node, Node]
  const onA = a.read(1)
  await until(() => a.cache.stats().leases === 1, { what: "the lease" })
  const onB = b.read(1)
  await until(() => b.cache.stats().leaseWaits === 1, { what: "the wait" })
  await a.cache.close()
  expect(await onB).toBe(1)
  expect(loads).toBe(2)
  expect(await onA).toBe(1)
  await until(async () => ((await server.command("KEYS", "zc1:l:*")) as string[]).length === 0, { what: "no lease" })
})

test("a node that closes right after a load gives its lease back", async () => {
  await using server = await RedisServer.start()
  const [a] = (await joinAll(1, { url: server.url }, 10)) as [Node]
  await a.read(1)
  await a.cache.close()
  expect(await server.command("KEYS", "zc1:l:*")).toEqual([])
  expect(await server.command("KEYS", "zc1:e:*")).toHaveLength(1)
})

test("a user who may not touch leases loads at once, and is told what is missing", async () => {
  await using server = await RedisServer.start({
    users: ["limited on >password ~zc1:{shop}:* ~zc1:e:shop:* &* +@all"],
  })
  const [a] = (await joinAll(1, { url: server.urlAs("limited", "password") }, 10)) as [Node]
  expect(await a.read(1)).toBe(1)
  expect(await a.read(2)).toBe(2)
  expect(a.cache.stats().leases).toBe(0)
  // The same trouble is told once.
  expect(a.faults.map(({ message }) => message)).toEqual([expect.stringMatching(/lease a key of redis:/)])
})

test("entries: false has no leases, and says so", async () => {
  await using server = await RedisServer.start()
  const backend = redis({ url: server.url, entries: false })
  expect(() => createCache({ backend, singleflight: "cluster" })).toThrow(
    /the backend redis, as it is set up here, has no leases/,
  )
})

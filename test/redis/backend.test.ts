/** `redis({ … })` as a whole, in each way in which a server can be reached. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join as joinPath } from "node:path"
import { Cluster, Redis } from "ioredis"
import { Redis as Valkey } from "iovalkey"
import { afterEach, describe, expect, test } from "vitest"
import { type Cache, createCache, type CacheOptions, InvalidOptionError, type ZooCacheError } from "zoocache"
import { redis, type RedisClient, type RedisOptions } from "zoocache/redis"
import { patientCache, patientRedis } from "../support/patience.js"
import { RedisCluster } from "./support/cluster.js"
import { RedisSentinel } from "./support/sentinel.js"
import { RedisServer } from "./support/server.js"
import { ca } from "./support/tls/certificates.js"
import { until } from "./support/until.js"

interface Node {
  readonly cache: Cache
  readonly faults: ZooCacheError[]
}

const nodes: Node[] = []
const cleanUps: (() => unknown)[] = []

afterEach(async () => {
  await Promise.all(nodes.splice(0).map(({ cache }) => cache.close()))
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function start<T extends AsyncDisposable>(starting: Promise<T>): Promise<T> {
  const started = await starting
  cleanUps.push(() => started[Symbol.asyncDispose]())
  return started
}

async function join(options: RedisOptions, others: CacheOptions = {}): Promise<Node> {
  const faults: ZooCacheError[] = []
  const onFault = ({ error }: { error: ZooCacheError }) => faults.push(error)
  const cache = createCache({
    ...patientCache,
    backend: redis({ ...patientRedis, ...options }),
    prefix: "shop",
    onFault,
    ...others,
  })
  const node = { cache, faults }
  nodes.push(node)
  await cache.ready()
  return node
}

/** Two nodes share what one has loaded, and each other's invalidations; nothing is at fault. */
async function expectSharing(options: RedisOptions, other: RedisOptions = options, prefix = "shop"): Promise<void> {
  const [a, b] = [await join(options, { prefix }), await join(other, { prefix })]
  let row = "old"
  let loads = 0
  const define = ({ cache }: Node) =>
    cache.cacheable(
      async (id: number) => {
        loads += 1
        return { id, row }
      },
      { name: "row", deps: (id) => [`row:${id}`], idleTtl: "1h" },
    )
  const [onA, onB] = [define(a), define(b)]
  await onA(1)
  await until(() => a.cache.stats().store?.queued === 0, { what: "the write" })
  expect(await onB(1)).toEqual({ id: 1, row: "old" })
  expect(loads).toBe(1)
  row = "new"
  const token = await b.cache.invalidate("row:1")
  await a.cache.sync(token)
  expect(await onA(1)).toEqual({ id: 1, row: "new" })
  await a.cache.set("k", 1)
  expect(await b.cache.get("k")).toBe(1)
  await b.cache.sync(await a.cache.delete("k"))
  expect(await b.cache.get("k")).toBeUndefined()
  await b.cache.sync(await a.cache.clear())
  await onB(1)
  expect(loads).toBe(3)
  await expectOneLoad(a, b)
  expect([a.faults, b.faults]).toEqual([[], []])
}

/** Of the two one loads for both; nothing of it is left in the server. */
async function expectOneLoad(a: Node, b: Node): Promise<void> {
  let begun = 0
  const waiting = () => a.cache.stats().leaseWaits + b.cache.stats().leaseWaits
  const define = ({ cache }: Node) =>
    cache.cacheable(
      async (id: number) => {
        begun += 1
        // Each load lasts until the other node waits for it.
        await until(() => waiting() >= begun, { what: "the other node to wait" })
        return id
      },
      { name: "slow", singleflight: "cluster" },
    )
  const [onA, onB] = [define(a), define(b)]
  for (const id of [1, 2, 3]) expect(await Promise.all([onA(id), onB(id), onA(id)])).toEqual([id, id, id])
  expect(begun).toBe(3)
  const [ofA, ofB] = [a.cache.stats(), b.cache.stats()]
  expect([ofA.leases + ofB.leases, ofA.leaseHits + ofB.leaseHits]).toEqual([3, 3])
}

describe("one server", () => {
  test("is shared", async () => {
    const { url } = await start(RedisServer.start())
    await expectSharing({ url })
  })

  test("over TLS", async () => {
    const { url } = await start(RedisServer.start({ tls: true }))
    expect(url).toMatch(/^rediss:/)
    await expectSharing({ url, tls: { ca } })
  })

  test("through a Unix socket", async () => {
    const folder = mkdtempSync(joinPath(tmpdir(), "zoocache-"))
    cleanUps.push(() => rmSync(folder, { recursive: true, force: true }))
    await start(RedisServer.start({ config: [`unixsocket ${folder}/redis.sock`] }))
    await expectSharing({ url: `unix://${folder}/redis.sock` })
  })

  test("by a user with the rights that the documentation lists, and no others", async () => {
    const page = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8")
    const rule = /ACL SETUSER zoocache (on [^`]*)/.exec(page)?.[1]?.replaceAll(/\s+/g, " ").trim()
    const server = await start(RedisServer.start({ users: [`zoocache ${rule}`] }))
    await expectSharing({ url: server.urlAs("zoocache", "password") })
  })

  test("in another of its databases", async () => {
    const { url } = await start(RedisServer.start())
    await expectSharing({ url: `${url}/3` })
    const here = await join({ url })
    expect(await here.cache.get("k")).toBeUndefined()
  })

  test.each([
    ["ioredis", (url: string) => new Redis(url)],
    ["ioredis with protocol 2", (url: string) => new Redis(url, { protocol: 2 })],
    ["iovalkey", (url: string) => new Valkey(url)],
  ])("through a client of the user's, which stays open: %s", async (_name, connect) => {
    const { url } = await start(RedisServer.start())
    const client = connect(url) as unknown as RedisClient & { ping(): Promise<string> }
    cleanUps.push(() => client.disconnect())
    await expectSharing({ client }, { url })
    await Promise.all(nodes.splice(0).map(({ cache }) => cache.close()))
    expect(await client.ping()).toBe("PONG")
  })

  test("with reads from a replica", async () => {
    const master = await start(RedisServer.start())
    const replica = await start(RedisServer.start({ replicaof: master }))
    await replica.untilInSync()
    const node = await join({ url: master.url, readFrom: "replica", replicaUrl: replica.url }, { memory: false })
    // It is connected to at once, before anybody reads.
    const isKnown = async () => String(await replica.command("CLIENT", "LIST")).includes(" cmd=info ")
    await until(isKnown, { what: "the connection to the replica" })
    await node.cache.set("k", 1)
    await until(async () => (await node.cache.get("k")) === 1, { what: "the replica" })
    await node.cache.invalidate("other")
    expect(await node.cache.get("k")).toBe(1)
    await node.cache.delete("k")
    expect(await node.cache.get("k")).toBeUndefined()
    expect(node.faults).toEqual([])
  })
})

test("a cluster is shared; its entries lie in all its nodes", async () => {
  const cluster = await start(RedisCluster.start())
  await expectSharing({ cluster: cluster.urls })
  const { cache } = await join({ cluster: cluster.urls })
  await cache.setMany(Array.from({ length: 60 }, (_, index) => [`key ${index}`, index]))
  const counts = await Promise.all(cluster.nodes.map((node) => node.command("DBSIZE")))
  for (const count of counts) expect(Number(count)).toBeGreaterThan(3)
  const client = new Cluster(cluster.urls) as unknown as RedisClient
  cleanUps.push(() => client.disconnect())
  await expectSharing({ client }, { cluster: cluster.urls }, "other shop")
})

test("a cluster over TLS with a password is shared, named by its urls, by its nodes and by a client", async () => {
  const cluster = await start(RedisCluster.start({ server: { tls: true, requirepass: "secret" } }))
  const [url] = cluster.urls as [string]
  expect(url).toMatch(/^rediss:/)
  await expectSharing({ cluster: cluster.urls, tls: { ca } })
  const hosts = cluster.nodes.map(({ port }) => ({ host: "127.0.0.1", port }))
  await expectSharing({ cluster: hosts, password: "secret", tls: { ca } }, { cluster: [url], tls: { ca } }, "by hosts")
  const client = new Cluster(hosts, { redisOptions: { password: "secret", tls: { ca } } }) as unknown as RedisClient
  cleanUps.push(() => client.disconnect())
  await expectSharing({ client }, { cluster: cluster.urls, tls: { ca } }, "by a client")
})

test("sentinels over TLS with a password: shared, and again after a failover", async () => {
  const watched = await start(RedisSentinel.start({ server: { tls: true, requirepass: "secret" } }))
  const options = { sentinels: watched.addresses, name: watched.name, password: "secret", tls: { ca } }
  await expectSharing(options)
  const node = await join(options)
  await node.cache.set("k", "before")
  await watched.failover()
  await until(async () => (await node.cache.invalidate("any").catch(() => "")) !== "", { what: "the new master" })
  await until(() => node.cache.status().state === "ready", { what: "the log" })
  expect(await node.cache.get("k")).toBeUndefined()
  await node.cache.set("k", "after")
  expect(await node.cache.get("k")).toBe("after")
})

test("sentinels: shared, and again after a failover, with everything of before loaded anew", async () => {
  const watched = await start(RedisSentinel.start())
  const options = { sentinels: watched.addresses, name: watched.name }
  await expectSharing(options)
  const node = await join(options)
  await node.cache.set("k", "before")
  await watched.failover()
  await until(async () => (await node.cache.get("k")) === undefined, { what: "the new epoch" })
  await until(() => node.cache.status().state === "ready", { what: "the node" })
  await node.cache.set("k", "after")
  expect(await node.cache.get("k")).toBe("after")
})

describe("options", () => {
  test.each<[RedisOptions, RegExp]>([
    [{}, /pass one of `url`, `sentinels`, `cluster` and `client`/],
    [{ url: "redis://h", cluster: ["redis://h"] }, /pass one of/],
    [{ url: "http://h" }, /url/],
    [{ url: "redis://h", entries: 1 as never }, /entries.*true or false/],
    [{ url: "redis://h", entries: false, logUrl: "redis://g" }, /logUrl.*`url` is that of the log/],
    [{ cluster: ["redis://h"], logUrl: "redis://g" }, /logUrl.*does not go with `cluster`/],
    [{ url: "redis://h", maxTags: 0 }, /maxTags/],
    [{ url: "redis://h", turbo: true } as never, /turbo.*no such option/],
  ])("%j is refused", (options, why) => {
    expect(() => redis(options)).toThrow(InvalidOptionError)
    expect(() => redis(options)).toThrow(why)
  })

  test("`maxLoads` is 256 unless told otherwise", async () => {
    const { url } = await start(RedisServer.start())
    const { cache } = await join({ url })
    const { cache: other } = await join({ url }, { maxLoads: 2 })
    let release: () => void = () => {}
    const released = new Promise<void>((resolve) => (release = resolve))
    const held = (of: Cache) => of.cacheable((_id: number) => released, { name: "held" })
    const [heldHere, heldThere] = [held(cache), held(other)]
    const calls: Promise<void>[] = []
    for (let id = 0; id < 300; id += 1) calls.push(heldHere(id), heldThere(id))
    const begun = ({ running, waiting }: ReturnType<Cache["stats"]>) => running + waiting
    await until(() => begun(cache.stats()) === 300 && begun(other.stats()) === 300, { what: "loads" })
    expect([cache.stats().running, other.stats().running]).toEqual([256, 2])
    release()
    await Promise.all(calls)
  })
})

import { Cluster, Redis } from "ioredis"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import { systemClock } from "../../src/core/base/clock.js"
import { RedisStore } from "../../src/redis/store.js"
import { createCodec } from "../../src/codec/index.js"
import { storeConformance, type StoreUnderTest } from "../../src/testing/index.js"
import { RedisCluster } from "./support/cluster.js"
import { RedisServer } from "./support/server.js"

const codec = createCodec()
const cleanUps: (() => void)[] = []
let prefixes = 0

/** Two handles over two connections, in a namespace that no test had before. */
function making(connect: () => Redis | Cluster): StoreUnderTest {
  const prefix = `{conformance}:${++prefixes}`
  const [store, other] = [connect(), connect()].map((client) => {
    client.on("error", () => {})
    cleanUps.push(() => client.disconnect())
    return new RedisStore({
      client,
      prefix,
      codec,
      clock: systemClock,
      random: Math.random,
      limits: { readTimeoutMs: 60_000 },
      onFault: (error) => {
        throw error
      },
    })
  }) as [RedisStore, RedisStore]
  let epoch = { ordinal: 1_767_225_600, nonce: "first" }
  let version = Date.UTC(2026, 0, 1) * 1024
  return {
    store,
    other,
    codec,
    epoch,
    nextVersion: () => (version += 1),
    beginEpoch: () => (epoch = { ordinal: epoch.ordinal + 1, nonce: "second" }),
  }
}

afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp()
})

describe("the store of Redis", () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await RedisServer.start()
  })
  afterAll(() => server[Symbol.asyncDispose]())

  storeConformance({ test, make: () => making(() => new Redis(server.url)) })
})

describe("the store of a Redis Cluster", () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await RedisCluster.start()
  })
  afterAll(() => cluster[Symbol.asyncDispose]())

  storeConformance({ test, make: () => making(() => new Cluster(cluster.urls)) })

  test("entries lie on all servers, and are found together", async () => {
    const { store, other, nextVersion, ...made } = making(() => new Cluster(cluster.urls))
    const version = await nextVersion()
    const never = Number.POSITIVE_INFINITY
    const times = { storedAtMs: 0, expiresAtMs: never, graceMs: 0, idleTtlMs: never, idleUntilMs: never }
    const sizesOf = () => Promise.all(cluster.nodes.map(async (node) => Number(await node.command("DBSIZE"))))
    const before = await sizesOf()
    const keys = Array.from({ length: 300 }, (_, index) => `{user}:${index}`)
    const header = { epoch: made.epoch, asOf: version, keyVersion: version, ...times, tags: [], keys: [] }
    await Promise.all(keys.map((key) => store.put(key, codec.encode({ ...header, key }, key))))
    const found = await Promise.all(keys.map(async (key) => other.get(key)))
    expect(found.map((bytes) => bytes && codec.decodeValue(bytes))).toEqual(keys)
    for (const [index, size] of (await sizesOf()).entries())
      expect(size - (before[index] as number)).toBeGreaterThan(50)
    await Promise.all([store.close(), other.close()])
  })
})

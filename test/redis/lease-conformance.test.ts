import { setTimeout } from "node:timers/promises"
import { Cluster, Redis } from "ioredis"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { systemClock } from "../../src/core/base/clock.js"
import type { RedisLeases } from "../../src/redis/leases.js"
import { RedisStore } from "../../src/redis/store.js"
import { createCodec } from "../../src/codec/index.js"
import { leaseConformance, type LeasesUnderTest } from "../../src/testing/index.js"
import { RedisCluster } from "./support/cluster.js"
import { RedisServer } from "./support/server.js"
import { until } from "./support/until.js"

const codec = createCodec()
let prefixes = 0

/** Two handles over connections of their own, in a namespace that no test had before. */
function making(connect: () => Redis | Cluster): LeasesUnderTest {
  const prefix = `{leases}:${++prefixes}`
  const clients: (Redis | Cluster)[] = []
  const opened = () => {
    const client = connect()
    client.on("error", () => {})
    clients.push(client)
    return client
  }
  const stores = [0, 1].map(() => {
    return new RedisStore({
      client: opened(),
      listen: ({ channel, onMessage, onListening }) => {
        const subscriber = opened()
        subscriber.on("message", (of: string, message: string) => {
          if (of === channel) onMessage(message)
        })
        void subscriber.subscribe(channel).then(onListening)
        return () => subscriber.disconnect()
      },
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
  return {
    leases: slowly(stores[0].leases as RedisLeases),
    other: slowly(stores[1].leases as RedisLeases),
    pass: (ms) => setTimeout(ms * SLOWLY),
    cleanUp: async () => {
      await Promise.all(stores.map((store) => store.close()))
      for (const client of clients) client.disconnect()
    },
  }
}

/** By what the time of short leases is stretched: nothing must run out between two commands on a busy machine. */
const SLOWLY = 4
const SHORT_MS = 1000

function slowly(leases: RedisLeases): RedisLeases {
  const acquire = leases.acquire.bind(leases)
  leases.acquire = (key, ms) => acquire(key, ms < SHORT_MS ? ms * SLOWLY : ms)
  return leases
}

describe("the leases of Redis", () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await RedisServer.start()
  })
  afterAll(() => server[Symbol.asyncDispose]())

  leaseConformance({ test, make: () => making(() => new Redis(server.url)) })

  test("are gone when they are given back, and when their time is over", async () => {
    const { leases, other, cleanUp } = making(() => new Redis(server.url))
    await server.command("FLUSHALL")
    const answer = await leases.acquire("k", 10_000)
    if (answer === undefined || !("lease" in answer)) throw new Error("it was not granted")
    const [name] = (await server.command("KEYS", "*")) as string[]
    expect(name).toBe(`zc1:l:%7Bleases%7D%3A${prefixes}:{zc1:e:%7Bleases%7D%3A${prefixes}:k}`)
    await other.acquire("k", 10_000)
    await answer.lease.release("stored")
    await leases.acquire("k", 100)
    await other.acquire("k", 100)
    await until(async () => (await server.command("DBSIZE")) === "0", { what: "the lease to end" })
    await cleanUp?.()
  })

  test("say nothing to the fleet where nobody was refused", async () => {
    const { leases, other, cleanUp } = making(() => new Redis(server.url))
    const published = async () =>
      Number((await server.info("commandstats")).get("cmdstat_publish")?.match(/calls=(\d+)/)?.[1] ?? 0)
    const before = await published()
    for (let count = 0; count < 20; count += 1) {
      const answer = await leases.acquire("k", 10_000)
      if (answer === undefined || !("lease" in answer)) throw new Error("it was not granted")
      if (count === 10) await other.acquire("k", 10_000)
      await answer.lease.release("stored")
    }
    expect((await published()) - before).toBe(1)
    await cleanUp?.()
  })
})

describe("the leases of a Redis Cluster", () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await RedisCluster.start()
  })
  afterAll(() => cluster[Symbol.asyncDispose]())

  leaseConformance({ test, make: () => making(() => new Cluster(cluster.urls)) })
})

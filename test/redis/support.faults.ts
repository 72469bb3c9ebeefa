/** The clusters and sentinels that other tests start: those find out soon enough what does not work, and not why. */
import { Redis } from "ioredis"
import { describe, expect, onTestFinished, test } from "vitest"
import { RedisCluster } from "./support/cluster.js"
import { RedisSentinel } from "./support/sentinel.js"
import type { RedisServer } from "./support/server.js"
import { until } from "./support/until.js"

describe("clusters", () => {
  test("serve, and go on with a replica when a master is gone", async () => {
    await using cluster = await RedisCluster.start({ replicas: 1, nodeTimeoutMs: 500 })
    expect(cluster.nodes).toHaveLength(6)
    const owners = await Promise.all(["a", "b", "c", "d"].map((key) => cluster.masterOf(key)))
    expect(new Set(owners)).toEqual(new Set(cluster.nodes.slice(0, 3)))
    const master = await cluster.masterOf("a")
    await master.command("SET", "a", "1")
    expect(await master.command("WAIT", 1, 1000)).toBe("1")
    await master.kill()
    const next = await until(async () => (await cluster.masterOf("a")) !== master && (await cluster.masterOf("a")), {
      what: "the replica to take over",
    })
    await cluster.untilServing()
    expect(await next.command("GET", "a")).toBe("1")
  })
})

describe("sentinels", () => {
  test("make the replica the master on demand", async () => {
    await using watched = await RedisSentinel.start()
    const [first, second] = watched.servers as [RedisServer, RedisServer]
    expect(await watched.master()).toBe(first)
    const client = new Redis({ sentinels: watched.addresses, name: watched.name })
    client.on("error", () => {})
    onTestFinished(() => client.disconnect())
    await client.set("a", "1")
    expect(await client.wait(1, 1000)).toBe(1)
    expect(await watched.failover()).toBe(second)
    expect(await second.command("GET", "a")).toBe("1")
    await until(() => client.set("a", "2").then(() => true), { what: "the client to find the new master" })
    expect(await second.command("GET", "a")).toBe("2")
  })

  test("agree on another master when theirs is killed", async () => {
    await using watched = await RedisSentinel.start({ sentinels: 3, downAfterMs: 500 })
    const old = await watched.master()
    await old.kill()
    const next = await watched.untilMasterIsNot(old)
    expect(await next.command("SET", "a", "1")).toBe("OK")
  })
})

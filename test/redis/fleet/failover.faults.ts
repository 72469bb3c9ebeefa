import { describe, test } from "vitest"
import { logKeys } from "../../../src/redis/keys.js"
import { RedisCluster } from "../support/cluster.js"
import { RedisSentinel } from "../support/sentinel.js"
import type { RedisServer } from "../support/server.js"
import { until } from "../support/until.js"
import { BOUND_MS, Fleet, PREFIX } from "./support/fleet.js"
import { headOf, Pair } from "./support/pair.js"

describe("a fleet under load reads nothing stale and loses nothing", () => {
  test("when a replica that lags takes over, without what was acknowledged", async () => {
    await using pair = await Pair.start()
    const { master, replica } = pair
    await using fleet = await Fleet.start(master)
    pair.part()
    await fleet.deafen(1)
    await fleet.goOn(500)
    await until(async () => (await headOf(master)) > (await headOf(replica)), { what: "the replica to lag" })
    await master.kill()
    await pair.promote()
    fleet.moveTo(replica)
    await fleet.untilDelivered()
    await fleet.goOn(BOUND_MS + 200)
    await fleet.finish()
  })

  test("when sentinels replace a master that was killed", async () => {
    await using watched = await RedisSentinel.start({ downAfterMs: 500 })
    const master = await watched.master()
    const redis = { sentinels: watched.addresses, name: watched.name }
    await using fleet = await Fleet.start(master, { redis })
    await master.kill()
    await watched.untilMasterIsNot(master)
    await fleet.untilDelivered()
    await fleet.goOn(500)
    await fleet.finish()
  })

  test("when the replica of a cluster's master, the one with the log, takes its place", async () => {
    await using cluster = await RedisCluster.start({ masters: 3, replicas: 1, nodeTimeoutMs: 500 })
    const redis = { cluster: cluster.urls }
    const [first] = cluster.nodes as [RedisServer]
    await using fleet = await Fleet.start(first, { redis })
    const master = await cluster.masterOf(logKeys(PREFIX).state)
    await master.kill()
    const isReplaced = async () => (await cluster.masterOf(logKeys(PREFIX).state)) !== master
    await until(isReplaced, { what: "another master" })
    await fleet.untilDelivered()
    await fleet.goOn(BOUND_MS + 200)
    await fleet.finish()
  })

  test("when the old master comes back with its old data", async () => {
    await using pair = await Pair.start({ appendonly: true })
    const { master, replica } = pair
    await using fleet = await Fleet.start(master)
    await master.kill()
    await pair.promote()
    fleet.moveTo(replica)
    await fleet.untilDelivered()
    await fleet.deafen(1)
    await fleet.goOn(300)
    await replica.kill()
    await master.restart({ keepData: true })
    fleet.moveTo(master)
    await fleet.untilDelivered()
    await fleet.goOn(BOUND_MS + 200)
    await fleet.finish()
  })
})

import { describe, expect, test } from "vitest"
import { RedisServer } from "../support/server.js"
import { Fleet } from "./support/fleet.js"
import { testLostLeases, testOneLoad } from "./support/single-flight-tests.js"

testOneLoad({ nodes: 8, rows: 80 })
testLostLeases()

describe("a fleet under load in which one node loads for all reads nothing stale and loses nothing", () => {
  test("when nodes are killed, stand still and are cut off", async () => {
    await using server = await RedisServer.start()
    await using fleet = await Fleet.start(server, {
      nodes: 4,
      cache: { singleflight: { scope: "cluster", lease: 500 } },
    })
    await fleet.replace(1, server)
    await fleet.goOn(500)
    await fleet.node(2).pause()
    await fleet.goOn(1000)
    fleet.node(2).resume()
    fleet.node(3).proxy.cut()
    await fleet.goOn(500)
    await server.restart()
    await fleet.goOn(1000)
    await fleet.untilDelivered()
    const stats = await Promise.all(fleet.nodes.map((node) => node.call("stats")))
    expect(Math.min(...stats.map(({ leases }) => leases))).toBeGreaterThan(0)
    expect(stats.reduce((sum, { leaseHits }) => sum + leaseHits, 0)).toBeGreaterThan(0)
    await fleet.finish()
  })
})

import { describe, test } from "vitest"
import { RedisServer } from "../support/server.js"
import { until } from "../support/until.js"
import { BOUND_MS, Fleet } from "./support/fleet.js"

describe("a fleet under load reads nothing stale and loses nothing", () => {
  test.each(["both", "toServer", "toClient"] as const)(
    "while the connections of a node are half open (%s), for longer than the bound",
    async (direction) => {
      await using server = await RedisServer.start()
      await using fleet = await Fleet.start(server)
      const node = fleet.node(0)
      node.proxy.silence(direction)
      await until(async () => (await node.call("state")) === "unsure", { what: "the node to find out" })
      await fleet.goOn(500)
      node.proxy.heal()
      await until(async () => (await node.call("state")) === "ready", { what: "the node to be sure again" })
      await fleet.untilDelivered()
      await fleet.finish()
    },
  )

  test("while the connections of a node are silent for less than the bound, and others are cut or slow", async () => {
    await using server = await RedisServer.start()
    await using fleet = await Fleet.start(server)
    fleet.node(1).proxy.delayMs = 40
    for (let round = 0; round < 3; round += 1) {
      fleet.node(0).proxy.silence("toClient")
      await fleet.goOn(150)
      fleet.node(2).proxy.cut()
      await fleet.goOn(150)
      fleet.node(0).proxy.heal()
      await fleet.goOn(400)
    }
    await fleet.goOn(1000)
    await fleet.finish()
  })

  test("while no node reaches the server", async () => {
    await using server = await RedisServer.start()
    await using fleet = await Fleet.start(server)
    for (const { proxy } of fleet.nodes) {
      proxy.refuse()
      proxy.cut()
    }
    await fleet.goOn(BOUND_MS + 500)
    for (const node of fleet.nodes) {
      await until(async () => (await node.call("state")) === "unsure", { what: "the node to find out" })
      await node.proxy.accept()
    }
    await fleet.untilDelivered()
    await fleet.finish()
  })
})

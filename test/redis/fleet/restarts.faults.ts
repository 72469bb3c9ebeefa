import { describe, test } from "vitest"
import { RedisServer } from "../support/server.js"
import { until } from "../support/until.js"
import { BOUND_MS, Fleet } from "./support/fleet.js"

describe("a fleet under load reads nothing stale and loses nothing", () => {
  test.each([
    ["without its data", {}],
    ["with its data", { appendonly: true }],
  ])("while the server is killed and comes back %s", async (_how, options) => {
    await using server = await RedisServer.start(options)
    await using fleet = await Fleet.start(server)
    for (let round = 0; round < 2; round += 1) {
      await fleet.deafen(round)
      await fleet.goOn(300)
      await server.kill()
      await fleet.goOn(200)
      await server.restart()
      fleet.node(round).proxy.heal()
      await fleet.untilDelivered()
    }
    await fleet.goOn(BOUND_MS + 200)
    await fleet.finish()
  })

  test("while the server is stopped for longer than the bound", async () => {
    await using server = await RedisServer.start()
    await using fleet = await Fleet.start(server)
    await server.pause()
    for (const node of fleet.nodes) {
      await until(async () => (await node.call("state")) === "unsure", { what: "the node to find out" })
    }
    await fleet.goOn(500)
    server.resume()
    await fleet.untilDelivered()
    await fleet.goOn(500)
    await fleet.finish()
  })

  test("while the server pauses all its clients", async () => {
    await using server = await RedisServer.start()
    await using fleet = await Fleet.start(server)
    await server.command("CLIENT", "PAUSE", BOUND_MS + 200, "ALL")
    await fleet.goOn(BOUND_MS + 400)
    await fleet.untilDelivered()
    await server.command("CLIENT", "PAUSE", 1000, "WRITE")
    await fleet.goOn(1200)
    await fleet.untilDelivered()
    await fleet.finish()
  })
})

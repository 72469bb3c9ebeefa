import { setTimeout } from "node:timers/promises"
import { afterEach, describe, expect, test } from "vitest"
import { cleanUp } from "../support/logs.js"
import { RedisServer } from "../support/server.js"
import { until } from "../support/until.js"
import { BOUND_MS, Fleet } from "./support/fleet.js"
import { HANGS_UP, untilDropped } from "./support/hang-up.js"

const config = [HANGS_UP]
afterEach(cleanUp)

describe("a fleet under load reads nothing stale and loses nothing", () => {
  test("while a node does not read what it is told, until the server hangs up, and long after", async () => {
    await using server = await RedisServer.start({ config })
    await using fleet = await Fleet.start(server)
    const { proxy } = fleet.node(0)
    await proxy.clog()
    await untilDropped(server)
    // It asks, and is answered, all the time.
    await fleet.goOn(BOUND_MS + 500)
    await until(async () => (await fleet.node(0).call("state")) === "ready", { what: "the node to be sure" })
    // Now it is told what it has learnt long ago, and then that nobody tells it any more.
    const { accepted } = proxy
    proxy.unclog()
    await until(() => proxy.accepted > accepted, { what: "the node to listen again" })
    await fleet.untilDelivered()
    await fleet.goOn(500)
    await fleet.finish()
  })

  test("while a node that only reads is told nothing: its heartbeats are enough", async () => {
    await using server = await RedisServer.start({ config })
    await using fleet = await Fleet.start(server, { hasLoad: false })
    const [reading, changing] = [fleet.node(0), fleet.node(1)]
    const { id } = await reading.call("row", 1)
    await reading.proxy.clog()
    await untilDropped(server)
    await changing.call("change", 1)
    await setTimeout(BOUND_MS)
    await until(async () => (await reading.call("state")) === "ready", { what: "the node to be sure" })
    expect((await reading.call("row", 1)).id).not.toBe(id)
    reading.proxy.unclog()
    await fleet.finish({ reads: 0 })
  })

  test("when a node stands still, for less than the bound, until the server hangs up", async () => {
    await using server = await RedisServer.start({ config })
    await using fleet = await Fleet.start(server, { isDirect: true })
    await fleet.node(0).pause()
    await untilDropped(server)
    fleet.node(0).resume()
    await fleet.untilDelivered()
    await fleet.goOn(BOUND_MS + 200)
    await fleet.finish()
  })
})

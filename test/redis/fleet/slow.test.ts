import { setTimeout } from "node:timers/promises"
import { afterEach, describe, expect, test } from "vitest"
import { logKeys } from "../../../src/redis/keys.js"
import { adminOf, cleanUp } from "../support/logs.js"
import { RedisServer } from "../support/server.js"
import { until } from "../support/until.js"
import { BOUND_MS, Fleet, PREFIX } from "./support/fleet.js"

const config = ["client-output-buffer-limit pubsub 2mb 0 0"]
const { channel } = logKeys(PREFIX)
/** Says nothing to those who listen. Invalidations would need half a minute to fill what the system keeps for a reader. */
const NOISE = "-".repeat(64 * 1024)

/** The server hangs up on a subscriber that does not read. */
async function untilDropped(server: RedisServer): Promise<void> {
  const admin = adminOf(server.url)
  await until(
    async () => {
      await Promise.all(Array.from({ length: 10 }, () => admin.publish(channel, NOISE)))
      return server.log().includes("overcoming of output buffer limits")
    },
    { what: "the server to hang up" },
  )
}

afterEach(cleanUp)

describe("a fleet under load reads nothing stale and loses nothing", { timeout: 60_000 }, () => {
  test("while a node does not read what it is told, until the server hangs up, and long after", async () => {
    await using server = await RedisServer.start({ config })
    await using fleet = await Fleet.start(server)
    const { proxy } = fleet.node(0)
    proxy.clog()
    await untilDropped(server)
    // It asks, and is answered, all the time.
    await fleet.goOn(BOUND_MS + 500)
    expect(await fleet.node(0).call("state")).toBe("ready")
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
    reading.proxy.clog()
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

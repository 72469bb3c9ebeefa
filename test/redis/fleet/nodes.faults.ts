import { setTimeout } from "node:timers/promises"
import { describe, expect, test } from "vitest"
import { RedisServer } from "../support/server.js"
import { until } from "../support/until.js"
import { BOUND_MS, Fleet } from "./support/fleet.js"

const TEN_MINUTES_MS = 600_000
const STOP_MS = BOUND_MS + 500
/** The load only reads them, but for the end of it. */
const SOME_ROWS = Array.from({ length: 10 }, (_, index) => 220 + index)

describe("a fleet under load reads nothing stale and loses nothing", () => {
  test("when a node stands still for longer than the bound", async () => {
    await using server = await RedisServer.start()
    await using fleet = await Fleet.start(server)
    const node = fleet.node(0)
    await Promise.all(SOME_ROWS.map((row) => node.call("row", row)))
    await node.pause()
    // Else it would hear what it has missed before it does anything else.
    node.proxy.silence("both")
    // What it has to pull then has more than one page.
    await until(() => fleet.node(1).call("changeOthers", 2000), { what: "an acknowledgement" })
    for (const row of SOME_ROWS) {
      await until(() => fleet.node(1).call("change", row), { what: "an acknowledgement" })
    }
    await fleet.goOn(STOP_MS)
    const reads = SOME_ROWS.map((row) => node.call("row", row))
    node.resume()
    await Promise.all(reads)
    await fleet.goOn(300)
    node.proxy.heal()
    await fleet.untilDelivered()
    await fleet.goOn(300)
    await fleet.finish()
  })

  test("when the clocks of nodes are ten minutes ahead and behind, and are set", async () => {
    await using server = await RedisServer.start()
    await using fleet = await Fleet.start(server, { clockOffsetsMs: [0, TEN_MINUTES_MS, -TEN_MINUTES_MS] })
    await fleet.goOn(1500)
    for (const node of fleet.nodes) {
      await until(async () => (await node.call("state")) === "ready", { what: "the node to be sure" })
    }
    for (const offsetMs of [TEN_MINUTES_MS, -TEN_MINUTES_MS, 0]) {
      await fleet.node(0).call("setClock", offsetMs)
      await fleet.goOn(300)
    }
    await fleet.untilDelivered()
    await fleet.goOn(1000)
    await fleet.finish()
  })

  test("when nodes are killed and others take their places", async () => {
    await using server = await RedisServer.start()
    await using fleet = await Fleet.start(server)
    for (const index of [1, 2]) {
      await fleet.replace(index, server)
      await fleet.goOn(300)
    }
    await fleet.untilDelivered()
    await fleet.finish()
  })
})

describe("a node that stands still in the middle of a read", () => {
  test("does not serve what it was loading", async () => {
    await using server = await RedisServer.start()
    await using fleet = await Fleet.start(server, { hasLoad: false })
    const [stopped, changing] = [fleet.node(0), fleet.node(1)]
    await stopped.call("begin", 1)
    await stopped.pause()
    await changing.call("change", 1)
    await setTimeout(STOP_MS)
    // Both wait for it when it goes on.
    const finished = stopped.call("finish", 1)
    const read = stopped.call("row", 1)
    stopped.resume()
    expect((await read).id).not.toBe((await finished).id)
    await fleet.finish({ reads: 0 })
  })

  test("does not serve what it was reading from Redis", async () => {
    await using server = await RedisServer.start()
    await using fleet = await Fleet.start(server, { hasLoad: false, redis: { readTimeout: 400 } })
    const [stopped, changing] = [fleet.node(0), fleet.node(1)]
    const { id } = await changing.call("row", 1)
    await until(async () => (await changing.call("queued")) === 0, { what: "the entry to be written" })
    stopped.proxy.delayMs = 100
    const reading = stopped.call("row", 1)
    await setTimeout(100)
    await stopped.pause()
    // The answer is on its way, or there already.
    await setTimeout(150)
    await changing.call("change", 1)
    await setTimeout(STOP_MS)
    const read = stopped.call("row", 1)
    stopped.resume()
    expect((await read).id).not.toBe(id)
    await reading
    await fleet.finish({ reads: 0 })
  })
})

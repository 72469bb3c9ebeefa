import { setTimeout } from "node:timers/promises"
import { describe, expect, test } from "vitest"
import { logKeys } from "../../../src/redis/keys.js"
import { RedisServer } from "../support/server.js"
import { until } from "../support/until.js"
import { BOUND_MS, Fleet, PREFIX } from "./support/fleet.js"

const keys = logKeys(PREFIX)

describe("a fleet under load reads nothing stale and loses nothing", () => {
  test("while the server is emptied, again and again", async () => {
    await using server = await RedisServer.start()
    await using fleet = await Fleet.start(server)
    for (let round = 0; round < 3; round += 1) {
      await fleet.deafen(round)
      await server.command("FLUSHALL")
      fleet.node(round).proxy.heal()
      await fleet.goOn(300)
    }
    await fleet.untilDelivered()
    await fleet.goOn(BOUND_MS + 200)
    await fleet.finish()
  })

  test("while parts of the log are deleted, one by one", async () => {
    await using server = await RedisServer.start()
    await using fleet = await Fleet.start(server)
    for (const key of [keys.state, keys.tags, keys.keys]) {
      const before = await epochOf(server)
      await server.command("DEL", key)
      await fleet.untilDelivered()
      expect(await epochOf(server)).not.toBe(before)
      await fleet.goOn(200)
    }
    await fleet.goOn(BOUND_MS + 200)
    await fleet.finish()
  })

  test("while the server forgets its scripts and its listeners", async () => {
    await using server = await RedisServer.start()
    await using fleet = await Fleet.start(server)
    const epoch = await epochOf(server)
    for (let round = 0; round < 10; round += 1) {
      await server.command("SCRIPT", "FLUSH")
      await server.command("CLIENT", "KILL", "TYPE", "pubsub")
      await fleet.goOn(100)
    }
    const listeners = async () => Number(((await server.command("PUBSUB", "NUMSUB", keys.channel)) as string[])[1])
    await until(async () => (await listeners()) === fleet.nodes.length, { what: "all nodes to listen again" })
    await fleet.untilDelivered()
    await fleet.goOn(1000)
    await fleet.finish()
    // Nothing was lost by that, so that nothing is loaded again for it.
    expect(await epochOf(server)).toBe(epoch)
  })

  test("while the server has no memory left, and refuses what is written", async () => {
    await using server = await RedisServer.start()
    await using fleet = await Fleet.start(server)
    const epoch = await epochOf(server)
    await server.command("CONFIG", "SET", "maxmemory", 1)
    await fleet.goOn(1000)
    await until(async () => /OOM/.test((await fleet.node(0).call("faults")).join()), { what: "the fault" })
    await server.command("CONFIG", "SET", "maxmemory", 0)
    await fleet.untilDelivered()
    await fleet.goOn(1000)
    await fleet.finish()
    expect(await epochOf(server)).toBe(epoch)
  })

  test("while the server evicts whatever it has, the log as well", async () => {
    await using server = await RedisServer.start({ maxmemoryPolicy: "allkeys-random" })
    await using fleet = await Fleet.start(server)
    const epochs = new Set<unknown>()
    for (let round = 0; round < 10; round += 1) {
      await server.command("CONFIG", "SET", "maxmemory", 1)
      await server.command("CONFIG", "SET", "maxmemory", 0)
      await fleet.goOn(100)
      epochs.add(await epochOf(server))
    }
    expect(epochs.size).toBeGreaterThan(2)
    await fleet.untilDelivered()
    await fleet.goOn(BOUND_MS + 200)
    await fleet.finish()
  })
})

async function epochOf(server: RedisServer): Promise<unknown> {
  for (;;) {
    const epoch = await server.command("HGET", keys.state, "epoch")
    if (epoch !== null) return epoch
    await setTimeout(5)
  }
}

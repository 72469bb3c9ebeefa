/** Each fault of a fleet in short, one after the other. In *.faults.ts each has a test of its own, and lasts longer. */
import { afterEach, describe, expect, test } from "vitest"
import { logKeys } from "../../../src/redis/keys.js"
import { cleanUp } from "../support/logs.js"
import { RedisServer } from "../support/server.js"
import { until } from "../support/until.js"
import { BOUND_MS, Fleet, type FleetNode, PREFIX } from "./support/fleet.js"
import { HANGS_UP, untilDropped } from "./support/hang-up.js"
import { headOf, Pair } from "./support/pair.js"

const TEN_MINUTES_MS = 600_000
const keys = logKeys(PREFIX)

afterEach(cleanUp)

async function untilState(node: FleetNode, state: "ready" | "unsure"): Promise<void> {
  await until(async () => (await node.call("state")) === state, { what: `a node to be ${state}` })
}

async function epochOf(server: RedisServer): Promise<unknown> {
  return until(async () => (await server.command("HGET", keys.state, "epoch")) ?? undefined, { what: "an epoch" })
}

describe("a fleet under load reads nothing stale and loses nothing", () => {
  test("whatever happens to its connections", async () => {
    await using server = await RedisServer.start({ config: [HANGS_UP] })
    await using fleet = await Fleet.start(server)
    for (const [index, direction] of (["both", "toServer", "toClient"] as const).entries()) {
      const node = fleet.node(index)
      node.proxy.silence(direction)
      await untilState(node, "unsure")
      node.proxy.heal()
      await untilState(node, "ready")
    }
    await fleet.untilDelivered()

    fleet.node(1).proxy.delayMs = 40
    fleet.node(2).proxy.cut()
    await fleet.goOn(200)
    fleet.node(1).proxy.delayMs = 0
    await fleet.untilDelivered()

    for (const { proxy } of fleet.nodes) {
      proxy.refuse()
      proxy.cut()
    }
    for (const node of fleet.nodes) await untilState(node, "unsure")
    for (const { proxy } of fleet.nodes) await proxy.accept()
    await fleet.untilDelivered()

    const { proxy } = fleet.node(0)
    await proxy.clog()
    await untilDropped(server)
    await fleet.goOn(BOUND_MS)
    await untilState(fleet.node(0), "ready")
    const { accepted } = proxy
    proxy.unclog()
    await until(() => proxy.accepted > accepted, { what: "the node to listen again" })
    await fleet.untilDelivered()
    await fleet.finish()
  })

  test("whatever happens to its nodes", async () => {
    await using server = await RedisServer.start()
    await using fleet = await Fleet.start(server, { clockOffsetsMs: [0, TEN_MINUTES_MS, -TEN_MINUTES_MS] })
    for (const offsetMs of [TEN_MINUTES_MS, -TEN_MINUTES_MS, 0]) {
      await fleet.node(0).call("setClock", offsetMs)
      await fleet.untilDelivered(2)
    }

    const node = fleet.node(0)
    await node.pause()
    // Else it would hear what it has missed before it does anything else.
    node.proxy.silence("both")
    await until(() => fleet.node(1).call("changeOthers", 2000), { what: "an acknowledgement" })
    await fleet.goOn(BOUND_MS + 200)
    node.resume()
    await fleet.goOn(200)
    node.proxy.heal()
    await fleet.untilDelivered()

    await fleet.replace(1, server)
    await fleet.untilDelivered()
    await fleet.finish()
  })

  test("whatever happens to its server", async () => {
    await using server = await RedisServer.start()
    await using fleet = await Fleet.start(server, { redis: { maxTags: 5000 } })
    const epoch = await epochOf(server)
    const listeners = async () => Number(((await server.command("PUBSUB", "NUMSUB", keys.channel)) as string[])[1])
    await server.command("SCRIPT", "FLUSH")
    await server.command("CLIENT", "KILL", "TYPE", "pubsub")
    await until(async () => (await listeners()) === fleet.nodes.length, { what: "all nodes to listen again" })
    await server.command("CONFIG", "SET", "maxmemory", 1)
    await until(async () => /OOM/.test((await fleet.node(0).call("faults")).join()), { what: "the fault" })
    await server.command("CONFIG", "SET", "maxmemory", 0)
    await server.command("CLIENT", "PAUSE", 500, "ALL")
    await fleet.untilDelivered()
    // Its clock was stepped ahead and back.
    const head = BigInt(String(await server.command("HGET", keys.state, "head"))) + BigInt(TEN_MINUTES_MS) * 1024n
    await server.command("HSET", keys.state, "head", String(head))
    await until(async () => (await headOf(server)) > Number(head), { what: "the log to go on" })
    await until(() => fleet.node(0).call("changeOthers", 6000), { what: "more than the log remembers" })
    await fleet.untilDelivered()
    // Nothing was lost by any of that, so that nothing is loaded again for it.
    expect(await epochOf(server)).toBe(epoch)

    await server.pause()
    for (const node of fleet.nodes) await untilState(node, "unsure")
    server.resume()
    await fleet.untilDelivered()

    await fleet.deafen(0)
    await server.command("FLUSHALL")
    fleet.node(0).proxy.heal()
    await fleet.untilDelivered()
    for (const key of [keys.tags, keys.keys]) {
      const before = await epochOf(server)
      await server.command("DEL", key)
      await until(async () => (await epochOf(server)) !== before, { what: "a new epoch" })
    }

    await fleet.deafen(1)
    await server.kill()
    await server.restart()
    fleet.node(1).proxy.heal()
    await fleet.untilDelivered()
    await fleet.goOn(BOUND_MS)
    await fleet.finish()
  })

  test("whatever takes the place of its server: a replica that lags, and the old master with its old data", async () => {
    await using pair = await Pair.start({ appendonly: true })
    const { master, replica } = pair
    await using fleet = await Fleet.start(master)
    pair.part()
    await fleet.deafen(1)
    await until(async () => (await headOf(master)) > (await headOf(replica)), { what: "the replica to lag" })
    await master.kill()
    await pair.promote()
    fleet.moveTo(replica)
    await fleet.untilDelivered()

    await fleet.deafen(2)
    await replica.kill()
    await master.restart({ keepData: true })
    fleet.moveTo(master)
    await fleet.untilDelivered()
    await fleet.goOn(BOUND_MS)
    await fleet.finish()
  })

  test("when two masters acknowledged for a while: it is repaired once the old one is the only one", async () => {
    await using pair = await Pair.start()
    const { master, replica } = pair
    await using fleet = await Fleet.start(master)
    fleet.split()
    pair.part()
    await pair.promote()
    const moved = fleet.others(0)
    fleet.moveTo(replica, moved)
    await fleet.goOn(500)
    const heads = [await headOf(master), await headOf(replica)]
    await replica.command("REPLICAOF", "127.0.0.1", master.port)
    fleet.moveTo(master, moved)
    await fleet.heal()
    expect(await headOf(master)).toBeGreaterThan(Math.max(...heads))
    await fleet.goOn(BOUND_MS)
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
    await until(() => changing.call("change", 1), { what: "an acknowledgement" })
    await fleet.goOn(BOUND_MS + 200)
    // Both wait for it when it goes on.
    const finished = stopped.call("finish", 1)
    const read = stopped.call("row", 1)
    stopped.resume()
    expect((await read).id).not.toBe((await finished).id)
    await fleet.finish({ reads: 0 })
  })
})

/** Faults of a server in short, one after the other. In *.faults.ts each fault of a fleet has a test of its own, and lasts longer. */
import { afterEach, expect, test } from "vitest"
import { logKeys } from "../../../src/redis/keys.js"
import { cleanUp } from "../support/logs.js"
import { RedisServer } from "../support/server.js"
import { until } from "../support/until.js"
import { BOUND_MS, Fleet, type FleetNode, PREFIX } from "./support/fleet.js"
import { headOf } from "./support/pair.js"

const TEN_MINUTES_MS = 600_000
const keys = logKeys(PREFIX)

afterEach(cleanUp)

test("a fleet under load reads nothing stale and loses nothing, whatever happens to its server", async () => {
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

async function untilState(node: FleetNode, state: "ready" | "unsure"): Promise<void> {
  await until(async () => (await node.call("state")) === state, { what: `a node to be ${state}` })
}

async function epochOf(server: RedisServer): Promise<unknown> {
  return until(async () => (await server.command("HGET", keys.state, "epoch")) ?? undefined, { what: "an epoch" })
}

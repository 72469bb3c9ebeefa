/** `singleflight: "cluster"` among processes over a real server: what it saves, and what the faults of a fleet cost. */
import { setTimeout } from "node:timers/promises"
import { describe, expect, test } from "vitest"
import type { Duration } from "zoocache"
import type { RedisOptions } from "zoocache/redis"
import { patientCache, patientRedis } from "../../../support/patience.js"
import { RedisServer } from "../../support/server.js"
import { until } from "../../support/until.js"
import { Fleet, type FleetNode } from "./fleet.js"

/** How many processes ask, and for how many rows. */
interface Callers {
  readonly nodes: number
  readonly rows: number
}

type Patience = Pick<RedisOptions, "readTimeout" | "replyTimeout" | "connectTimeout">

/** Nothing is given up on a busy machine: that would cost a load, or a lease whose answer was lost. */
const patient: Patience = patientRedis
/** For tests in which Redis does not answer. */
const impatient: Patience = { readTimeout: 1000 }

/**
 * Waits are never given up: what does not come within a lease would not come within the time that a test has. And no node is
 * unsure because the machine is busy: it would load for itself.
 */
async function start(server: RedisServer, nodes: number, lease: Duration, redis: Patience): Promise<Fleet> {
  const singleflight = { scope: "cluster", lease, wait: "1h" } as const
  const cache = { singleflight, ackTimeout: patientCache.ackTimeout }
  const boundMs = patientCache.staleness.bound
  return Fleet.start(server, { hasLoad: false, nodes, cache, redis, boundMs })
}

async function loadsOf(nodes: readonly FleetNode[]): Promise<number> {
  const loads = await Promise.all(nodes.map((node) => node.call("loads")))
  return loads.reduce((sum, count) => sum + count, 0)
}

async function untilWaiting(nodes: readonly FleetNode[]): Promise<void> {
  for (const node of nodes) {
    await until(async () => (await node.call("stats")).leaseWaits > 0, { what: "a node to wait for another" })
  }
}

export function testOneLoad({ nodes, rows: count }: Callers): void {
  describe("one load among processes", () => {
    test("of each key, however many ask at once", async () => {
      await using server = await RedisServer.start()
      await using fleet = await start(server, nodes, "10m", patient)
      const rows = Array.from({ length: count }, (_, row) => row)
      const ask = (node: FleetNode) => rows.flatMap((row) => Array.from({ length: 5 }, () => node.call("row", row)))
      const values = await Promise.all(fleet.nodes.flatMap(ask))
      expect(new Set(values.map(({ id }) => id)).size).toBe(rows.length)
      expect(await loadsOf(fleet.nodes)).toBe(rows.length)
      const stats = await Promise.all(fleet.nodes.map((node) => node.call("stats")))
      // A node that asks late gets the lease too, finds what was stored meanwhile, and gives it back.
      expect(stats.reduce((sum, { leases }) => sum + leases, 0)).toBeGreaterThanOrEqual(rows.length)
      expect(stats.reduce((sum, { leaseTimeouts }) => sum + leaseTimeouts, 0)).toBe(0)
      // Given back when the value is there, which callers don't wait for.
      const leases = async () => (await server.command("KEYS", "zc1:l:*")) as unknown[]
      await until(async () => (await leases()).length === 0, { what: "all leases to be given back" })
      await fleet.finish({ reads: 0 })
    })

    test("which an invalidation overtakes: whoever asks after it gets nothing older, and one loads", async () => {
      await using server = await RedisServer.start()
      await using fleet = await start(server, 4, "10m", patient)
      const [leader, changing, ...others] = fleet.nodes as [FleetNode, FleetNode, ...FleetNode[]]
      await leader.call("begin", 1)
      const before = others.map((node) => node.call("row", 1))
      await untilWaiting(others)
      const token = await changing.call("change", 1)
      const after = others.map((node) => node.call("syncedRow", token, 1))
      await setTimeout(100)
      const old = await leader.call("finish", 1)
      const ids = await Promise.all([...before, ...after].map(async (value) => (await value).id))
      expect(ids).not.toContain(old.id)
      expect(new Set(ids).size).toBe(1)
      expect(await loadsOf(fleet.nodes)).toBe(2)
      await fleet.finish({ reads: 0 })
    })
  })
}

export function testLostLeases(): void {
  describe("costs its lease at most", () => {
    const faults: readonly (readonly [string, (node: FleetNode) => Promise<void> | void])[] = [
      ["a node that is killed while it loads", (node) => node.kill()],
      ["a node that stands still while it loads", (node) => node.pause()],
      ["a node that is cut off from Redis while it loads", (node) => node.proxy.silence("both")],
    ]
    test.each(faults)("%s", async (_name, harm) => {
      await using server = await RedisServer.start()
      await using fleet = await start(server, 3, "2s", impatient)
      const [leader, ...others] = fleet.nodes as [FleetNode, ...FleetNode[]]
      // Killed, it does not answer.
      leader.call("begin", 1).catch(() => {})
      await until(async () => ((await server.command("KEYS", "zc1:l:*")) as unknown[]).length === 1, {
        what: "a lease",
      })
      const reads = Promise.all(others.map((node) => node.call("row", 1)))
      await untilWaiting(others)
      await harm(leader)
      // One of the two took over.
      expect(new Set((await reads).map(({ id }) => id)).size).toBe(1)
      expect(await loadsOf(others)).toBe(1)
    })

    test("and nothing at all where Redis does not answer: each node loads at once", async () => {
      await using server = await RedisServer.start()
      await using fleet = await start(server, 3, "10m", impatient)
      await Promise.all(fleet.nodes.map((node) => node.call("row", 0)))
      const before = await loadsOf(fleet.nodes)
      await server.pause()
      // A read that times out, then a lease that does.
      await Promise.all(fleet.nodes.map((node) => node.call("row", 1)))
      server.resume()
      expect(await loadsOf(fleet.nodes)).toBe(before + 3)
    })
  })
}

/** `singleflight: "cluster"` among processes over a real server: what it saves, and what the faults of a fleet cost. */
import { setTimeout } from "node:timers/promises"
import { describe, expect, test } from "vitest"
import { RedisServer } from "../support/server.js"
import { until } from "../support/until.js"
import { Fleet, type FleetNode } from "./support/fleet.js"

const LEASE_MS = 2000
/** What a busy machine may take for what takes no time. */
const BUSY_MS = 1500

async function start(server: RedisServer, nodes: number, others: { readTimeout?: number } = {}): Promise<Fleet> {
  const singleflight = { scope: "cluster", lease: LEASE_MS, wait: 5 * LEASE_MS } as const
  return Fleet.start(server, { hasLoad: false, nodes, cache: { singleflight }, redis: others })
}

/** Nothing is given up on a busy machine: that would cost a load. */
const PATIENT = { readTimeout: 5000 }

async function loadsOf(nodes: readonly FleetNode[]): Promise<number> {
  const loads = await Promise.all(nodes.map((node) => node.call("loads")))
  return loads.reduce((sum, count) => sum + count, 0)
}

/** Resolves with how long it took. */
async function timed(work: Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await work
  return performance.now() - startMs
}

async function untilWaiting(nodes: readonly FleetNode[]): Promise<void> {
  for (const node of nodes) {
    await until(async () => (await node.call("stats")).leaseWaits > 0, { what: "a node to wait for another" })
  }
}

describe("one load among processes", { timeout: 60_000 }, () => {
  test("of each key, however many ask at once", async () => {
    await using server = await RedisServer.start()
    await using fleet = await start(server, 4, PATIENT)
    const rows = Array.from({ length: 20 }, (_, row) => row)
    const ask = (node: FleetNode) => rows.flatMap((row) => Array.from({ length: 5 }, () => node.call("row", row)))
    const values = await Promise.all(fleet.nodes.flatMap(ask))
    expect(new Set(values.map(({ id }) => id)).size).toBe(rows.length)
    expect(await loadsOf(fleet.nodes)).toBe(rows.length)
    const stats = await Promise.all(fleet.nodes.map((node) => node.call("stats")))
    expect(stats.reduce((sum, { leases }) => sum + leases, 0)).toBe(rows.length)
    expect(stats.reduce((sum, { leaseTimeouts }) => sum + leaseTimeouts, 0)).toBe(0)
    expect(await server.command("KEYS", "zc1:l:*")).toEqual([])
    await fleet.finish({ reads: 0 })
  })

  test("which an invalidation overtakes: whoever asks after it gets nothing older, and one loads", async () => {
    await using server = await RedisServer.start()
    await using fleet = await start(server, 4, PATIENT)
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

describe("costs its lease at most", { timeout: 60_000 }, () => {
  const faults: readonly (readonly [string, (node: FleetNode) => Promise<void> | void])[] = [
    ["a node that is killed while it loads", (node) => node.kill()],
    ["a node that stands still while it loads", (node) => node.pause()],
    ["a node that is cut off from Redis while it loads", (node) => node.proxy.silence("both")],
  ]
  test.each(faults)("%s", async (_name, harm) => {
    await using server = await RedisServer.start()
    await using fleet = await start(server, 3)
    const [leader, ...others] = fleet.nodes as [FleetNode, ...FleetNode[]]
    // Killed, it does not answer.
    leader.call("begin", 1).catch(() => {})
    await until(async () => ((await server.command("KEYS", "zc1:l:*")) as unknown[]).length === 1, { what: "a lease" })
    const reads = Promise.all(others.map((node) => node.call("row", 1)))
    const taking = timed(reads)
    await untilWaiting(others)
    await harm(leader)
    expect(await taking).toBeLessThan(LEASE_MS + BUSY_MS)
    // One of the two took over.
    expect(new Set((await reads).map(({ id }) => id)).size).toBe(1)
    expect(await loadsOf(others)).toBe(1)
  })

  test("and nothing at all where Redis does not answer: each node loads at once", async () => {
    await using server = await RedisServer.start()
    await using fleet = await start(server, 3)
    await Promise.all(fleet.nodes.map((node) => node.call("row", 0)))
    await server.pause()
    const took = await timed(Promise.all(fleet.nodes.map((node) => node.call("row", 1))))
    server.resume()
    // A read that times out, then a lease that does.
    expect(took).toBeLessThan(BUSY_MS)
    expect(await loadsOf(fleet.nodes)).toBe(1 + 3)
  })
})

describe("a fleet under load in which one node loads for all reads nothing stale and loses nothing", () => {
  test("when nodes are killed, stand still and are cut off", { timeout: 90_000 }, async () => {
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

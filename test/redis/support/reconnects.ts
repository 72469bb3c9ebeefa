import { Socket } from "node:net"
import { setImmediate, setTimeout } from "node:timers/promises"
import { queryObjects } from "node:v8"
import { Redis } from "ioredis"
import { expect } from "vitest"
import { createCache } from "zoocache"
import { redis } from "zoocache/redis"
import { adminOf, onCleanUp } from "./logs.js"
import { RedisServer } from "./server.js"
import { until } from "./until.js"

/** What is compiled, pooled and buffered in the first of them is no leak. */
const WARM_UP = 100
/** A client that stays behind has more than twice as much. What more the code that runs takes comes to an end: */
const MOST_BYTES_EACH = 4096
/** it does not show among so many. */
const MANY = 1000
/** Something may be on its way, and is waited for. What each reconnect left behind would be many, and stay. */
const SLACK = 5
/** One that listens, one that commands, and who asks. */
const CONNECTIONS = 3
const SETTLING_MS = 60_000

/** A cache whose connections are killed so often leaves nothing of them behind. */
export async function reconnectOften(times: number): Promise<void> {
  const server = await RedisServer.start()
  onCleanUp(() => server[Symbol.asyncDispose]())
  const warnings: string[] = []
  const onWarning = (warning: Error) => {
    // That which says that counting objects is experimental is of this test.
    if (warning.name !== "ExperimentalWarning") warnings.push(String(warning))
  }
  process.on("warning", onWarning)
  onCleanUp(() => process.off("warning", onWarning))
  const admin = adminOf(server.url)
  await admin.ping()
  const clients = followClients()

  const cache = createCache({
    prefix: "reconnects",
    // The shortest pauses there are.
    random: () => 0,
    backend: redis({ url: server.url }),
    // A killed connection is a fault each time.
    onFault: () => {},
  })
  onCleanUp(() => cache.close())
  await cache.ready()
  const get = cache.cacheable((row: number) => Promise.resolve({ row }), { name: "row", deps: (row) => [`row:${row}`] })

  /** Kills whatever there is of one kind, in whatever state it is, until that was often enough. */
  const kill = async (type: "normal" | "pubsub", times: number) => {
    for (let killed = 0; killed < times;) {
      killed += Number(await admin.call("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes"))
      await setTimeout(1 + Math.random() * 5)
    }
  }
  const reconnect = async (times: number) => {
    const progress = { isOver: false }
    const work = async () => {
      for (let row = 0; !progress.isOver; row = (row + 1) % 20) {
        await get(row)
        await cache.invalidate(`row:${row}`).catch(() => {})
        await setTimeout(1)
      }
    }
    const working = work()
    await Promise.all([kill("normal", Math.ceil(times / 2)), kill("pubsub", Math.floor(times / 2))])
    progress.isOver = true
    await working
    await until(() => cache.status().state === "ready" && cache.status().pending === 0, { what: "the cache" })
    await cache.sync()
    await until(async () => (await listeners(admin)) === 1, { what: "the cache to listen" })
  }

  await reconnect(WARM_UP)
  await until(async () => (await connectedClients(admin)).length === CONNECTIONS, { what: "dead connections to go" })
  const before = await resources(admin, clients)
  await reconnect(times)
  const counted = ["handles", "sockets", "clients", "listeners"] as const
  let after = await resources(admin, clients)
  const end = performance.now() + SETTLING_MS
  const isSettled = () =>
    after.connected === CONNECTIONS && counted.every((what) => after[what] - before[what] <= SLACK)
  while (performance.now() < end && !isSettled()) {
    await setTimeout(100)
    after = await resources(admin, clients)
  }

  expect(warnings).toEqual([])
  expect(after.connected).toBe(CONNECTIONS)
  for (const what of counted) {
    expect(after[what] - before[what], `${what}: ${before[what]}, then ${after[what]}`).toBeLessThanOrEqual(SLACK)
  }
  const grown = (after.heap - before.heap) / Math.max(times, MANY)
  expect(grown, "bytes for each").toBeLessThan(MOST_BYTES_EACH)
  // It works, and hears of others.
  const other = createCache({ prefix: "reconnects", backend: redis({ url: server.url }) })
  onCleanUp(() => other.close())
  const token = await other.invalidate("row:1")
  await cache.sync(token)
  await cache.close()
  await other.close()
  await until(async () => (await connectedClients(admin)).length === 1, { what: "the connections to be closed" })
}

/** The clients that connect from now on. */
function followClients(): Set<WeakRef<Redis>> {
  const clients = new Set<WeakRef<Redis>>()
  const { connect } = Redis.prototype
  // A spy would keep them.
  Redis.prototype.connect = function (this: Redis) {
    clients.add(new WeakRef(this))
    return connect.call(this)
  }
  onCleanUp(() => {
    Redis.prototype.connect = connect
  })
  return clients
}

async function resources(admin: Redis, followed: ReadonlySet<WeakRef<Redis>>) {
  for (let round = 0; round < 5; round += 1) {
    globalThis.gc?.()
    await setImmediate()
  }
  const living = [...new Set([...followed].flatMap((client) => client.deref() ?? []))]
  const emitters = living.flatMap((client) => [client, (client as unknown as { stream?: Socket }).stream ?? []].flat())
  return {
    connected: (await connectedClients(admin)).length,
    handles: process.getActiveResourcesInfo().length,
    sockets: queryObjects(Socket, { format: "count" }),
    clients: queryObjects(Redis, { format: "count" }),
    listeners: emitters.reduce((sum, emitter) => {
      return sum + emitter.eventNames().reduce((count, name) => count + emitter.listenerCount(name), 0)
    }, 0),
    heap: process.memoryUsage().heapUsed,
  }
}

async function connectedClients(admin: Redis): Promise<string[]> {
  return String(await admin.call("CLIENT", "LIST"))
    .trim()
    .split("\n")
}

async function listeners(admin: Redis): Promise<number> {
  return (await connectedClients(admin)).filter((client) => client.includes(" sub=1 ")).length
}

import { setTimeout } from "node:timers/promises"
import { afterEach, describe, expect, test } from "vitest"
import { type Cache, type CacheOptions, createCache, InvalidationNotAcknowledgedError } from "zoocache"
import { redis, type RedisOptions } from "zoocache/redis"
import { type Clock, systemClock } from "../../../src/core/base/clock.js"
import { logKeys } from "../../../src/redis/keys.js"
import { cleanUp, onCleanUp } from "../support/logs.js"
import { FaultyProxy } from "../support/proxy.js"
import { RedisServer, type ServerOptions } from "../support/server.js"
import { until } from "../support/until.js"

const PREFIX = "down"
const QUICK = { replyTimeout: 300, connectTimeout: 300, readTimeout: 100 }
/** What is tried again rarely, each half a minute, is tried again soon. */
const impatient: Clock = {
  ...systemClock,
  setTimer: (callback, delayMs, keepAlive) =>
    systemClock.setTimer(callback, delayMs >= 10_000 && delayMs <= 30_000 ? delayMs / 50 : delayMs, keepAlive),
}

afterEach(cleanUp)

async function start(options: ServerOptions = {}): Promise<RedisServer> {
  const server = await RedisServer.start(options)
  onCleanUp(() => server[Symbol.asyncDispose]())
  return server
}

function open(where: Partial<RedisOptions>, options: Omit<CacheOptions, "backend"> = {}) {
  const faults: Error[] = []
  const cache = createCache({
    prefix: PREFIX,
    ackTimeout: 300,
    staleness: { bound: 2000 },
    clock: impatient,
    ...options,
    backend: redis({ ...QUICK, ...where }),
    onFault: ({ error }) => faults.push(error),
  })
  onCleanUp(() => cache.close())
  return { cache, faults }
}

/** Rows that are counted up, and how often they were loaded. */
function rowsOf(cache: Cache) {
  const rows = { value: 0, loads: 0 }
  const get = cache.cacheable(
    async () => {
      rows.loads += 1
      const { value } = rows
      await setTimeout(5)
      return value
    },
    { name: "row", deps: ["row:1"] },
  )
  return { rows, get }
}

describe("while the server is down", () => {
  test("an invalidation is refused in time, holds here, and reaches the others later", async () => {
    const server = await start()
    const one = open({ url: server.url })
    const other = open({ url: server.url })
    await Promise.all([one.cache.ready(), other.cache.ready()])
    const source = { value: 1 }
    const sourceOf = (cache: Cache) => cache.cacheable(async () => source.value, { name: "source", deps: ["source"] })
    const [mine, theirs] = [sourceOf(one.cache), sourceOf(other.cache)]
    expect([await mine(), await theirs()]).toEqual([1, 1])
    await server.pause()
    source.value = 2
    await expect(one.cache.invalidate("source")).rejects.toThrow(InvalidationNotAcknowledgedError)
    expect(await mine()).toBe(2)
    expect(one.cache.status().pending).toBe(1)
    server.resume()
    await until(() => one.cache.status().pending === 0, { what: "the acknowledgement" })
    await other.cache.sync(undefined, { timeout: "1m" })
    expect(await theirs()).toBe(2)
  })

  test.each(["killed", "stopped"] as const)(
    "10,000 callers of a row whose invalidation is pending load it three times at most (%s)",
    async (how) => {
      const server = await start()
      const { cache } = open({ url: server.url })
      await cache.ready()
      const { rows, get } = rowsOf(cache)
      await get()
      await (how === "killed" ? server.kill() : server.pause())
      rows.value = 1
      const invalidated = cache.invalidate("row:1").catch((error: unknown) => error)
      rows.loads = 0
      const values = await Promise.all(Array.from({ length: 10_000 }, () => get()))
      expect(new Set(values)).toEqual(new Set([1]))
      expect(rows.loads).toBeLessThanOrEqual(3)
      expect(await invalidated).toBeInstanceOf(InvalidationNotAcknowledgedError)
    },
  )

  test.each(["killed", "stopped", "silent"] as const)("close() is prompt (%s)", async (how) => {
    const server = await start()
    await using proxy = await FaultyProxy.start(server.port)
    const { cache } = open({ url: proxy.url })
    await cache.ready()
    const { get } = rowsOf(cache)
    await get()
    if (how === "killed") await server.kill()
    else if (how === "stopped") await server.pause()
    else proxy.silence("both")
    const calls = [cache.invalidate("row:1"), cache.sync()].map((call) => call.catch((error: unknown) => error))
    await get()
    await cache.close()
    for (const error of await Promise.all(calls)) expect(error).toBeInstanceOf(Error)
  })
})

describe("what is wrong is told, and the cache recovers by itself when the cause is gone", () => {
  /** Works without the log; then the cause goes, and it is there. */
  async function recovers({ cache, faults }: ReturnType<typeof open>, said: RegExp, mend: () => Promise<unknown>) {
    const { rows, get } = rowsOf(cache)
    expect(await get()).toBe(0)
    expect(await get()).toBe(0)
    expect(rows.loads).toBe(2)
    await expect(cache.invalidate("row:1")).rejects.toThrow(InvalidationNotAcknowledgedError)
    await until(() => said.test(faults.join()), { what: "a fault" })
    expect(faults.map((fault) => `${fault.message} ${fault.stack}`).join()).not.toContain("s3cret")
    await mend()
    await until(() => cache.status().state === "ready" && cache.status().pending === 0, { what: "recovery" })
    await get()
    rows.loads = 0
    await get()
    expect(rows.loads).toBe(0)
  }

  test("a server that is not there", async () => {
    const server = await start()
    await server.stop()
    await recovers(open({ url: server.url }), /ECONNREFUSED/, () => server.restart())
  })

  test("a wrong password", async () => {
    const server = await start({ users: ["alice on >other ~* &* +@all"] })
    const cache = open({ url: server.urlAs("alice", "s3cret") })
    await recovers(cache, /WRONGPASS/, () => server.command("ACL", "SETUSER", "alice", ">s3cret"))
  })

  test("a key of another type where the log should be", async () => {
    const server = await start()
    const { state } = logKeys(PREFIX)
    await server.command("SET", state, "mine")
    await recovers(open({ url: server.url }), /WRONGTYPE/, () => server.command("DEL", state))
  })

  test("a replica", async () => {
    const master = await start()
    const replica = await start({ replicaof: master })
    await recovers(open({ url: replica.url }), /READONLY/, () => replica.command("REPLICAOF", "NO", "ONE"))
  })
})

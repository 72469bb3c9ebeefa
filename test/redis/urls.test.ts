/** `configure({ storageUrl, busUrl })` with Redis, as in the original. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import {
  cacheable,
  ConfigurationError,
  configure,
  createCache,
  defaultCache,
  get,
  InvalidOptionError,
  invalidate,
  reset,
  set,
} from "zoocache"
import { redis } from "zoocache/redis"
import { ManualClock } from "zoocache/testing"
import { RedisServer } from "./support/server.js"
import { until } from "./support/until.js"

/** A read that a busy machine answers late is a miss: here it is waited for. */
const standing = new ManualClock()

let server: RedisServer
let other: RedisServer
beforeAll(async () => {
  ;[server, other] = [await RedisServer.start(), await RedisServer.start()]
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await other[Symbol.asyncDispose]()
})
afterEach(() => reset())

async function entriesIn(of: RedisServer): Promise<number> {
  return (await keysOf(of)).filter((key) => key.startsWith("zc1:e:")).length
}

async function keysOf(of: RedisServer): Promise<string[]> {
  return (await of.command("KEYS", "*")) as unknown as string[]
}

test("`storageUrl`: entries and invalidations live in Redis, and outlive the process", async () => {
  configure({ storageUrl: server.url, prefix: "storage", clock: standing })
  await defaultCache().ready()
  let loads = 0
  const getRow = cacheable(async (id: number) => `row ${id} of load ${(loads += 1)}`, {
    name: "row",
    deps: (id) => [`row:${id}`],
  })
  await getRow(1)
  await getRow(2)
  await set("by hand", new Map([[1, "one"]]))
  // Closing waits a second for what is still to be written, which a slow machine may need longer for.
  await until(() => defaultCache().stats().store?.queued === 0, { what: "the writes" })
  await reset()
  configure({ storageUrl: server.url, prefix: "storage", clock: standing })
  await defaultCache().ready()
  expect([await getRow(1), await getRow(2)]).toEqual(["row 1 of load 1", "row 2 of load 2"])
  expect(await get("by hand")).toEqual(new Map([[1, "one"]]))
  await invalidate("row:1")
  await reset()
  configure({ storageUrl: server.url, prefix: "storage", clock: standing })
  await defaultCache().ready()
  expect([await getRow(1), await getRow(2)]).toEqual(["row 1 of load 3", "row 2 of load 2"])
})

test("`busUrl` alone: entries stay in memory, and invalidations reach every node", async () => {
  configure({ busUrl: server.url, prefix: "bus", clock: standing })
  await defaultCache().ready()
  let row = "old"
  const getRow = cacheable(async () => row, { name: "row", deps: ["row"] })
  await getRow()
  const before = await entriesIn(server)
  const node = createCache({ backend: redis({ url: server.url, entries: false }), prefix: "bus" })
  row = "new"
  await node.invalidate("row")
  await until(async () => (await getRow()) === "new", { what: "the invalidation" })
  expect(await entriesIn(server)).toBe(before)
  expect(defaultCache().stats().store).toBeUndefined()
  await node.close()
})

test("both: entries in one server, invalidations in the other", async () => {
  configure({ storageUrl: server.url, busUrl: other.url, prefix: "both", clock: standing })
  await defaultCache().ready()
  await set("k", 1)
  await invalidate("t")
  await until(() => defaultCache().stats().store?.queued === 0, { what: "the write" })
  expect(await keysOf(server)).toContain("zc1:e:both:k")
  expect((await keysOf(server)).some((key) => key.startsWith("zc1:{both}"))).toBe(false)
  expect((await keysOf(other)).some((key) => key.startsWith("zc1:{both}"))).toBe(true)
  await reset()
  configure({ storageUrl: server.url, busUrl: other.url, prefix: "both", clock: standing })
  await defaultCache().ready()
  expect(await get("k")).toBe(1)
})

describe("what is refused", () => {
  test("another kind of bus, a bus beside LMDB, a backend beside a URL", () => {
    const refused = (options: Parameters<typeof configure>[0], why: RegExp) => {
      expect(() => configure(options)).toThrow(InvalidOptionError)
      expect(() => configure(options)).toThrow(why)
    }
    refused({ busUrl: "kafka://user:secret@host" }, /busUrl.*kafka:\/\/host.*redis:\/\//s)
    refused({ storageUrl: "lmdb://./cache", busUrl: server.url }, /LMDB keeps entries and invalidations together/)
    refused({ busUrl: server.url, backend: redis({ url: server.url }) }, /there is a `backend` too/)
    refused({ storageUrl: "memcached://host" }, /it must begin with `lmdb:\/\/`, `redis:\/\/`/)
  })

  test("a password is never repeated", () => {
    for (const options of [{ storageUrl: "redis://user:secret@host:x" }, { busUrl: "bolt://user:secret@host" }]) {
      try {
        configure(options)
        expect.unreachable()
      } catch (error) {
        expect(String(error)).not.toContain("secret")
      }
    }
  })

  test("other settings than before", () => {
    configure({ storageUrl: server.url })
    configure({ storageUrl: server.url })
    expect(() => configure({ storageUrl: other.url })).toThrow(ConfigurationError)
  })
})

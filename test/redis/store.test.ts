import { randomBytes } from "node:crypto"
import fc from "fast-check"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { MemoryStore } from "zoocache/testing"
import type { EntryHeader } from "../../src/core/ports/codec.js"
import type { RedisClient } from "../../src/redis/client.js"
import { EntryNames } from "../../src/redis/store-keys.js"
import type { Store } from "../../src/core/ports/store.js"
import { RedisServer } from "./support/server.js"
import { codec, connect, entry, openStore, rank } from "./support/store-bench.js"
import { until } from "./support/until.js"

const DAY_MS = 24 * 3_600_000

let server: RedisServer
beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server[Symbol.asyncDispose]())

/** How often the server has run a command. */
async function callsOf(command: string): Promise<number> {
  const line = (await server.info("commandstats")).get(`cmdstat_${command}`)
  return Number(/calls=(\d+)/.exec(line ?? "")?.[1] ?? 0)
}

async function leftMs(name: string): Promise<number> {
  return Number(await server.command("PTTL", name))
}

describe("the name of an entry", () => {
  const names = new EntryNames("shop")

  test("is readable, and ends with the key", () => {
    expect(names.of("user:42")).toBe("zc1:e:shop:user:42")
    expect(names.of("größe\0")).toBe("zc1:e:shop:größe\0")
  })

  test("has no hash tag and is no key of the log, whatever prefix and key are", () => {
    for (const text of ["{a}", "{", "}{", "a{b}c", "{shop}:state", "%7Ba%7D", "#", ":{x}"]) {
      for (const name of [names.of(text), new EntryNames(text).of("key"), new EntryNames(text).of(text)]) {
        expect(name).not.toMatch(/[{}]/)
        expect(name.startsWith("zc1:e:")).toBe(true)
      }
    }
  })

  test("is another one for another prefix and key", () => {
    const parts = ["", "a", "a:", ":a", "a:b", "b", "{", "}", "%7B", "%7D", "%", "%25", "#", "%23", "A", "\ud83d", "�"]
    const long = ["k".repeat(256), "k".repeat(257), `${"k".repeat(257)}!`, "ü".repeat(200), "ü".repeat(201)]
    const all = [...parts, ...long].flatMap((prefix) =>
      [...parts, ...long].map((key) => new EntryNames(prefix).of(key)),
    )
    expect(new Set(all).size).toBe((parts.length + long.length) ** 2)
  })

  test("of a long key is short, and no key that could be given is named so", () => {
    const name = names.of("k".repeat(5000))
    expect(name).toMatch(/^zc1:e:shop:#[\w-]{43}$/)
    expect(names.of(name.slice("zc1:e:shop:".length))).not.toBe(name)
  })
})

describe("how long an entry is kept", () => {
  test.each<[string, Partial<EntryHeader>, number]>([
    ["until it expires", { expiresAtMs: 60_000 }, 60_000],
    ["until its grace is over", { expiresAtMs: 60_000, graceMs: 30_000 }, 90_000],
    ["until it was idle for too long", { expiresAtMs: 60_000, idleUntilMs: 20_000, graceMs: 1000 }, 21_000],
    ["for seven days without an end", {}, 7 * DAY_MS],
    ["for seven days with an end beyond", { expiresAtMs: 30 * DAY_MS }, 7 * DAY_MS],
  ])("%s", async (_what, { expiresAtMs = Infinity, idleUntilMs = Infinity, graceMs = 0 }, keptMs) => {
    const { put, nameOf, clock } = await openStore(server)
    const now = clock.wall()
    await put("key", 1, { expiresAtMs: now + expiresAtMs, idleUntilMs: now + idleUntilMs, graceMs })
    const left = await leftMs(nameOf("key"))
    expect(left).toBeGreaterThan(keptMs - 5000)
    expect(left).toBeLessThanOrEqual(keptMs)
  })

  test("for ever, if that is allowed", async () => {
    const { put, store, valueOf, nameOf } = await openStore(server, { limits: { maxIdleMs: Number.POSITIVE_INFINITY } })
    await put("key", 1)
    await store.touch("key", rank(), { asOf: 2 })
    expect(await leftMs(nameOf("key"))).toBeGreaterThan(100_000 * DAY_MS)
    expect(await valueOf("key")).toBe(1)
    expect((await callsOf("evalsha")) > 0 && store.stats().dropped).toBe(0)
  })

  test("not at all where it has ended; what it replaces is gone", async () => {
    const { put, valueOf, clock } = await openStore(server)
    await put("key", "old")
    expect(await put("key", "ended", { expiresAtMs: clock.wall() })).toBe(true)
    expect(await valueOf("key")).toBeUndefined()
    await put("key", "above", rank(2, 2))
    expect(await put("key", "ended", { expiresAtMs: clock.wall() })).toBe(false)
    expect(await valueOf("key")).toBe("above")
  })

  test("anew when it is used, and up to where it has slid", async () => {
    const { put, store, nameOf, headerOf, clock } = await openStore(server)
    const now = clock.wall()
    await put("used", 1)
    await put("sliding", 1, { idleTtlMs: 10_000, idleUntilMs: now + 10_000, graceMs: 1000 })
    await put("ending", 1, { expiresAtMs: now + 20_000 })
    for (const key of ["used", "sliding", "ending"]) await server.command("PEXPIRE", nameOf(key), 5000)
    await store.touch("used", rank(), {})
    await store.touch("ending", rank(), {})
    await store.touch("sliding", rank(), { idleUntilMs: now + 40_000 })
    expect(await leftMs(nameOf("used"))).toBeGreaterThan(6 * DAY_MS)
    expect(await leftMs(nameOf("sliding"))).toBeGreaterThan(36_000)
    expect(await leftMs(nameOf("sliding"))).toBeLessThanOrEqual(41_000)
    expect(await leftMs(nameOf("ending"))).toBeLessThanOrEqual(20_000)
    expect((await headerOf("sliding"))?.idleUntilMs).toBe(now + 40_000)
    // A mere use knows where it has slid to.
    await store.touch("sliding", rank(), { asOf: 1 })
    expect(await leftMs(nameOf("sliding"))).toBeGreaterThan(36_000)
    await store.touch("sliding", rank(), { idleUntilMs: now - 2000 })
    expect(await server.command("EXISTS", nameOf("sliding"))).toBe("0")
  })

  test("a mere use is noted once in some seconds, what amends each time", async () => {
    const { put, store, clock } = await openStore(server)
    await put("key", 1)
    await store.touch("key", rank(), {})
    const before = await callsOf("evalsha")
    for (let use = 0; use < 50; use += 1) await store.touch("key", rank(), {})
    expect(await callsOf("evalsha")).toBe(before)
    for (const asOf of [2, 3]) await store.touch("key", rank(), { asOf })
    expect(await callsOf("evalsha")).toBe(before + 2)
    clock.advance(20_000)
    await store.touch("key", rank(), {})
    expect(await callsOf("evalsha")).toBe(before + 3)
  })
})

describe("reads", () => {
  test("of one turn go out in two commands, and find each its own", async () => {
    const { put, valueOf, store } = await openStore(server)
    await Promise.all([1, 2, 3, 4].map((value) => put(`key ${value}`, value)))
    const [gets, mgets] = [await callsOf("get"), await callsOf("mget")]
    const read = [1, 2, 5, 3, 4, 1].map((value) => valueOf(`key ${value}`))
    expect(await Promise.all(read)).toEqual([1, 2, undefined, 3, 4, 1])
    expect([await callsOf("get"), await callsOf("mget")]).toEqual([gets + 1, mgets + 1])
    const many = await Promise.all(Array.from({ length: 200 }, (_, index) => store.get(`key ${index}`)))
    expect(many.filter((bytes) => bytes !== undefined).length).toBe(4)
    expect(await callsOf("mget")).toBe(mgets + 1 + Math.ceil(199 / 64))
  })

  test("may go to a replica, while writes go to the master", async () => {
    await using replica = await RedisServer.start({ replicaof: server })
    const readClient = connect(replica)
    const { put, valueOf } = await openStore(server, { readClient: readClient as unknown as RedisClient })
    const before = await callsOf("get")
    await put("key", "value")
    await until(async () => (await valueOf("key")) === "value", { what: "the replica" })
    expect(await callsOf("get")).toBe(before)
  })
})

describe("what is damaged", () => {
  /** Changes one byte of what is stored. */
  async function damage(client: RedisClient, name: string, at: number): Promise<void> {
    const record = (await client.callBuffer("GET", name)) as Buffer
    record[at] = (record[at] as number) ^ 0x40
    await client.callBuffer("SET", name, record)
  }

  test("in any byte of its head or header is refused, and keeps nobody out", async () => {
    const { put, valueOf, store, nameOf, client } = await openStore(server)
    for (let at = 0; at < 200; at += 1) {
      await put("key", "value")
      await store.touch("key", rank(), { asOf: 1, idleUntilMs: Date.now() + 60_000 })
      await damage(client, nameOf("key"), at)
      const what = await store
        .get("key")
        .then(
          (bytes) => bytes && codec.decodeHeader(bytes) && codec.decodeValue(bytes),
          (error: { code: string }) => error.code,
        )
        .catch((error: { code: string }) => error.code)
      expect(what, `byte ${at}`).toBe("ERR_ZOOCACHE_CORRUPT_ENTRY")
      expect(await put("key", "again"), `byte ${at}`).toBe(true)
      expect(await valueOf("key")).toBe("again")
      await store.remove("key", rank())
    }
  })

  test.each<[string, () => Buffer]>([
    ["nothing", () => Buffer.alloc(0)],
    ["a part of a head", () => Buffer.from("zce1")],
    ["a head alone", () => Buffer.concat([Buffer.from("zce1"), Buffer.alloc(84)])],
    ["a head of numbers that are none", () => Buffer.concat([Buffer.from("zce1"), Buffer.alloc(84, 0xff)])],
    ["noise", () => randomBytes(1000)],
    ["what another program stored", () => Buffer.from('{"json":true}')],
  ])("%s is refused, and keeps nobody out", async (_what, make) => {
    const { put, valueOf, store, nameOf, client } = await openStore(server)
    await (client as unknown as RedisClient).callBuffer("SET", nameOf("key"), make())
    await store.touch("key", rank(), { asOf: 5 })
    await expect(valueOf("key")).rejects.toMatchObject({ code: "ERR_ZOOCACHE_CORRUPT_ENTRY" })
    expect(await put("key", "value")).toBe(true)
    expect(await valueOf("key")).toBe("value")
  })

  test("a value of another type is a fault that is told once, and is replaced", async () => {
    const { put, valueOf, store, nameOf } = await openStore(server)
    await server.command("LPUSH", nameOf("key"), "a list")
    await expect(valueOf("key")).rejects.toMatchObject({ code: "ERR_ZOOCACHE_STORE" })
    expect(await valueOf("key")).toBeUndefined()
    expect(store.stats().reads).toBe("closed")
    await store.touch("key", rank(), { asOf: 5 })
    expect(await put("key", "value")).toBe(true)
    expect(await valueOf("key")).toBe("value")
    await server.command("DEL", nameOf("key"))
    await server.command("LPUSH", nameOf("key"), "a list")
    await store.remove("key", rank())
    expect(await server.command("EXISTS", nameOf("key"))).toBe("0")
  })
})

describe("an entry above the limit", () => {
  test("is not written", async () => {
    const { put, store, nameOf } = await openStore(server, { limits: { maxEntryBytes: 1000 } })
    await expect(put("key", randomBytes(2000))).rejects.toMatchObject({ code: "ERR_ZOOCACHE_ENTRY_TOO_LARGE" })
    expect(await server.command("EXISTS", nameOf("key"))).toBe("0")
    expect(store.stats().queued).toBe(0)
  })

  test("is not read", async () => {
    const { put, prefix } = await openStore(server)
    await put("key", randomBytes(2000))
    const narrow = await openStore(server, { prefix, limits: { maxEntryBytes: 1000 } })
    await expect(narrow.valueOf("key")).rejects.toMatchObject({ code: "ERR_ZOOCACHE_ENTRY_TOO_LARGE" })
  })
})

describe("writes", () => {
  test("of one key and turn come to what they would one by one, in fewer commands", async () => {
    const { put, valueOf, headerOf, store } = await openStore(server)
    const before = await callsOf("evalsha")
    const results = await Promise.all([
      put("key", "low", rank(1, 1)),
      put("key", "high", rank(3, 3)),
      put("key", "middle", rank(2, 2)),
      store.remove("key", rank(3, 2)),
      store.touch("key", rank(3, 3), { asOf: 5 }),
      store.touch("key", rank(3, 3), { asOf: 4 }),
      put("key", "below what it was lifted to", rank(3, 4)),
    ])
    expect(results).toEqual([true, true, false, undefined, undefined, undefined, false])
    expect(await callsOf("evalsha")).toBe(before + 3)
    expect(await valueOf("key")).toBe("high")
    expect(await headerOf("key")).toMatchObject({ asOf: 5, keyVersion: 3 })
    await Promise.all([put("key", "higher", rank(4, 4)), store.remove("key", rank(4, 4))])
    expect(await valueOf("key")).toBeUndefined()
    await Promise.all([store.remove("key", rank(9, 9)), put("key", "last", rank(1, 1))])
    expect(await valueOf("key")).toBe("last")
  })

  test("of one key and turn leave behind what a store that takes each at once has", async () => {
    const write = fc.record({
      kind: fc.constantFrom("put", "put", "remove", "touch"),
      keyVersion: fc.integer({ min: 1, max: 2 }),
      asOf: fc.integer({ min: 1, max: 3 }),
      lift: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
      slide: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
    })
    let runs = 0
    const { store, clock } = await openStore(server)
    await fc.assert(
      fc.asyncProperty(fc.array(write, { maxLength: 3 }), fc.array(write, { maxLength: 8 }), async (first, then) => {
        const key = `run ${++runs}`
        const model = new MemoryStore({ codec })
        const apply = (target: Store, { kind, keyVersion, asOf, lift, slide }: (typeof then)[0], value: number) => {
          const at = rank(keyVersion, asOf)
          if (kind === "put") return target.put(key, entry({ key, ...at }, value, clock))
          if (kind === "remove") return target.remove(key, at)
          const lifted = lift === undefined ? {} : { asOf: lift }
          const slid = slide === undefined ? {} : { idleUntilMs: clock.wall() + slide * 60_000 }
          return target.touch(key, at, { ...lifted, ...slid })
        }
        for (const [index, each] of [...first, ...then].entries()) await apply(model, each, index)
        await Promise.all(first.map((each, index) => apply(store, each, index)))
        await Promise.all(then.map((each, index) => apply(store, each, first.length + index)))
        const [found, expected] = [await store.get(key), model.get(key)]
        expect(found && codec.decodeHeader(found)).toEqual(expected && codec.decodeHeader(expected))
        expect(found && codec.decodeValue(found)).toEqual(expected && codec.decodeValue(expected))
      }),
      { numRuns: 300 },
    )
  })

  test("keep their order when the server has forgotten the scripts", async () => {
    const { put, valueOf, store } = await openStore(server)
    await put("key", 0)
    for (let round = 1; round < 10; round += 1) {
      await server.command("SCRIPT", "FLUSH")
      const writes = [put("key", `${round} first`)]
      await new Promise((resolve) => setImmediate(resolve))
      writes.push(put("key", `${round} last`))
      expect(await Promise.all(writes)).toEqual([true, true])
      expect(await valueOf("key")).toBe(`${round} last`)
      await server.command("SCRIPT", "FLUSH")
      await Promise.all([store.remove("key", rank()), put("other", round)])
      expect(await valueOf("key")).toBeUndefined()
    }
  })

  test("that a full server refuses are faults, told once for many, and reads go on", async () => {
    await using full = await RedisServer.start({ maxmemory: "3mb", maxmemoryPolicy: "noeviction" })
    const { put, valueOf, store } = await openStore(full)
    expect(await put("first", 1)).toBe(true)
    const puts = await Promise.allSettled(
      Array.from({ length: 60 }, (_, index) => put(`k${index}`, randomBytes(100_000))),
    )
    const refused = puts.filter((result) => result.status === "rejected")
    expect(refused.length).toBe(1)
    expect(refused[0]?.reason).toMatchObject({ code: "ERR_ZOOCACHE_STORAGE_FULL", subject: "redis://test" })
    expect(store.stats().dropped).toBeGreaterThan(10)
    expect(store.stats().writes).toBe("closed")
    expect(await valueOf("first")).toBe(1)
  })

  test("that a user may not make are faults, and reads go on", async () => {
    await using limited = await RedisServer.start({
      users: ["alice on >secret ~zc1:e:* +get +mget +ping +info +client"],
    })
    const connection = { username: "alice", password: "secret" }
    const { put, valueOf, store, clock } = await openStore(limited, { connection })
    await expect(put("key", 1)).rejects.toMatchObject({ code: "ERR_ZOOCACHE_STORE" })
    expect(await put("key", 1)).toBe(false)
    expect(await valueOf("key")).toBeUndefined()
    expect(store.stats().writes).toBe("closed")
    clock.advance(10_000)
    await expect(put("key", 1)).rejects.toThrow(/NOPERM/)
  })

  test("need no more than these permissions", async () => {
    const users = [
      "alice on >secret resetchannels ~zc1:e:* +get +mget +eval +evalsha +getrange +set +del +setrange +pexpire +ping +info +client",
    ]
    await using limited = await RedisServer.start({ users })
    const connection = { username: "alice", password: "secret" }
    const { put, valueOf, store } = await openStore(limited, { connection })
    expect(await put("key", "value")).toBe(true)
    await store.touch("key", rank(), { asOf: 2 })
    expect(await Promise.all([valueOf("key"), valueOf("key"), valueOf("absent")])).toEqual([
      "value",
      "value",
      undefined,
    ])
    await store.remove("key", rank(2, 2))
    expect(await valueOf("key")).toBeUndefined()
  })
})

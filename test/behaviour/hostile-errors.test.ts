/** Errors of logs, stores and hooks are someone else's: whatever they are, no retry and no call ends by looking at them. */
import { describe, expect, test } from "vitest"
import { CorruptEntryError, InvalidationNotAcknowledgedError, LogError, StoreError } from "zoocache"
import { createCodec } from "zoocache/codec"
import { FaultyLog, FaultyStore, ManualClock, MemoryStore, settled } from "zoocache/testing"
import { isDiskFull, sendable } from "../../src/lmdb/refusal.js"
import { openError } from "../../src/lmdb/files.js"
import { failureOf } from "../../src/redis/failures.js"
import { isUnavailable, refusalOf } from "../../src/redis/store-errors.js"
import { makeCache } from "../support/caches.js"
import { HOSTILE_ERRORS } from "../support/hostile-errors.js"
import { Machine, rowsOf } from "../support/shared.js"

/** The same with `permanent: true` where it can be had: then the caller is told at once, in the words of the error. */
function permanent(error: unknown): unknown {
  if (typeof error !== "object" || error === null || Object.hasOwn(error, "permanent")) return error
  try {
    return Object.assign(error, { permanent: true })
  } catch {
    return error
  }
}

describe.each(HOSTILE_ERRORS)("%s", (_name, make) => {
  test.each([
    ["", make],
    [" that is permanent", () => permanent(make())],
  ])("of an append%s: it is told and repeated", async (_kind, failure) => {
    const clock = new ManualClock()
    const log = new FaultyLog({ clock })
    const { cache, faults } = makeCache({ clock, log: log.connect("a") })
    await cache.ready()
    log.failure = failure
    log.decide = ({ kind }) => (kind === "append" ? "fail" : "pass")
    const rejected = expect(cache.invalidate("user:42")).rejects.toBeInstanceOf(InvalidationNotAcknowledgedError)
    await clock.advanceAsync(20_000, 100)
    await rejected
    expect(log.appends).toBeGreaterThan(1)
    for (const { error } of faults) expect(error).toBeInstanceOf(LogError)
    expect(faults.length).toBeGreaterThan(0)
    expect(cache.status().pending).toBe(1)
    log.decide = () => "pass"
    await clock.advanceAsync(60_000, 1000)
    expect(cache.status().pending).toBe(0)
  })

  test("of a pull: it is told, and pulls go on", async () => {
    const clock = new ManualClock()
    const log = new FaultyLog({ clock })
    const { cache, faults } = makeCache({ clock, log: log.connect("a") })
    log.failure = make
    log.decide = () => "fail"
    await clock.advanceAsync(20_000, 100)
    for (const { error } of faults) expect(error).toBeInstanceOf(LogError)
    expect(faults.length).toBeGreaterThan(0)
    log.decide = () => "pass"
    await clock.advanceAsync(60_000, 1000)
    expect(cache.status().state).toBe("ready")
  })

  test("of a look at the log: the cache is unsure, and then ready again", async () => {
    const machine = new Machine()
    const { cache, log, faults } = await machine.join()
    log.failure = make() as Error
    const of = rowsOf(cache, new Map([[1, "one"]]))
    expect(await of.read(1)).toBe("one")
    // Nothing is no failure.
    if (log.failure !== undefined) expect(faults[0]?.error).toBeInstanceOf(LogError)
    log.failure = undefined
    await settled()
    expect(await of.read(1)).toBe("one")
    expect(cache.status().state).toBe("ready")
  })

  test.each(["get", "put", "remove", "stats"] as const)("of a store's %s: callers have their values", async (kind) => {
    const machine = new Machine()
    const store = new FaultyStore(new MemoryStore({ codec: machine.codec, data: machine.data }))
    const { cache, faults } = await machine.join({ memory: false, store })
    const of = rowsOf(cache, new Map([[1, "one"]]), { cacheIf: () => kind !== "remove" })
    store.failure = make
    store.decide = (operation) => (operation.kind === kind ? "fail" : "pass")
    if (kind === "stats") {
      store.stats = () => {
        throw make()
      }
    }
    expect(await of.read(1)).toBe("one")
    await settled()
    expect(await of.read.refresh(1)).toBe("one")
    await settled()
    expect(cache.stats().hits).toBe(0)
    for (const { error } of faults) expect(error).toBeInstanceOf(StoreError)
    expect(faults.length).toBeGreaterThan(0)
  })

  test.each(["depsOf", "ttl", "cacheIf", "sizeOf"] as const)("of the hook %s: the value is returned", async (hook) => {
    const { cache, faults } = makeCache({ memory: { maxBytes: 1_000_000 } })
    const options = {
      name: "row",
      [hook]: () => {
        throw make()
      },
    }
    const row = cache.cacheable(async () => "one", options)
    expect(await row()).toBe("one")
    await row.prime([], "two", { asOf: "now" })
    expect(row.peek()).toBe(undefined)
    expect(faults.map(({ error }) => (error as { code?: unknown }).code)).toEqual([
      "ERR_ZOOCACHE_HOOK",
      "ERR_ZOOCACHE_HOOK",
    ])
  })

  test("of the encoder and the decoder of a type: a value that can't be stored, an entry that can't be read", async () => {
    class Money {
      constructor(readonly cents: number) {}
    }
    let fails: "encode" | "decode" | undefined
    const failing = <T>(kind: typeof fails, value: T) => {
      if (fails === kind) throw make()
      return value
    }
    const codec = createCodec().extend({
      name: "money",
      class: Money,
      encode: ({ cents }) => failing("encode", cents),
      decode: (cents) => failing("decode", new Money(cents)),
    })
    const machine = new Machine()
    const store = new MemoryStore({ codec, data: machine.data })
    const { cache, faults } = await machine.join({ memory: false, codec, store })
    fails = "encode"
    expect(await cache.getOrLoad("price", () => new Money(5), { isolation: "share" })).toEqual(new Money(5))
    expect(faults.map(({ error }) => (error as { code?: unknown }).code)).toEqual(["ERR_ZOOCACHE_UNENCODABLE_VALUE"])
    fails = undefined
    await cache.set("price", new Money(7))
    await settled()
    fails = "decode"
    expect(await cache.get("price")).toBe(undefined)
    expect(faults[1]?.error).toBeInstanceOf(CorruptEntryError)
  })

  test("of a driver: Redis and LMDB tell it in words", () => {
    const where = { url: "redis://test", scrub: (text: string) => text }
    expect(failureOf(make(), where).message).toMatch(/^redis:\/\/test: ./)
    expect(isUnavailable(make())).toBe(true)
    expect(refusalOf("read", "redis://test", make())).toBeInstanceOf(StoreError)
    expect(isDiskFull(make())).toBe(false)
    const sent = sendable(make(), "/data")
    expect(structuredClone(sent)).toMatchObject({ kind: "other", subject: "/data" })
    expect(typeof sent.reason).toBe("string")
    expect(openError("/data", make()).message).toMatch(/./)
  })
})

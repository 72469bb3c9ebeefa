import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest"
import { settled } from "zoocache/testing"
import { systemClock } from "../../src/core/base/clock.js"
import { RedisServer } from "./support/server.js"
import { openStore, rank, type StoreBench } from "./support/store-bench.js"
import { until } from "./support/until.js"

const READ_MS = 250
const WRITE_MS = 2000

let server: RedisServer
let unhandled: unknown[]

beforeEach(async () => {
  server = await RedisServer.start()
  unhandled = []
  const note = (reason: unknown) => unhandled.push(reason)
  process.on("unhandledRejection", note)
  onTestFinished(() => {
    process.off("unhandledRejection", note)
  })
})

afterEach(async () => {
  await server[Symbol.asyncDispose]()
  await settled()
  expect(unhandled).toEqual([])
})

/** What a promise has come to: its value, `open` or `failed`. */
function watch<T>(promise: Promise<T>): { state: T | "open" | "failed" } {
  const watched: { state: T | "open" | "failed" } = { state: "open" }
  promise.then(
    (value) => (watched.state = value),
    () => (watched.state = "failed"),
  )
  return watched
}

/** Lets reads run into their time until the store gives up. */
async function exhaust({ store, clock }: StoreBench): Promise<void> {
  for (let read = 0; read < 3; read += 1) {
    const reading = store.get("key")
    await settled()
    await clock.advanceAsync(READ_MS)
    expect(await reading).toBeUndefined()
  }
}

describe("a server that stands still", () => {
  test("costs a read its time, some reads in a row, and then none anything", async () => {
    const bench = await openStore(server)
    const { store, clock, faults, put } = bench
    await put("key", "value")
    await server.pause()
    const first = watch(store.get("key"))
    await settled()
    await clock.advanceAsync(READ_MS - 1)
    expect(first.state).toBe("open")
    await clock.advanceAsync(1)
    expect(first.state).toBeUndefined()
    expect(store.stats()).toMatchObject({ reads: "closed", timeouts: 1 })
    await exhaust(bench)
    expect(store.stats()).toMatchObject({ reads: "open", writes: "open", openings: 1 })
    const timers = clock.timers
    const many = Array.from({ length: 1000 }, () => store.get("key"))
    expect((await Promise.all(many)).every((bytes) => bytes === undefined)).toBe(true)
    expect(clock.timers).toBe(timers)
    expect(await put("key", "value")).toBe(false)
    await store.remove("key", rank())
    await store.touch("key", rank(), { asOf: 2 })
    expect(faults.map(({ code }) => code)).toEqual(["ERR_ZOOCACHE_STORE"])
    expect(faults[0]?.message).toMatch(/reach redis:\/\/test .* not answered within 250 ms/)
    expect(store.stats().dropped).toBeGreaterThanOrEqual(2)
  })

  test("gives each read its own time, also one that was sent while another waited", async () => {
    const { store, clock, put } = await openStore(server)
    await put("key", "value")
    for (const pauseMs of [100, 249]) {
      await store.get("key")
      await clock.advanceAsync(pauseMs)
      await server.pause()
      const reads: ReturnType<typeof watch>[] = []
      for (let at = 0; at < 2; at += 1) {
        reads.push(watch(store.get(`key ${at}`)))
        await settled()
        if (at === 0) await clock.advanceAsync(60)
      }
      await clock.advanceAsync(READ_MS - 61)
      expect(reads.map(({ state }) => state)).toEqual(["open", "open"])
      await clock.advanceAsync(1)
      expect(reads.map(({ state }) => state)).toEqual([undefined, "open"])
      await clock.advanceAsync(59)
      expect(reads.map(({ state }) => state)).toEqual([undefined, "open"])
      await clock.advanceAsync(1)
      expect(reads.map(({ state }) => state)).toEqual([undefined, undefined])
      server.resume()
      await until(async () => (await store.get("key")) !== undefined, { what: "the server" })
    }
    expect(store.stats().timeouts).toBe(4)
  })

  test("keeps no read waiting when the store is closed, and that is no fault", async () => {
    const { store, clock, put, faults } = await openStore(server)
    await put("key", "value")
    await server.pause()
    const reads: Promise<unknown>[] = []
    for (let at = 0; at < 5; at += 1) {
      reads.push(store.get(`key ${at}`))
      await settled()
    }
    await store.close()
    expect(await Promise.all(reads)).toEqual(reads.map(() => undefined))
    expect(clock.timers).toBe(0)
    expect(faults).toEqual([])
    server.resume()
  })

  test("keeps no read waiting either that came in the turn in which the store was closed", async () => {
    const { store, put } = await openStore(server)
    await put("key", "value")
    await server.pause()
    const reads = [watch(store.get("a")), watch(store.get("b"))]
    await store.close()
    await settled()
    expect(reads.map(({ state }) => state)).toEqual([undefined, undefined])
    server.resume()
  })

  test("is tried by one call at a time after a pause, and used again when it answers", async () => {
    const bench = await openStore(server)
    const { store, clock, put, valueOf, faults } = bench
    await put("key", "value")
    await server.pause()
    await exhaust(bench)
    await clock.advanceAsync(1000)
    const probe = watch(store.get("key"))
    await settled()
    expect(store.stats().reads).toBe("half-open")
    expect(await store.get("key")).toBeUndefined()
    expect(await put("other", 1)).toBe(false)
    await clock.advanceAsync(READ_MS)
    expect(probe.state).toBeUndefined()
    expect(store.stats().reads).toBe("open")
    server.resume()
    await clock.advanceAsync(2000)
    expect(await valueOf("key")).toBe("value")
    expect(store.stats()).toMatchObject({ reads: "closed", openings: 1 })
    expect(await put("other", 1)).toBe(true)
    expect(faults.length).toBe(1)
  })

  test("answers late: nobody gets another's answer, and its connection is used on", async () => {
    const { store, clock, put, valueOf } = await openStore(server)
    await Promise.all([put("a", "of a"), put("b", "of b")])
    await server.pause()
    const late = [valueOf("a"), valueOf("b"), valueOf("absent")]
    await settled()
    await clock.advanceAsync(READ_MS)
    expect(await Promise.all(late)).toEqual([undefined, undefined, undefined])
    server.resume()
    expect(await Promise.all([valueOf("b"), valueOf("absent"), valueOf("a")])).toEqual(["of b", undefined, "of a"])
    expect(store.stats().reads).toBe("closed")
  })

  test("is given up also if it answers each time, but late", async () => {
    const { store, client, clock } = await openStore(server)
    for (let round = 0; round < 3; round += 1) {
      expect(store.stats().reads).toBe("closed")
      await server.pause()
      const reading = store.get("key")
      await settled()
      await clock.advanceAsync(READ_MS)
      expect(await reading).toBeUndefined()
      server.resume()
      await client.ping()
    }
    expect(store.stats().reads).toBe("open")
  })

  test("makes writes wait, no longer than they may, and within the bounds of the queue", async () => {
    const { store, clock, put, valueOf, faults } = await openStore(server, { limits: { maxQueuedWrites: 100 } })
    await put("key", 0)
    await server.pause()
    const first = watch(put("key", 1))
    await settled()
    const puts = Array.from({ length: 1000 }, (_, index) => watch(put(`key ${index}`, index)))
    await settled()
    // Under way at once or waiting; those of before made room.
    expect(store.stats().queued).toBeLessThanOrEqual(101)
    expect(store.stats().dropped).toBe(900)
    expect(puts.slice(0, 900).every(({ state }) => state === false)).toBe(true)
    expect(puts.slice(900).every(({ state }) => state === "open")).toBe(true)
    expect(faults.map(({ message }) => message)).toEqual([expect.stringContaining("the oldest are dropped")])
    await clock.advanceAsync(WRITE_MS)
    expect(first.state).toBe(false)
    expect(store.stats()).toMatchObject({ queued: 0, writes: "open" })
    expect(puts.every(({ state }) => state === false)).toBe(true)
    expect(faults.length).toBe(2)
    server.resume()
    await clock.advanceAsync(1000)
    expect(await put("later", 1)).toBe(true)
    expect(await valueOf("later")).toBe(1)
  })

  test("takes writes of a key in their order when it goes on, also those that were given up", async () => {
    const { clock, put, valueOf } = await openStore(server)
    await server.pause()
    const first = watch(put("key", "first"))
    await settled()
    await clock.advanceAsync(WRITE_MS)
    expect(first.state).toBe(false)
    const second = put("key", "second")
    await settled()
    server.resume()
    expect(await second).toBe(true)
    expect(await valueOf("key")).toBe("second")
  })

  test("does not hold up close() for more than its time", async () => {
    const { store, clock, put } = await openStore(server)
    await server.pause()
    const puts = [watch(put("a", 1)), watch(put("b", 1))]
    await settled()
    const closed = watch(store.close().then(() => "closed" as const))
    await clock.advanceAsync(999)
    expect(closed.state).toBe("open")
    await clock.advanceAsync(1)
    expect(closed.state).toBe("closed")
    expect(puts.map(({ state }) => state)).toEqual([false, false])
  })
})

describe("a server that is gone", () => {
  test("costs a read nothing, and close() no time", async () => {
    const { store, client, put, clock } = await openStore(server)
    await put("key", "value")
    await server.kill()
    await until(() => client.status !== "ready", { what: "the end of the connection" })
    expect(await store.get("key")).toBeUndefined()
    const waiting = watch(put("key", "later"))
    await settled()
    expect(waiting.state).toBe("open")
    const timers = clock.timers
    await store.close()
    expect(waiting.state).toBe(false)
    expect(clock.timers).toBeLessThanOrEqual(timers)
  })

  test("fails nobody whose call was under way, and is one fault", async () => {
    const { store, put, client, faults, clock } = await openStore(server)
    await put("key", "value")
    await server.pause()
    const calls = Array.from({ length: 50 }, (_, index) => [
      store.get(`key ${index}`),
      put(`key ${index}`, index),
    ]).flat()
    await settled()
    await server.kill()
    await until(() => client.status !== "ready", { what: "the end of the connection" })
    await clock.advanceAsync(WRITE_MS, READ_MS)
    for (const outcome of await Promise.all(calls)) expect(outcome === undefined || outcome === false).toBe(true)
    expect(faults.length).toBe(1)
  })

  test("and comes back soon loses no write that waited", async () => {
    const { put, valueOf, client, faults, store } = await openStore(server)
    await put("key", "value")
    await server.kill()
    await until(() => client.status !== "ready", { what: "the end of the connection" })
    const puts = ["a", "b", "c"].map((key) => put(key, key))
    await settled()
    expect(store.stats().queued).toBe(3)
    await server.restart()
    expect(await Promise.all(puts)).toEqual([true, true, true])
    expect(await valueOf("a")).toBe("a")
    expect(faults).toEqual([])
  })

  test("and does not come back keeps writes no longer than they may wait", async () => {
    const { put, client, clock, faults, store } = await openStore(server)
    await put("key", "value")
    await server.kill()
    await until(() => client.status !== "ready", { what: "the end of the connection" })
    const waiting = watch(put("key", "later"))
    await settled()
    await clock.advanceAsync(WRITE_MS)
    expect(waiting.state).toBe(false)
    expect(store.stats()).toMatchObject({ queued: 0, writes: "open" })
    expect(faults.map(({ message }) => message)).toEqual([expect.stringContaining("the connection is lost")])
  })
})

test("what the store has sent or set up is over when it is closed", async () => {
  const { store, client, clock, put } = await openStore(server)
  const listeners = client.listenerCount("ready")
  await put("key", 1)
  await store.get("key")
  await store.close()
  expect(clock.timers).toBe(0)
  expect(client.listenerCount("ready")).toBe(listeners - 1)
  expect(client.status).toBe("ready")
})

test("a process that was busy finds the answers that came meanwhile", async () => {
  const { put, valueOf, store } = await openStore(server, { clock: systemClock })
  await put("key", "value")
  const reading = valueOf("key")
  // Beyond the end of its time, before the event loop has looked at the network.
  const end = performance.now() + READ_MS + 100
  while (performance.now() < end) continue
  expect(await reading).toBe("value")
  expect(store.stats().timeouts).toBe(0)
})

/** Leases while Redis is slow, gone, or says what it should not: nobody waits for them. */
import { once } from "node:events"
import { setImmediate } from "node:timers/promises"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import type { LeaseAnswer, LeaseEnd } from "../../src/core/ports/leases.js"
import type { ListenOptions, RedisLeases } from "../../src/redis/leases.js"
import { RedisServer } from "./support/server.js"
import { openStore, type StoreBench } from "./support/store-bench.js"
import { until } from "./support/until.js"

let server: RedisServer
beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server[Symbol.asyncDispose]())
beforeEach(() => server.command("FLUSHALL"))

interface LeaseBench extends StoreBench {
  readonly leases: RedisLeases
  readonly say: (message: string) => void
  readonly startListening: () => void
}

async function open(): Promise<LeaseBench> {
  let listening: ListenOptions | undefined
  const bench = await openStore(server, {
    listen: (options) => {
      listening = options
      return () => {}
    },
  })
  return {
    ...bench,
    leases: bench.store.leases as RedisLeases,
    say: (message) => listening?.onMessage(message),
    startListening: () => listening?.onListening(),
  }
}

function held(): Promise<unknown> {
  return server.command("KEYS", "zc1:l:*")
}

function isGranted(answer: LeaseAnswer): boolean {
  return answer !== undefined && "lease" in answer
}

describe("a lease that Redis does not answer for", () => {
  test("is waited for as long as a read, and given back when it comes too late", async () => {
    const { leases, clock, faults } = await open()
    await server.pause()
    const answers: LeaseAnswer[] = []
    const asking = leases.acquire("k", 10_000).then((answer) => answers.push(answer))
    await clock.advanceAsync(249)
    expect(answers).toEqual([])
    await clock.advanceAsync(1)
    await asking
    expect(answers).toEqual([undefined])
    server.resume()
    await until(async () => (await server.info("commandstats")).get("cmdstat_del") !== undefined, {
      what: "the lease to be given back",
    })
    expect(await held()).toEqual([])
    expect(faults).toEqual([])
  })

  test("is not asked for any more after three: the answer comes at once", async () => {
    const { leases, store, clock, faults } = await open()
    await server.pause()
    for (let asked = 0; asked < 3; asked += 1) {
      const asking = leases.acquire("k", 10_000)
      await clock.advanceAsync(250)
      expect(await asking).toBeUndefined()
    }
    expect(store.stats().writes).toBe("open")
    expect(await leases.acquire("k", 10_000)).toBeUndefined()
    expect(faults).toHaveLength(1)
    server.resume()
    await clock.advanceAsync(2000)
    await until(async () => isGranted(await leases.acquire("another", 10_000)), { what: "a lease" })
  })

  test("is not waited for without a connection", async () => {
    const { leases, client } = await open()
    const closed = once(client, "close")
    client.disconnect(true)
    await closed
    // The client would keep the question until it has one again.
    expect(await leases.acquire("k", 10_000)).toBeUndefined()
  })

  test("is given back where the store closes meanwhile", async () => {
    const { leases, store } = await open()
    await server.pause()
    const asking = leases.acquire("k", 10_000)
    const closing = store.close()
    await setImmediate()
    await setImmediate()
    server.resume()
    await closing
    expect(await asking).toBeUndefined()
    expect(await held()).toEqual([])
  })

  test("is not asked for of a store that is closed", async () => {
    const { leases, store } = await open()
    await store.close()
    expect(await leases.acquire("k", 10_000)).toBeUndefined()
    expect(await held()).toEqual([])
  })
})

test("a client that throws where it should reject costs a lease, and its store still closes", async () => {
  const { leases, store, client } = await open()
  const answer = await leases.acquire("k", 10_000)
  client.callBuffer = () => {
    throw new Error("not like this")
  }
  expect(await leases.acquire("l", 10_000)).toBeUndefined()
  if (answer !== undefined && "lease" in answer) await answer.lease.release("stored")
  await store.close()
})

test("a key of another type in its place is told, and waited for by nobody", async () => {
  const { leases, faults, prefix } = await open()
  await server.command("LPUSH", `zc1:l:${prefix}:{zc1:e:${prefix}:k}`, "mine")
  expect(await leases.acquire("k", 10_000)).toBeUndefined()
  expect(await leases.acquire("k", 10_000)).toBeUndefined()
  expect(faults.map(({ message }) => message)).toEqual([expect.stringContaining("lease a key of redis://test")])
})

test("a key without an end in its place is taken, for nobody would ever give it back", async () => {
  const { leases, prefix } = await open()
  await server.command("SET", `zc1:l:${prefix}:{zc1:e:${prefix}:k}`, "mine")
  expect(isGranted(await leases.acquire("k", 10_000))).toBe(true)
  expect(isGranted(await leases.acquire("k", 10_000))).toBe(false)
})

test("is asked for in one command, also of a server that knows no scripts: the read behind it comes after it", async () => {
  const { leases } = await open()
  await server.command("SCRIPT", "FLUSH")
  await server.command("CONFIG", "RESETSTAT")
  expect(isGranted(await leases.acquire("k", 10_000))).toBe(true)
  const stats = await server.info("commandstats")
  expect(stats.get("cmdstat_evalsha")).toBeUndefined()
  expect(stats.get("cmdstat_eval")).toMatch(/calls=1,/)
})

test("a server that forgets its scripts makes no difference", async () => {
  const { leases } = await open()
  await server.command("SCRIPT", "FLUSH")
  const answer = await leases.acquire("k", 10_000)
  await server.command("SCRIPT", "FLUSH")
  if (answer !== undefined && "lease" in answer) await answer.lease.release("stored")
  expect(isGranted(answer)).toBe(true)
  expect(await held()).toEqual([])
})

describe("those who watch", () => {
  test("are all woken where something may have been missed", async () => {
    const { leases, startListening } = await open()
    const ends: string[] = []
    leases.watch("k", (end) => ends.push(`k ${end}`))
    leases.watch("l", (end) => ends.push(`l ${end}`))
    startListening()
    expect(ends).toEqual(["k undefined", "l undefined"])
  })

  test.each(["", " ", "stored", "nonsense zc1:e:<p>:k", "stored zc1:e:<p>:another", "\0".repeat(1000)])(
    "hear nothing of %j",
    async (message) => {
      const { leases, say, prefix } = await open()
      const ends: (LeaseEnd | undefined)[] = []
      leases.watch("k", (end) => ends.push(end))
      say(message.replace("<p>", prefix))
      await setImmediate()
      expect(ends).toEqual([])
    },
  )

  test("a key with spaces hear of that one", async () => {
    const { leases, say, prefix } = await open()
    const ends: (LeaseEnd | undefined)[] = []
    leases.watch("a key with spaces", (end) => ends.push(end))
    say(`unwanted zc1:e:${prefix}:a key with spaces`)
    expect(ends).toEqual(["unwanted"])
  })
})

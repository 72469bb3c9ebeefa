/** A source that fails, behind entries in Redis: how often it is asked. */
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest"
import { createCache } from "zoocache"
import { redis } from "zoocache/redis"
import { checkInvariants, ManualClock, settled } from "zoocache/testing"
import { asksOnceInASecond, failingSource, memories, ways } from "../support/failing-source.js"
import { patientCache, patientRedis } from "../support/patience.js"
import { RedisServer } from "./support/server.js"

let server: RedisServer
beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server[Symbol.asyncDispose]())

async function join(prefix: string, clock: ManualClock, memory: keyof typeof memories) {
  const cache = createCache({
    ...patientCache,
    backend: redis({ ...patientRedis, url: server.url }),
    prefix,
    clock,
    staleness: { bound: "1d" },
    ...memories[memory],
  })
  onTestFinished(() => cache.close())
  await cache.ready()
  return cache
}

const memoryNames = Object.keys(memories) as (keyof typeof memories)[]
const wayNames = Object.keys(ways) as (keyof typeof ways)[]
const both = memoryNames.flatMap((memory) => wayNames.map((way) => [memory, way] as const))

let prefixes = 0
const newPrefix = () => `retries-${++prefixes}`

test.each(both)("a source that fails is asked once in a second: %s, %s", async (memory, way) => {
  const clock = new ManualClock()
  const cache = await join(newPrefix(), clock, memory)
  await asksOnceInASecond(cache, clock, memory, way)
  await settled()
  checkInvariants(cache)
})

test.each(memoryNames)("what has gone unread for too long is expired for all nodes: %s", async (memory) => {
  const prefix = newPrefix()
  const clock = new ManualClock()
  const options = { idleTtl: "1s", grace: "1h" } as const
  const [a, b] = [await join(prefix, clock, memory), await join(prefix, clock, memory)]
  const [ofA, ofB] = [failingSource(a, options), failingSource(b, options)]
  await ofA.read()
  await expect.poll(() => b.has(ofB.read.keyOf())).toBe(true)
  clock.advance(1500)
  ofA.isDown = ofB.isDown = true
  ofA.version = ofB.version = 2
  for (let step = 0; step < 10; step += 1) {
    for (const { read } of [ofA, ofB]) expect(await read()).toBe("v1")
    await settled()
    clock.advance(300)
  }
  for (const cache of [a, b]) expect(cache.stats().graceHits).toBe(10)
  clock.advance(1000)
  ofA.isDown = ofB.isDown = false
  for (const { read } of [ofA, ofB]) {
    await read()
    await expect.poll(read).toBe("v2")
  }
})

/** A source that fails, behind entries in LMDB: how often it is asked. */
import { afterEach, expect, test } from "vitest"
import { createCache } from "zoocache"
import { lmdb } from "zoocache/lmdb"
import { checkInvariants, ManualClock, settled } from "zoocache/testing"
import { asksOnceInASecond, failingSource, memories, ways } from "../support/failing-source.js"
import { cleanUp, onCleanUp, temporaryDirectory } from "./support/backends.js"

afterEach(cleanUp)

/** Of these years: the thread that sweeps the file has a clock of its own. */
const newClock = () => new ManualClock(Date.now())

async function join(path: string, clock: ManualClock, memory: keyof typeof memories) {
  const cache = createCache({ backend: lmdb({ path }), clock, staleness: { bound: "1d" }, ...memories[memory] })
  onCleanUp(() => cache.close())
  await cache.ready()
  return cache
}

const memoryNames = Object.keys(memories) as (keyof typeof memories)[]
const wayNames = Object.keys(ways) as (keyof typeof ways)[]
const both = memoryNames.flatMap((memory) => wayNames.map((way) => [memory, way] as const))

test.each(both)("a source that fails is asked once in a second: %s, %s", async (memory, way) => {
  const clock = newClock()
  const cache = await join(temporaryDirectory(), clock, memory)
  await asksOnceInASecond(cache, clock, memory, way)
  await settled()
  checkInvariants(cache)
})

test.each(memoryNames)("what has gone unread for too long is expired for all processes: %s", async (memory) => {
  const path = temporaryDirectory()
  const clock = newClock()
  const options = { idleTtl: "1s", grace: "1h" } as const
  const [a, b] = [await join(path, clock, memory), await join(path, clock, memory)]
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

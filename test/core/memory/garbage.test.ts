import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { expect, test } from "vitest"
import { settled } from "zoocache/testing"
import { Machine } from "../../support/shared.js"

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as (options?: { type: "minor" }) => void

const KEYS = 1000
const NUMBERS = 400
const ENTRIES = 50

// A Map that is used in this way leaves its old tables to the garbage collector, each with a pointer to the next: one that
// is old keeps all that follow alive until the next full collection, with all that was in them.
test("values that memory has evicted are found by quick collections", async () => {
  const machine = new Machine()
  const { cache } = await machine.join({ memory: { maxEntries: ENTRIES } })
  const read = cache.cacheable(async (id: number) => Array.from({ length: NUMBERS }, (_, index) => id + index), {
    name: "read",
    deps: (id) => [`read:${id}`],
  })
  const readAll = async (rounds: number) => {
    for (let at = 0; at < rounds * KEYS; at += 1) {
      await read(at % KEYS)
      if (at % 50 === 0) await settled()
      // So rarely that hardly a value is still in memory at the second one, which would make it old.
      if (at % KEYS === 0) collect({ type: "minor" })
    }
  }
  await readAll(2)
  // The best of three: a quick collection that the engine itself makes, at a bad moment of a busy machine, makes values old.
  let best = Number.POSITIVE_INFINITY
  for (let attempt = 0; attempt < 3; attempt += 1) {
    collect()
    const [before, { storeHits }] = [process.memoryUsage().heapUsed, cache.stats()]
    await readAll(6)
    const left = process.memoryUsage().heapUsed - before
    const fromStore = cache.stats().storeHits - storeHits
    expect(fromStore).toBeGreaterThan(4 * KEYS)
    best = Math.min(best, left / (fromStore * NUMBERS * 8))
  }
  expect(best).toBeLessThan(0.25)
})

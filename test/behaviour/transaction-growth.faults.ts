/** A transaction looks through nothing that it has collected before: its cost grows with the number of its changes. */
import { expect, test } from "vitest"
import type { Cache } from "zoocache"
import { makeCache } from "../support/caches.js"

const COUNT = 10_000
// Linear is about once or twice the same calls outside; looking through all changes before each is 50 times and more.
const FACTOR = 20

type Call = (cache: Cache, at: number) => unknown

const jobs: [string, readonly Call[]][] = [
  ["delete and invalidate", [(cache, at) => cache.delete(`k${at}`), (cache, at) => cache.invalidate(`t:${at}`)]],
  [
    "set, delete and invalidate",
    [
      (cache, at) => cache.set(`k${at}`, at, { deps: [`t:${at}`] }),
      (cache, at) => cache.invalidate(`u:${at}`),
      (cache, at) => cache.delete(`l${at}`),
    ],
  ],
  [
    "set and get",
    [(cache, at) => cache.set(`k${at}`, at, { deps: [`t:${at}`] }), (cache, at) => cache.get(`k${COUNT - at}`)],
  ],
  [
    "set of one key and expire of one tag",
    [(cache) => cache.set("k", 1, { deps: ["t"] }), (cache) => cache.expire("t")],
  ],
]

/** All calls of the first kind, then all of the second: what was collected is as long as it gets. */
async function inTurns(cache: Cache, calls: readonly Call[]): Promise<void> {
  for (const call of calls) for (let at = 0; at < COUNT; at += 1) await call(cache, at)
}

const places: [string, (cache: Cache, calls: readonly Call[]) => Promise<void>][] = [
  ["one transaction", (cache, calls) => cache.transaction(() => inTurns(cache, calls))],
  ["a transaction in one", (cache, calls) => cache.transaction(() => cache.transaction(() => inTurns(cache, calls)))],
  [
    "many small ones in one",
    (cache, calls) =>
      cache.transaction(async () => {
        for (let at = 0; at < COUNT; at += 1) {
          await cache.transaction(async () => {
            for (const call of calls) await call(cache, at)
          })
        }
      }),
  ],
]

/** The shorter of two runs: others use the processor, too. */
async function shortest(run: (cache: Cache) => Promise<void>): Promise<number> {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 2; round += 1) {
    const { cache } = makeCache({ memory: { maxEntries: 4 * COUNT } })
    const start = performance.now()
    await run(cache)
    best = Math.min(best, performance.now() - start)
  }
  return best
}

test.each(jobs.flatMap(([job, calls]) => places.map(([place, run]) => [job, place, calls, run] as const)))(
  "%s, 10,000 times in %s",
  async (_job, _place, calls, run) => {
    const outside = await shortest((cache) => inTurns(cache, calls))
    const inside = await shortest((cache) => run(cache, calls))
    expect(inside / outside).toBeLessThan(FACTOR)
  },
)

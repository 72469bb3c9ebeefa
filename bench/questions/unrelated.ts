import { alternate, column, withRunners } from "../harness/alternate.js"
import { countingLoader, warm } from "../harness/hits.js"
import { ratiosOf, seededRandom, showSpread, spreadOf } from "../harness/numbers.js"
import type { Question } from "../harness/question.js"
import { calibrate, nextTurn, timeMs } from "../harness/timing.js"

const KEYS = 10_000
const READS_PER_INVALIDATION = 10

/** What is invalidated between the reads. */
const kinds = {
  none: "nothing",
  nobody: "a tag that nobody depends on",
  others: "the tag of another live entry",
} as const

export const unrelated: Question = {
  name: "unrelated",
  title: "What do invalidations of other things cost a hit?",
  method: `Awaited hits of ${KEYS.toLocaleString("en-US")} warm keys with one awaited \`invalidate\` per ${READS_PER_INVALIDATION} reads. "All" is the time of reads and invalidations together; "reads" is what is left of it without the invalidations, which are also measured alone in the same process.`,
  contestants: {
    zoocache: async ({ kind, roundMs }) => {
      const { createCache } = await import("zoocache")
      const cache = createCache({ ttl: "1h", memory: { maxEntries: 10 * KEYS } })
      const { load, loads } = countingLoader()
      const read = cache.cacheable(load, { name: "user", deps: (key) => [`user:${key}`] })
      const subject = { read, keyOf: (id: number) => id }
      await warm(subject, KEYS, loads)
      const random = seededRandom(1)
      const order = Array.from({ length: 1 << 16 }, () => Math.floor(random() * KEYS))
      const mask = order.length - 1
      // The others: as many live entries as one round invalidates, loaded anew before each.
      const readOther = cache.cacheable(load, { name: "other", deps: (key) => [`other:${key}`] })
      const tags = Array.from({ length: 20_000 }, (_, id) => (kind === "others" ? `other:${id}` : `nobody:${id}`))
      const refill = async (count: number) => {
        if (kind !== "others") return
        for (let id = 0; id < Math.min(count, tags.length); id += 1) await readOther(id)
        await nextTurn()
      }
      const invalidate = async (count: number) => {
        for (let at = 0; at < count; at += 1) await cache.invalidate(tags[at % tags.length] as string)
      }
      const both = async (count: number) => {
        let sum = 0
        for (let at = 0, next = 0; at < count; at += 1) {
          for (let reads = 0; reads < READS_PER_INVALIDATION; reads += 1, next += 1) {
            sum += (await read(order[next & mask] as number)).id
          }
          await cache.invalidate(tags[at % tags.length] as string)
        }
        return sum
      }
      const readsOnly = async (count: number) => {
        let sum = 0
        for (let at = 0; at < count * READS_PER_INVALIDATION; at += 1)
          sum += (await read(order[at & mask] as number)).id
        return sum
      }
      const work = kind === "none" ? readsOnly : both
      const isMixed = kind !== "none"
      await refill(tags.length)
      const count = Math.min(tags.length, await calibrate(work, Number(roundMs), 50 * Number(roundMs)))
      if (isMixed) await calibrate(invalidate, Number(roundMs), 20 * Number(roundMs))
      return async () => {
        await refill(count)
        const loaded = loads()
        const allMs = await timeMs(work, count)
        if (loads() !== loaded) throw new Error(`${loads() - loaded} reads missed`)
        await refill(count)
        const invalidationMs = isMixed ? await timeMs(invalidate, count) : 0
        const perRead = 1e6 / (count * READS_PER_INVALIDATION)
        return {
          allNs: allMs * perRead,
          readNs: (allMs - invalidationMs) * perRead,
          invalidationUs: (invalidationMs * 1000) / count,
        }
      }
    },
  },

  async ask(bench) {
    const start = (kind: keyof typeof kinds) => bench.start("unrelated", "zoocache", { kind, roundMs: bench.roundMs })
    const measured = await withRunners(
      { none: start("none"), nobody: start("nobody"), others: start("others") },
      (runners) => alternate(bench, runners),
    )
    const none = column(measured.none, "allNs")
    const names = Object.keys(kinds) as (keyof typeof kinds)[]
    return {
      tables: [
        {
          head: [
            "invalidated",
            "all, ns per read",
            "reads, ns per read",
            "µs per invalidation",
            "all, against none",
            "reads, against none",
          ],
          rows: names.map((name) => [
            kinds[name],
            showSpread(spreadOf(column(measured[name], "allNs"))),
            showSpread(spreadOf(column(measured[name], "readNs"))),
            name === "none" ? "–" : showSpread(spreadOf(column(measured[name], "invalidationUs"))),
            `${showSpread(ratiosOf(none, column(measured[name], "allNs")))}×`,
            `${showSpread(ratiosOf(none, column(measured[name], "readNs")))}×`,
          ]),
        },
      ],
      bars: (["nobody", "others"] as const).map((name) => {
        const ratio = ratiosOf(none, column(measured[name], "allNs"))
        return {
          what: `hits with one invalidation of ${kinds[name]} per ${READS_PER_INVALIDATION} reads, against none`,
          limit: "≥ 0.4×",
          measured: `${showSpread(ratio)}×`,
          isMet: ratio.median >= 0.4,
        }
      }),
      notes: [],
    }
  },
}

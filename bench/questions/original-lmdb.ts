import { fileURLToPath } from "node:url"
import { alternate, column, withRunners } from "../harness/alternate.js"
import { withFolder } from "../harness/folder.js"
import { ratiosOf, showSpread, spreadOf } from "../harness/numbers.js"
import { makePythonEnvironment, startPython } from "../harness/python.js"
import type { Answer, Bar, Contestant, Measured, Question, Round, Runner } from "../harness/question.js"
import { calibrate, elapsedMs, nextTurn, timeMs, type Work } from "../harness/timing.js"
import { type Operation, operationNames } from "./operations.js"

const KEYS = 10_000
const IN_FLIGHT = 1000

type There = Extract<Operation, "asyncHit" | "syncHit" | "get" | "set" | "invalidate" | "firstCall" | "firstCallSync">

interface Row {
  /** What of the other side it is put beside. */
  readonly there: There
  /** Its name, where it differs from the other side's. */
  readonly as?: string
  /** A bar. */
  readonly atLeast?: number
}

/** What is measured here. */
const measuredHere = {
  asyncHit: { there: "asyncHit", atLeast: 10 },
  asyncHitBeyond: { there: "asyncHit", as: "cached hit, async, `memory: false`" },
  syncHit: { there: "syncHit" },
  get: { there: "get" },
  getBeyond: { there: "get", as: "`get`, hit, `memory: false`" },
  set: { there: "set", as: "`set` with one tag, one after the other", atLeast: 1.5 },
  setInFlight: {
    there: "set",
    as: `\`set\` with one tag, ${IN_FLIGHT.toLocaleString("en-US")} in flight`,
    atLeast: 1.5,
  },
  setMany: { there: "set", as: `\`setMany\` of ${IN_FLIGHT.toLocaleString("en-US")}, for each` },
  invalidate: { there: "invalidate", as: "`invalidate`, one after the other" },
  invalidateInFlight: { there: "invalidate", as: `\`invalidate\`, ${IN_FLIGHT.toLocaleString("en-US")} in flight` },
  firstCall: { there: "firstCall" },
  firstCallSync: { there: "firstCallSync" },
} satisfies Record<string, Row>
type Here = keyof typeof measuredHere
const rows: Readonly<Record<Here, Row>> = measuredHere

const nameOf = (name: Here): string => rows[name].as ?? operationNames[rows[name].there]

const zoocache: Contestant = async ({ folder, roundMs }) => {
  const { createCache } = await import("zoocache")
  const { lmdb } = await import("zoocache/lmdb")
  const backend = lmdb({ path: String(folder) })
  const cache = createCache({ backend, ttl: "1h", memory: { maxEntries: 1_000_000 } })
  const beyond = createCache({ backend, prefix: "beyond", ttl: "1h", memory: false })
  await Promise.all([cache.ready(), beyond.ready()])
  const load = async (id: number) => Promise.resolve({ id, name: "user" })
  const options = { name: "user", deps: (id: number) => [`user:${id}`] }
  const getUser = cache.cacheable(load, options)
  const getUserSync = cache.cacheableSync((id: number) => ({ id, name: "user" }), { ...options, name: "userSync" })
  const getUserBeyond = beyond.cacheable(load, options)
  const keys = Array.from({ length: KEYS }, (_, id) => `key:${id}`)
  const marks = keys.map((_, id) => `marked:${id}`)
  const value = { id: 1, name: "user" }
  const items = (names: readonly string[]) => names.map((name, id) => [name, value, { deps: [`user:${id}`] }] as const)
  const written = async () => {
    while ((cache.stats().store?.queued ?? 0) > 0) await nextTurn()
  }
  const fill = async () => {
    for (let id = 0; id < KEYS; id += 1) {
      await Promise.all([getUser(id), getUserBeyond(id)])
      getUserSync(id)
      if (id % 100 === 0) await nextTurn()
    }
    await cache.setMany(items(keys))
    await beyond.setMany(items(keys))
    // Entries of their own for the invalidations, so that hits stay hits.
    await cache.setMany(marks.map((mark) => [mark, value, { deps: [mark] }] as const))
    await written()
  }
  await fill()

  /** Many at once, then as many again. */
  const inFlight =
    (once: (at: number) => Promise<unknown>): Work =>
    async (count) => {
      for (let from = 0; from < count; from += IN_FLIGHT) {
        const some = Math.min(IN_FLIGHT, count - from)
        await Promise.all(Array.from({ length: some }, (_, at) => once(from + at)))
      }
    }
  const oneByOne =
    (once: (at: number) => Promise<unknown>): Work =>
    async (count) => {
      for (let at = 0; at < count; at += 1) await once(at)
    }
  const set = (at: number) => cache.set(keys[at % KEYS] as string, value, { deps: [`user:${at % KEYS}`] })
  const invalidate = (at: number) => cache.invalidate(marks[at % KEYS] as string)

  // Ids that nobody has asked for yet: not in the files of an earlier process either.
  let fresh = KEYS
  const works: Record<Here, { work: Work; clock: typeof timeMs }> = {
    asyncHit: { work: oneByOne((at) => getUser(at % KEYS)), clock: timeMs },
    asyncHitBeyond: { work: oneByOne((at) => getUserBeyond(at % KEYS)), clock: timeMs },
    syncHit: {
      work: (count) => {
        for (let at = 0; at < count; at += 1) getUserSync(at % KEYS)
      },
      clock: timeMs,
    },
    get: { work: oneByOne((at) => cache.get(keys[at % KEYS] as string)), clock: timeMs },
    getBeyond: { work: oneByOne((at) => beyond.get(keys[at % KEYS] as string)), clock: timeMs },
    // These wait for the thread that writes.
    set: { work: oneByOne(set), clock: elapsedMs },
    setInFlight: { work: inFlight(set), clock: elapsedMs },
    setMany: {
      work: async (count) => {
        for (let from = 0; from < count; from += IN_FLIGHT) {
          const start = from % KEYS
          await cache.setMany(items(keys.slice(start, start + Math.min(IN_FLIGHT, count - from))))
        }
      },
      clock: elapsedMs,
    },
    invalidate: { work: oneByOne(invalidate), clock: elapsedMs },
    invalidateInFlight: { work: inFlight(invalidate), clock: elapsedMs },
    firstCall: { work: oneByOne(() => getUser((fresh += 1))), clock: timeMs },
    firstCallSync: {
      work: (count) => {
        for (let at = 0; at < count; at += 1) getUserSync((fresh += 1))
      },
      clock: timeMs,
    },
  }
  const names = Object.keys(works) as Here[]
  const counts = new Map<Here, number>()
  for (const name of names) {
    const { work, clock } = works[name]
    counts.set(name, await calibrate(work, Number(roundMs), 15 * Number(roundMs), clock))
    await written()
  }

  const round: Round = async () => {
    const measured: Record<string, number> = {}
    await cache.clear()
    cache.prune()
    await fill()
    for (const name of names) {
      await nextTurn()
      await written()
      const { work, clock } = works[name]
      const count = counts.get(name) as number
      measured[name] = ((await clock(work, count)) * 1000) / count
    }
    await written()
    return measured
  }
  return round
}

export const originalOnLmdb: Question = {
  name: "original-lmdb",
  title: "How does it compare with the original on LMDB?",
  method: `The Python library Zoocache with LMDB as its storage and diskcache (which keeps its entries in SQLite and files), beside the same operations here on LMDB with \`durable: false\`, taking turns; ${KEYS.toLocaleString("en-US")} keys (diskcache: 500), one tag each. Microseconds per operation. There everything but the async functions is a plain call. Here everything is awaited, and \`set\` and \`invalidate\` resolve when every other process would see them. One after the other, each waits for the thread that writes and comes back; with ${IN_FLIGHT.toLocaleString("en-US")} in flight that is shared. Hits come from memory, which is in front of LMDB, where nothing else is said. First calls are timed until the caller has its value; the entry is written behind it.`,
  needsOriginal: true,
  contestants: { zoocache },

  async ask(bench) {
    let environment
    try {
      bench.progress("original-lmdb: installing the Python packages …")
      environment = makePythonEnvironment(["zoocache", "diskcache"])
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      return { tables: [], bars: [], notes: [`Not measured: the Python packages can't be installed (${reason}).`] }
    }
    const { python, versions } = environment
    try {
      return await withFolder(async (folder) => {
        const script = fileURLToPath(new URL("../original/original.py", import.meta.url))
        const { roundMs } = bench
        const there = (system: string) =>
          Promise.resolve(startPython(python, [script, system, String(roundMs), `${folder}/${system}`]))
        const starting: Record<"here" | "original" | "diskcache", Promise<Runner>> = {
          here: bench.start("original-lmdb", "zoocache", { folder: `${folder}/here`, roundMs }),
          original: there("zoocache-lmdb"),
          diskcache: there("diskcache"),
        }
        const measured = await withRunners(starting, async (runners) => {
          // The first round calibrates.
          await alternate(bench, runners, {}, 1)
          return alternate(bench, runners, {}, bench.isQuick ? 2 : 11)
        })
        return answerOf(measured, versions)
      })
    } finally {
      environment.remove()
    }
  },
}

function answerOf(measured: Record<"here" | "original" | "diskcache", Measured[]>, versions: string): Answer {
  const { here, original, diskcache } = measured
  const cell = (rounds: readonly Measured[], name: string) =>
    rounds[0]?.[name] === undefined ? "–" : showSpread(spreadOf(column(rounds, name)))
  const ratioOf = (name: Here) => ratiosOf(column(original, rows[name].there), column(here, name))
  const names = Object.keys(rows) as Here[]
  return {
    tables: [
      {
        head: ["operation, µs", "zoocache here", "the original", "times", "diskcache"],
        rows: names.map((name) => [
          nameOf(name),
          cell(here, name),
          cell(original, rows[name].there),
          showSpread(ratioOf(name)),
          cell(diskcache, rows[name].there),
        ]),
      },
    ],
    bars: names.flatMap((name): Bar[] => {
      const { atLeast } = rows[name]
      if (atLeast === undefined) return []
      const ratio = ratioOf(name)
      return [
        {
          what: `${nameOf(name)}, on LMDB, against the original`,
          limit: `≥ ${atLeast}×`,
          measured: `${showSpread(ratio)}×`,
          isMet: ratio.median >= atLeast,
        },
      ]
    }),
    notes: [`${versions}.`],
  }
}

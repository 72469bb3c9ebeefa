import { fileURLToPath } from "node:url"
import { alternate, column, withRunners } from "../harness/alternate.js"
import { ratiosOf, showSpread, spreadOf } from "../harness/numbers.js"
import { makePythonEnvironment, startPython } from "../harness/python.js"
import type { Answer, Bar, Bench, Contestant, Measured, Question, Runner } from "../harness/question.js"
import { inGroups, openCache, withRedis, written } from "../harness/redis.js"
import { calibrate, elapsedMs, nextTurn, timeMs, type Work } from "../harness/timing.js"
import { type Operation, operationNames } from "./operations.js"

/** As in original.py: there each costs a round trip. */
const KEYS = 1000
const IN_FLIGHT = 1000

type There = Extract<Operation, "asyncHit" | "get" | "set" | "invalidate" | "firstCall">

interface Row {
  /** What of the other side it is put beside. */
  readonly there: There
  /** Its name, where it differs from the other side's. */
  readonly as?: string
  /** A bar. */
  readonly atLeast?: number
}

const inFlight = `${IN_FLIGHT.toLocaleString("en-US")} in flight`

/** What is measured here. */
const measuredHere = {
  asyncHit: { there: "asyncHit", atLeast: 500 },
  asyncHitBeyond: { there: "asyncHit", as: "cached hit, async, `memory: false`" },
  get: { there: "get" },
  getBeyond: { there: "get", as: "`get`, hit, `memory: false`" },
  set: { there: "set", as: "`set` with one tag, one after the other" },
  setInFlight: { there: "set", as: `\`set\` with one tag, ${inFlight}` },
  invalidate: { there: "invalidate", as: "`invalidate`, one after the other" },
  invalidateInFlight: { there: "invalidate", as: `\`invalidate\`, ${inFlight}` },
  firstCall: { there: "firstCall" },
} satisfies Record<string, Row>
type Here = keyof typeof measuredHere
const rows: Readonly<Record<Here, Row>> = measuredHere

const nameOf = (name: Here): string => rows[name].as ?? operationNames[rows[name].there]

const zoocache: Contestant = async ({ url, roundMs }) => {
  const [cache, beyond] = await Promise.all([
    openCache(String(url), "here", { memory: { maxEntries: 1_000_000 } }),
    openCache(String(url), "beyond", { memory: false }),
  ])
  const load = async (id: number) => Promise.resolve({ id, name: "user" })
  const options = { name: "user", deps: (id: number) => [`user:${id}`] }
  const getUser = cache.cacheable(load, options)
  const getUserBeyond = beyond.cacheable(load, options)
  const keys = Array.from({ length: KEYS }, (_, id) => `key:${id}`)
  const value = { id: 1, name: "user" }
  const mark = (at: number) => `marked:${at % KEYS}`
  const set = (at: number) => cache.set(keys[at % KEYS] as string, value, { deps: [`user:${at % KEYS}`] })
  const invalidate = (at: number) => cache.invalidate(mark(at))
  const fill = async () => {
    await inGroups(KEYS, 100, (id) => Promise.all([getUser(id), getUserBeyond(id), set(id)]))
    await inGroups(KEYS, 100, (id) => beyond.set(keys[id] as string, value, { deps: [`user:${id}`] }))
    // Entries of their own for the invalidations, so that hits stay hits.
    await inGroups(KEYS, 100, (id) => cache.set(mark(id), value, { deps: [mark(id)] }))
    await Promise.all([written(cache), written(beyond)])
  }

  const oneByOne =
    (once: (at: number) => Promise<unknown>): Work =>
    (count) =>
      inGroups(count, 1, once)
  const many =
    (once: (at: number) => Promise<unknown>): Work =>
    (count) =>
      inGroups(count, IN_FLIGHT, once)
  // Ids that nobody has asked for yet.
  let fresh = KEYS
  const works: Record<Here, { work: Work; clock: typeof timeMs }> = {
    asyncHit: {
      work: async (count) => {
        for (let at = 0; at < count; at += 1) await getUser(at % KEYS)
      },
      clock: timeMs,
    },
    asyncHitBeyond: { work: oneByOne((at) => getUserBeyond(at % KEYS)), clock: elapsedMs },
    get: {
      work: async (count) => {
        for (let at = 0; at < count; at += 1) await cache.get(keys[at % KEYS] as string)
      },
      clock: timeMs,
    },
    getBeyond: { work: oneByOne((at) => beyond.get(keys[at % KEYS] as string)), clock: elapsedMs },
    set: { work: oneByOne(set), clock: elapsedMs },
    setInFlight: { work: many(set), clock: elapsedMs },
    invalidate: { work: oneByOne(invalidate), clock: elapsedMs },
    invalidateInFlight: { work: many(invalidate), clock: elapsedMs },
    firstCall: { work: oneByOne(() => getUser((fresh += 1))), clock: elapsedMs },
  }
  await fill()
  const names = Object.keys(works) as Here[]
  const counts = new Map<Here, number>()
  for (const name of names) {
    const { work, clock } = works[name]
    counts.set(name, await calibrate(work, Number(roundMs), 15 * Number(roundMs), clock))
    await written(cache)
  }
  return async () => {
    const measured: Record<string, number> = {}
    await fill()
    for (const name of names) {
      await nextTurn()
      const { work, clock } = works[name]
      const count = counts.get(name) as number
      measured[name] = ((await clock(work, count)) * 1000) / count
      await written(cache)
    }
    return measured
  }
}

export const originalOnRedis: Question = {
  name: "original-redis",
  title: "How does it compare with the original, in Python, on Redis?",
  method: `The Python library Zoocache with Redis for its entries and its bus, beside the same operations here, on the same server, taking turns; each side with keys of its own. Microseconds per operation, over ${KEYS.toLocaleString("en-US")} keys. There nothing is in memory; here it is in front of Redis where nothing else is said. There \`get\`, \`set\` and \`invalidate\` are plain calls, and \`invalidate\` returns before anybody has acknowledged it; here they are awaited, \`set\` and \`invalidate\` until Redis has the change; many at once share the waiting. First calls are timed until the caller has its value; the entry is written behind it.`,
  needsOriginal: true,
  contestants: { zoocache },

  async ask(bench) {
    let environment
    try {
      bench.progress("original-redis: installing the Python packages …")
      environment = makePythonEnvironment(["zoocache"])
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      return { tables: [], bars: [], notes: [`Not measured: the Python packages can't be installed (${reason}).`] }
    }
    const { python, versions } = environment
    try {
      return await withRedis(async ({ server: { url }, version }) => {
        const measured = await compare(bench, python, url)
        return answerOf(measured, `${versions}, ${version}`)
      })
    } finally {
      environment.remove()
    }
  },
}

function compare(bench: Bench, python: string, url: string): Promise<Record<"here" | "original", Measured[]>> {
  const script = fileURLToPath(new URL("../original/original.py", import.meta.url))
  const { roundMs } = bench
  const starting: Record<"here" | "original", Promise<Runner>> = {
    here: bench.start("original-redis", "zoocache", { url, roundMs }),
    original: Promise.resolve(startPython(python, [script, "zoocache-redis", String(roundMs), url])),
  }
  return withRunners(starting, async (runners) => {
    // The first round calibrates.
    await alternate(bench, runners, {}, 1)
    return alternate(bench, runners, {}, bench.isQuick ? 2 : 11)
  })
}

function answerOf({ here, original }: Record<"here" | "original", Measured[]>, versions: string): Answer {
  const ratioOf = (name: Here) => ratiosOf(column(original, rows[name].there), column(here, name))
  const names = Object.keys(rows) as Here[]
  return {
    tables: [
      {
        head: ["operation, µs", "zoocache here", "the original", "times"],
        rows: names.map((name) => [
          nameOf(name),
          showSpread(spreadOf(column(here, name))),
          showSpread(spreadOf(column(original, rows[name].there))),
          showSpread(ratioOf(name)),
        ]),
      },
    ],
    bars: names.flatMap((name): Bar[] => {
      const { atLeast } = rows[name]
      if (atLeast === undefined) return []
      const ratio = ratioOf(name)
      return [
        {
          what: `${nameOf(name)}, memory in front of Redis, against the original`,
          limit: `≥ ${atLeast}×`,
          measured: `${showSpread(ratio)}×`,
          isMet: ratio.median >= atLeast,
        },
      ]
    }),
    notes: [`${versions}.`],
  }
}

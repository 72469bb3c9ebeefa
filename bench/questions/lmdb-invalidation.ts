import type { Cache } from "zoocache"
import { alternate, column, withRunners } from "../harness/alternate.js"
import { withFolder } from "../harness/folder.js"
import { quantile, show, showSpread, spreadOf } from "../harness/numbers.js"
import { startProcess } from "../harness/processes.js"
import type { Bar, Contestant, Measured, Parameters, Question, Runner, Table } from "../harness/question.js"
import { elapsedMs, nextTurn } from "../harness/timing.js"

const TAGS = 1000
const QUESTION = "lmdb-invalidation"

async function openCache({ folder, durable }: Parameters): Promise<Cache> {
  const { createCache } = await import("zoocache")
  if (folder === undefined) return createCache({ ttl: "1h" })
  const { lmdb } = await import("zoocache/lmdb")
  const cache = createCache({ backend: lmdb({ path: String(folder), durable: durable === true }), ttl: "1h" })
  await cache.ready()
  return cache
}

/** How long each of them takes, one after the other, and how many there are in a second if they don't wait. */
async function measureWrites(write: (tag: string) => Promise<unknown>, count: number, inFlight: number) {
  const eachMs: number[] = []
  for (let at = 0; at < count; at += 1) {
    const begin = performance.now()
    await write(`page:${at % TAGS}`)
    eachMs.push(performance.now() - begin)
  }
  await nextTurn()
  const allMs = await elapsedMs(
    (writes) => Promise.all(Array.from({ length: writes }, (_, at) => write(`page:${at % TAGS}`))),
    inFlight,
  )
  return {
    p50Us: quantile(eachMs, 0.5) * 1000,
    p99Us: quantile(eachMs, 0.99) * 1000,
    perSecond: (inFlight * 1000) / allMs,
  }
}

const writer =
  (makeWrite: (parameters: Parameters) => Promise<(tag: string) => Promise<unknown>>): Contestant =>
  async (parameters) => {
    const write = await makeWrite(parameters)
    const { count, inFlight } = parameters
    const round = () => measureWrites(write, Number(count), Number(inFlight))
    for (let at = 0; at < 3; at += 1) await round()
    return round
  }

const ownCache = writer(async (parameters) => {
  const cache = await openCache(parameters)
  return (tag) => cache.invalidate(tag)
})

const writers = {
  "zoocache, memory alone": ownCache,
  zoocache: ownCache,
  "zoocache, `durable: true`": ownCache,
  "lmdb-js `put`": writer(async ({ folder }) => {
    const { open } = await import("lmdb")
    const database = open<number, string>({ path: String(folder), noSync: true })
    let version = 0
    return (tag) => database.put(tag, (version += 1))
  }),
} satisfies Record<string, Contestant>

/** Reads when it is told to, or until it sees what was invalidated, and answers. */
const reader: Contestant = async (parameters) => {
  const cache = await openCache(parameters)
  let loads = 0
  const read = cache.cacheable(
    async () => {
      loads += 1
      return Promise.resolve(loads)
    },
    { name: "seen", deps: ["seen"] },
  )
  return async ({ does }) => {
    const before = loads
    for (;;) {
      await read()
      if (does !== "watch" || loads !== before) return { isNew: Number(loads !== before) }
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

/** Invalidates what another process, which it starts, has in memory. */
const told: Contestant = async (parameters) => {
  const cache = await openCache(parameters)
  const other = await startProcess(process.argv[1] as string, { question: QUESTION, name: "reader", parameters }, [])
  const once = async (does: "watch" | "ask"): Promise<{ ms: number; isStale: boolean }> => {
    await other.round({ does: "read" })
    const watching = does === "watch" ? other.round({ does }) : undefined
    // The other one is to be reading by then.
    if (watching !== undefined) await nextTurn()
    const begin = performance.now()
    await cache.invalidate("seen")
    const { isNew } = await (watching ?? other.round({ does }))
    return { ms: performance.now() - begin, isStale: isNew !== 1 }
  }
  return async ({ does }) => {
    const samples: { ms: number; isStale: boolean }[] = []
    for (let at = 0; at < Number(parameters["samples"]); at += 1) samples.push(await once(does as "watch" | "ask"))
    const each = samples.map(({ ms }) => ms)
    return {
      p50Ms: quantile(each, 0.5),
      p99Ms: quantile(each, 0.99),
      maxMs: Math.max(...each),
      stale: samples.filter(({ isStale }) => isStale).length,
    }
  }
}

const ways = {
  ask: "asked over a pipe after the call",
  watch: "reads all the time, once per turn",
} as const

export const lmdbInvalidation: Question = {
  name: QUESTION,
  title: "What does an invalidation cost across processes with LMDB?",
  method: `\`await cache.invalidate(tag)\`, one after the other (each timed by itself), and many in flight; beside \`put\` of the lmdb package with \`noSync\`. Then with another process that has an entry in memory: from the call of \`invalidate\` until that process's answer that it no longer serves it has arrived over a pipe. It either reads when it is asked, which is after the call has resolved, or reads all the time, once per turn. A stale answer would be one that came from before the invalidation.`,
  contestants: { ...writers, reader, told },

  ask: (bench) =>
    withFolder(async (folder) => {
      const sizes = { count: bench.isQuick ? 200 : 500, inFlight: bench.isQuick ? 1000 : 5000 }
      const start = (name: keyof typeof writers, own: Parameters = {}) =>
        bench.start(QUESTION, name, { ...sizes, ...own })
      const starting: Record<keyof typeof writers, Promise<Runner>> = {
        "zoocache, memory alone": start("zoocache, memory alone"),
        zoocache: start("zoocache", { folder: `${folder}/quick` }),
        "zoocache, `durable: true`": start("zoocache, `durable: true`", { folder: `${folder}/durable`, durable: true }),
        "lmdb-js `put`": start("lmdb-js `put`", { folder: `${folder}/lmdb` }),
      }
      const rounds = Math.ceil(bench.rounds / 5)
      const written = await withRunners(starting, (runners) => alternate(bench, runners, {}, rounds))
      const samples = bench.isQuick ? 100 : 500
      const seen = await withRunners(
        { told: bench.start(QUESTION, "told", { folder: `${folder}/seen`, samples }) },
        ({ told }) => askBoth(told, rounds),
      )
      return {
        tables: [writtenTable(written), seenTable(seen)],
        bars: (Object.keys(ways) as (keyof typeof ways)[]).map((way): Bar => {
          const p99 = spreadOf(column(seen[way], "p99Ms"))
          return {
            what: `invalidation seen by another process that ${way === "ask" ? "is asked" : "reads all the time"}, p99`,
            limit: "≤ 5 ms",
            measured: `${showSpread(p99)} ms`,
            isMet: p99.median <= 5 && column(seen[way], "stale").every((stale) => stale === 0),
          }
        }),
        notes: [],
      }
    }),
}

async function askBoth(told: Runner, rounds: number): Promise<Record<keyof typeof ways, Measured[]>> {
  const measured: Record<keyof typeof ways, Measured[]> = { ask: [], watch: [] }
  // The first round warms both processes up.
  for (let round = 0; round <= rounds; round += 1) {
    for (const does of Object.keys(ways) as (keyof typeof ways)[]) {
      const each = await told.round({ does })
      if (round > 0) measured[does].push(each)
    }
  }
  return measured
}

function writtenTable(written: Record<string, Measured[]>): Table {
  return {
    caption: "In the process that invalidates",
    head: ["", "one after the other, p50, µs", "p99, µs", "in flight, per second"],
    rows: Object.entries(written).map(([name, rounds]) => [
      name,
      ...["p50Us", "p99Us", "perSecond"].map((figure) => showSpread(spreadOf(column(rounds, figure)))),
    ]),
  }
}

function seenTable(seen: Record<keyof typeof ways, Measured[]>): Table {
  return {
    caption: "Until another process has answered",
    head: ["the other process", "p50, ms", "p99, ms", "worst, ms", "stale answers"],
    rows: (Object.keys(ways) as (keyof typeof ways)[]).map((way) => [
      ways[way],
      showSpread(spreadOf(column(seen[way], "p50Ms"))),
      showSpread(spreadOf(column(seen[way], "p99Ms"))),
      show(Math.max(...column(seen[way], "maxMs"))),
      show(column(seen[way], "stale").reduce((sum, stale) => sum + stale, 0)),
    ]),
  }
}

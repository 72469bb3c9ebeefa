import { availableParallelism } from "node:os"
import { column, withRunners } from "../harness/alternate.js"
import { withFolder } from "../harness/folder.js"
import { quantile, seededRandom, showSpread, spreadOf } from "../harness/numbers.js"
import type { Contestant, Measured, Question, Runner } from "../harness/question.js"
import { nextTurn } from "../harness/timing.js"

const QUESTION = "lmdb-processes"
const KEYS = 10_000
/** So many of them that about a tenth of the reads find nothing in memory. */
const MEMORY_ENTRIES = 6000
const CALLERS = 16
const PER_TURN = 10
const MOST = 4
const COUNTS = [1, 2, 3, 4]

const worker: Contestant = async ({ folder, seed }) => {
  const { createCache } = await import("zoocache")
  const { lmdb } = await import("zoocache/lmdb")
  const cache = createCache({
    backend: lmdb({ path: String(folder) }),
    ttl: "1h",
    memory: { maxEntries: MEMORY_ENTRIES },
  })
  await cache.ready()
  const random = seededRandom(Number(seed))
  const draw = zipf(random)
  const keys = Array.from({ length: KEYS }, (_, id) => `page:${id}`)
  let loads = 0
  const getPage = cache.cacheable(
    async (id: number) => {
      loads += 1
      return Promise.resolve({ id, text: "x".repeat(200) })
    },
    { name: "page", deps: (id) => [`page:${id}`] },
  )
  // Whoever comes first stores them; afterwards only what was invalidated is loaded.
  for (let id = KEYS - 1; id >= 0; id -= 1) {
    await getPage(id)
    if (id % 100 === 0) await nextTurn()
  }

  const run = async (forMs: number) => {
    let operations = 0
    const writesMs: number[] = []
    const begin = performance.now()
    const end = begin + forMs
    const caller = async () => {
      while (performance.now() < end) {
        const id = draw()
        const kind = random()
        const beginMs = performance.now()
        if (kind < 0.9) await getPage(id)
        else if (kind < 0.99) await cache.set(`by hand:${id}`, { id }, { deps: [keys[id] as string] })
        else await cache.invalidate(keys[id] as string)
        if (kind >= 0.9) writesMs.push(performance.now() - beginMs)
        operations += 1
        // As a request does that ends.
        if (operations % PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
      }
    }
    const before = cache.stats()
    const loaded = loads
    await Promise.all(Array.from({ length: CALLERS }, caller))
    const after = cache.stats()
    const pages = after.functions["page"]
    const pagesBefore = before.functions["page"]
    const fromStore = (pages?.storeHits ?? 0) - (pagesBefore?.storeHits ?? 0)
    const reads = (pages?.hits ?? 0) + (pages?.misses ?? 0) - (pagesBefore?.hits ?? 0) - (pagesBefore?.misses ?? 0)
    return {
      perSecond: (operations * 1000) / (performance.now() - begin),
      missPercent: (100 * (fromStore + loads - loaded)) / reads,
      loadPercent: (100 * (loads - loaded)) / reads,
      writeP50Us: quantile(writesMs, 0.5) * 1000,
      writeP99Us: quantile(writesMs, 0.99) * 1000,
      faults: after.faults - before.faults,
    }
  }
  return ({ forMs }) => run(Number(forMs))
}

export const lmdbProcesses: Question = {
  name: QUESTION,
  title: "How much do several processes get done on one LMDB directory?",
  method: `Each process has ${CALLERS} callers that do one thing after the other: 90 % reads of a cached function, ids by Zipf's law out of ${KEYS.toLocaleString("en-US")}, memory for ${MEMORY_ENTRIES.toLocaleString("en-US")} entries; 9 % \`set\` with a tag, 1 % \`invalidate\`, both awaited. The event loop gets a turn after every ${PER_TURN} operations. Each process has a thread that writes, so that on ${availableParallelism()} cores, as here, two processes keep all of them busy, and more can't do more.`,
  contestants: { worker },

  ask: (bench) =>
    withFolder(async (folder) => {
      const starting: Record<string, Promise<Runner>> = {}
      for (let seed = 1; seed <= MOST; seed += 1) {
        starting[seed] = bench.start(QUESTION, "worker", { folder: `${folder}/shared`, seed })
      }
      const forMs = bench.isQuick ? 300 : 1000
      const rounds = Math.ceil(bench.rounds / 10)
      const measured = await withRunners(starting, async (runners) => {
        const all = Object.values(runners)
        // One by one, so that each gets to what it can do before it is measured.
        for (const runner of all) await runner.round({ forMs: 3 * forMs })
        const byCount = new Map<number, Measured[]>(COUNTS.map((count) => [count, []]))
        for (let round = 0; round < rounds; round += 1) {
          for (const count of COUNTS) {
            const each = await Promise.all(all.slice(0, count).map((runner) => runner.round({ forMs })))
            byCount.get(count)?.push(together(each))
          }
        }
        return byCount
      })
      return {
        tables: [
          {
            head: [
              "processes",
              "operations/s, all together",
              "reads that missed memory, %",
              "reads that loaded, %",
              "`set` and `invalidate`, p50, µs",
              "p99, µs",
            ],
            rows: COUNTS.map((count) => [
              String(count),
              ...["perSecond", "missPercent", "loadPercent", "writeP50Us", "writeP99Us"].map((figure) =>
                showSpread(spreadOf(column(measured.get(count) ?? [], figure))),
              ),
            ]),
          },
        ],
        bars: [],
        notes: faultNotes([...measured.values()].flat()),
      }
    }),
}

/** Rates add up; of the rest the mean, of the slowest writes the slowest. */
function together(each: readonly Measured[]): Measured {
  const sum = (name: string) => each.reduce((total, one) => total + (one[name] as number), 0)
  return {
    perSecond: sum("perSecond"),
    missPercent: sum("missPercent") / each.length,
    loadPercent: sum("loadPercent") / each.length,
    writeP50Us: sum("writeP50Us") / each.length,
    writeP99Us: Math.max(...each.map((one) => one["writeP99Us"] as number)),
    faults: sum("faults"),
  }
}

function faultNotes(measured: readonly Measured[]): string[] {
  const faults = measured.reduce((total, one) => total + (one["faults"] as number), 0)
  return faults === 0 ? [] : [`There were ${faults} faults.`]
}

/** Numbers below KEYS, the popularity of the n-th being 1/n. */
function zipf(random: () => number): () => number {
  const cumulative: number[] = []
  let total = 0
  for (let rank = 1; rank <= KEYS; rank += 1) cumulative.push((total += 1 / rank))
  return () => {
    const aim = random() * total
    let low = 0
    let high = KEYS - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((cumulative[middle] as number) < aim) low = middle + 1
      else high = middle
    }
    return low
  }
}

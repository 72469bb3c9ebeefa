import { readFileSync } from "node:fs"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { withRunners } from "../harness/alternate.js"
import { mean, seededRandom, show } from "../harness/numbers.js"
import type { Contestant, Question, Round } from "../harness/question.js"

interface Cell {
  readonly trace: string
  readonly capacity: number
}

const cellsOf = (trace: string, ...capacities: number[]): Cell[] => capacities.map((capacity) => ({ trace, capacity }))

const RECORDED = [
  ...cellsOf("multi1", 200, 800),
  ...cellsOf("multi2", 500, 1500),
  ...cellsOf("gli", 500, 1000),
  ...cellsOf("loop", 256, 512),
  ...cellsOf("cs", 500),
  ...cellsOf("web07", 300, 1000),
  ...cellsOf("web12", 300, 1000, 3000),
  ...cellsOf("orm-busy", 300, 1000, 3000),
]
const GENERATED = cellsOf("generated", 500, 1000, 3000)

/** Answers each request of a trace and counts those that needed no load. */
type Replay = (requests: readonly string[], capacity: number) => Promise<number>

const contestant =
  (replay: Replay): Contestant =>
  ({ folder }) => {
    let loaded: { name: string; requests: string[] } | undefined
    const round: Round = async ({ trace, capacity }) => {
      const name = String(trace)
      if (loaded?.name !== name)
        loaded = { name, requests: folder === "" ? generatedTrace() : recordedTrace(String(folder), name) }
      return { percent: (100 * (await replay(loaded.requests, Number(capacity)))) / loaded.requests.length }
    }
    return Promise.resolve(round)
  }

export const hitRatio: Question = {
  name: "hit-ratio",
  title: "How many requests does a bounded cache answer?",
  method:
    "Hit ratio in percent through the public interface, `get` and on a miss `set`, with `maxEntries` entries, over recorded traces (Caffeine's simulator resources) where their folder is there, otherwise over a generated one: Zipf with scans. LRU is what the lru-cache package does.",
  contestants: {
    zoocache: contestant(async (requests, capacity) => {
      const { createCache } = await import("zoocache")
      const cache = createCache({ memory: { maxEntries: capacity }, random: seededRandom(7) })
      let hits = 0
      for (const key of requests) {
        if ((await cache.get<string>(key)) === undefined) await cache.set(key, key)
        else hits += 1
      }
      await cache.close()
      return hits
    }),
    "lru-cache": contestant(async (requests, capacity) => {
      const { LRUCache } = await import("lru-cache")
      const cache = new LRUCache<string, string>({ max: capacity })
      let hits = 0
      for (const key of requests) {
        if (cache.get(key) === undefined) cache.set(key, key)
        else hits += 1
      }
      return hits
    }),
  },

  async ask(bench) {
    const folder = bench.traces ?? ""
    const all = folder === "" ? GENERATED : RECORDED
    const cells = bench.isQuick ? all.filter(({ trace }) => !["loop", "orm-busy"].includes(trace)) : all
    const start = (name: string) => bench.start("hit-ratio", name, { folder })
    const percents = await withRunners({ ours: start("zoocache"), lru: start("lru-cache") }, ({ ours, lru }) =>
      // Nothing here is timed, so both may run at once.
      Promise.all(
        [ours, lru].map(async (runner) => {
          const found: number[] = []
          for (const cell of cells) {
            bench.progress(`hit-ratio: ${cell.trace} @ ${cell.capacity} …`)
            found.push((await runner.round({ ...cell }))["percent"] as number)
          }
          return found
        }),
      ),
    )
    const [ours, lru] = percents as [number[], number[]]
    const differences = ours.map((percent, index) => percent - (lru[index] as number))
    const average = mean(differences)
    const worst = Math.min(...differences)
    const where = cells[differences.indexOf(worst)] as Cell
    const signed = (points: number) => `${points < 0 ? "−" : "+"}${Math.abs(points).toFixed(1)}`
    return {
      tables: [
        {
          head: ["trace @ entries", "LRU", "zoocache", "difference"],
          rows: [
            ...cells.map(({ trace, capacity }, index) => [
              `${trace} @ ${capacity}`,
              (lru[index] as number).toFixed(1),
              (ours[index] as number).toFixed(1),
              signed(differences[index] as number),
            ]),
            ["mean", mean(lru).toFixed(1), mean(ours).toFixed(1), signed(average)],
          ],
        },
      ],
      // The bars are about the recorded traces, all of them.
      bars:
        cells === RECORDED
          ? [
              { what: "hit ratio, mean over LRU", limit: "≥ +10", measured: signed(average), isMet: average >= 10 },
              {
                what: "hit ratio, worst against LRU",
                limit: "≥ −1.5",
                measured: `${signed(worst)} (${where.trace} @ ${where.capacity})`,
                isMet: worst >= -1.5,
              },
            ]
          : [],
      notes:
        cells === RECORDED
          ? []
          : [`Not all of the ${RECORDED.length} recorded cells: no bars apply. Mean difference ${show(average)}.`],
    }
  },
}

function recordedTrace(folder: string, name: string): string[] {
  const bytes = gunzipSync(readFileSync(join(folder, `${name}.trace.gz`)))
  const known = new Map<number, string>()
  const keyOf = (id: number) => {
    let key = known.get(id)
    if (key === undefined) known.set(id, (key = String(id)))
    return key
  }
  if (name.startsWith("web") || name.startsWith("orm")) {
    return Array.from({ length: Math.floor(bytes.length / 4) }, (_, at) => keyOf(bytes.readInt32BE(at * 4)))
  }
  return bytes
    .toString("latin1")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && line !== "*")
    .map((line) => keyOf(Number(line)))
}

/** Popular keys, their popularity by Zipf's law, interrupted by scans over keys that are asked for once. */
function generatedTrace(): string[] {
  const random = seededRandom(42)
  const keys = 20_000
  const cumulative: number[] = []
  let total = 0
  for (let rank = 1; rank <= keys; rank += 1) cumulative.push((total += 1 / rank ** 0.9))
  const draw = () => {
    const aim = random() * total
    let low = 0
    let high = keys - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((cumulative[middle] as number) < aim) low = middle + 1
      else high = middle
    }
    return String(low)
  }
  const requests: string[] = []
  let scanned = 0
  while (requests.length < 300_000) {
    for (let at = 0; at < 10_000; at += 1) requests.push(draw())
    for (let at = 0; at < 2000; at += 1) requests.push(`scan:${(scanned += 1)}`)
  }
  return requests
}

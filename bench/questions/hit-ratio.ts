import { withRunners } from "../harness/alternate.js"
import { mean, seededRandom, show } from "../harness/numbers.js"
import type { Bar, Contestant, Question, Round, Runner, Table } from "../harness/question.js"
import { phases, recency, recordedTrace, sawtooth, type Trace, zipfWithScans } from "../harness/traces.js"

interface Cell {
  readonly trace: string
  readonly capacity: number
}

const ZIPF = "Zipf with scans"

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
/** Stand in for the recorded ones where these are not there. */
const INSTEAD = cellsOf(ZIPF, 500, 1000, 3000)

/** Made for LRU: what was read last is read next, however often something else was read before. */
const NEW_SETS: Cell[] = []
const GENERATORS = new Map<string, (capacity: number) => Trace>([[ZIPF, zipfWithScans]])
const addNewSets = (trace: string, capacities: readonly number[], generator: (capacity: number) => Trace) => {
  NEW_SETS.push(...cellsOf(trace, ...capacities))
  GENERATORS.set(trace, generator)
}
for (const share of [0.25, 0.5, 0.75, 0.9]) {
  for (const passes of [2, 4, 8]) {
    addNewSets(`sets of ${100 * share} %, each read ${passes} times`, [500, 1000], (capacity) =>
      phases({ keys: share * capacity, passes, jobs: 40 }),
    )
  }
}
addNewSets("a set of 90 %, then another, each read 50 times", [500, 1000], (capacity) =>
  phases({ keys: 0.9 * capacity, passes: 50, jobs: 2 }),
)
addNewSets("150 %, forward and backward", [500, 1000], (capacity) => sawtooth(1.5 * capacity, 60 * capacity))
addNewSets("recency", [100, 500, 1000], (capacity) => recency(capacity, 100 * capacity))

/** Answers each request of a trace and counts those that needed no load. */
type Replay = (requests: Trace, capacity: number) => Promise<number>

const contestant =
  (replay: Replay): Contestant =>
  ({ folder }) => {
    let loaded: { name: string; requests: Trace } | undefined
    const round: Round = async ({ trace, capacity }) => {
      const name = String(trace)
      const generator = GENERATORS.get(name)
      if (generator !== undefined) loaded = { name, requests: generator(Number(capacity)) }
      else if (loaded?.name !== name) loaded = { name, requests: recordedTrace(String(folder), name) }
      return { percent: (100 * (await replay(loaded.requests, Number(capacity)))) / loaded.requests.length }
    }
    return Promise.resolve(round)
  }

export const hitRatio: Question = {
  name: "hit-ratio",
  title: "How many requests does a bounded cache answer?",
  method:
    "Hit ratio in percent through the public interface, `get` and on a miss `set`, with `maxEntries` entries, over recorded traces (Caffeine's simulator resources) where their folder is there, otherwise over a generated one: Zipf with scans. Then over generated ones that LRU is made for: jobs that read a new working set several times, a hot set that another takes the place of, forward and backward, recency. LRU is what the lru-cache package does.",
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
    const all = folder === "" ? INSTEAD : RECORDED
    const usual = bench.isQuick ? all.filter(({ trace }) => !["loop", "orm-busy"].includes(trace)) : all
    const start = (name: string) => bench.start("hit-ratio", name, { folder })
    const percentsOf = async (runner: Runner, cells: readonly Cell[]) => {
      const found: number[] = []
      for (const cell of cells) {
        bench.progress(`hit-ratio: ${cell.trace} @ ${cell.capacity} …`)
        found.push((await runner.round({ ...cell }))["percent"] as number)
      }
      return found
    }
    const compare = async (cells: readonly Cell[]) => {
      // Nothing here is timed, so both may run at once.
      const percents = await withRunners({ ours: start("zoocache"), lru: start("lru-cache") }, ({ ours, lru }) =>
        Promise.all([percentsOf(ours, cells), percentsOf(lru, cells)]),
      )
      return new Comparison(cells, ...percents)
    }
    const usually = await compare(usual)
    const newSets = await compare(NEW_SETS)
    const isWhole = usual === RECORDED
    return {
      tables: [usually.table(), newSets.table("New working sets, and what else LRU is made for:")],
      bars: [
        // These bars are about the recorded traces, all of them.
        ...(isWhole
          ? [usually.meanBar("hit ratio, mean over LRU", 12.5), usually.worstBar("hit ratio, worst against LRU", -1.5)]
          : []),
        newSets.worstBar("hit ratio on new working sets, worst against LRU", -3),
      ],
      notes: isWhole
        ? []
        : [
            `Not all of the ${RECORDED.length} recorded cells: their bars don't apply. Mean difference ${show(usually.mean)}.`,
          ],
    }
  },
}

/** Percents of hits, ours and those of LRU, cell by cell. */
class Comparison {
  readonly #cells: readonly Cell[]
  readonly #ours: readonly number[]
  readonly #lru: readonly number[]
  readonly #differences: readonly number[]

  constructor(cells: readonly Cell[], ours: readonly number[], lru: readonly number[]) {
    this.#cells = cells
    this.#ours = ours
    this.#lru = lru
    this.#differences = ours.map((percent, index) => percent - (lru[index] as number))
  }

  get mean(): number {
    return mean(this.#differences)
  }

  table(caption?: string): Table {
    return {
      ...(caption === undefined ? {} : { caption }),
      head: ["trace @ entries", "LRU", "zoocache", "difference"],
      rows: [
        ...this.#cells.map(({ trace, capacity }, index) => [
          `${trace} @ ${capacity}`,
          (this.#lru[index] as number).toFixed(1),
          (this.#ours[index] as number).toFixed(1),
          signed(this.#differences[index] as number),
        ]),
        ["mean", mean(this.#lru).toFixed(1), mean(this.#ours).toFixed(1), signed(this.mean)],
      ],
    }
  }

  meanBar(what: string, least: number): Bar {
    return { what, limit: `≥ ${signed(least)}`, measured: signed(this.mean), isMet: this.mean >= least }
  }

  worstBar(what: string, least: number): Bar {
    const worst = Math.min(...this.#differences)
    const { trace, capacity } = this.#cells[this.#differences.indexOf(worst)] as Cell
    return {
      what,
      limit: `≥ ${signed(least)}`,
      measured: `${signed(worst)} (${trace} @ ${capacity})`,
      isMet: worst >= least,
    }
  }
}

function signed(points: number): string {
  return `${points < 0 ? "−" : "+"}${Math.abs(points).toFixed(1)}`
}

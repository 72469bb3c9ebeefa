import { AsyncLocalStorage } from "node:async_hooks"
import { alternate, column, withRunners } from "../harness/alternate.js"
import { countingLoader, hits, warm } from "../harness/hits.js"
import { ratiosOf, showSpread, spreadOf } from "../harness/numbers.js"
import { type Job, type Subject, subjects, zoocache } from "../harness/peers.js"
import type { Bar, Bench, Contestant, Question, Runner, Table } from "../harness/question.js"
import { calibrate, timeMs } from "../harness/timing.js"

const KEYS = 10_000

const { Map: overMap, zoocache: _sized, "Map of promises": _promises, ...peers } = subjects
const setups: Record<string, (job: Job) => Promise<Subject>> = {
  Map: overMap,
  "zoocache, budget with room": (job) => zoocache(job, { memory: { maxEntries: 10 * KEYS } }),
  "zoocache, budget exactly full": (job) => zoocache(job, { memory: { maxEntries: KEYS } }),
  ...peers,
}
const ours = Object.keys(setups).filter((name) => name.startsWith("zoocache"))

const contestant =
  (setUp: (job: Job) => Promise<Subject>): Contestant =>
  async ({ withStorage, roundMs, keys }) => {
    const size = Number(keys)
    const { load, loads } = countingLoader()
    const subject = await setUp({ load, capacity: 2 * KEYS })
    await warm(subject, size, loads)
    const work = hits(subject, size)
    // As in a request handler: the context is there, and every promise has to carry it.
    const storage = withStorage === true ? new AsyncLocalStorage<object>() : undefined
    const inContext = <T>(run: () => T): T => (storage === undefined ? run() : storage.run({}, run))
    const count = await inContext(() => calibrate(work, Number(roundMs), 50 * Number(roundMs)))
    return async () => ({ microseconds: ((await inContext(() => timeMs(work, count))) * 1000) / count })
  }

export const hit: Question = {
  name: "hit",
  title: "What does an awaited hit cost?",
  method: `\`await getUser(id)\` for ${KEYS.toLocaleString("en-US")} warm keys, drawn uniformly, one after the other. The baseline is an \`async\` function over a plain \`Map\`. zoocache: one tag per entry, TTL, budget, statistics and dependency tracking on. The peers have a TTL and room, and tags where they have any; keys that have to be strings were built beforehand. Each contestant has a process of its own. "After" means after the process first used AsyncLocalStorage, which slows every promise on Node.js 20 and 22, with the reads inside a context.`,
  contestants: Object.fromEntries(Object.entries(setups).map(([name, setUp]) => [name, contestant(setUp)])),

  async ask(bench) {
    const tables: Table[] = []
    const bars: Bar[] = []
    for (const withStorage of [false, true]) {
      const when = withStorage ? "after" : "before"
      const microseconds = await measure(bench, withStorage)
      const baseline = microseconds["Map"] as number[]
      tables.push({
        caption: `${withStorage ? "After" : "Before"} the first use of AsyncLocalStorage`,
        head: ["", "million hits/s", "times the Map"],
        rows: Object.entries(microseconds).map(([name, each]) => [
          name,
          showSpread(spreadOf(each.map((us) => 1 / us))),
          showSpread(ratiosOf(baseline, each)),
        ]),
      })
      for (const name of ours) {
        const own = microseconds[name] as number[]
        const against = (peer: string, label: string, atLeast: number): Bar => {
          const ratio = ratiosOf(microseconds[peer] as number[], own)
          return {
            what: `${name.replace("zoocache, ", "hit, ")}, ${when} AsyncLocalStorage, against ${label}`,
            limit: `≥ ${atLeast}×`,
            measured: `${showSpread(ratio)}×`,
            isMet: ratio.median >= atLeast,
          }
        }
        bars.push(
          against("Map", "the Map", 0.8),
          against("async-cache-dedupe", "async-cache-dedupe", 5),
          against("bentocache, serialize: false", "bentocache (`serialize: false`)", 50),
        )
      }
    }
    return { tables, bars, notes: [] }
  },
}

async function measure(bench: Bench, withStorage: boolean): Promise<Record<string, number[]>> {
  const starting: Record<string, Promise<Runner>> = {}
  const keys = bench.isQuick ? 1000 : KEYS
  for (const name of Object.keys(setups)) {
    starting[name] = bench.start("hit", name, { withStorage, roundMs: bench.roundMs, keys })
  }
  const measured = await withRunners(starting, (runners) => alternate(bench, runners))
  return Object.fromEntries(Object.entries(measured).map(([name, rounds]) => [name, column(rounds, "microseconds")]))
}

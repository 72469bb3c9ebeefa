import { column, withRunners } from "../harness/alternate.js"
import { countingLoader } from "../harness/hits.js"
import { show, showSpread, spreadOf } from "../harness/numbers.js"
import { idOf, type Job, type Subject, subjects } from "../harness/peers.js"
import type { Bar, Bench, Contestant, Measured, Question } from "../harness/question.js"
import { nextTurn } from "../harness/timing.js"

const REPEATS = 1000
const OTHERS = 500

const contestant =
  (setUp: (job: Job) => Promise<Subject>): Contestant =>
  async ({ entries, repeats }) => {
    const size = Number(entries)
    const { load, loads } = countingLoader()
    // The others only warm the code, on the same path: live entries, whose tags are invalidated.
    const { read, keyOf, invalidate } = await setUp({
      load,
      capacity: size + 2 * OTHERS,
      tagsOf: (key) => [idOf(key) < size ? "group" : `other:${idOf(key)}`],
    })
    if (invalidate === undefined) throw new Error("it can't invalidate")
    const loadOthers = async () => {
      for (let id = size; id < size + OTHERS; id += 1) await read(keyOf(id))
    }
    const invalidateOthers = async () => {
      for (let id = size; id < size + OTHERS; id += 1) await invalidate(`other:${id}`)
    }
    for (let at = 0; at < 20; at += 1) {
      await loadOthers()
      await invalidateOthers()
    }
    return async () => {
      const loaded = loads()
      for (let id = 0; id < size; id += 1) await read(keyOf(id))
      if (loads() - loaded !== size) throw new Error(`only ${loads() - loaded} of ${size} had to be loaded`)
      await loadOthers()
      // What the loads left behind is not the invalidation's to clear away.
      globalThis.gc?.()
      await nextTurn()
      await invalidateOthers()
      const begin = performance.now()
      await invalidate("group")
      const first = performance.now()
      for (let at = 0; at < Number(repeats); at += 1) await invalidate("group")
      const end = performance.now()
      return { firstUs: (first - begin) * 1000, eachUs: ((end - first) * 1000) / Number(repeats) }
    }
  }

interface Case {
  readonly name: "zoocache" | "async-cache-dedupe" | "bentocache"
  readonly entries: number
  /** How often the entries are loaded and invalidated. */
  readonly rounds: number
}

export const invalidation: Question = {
  name: "invalidation",
  title: "What does one invalidation cost, by the number of dependent entries?",
  method: `All entries carry one tag, which is invalidated once while all of them are live ("first", after a garbage collection and the invalidation of 500 other live entries), then ${REPEATS.toLocaleString("en-US")} times more. async-cache-dedupe is asked up to 10,000 entries, beyond which it takes minutes.`,
  contestants: {
    zoocache: contestant(subjects.zoocache),
    "async-cache-dedupe": contestant(subjects["async-cache-dedupe"]),
    bentocache: contestant(subjects["bentocache, serialize: false"]),
  },

  async ask(bench) {
    const large = bench.isQuick ? 20_000 : 1_000_000
    const cases: Case[] = [
      { name: "zoocache", entries: 10, rounds: 2 * bench.rounds },
      { name: "zoocache", entries: 10_000, rounds: Math.ceil(bench.rounds / 2) },
      { name: "zoocache", entries: large, rounds: bench.isQuick ? 1 : 7 },
      { name: "async-cache-dedupe", entries: 10, rounds: 2 * bench.rounds },
      { name: "async-cache-dedupe", entries: 1000, rounds: 3 },
      ...(bench.isQuick ? [] : [{ name: "async-cache-dedupe", entries: 10_000, rounds: 3 } as const]),
      { name: "bentocache", entries: 10, rounds: bench.rounds },
      { name: "bentocache", entries: 10_000, rounds: 3 },
    ]
    const measured: Measured[][] = []
    for (const each of cases) measured.push(await measure(bench, each))
    const ours = cases.flatMap((each, index) =>
      each.name === "zoocache" ? [{ ...each, first: spreadOf(column(measured[index] as Measured[], "firstUs")) }] : [],
    )
    const medians = ours.map(({ first }) => first.median)
    const growth = (medians.at(-1) as number) / (medians[0] as number)
    const bars: Bar[] = [
      ...ours.map(({ entries, first }) => ({
        what: `one invalidation over ${show(entries)} dependent entries`,
        limit: "≤ 3 µs",
        measured: `${showSpread(first)} µs`,
        isMet: first.median <= 3,
      })),
      {
        what: `one invalidation over ${show(large)} entries against 10`,
        limit: "flat (≤ 2×)",
        measured: `${show(growth)}×`,
        isMet: growth <= 2,
      },
    ]
    return {
      tables: [
        {
          head: ["", "entries", "first, µs", "again, µs"],
          rows: cases.map((each, index) => [
            each.name,
            show(each.entries),
            showSpread(spreadOf(column(measured[index] as Measured[], "firstUs"))),
            showSpread(spreadOf(column(measured[index] as Measured[], "eachUs"))),
          ]),
        },
      ],
      bars,
      notes: [],
    }
  },
}

function measure(bench: Bench, { name, entries, rounds }: Case): Promise<Measured[]> {
  const parameters = { entries, repeats: bench.isQuick ? 100 : REPEATS }
  return withRunners({ runner: bench.start("invalidation", name, parameters, ["--expose-gc"]) }, async ({ runner }) => {
    const measured: Measured[] = []
    for (let round = 0; round < rounds; round += 1) measured.push(await runner.round())
    return measured
  })
}

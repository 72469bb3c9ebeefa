import { fileURLToPath } from "node:url"
import { alternate, column, withRunners } from "../harness/alternate.js"
import { mean, ratiosOf, show, showSpread, spreadOf } from "../harness/numbers.js"
import { makePythonEnvironment, startPython } from "../harness/python.js"
import type { Answer, Bar, Bench, Measured, Question, Runner } from "../harness/question.js"
import { type Operation, operationNames } from "./operations.js"

const SYSTEMS = ["zoocache", "dogpile.cache", "diskcache", "cashews"] as const

const shown = [
  "asyncHit",
  "syncHit",
  "get",
  "set",
  "invalidate",
  "firstCall",
  "firstCallSync",
] as const satisfies Operation[]
const limits: Partial<Record<Operation, number>> = { asyncHit: 15, get: 5, set: 2.5, invalidate: 2 }

export const original: Question = {
  name: "original",
  title: "How does it compare with the original, in Python?",
  method:
    "The Python library Zoocache and the systems of its own comparison table, in memory (diskcache: on disk), beside the same operations here, taking turns. Microseconds per operation. There `get`, `set` and `invalidate` are plain calls, here they are awaited.",
  needsOriginal: true,
  contestants: {},

  async ask(bench) {
    let environment
    try {
      bench.progress("original: installing the Python packages …")
      environment = makePythonEnvironment(SYSTEMS)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      return { tables: [], bars: [], notes: [`Not measured: the Python packages can't be installed (${reason}).`] }
    }
    const { python, folder, versions } = environment
    try {
      const script = fileURLToPath(new URL("../original/original.py", import.meta.url))
      const { roundMs } = bench
      const there = (system: string) => startPython(python, [script, system, String(roundMs), `${folder}/${system}`])
      const starting: Record<string, Promise<Runner>> = {
        here: bench.start("operations", "zoocache", { roundMs }),
        ...Object.fromEntries(SYSTEMS.map((system) => [system, Promise.resolve(there(system))])),
      }
      const measured = await withRunners(starting, (runners) => compare(bench, runners))
      return answerOf(measured, versions)
    } finally {
      environment.remove()
    }
  },
}

async function compare(bench: Bench, runners: Record<string, Runner>): Promise<Record<string, Measured[]>> {
  // The first round calibrates.
  await alternate(bench, runners, {}, 1)
  return alternate(bench, runners, {}, bench.isQuick ? 1 : 11)
}

function answerOf(measured: Record<string, Measured[]>, versions: string): Answer {
  const here = measured["here"] as Measured[]
  const there = measured["zoocache"] as Measured[]
  const cell = (rounds: Measured[], name: string) =>
    rounds[0]?.[name] === undefined ? "–" : showSpread(spreadOf(column(rounds, name)))
  const stampede = (rounds: Measured[]) =>
    `${show(Math.max(...column(rounds, "stampedeLoads")))} load, ${show(mean(column(rounds, "stampedeMs")))} ms`
  const bars = shown.flatMap((name): Bar[] => {
    const atLeast = limits[name]
    if (atLeast === undefined) return []
    const ratio = ratiosOf(column(there, name), column(here, name))
    return [
      {
        what: `${operationNames[name]} against the original`,
        limit: `≥ ${atLeast}×`,
        measured: `${showSpread(ratio)}×`,
        isMet: ratio.median >= atLeast,
      },
    ]
  })
  const others = SYSTEMS.slice(1)
  return {
    tables: [
      {
        head: ["operation, µs", "zoocache here", "the original", "times", ...others],
        rows: [
          ...shown.map((name) => [
            operationNames[name],
            cell(here, name),
            cell(there, name),
            showSpread(ratiosOf(column(there, name), column(here, name))),
            ...others.map((system) => cell(measured[system] as Measured[], name)),
          ]),
          [
            "10,000 callers of one missing key",
            stampede(here),
            stampede(there),
            showSpread(ratiosOf(column(there, "stampedeMs"), column(here, "stampedeMs"))),
            ...others.map(() => "–"),
          ],
        ],
      },
    ],
    bars,
    notes: [`${versions}.`],
  }
}

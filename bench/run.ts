/**
 * `npm run bench`: answers each question of `questions/`, prints the answers and writes docs/benchmarks.md.
 *
 *   --only hit,memory   these questions only; writes no page
 *   --quick             a smoke run; writes no page
 *   --original          also the Python library, installed into a temporary folder
 *   --traces DIR        access traces for the hit ratio; default: ../shared/traces; `none`, or none there: generated ones
 *   --out FILE          where the page goes, also with `--only` and `--quick`
 *   --dist DIR          measures another build
 *   --no-build          measures the build that is there, even if the sources are newer
 */
import { existsSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { ensureBuild, makeBundle } from "./harness/bundle.js"
import { describeMachine } from "./harness/machine.js"
import { startProcess } from "./harness/processes.js"
import type { Bench } from "./harness/question.js"
import { type Answered, pageOf, textOf } from "./harness/report.js"
import { questions } from "./questions.js"

const root = fileURLToPath(new URL("..", import.meta.url))
const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    quick: { type: "boolean", default: false },
    original: { type: "boolean", default: false },
    traces: { type: "string" },
    out: { type: "string" },
    dist: { type: "string" },
    "no-build": { type: "boolean", default: false },
  },
})

const names = options.only?.split(",")
for (const name of names ?? []) {
  if (questions.some((question) => question.name === name)) continue
  console.error(`No question is named ${name}; there are ${questions.map((question) => question.name).join(", ")}.`)
  process.exit(2)
}
const asked = questions.filter(({ name, needsOriginal = false }) => {
  if (names !== undefined) return names.includes(name)
  return !needsOriginal || options.original
})

const dist = options.dist ?? (options["no-build"] ? join(root, "dist") : ensureBuild(root))
const machine = describeMachine(root)
console.log(`${machine.processor}; ${machine.system}; ${machine.node}\n${machine.packages}`)

// What was made for this run is removed on exit.
process.once("SIGINT", () => process.exit(130))
const child = await makeBundle(root, resolve(dist))
const bench: Bench = {
  isQuick: options.quick,
  // Many short rounds: most of them meet a machine that does nothing else.
  rounds: options.quick ? 3 : 51,
  roundMs: options.quick ? 5 : 20,
  traces: tracesFolder(),
  withOriginal: options.original,
  start: (question, name, parameters = {}, nodeOptions = []) =>
    startProcess(child, { question, name, parameters }, nodeOptions),
  progress: (text) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${text}`)
  },
}

const answered: Answered[] = []
const beginMs = performance.now()
for (const question of asked) {
  bench.progress(`${question.name} …`)
  const questionMs = performance.now()
  const answer = await question.ask(bench)
  bench.progress("")
  answered.push({ question, answer })
  console.log(textOf({ question, answer }))
  console.log(`\n(${((performance.now() - questionMs) / 1000).toFixed(0)} s)`)
}

const minutes = (performance.now() - beginMs) / 60_000
const isWhole = names === undefined && !options.quick
const page = options.out ?? (isWhole ? join(root, "docs", "benchmarks.md") : undefined)
if (page !== undefined) {
  const command = `npm run bench${options.original ? " -- --original" : ""}`
  writeFileSync(page, pageOf(machine, command, minutes, answered))
}
const bars = answered.flatMap(({ answer }) => answer.bars)
const missed = bars.filter((bar) => !bar.isMet)
console.log(`\n${bars.length - missed.length} of ${bars.length} bars met, in ${minutes.toFixed(1)} minutes.`)
for (const bar of missed) console.log(`missed: ${bar.what}, ${bar.limit}: ${bar.measured}`)
for (const { question, answer } of answered) {
  if (answer.notRun === undefined) continue
  console.error(`NOT RUN: ${question.name}: ${answer.notRun}.`)
  process.exitCode = 1
}
if (options.quick) console.log("A smoke run: nothing here was measured well.")

function tracesFolder(): string | undefined {
  if (options.traces === "none") return undefined
  if (options.traces !== undefined) {
    if (!existsSync(options.traces)) throw new Error(`There is no folder ${options.traces}`)
    return resolve(options.traces)
  }
  const beside = join(root, "..", "shared", "traces")
  return existsSync(beside) ? beside : undefined
}

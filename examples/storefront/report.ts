import { type Measured, PATIENCE_MS } from "./measure.js"
import { bold, dim, green, print, red, RULE, wrap, yellow } from "./terminal.js"
import { TTL_MS } from "./ways/ttl-cache.js"

const GAP = "  "
const TITLES = [
  ["", ""],
  ["requests", "per s"],
  ["p50", "ms"],
  ["p99", "ms"],
  ["database", "queries"],
  ["per", "request"],
  ["hit", "ratio"],
  ["stale", "responses"],
] as const

export function printTable(results: readonly Measured[]): void {
  const rows = results.map((result) => cellsOf(result))
  const widths = TITLES.map((title, column) => {
    return Math.max(title[0].length, title[1].length, ...rows.map((row) => row[column]?.length ?? 0))
  })
  const pad = (cells: readonly string[]) => {
    return cells.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
    )
  }
  for (const line of [0, 1] as const) print(`  ${dim(pad(TITLES.map((title) => title[line])).join(GAP))}`)
  print(`  ${dim(RULE.repeat(widths.reduce((sum, width) => sum + width + GAP.length, -GAP.length)))}`)
  for (const [index, result] of results.entries()) {
    const cells = pad(rows[index] ?? [])
    const stale = cells.pop() ?? ""
    const text = cells.join(GAP)
    print(`  ${result.way === "zoocache" ? bold(text) : text}${GAP}${(result.verdict.stale > 0 ? red : green)(stale)}`)
  }
}

/** What the numbers mean, and the one claim that the run stands or falls with. Returns whether it stands. */
export function printVerdict(results: readonly Measured[]): boolean {
  const checked = results.reduce((sum, { verdict }) => sum + verdict.checked, 0)
  const definition = `Stale: a response that shows a row older than a change whose writer had its answer in hand before the request was sent. All ${whole(checked)} responses, warm-up included, were compared with the database.`
  print(`  ${dim(wrap(definition, 2))}`)
  print()
  let isGood = true
  for (const { way, verdict } of results) {
    if (verdict.contradiction !== undefined) {
      isGood = false
      print(`  ${red("FAILED")}  ${wrap(`${way}: ${verdict.contradiction}.`, 10)}`)
    }
    if (verdict.stale === 0) continue
    const count = `${whole(verdict.stale)} stale ${verdict.stale === 1 ? "response" : "responses"}`
    const text = `served ${count}. The worst: ${verdict.worst}.`
    if (way === "TTL cache") {
      print(`  ${yellow("stale")}   ${wrap(`The TTL cache (${TTL_MS / 1000} s) ${text}`, 10)}`)
    } else {
      isGood = false
      print(`  ${red("FAILED")}  ${wrap(`${way} ${text}`, 10)}`)
    }
  }
  for (const { way, verdict, unavailable } of results) {
    const count = sumOf(unavailable)
    if (count <= verdict.checked * 9) continue
    isGood = false
    print(`  ${red("FAILED")}  ${way} answered no more than a tenth of its requests: that says nothing.`)
  }
  const ours = results.find(({ way }) => way === "zoocache")
  if (isGood && ours !== undefined) {
    print(`  ${green("passed")}  zoocache: none of ${whole(ours.verdict.checked)} responses was stale.`)
  }
  return isGood
}

/** What was done to the fleet, and what its visitors noticed. */
export function printChaos(results: readonly Measured[]): void {
  for (const { chaos, unavailable, verdict } of results) {
    if (chaos !== undefined) {
      const { redisKilled, subscribersDropped, redisPaused, nodesPaused } = chaos
      const events = `Redis killed and restarted ${redisKilled} ×, stopped ${redisPaused} ×; ${subscribersDropped} subscriber connections dropped; servers stopped ${nodesPaused} ×.`
      print()
      print(`  ${yellow("chaos")}        ${wrap(events, 15)}`)
    }
    const count = sumOf(unavailable)
    if (chaos === undefined && count === 0) continue
    const { reads, writes, silent } = unavailable
    const parts = `503 for ${whole(reads)} reads and ${whole(writes)} writes, no answer within ${PATIENCE_MS / 1000} s to ${whole(silent)}`
    const share = ((count / Math.max(1, count + verdict.checked)) * 100).toFixed(1)
    print(`  ${yellow("unavailable")}  ${wrap(`${whole(count)} responses (${share} %): ${parts}.`, 15)}`)
    const within = "older than the tokens that were presented"
    print(`  ${(verdict.stale > 0 ? red : green)("stale")}        ${whole(verdict.stale)} responses ${within}.`)
  }
}

function sumOf({ reads, writes, silent }: Measured["unavailable"]): number {
  return reads + writes + silent
}

export function whole(number: number): string {
  return Math.round(number).toLocaleString("en-US")
}

function cellsOf({ way, requests, perSecond, p50Ms, p99Ms, queries, hitRatio, verdict }: Measured): string[] {
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`
  return [
    way,
    whole(perSecond),
    p50Ms.toFixed(2),
    p99Ms.toFixed(1),
    whole(queries),
    (queries / Math.max(1, requests)).toFixed(2),
    hitRatio === undefined ? RULE : percent(hitRatio),
    verdict.stale === 0 ? "0" : `${whole(verdict.stale)} (${percent(verdict.stale / verdict.checked)})`,
  ]
}

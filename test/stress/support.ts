import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { expect, test } from "vitest"
import { program } from "../support/program.js"

const MB = 1024 * 1024

interface Report {
  readonly samples: readonly number[]
  readonly tags: number
  readonly entries: number
}

interface Counts {
  readonly keys?: number
  readonly tagsOfHang?: number
  readonly tagsOfOutage?: number
}

const inWords = (count: number) => count.toLocaleString("en-US")

/** Each count is a test. */
export function testLeaks({ keys, tagsOfHang, tagsOfOutage }: Counts): void {
  if (keys !== undefined) testChurn(keys)
  if (tagsOfHang !== undefined) testHang(tagsOfHang)
  if (tagsOfOutage !== undefined) testOutage(tagsOfOutage)
}

function testChurn(keys: number): void {
  test(`${inWords(keys)} distinct keys and tags through 10,000 entries: the heap stays flat`, async () => {
    const report = await run("churn", keys)
    expect(report.entries).toBeLessThanOrEqual(10_000)
    expect(report.tags).toBeLessThan(80_000)
    expectFlat(report, 4)
  })
}

function testHang(tagsOfHang: number): void {
  test(`a load that never settles pins nothing while ${inWords(tagsOfHang)} distinct tags are invalidated`, async () => {
    const report = await run("hang", tagsOfHang)
    expect(report.tags).toBeLessThan(120_000)
    expectFlat(report, 4)
  })
}

function testOutage(tagsOfOutage: number): void {
  test(`${inWords(tagsOfOutage)} invalidations of distinct tags while the log is down: what waits is bounded`, async () => {
    const report = await run("outage", tagsOfOutage)
    expect(report.tags).toBeLessThan(tagsOfOutage > 20_000 ? 40_000 : 30_000)
  })
}

/** Runs a scenario of leak.ts in a process of its own, whose heap nobody else uses. */
async function run(scenario: "churn" | "hang" | "outage", count: number): Promise<Report> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--expose-gc", program("leak"), scenario, String(count)],
    { maxBuffer: MB },
  )
  return JSON.parse(stdout.trim().split("\n").at(-1) as string) as Report
}

/** Once it is full, the heap stays where it is. */
function expectFlat({ samples }: Report, mostMb: number): void {
  const half = Math.floor(samples.length / 2)
  const early = Math.max(...samples.slice(2, half))
  const late = Math.max(...samples.slice(half))
  const inMb = samples.map((bytes) => Math.round(bytes / MB)).join(" ")
  expect(late - early, `heap in MB: ${inMb}`).toBeLessThan(mostMb * MB)
}

import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { expect } from "vitest"
import { program } from "../support/program.js"

const MB = 1024 * 1024

interface Report {
  readonly samples: readonly number[]
  readonly tags: number
  readonly entries: number
}

/** Runs a scenario of leak.ts in a process of its own, whose heap nobody else uses. */
export async function run(scenario: "churn" | "hang" | "outage", count: number): Promise<Report> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--expose-gc", program("leak"), scenario, String(count)],
    { timeout: 540_000, maxBuffer: MB },
  )
  return JSON.parse(stdout.trim().split("\n").at(-1) as string) as Report
}

/** Once it is full, the heap stays where it is. */
export function expectFlat({ samples }: Report, mostMb: number): void {
  const half = Math.floor(samples.length / 2)
  const early = Math.max(...samples.slice(2, half))
  const late = Math.max(...samples.slice(half))
  const inMb = samples.map((bytes) => Math.round(bytes / MB)).join(" ")
  expect(late - early, `heap in MB: ${inMb}`).toBeLessThan(mostMb * MB)
}

import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect } from "vitest"

const MB = 1024 * 1024

interface Report {
  readonly samples: readonly number[]
  readonly tags: number
  readonly entries: number
}

/** Runs a scenario of leak.ts in a process of its own, whose heap nobody else uses. */
export async function run(scenario: "churn" | "hang" | "outage", count: number): Promise<Report> {
  const file = fileURLToPath(new URL("./leak.ts", import.meta.url))
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--expose-gc", "--import", "tsx", file, scenario, String(count)],
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

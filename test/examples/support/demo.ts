import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { findServer } from "../../redis/support/find-server.js"

// The demo looks for it there. Where there is none, these tests must not pass.
process.env["REDIS_SERVER"] ||= findServer().path

const root = fileURLToPath(new URL("../../../", import.meta.url))

/** `npm run demo -- ...args` without npm. */
export function start(args: readonly string[]): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, ["--import", "tsx", "examples/storefront/main.ts", ...args], { cwd: root })
}

export function demo(...args: string[]): Promise<Ended> {
  return end(start(args))
}

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

export async function end(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  let out = ""
  let err = ""
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject)
    child.on("close", resolve)
  })
  return { code, out, err }
}

/** The rows of the table, by the name of the way; the last cell is that of stale responses. */
export function tableOf(out: string): Map<string, string[]> {
  const rows = out.split("\n").map((line) => line.trim().split(/ {2,}/))
  const isRow = (row: string[]) => row.length === 8 && ["no cache", "TTL cache", "zoocache"].includes(row[0] ?? "")
  return new Map(rows.filter((row) => isRow(row)).map(([way = "", ...cells]) => [way, cells]))
}

/** Rather few rows, and a moment for each way. */
export const small = ["--products", "500", "--seconds", "0.5", "--clients", "8"]

import { existsSync, readFileSync } from "node:fs"
import { arch, availableParallelism, cpus, platform, totalmem } from "node:os"
import { join } from "node:path"

/** What is measured beside the library or below it, by the names of the packages. */
export const PACKAGES = [
  "lmdb",
  "ioredis",
  "msgpackr",
  "lz4-napi",
  "lru-cache",
  "async-cache-dedupe",
  "bentocache",
  "cacheable",
  "cache-manager",
  "layered-loader",
  "p-memoize",
] as const

export interface Machine {
  readonly processor: string
  readonly system: string
  readonly node: string
  readonly date: string
  readonly packages: string
}

/** What the figures depend on, and nothing that would tell whose machine it is. */
export function describeMachine(root: string): Machine {
  const processor = cpus()[0]?.model.trim() ?? "unknown processor"
  return {
    processor: `${processor}, ${availableParallelism()} cores`,
    system: `${platform()} ${arch()}, ${Math.round(totalmem() / 2 ** 30)} GB`,
    node: `Node.js ${process.versions.node}, V8 ${process.versions.v8}`,
    date: new Date().toISOString().slice(0, 10),
    packages: [`zoocache ${versionIn(root)}`, ...PACKAGES.map((name) => `${name} ${versionOf(root, name)}`)].join(", "),
  }
}

function versionOf(root: string, name: string): string {
  const own = join(root, "bench", "node_modules", name)
  return versionIn(existsSync(own) ? own : join(root, "node_modules", name))
}

function versionIn(folder: string): string {
  return (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string }).version
}

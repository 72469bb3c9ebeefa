import { spawnSync } from "node:child_process"
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"

/** The program of a Redis or Valkey server. */
export interface ServerProgram {
  readonly path: string
  /** Such as `7.0.15`. */
  readonly version: string
}

const NAMES = ["redis-server", "valkey-server"]

let found: ServerProgram | undefined

/**
 * `REDIS_SERVER`, or what is on the PATH. Throws when there is none: what can't be tested must not pass.
 * test/setup/redis-server.ts has tried to install one by then.
 */
export function findServer(): ServerProgram {
  found ??= look()
  if (found === undefined) {
    throw new Error(
      "These tests need a Redis or Valkey server, and there is none. Install redis-server or valkey-server " +
        "(Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis), " +
        "or set REDIS_SERVER to the path of the program.",
    )
  }
  return found
}

/** Undefined when there is none. Throws when `REDIS_SERVER` is not one. */
export function look(): ServerProgram | undefined {
  const named = process.env["REDIS_SERVER"]
  if (named !== undefined && named !== "") return inspect(named)
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "")
  const path = NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable)
  return path === undefined ? undefined : inspect(path)
}

function inspect(path: string): ServerProgram {
  const { stdout, stderr, error } = spawnSync(path, ["--version"], { encoding: "utf8" })
  // `Redis server v=7.0.15 sha=…`. The same program under another name (redis-check-rdb) says something else.
  const version = /\bserver v=(\S+)/i.exec(stdout ?? "")?.[1]
  if (version === undefined) {
    const why = error?.message ?? `"--version" printed ${JSON.stringify(`${stdout}${stderr}`.slice(0, 200))}`
    throw new Error(
      `${path} is not a Redis or Valkey server (${why}). Install redis-server or valkey-server, ` +
        "or set REDIS_SERVER to the path of the program.",
    )
  }
  return { path, version }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * The same for the CommonJS build, which is never bundled by those who can read its ES modules: a literal `require`, so that
 * Jest can replace a package, and tools that copy a program with what it needs find it.
 */
import type { PeerName } from "./peer-error.js"

declare const require: NodeJS.Require

export function requirePeer(name: PeerName): unknown {
  switch (name) {
    case "ioredis":
      return require("ioredis")
    case "lmdb":
      return require("lmdb")
    case "lz4-napi":
      return require("lz4-napi")
    case "msgpackr":
      return require("msgpackr")
  }
}

export function findPeer(name: PeerName): void {
  require.resolve(name)
}

export function requireBackend(name: "lmdb" | "redis"): void {
  if (name === "lmdb") require("../lmdb/index.cjs")
  else require("../redis/index.cjs")
}

export function findWriter(): string {
  return require.resolve("./writer-main.cjs")
}

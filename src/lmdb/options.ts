import type { EntryCodec } from "../core/ports/codec.js"
import { InvalidOptionError } from "../core/base/errors.js"
import { findPeer } from "../packages/installed.js"
import { peerError } from "../packages/peer-error.js"
import { writerFile } from "./writer-file.js"

/** Options of {@link lmdb}. */
export interface LmdbOptions {
  /** A directory of its own on a local disk; made where there is none. All processes that name it share the cache. */
  readonly path: string
  /**
   * How large the data file may get, in bytes. Entries leave the last eighth to invalidations, which go on when entries
   * fill the rest. Default: twice `maxBytes`, and 64 MiB.
   */
  readonly mapSize?: number | undefined
  /** How many entries are kept, of all prefixes together; the ones not used for longest make room. Default 1,000,000. */
  readonly maxEntries?: number | undefined
  /** How many bytes they may have, with their keys. Default 1 GiB. */
  readonly maxBytes?: number | undefined
  /**
   * How many invalidated and expired tags each prefix remembers. Beyond it the oldest are forgotten, and entries that are
   * older than those are loaded anew. Default 100,000.
   */
  readonly maxTags?: number | undefined
  /** The same for keys that were set or deleted, and functions that were cleared. Default 100,000. */
  readonly maxKeys?: number | undefined
  /**
   * Sync to disk before a write counts as done, so that entries outlive a crash of the machine. Without it, the default,
   * nothing is lost when processes die, and after a reboot the cache begins empty.
   */
  readonly durable?: boolean | undefined
  /** How entries become bytes; from `createCodec` of `zoocache/codec`. */
  readonly codec?: EntryCodec | undefined
}

export interface LmdbSettings {
  readonly path: string
  readonly mapSize: number
  readonly maxEntries: number
  readonly maxBytes: number
  readonly maxTags: number
  readonly maxKeys: number
  readonly durable: boolean
  readonly codec: EntryCodec | undefined
  /** For tests. */
  readonly bootId: string | undefined
  readonly sweepPauseMs: number
}

const MIB = 1024 * 1024
const LEAST_MAP = MIB
/** A map must fit into the address space of a process. */
const LARGEST_MAP = 2 ** 46

const NAMES = new Set(["path", "mapSize", "maxEntries", "maxBytes", "maxTags", "maxKeys", "durable", "codec"])

/** Settings for tests alone. */
export interface InternalOptions {
  readonly bootId?: string
  readonly sweepPauseMs?: number
}

/** @throws InvalidOptionError, ConfigurationError */
export function checkOptions(options: LmdbOptions, internal: InternalOptions): LmdbSettings {
  if (typeof options !== "object" || options === null) {
    throw new InvalidOptionError("lmdb", options, 'pass an object, as in `lmdb({ path: "./cache" })`')
  }
  for (const name of Object.keys(options)) {
    if (!NAMES.has(name))
      throw new InvalidOptionError(name, options[name as keyof LmdbOptions], "there is no such option")
  }
  const { path, durable = false, codec } = options
  if (typeof path !== "string" || path === "" || path.includes("\0")) {
    throw new InvalidOptionError("path", path, "it must be the path of a directory")
  }
  if (typeof durable !== "boolean") throw new InvalidOptionError("durable", durable, "it must be true or false")
  if (codec !== undefined && typeof codec?.encode !== "function") {
    throw new InvalidOptionError("codec", codec, "pass what `createCodec` of `zoocache/codec` returns")
  }
  const maxBytes = count(options, "maxBytes", 1024 * MIB, 1, Number.MAX_SAFE_INTEGER)
  const settings: LmdbSettings = {
    path,
    durable,
    codec,
    maxBytes,
    mapSize: count(options, "mapSize", Math.min(LARGEST_MAP, 2 * maxBytes + 64 * MIB), LEAST_MAP, LARGEST_MAP),
    maxEntries: count(options, "maxEntries", 1_000_000, 1, Number.MAX_SAFE_INTEGER),
    maxTags: count(options, "maxTags", 100_000, 1, Number.MAX_SAFE_INTEGER),
    maxKeys: count(options, "maxKeys", 100_000, 1, Number.MAX_SAFE_INTEGER),
    bootId: internal.bootId,
    sweepPauseMs: internal.sweepPauseMs ?? 1000,
  }
  try {
    findPeer("lmdb")
  } catch (error) {
    throw peerError({ what: "`lmdb({ path })`", name: "lmdb", install: "lmdb msgpackr lz4-napi" }, error)
  }
  // Here, where it is thrown to whoever made the mistake, and not in the background.
  writerFile()
  return Object.freeze(settings)
}

function count(
  options: LmdbOptions,
  name: "mapSize" | "maxEntries" | "maxBytes" | "maxTags" | "maxKeys",
  otherwise: number,
  least: number,
  most: number,
): number {
  const value = options[name]
  if (value === undefined) return otherwise
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw new InvalidOptionError(name, value, `it must be a whole number between ${least} and ${most}`)
  }
  return value
}

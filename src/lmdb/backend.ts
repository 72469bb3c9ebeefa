import { createCodec } from "../codec/index.js"
import type { Backend, BackendContext, OpenBackend } from "../core/ports/backend.js"
import type { EntryCodec } from "../core/ports/codec.js"
import { Environment, type Tenant } from "./environment.js"
import { LmdbLog } from "./log.js"
import { checkOptions, type InternalOptions, type LmdbOptions, type LmdbSettings } from "./options.js"
import { LmdbStore } from "./store.js"

/** How long closing waits for what is queued. */
const CLOSE_MS = 1000

/**
 * Entries and invalidations in a directory of this machine, shared by all its processes, without a server. They survive
 * restarts. After `await invalidate()` in one process the next call in any other sees it.
 *
 * Opening happens in the background; what is wrong with the directory becomes a `StorageOpenError`, which is reported and
 * rejects `ready()`'s pulls, and is tried again.
 *
 * @throws InvalidOptionError for a wrong option, ConfigurationError where the package `lmdb` is not installed.
 * @example
 * const cache = createCache({ backend: lmdb({ path: "/var/cache/shop" }), prefix: "shop" })
 */
export function lmdb(options: LmdbOptions): Backend {
  return makeBackend(options, {})
}

/** @internal */
export function makeBackend(options: LmdbOptions, internal: InternalOptions): LmdbBackend {
  const settings = checkOptions(options, internal)
  return { name: "lmdb", needsOwnLog: true, open: (context) => open(settings, context) }
}

interface OpenLmdb extends OpenBackend {
  readonly store: LmdbStore
  readonly codec: EntryCodec
}

interface LmdbBackend extends Backend {
  open(context: BackendContext): OpenLmdb
}

function open(settings: LmdbSettings, context: BackendContext): OpenLmdb {
  const { maxTags, maxKeys, maxEntries, maxBytes } = settings
  const { prefix, clock, onFault } = context
  const codec = settings.codec ?? createCodec()
  const open = new Set(["log", "store"])
  let closeBy = 0
  // What was queued is written before, or given up: another process may hold the lock for as long as it likes.
  const leave = async (part: "log" | "store") => {
    open.delete(part)
    closeBy ||= performance.now() + CLOSE_MS
    const patienceMs = Math.max(0, closeBy - performance.now())
    if (open.size === 0) await environment.release(tenant, patienceMs)
    else await environment.settle(tenant, patienceMs)
  }
  /** As the last look found it; undefined: not known. */
  let space: number | undefined
  const log = new LmdbLog({
    prefix,
    clock,
    budget: { maxTags, maxKeys },
    reader: () => environment.reader(tenant),
    ready: () => environment.ready(tenant),
    checkPath: () => environment.checkPath(),
    write: (write) => environment.writeLog(tenant, write),
    seen: (head) => {
      space = head.space
    },
    leave: () => leave("log"),
  })
  const store = new LmdbStore({
    prefix,
    clock,
    budget: { maxEntries, maxBytes },
    reader: () => environment.reader(tenant),
    space: () => space,
    queued: () => environment.queued(tenant),
    write: (request, bytes) => environment.writeStore(tenant, request, bytes),
    leave: () => leave("store"),
  })
  const tenant: Tenant = {
    prefix,
    onFault,
    onWritten: () => {
      space = undefined
    },
    onReady: () => log.onReady(),
    onAppended: ({ changes, origin }, reply) => log.onAppended(changes, origin, reply),
  }
  const environment = Environment.acquire(tenant, {
    directory: settings.path,
    isDurable: settings.durable,
    mapSize: settings.mapSize,
    bootId: settings.bootId,
    sweepPauseMs: settings.sweepPauseMs,
  })
  return { log, store, codec }
}

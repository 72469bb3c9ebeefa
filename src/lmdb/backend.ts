import { createCodec } from "../codec/index.js"
import type { Backend, BackendContext, OpenBackend } from "../core/ports/backend.js"
import type { EntryCodec } from "../core/ports/codec.js"
import { madeOf } from "../core/ports/made-of.js"
import { LmdbLog } from "./log.js"
import { checkOptions, type InternalOptions, type LmdbOptions, type LmdbSettings } from "./options.js"
import { LmdbStore } from "./store.js"
import { Tenancy } from "./tenancy.js"

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
  const backend: LmdbBackend = { name: "lmdb", needsOwnLog: true, open: (context) => open(settings, context) }
  return madeOf(backend, ["lmdb", { ...options }, { ...internal }])
}

interface OpenLmdb extends OpenBackend {
  readonly store: LmdbStore
  readonly codec: EntryCodec
}

interface LmdbBackend extends Backend {
  open(context: BackendContext): OpenLmdb
}

function open(settings: LmdbSettings, context: BackendContext): OpenLmdb {
  const { maxTags, maxKeys, maxEntries, maxBytes, path, durable, mapSize, bootId, sweepPauseMs } = settings
  const tenancy = new Tenancy({ directory: path, isDurable: durable, mapSize, bootId, sweepPauseMs }, context)
  return {
    log: new LmdbLog(tenancy, { maxTags, maxKeys }),
    store: new LmdbStore(tenancy, { maxEntries, maxBytes }),
    codec: settings.codec ?? createCodec(),
  }
}

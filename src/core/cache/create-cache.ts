import type { CacheOptions } from "../options/options.js"
import { normalizeCacheOptions } from "../options/settings.js"
import { Scope } from "../tags/scope.js"
import { Cache } from "./cache.js"
import { openCache } from "./open.js"

/**
 * Makes a cache.
 *
 * @throws InvalidOptionError
 * @example
 * await using cache = createCache({ ttl: "10m", memory: { maxEntries: 50_000 } })
 */
export function createCache(options: CacheOptions = {}): Cache {
  const core = openCache(normalizeCacheOptions(options))
  try {
    core.checkLease(core.settings.behaviour)
  } catch (error) {
    core.close().catch(() => {})
    throw error
  }
  return Cache.of(core, new Scope(core.trie, ""))
}

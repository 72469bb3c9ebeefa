import type { CacheOptions } from "../options/options.js"
import { type CacheSettings, normalizeCacheOptions } from "../options/settings.js"
import { sharedParts } from "./parts-at-hand.js"

/** The options of a cache, checked and complete. Throws `InvalidOptionError`. */
export function settingsOf(options: CacheOptions): CacheSettings {
  return normalizeCacheOptions(options, (given) => sharedParts().checkBacking(given))
}

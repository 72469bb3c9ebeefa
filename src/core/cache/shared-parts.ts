import type { Outbox } from "../base/outbox.js"
import type { CacheOptions } from "../options/options.js"
import type { BackingSettings, CacheSettings } from "../options/settings.js"
import type { Backing } from "./backing.js"

/** The parts that only a cache with a backend, a log, a store or a codec has. */
export interface SharedParts {
  checkBacking(options: CacheOptions): BackingSettings
  openBacking(settings: CacheSettings, outbox: Outbox): Backing
}

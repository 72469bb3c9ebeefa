import { ConfigurationError, show } from "../base/errors.js"
import { placeCalling } from "../base/place.js"
import { oncePerProcess } from "../base/process-wide.js"
import { warn } from "../base/warn-once.js"
import { givenAgain, type GivenOptions, givenOptions, REDEFINE_ADVICE, warnOfGuess } from "../options/given-options.js"
import type { CacheOptions } from "../options/options.js"
import type { CacheSettings } from "../options/settings.js"
import { Scope } from "../tags/scope.js"
import { Cache } from "./cache.js"
import { openCache } from "./open.js"
import { settingsOf } from "./settings-of.js"

/** A cache that has a name, whichever copy of this library made it. */
interface NamedCache {
  readonly cache: Cache
  readonly given: GivenOptions
  readonly isOpen: () => boolean
}

const named = oncePerProcess("named caches", 1, () => new Map<string, NamedCache>())
const said = oncePerProcess("said", 1, () => ({ isUnnamedInNext: false }))

/**
 * Makes a cache; with a `name` that there is already, gives that one.
 *
 * @throws InvalidOptionError, and ConfigurationError for a name that a cache with other options has
 * @example
 * await using cache = createCache({ ttl: "10m", memory: { maxEntries: 50_000 } })
 */
export function createCache(options: CacheOptions = {}): Cache {
  const settings = settingsOf(options)
  const { name } = settings
  if (name === undefined) {
    warnInNext()
    return openUnnamed(settings).cache
  }
  const place = placeCalling(createCache)
  const earlier = named.get(name)
  if (earlier?.isOpen() === true) {
    const again = givenAgain(earlier.given, options, settings, place)
    if (again.kind === "same") return earlier.cache
    if (again.kind === "differs") throw differsError(name, again.option)
    warnOfGuess(`The cache ${show(name)}`, again)
    // Nobody waits for it: what it fails at is told to its `onFault`.
    earlier.cache.close().catch(() => {})
  }
  const opened = openUnnamed(settings)
  named.set(name, { ...opened, given: givenOptions(options, place) })
  return opened.cache
}

/** Opens a cache, whatever others there are. */
export function openUnnamed(settings: CacheSettings): Pick<NamedCache, "cache" | "isOpen"> {
  const core = openCache(settings)
  try {
    core.checkLease(core.settings.behaviour)
  } catch (error) {
    core.close().catch(() => {})
    throw error
  }
  return { cache: Cache.of(core, new Scope(core.trie, "")), isOpen: () => !core.lifetime.isOver }
}

function differsError(name: string, option: string): ConfigurationError {
  return new ConfigurationError(
    `There is a cache named ${show(name)} in this process already, with another \`${option}\`. Create it in one module that ` +
      `others import, or give one of them another \`name\`. ${REDEFINE_ADVICE}`,
  )
}

/** Next.js loads a module once for pages and once more for route handlers, and again with each change in development. */
function warnInNext(): void {
  if (said.isUnnamedInNext || globalThis.process?.env?.["NEXT_RUNTIME"] === undefined) return
  said.isUnnamedInNext = true
  warn(
    "ZOOCACHE_UNNAMED_CACHE",
    "A cache was made without a `name` in Next.js, which loads the same module several times in a process: each copy makes a cache " +
      "of its own, and what one invalidates stays stale in the others. " +
      'Write `createCache({ name: "app", redefine: "share" })`. (Said once.)',
  )
}

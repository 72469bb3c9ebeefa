import { isSameScript, type Place, recurrenceOf } from "../base/place.js"
import { warn } from "../base/warn-once.js"
import { differingOption } from "./same-options.js"
import type { CacheSettings } from "./settings.js"

/** The options of what there is once in a process, as all copies of this library keep them. */
export interface GivenOptions {
  readonly options: object
  /** The place where they were given: one place of each script. */
  places: readonly Place[]
}

/** Options of which the newer ones count. */
export interface NewerOptions {
  readonly kind: "replaces"
  /** The first that differs. */
  readonly option: string
  /** Hot reload is only likely. */
  readonly isGuess: boolean
}

/** The verdict on options that are given once more. */
export type GivenAgain =
  { readonly kind: "same" } | NewerOptions | { readonly kind: "differs"; readonly option: string }

export function givenOptions(options: object, place: Place | undefined): GivenOptions {
  return { options: { ...options }, places: place === undefined ? [] : [place] }
}

/** Compares options with those that were given before, and takes note of where they come from. */
export function givenAgain(
  given: GivenOptions,
  options: object,
  { redefine, isProduction }: CacheSettings,
  place: Place | undefined,
): GivenAgain {
  const option = differingOption(given.options, options, redefine === "share")
  const isReloaded = given.places.some((each) => recurrenceOf(each, place) === "reloaded")
  if (option === undefined) {
    if (place !== undefined) given.places = [...given.places.filter((each) => !isSameScript(each, place)), place]
    return { kind: "same" }
  }
  if (redefine === "replace" || (redefine === "share" && isReloaded))
    return { kind: "replaces", option, isGuess: false }
  // A bundler that renames a script when it changes makes a reload look like another copy.
  if (redefine === "share" && !isProduction) return { kind: "replaces", option, isGuess: true }
  return { kind: "differs", option }
}

/** Warns whoever develops of options that count, and would be refused in production. */
export function warnOfGuess(what: string, { option, isGuess }: NewerOptions): void {
  if (!isGuess) return
  warn(
    "ZOOCACHE_OPTIONS_CHANGED",
    `${what} was given another \`${option}\`, which counts from now on: hot reload, most likely. If two modules give different ` +
      "options, only one of them may: with NODE_ENV=production the second throws ConfigurationError.",
  )
}

/** The advice of errors about options that differ. */
export const REDEFINE_ADVICE =
  'If hot reload has loaded a module with other options anew, `redefine: "replace"` lets the newer ones win; for one module ' +
  'that is bundled more than once, as in Next.js, `redefine: "share"` takes its functions to be the same.'

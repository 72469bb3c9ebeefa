import { isSameScript, type Place, recurrenceOf } from "../base/place.js"
import type { Redefine } from "./options.js"
import { differingOption } from "./same-options.js"

/** The options of what there is once in a process, as all copies of this library keep them. */
export interface GivenOptions {
  readonly options: object
  /** Where they were given: one place of each script. */
  places: readonly Place[]
}

/** What options that are given once more come to; `option` is the first that differs. */
export type GivenAgain =
  { readonly kind: "same" } | { readonly kind: "replaces" } | { readonly kind: "differs"; readonly option: string }

export function givenOptions(options: object, place: Place | undefined): GivenOptions {
  return { options: { ...options }, places: place === undefined ? [] : [place] }
}

/** Compares options with those that were given before, and takes note of where they come from. */
export function givenAgain(
  given: GivenOptions,
  options: object,
  redefine: Redefine,
  place: Place | undefined,
): GivenAgain {
  const option = differingOption(given.options, options, redefine === "share")
  const isReloaded = given.places.some((each) => recurrenceOf(each, place) === "reloaded")
  if (option === undefined) {
    if (place !== undefined) given.places = [...given.places.filter((each) => !isSameScript(each, place)), place]
    return { kind: "same" }
  }
  const replaces = redefine === "replace" || (redefine === "share" && isReloaded)
  return replaces ? { kind: "replaces" } : { kind: "differs", option }
}

/** The advice of errors about options that differ. */
export const REDEFINE_ADVICE =
  'If hot reload has loaded a module with other options anew, `redefine: "replace"` lets the newer ones win; for one module ' +
  'that is bundled more than once, as in Next.js, `redefine: "share"` takes its functions to be the same.'

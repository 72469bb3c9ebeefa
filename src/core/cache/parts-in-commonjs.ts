import type { SharedParts } from "./shared-parts.js"

declare const require: NodeJS.Require

let loaded: SharedParts | undefined

/**
 * The parts of a cache that shares something, which the CommonJS build keeps in a file of their own: a cache in memory alone
 * starts without them. The build has this in place of `parts-at-hand.ts`.
 */
export function sharedParts(): SharedParts {
  // From here to the place of the built file, in which this path is made one from file to file.
  loaded ??= (require("../../chunks/shared.cjs") as { readonly allSharedParts: SharedParts }).allSharedParts
  return loaded
}

/** Makes the parts known. Here they are found when they are needed. */
export function provideSharedParts(_parts: SharedParts): void {}

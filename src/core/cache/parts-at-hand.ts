import { allSharedParts } from "./all-shared-parts.js"
import type { SharedParts } from "./shared-parts.js"

/** The parts of a cache that shares something. ES modules for bundlers have `parts-in-bundles.ts` in place of this. */
export function sharedParts(): SharedParts {
  return allSharedParts
}

/** Makes the parts known. Here they are known already. */
export function provideSharedParts(_parts: SharedParts): void {}

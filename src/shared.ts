import { allSharedParts } from "./core/cache/all-shared-parts.js"
import { provideSharedParts } from "./core/cache/parts-at-hand.js"

/** Makes a cache able to share. Called by each entry of the package from which something comes that a cache can share. */
export function enableSharing(): void {
  provideSharedParts(allSharedParts)
}

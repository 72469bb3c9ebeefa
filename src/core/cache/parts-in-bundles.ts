import { ConfigurationError } from "../base/errors.js"
import type { SharedParts } from "./shared-parts.js"

let provided: SharedParts | undefined

/**
 * The parts of a cache that shares something: a bundle has them where something in it imports a backend. Not of the process:
 * parts of another version could not work on the state of this one.
 *
 * @throws ConfigurationError
 */
export function sharedParts(): SharedParts {
  if (provided !== undefined) return provided
  throw new ConfigurationError(
    "This bundle has no parts for a cache with a `backend`, `log`, `store` or `codec`, because nothing in it imports one. " +
      'Write `import "zoocache/backend"` where the cache is made, or tell the bundler that `zoocache` is external.',
  )
}

export function provideSharedParts(parts: SharedParts): void {
  provided = parts
}

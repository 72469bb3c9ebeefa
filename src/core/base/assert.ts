import { ZooCacheError } from "./errors.js"

/**
 * Invariants are held where state changes: a book that is wrong goes on giving wrong answers, so the first change that
 * breaks one says so. Texts are constants, for the sake of callers on the way of a hit.
 *
 * @throws ZooCacheError with the code `ERR_ZOOCACHE_INTERNAL`.
 */
export function assert(condition: boolean, text: string): asserts condition {
  if (!condition) throw broken(text)
}

// Apart, so that `assert` itself stays small enough to be inlined.
function broken(text: string): ZooCacheError {
  return new ZooCacheError(
    "ERR_ZOOCACHE_INTERNAL",
    `This is a bug of zoocache: ${text}. Please report it, with the stack trace of this error.`,
  )
}

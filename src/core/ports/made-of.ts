/** Not enumerable, so that what is printed shows no password; the same symbol for all copies of this library. */
const MADE_OF = Symbol.for("zoocache.made-of")

/**
 * Says of a backend or a codec what it was made of, by which two are told to be the same: a module that is loaded again
 * makes another of the same options.
 *
 * @param parts the name of the maker, and the options as they were given
 */
export function madeOf<T extends object>(made: T, parts: readonly unknown[]): T {
  return Object.defineProperty(made, MADE_OF, { value: parts })
}

/** The options that a backend or a codec was made of; undefined where it does not say. */
export function partsOf(made: unknown): readonly unknown[] | undefined {
  if (typeof made !== "object" || made === null) return undefined
  return (made as { readonly [MADE_OF]?: readonly unknown[] })[MADE_OF]
}

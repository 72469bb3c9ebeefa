/** On the prototype of caches; by it all copies of this library in a process know a cache. */
export const OWNER: unique symbol = Symbol.for("zoocache.cache")

/** A cache of this copy of the library or of another one. */
export interface Owned {
  /** The owner of the cache's frames. */
  readonly [OWNER]: object
}

/** Whether a value is a cache, whichever copy of this library made it. */
export function isCache(value: unknown): value is Owned {
  return typeof value === "object" && value !== null && OWNER in value
}

/**
 * The answer of `revalidate` for a value that is still right: a 304 of its source. The value is kept as if it had been loaded
 * anew.
 */
export const KEEP: unique symbol = Symbol.for("zoocache.keep")

/** A value that has expired or was invalidated, as `revalidate` is given it. */
export interface Previous<Value> {
  readonly value: Value
  /** When its load began, or when it was last kept. */
  readonly storedAt: Date
}

import { InvalidOptionError, UncacheableValueError } from "../base/errors.js"
import { isObject } from "./inspect-object.js"

/**
 * Whether `await` would wait for this value instead of giving it back: a promise, a query builder, anything with a method
 * `then`. Never throws. An accessor `then` runs once, as `await` would run it; one that throws makes a value that no
 * promise can hold, so it counts as a thenable.
 */
export function isThenable(value: unknown): boolean {
  if (!isObject(value)) return false
  try {
    return typeof (value as { then?: unknown }).then === "function"
  } catch {
    return true
  }
}

/**
 * Takes note that nobody will wait for a promise: its rejection is no unhandled one, which would end the process. Other
 * thenables are left alone, because a query builder runs its query when its `then` is called.
 */
export function ignoreRejection(value: unknown): void {
  if (!isObject(value)) return
  try {
    // A promise of any realm. Throws for everything else.
    void Promise.prototype.then.call(value as Promise<unknown>, undefined, () => {})
  } catch {
    // No promise, or one of a class that can't be derived from: there is nothing that could be noted.
  }
}

/**
 * The result of a hook that has to answer at once.
 *
 * @throws InvalidOptionError for a promise or another thenable, whose rejection is handled then.
 */
export function plainResult<T>(hook: string, result: T): T {
  if (!isThenable(result)) return result
  ignoreRejection(result)
  throw new InvalidOptionError(
    hook,
    result,
    "it returned a promise, and hooks are synchronous. Return the result itself: load what it needs in the loader",
  )
}

/** The error in place of a thenable that a loader has given as a value; the rejection of a promise is handled then. */
export function thenableError(value: unknown, subject?: string): UncacheableValueError {
  ignoreRejection(value)
  return new UncacheableValueError(
    "A promise or another thenable",
    subject,
    "is no value: whoever awaits it gets something else. Await it first, as in `await Promise.all(items)`.",
  )
}

/**
 * A value that is to be stored by hand.
 *
 * @throws InvalidOptionError for a promise or another thenable, whose rejection is handled then.
 */
export function assertNoThenable(value: unknown): void {
  if (!isThenable(value)) return
  ignoreRejection(value)
  throw new InvalidOptionError("value", value, "it is a promise or another thenable, which is no value: await it first")
}

/** A hook that answers at once: where it answers with a promise, the hook throws what {@link plainResult} throws. */
export function synchronous<Args extends readonly unknown[], Result>(
  name: string,
  hook: (this: unknown, ...args: Args) => Result,
): (this: unknown, ...args: Args) => Result {
  return function (...args) {
    return plainResult(name, Reflect.apply(hook, this, args))
  }
}

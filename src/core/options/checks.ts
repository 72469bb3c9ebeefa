import { type Clock, rooted, systemClock } from "../base/clock.js"
import { InvalidOptionError } from "../base/errors.js"
import type { AnyFunction } from "./options.js"

/** A name is part of keys, tags of events and lines of statistics. */
export function checkName(name: unknown): asserts name is string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (typeof name !== "string" || name === "" || name.length > 200 || /[\u0000-\u001f\u007f]/.test(name)) {
    throw new InvalidOptionError("name", name, "it must be a string of 1 to 200 characters without control characters")
  }
}

/** Tags, before each is looked at. */
export function isStringArray(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string")
}

/** Options are an object, whatever is in it. */
export function checkObject(options: unknown, of: string, name = "options"): asserts options is object {
  if (typeof options === "object" && options !== null && !Array.isArray(options)) return
  throw new InvalidOptionError(name, options, `the options of ${of} must be an object`)
}

/** A loader, or any other function that a user must give. */
export function checkFunction(given: unknown, name: string, what: string): asserts given is AnyFunction {
  if (typeof given !== "function") throw new InvalidOptionError(name, given, `it must be ${what}`)
}

/** An unknown option is most often a misspelt one, and one that nothing reads would be a silent no-op. */
export function checkNames(options: unknown, known: ReadonlySet<string>, of: string, path = ""): void {
  checkObject(options, of, path === "" ? "options" : of)
  for (const name of Object.keys(options)) {
    if (known.has(name)) continue
    throw new InvalidOptionError(
      path + name,
      (options as Record<string, unknown>)[name],
      `${of} has no such option; it has ${[...known].sort().join(", ")}${hintFor(name, known)}`,
    )
  }
}

/** Names that other caches have for the options of this one. */
const NAMES_ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ...["tag", "tags", "dependencies", "dependsOn"].map((name) => [name, "deps"] as const),
  ...["max", "maxSize", "maxItems", "maxEntries", "size"].map((name) => [name, "memory"] as const),
  ...["maxAge", "ttlMs", "expires", "expiresIn", "expiry", "lifetime", "stdTTL"].map((name) => [name, "ttl"] as const),
  ...["swr", "stale", "staleTtl", "staleWhileRevalidate", "gracePeriod"].map((name) => [name, "grace"] as const),
  ...["cacheKey", "getKey", "keyFn", "resolver", "serialize"].map((name) => [name, "key"] as const),
  ...["namespace", "keyPrefix"].map((name) => [name, "prefix"] as const),
  ["shouldCache", "cacheIf"],
  ["onError", "onFault"],
])

/** Names of options elsewhere that invalidate, which is a call here. */
const INVALIDATING = new Set(["invalidates", "invalidate", "invalidatesTags", "invalidateTags", "revalidateTags"])

/** The option that was probably meant, as a sentence; empty where none is near. */
function hintFor(name: string, known: ReadonlySet<string>): string {
  if (INVALIDATING.has(name)) return ". No option invalidates: call `cache.invalidate(...tags)` after the change"
  const elsewhere = NAMES_ELSEWHERE.get(name)
  if (elsewhere !== undefined && known.has(elsewhere)) {
    return `. Did you mean \`${elsewhere === "memory" ? "memory: { maxEntries }" : elsewhere}\`?`
  }
  const near = [...known].find((option) => isNear(name, option))
  return near === undefined ? "" : `. Did you mean \`${near}\`?`
}

/** Whether two names differ by case, by one character, or by two neighbours in the wrong order. */
function isNear(name: string, option: string): boolean {
  const [left, right] = [name.toLowerCase(), option.toLowerCase()]
  if (Math.abs(left.length - right.length) > 1) return false
  let start = 0
  while (start < left.length && left[start] === right[start]) start += 1
  const rest = [left.slice(start), right.slice(start)] as const
  const isSwapped = rest[0].length > 1 && rest[0][0] === rest[1][1] && rest[0][1] === rest[1][0]
  return (
    rest[0].slice(1) === rest[1].slice(1) ||
    rest[0].slice(1) === rest[1] ||
    rest[0] === rest[1].slice(1) ||
    (isSwapped && rest[0].slice(2) === rest[1].slice(2))
  )
}

/** A part of a cache that users may bring, of any origin: told by its methods, undefined where there is none. */
export function checkParts<T>(given: unknown, option: string, methods: readonly string[]): T | undefined {
  if (given === undefined || hasMethods(given, methods)) return given as T | undefined
  const listed = methods.map((method) => `\`${method}\``).join(", ")
  throw new InvalidOptionError(option, given, `it must be an object with ${listed}`)
}

/** The clock of a cache, with callbacks in the root context; that of the system where none is given. */
export function checkClock(clock: unknown): Clock {
  const given = checkParts<Clock>(clock, "clock", ["now", "wall", "onTurnEnd", "setTimer"])
  return given === undefined ? systemClock : rooted(given)
}

/** Whether something is an object with these methods. */
export function hasMethods(given: unknown, methods: readonly string[]): boolean {
  if (typeof given !== "object" || given === null) return false
  return methods.every((method) => typeof (given as Record<string, unknown>)[method] === "function")
}

/** A count of at least one, or Infinity for no bound. */
export function positiveInteger(value: unknown, option: string): number {
  if (value === Number.POSITIVE_INFINITY || (Number.isSafeInteger(value) && (value as number) >= 1)) {
    return value as number
  }
  throw new InvalidOptionError(option, value, "it must be a whole number of at least 1, or Infinity")
}

/** A number of at least zero. */
export function nonNegative(value: number, option: string): number {
  if (value >= 0) return value
  throw new InvalidOptionError(option, value, "it must not be negative")
}

/** A part of a whole; 1 itself where it makes sense. */
export function fraction(value: unknown, option: string, withOne: boolean): number {
  if (typeof value === "number" && value >= 0 && (value < 1 || (withOne && value === 1))) return value
  throw new InvalidOptionError(option, value, `it must be a number from 0 to ${withOne ? "1" : "below 1"}`)
}

/** A boolean; nothing else counts as one. */
export function boolean(value: unknown, option: string): boolean {
  if (typeof value === "boolean") return value
  throw new InvalidOptionError(option, value, "it must be true or false")
}

/** A text out of a list. */
export function oneOf<T extends string>(value: unknown, allowed: readonly T[], option: string): T {
  if (allowed.includes(value as T)) return value as T
  throw new InvalidOptionError(option, value, `it must be one of ${allowed.map((name) => `"${name}"`).join(", ")}`)
}

/** A hook that may be left out. */
export function optionalFunction<F extends AnyFunction>(value: F | undefined, option: string): F | undefined {
  if (value === undefined || typeof value === "function") return value
  throw new InvalidOptionError(option, value, "it must be a function")
}

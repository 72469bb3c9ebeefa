import { isDeepStrictEqual } from "node:util"

/**
 * The first way in which a value that was read differs from the one that was expected, such as `.rows[3]: a Date became
 * a string`; undefined if they are alike in everything that a program could tell: kinds, contents, the order of keys,
 * what is shared within the value. Stacks of errors may differ.
 */
export function differenceOf(found: unknown, expected: unknown): string | undefined {
  return new Comparison().differ(found, expected, "")
}

class Comparison {
  // Both ways: what was one object may not become two, and not the other way round.
  readonly #foundOf = new Map<object, object>()
  readonly #expectedOf = new Map<object, object>()

  differ(found: unknown, expected: unknown, path: string): string | undefined {
    if (!isObject(found) || !isObject(expected)) {
      return Object.is(found, expected) ? undefined : `${path}: ${name(expected)} became ${name(found)}`
    }
    const [twin, original] = [this.#foundOf.get(expected), this.#expectedOf.get(found)]
    if (twin !== undefined || original !== undefined) {
      return twin === found && original === expected ? undefined : `${path}: it is shared in another way`
    }
    this.#foundOf.set(expected, found)
    this.#expectedOf.set(found, expected)
    // A function or a promise can only be itself.
    if (typeof expected === "function" || !hasContent(expected)) {
      return found === expected ? undefined : `${path}: ${name(expected)} became another`
    }
    if (Object.getPrototypeOf(found) !== Object.getPrototypeOf(expected)) {
      return `${path}: ${name(expected)} became ${name(found)}`
    }
    return this.#inside(found, expected, path) ?? this.#properties(found, expected, path)
  }

  #inside(found: object, expected: object, path: string): string | undefined {
    if (expected instanceof Map && found instanceof Map) {
      return this.#list([...found].flat(), [...expected].flat(), `${path}.entries`)
    }
    if (expected instanceof Set && found instanceof Set) return this.#list([...found], [...expected], `${path}.values`)
    if (expected instanceof Error && found instanceof Error) {
      return found.name === expected.name ? undefined : `${path}: ${expected.name} became ${found.name}`
    }
    if (expected instanceof Date && found instanceof Date) {
      const [time, other] = [found.getTime(), expected.getTime()]
      return Object.is(time, other) ? undefined : `${path}: the time ${other} became ${time}`
    }
    // Objects that are left have bytes or a pattern, and no references.
    if (isPlainOrArray(expected)) return undefined
    return isDeepStrictEqual(found, expected) ? undefined : `${path}: ${name(expected)} has another content`
  }

  #list(found: readonly unknown[], expected: readonly unknown[], path: string): string | undefined {
    if (found.length !== expected.length) return `${path}: ${expected.length} became ${found.length}`
    for (const [index, each] of expected.entries()) {
      const difference = this.differ(found[index], each, `${path}[${index}]`)
      if (difference !== undefined) return difference
    }
    return undefined
  }

  #properties(found: object, expected: object, path: string): string | undefined {
    // The bytes have been compared, all at once.
    if (ArrayBuffer.isView(expected)) return undefined
    const keys = ownKeysOf(expected)
    const foundKeys = ownKeysOf(found)
    if (keys.length !== foundKeys.length || keys.some((key, index) => key !== foundKeys[index])) {
      return `${path}: the properties ${shown(keys)} became ${shown(foundKeys)}`
    }
    for (const key of keys) {
      const [own, other] = [Object.getOwnPropertyDescriptor(found, key), Object.getOwnPropertyDescriptor(expected, key)]
      const at = Array.isArray(expected) ? `${path}[${String(key)}]` : `${path}.${String(key)}`
      if (own?.enumerable !== other?.enumerable) return `${at}: it became ${own?.enumerable ? "" : "not "}enumerable`
      if (other?.get !== undefined && own?.get !== other.get) return `${at}: an accessor became a value`
      const difference = this.differ(own?.value, other?.value, at)
      if (difference !== undefined) return difference
    }
    return undefined
  }
}

function ownKeysOf(object: object): (string | symbol)[] {
  const keys = Reflect.ownKeys(object)
  // Properties of an error are in no order that anybody sees, and its stack tells where it was made.
  return object instanceof Error ? keys.filter((key) => key !== "stack").sort(byName) : keys
}

function byName(a: string | symbol, b: string | symbol): number {
  return String(a) < String(b) ? -1 : 1
}

function hasContent(object: object): boolean {
  return !(
    object instanceof Promise ||
    object instanceof WeakMap ||
    object instanceof WeakSet ||
    object instanceof WeakRef
  )
}

function isPlainOrArray(object: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(object)
  return Array.isArray(object) || prototype === Object.prototype || prototype === null
}

function isObject(value: unknown): value is object {
  return typeof value === "function" || (typeof value === "object" && value !== null)
}

function name(value: unknown): string {
  if (!isObject(value)) return Object.is(value, -0) ? "-0" : `${typeof value} ${String(value)}`.slice(0, 60)
  const prototype = Object.getPrototypeOf(value) as { constructor?: { name?: string } } | null
  return prototype === null ? "an object without a prototype" : `an object (${prototype.constructor?.name})`
}

function shown(keys: readonly (string | symbol)[]): string {
  const first = keys.slice(0, 8).map(String).join(", ")
  return `{${first}${keys.length > 8 ? `, and ${keys.length - 8} more` : ""}}`
}

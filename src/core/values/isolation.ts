import { cloneValue } from "./clone-value.js"
import { freezeStrictly } from "./freeze-strictly.js"
import { hasElementGetter, isObject, isPlainObject, lookupGetter } from "./inspect-object.js"
import { rejectSingleUse } from "./single-use.js"

/**
 * The way in which the callers of one entry share its value. `"freeze"`: all get the value itself, its arrays and plain objects
 * deep-frozen. `"clone"`: each caller gets a copy, and a value that can't be copied as it is is not kept. `"share"`: all
 * get the value itself, and promise not to change it. `"strict"`: as `"freeze"`, and a value that holds anything else is
 * not kept.
 */
export type Isolation = "freeze" | "clone" | "share" | "strict"

/** All of them, for checks and messages. */
export const ISOLATIONS: readonly Isolation[] = ["freeze", "clone", "share", "strict"]

/** A value in the form in which it is kept. */
export interface Isolated {
  readonly value: unknown
  /** The number of objects that all callers share although they could change them. */
  readonly sharedCount: number
}

/**
 * Makes a value fit to be kept for many callers. With `"clone"` each caller still needs a copy of its own.
 *
 * @throws UncacheableValueError for what can't be copied as it is (`"clone"`), what can't be frozen (`"strict"`), and what
 *   can be read only once (`"freeze"`). Whatever a hostile proxy throws, too.
 */
export function isolate(value: unknown, isolation: Isolation, subject?: string): Isolated {
  if (!isObject(value)) return { value, sharedCount: 0 }
  switch (isolation) {
    case "freeze":
      return { value, sharedCount: freezeDeep(value, subject) }
    case "strict":
      freezeStrictly(value, subject)
      return { value, sharedCount: 0 }
    case "clone":
      return { value: cloneValue(value, subject), sharedCount: 0 }
    case "share":
      return { value, sharedCount: 0 }
  }
}

/**
 * Deep-freezes arrays and plain objects in place and returns how many other objects (dates, maps, class instances,
 * typed arrays, functions, …) were found on the way. These are left as they are: all callers share them.
 *
 * Array subclasses count as arrays. The walk follows enumerable properties, by string and by symbol, because what is
 * not enumerable is usually the bookkeeping of a driver (`lastResponse`, `statement`), which must stay writable; above
 * 1,024 elements it follows only the elements of an array. No accessor runs, no recursion is needed, and cycles end.
 *
 * @throws UncacheableValueError for what can be read only once; nothing has been frozen then.
 * @throws whatever a proxy throws that does not want to be frozen; other parts of the value may be frozen by then.
 */
export function freezeDeep(value: unknown, subject?: string): number {
  if (!isObject(value)) return 0
  const { owned, sharedCount } = survey(value, subject)
  for (const node of owned) Object.freeze(node)
  return sharedCount
}

// Far from the end of the stack; what is deeper waits for its turn.
const DEEPEST_OWN = 100

/**
 * {@link freezeDeep} for a value that nobody else has: one that was made of bytes. Accessors and things that can be read
 * only once are not in it, so nothing has to be looked at before; several times as fast. Dates and maps in several places
 * are counted at each.
 */
export function freezeOwn(value: unknown): number {
  const deeper: object[] = []
  let sharedCount = freezeOwnBelow(value, 0, deeper)
  for (let node = deeper.pop(); node !== undefined; node = deeper.pop()) sharedCount += freezeOwnBelow(node, 0, deeper)
  return sharedCount
}

function freezeOwnBelow(value: unknown, depth: number, deeper: object[]): number {
  // A frozen object was met before: on a cycle, or where it is shared.
  if (!isObject(value) || Object.isFrozen(value)) return 0
  if (depth === DEEPEST_OWN) {
    deeper.push(value)
    return 0
  }
  let sharedCount = 0
  if (Array.isArray(value)) {
    Object.freeze(value)
    for (let index = 0; index < value.length; index += 1) {
      const item: unknown = value[index]
      if (typeof item === "object") sharedCount += freezeOwnBelow(item, depth + 1, deeper)
    }
    return sharedCount
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return 1
  Object.freeze(value)
  for (const name in value) {
    const item = (value as Record<string, unknown>)[name]
    if (typeof item === "object") sharedCount += freezeOwnBelow(item, depth + 1, deeper)
  }
  return sharedCount
}

/**
 * Looks for what can be read only once: the value itself, and what `freezeDeep` would reach in it.
 *
 * @throws UncacheableValueError
 */
export function assertReusable(value: unknown, subject?: string): void {
  if (isObject(value)) survey(value, subject)
}

const maxArrayForNames = 1_024

// Everything is looked at before anything is frozen, so that a rejected value stays as its loader made it.
function survey(root: object, subject: string | undefined): Survey {
  return new Survey(root, subject)
}

class Survey {
  /** Arrays and plain objects, parents before children. The list grows while it is walked: it is the queue as well. */
  readonly owned: object[] = []
  sharedCount = 0
  readonly #root: object
  readonly #subject: string | undefined
  #seen: Set<object> | undefined

  constructor(root: object, subject: string | undefined) {
    this.#root = root
    this.#subject = subject
    this.#take(root)
    for (let index = 0; index < this.owned.length; index++) {
      const node = this.owned[index] as object
      if (Array.isArray(node)) this.#walkArray(node)
      // Only an object with methods can be an iterator or a stream.
      else if (this.#walkObject(node)) rejectSingleUse(node, subject)
      const symbols = Object.getOwnPropertySymbols(node)
      if (symbols.length > 0) this.#walkProperties(node, symbols)
    }
  }

  #visit(value: object): void {
    // A flat row, the most frequent value, pays for no set.
    const seen = (this.#seen ??= new Set([this.#root]))
    const { size } = seen
    if (seen.add(value).size > size) this.#take(value)
  }

  #take(value: object): void {
    if (typeof value !== "function" && (Array.isArray(value) || isPlainObject(value))) {
      this.owned.push(value)
      return
    }
    this.sharedCount++
    if (typeof value !== "function") rejectSingleUse(value, this.#subject)
  }

  #walkArray(array: readonly unknown[]): void {
    const { length } = array
    for (let index = 0; index < length; index++) {
      if (hasElementGetter(array, index)) continue
      const value = array[index]
      if (isObject(value)) this.#visit(value)
      else if (value === undefined && !Object.hasOwn(array, index)) {
        // A hole: the length says nothing about the work any more, so go by the names.
        this.#walkProperties(array, Object.keys(array))
        return
      }
    }
    if (length > maxArrayForNames) return
    const names = Object.keys(array)
    if (names.length > length) this.#walkProperties(array, names.slice(length))
  }

  /** Visits the enumerable data properties with string keys; true if one of them is a function. */
  #walkObject(node: object): boolean {
    let hasFunction = false
    // A third faster than keys and descriptors, and rows are what is stored most. Properties of a polluted
    // Object.prototype, which `for in` finds too, are not ours to freeze.
    for (const name in node) {
      if (lookupGetter.call(node, name) !== undefined) continue
      const value = (node as Record<string, unknown>)[name]
      if (!isObject(value) || !Object.hasOwn(node, name)) continue
      this.#visit(value)
      if (typeof value === "function") hasFunction = true
    }
    return hasFunction
  }

  /** The same for the rare rest: symbols, and what a sparse array or an array with names has. */
  #walkProperties(node: object, names: readonly PropertyKey[]): void {
    for (const name of names) {
      const property = Object.getOwnPropertyDescriptor(node, name)
      if (property?.enumerable === true && isObject(property.value)) this.#visit(property.value)
    }
  }
}

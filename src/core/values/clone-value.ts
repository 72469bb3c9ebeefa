import { isA } from "../base/errors.js"
import { dateTime, kindOf, regExpFlags, regExpSource, type View, viewOf } from "./built-ins.js"
import {
  isData,
  isDirectArray,
  isDirectInstance,
  isObject,
  isPlainObject,
  lookupGetter,
  ownData,
} from "./inspect-object.js"
import { quote } from "./key-text.js"
import { misfit, type Walk } from "./place-in-value.js"
import { Refusal } from "./refusal.js"

/**
 * A copy for one caller, which shares nothing with the value that could be changed. Copied are arrays, plain objects,
 * Map, Set, Date, RegExp, URL, buffers and their views, the errors of the language with all their properties, and
 * objects of the platform that `structuredClone` brings back as they are, such as a Blob. An object in several places is
 * one object in the copy, too; copies are never frozen. Objects of another realm become objects of this one.
 *
 * Runs no accessor, needs no recursion, and ends on cycles.
 *
 * @throws UncacheableValueError naming the place of what a copy would change: class instances, functions, accessors,
 *   hidden properties and those named by symbols, memory that others share.
 */
export function cloneValue<T>(value: T, subject?: string): T {
  return isObject(value) ? (new Cloning(subject).clone(value) as T) : value
}

// The names of a large array take longer to list than its elements to copy.
const MAX_ARRAY_FOR_NAMES = 1_024

// The classes of errors that the language has; all but the first are classes below it.
const ERROR_NAMES = new Set([
  "Error",
  "AggregateError",
  "EvalError",
  "RangeError",
  "ReferenceError",
  "SyntaxError",
  "TypeError",
  "URIError",
])

class Cloning implements Walk {
  /** Objects that were met, parents before children. The list grows while it is walked: it is the queue as well. */
  readonly nodes: object[] = []
  readonly parents: number[] = []
  readonly #copies: object[] = []
  readonly #subject: string | undefined
  #seen: Map<object, object> | undefined
  /** Index of the node whose content is copied. */
  #at = -1

  constructor(subject: string | undefined) {
    this.#subject = subject
  }

  clone(root: object): object {
    const copy = this.#copyOf(root)
    for (let index = 0; index < this.nodes.length; index += 1) {
      this.#at = index
      const node = this.nodes[index] as object
      try {
        this.#fill(node, this.#copies[index] as object)
      } catch (error) {
        throw this.#explained(error, this.parents[index] as number)
      }
    }
    return copy
  }

  /** The copy of an object, which is filled when its turn comes. */
  #copyOf(value: object): object {
    // A flat row, the most frequent value, pays for no map.
    const known = this.#seen?.get(value)
    if (known !== undefined) return known
    let copy: object
    try {
      copy = this.#shell(value)
    } catch (error) {
      throw this.#explained(error, this.#at)
    }
    if (this.nodes.length === 1) this.#seen = new Map([[this.nodes[0] as object, this.#copies[0] as object]])
    this.#seen?.set(value, copy)
    this.nodes.push(value)
    this.parents.push(this.#at)
    this.#copies.push(copy)
    return copy
  }

  #explained(error: unknown, parent: number): unknown {
    if (!isA(error, Refusal)) return error
    const reason = `can't be copied as it is: it ${error.reason}. Return plain data, or choose another \`isolation\`.`
    return misfit(this, parent, error.value, this.#subject, reason)
  }

  #shell(value: object): object {
    if (Array.isArray(value)) {
      if (isDirectArray(value)) return []
    } else if (typeof value === "function") {
      throw new Refusal(value, "is a function")
    } else if (isPlainObject(value)) {
      return Object.getPrototypeOf(value) === null ? (Object.create(null) as object) : {}
    } else if (ArrayBuffer.isView(value)) return this.#viewShell(value, viewOf(value))
    else if (isErrorOfLanguage(value)) return errorShell(value)
    return builtInShell(value)
  }

  #viewShell(view: ArrayBufferView, { kind, isBuffer, buffer, byteOffset, byteLength }: View): object {
    // The memory around a Buffer is the pool of the runtime, and no part of the value.
    if (isBuffer) return Uint8Array.prototype.slice.call(view as Uint8Array)
    if (isShared(buffer)) throw new Refusal(view, "is a view of memory that others share")
    if (canResize(buffer)) throw new Refusal(view, "is a view of memory that can change its size")
    const memory = this.#copyOf(buffer)
    const View = (globalThis as unknown as Record<string, new (...parts: unknown[]) => object>)[kind]
    if (View === undefined) throw new Refusal(view, "is of a kind that this runtime does not know")
    const unit = (view as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1
    return new View(memory, byteOffset, byteLength / unit)
  }

  #fill(node: object, copy: object): void {
    if (Array.isArray(node)) this.#fillArray(node, copy as unknown[])
    else if (copy instanceof Map) {
      Map.prototype.forEach.call(node, (value, key) => copy.set(this.#part(key), this.#part(value)))
    } else if (copy instanceof Set) {
      Set.prototype.forEach.call(node, (member) => copy.add(this.#part(member)))
    } else if (copy instanceof Error) this.#fillError(node, copy)
    else if (isPlainObject(node)) this.#fillPlain(node, copy)
  }

  #part(value: unknown): unknown {
    return isObject(value) ? this.#copyOf(value) : value
  }

  #fillArray(array: readonly unknown[], copy: unknown[]): void {
    const { length } = array
    const names = Object.keys(array)
    // Elements come first, in their order.
    const isDense = length === 0 || names[length - 1] === String(length - 1)
    if (isDense) {
      for (let index = 0; index < length; index += 1) {
        if (lookupGetter.call(array, index) !== undefined) throw accessor(array, String(index))
        const value = array[index]
        if (value === undefined && !isData(array, index)) throw accessor(array, String(index))
        copy.push(isObject(value) ? this.#copyOf(value) : value)
      }
    }
    if (!isDense) this.#fillProperties(array, copy, names)
    else if (names.length > length) this.#fillProperties(array, copy, names.slice(length))
    // `length` is the one hidden property that an array has.
    if (length <= MAX_ARRAY_FOR_NAMES || !isDense) refuseHidden(array, names.length + 1)
    else if (Object.getOwnPropertySymbols(array).length > 0) throw new Refusal(array, "has a symbol as a key")
    copy.length = length
  }

  #fillPlain(node: object, copy: object): void {
    const names = Object.keys(node)
    this.#fillProperties(node, copy, names)
    refuseHidden(node, names.length)
  }

  #fillProperties(node: object, copy: object, names: readonly string[]): void {
    for (const name of names) {
      if (lookupGetter.call(node, name) !== undefined) throw accessor(node, name)
      const value = (node as Record<string, unknown>)[name]
      if (value === undefined && !isData(node, name)) throw accessor(node, name)
      const part = isObject(value) ? this.#copyOf(value) : value
      if (name === "__proto__") define(copy, name, part, true)
      else (copy as Record<string, unknown>)[name] = part
    }
  }

  #fillError(error: object, copy: Error): void {
    for (const name of Object.getOwnPropertyNames(error)) {
      // Some engines make the stack an accessor, of their own.
      if (name === "stack") {
        define(copy, name, (error as Error).stack, false)
        continue
      }
      const property = Object.getOwnPropertyDescriptor(error, name)
      if (property === undefined || !("value" in property)) throw accessor(error, name)
      define(copy, name, this.#part(property.value), property.enumerable === true)
    }
  }
}

/** Refuses an object with more properties than those that have been copied. */
function refuseHidden(node: object, count: number): void {
  const names = Reflect.ownKeys(node)
  if (names.length === count) return
  for (const name of names) {
    if (typeof name === "symbol") throw new Refusal(node, "has a symbol as a key")
    const isLength = name === "length" && Array.isArray(node)
    if (!isLength && !Object.prototype.propertyIsEnumerable.call(node, name)) {
      throw new Refusal(node, `has a property that isn't enumerable, ${quote(name)}`)
    }
  }
}

function accessor(holder: object, name: string): Refusal {
  return new Refusal(holder, `has an accessor, ${quote(name)}`)
}

function define(object: object, name: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(object, name, { value, enumerable, writable: true, configurable: true })
}

function isErrorOfLanguage(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object
  const constructor: unknown = ownData(prototype, "constructor")
  const name: unknown = typeof constructor === "function" ? ownData(constructor, "name") : undefined
  if (typeof name !== "string" || !ERROR_NAMES.has(name)) return false
  if (!isDirectInstance(value, name, name === "Error" ? 2 : 3)) return false
  // A symbol of its own could make it look like an error.
  return Object.getOwnPropertySymbols(value).length === 0 && Object.prototype.toString.call(value) === "[object Error]"
}

function errorShell(error: object): Error {
  const shell = new Error()
  if (!Object.hasOwn(error, "stack")) delete shell.stack
  return Object.setPrototypeOf(shell, Object.getPrototypeOf(error) as object) as Error
}

function builtInShell(value: object): object {
  let refusal: unknown
  try {
    switch (kindOf(value).name) {
      case "Date":
        return new Date(dateTime.call(value) as number)
      case "Map":
        return new Map()
      case "Set":
        return new Set()
      case "URL":
        return new URL((value as URL).href)
      case "RegExp": {
        const copy = new RegExp(regExpSource.call(value) as string, regExpFlags.call(value) as string)
        copy.lastIndex = ownData(value, "lastIndex") as number
        return copy
      }
      case "ArrayBuffer":
        return canResize(value) ? structuredClone(value) : (value as ArrayBuffer).slice(0)
    }
  } catch (error) {
    refusal = error
  }
  return platformClone(value) ?? raise(refusal)
}

/** A copy of an object of the platform without properties of its own, if `structuredClone` keeps its class. */
function platformClone(value: object): object | undefined {
  if (isShared(value) || Object.keys(value).length > 0) return undefined
  try {
    const copy = structuredClone(value)
    const isKept = Object.getPrototypeOf(copy) === Object.getPrototypeOf(value)
    return isKept && Reflect.ownKeys(copy).length === Reflect.ownKeys(value).length ? copy : undefined
  } catch {
    return undefined
  }
}

function isShared(memory: object): memory is SharedArrayBuffer {
  return typeof SharedArrayBuffer === "function" && memory instanceof SharedArrayBuffer
}

function canResize(memory: object): boolean {
  return (memory as { resizable?: boolean }).resizable === true
}

function raise(error: unknown): never {
  throw error
}

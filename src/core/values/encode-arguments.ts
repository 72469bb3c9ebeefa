import { InvalidKeyError, isA } from "../base/errors.js"
import { encodeBuiltIn } from "./built-ins.js"
import { digest } from "./digest.js"
import { hasElementGetter, isData, isDirectArray, isPlainObject } from "./inspect-object.js"
import { nameText, quote, step } from "./key-text.js"
import { accessorRefusal, below, instanceRefusal, Refusal, symbolRefusal } from "./refusal.js"

const hint = "Pass `key: (...args) => ...` that returns what identifies the call."

// Far beyond any sensible argument, and far from the end of the stack.
const MAX_DEPTH = 256

/**
 * The longest text of one value inside another. A longer one is replaced by its hash, so that each object adds a bounded
 * text to the ones that hold it: what stands in many places costs as much as the references to it, and not as much as
 * the tree that they would unfold to.
 */
const MAX_PART = 512

// An object of a shorter text has so few parts that it costs less to encode again than to remember. A text with a hash in
// it, behind which there may be any number of bytes, is longer.
const WORTH_REMEMBERING = 128

// Strings of one length may share a hash in a Map, so that each further one costs a comparison with all before it.
const MAX_TEXTS = 16

const LARGE = 1n << 4_096n

/**
 * The first `count` arguments as text: JavaScript-like, so that a key in a log can be read. Different for arguments that
 * a function could tell apart; the same for equal ones, whether their parts are shared or copied.
 *
 * @throws InvalidKeyError naming the path of what can't be encoded; no accessor has run then.
 */
export function encodeArguments(args: readonly unknown[], count: number): string {
  let encoder: Encoder | undefined
  let index = 0
  try {
    let text = ""
    for (; index < count; index++) {
      const part = plainText(args[index]) ?? (encoder ??= new Encoder()).encode(args[index])
      text += index === 0 ? part : `,${part}`
    }
    return text
  } catch (error) {
    if (isA(error, Refusal)) {
      const { path } = error
      const shown = path.length > 120 ? `${path.slice(0, 60)} … ${path.slice(-50)}` : path
      throw new InvalidKeyError(error.value, `args[${index}]${shown} ${error.reason}. ${hint}`)
    }
    // A hostile proxy, a detached buffer, or a text beyond what the engine can hold.
    throw new InvalidKeyError(args[index], `args[${index}] can't be read. ${hint}`, { cause: error })
  }
}

/** The text of an object that was met, and how many levels of arrays and objects lie below it. */
interface Met {
  readonly text: string
  readonly height: number
}

/** The encoding of one list of arguments, with what was met on the way. */
class Encoder {
  readonly #ancestors: object[] = []
  #met: Map<object, Met> | undefined
  #texts: Map<string | bigint, string> | undefined
  /** The depth of the deepest object below the one at hand. */
  #deepest = 0

  encode(value: unknown): string {
    if (typeof value === "object" && value !== null) return this.#object(value)
    if (typeof value === "string" && value.length > MAX_PART) return this.#long(value, quote)
    if (typeof value === "bigint" && (value <= -LARGE || value >= LARGE)) return this.#long(value, hexadecimal)
    const text = plainText(value)
    if (text === undefined) throw new Refusal(value, `is a ${typeof value}, which has no content to compare`)
    return text
  }

  /** A primitive that may stand in many places, and whose text is too long in any case. */
  #long<T extends string | bigint>(value: T, textOf: (value: T) => string): string {
    const texts = (this.#texts ??= new Map<string | bigint, string>())
    const known = texts.get(value)
    if (known !== undefined) return known
    const text = shorten(textOf(value))
    if (texts.size < MAX_TEXTS) texts.set(value, text)
    return text
  }

  #object(value: object): string {
    const ancestors = this.#ancestors
    const depth = ancestors.length
    if (ancestors.includes(value)) throw new Refusal(value, "contains itself")
    const met = this.#met?.get(value)
    if (depth + (met?.height ?? 0) >= MAX_DEPTH) {
      throw new Refusal(value, `is nested deeper than ${MAX_DEPTH} levels`)
    }
    const deepest = this.#deepest
    if (met !== undefined) {
      this.#deepest = Math.max(deepest, depth + met.height)
      return met.text
    }
    this.#deepest = depth
    ancestors.push(value)
    const text = shorten(
      Array.isArray(value)
        ? this.#array(value)
        : isPlainObject(value)
          ? this.#plain(value)
          : encodeBuiltIn(value, (member) => this.encode(member)),
    )
    ancestors.pop()
    if (depth > 0 && text.length > WORTH_REMEMBERING) {
      this.#met ??= new Map()
      this.#met.set(value, { text, height: this.#deepest - depth })
    }
    this.#deepest = Math.max(deepest, this.#deepest)
    return text
  }

  #array(array: readonly unknown[]): string {
    if (!isDirectArray(array)) throw instanceRefusal(array)
    const { length } = array
    const names = Object.getOwnPropertyNames(array).length - 1
    if (names < length) throw new Refusal(array, "has holes")
    let text = "["
    for (let index = 0; index < length; index++) {
      if (hasElementGetter(array, index)) throw below(`[${index}]`, accessorRefusal(array))
      const value = array[index]
      // A property with a setter only has no value, and neither has a hole that an extra name made up for.
      if (value === undefined && !isData(array, index)) throw below(`[${index}]`, accessorRefusal(array))
      try {
        const element = this.encode(value)
        text += index === 0 ? element : `,${element}`
      } catch (error) {
        throw below(`[${index}]`, error)
      }
    }
    if (names > length) throw new Refusal(array, "is an array with properties that have names")
    if (Object.getOwnPropertySymbols(array).length > 0) throw symbolRefusal(array)
    return `${text}]`
  }

  #plain(object: object): string {
    if (Object.getOwnPropertySymbols(object).length > 0) throw symbolRefusal(object)
    const names = Object.getOwnPropertyNames(object)
    sort(names)
    let text = "{"
    for (const name of names) {
      const property = Object.getOwnPropertyDescriptor(object, name)
      if (property === undefined || !("value" in property)) throw below(step(name), accessorRefusal(object))
      if (!property.enumerable) throw below(step(name), new Refusal(object, "is a property that isn't enumerable"))
      try {
        const value = this.encode(property.value)
        text += `${text.length > 1 ? "," : ""}${name.length > MAX_PART ? this.encode(name) : nameText(name)}:${value}`
      } catch (error) {
        throw below(step(name), error)
      }
    }
    return `${text}}`
  }
}

/** The text of a primitive of sensible length; undefined for everything else. */
function plainText(value: unknown): string | undefined {
  switch (typeof value) {
    case "string":
      return value.length > MAX_PART ? undefined : shorten(quote(value))
    case "number":
      return value === 0 && 1 / value < 0 ? "-0" : String(value)
    case "boolean":
      return value ? "true" : "false"
    case "undefined":
      return "undefined"
    case "bigint":
      return -LARGE < value && value < LARGE ? shorten(`${value}n`) : undefined
    case "object":
      return value === null ? "null" : undefined
    case "function":
    case "symbol":
      return undefined
  }
}

/** The text itself, or a hash of it that no other text begins like. */
function shorten(text: string): string {
  // 128 digits make the whole encoding too long to be kept, so that this hash is never seen in an id.
  return text.length > MAX_PART ? `#${digest("sha512", text, "hex")}` : text
}

// The decimal digits of a huge number take longer than linear.
function hexadecimal(value: bigint): string {
  return value < 0n ? `-0x${(-value).toString(16)}n` : `0x${value.toString(16)}n`
}

// Short lists are nearly sorted as people write them; Array.prototype.sort costs 100 ns before it begins.
function sort(names: string[]): void {
  if (names.length > 12) {
    names.sort()
    return
  }
  for (let index = 1; index < names.length; index++) {
    const name = names[index] as string
    let position = index
    while (position > 0 && (names[position - 1] as string) > name) {
      names[position] = names[position - 1] as string
      position--
    }
    names[position] = name
  }
}

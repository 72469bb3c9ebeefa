import { partsOf } from "../ports/made-of.js"

/** Options that hold state: the same only if they are one, or made of the same by this library. */
const STATEFUL = new Set(["backend", "log", "store", "codec", "clock", "client", "subscriber"])

type Options = Readonly<Record<string, unknown>>

/**
 * The name of the first option that differs; undefined where all say the same.
 *
 * Functions are the same where their source text is: a module that is loaded again makes others of the same text.
 *
 * @param areFunctionsTheSame for copies of one module: a bundler may name differently what a function of each refers to
 */
export function differingOption(a: object, b: object, areFunctionsTheSame: boolean): string | undefined {
  const [ofA, ofB] = [a as Options, b as Options]
  const names = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...names].find((name) => {
    const isSame = STATEFUL.has(name) ? isSamePart : isSameValue
    return !isSame(ofA[name], ofB[name], areFunctionsTheSame)
  })
}

function isSameValue(a: unknown, b: unknown, areFunctionsTheSame: boolean): boolean {
  if (Object.is(a, b)) return true
  if (typeof a === "function" && typeof b === "function") return areFunctionsTheSame || isSameText(a, b)
  if (!isObject(a) || !isObject(b)) return false
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    return a.length === b.length && a.every((byte, index) => byte === b[index])
  }
  const isComparable = Array.isArray(a) ? Array.isArray(b) && a.length === b.length : isPlain(a) && isPlain(b)
  return isComparable && differingOption(a, b, areFunctionsTheSame) === undefined
}

function isSamePart(a: unknown, b: unknown, areFunctionsTheSame: boolean): boolean {
  if (Object.is(a, b)) return true
  const [partsOfA, partsOfB] = [partsOf(a), partsOf(b)]
  return partsOfA !== undefined && partsOfB !== undefined && isSameValue(partsOfA, partsOfB, areFunctionsTheSame)
}

/** Functions of the engine and bound ones show no text of their own. */
function isSameText(a: unknown, b: unknown): boolean {
  const text = Function.prototype.toString.call(a)
  return text === Function.prototype.toString.call(b) && !text.endsWith("{ [native code] }")
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

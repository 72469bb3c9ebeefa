import { types } from "node:util"
import { hasElementGetter, isPlainObject, lookupGetter } from "../core/values/inspect-object.js"
import { isAscii, isWellFormed } from "./header.js"
import { MAX_DEPTH } from "./type-codes.js"

/** The value holds more than JSON has, or what can't be written at all: for `Lowering` to tell. */
export const NOT_PLAIN = -1

// The walk that is under way. Each is over before the next begins: no code of others runs.
let room = 0
let hasOnlyAscii = true
let root: object | undefined
let seen: Set<object> | undefined

/**
 * How many bytes a value takes at least, if it is what MessagePack can hold by itself and bring back as it is: `null`,
 * booleans, numbers but -0, well-formed text, and dense arrays and plain objects of these, each in one place only.
 * Otherwise `NOT_PLAIN`; and more than `limit` as soon as it is more.
 */
export function plainSize(value: unknown, limit: number): number {
  room = limit
  hasOnlyAscii = true
  try {
    return isPlain(value, 0) || room < 0 ? limit - room : NOT_PLAIN
  } finally {
    root = undefined
    seen = undefined
  }
}

/** Whether all texts of the value that was last looked at were ASCII; if it was plain. */
export function wasAscii(): boolean {
  return hasOnlyAscii
}

/** False also if there is no room. */
function isPlain(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case "string":
      room -= value.length + 1
      return room >= 0 && isText(value)
    case "number":
      room -= 1
      return value !== 0 || 1 / value > 0
    case "boolean":
      room -= 1
      return true
    case "object":
      room -= 1
      return value === null || (room >= 0 && isPlainNode(value, depth + 1))
    case "undefined":
    case "bigint":
    case "function":
    case "symbol":
      return false
  }
}

function isPlainNode(node: object, depth: number): boolean {
  // Looking into a proxy would run code of others.
  if (depth > MAX_DEPTH || types.isProxy(node) || !isFirst(node)) return false
  return Array.isArray(node) ? isPlainArray(node, depth) : isPlainRecord(node, depth)
}

function isFirst(node: object): boolean {
  // A flat row, the most frequent value, pays for no set.
  if (root === undefined) {
    root = node
    return true
  }
  seen ??= new Set([root])
  const { size } = seen
  return seen.add(node).size > size
}

function isPlainArray(array: readonly unknown[], depth: number): boolean {
  if (Object.getPrototypeOf(array) !== Array.prototype) return false
  const { length } = array
  // A hole makes them fewer, a name makes them more; both at once are found below.
  if (Object.keys(array).length !== length || Object.getOwnPropertySymbols(array).length > 0) return false
  for (let index = 0; index < length; index++) {
    if (hasElementGetter(array, index) || !isPlain(array[index], depth)) return false
  }
  return true
}

function isPlainRecord(record: object, depth: number): boolean {
  if (!isPlainObject(record) || Object.getPrototypeOf(record) === null) return false
  let count = 0
  for (const name in record) {
    count++
    room -= name.length
    if (lookupGetter.call(record, name) !== undefined || name === "__proto__" || !isText(name)) return false
    // A property with a setter only is undefined, hence not plain.
    if (!isPlain((record as Record<string, unknown>)[name], depth)) return false
  }
  // Too few: there are others by symbol, or hidden. Too many: Object.prototype has some of them.
  return Object.getOwnPropertySymbols(record).length === 0 && Object.getOwnPropertyNames(record).length === count
}

function isText(value: string): boolean {
  if (isAscii(value)) return true
  hasOnlyAscii = false
  return isWellFormed(value)
}

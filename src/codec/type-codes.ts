/*
 * Codes for values that JSON does not have. An entry with a flag for it holds a tree of JSON's values and of byte strings,
 * and every byte string in it is a mark; its first byte says which.
 *
 * Leaves stand for a value and hold it in their other bytes. The rest are one byte long and stand first in an array
 * whose other elements belong to them, each in the same form.
 *
 * MessagePack's own extensions would do most of this, but msgpackr keeps one table of them for the whole process, in
 * which anybody may replace any of them; and its dates, errors, -0 and `__proto__` don't come back as they were.
 */

// Leaves.
export const UNDEFINED = 0
export const NEGATIVE_ZERO = 1
/** Milliseconds as a 64-bit float; NaN for an invalid one. */
export const DATE = 2
/** A sign (0 or 1), then the magnitude, most significant byte first. */
export const BIGINT = 3
/** UTF-16 code units, for text with lone surrogates. */
export const TEXT = 4
/** The kind, an index into {@link VIEW_KINDS}, then the memory. */
export const BYTES = 5

/** Marks from here on stand first in an array. */
export const FIRST_COMPOSITE = 32
/** Keys and values in turn: for keys that are no UTF-8, and for `__proto__`. */
export const OBJECT = 32
/** The same without a prototype. */
export const BARE_OBJECT = 33
/** Keys and values in turn. */
export const MAP = 34
export const SET = 35
/** Source, flags, lastIndex. */
export const REGEXP = 36
/** Name of the class; hidden properties, keys and values in turn, as an array; enumerable ones likewise. */
export const ERROR = 37
export const URL_MARK = 38
/** Name of a registered type, and what its encoder returned. */
export const USER = 39
/** A number, and a value that stands at several places: here for the first time. */
export const DEFINE = 40
/** The number of that value. */
export const REFERENCE = 41

/** Little-endian where their elements have several bytes. New kinds go to the end. */
export const VIEW_KINDS = [
  "Buffer",
  "ArrayBuffer",
  "DataView",
  "Int8Array",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "Float32Array",
  "Float64Array",
  "BigInt64Array",
  "BigUint64Array",
  "Float16Array",
]

/** The classes of errors that come back; others can be registered. */
export const ERROR_CLASSES = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
  AggregateError,
}

export type ErrorName = keyof typeof ERROR_CLASSES

export function isErrorName(name: unknown): name is ErrorName {
  return typeof name === "string" && Object.hasOwn(ERROR_CLASSES, name)
}

/** Values may be nested so deeply: far beyond what data usually is, and far from the end of the stack. */
export const MAX_DEPTH = 512

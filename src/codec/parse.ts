import { CorruptEntryError } from "../core/base/errors.js"
import { isFarIndex, keepSparse } from "./far-index.js"
import { isAscii as isAsciiText, viewOf } from "./header.js"
import { ARRAY, FIRST_SHAPE, MAX_NAMES, MAX_SHAPES, NEW_SHAPE } from "./shaping.js"
import { latin1Slice, utf8Slice } from "./slices.js"

/** V8 copies shorter parts of a text; a longer one would keep the whole text alive. */
const COPIED_BELOW = 13
/** Up to here the whole value is made a text once, of which short texts are parts: a fifth of what each costs by itself. */
const WHOLE_UP_TO = 64 * 1024
/** A text of more bytes is left to the engine to look at. */
const LOOKED_AT_UP_TO = 64
const LONGEST_KEPT_NAME = 31
/** Names of properties as last met, by their hash. A power of two. */
const KEPT_NAMES = 1024

const names = new Array<string | undefined>(KEPT_NAMES).fill(undefined)
const nothing = new Uint8Array(0)
const noView = viewOf(nothing)
/** In four bytes at once: none of them is ASCII where its highest bit is set. */
const HIGH_BITS = 0x80808080 | 0

// The value that is being read. Each is read before the next begins: no code of others runs.
let bytes: Uint8Array = nothing
let view = noView
let at = 0
let from = 0
let whole: string | undefined
let freezes = false
let hasOnlyAscii = false
let isShaped = false
const shapes: Shape[] = []

interface Shape {
  readonly names: readonly string[]
  readonly hasFarIndex: boolean
}

interface KeptShape {
  readonly shape: Shape
  /** How the names are written, behind their number. */
  readonly written: Uint8Array
}

/** The last shape of each number of names: the rows of one query follow on those of the same. */
const keptShapes = new Array<KeptShape | undefined>(MAX_NAMES + 1).fill(undefined)
const LONGEST_KEPT_SHAPE = 1024

export interface ParseOptions {
  /** All texts are ASCII, as the entry says. */
  readonly hasOnlyAscii: boolean
  /** See shaping.ts. */
  readonly isShaped: boolean
  /** Freezes each array and object when it is made. */
  readonly isFrozen: boolean
}

/**
 * Makes the value that MessagePack bytes stand for, which `scan` has found to be good: nothing is checked again here
 * but the names of properties and the shapes of objects. Byte strings are views of the source, for `Raising` to copy.
 *
 * Bytes from outside meet no reader that can do more than this; and on rows it is quicker than msgpackr, which a hit of the
 * shared tier feels.
 *
 * @throws CorruptEntryError
 */
export function parse(source: Uint8Array, start: number, end: number, options: ParseOptions): unknown {
  freezes = options.isFrozen
  hasOnlyAscii = options.hasOnlyAscii
  isShaped = options.isShaped
  bytes = source
  view = viewOf(source)
  at = from = start
  whole = end - start <= WHOLE_UP_TO ? latin1Slice.call(source, start, end) : undefined
  try {
    return parseNext()
  } finally {
    bytes = nothing
    view = noView
    whole = undefined
    if (isShaped) shapes.length = 0
  }
}

function parseNext(): unknown {
  const token = bytes[at++] as number
  if (token < 0x80) return token
  if (token >= 0xa0 && token < 0xc0) return parseText(token - 0xa0)
  if (token >= 0xe0) return token - 0x100
  if (token < 0x90) return parseObject(token & 0x0f)
  if (token < 0xa0) return parseArray(token & 0x0f)
  switch (token) {
    case 0xc0:
      return null
    case 0xc2:
      return false
    case 0xc3:
      return true
    case 0xc4:
      return parseBytes(unsigned(1))
    case 0xc5:
      return parseBytes(unsigned(2))
    case 0xc6:
      return parseBytes(unsigned(4))
    case 0xcb:
      at += 8
      return view.getFloat64(at - 8)
    case 0xcc:
      return unsigned(1)
    case 0xcd:
      return unsigned(2)
    case 0xce:
      return unsigned(4)
    case 0xd0:
      return (unsigned(1) << 24) >> 24
    case 0xd1:
      return (unsigned(2) << 16) >> 16
    case 0xd2:
      return unsigned(4) | 0
    case 0xd9:
      return parseText(unsigned(1))
    case 0xda:
      return parseText(unsigned(2))
    case 0xdb:
      return parseText(unsigned(4))
    case 0xdc:
      return parseArray(unsigned(2))
    case 0xdd:
      return parseArray(unsigned(4))
    case 0xde:
      return parseObject(unsigned(2))
    case 0xdf:
      return parseObject(unsigned(4))
    default:
      throw new CorruptEntryError(`its value has a token ${token.toString(16)}, which is never written`)
  }
}

function unsigned(width: 1 | 2 | 4): number {
  const first = bytes[at++] as number
  if (width === 1) return first
  const high = (first << 8) | (bytes[at++] as number)
  if (width === 2) return high
  const low = ((bytes[at++] as number) << 8) | (bytes[at++] as number)
  return high * 0x10000 + low
}

function parseArray(length: number): object {
  if (!isShaped || length === 0) return parseElements(length)
  const kind = bytes[at++] as number
  if (kind === ARRAY) return parseElements(length - 1)
  if (kind === NEW_SHAPE) return parseShaped(parseShape(), length - 2)
  const shape = shapes[kind - FIRST_SHAPE]
  if (shape === undefined) throw new CorruptEntryError("its value has an object of no shape")
  return parseShaped(shape, length - 1)
}

function parseElements(length: number): readonly unknown[] {
  const array: unknown[] = []
  for (let index = 0; index < length; index++) array.push(parseNext())
  return freezes ? Object.freeze(array) : array
}

function parseObject(count: number): object {
  const object: Record<string, unknown> = {}
  let isSparse = false
  for (let index = 0; index < count; index++) {
    const name = parseName()
    if (!isSparse && isFarIndex(name)) {
      keepSparse(object)
      isSparse = true
    }
    object[name] = parseNext()
  }
  return freezes ? Object.freeze(object) : object
}

function parseShaped({ names: shape, hasFarIndex }: Shape, count: number): object {
  if (count !== shape.length) throw new CorruptEntryError("its value has an object that is not of its shape")
  const object: Record<string, unknown> = {}
  if (hasFarIndex) keepSparse(object)
  for (let index = 0; index < count; index++) object[shape[index] as string] = parseNext()
  return freezes ? Object.freeze(object) : object
}

function parseShape(): Shape {
  const token = bytes[at++] as number
  const count = token === 0xdc ? unsigned(2) : token - 0x90
  if (!(count >= 0) || count > MAX_NAMES || (token !== 0xdc && count > 15) || shapes.length === MAX_SHAPES) {
    throw new CorruptEntryError("its value has a shape that is none")
  }
  const kept = keptShapes[count]
  if (kept !== undefined && isNext(kept.written)) {
    at += kept.written.length
    shapes.push(kept.shape)
    return kept.shape
  }
  const start = at
  const names: string[] = []
  let hasFarIndex = false
  for (let index = 0; index < count; index++) {
    const name = parseName()
    hasFarIndex ||= isFarIndex(name)
    names.push(name)
  }
  const shape = { names, hasFarIndex }
  shapes.push(shape)
  // An entry's word on its texts is not to be trusted beyond that entry.
  if (at - start <= LONGEST_KEPT_SHAPE && names.every(isAsciiText)) {
    keptShapes[count] = { shape, written: Uint8Array.prototype.slice.call(bytes, start, at) }
  }
  return shape
}

function isNext(written: Uint8Array): boolean {
  for (let index = 0; index < written.length; index++) if (bytes[at + index] !== written[index]) return false
  return true
}

function parseBytes(length: number): Uint8Array {
  const start = at
  at += length
  return bytes.subarray(start, at)
}

function parseText(length: number): string {
  const start = at
  const end = (at += length)
  if (!hasOnlyAscii && (length > LOOKED_AT_UP_TO || !isAscii(start, end))) return utf8Slice.call(bytes, start, end)
  if (length >= COPIED_BELOW || whole === undefined) return latin1Slice.call(bytes, start, end)
  return whole.substring(start - from, end - from)
}

function parseName(): string {
  const token = bytes[at] as number
  const length = token - 0xa0
  if (length < 0 || length > LONGEST_KEPT_NAME) return parseRareName()
  const start = ++at
  const end = (at += length)
  const hash = hashOf(start, length) & (KEPT_NAMES - 1)
  const kept = names[hash]
  if (kept?.length === length) {
    let index = 0
    while (index < length && kept.charCodeAt(index) === bytes[start + index]) index++
    if (index === length) return kept
  }
  at = start
  const name = checkedName(parseText(length))
  // Names are compared byte by byte; and an entry's word on its texts is not to be trusted beyond that entry.
  if (!isAscii(start, end)) return name
  // The engine keeps each name once; this finds the one that it keeps, which is quicker to use than an equal one.
  const [known] = Object.keys({ [name]: 0 }) as [string]
  return (names[hash] = known)
}

/** Hash of four of a name's bytes: names that are met together often begin and end alike: `minPrice`, `maxPrice`. */
function hashOf(start: number, length: number): number {
  if (length < 2) return length === 0 ? 0 : (bytes[start] as number)
  const ends = (bytes[start] as number) * 7 + (bytes[start + length - 1] as number)
  return length * 31 + ends + (bytes[start + 1] as number) * 59 + (bytes[start + (length >> 1)] as number) * 131
}

function parseRareName(): string {
  const name = parseNext()
  if (typeof name !== "string") throw new CorruptEntryError("a property in its value has a name that is no text")
  return checkedName(name)
}

/** An object with a property of this name is written in another way: setting it would set the prototype. */
function checkedName(name: string): string {
  if (name === "__proto__") throw new CorruptEntryError("a property in its value is called `__proto__`")
  return name
}

function isAscii(start: number, end: number): boolean {
  let index = start
  for (; index <= end - 4; index += 4) if ((view.getInt32(index) & HIGH_BITS) !== 0) return false
  for (; index < end; index++) if ((bytes[index] as number) >= 0x80) return false
  return true
}

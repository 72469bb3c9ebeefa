import { CorruptEntryError } from "../core/base/errors.js"
import { isFarIndex, keepSparse } from "./far-index.js"
import {
  BARE_OBJECT,
  BIGINT,
  BYTES,
  DATE,
  DEFINE,
  ERROR,
  ERROR_CLASSES,
  FIRST_COMPOSITE,
  isErrorName,
  MAP,
  NEGATIVE_ZERO,
  OBJECT,
  REFERENCE,
  REGEXP,
  SET,
  TEXT,
  UNDEFINED,
  URL_MARK,
  USER,
  VIEW_KINDS,
} from "./type-codes.js"
import type { UserTypes } from "./user-types.js"

/** Enters a value under its number, before its parts are raised: one of them may be itself. */
type Enter = (value: object) => void

/**
 * Turns a tree of marks (see type-codes.ts) into the value that it stands for. The tree is used up. Nothing in it is trusted.
 */
export class Raising {
  readonly #types: UserTypes
  readonly #defined = new Map<unknown, unknown>()

  constructor(types: UserTypes) {
    this.#types = types
  }

  /** @throws CorruptEntryError, and what a constructor or a decoder throws. */
  raise(lowered: unknown, enter?: Enter): unknown {
    if (typeof lowered !== "object" || lowered === null) return lowered
    if (lowered instanceof Uint8Array) return entered(raiseLeaf(lowered), enter)
    if (Array.isArray(lowered)) {
      const mark: unknown = lowered[0]
      if (mark instanceof Uint8Array && (mark[0] as number) >= FIRST_COMPOSITE) {
        if (mark.length !== 1) throw malformed()
        return this.#composite(mark[0] as number, lowered, enter)
      }
      enter?.(lowered)
      for (let index = 0; index < lowered.length; index++) {
        const part: unknown = lowered[index]
        if (typeof part === "object" && part !== null) lowered[index] = this.raise(part)
      }
      return lowered
    }
    enter?.(lowered)
    const record = lowered as Record<string, unknown>
    // There is no property `__proto__` in what was parsed, so that this sets none.
    for (const name in record) {
      if (!Object.hasOwn(record, name)) continue
      const part = record[name]
      if (typeof part === "object" && part !== null) record[name] = this.raise(part)
    }
    return record
  }

  #composite(mark: number, parts: readonly unknown[], enter: Enter | undefined): unknown {
    switch (mark) {
      case OBJECT:
      case BARE_OBJECT: {
        const object = mark === OBJECT ? {} : (Object.create(null) as object)
        enter?.(object)
        this.#define(object, parts, 1, true)
        return object
      }
      case MAP: {
        if (parts.length % 2 === 0) throw malformed()
        const map = new Map<unknown, unknown>()
        enter?.(map)
        for (let index = 1; index < parts.length; index += 2) {
          map.set(this.raise(parts[index]), this.raise(parts[index + 1]))
        }
        return map
      }
      case SET: {
        const set = new Set<unknown>()
        enter?.(set)
        for (let index = 1; index < parts.length; index++) set.add(this.raise(parts[index]))
        return set
      }
      case REGEXP:
        return entered(this.#regExp(parts), enter)
      case ERROR:
        return this.#error(parts, enter)
      case URL_MARK:
        if (parts.length !== 2) throw malformed()
        return entered(new URL(this.#text(parts[1])), enter)
      case USER:
        return this.#user(parts, enter)
      case DEFINE: {
        const [, id, value] = parts
        if (parts.length !== 3 || enter !== undefined || this.#defined.has(id)) throw malformed()
        if (typeof value !== "object" || value === null) throw malformed()
        return this.raise(value, (raised) => this.#defined.set(id, raised))
      }
      case REFERENCE:
        if (parts.length !== 2 || !this.#defined.has(parts[1])) throw malformed()
        return this.#defined.get(parts[1])
      default:
        throw malformed()
    }
  }

  /** Keys and values in turn. */
  #define(object: object, parts: readonly unknown[], from: number, enumerable: boolean): void {
    if ((parts.length - from) % 2 !== 0) throw malformed()
    let isSparse = false
    for (let index = from; index < parts.length; index += 2) {
      const value = this.raise(parts[index + 1])
      const name = this.#text(parts[index])
      if (!isSparse && isFarIndex(name)) {
        keepSparse(object)
        isSparse = true
      }
      // Unlike an assignment this makes an own property of `__proto__`.
      Object.defineProperty(object, name, { value, enumerable, writable: true, configurable: true })
    }
  }

  #text(lowered: unknown): string {
    const text = lowered instanceof Uint8Array ? raiseLeaf(lowered) : lowered
    if (typeof text !== "string") throw malformed()
    return text
  }

  #regExp(parts: readonly unknown[]): RegExp {
    const [, source, flags, lastIndex] = parts
    if (parts.length !== 4 || typeof flags !== "string" || !Number.isSafeInteger(lastIndex)) throw malformed()
    const regExp = new RegExp(this.#text(source), flags)
    regExp.lastIndex = lastIndex as number
    return regExp
  }

  #error(parts: readonly unknown[], enter: Enter | undefined): Error {
    const [, name, hidden, visible] = parts
    if (parts.length !== 4 || !isErrorName(name) || !Array.isArray(hidden) || !Array.isArray(visible)) throw malformed()
    const error = bareError(name)
    enter?.(error)
    this.#define(error, hidden, 0, false)
    this.#define(error, visible, 0, true)
    return error
  }

  #user(parts: readonly unknown[], enter: Enter | undefined): unknown {
    if (parts.length !== 3) throw malformed()
    const name = this.#text(parts[1])
    const type = this.#types.byName.get(name)
    if (type === undefined) {
      throw new CorruptEntryError(`it holds a value of the type ${JSON.stringify(name)}, which is not registered here`)
    }
    const data = this.raise(parts[2])
    try {
      return entered(type.decode(data), enter)
    } catch (error) {
      throw new CorruptEntryError(`the decoder of the type ${JSON.stringify(name)} failed`, error)
    }
  }
}

function entered(value: unknown, enter: Enter | undefined): unknown {
  if (enter !== undefined) {
    if (typeof value !== "object" || value === null) throw malformed()
    enter(value)
  }
  return value
}

function raiseLeaf(mark: Uint8Array): unknown {
  switch (mark[0] as number) {
    case UNDEFINED:
      if (mark.length !== 1) throw malformed()
      return undefined
    case NEGATIVE_ZERO:
      if (mark.length !== 1) throw malformed()
      return -0
    case DATE:
      if (mark.length !== 9) throw malformed()
      return new Date(new DataView(mark.buffer, mark.byteOffset).getFloat64(1, true))
    case BIGINT: {
      if (mark.length < 3 || (mark[1] as number) > 1) throw malformed()
      const magnitude = BigInt(`0x${bufferOf(mark, 2).toString("hex")}`)
      return mark[1] === 1 ? -magnitude : magnitude
    }
    case TEXT:
      if (mark.length % 2 === 0) throw malformed()
      return bufferOf(mark, 1).toString("utf16le")
    case BYTES:
      return raiseMemory(mark)
    default:
      throw malformed()
  }
}

function raiseMemory(mark: Uint8Array): unknown {
  const kind = VIEW_KINDS[mark[1] as number]
  if (mark.length < 2 || kind === undefined) throw malformed()
  // Memory of its own: the bytes are the store's, and aligned they are not.
  const memory = new ArrayBuffer(mark.length - 2)
  new Uint8Array(memory).set(bufferOf(mark, 2))
  if (kind === "Buffer") return Buffer.from(memory)
  if (kind === "ArrayBuffer") return memory
  const View = (globalThis as unknown as Record<string, (new (memory: ArrayBuffer) => object) | undefined>)[kind]
  if (View === undefined) throw new CorruptEntryError(`it holds a ${kind}, which this version of Node.js does not have`)
  return new View(memory)
}

function bufferOf(bytes: Uint8Array, from: number): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, bytes.length - from)
}

/** An error without properties of its own. */
function bareError(name: keyof typeof ERROR_CLASSES): Error {
  const { stackTraceLimit } = Error
  let error: Error
  try {
    // The stack of this place is thrown away, and costs more than all the rest.
    Error.stackTraceLimit = 0
    error = name === "AggregateError" ? new AggregateError([]) : new ERROR_CLASSES[name]()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
  for (const key of Reflect.ownKeys(error)) Reflect.deleteProperty(error, key)
  return error
}

function malformed(): CorruptEntryError {
  return new CorruptEntryError("its value is not put together as this version writes it")
}

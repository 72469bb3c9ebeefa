import { digest } from "./digest.js"
import { isDirectInstance, ownData } from "./inspect-object.js"
import { MAX_READABLE, quote } from "./key-text.js"
import { below, instanceRefusal, Refusal, symbolRefusal } from "./refusal.js"

// Built-in classes are told by their internal slots: they come from any realm, and `instanceof` can be lied to.

/** Encodes what a Map or Set holds. */
export type Encode = (value: unknown) => string

type Probe = (this: unknown) => unknown

/** An accessor as the platform has it, whatever an object has of that name. */
export function getter(prototype: object, name: PropertyKey): Probe {
  return (Object.getOwnPropertyDescriptor(prototype, name) as { get: Probe }).get
}

/** The same of a method. */
export function method(prototype: object, name: PropertyKey): Probe {
  return (Object.getOwnPropertyDescriptor(prototype, name) as { value: Probe }).value
}

/** `Date.prototype` of the platform: a test tool may have put a class on top of it before this library is loaded. */
function datePrototype(): object {
  let prototype = Date.prototype as object
  while (!Object.hasOwn(prototype, "getTime")) prototype = Object.getPrototypeOf(prototype) as object
  return prototype
}

export const typedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype) as object
const typedArrayKind = getter(typedArrayPrototype, Symbol.toStringTag)
const typedArrayParts = [
  getter(typedArrayPrototype, "buffer"),
  getter(typedArrayPrototype, "byteOffset"),
  getter(typedArrayPrototype, "byteLength"),
] as const
const dataViewParts = [
  getter(DataView.prototype, "buffer"),
  getter(DataView.prototype, "byteOffset"),
  getter(DataView.prototype, "byteLength"),
] as const
const typedArrayLength = getter(typedArrayPrototype, "length")

export const dateTime = method(datePrototype(), "getTime")
export const regExpSource = getter(RegExp.prototype, "source")
export const regExpFlags = getter(RegExp.prototype, "flags")
const urlHref = getter(URL.prototype, "href")

type Name = "Date" | "Map" | "Set" | "URL" | "RegExp" | "ArrayBuffer"

/** A kind of built-in objects. */
export interface Kind {
  readonly name: Name
  /** Spares values of other kinds the cost of a thrown TypeError. */
  readonly member: string
  /** Throws for a value of another kind. */
  readonly probe: Probe
  readonly encode: (value: object, encode: Encode) => string
}

const kinds: readonly Kind[] = [
  { name: "Date", member: "getTime", probe: dateTime, encode: (value) => `Date(${String(dateTime.call(value))})` },
  {
    name: "Map",
    member: "get",
    probe: getter(Map.prototype, "size"),
    encode: (value, encode) => encodeMap(value as ReadonlyMap<unknown, unknown>, encode),
  },
  {
    name: "Set",
    member: "add",
    probe: getter(Set.prototype, "size"),
    encode: (value, encode) => encodeSet(value as ReadonlySet<unknown>, encode),
  },
  { name: "URL", member: "href", probe: urlHref, encode: (value) => `URL(${quote(String(urlHref.call(value)))})` },
  { name: "RegExp", member: "exec", probe: regExpSource, encode: encodeRegExp },
  {
    name: "ArrayBuffer",
    member: "slice",
    probe: getter(ArrayBuffer.prototype, "byteLength"),
    encode: (value) => `ArrayBuffer(${encodeBytes(new Uint8Array(value as ArrayBuffer))})`,
  },
]

/** The text of a built-in object; `encode` is for what a Map or Set holds. Throws a Refusal for any other object. */
export function encodeBuiltIn(value: object, encode: Encode): string {
  if (ArrayBuffer.isView(value)) return encodeView(viewOf(value))
  return kindOf(value).encode(value, encode)
}

/**
 * The kind of a built-in object without properties of its own. Throws a Refusal for a view, and for everything that may
 * have more state than its kind has.
 */
export function kindOf(value: object): Kind {
  const kind = kinds.find((candidate) => isOfKind(value, candidate))
  if (kind === undefined) throw instanceRefusal(value)
  // A subclass may have state of its own. The Date of fake timers is one, and says so by its own `constructor`.
  const isFakeDate =
    kind.name === "Date" && (Object.getPrototypeOf(value) === Date.prototype || Object.hasOwn(value, "constructor"))
  if (!isFakeDate && !isDirectInstance(value, kind.name, 2)) throw instanceRefusal(value)
  for (const name of Object.getOwnPropertyNames(value)) {
    if ((kind.name === "RegExp" && name === "lastIndex") || (isFakeDate && name === "constructor")) continue
    throw new Refusal(value, `is a ${kind.name} with a property of its own, ${quote(name)}`)
  }
  // The URL of some runtimes keeps its state under symbols.
  if (kind.name !== "URL" && Object.getOwnPropertySymbols(value).length > 0) throw symbolRefusal(value)
  return kind
}

function isOfKind(value: object, { member, probe }: Kind): boolean {
  if (!(member in value)) return false
  try {
    probe.call(value)
    return true
  } catch {
    return false
  }
}

function encodeMap(map: ReadonlyMap<unknown, unknown>, encode: Encode): string {
  const members: string[] = []
  Map.prototype.forEach.call(map, (value: unknown, key: unknown) => {
    try {
      members.push(`${encode(key)}=>${encode(value)}`)
    } catch (error) {
      throw below(typeof key === "string" ? `.get(${quote(key)})` : `.entries()[${members.length}]`, error)
    }
  })
  return `Map(${members.sort().join(",")})`
}

function encodeSet(set: ReadonlySet<unknown>, encode: Encode): string {
  const members: string[] = []
  Set.prototype.forEach.call(set, (value: unknown) => {
    try {
      members.push(encode(value))
    } catch (error) {
      throw below(`.values()[${members.length}]`, error)
    }
  })
  return `Set(${members.sort().join(",")})`
}

function encodeRegExp(value: object): string {
  const position = ownData(value, "lastIndex")
  if (typeof position !== "number") throw new Refusal(value, "is a RegExp whose lastIndex is no number")
  const content = `${quote(String(regExpSource.call(value)))},${quote(String(regExpFlags.call(value)))}`
  // The place where a global expression goes on matching is part of its state.
  return position === 0 ? `RegExp(${content})` : `RegExp(${content},${position})`
}

// Elements of several bytes lie in memory as the machine likes them, and a fleet may be mixed.
const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

/** The part of a buffer that a typed array or DataView shows. */
export interface View {
  readonly kind: string
  readonly isBuffer: boolean
  readonly buffer: ArrayBufferLike
  readonly byteOffset: number
  readonly byteLength: number
}

/** The parts of a view without properties of its own. Throws a Refusal for an instance of a subclass. */
export function viewOf(view: ArrayBufferView): View {
  const kind = typedArrayKind.call(view) as string | undefined
  let isBuffer = false
  if (kind === undefined) {
    if (!isDirectInstance(view, "DataView", 2)) throw instanceRefusal(view)
    if (Object.getOwnPropertyNames(view).length > 0) throw new Refusal(view, "is a DataView with properties of its own")
  } else {
    isBuffer = Object.getPrototypeOf(view) === globalThis.Buffer?.prototype
    if (!isBuffer && !isDirectInstance(view, kind, 3)) throw instanceRefusal(view)
    const length = typedArrayLength.call(view) as number
    // Listing the names lists every index: that would cost more than the hash of a large array.
    if (length <= 1_024 && Object.getOwnPropertyNames(view).length !== length) {
      throw new Refusal(view, `is a ${kind} with properties that have names`)
    }
  }
  if (Object.getOwnPropertySymbols(view).length > 0) throw symbolRefusal(view)
  const [buffer, byteOffset, byteLength] = (kind === undefined ? dataViewParts : typedArrayParts).map((part) =>
    part.call(view),
  ) as [ArrayBufferLike, number, number]
  return { kind: kind ?? "DataView", isBuffer, buffer, byteOffset, byteLength }
}

function encodeView({ kind, buffer, byteOffset, byteLength }: View): string {
  const order = isLittleEndian || kind === "DataView" || kind.includes("8") ? "" : "BE"
  return `${kind}${order}(${encodeBytes(new Uint8Array(buffer, byteOffset, byteLength))})`
}

function encodeBytes(bytes: Uint8Array): string {
  // 128 digits make the whole encoding too long to be kept, so that this shortcut is never seen in an id: it only saves
  // writing out what will be hashed anyway.
  if (bytes.length > MAX_READABLE / 2) return `#${digest("sha512", bytes, "hex")}`
  let text = ""
  for (const byte of bytes) text += byte < 16 ? `0${byte.toString(16)}` : byte.toString(16)
  return text
}

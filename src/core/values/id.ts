import { createHash } from "node:crypto"
import { InvalidKeyError } from "../base/errors.js"
import { hasElementGetter, isPlainObject } from "./isolation.js"

/**
 * What a table's Map is keyed by: a plain primitive where the call has a single plain argument, else a canonical
 * encoding that begins with "\0". The encoding is well-formed text; a plain string is as the caller gave it.
 */
export type EntryId = string | number | boolean | null | undefined

const maxLength = 128
const reservedPrefix = "ƒ:"

/**
 * The id of a call. Calls that a function could tell apart get different ids, except by: trailing `undefined`
 * arguments, the order of object keys, of the members of a Set or Map, the realm of an object, a null prototype,
 * whether a byte array is a Buffer, and named properties on typed arrays above 1,024 elements.
 *
 * Accepted inside arguments: primitives but symbols, dense arrays, plain objects, Date, RegExp, URL, Map, Set,
 * ArrayBuffer, typed arrays and DataView. Nothing is silently left out: what has a symbol key, an accessor, a hidden
 * property or a class of its own is refused.
 *
 * @throws InvalidKeyError naming the path of what can't be encoded; no accessor has run then.
 */
export function idOf(args: readonly unknown[]): EntryId {
  let count = args.length
  while (count > 0 && args[count - 1] === undefined) count--
  if (count === 0) return undefined
  if (count === 1) {
    const only = args[0]
    if (typeof only === "string") {
      if (only.length <= maxLength && only.charCodeAt(0) !== 0) return only
    } else if (typeof only === "number") {
      // A Map takes -0 for 0.
      if (only !== 0 || 1 / only > 0) return only
    } else if (typeof only === "boolean" || only === null) return only
  }
  const text = encodeArguments(args, count)
  // Not a hash that an attacker could collide: arguments often come from a request.
  return text.length <= maxLength ? `\0${text}` : `\0#${createHash("sha256").update(text).digest("base64url")}`
}

/** The printable text of an id: well-formed, different for different ids, empty for a call without arguments. */
export function encodeId(id: EntryId): string {
  if (id === undefined) return ""
  if (typeof id !== "string") return String(id)
  return id.charCodeAt(0) === 0 ? id.slice(1) : quote(id)
}

/**
 * The id that `encodeId` made this text of.
 *
 * @throws InvalidKeyError for any other text.
 */
export function decodeId(text: string): EntryId {
  if (text === "") return undefined
  if (hashed.test(text)) return `\0${text}`
  let id: EntryId
  try {
    id = idOf(new Reader(text).arguments())
  } catch (cause) {
    throw new InvalidKeyError(text, "it encodes no arguments", { cause })
  }
  // Whatever the reader tolerates is caught here: there is one text for each id.
  if (encodeId(id) !== text) throw new InvalidKeyError(text, "it is not the canonical encoding of its arguments")
  return id
}

/** What `keyOf` returns: `ƒ:name:version:arguments`. */
export function functionKey(name: string, version: string | number | undefined, id: EntryId): string {
  if (version === "") throw new InvalidKeyError(version, "a version is not empty; leave it out instead")
  return `${reservedPrefix}${escapeName(name)}:${version === undefined ? "" : escapeName(String(version))}:${encodeId(id)}`
}

/**
 * The parts of a key that `functionKey` made; undefined for a key that doesn't begin with `ƒ:`. A numeric version comes
 * back as a string.
 *
 * @throws InvalidKeyError for a key that begins with `ƒ:` and was not made by `functionKey`.
 */
export function parseFunctionKey(key: string): { name: string; version: string | undefined; id: EntryId } | undefined {
  if (!key.startsWith(reservedPrefix)) return undefined
  const nameEnd = key.indexOf(":", reservedPrefix.length)
  const versionEnd = nameEnd === -1 ? -1 : key.indexOf(":", nameEnd + 1)
  if (versionEnd === -1) {
    throw new InvalidKeyError(key, `keys that begin with "${reservedPrefix}" are those that keyOf returns`)
  }
  const name = unescapeName(key, reservedPrefix.length, nameEnd)
  const version = nameEnd + 1 === versionEnd ? undefined : unescapeName(key, nameEnd + 1, versionEnd)
  try {
    return { name, version, id: decodeId(key.slice(versionEnd + 1)) }
  } catch (error) {
    throw error instanceof InvalidKeyError ? new InvalidKeyError(key, error.reason, { cause: error.cause }) : error
  }
}

/** The table of a public key and the rest of it, which the key's node is called by; without a look at the rest. */
export function splitKey(key: string): readonly [table: string, segment: string] {
  if (!key.startsWith(reservedPrefix)) return ["", key]
  const versionEnd = key.indexOf(":", key.indexOf(":", reservedPrefix.length) + 1) + 1
  return [key.slice(0, versionEnd), key.slice(versionEnd)]
}

/** Checks a key given by hand: a non-empty string. */
export function checkManualKey(key: unknown): asserts key is string {
  if (typeof key !== "string") throw new InvalidKeyError(key, "a key is a string")
  if (key === "") throw new InvalidKeyError(key, "it is empty")
}

// --- Encoding: JavaScript-like, so that a key in a log can be read. ---

const hint = "Pass `key: (...args) => ...` that returns what identifies the call."
// Far beyond any sensible argument, and far from the end of the stack.
const maxDepth = 256

/** Thrown inside this file only; the path grows while the stack unwinds, so that the way down keeps no record. */
class Refusal extends Error {
  readonly value: unknown
  readonly reason: string
  path = ""

  constructor(value: unknown, reason: string) {
    super(reason)
    this.value = value
    this.reason = reason
  }
}

function encodeArguments(args: readonly unknown[], count: number): string {
  let index = 0
  try {
    let text = ""
    for (; index < count; index++) text += index === 0 ? encode(args[0], []) : `,${encode(args[index], [])}`
    return text
  } catch (error) {
    if (error instanceof Refusal) {
      const { path } = error
      const shown = path.length > 120 ? `${path.slice(0, 60)} … ${path.slice(-50)}` : path
      throw new InvalidKeyError(error.value, `args[${index}]${shown} ${error.reason}. ${hint}`)
    }
    // A hostile proxy, a detached buffer, or a text beyond what the engine can hold.
    throw new InvalidKeyError(args[index], `args[${index}] can't be read. ${hint}`, { cause: error })
  }
}

function encode(value: unknown, ancestors: object[]): string {
  switch (typeof value) {
    case "string":
      return quote(value)
    case "number":
      return value === 0 && 1 / value < 0 ? "-0" : String(value)
    case "boolean":
      return value ? "true" : "false"
    case "undefined":
      return "undefined"
    case "bigint":
      return `${value}n`
    case "object":
      return value === null ? "null" : encodeObject(value, ancestors)
    case "function":
    case "symbol":
  }
  throw new Refusal(value, `is a ${typeof value}, which has no content to compare`)
}

function encodeObject(value: object, ancestors: object[]): string {
  if (ancestors.includes(value)) throw new Refusal(value, "contains itself")
  if (ancestors.length === maxDepth) throw new Refusal(value, `is nested deeper than ${maxDepth} levels`)
  ancestors.push(value)
  const text = Array.isArray(value)
    ? encodeArray(value, ancestors)
    : isPlainObject(value)
      ? encodePlain(value, ancestors)
      : encodeBuiltIn(value, ancestors)
  ancestors.pop()
  return text
}

function encodeArray(array: readonly unknown[], ancestors: object[]): string {
  // Array.prototype is an array itself, in every realm; the prototype of a subclass is not.
  const isDirect = Array.isArray(Object.getPrototypeOf(array)) && prototypesAbove(array) === 2
  if (!isDirect) throw instanceRefusal(array)
  const { length } = array
  const names = Object.getOwnPropertyNames(array).length - 1
  if (names < length) throw new Refusal(array, "has holes")
  let text = "["
  for (let index = 0; index < length; index++) {
    if (hasElementGetter(array, index)) throw below(`[${index}]`, accessorRefusal(array))
    const value = array[index]
    // Also what has a setter only, and a hole that an extra name made up for.
    if (value === undefined && !isData(array, index)) throw below(`[${index}]`, accessorRefusal(array))
    try {
      const element = encode(value, ancestors)
      text += index === 0 ? element : `,${element}`
    } catch (error) {
      throw below(`[${index}]`, error)
    }
  }
  if (names > length) throw new Refusal(array, "is an array with properties that have names")
  if (Object.getOwnPropertySymbols(array).length > 0) throw symbolRefusal(array)
  return `${text}]`
}

function encodePlain(object: object, ancestors: object[]): string {
  if (Object.getOwnPropertySymbols(object).length > 0) throw symbolRefusal(object)
  const names = Object.getOwnPropertyNames(object)
  sort(names)
  let text = "{"
  for (const name of names) {
    const property = Object.getOwnPropertyDescriptor(object, name)
    if (property === undefined || !("value" in property)) throw below(step(name), accessorRefusal(object))
    if (!property.enumerable) throw below(step(name), new Refusal(object, "is a property that isn't enumerable"))
    try {
      const value = encode(property.value, ancestors)
      text += `${text.length > 1 ? "," : ""}${simpleName.test(name) ? name : quote(name)}:${value}`
    } catch (error) {
      throw below(step(name), error)
    }
  }
  return `${text}}`
}

const simpleName = /^[A-Za-z_$][\w$]*$/

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

// JSON.stringify escapes lone surrogates and nothing else beyond what JSON must: the result is well-formed and unique.
// All but the controls before the space, and the surrogates, needs no escape.
const needsEscape = /["\\]|[^ -\ud7ff\ue000-\uffff]/

function quote(text: string): string {
  return needsEscape.test(text) ? JSON.stringify(text) : `"${text}"`
}

// --- Built-in classes, told by their internal slots: they come from any realm, and `instanceof` can be lied to. ---

type Probe = (this: unknown) => unknown

function getter(prototype: object, name: PropertyKey): Probe {
  return (Object.getOwnPropertyDescriptor(prototype, name) as { get: Probe }).get
}

function method(prototype: object, name: PropertyKey): Probe {
  return (Object.getOwnPropertyDescriptor(prototype, name) as { value: Probe }).value
}

const typedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype) as object
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

const dateTime = method(Date.prototype, "getTime")
const regExpSource = getter(RegExp.prototype, "source")
const regExpFlags = getter(RegExp.prototype, "flags")
const urlHref = getter(URL.prototype, "href")

interface Kind {
  readonly name: string
  /** Spares values of other kinds the cost of a thrown TypeError. */
  readonly member: string
  /** Throws for a value of another kind. */
  readonly probe: Probe
  readonly encode: (value: object, ancestors: object[]) => string
}

const kinds: readonly Kind[] = [
  { name: "Date", member: "getTime", probe: dateTime, encode: (value) => `Date(${String(dateTime.call(value))})` },
  {
    name: "Map",
    member: "get",
    probe: getter(Map.prototype, "size"),
    encode: (value, ancestors) => encodeMap(value as ReadonlyMap<unknown, unknown>, ancestors),
  },
  {
    name: "Set",
    member: "add",
    probe: getter(Set.prototype, "size"),
    encode: (value, ancestors) => encodeSet(value as ReadonlySet<unknown>, ancestors),
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

function kindOf(value: object): Kind | undefined {
  return kinds.find(({ member, probe }) => {
    if (!(member in value)) return false
    try {
      probe.call(value)
      return true
    } catch {
      return false
    }
  })
}

function encodeBuiltIn(value: object, ancestors: object[]): string {
  if (ArrayBuffer.isView(value)) return encodeView(value)
  const kind = kindOf(value)
  if (kind === undefined) throw instanceRefusal(value)
  // A subclass may have state of its own. The Date of fake timers is one, and says so by its own `constructor`.
  const isFakeDate =
    kind.probe === dateTime && (Object.getPrototypeOf(value) === Date.prototype || Object.hasOwn(value, "constructor"))
  if (!isFakeDate && !isDirectInstance(value, kind.name, 2)) throw instanceRefusal(value)
  for (const name of Object.getOwnPropertyNames(value)) {
    if ((kind.probe === regExpSource && name === "lastIndex") || (isFakeDate && name === "constructor")) continue
    throw new Refusal(value, `is a ${kind.name} with a property of its own, ${quote(name)}`)
  }
  // The URL of some runtimes keeps its state under symbols.
  if (kind.probe !== urlHref && Object.getOwnPropertySymbols(value).length > 0) throw symbolRefusal(value)
  return kind.encode(value, ancestors)
}

function encodeMap(map: ReadonlyMap<unknown, unknown>, ancestors: object[]): string {
  const members: string[] = []
  Map.prototype.forEach.call(map, (value: unknown, key: unknown) => {
    try {
      members.push(`${encode(key, ancestors)}=>${encode(value, ancestors)}`)
    } catch (error) {
      throw below(typeof key === "string" ? `.get(${quote(key)})` : `.entries()[${members.length}]`, error)
    }
  })
  return `Map(${members.sort().join(",")})`
}

function encodeSet(set: ReadonlySet<unknown>, ancestors: object[]): string {
  const members: string[] = []
  Set.prototype.forEach.call(set, (value: unknown) => {
    try {
      members.push(encode(value, ancestors))
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
  // Where a global expression goes on matching is part of what it does.
  return position === 0 ? `RegExp(${content})` : `RegExp(${content},${encode(position, [])})`
}

// Elements of several bytes lie in memory as the machine likes them, and a fleet may be mixed.
const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

function encodeView(view: ArrayBufferView): string {
  const kind = typedArrayKind.call(view) as string | undefined
  if (kind === undefined) {
    if (!isDirectInstance(view, "DataView", 2)) throw instanceRefusal(view)
    if (Object.getOwnPropertyNames(view).length > 0) throw new Refusal(view, "is a DataView with properties of its own")
  } else {
    const isBuffer = Object.getPrototypeOf(view) === globalThis.Buffer?.prototype
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
  ) as [ArrayBuffer, number, number]
  const order = isLittleEndian || kind === undefined || kind.includes("8") ? "" : "BE"
  return `${kind ?? "DataView"}${order}(${encodeBytes(new Uint8Array(buffer, byteOffset, byteLength))})`
}

function encodeBytes(bytes: Uint8Array): string {
  // 128 digits make the whole encoding too long to be kept, so that this shortcut is never seen in an id: it only saves
  // writing out what will be hashed anyway.
  if (bytes.length > maxLength / 2) return `#${createHash("sha512").update(bytes).digest("hex")}`
  let text = ""
  for (const byte of bytes) text += byte < 16 ? `0${byte.toString(16)}` : byte.toString(16)
  return text
}

/** Whether its prototype is the built-in one of that name, of any realm, rather than that of a subclass. */
function isDirectInstance(value: object, name: string, depth: number): boolean {
  if (prototypesAbove(value) !== depth) return false
  const constructor: unknown = ownData(Object.getPrototypeOf(value) as object, "constructor")
  return typeof constructor === "function" && ownData(constructor, "name") === name
}

function ownData(object: object, key: string): unknown {
  return Object.getOwnPropertyDescriptor(object, key)?.value
}

/** How many prototypes a value has; those of a class deeper than any built-in one are not counted to their end. */
function prototypesAbove(value: object): number {
  let count = 0
  for (
    let prototype = Object.getPrototypeOf(value) as object | null;
    prototype !== null && count < 5;
    prototype = Object.getPrototypeOf(prototype) as object | null
  ) {
    count++
  }
  return count
}

function isData(object: object, key: PropertyKey): boolean {
  const property = Object.getOwnPropertyDescriptor(object, key)
  return property !== undefined && "value" in property
}

function step(name: string): string {
  return simpleName.test(name) ? `.${name}` : `[${quote(name)}]`
}

function below(place: string, error: unknown): unknown {
  if (error instanceof Refusal) error.path = place + error.path
  return error
}

function accessorRefusal(holder: object): Refusal {
  return new Refusal(holder, "is an accessor, or came and went while it was read")
}

function symbolRefusal(holder: object): Refusal {
  return new Refusal(holder, "has a symbol as a key, and symbols have no content to compare")
}

function instanceRefusal(value: object): Refusal {
  return new Refusal(value, "is an instance of a class, whose state can't be told from outside")
}

// --- Reading back what a key shows. ---

// 43 digits hold 258 bits: the last one has two that are always zero.
const hashed = /^#[\w-]{42}[AEIMQUYcgkosw048]$/
// A key that hides nothing is a plain string at most, each unit of it written as \uXXXX.
const maxReadable = maxLength * 6 + 2
const word = /[\w$.+-]+/y
const quoted = /"(?:[^"\\]|\\.)*"/y

/** Reads what `encode` wrote, and a little more; the caller compares. Throws whatever it likes. */
class Reader {
  readonly #text: string
  #position = 0

  constructor(text: string) {
    if (text.length > maxReadable) throw new RangeError("too long")
    this.#text = text
  }

  arguments(): unknown[] {
    const args = [this.#value()]
    while (this.#skip(",")) args.push(this.#value())
    return args
  }

  #value(): unknown {
    if (this.#text[this.#position] === '"') return this.#string()
    if (this.#skip("[")) return this.#list("]", () => this.#value())
    if (this.#skip("{")) return this.#object()
    const token = this.#match(word)
    if (this.#skip("(")) return this.#builtIn(token)
    switch (token) {
      case "true":
        return true
      case "false":
        return false
      case "null":
        return null
      case "undefined":
        return undefined
    }
    return /^-?\d+n$/.test(token) ? BigInt(token.slice(0, -1)) : Number(token)
  }

  #builtIn(name: string): unknown {
    switch (name) {
      case "Date":
        return this.#end(new Date(Number(this.#match(word))))
      case "URL":
        return this.#end(new URL(this.#string()))
      case "Set":
        return new Set(this.#list(")", () => this.#value()))
      case "Map":
        return new Map(
          this.#list(")", () => {
            const key = this.#value()
            return this.#skip("=>") ? [key, this.#value()] : this.#fail()
          }),
        )
      case "RegExp": {
        const [source, flags, position] = this.#list(")", () => this.#value())
        const expression = new RegExp(String(source), String(flags))
        if (typeof position === "number") expression.lastIndex = position
        return expression
      }
    }
    const bytes = Uint8Array.from(this.#text[this.#position] === ")" ? [] : this.#hexBytes())
    if (name === "ArrayBuffer") return this.#end(bytes.buffer)
    if (name === "DataView") return this.#end(new DataView(bytes.buffer))
    // Some globals begin to work when they are looked at.
    const global = /^\w+Array(?:BE)?$/.test(name) ? name.replace(/BE$/, "") : "none"
    const View: unknown = (globalThis as Record<string, unknown>)[global]
    const isTypedArray = typeof View === "function" && Object.getPrototypeOf(View) === typedArrayPrototype.constructor
    return isTypedArray ? this.#end(Reflect.construct(View, [bytes.buffer]) as unknown) : this.#fail()
  }

  #object(): unknown {
    // Without a prototype, so that `__proto__` is a name like any other.
    const object = Object.create(null) as Record<string, unknown>
    this.#list("}", () => {
      const name = this.#text[this.#position] === '"' ? this.#string() : this.#match(word)
      if (!this.#skip(":")) this.#fail()
      object[name] = this.#value()
    })
    return object
  }

  #list<T>(end: string, item: () => T): T[] {
    const items: T[] = []
    if (this.#skip(end)) return items
    do items.push(item())
    while (this.#skip(","))
    return this.#skip(end) ? items : this.#fail()
  }

  #string(): string {
    return JSON.parse(this.#match(quoted)) as string
  }

  #hexBytes(): number[] {
    const digits = this.#match(/(?:[\da-f]{2})+/y)
    return Array.from({ length: digits.length / 2 }, (_, index) => parseInt(digits.slice(index * 2, index * 2 + 2), 16))
  }

  #end<T>(value: T): T {
    return this.#skip(")") ? value : this.#fail()
  }

  #skip(text: string): boolean {
    if (!this.#text.startsWith(text, this.#position)) return false
    this.#position += text.length
    return true
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#position
    const found = pattern.exec(this.#text)?.[0]
    if (found === undefined) return this.#fail()
    this.#position += found.length
    return found
  }

  #fail(): never {
    throw new SyntaxError(`unexpected text at ${this.#position}`)
  }
}

// --- Names and versions inside a key. ---

// `:` separates the parts; white space and control characters would make a key hard to read and to copy.
const unsafeInName = /[%:\s\p{Cc}]/gu
const plainName = /^[\w$./-]*$/

function escapeName(name: string): string {
  if (plainName.test(name)) return name
  if (/\p{Surrogate}/u.test(name)) throw new InvalidKeyError(name, "a name or version has no lone surrogates")
  return name.replace(unsafeInName, encodeURIComponent)
}

function unescapeName(key: string, start: number, end: number): string {
  const escaped = key.slice(start, end)
  try {
    const name = decodeURIComponent(escaped)
    if (escapeName(name) === escaped) return name
  } catch {
    // Reported below: a percent sign that begins no byte, or bytes that are no UTF-8.
  }
  throw new InvalidKeyError(key, `${escaped} is no name or version that keyOf writes`)
}

import { types } from "node:util"
import { messageOf, UnencodableValueError } from "../core/base/errors.js"
import { isPlainObject, lookupGetter } from "../core/values/inspect-object.js"
import { isWellFormed } from "./header.js"
import { bigintMark, composite, dateMark, memoryMark, negativeZeroMark, textMark, undefinedMark } from "./marks.js"
import { isOfNative, memoryClassOf } from "./native-class.js"
import {
  BARE_OBJECT,
  DEFINE,
  ERROR,
  ERROR_CLASSES,
  MAP,
  MAX_DEPTH,
  OBJECT,
  REFERENCE,
  REGEXP,
  SET,
  URL_MARK,
  USER,
} from "./type-codes.js"
import type { UserTypes, ValueType } from "./user-types.js"
import { pathText, quote, type Step } from "./value-path.js"

/** An object that was met, and the place of its lowered form. */
interface Met {
  readonly holder: Holder
  readonly at: number | string
  /** The number of the object, once it was met again. */
  id: number | undefined
  isDone: boolean
  /** Made by a decoder from its parts, so that it can't be one of them. */
  readonly isUser: boolean
}

type Holder = Record<number | string, unknown>

const classHint = "which would not come back as it is. Return plain data, or register its class with `codec.extend`"

/**
 * Lowers a value to a tree of marks (see type-codes.ts): a copy, so that nothing that the code of others does on the way can
 * change what has been checked.
 */
export class Lowering {
  readonly #types: UserTypes
  readonly #limit: number
  readonly #met = new Map<object, Met>()
  /** The way to the present place. */
  readonly #path: Step[] = []
  #bytes = 0
  #ids = 0

  constructor(userTypes: UserTypes, limit: number) {
    this.#types = userTypes
    this.#limit = limit
  }

  /** How many bytes the value takes at least. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Stops where there are more bytes than allowed; what it returns is of no use then.
   *
   * @throws UnencodableValueError
   */
  lower(value: unknown): unknown {
    const holder: Holder = {}
    this.#put(holder, 0, value)
    return holder[0]
  }

  #put(holder: Holder, at: number | string, value: unknown): void {
    this.#bytes += 1
    switch (typeof value) {
      case "string":
        holder[at] = this.#text(value)
        break
      case "number":
        holder[at] = Object.is(value, -0) ? negativeZeroMark : value
        break
      case "boolean":
        holder[at] = value
        break
      case "undefined":
        holder[at] = undefinedMark
        break
      case "bigint":
        holder[at] = bigintMark(value)
        this.#bytes += (holder[at] as Buffer).length
        break
      case "object":
        if (value === null) holder[at] = null
        else this.#putObject(holder, at, value)
        break
      case "function":
      case "symbol":
        this.#refuse(value, "which can't be stored. Return plain data")
    }
  }

  #text(text: string): unknown {
    this.#bytes += text.length
    return isWellFormed(text) ? text : textMark(text)
  }

  #putObject(holder: Holder, at: number | string, value: object): void {
    if (this.#bytes > this.#limit) return
    const met = this.#met.get(value)
    if (met !== undefined) {
      this.#putReference(holder, at, value, met)
      return
    }
    if (this.#path.length >= MAX_DEPTH) this.#refuse(value, `nested deeper than ${MAX_DEPTH}`)
    if (types.isProxy(value)) this.#refuse(value, "a proxy, of which only a copy would come back")
    const prototype: unknown = Object.getPrototypeOf(value)
    const type = prototype === null ? undefined : this.#types.byPrototype.get(prototype as object)
    const entered: Met = { holder, at, id: undefined, isDone: false, isUser: type !== undefined }
    this.#met.set(value, entered)
    const lowered = type === undefined ? this.#object(value) : this.#user(value, type)
    holder[at] = entered.id === undefined ? lowered : composite(DEFINE, entered.id, lowered)
    entered.isDone = true
  }

  #putReference(holder: Holder, at: number | string, value: object, met: Met): void {
    if (met.isUser && !met.isDone)
      this.#refuse(value, "which contains itself. Leave that out in the encoder of its type")
    if (met.id === undefined) {
      met.id = this.#ids++
      if (met.isDone) met.holder[met.at] = composite(DEFINE, met.id, met.holder[met.at])
    }
    holder[at] = composite(REFERENCE, met.id)
  }

  #object(value: object): unknown {
    if (Array.isArray(value)) return this.#array(value)
    if (isPlainObject(value)) return this.#record(value)
    if (types.isDate(value)) return this.#date(value)
    if (types.isMap(value)) return this.#map(value)
    if (types.isSet(value)) return this.#set(value)
    if (types.isNativeError(value)) return this.#error(value)
    if (types.isRegExp(value)) return this.#regExp(value)
    if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)) return this.#memory(value)
    if (Object.getPrototypeOf(value) === URL.prototype) return this.#url(value as URL)
    return this.#refuse(value, classHint)
  }

  #array(array: readonly unknown[]): unknown {
    if (!isOfNative(array, "Array")) this.#refuse(array, classHint)
    const { length } = array
    const lowered: unknown[] = new Array(length)
    for (let index = 0; index < length; index++) {
      this.#path.push(index)
      if (!Object.hasOwn(array, index)) this.#refuse(undefined, "a hole, which would not come back as one")
      this.#put(lowered as unknown as Holder, index, this.#read(array, index))
      this.#path.pop()
    }
    if (Object.keys(array).length > length) this.#refuseExtra(array, Object.keys(array)[length] as string)
    const [symbol] = Object.getOwnPropertySymbols(array)
    if (symbol !== undefined) this.#refuseExtra(array, symbol)
    return lowered
  }

  #record(record: object): unknown {
    const isBare = Object.getPrototypeOf(record) === null
    const names = Object.getOwnPropertyNames(record)
    const [symbol] = Object.getOwnPropertySymbols(record)
    if (symbol !== undefined) this.#refuseExtra(record, symbol)
    if (Object.keys(record).length !== names.length) {
      const hidden = names.find((name) => !Object.prototype.propertyIsEnumerable.call(record, name))
      this.#refuseExtra(record, hidden as string)
    }
    let isSimple = !isBare
    for (const name of names) {
      this.#bytes += name.length
      // msgpackr renames `__proto__`.
      if (name === "__proto__" || !isWellFormed(name)) isSimple = false
    }
    if (isSimple) {
      const lowered: Holder = {}
      for (const name of names) {
        this.#path.push(name)
        this.#put(lowered, name, this.#read(record, name))
        this.#path.pop()
      }
      return lowered
    }
    const lowered: unknown[] = composite(isBare ? BARE_OBJECT : OBJECT)
    for (const name of names) {
      this.#path.push(name)
      lowered.push(this.#text(name))
      this.#put(lowered as unknown as Holder, lowered.length, this.#read(record, name))
      this.#path.pop()
    }
    return lowered
  }

  /** The value of a property, to which the path already leads. */
  #read(object: object, name: string | number): unknown {
    if (lookupGetter.call(object, name) === undefined) {
      const value = (object as Holder)[name]
      if (value !== undefined) return value
      const property = Object.getOwnPropertyDescriptor(object, name)
      if (property !== undefined && "value" in property) return undefined
    }
    return this.#refuse(undefined, "computed by an accessor. Return its value instead")
  }

  #date(date: Date): unknown {
    this.#checkBuiltIn(date, "Date")
    return dateMark(date)
  }

  #map(map: ReadonlyMap<unknown, unknown>): unknown {
    this.#checkBuiltIn(map, "Map")
    const lowered: unknown[] = composite(MAP)
    // A copy: the encoder of a registered type might change it.
    for (const [index, [key, value]] of [...map].entries()) {
      this.#path.push({ text: `.keys()[${index}]` })
      this.#put(lowered as unknown as Holder, lowered.length, key)
      this.#path.pop()
      this.#path.push({ text: typeof key === "string" ? `.get(${quote(key)})` : `.values()[${index}]` })
      this.#put(lowered as unknown as Holder, lowered.length, value)
      this.#path.pop()
    }
    return lowered
  }

  #set(set: ReadonlySet<unknown>): unknown {
    this.#checkBuiltIn(set, "Set")
    const lowered: unknown[] = composite(SET)
    for (const [index, member] of [...set].entries()) {
      this.#path.push({ text: `.values()[${index}]` })
      this.#put(lowered as unknown as Holder, lowered.length, member)
      this.#path.pop()
    }
    return lowered
  }

  #regExp(regExp: RegExp): unknown {
    if (!isOfNative(regExp, "RegExp")) this.#refuse(regExp, classHint)
    const extra = Reflect.ownKeys(regExp).find((name) => name !== "lastIndex")
    if (extra !== undefined) this.#refuseExtra(regExp, extra)
    const { lastIndex } = regExp
    if (!Number.isSafeInteger(lastIndex) || lastIndex < 0) this.#refuse(regExp, "with a lastIndex that is no position")
    return composite(REGEXP, this.#text(regExp.source), regExp.flags, lastIndex)
  }

  #error(error: Error): unknown {
    const name = Object.keys(ERROR_CLASSES).find((each) => isOfNative(error, each))
    if (name === undefined) return this.#refuse(error, classHint)
    const hidden: unknown[] = []
    const visible: unknown[] = []
    for (const key of Reflect.ownKeys(error)) {
      if (typeof key === "symbol") return this.#refuseExtra(error, key)
      this.#path.push(key)
      const property = Object.getOwnPropertyDescriptor(error, key)
      let value: unknown
      if (property !== undefined && "value" in property) value = property.value
      // Newer engines make an accessor of it.
      else if (key === "stack") value = error.stack
      else return this.#refuse(undefined, "computed by an accessor")
      const list = property?.enumerable === true ? visible : hidden
      list.push(this.#text(key))
      this.#put(list as unknown as Holder, list.length, value)
      this.#path.pop()
    }
    return composite(ERROR, name, hidden, visible)
  }

  #url(url: URL): unknown {
    const extra = Reflect.ownKeys(url).find((name) => typeof name === "string")
    if (extra !== undefined) this.#refuseExtra(url, extra)
    let href = ""
    try {
      href = url.href
    } catch {
      this.#refuse(url, classHint)
    }
    return composite(URL_MARK, this.#text(href))
  }

  #memory(value: ArrayBufferView | ArrayBufferLike): unknown {
    const tag = memoryClassOf(value)
    const isBuffer = tag === "Uint8Array" && Object.getPrototypeOf(value) === Buffer.prototype
    if (!isBuffer && !isOfNative(value, tag)) this.#refuse(value, classHint)
    if (tag === "ArrayBuffer" || tag === "DataView") {
      const [extra] = Reflect.ownKeys(value)
      if (extra !== undefined) this.#refuseExtra(value, extra)
    }
    const memory = ArrayBuffer.isView(value) ? value.buffer : value
    if (types.isSharedArrayBuffer(memory))
      this.#refuse(value, "memory that is shared with other threads; a copy would not be")
    if ((memory as { resizable?: boolean }).resizable === true)
      this.#refuse(value, "resizable memory, which would come back fixed")
    this.#bytes += value.byteLength
    if (this.#bytes > this.#limit) return null
    const start = ArrayBuffer.isView(value) ? value.byteOffset : 0
    try {
      return memoryMark(isBuffer ? "Buffer" : tag, memory, start, value.byteLength)
    } catch {
      return this.#refuse(value, "memory that was transferred away")
    }
  }

  #user(value: object, type: ValueType): unknown {
    let data: unknown
    try {
      data = type.encode(value)
    } catch (error) {
      this.#refuse(value, `and the encoder of its type ${JSON.stringify(type.name)} failed: ${messageOf(error)}`)
    }
    const lowered = composite(USER, this.#text(type.name), null)
    // An encoder that always returns another instance must come to an end.
    this.#path.push({ text: "" })
    this.#put(lowered as unknown as Holder, 2, data)
    this.#path.pop()
    return lowered
  }

  /** Refuses what is not of a class of the language, or has properties where that class has none. */
  #checkBuiltIn(value: object, name: string): void {
    if (!isOfNative(value, name)) this.#refuse(value, classHint)
    const [extra] = Reflect.ownKeys(value)
    if (extra !== undefined) this.#refuseExtra(value, extra)
  }

  #refuseExtra(value: object, name: PropertyKey): never {
    return this.#refuse(value, `with a property ${String(name)}, which would not come back`)
  }

  #refuse(value: unknown, reason: string): never {
    throw new UnencodableValueError(pathText(this.#path), value, reason)
  }
}

import { InvalidOptionError } from "../core/base/errors.js"
import { isErrorName, VIEW_KINDS } from "./type-codes.js"

/** A class whose instances a codec can bring back. */
export interface ValueType<T extends object = object, D = unknown> {
  /**
   * The name that is written for the class: at most 64 characters. The name must stay the same, and mean the same, in every
   * process that shares the store.
   */
  readonly name: string
  /** The class of the instances. Subclasses are registered by themselves. */
  // oxlint-disable-next-line typescript/no-explicit-any -- any constructor, and what it takes is not our business
  readonly class: abstract new (...args: any[]) => T
  /** Returns what says all of the instance, as a value that can be encoded. Called once for each instance. */
  readonly encode: (value: T) => D
  /**
   * Makes the instance anew from what `encode` returned; where others can write to the store, check it. An error makes the
   * entry a miss. In a value that contains itself, `data` may be incomplete during the call.
   */
  readonly decode: (data: D) => T
}

/** The registered types of one codec. */
export interface UserTypes {
  readonly byName: ReadonlyMap<string, ValueType>
  readonly byPrototype: ReadonlyMap<object, ValueType>
}

export const NO_TYPES: UserTypes = { byName: new Map(), byPrototype: new Map() }

const BUILT_IN = new Set(["Object", "Array", "Function", "Date", "RegExp", "Map", "Set", "URL", ...VIEW_KINDS])
const OPTIONS = new Set(["name", "class", "encode", "decode"])
const LONGEST_NAME = 64

/** @throws InvalidOptionError */
export function withType(types: UserTypes, type: ValueType): UserTypes {
  if (typeof type !== "object" || type === null) {
    throw new InvalidOptionError("type", type, "it must be an object with `name`, `class`, `encode` and `decode`")
  }
  for (const option of Object.keys(type)) {
    if (!OPTIONS.has(option))
      throw new InvalidOptionError(`type.${option}`, type[option as never], "there is no such option")
  }
  const { name, class: ofClass, encode, decode } = type
  if (typeof name !== "string" || name === "" || name.length > LONGEST_NAME) {
    throw new InvalidOptionError("type.name", name, `it must be a text of 1 to ${LONGEST_NAME} characters`)
  }
  if (typeof ofClass !== "function" || typeof ofClass.prototype !== "object" || ofClass.prototype === null) {
    throw new InvalidOptionError("type.class", ofClass, "it must be a class")
  }
  const prototype = ofClass.prototype as object
  if (BUILT_IN.has(ofClass.name) || isErrorName(ofClass.name)) {
    if ((globalThis as Record<string, unknown>)[ofClass.name] === ofClass) {
      throw new InvalidOptionError("type.class", ofClass, "values of this class are encoded already")
    }
  }
  if (typeof encode !== "function") throw new InvalidOptionError("type.encode", encode, "it must be a function")
  if (typeof decode !== "function") throw new InvalidOptionError("type.decode", decode, "it must be a function")
  if (types.byName.has(name)) throw new InvalidOptionError("type.name", name, "another type has this name")
  const other = types.byPrototype.get(prototype)
  if (other !== undefined) {
    throw new InvalidOptionError("type.class", ofClass, `it is registered as ${JSON.stringify(other.name)}`)
  }
  // A copy: whoever changes the object that they passed changes no codec.
  const kept: ValueType = Object.freeze({ name, class: ofClass, encode, decode })
  return {
    byName: new Map(types.byName).set(name, kept),
    byPrototype: new Map(types.byPrototype).set(prototype, kept),
  }
}

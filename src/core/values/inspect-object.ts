/** Whether a value can have properties of its own: objects and functions. */
export function isObject(value: unknown): value is object {
  return typeof value === "object" ? value !== null : typeof value === "function"
}

/** An object literal, or what is as good as one: of any realm, or without a prototype. Arrays are the caller's business. */
export function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype) return true
  // The namespace of a module has no prototype either, but it can't be frozen and is no data.
  if (prototype === null) return !Object.hasOwn(value, Symbol.toStringTag)
  return (
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype as object, "isPrototypeOf") &&
    Object.hasOwn(prototype as object, "hasOwnProperty")
  )
}

/** An array of any realm; not an instance of a subclass. */
export function isDirectArray(array: readonly unknown[]): boolean {
  // Array.prototype is an array itself, in every realm; the prototype of a subclass is not.
  return Array.isArray(Object.getPrototypeOf(array)) && prototypesAbove(array) === 2
}

/** Whether its prototype is the built-in one of that name, of any realm, rather than that of a subclass. */
export function isDirectInstance(value: object, name: string, depth: number): boolean {
  if (prototypesAbove(value) !== depth) return false
  const constructor: unknown = ownData(Object.getPrototypeOf(value) as object, "constructor")
  return typeof constructor === "function" && ownData(constructor, "name") === name
}

/** The number of a value's prototypes; those of a class deeper than any built-in one are not counted to their end. */
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

/** The content of an own data property; undefined for an accessor, and for one that is not there. */
export function ownData(object: object, key: PropertyKey): unknown {
  return Object.getOwnPropertyDescriptor(object, key)?.value
}

/** Whether there is an own property of that key that holds a value, rather than running an accessor. */
export function isData(object: object, key: PropertyKey): boolean {
  const property = Object.getOwnPropertyDescriptor(object, key)
  return property !== undefined && "value" in property
}

// Classes have a handful of prototypes above each other; a proxy may name another one for ever.
const MAX_PROTOTYPES = 1_000

/** The content of a data property, own or inherited; undefined for an accessor. */
export function dataProperty(value: object, key: PropertyKey): unknown {
  let holder: object | null = value
  for (let depth = 0; holder !== null && depth < MAX_PROTOTYPES; depth += 1) {
    const property = Object.getOwnPropertyDescriptor(holder, key)
    if (property !== undefined) return property.value
    holder = Object.getPrototypeOf(holder) as object | null
  }
  return undefined
}

type LookupGetter = (this: object, key: PropertyKey) => unknown

/**
 * The getter that reading a property would run, own or inherited; undefined where there is none. Called as a method of
 * the object. A quarter of the time that a descriptor takes; it is part of every engine, but hardened ones may lack it.
 */
export const lookupGetter: LookupGetter =
  (Object.prototype as { __lookupGetter__?: LookupGetter }).__lookupGetter__ ??
  function (key) {
    return (Object.getOwnPropertyDescriptor(this, key) as { readonly get?: unknown } | undefined)?.get
  }

/** Whether reading an element of this array would run an accessor. */
export function hasElementGetter(array: readonly unknown[], index: number): boolean {
  return lookupGetter.call(array, index) !== undefined
}

import { types } from "node:util"

/** Whether a value is of a class of the language itself and not of a subclass; of any realm, as under Jest. */
export function isOfNative(value: object, className: string): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  const own = (globalThis as unknown as Record<string, { prototype: object } | undefined>)[className]
  if (own !== undefined && prototype === own.prototype) return true
  if (prototype === null) return false
  const foreign: unknown = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value
  return (
    typeof foreign === "function" &&
    foreign.name === className &&
    foreign.prototype === prototype &&
    Function.prototype.toString.call(foreign).includes("[native code]")
  )
}

const viewTag = (
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype) as object, Symbol.toStringTag) as {
    get: (this: object) => string | undefined
  }
).get

/** The class of memory as the engine knows it, whatever the value says of itself. */
export function memoryClassOf(value: ArrayBufferView | ArrayBufferLike): string {
  if (ArrayBuffer.isView(value)) return viewTag.call(value) ?? "DataView"
  return types.isSharedArrayBuffer(value) ? "SharedArrayBuffer" : "ArrayBuffer"
}

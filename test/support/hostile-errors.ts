const fail = (): never => {
  throw new Error("hostile")
}

/** Errors that do not want to be looked at, each new. */
export const HOSTILE_ERRORS: readonly (readonly [name: string, make: () => unknown])[] = [
  ["a message that throws", () => Object.defineProperty(new Error("x"), "message", { get: fail })],
  ["a message that is a symbol", () => Object.assign(new Error("x"), { message: Symbol("s") })],
  ["a code that throws", () => Object.defineProperty(new Error("x"), "code", { get: fail })],
  ["a flag that throws", () => Object.defineProperty(new Error("x"), "permanent", { get: fail })],
  ["a code that can't be a text", () => Object.assign(new Error("x"), { message: "", code: { toString: fail } })],
  ["a proxy that throws", () => new Proxy(new Error("x"), { get: fail, getPrototypeOf: fail, has: fail })],
  ["an object without a prototype", () => Object.create(null) as unknown],
  ["a symbol", () => Symbol("s")],
  ["nothing", () => undefined],
]

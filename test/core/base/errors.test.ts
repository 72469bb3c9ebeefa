import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  HookError,
  InvalidKeyError,
  InvalidOptionError,
  InvalidTagError,
  InvalidTokenError,
  LogError,
  messageOf,
  RefreshError,
  show,
  StoreError,
  UncacheableValueError,
  UnencodableValueError,
  ZooCacheError,
} from "../../../src/core/base/errors.js"
import { processorMs } from "../../support/processor-time.js"

const fail = (): never => {
  throw new Error("hostile")
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

const hostile: readonly [string, unknown][] = [
  ["a message that is a symbol", Object.assign(new Error("x"), { message: Symbol("s") })],
  ["a message that is an object", Object.assign(new Error("x"), { message: { toString: fail } })],
  ["a message that throws", Object.defineProperty(new Error("x"), "message", { get: fail })],
  ["a revoked proxy", revoked()],
  ["a proxy that throws", new Proxy(new Error("x"), { get: fail, getPrototypeOf: fail })],
  [
    "an instance of a class whose name throws",
    Object.create({ constructor: Object.defineProperty(() => {}, "name", { get: fail }) }),
  ],
  ["a constructor whose name is a symbol", { constructor: { name: Symbol("s") } }],
  ["a function whose name throws", Object.defineProperty(() => {}, "name", { get: fail })],
  ["an object without a prototype", Object.create(null)],
  ["a symbol", Symbol("s")],
  ["nothing", undefined],
  ["a large number", 1n << 100_000n],
]

describe("errors of causes that nobody foresaw", () => {
  test.each(hostile)("are made of %s", (_name, cause) => {
    for (const make of [
      () => new HookError("ttl", "key", cause),
      () => new RefreshError("key", cause),
      () => new LogError("append", cause),
      () => new StoreError("read", cause),
      () => new InvalidKeyError(cause, "reason"),
      () => new InvalidTagError(cause, "reason"),
      () => new InvalidOptionError("ttl", cause, "reason"),
      () => new InvalidTokenError(cause, "reason"),
      () => new UnencodableValueError(".a", cause, "reason"),
    ]) {
      const error = make()
      expect(error).toBeInstanceOf(ZooCacheError)
      expect(typeof error.message).toBe("string")
      expect(error.message.length).toBeLessThan(250)
    }
  })
})

describe("messageOf", () => {
  test("is the message of an error, and the value in place of one", () => {
    expect(messageOf(new TypeError("no such row"))).toBe("no such row")
    expect(messageOf("timeout")).toBe('"timeout"')
    expect(messageOf(undefined)).toBe("undefined")
    expect(messageOf({ message: "no error" })).toBe("an object (Object)")
  })
})

describe("show", () => {
  test.each<[string, unknown]>([
    ['"a"', "a"],
    [String.raw`"a\nb"`, "a\nb"],
    ["42", 42],
    ["5n", 5n],
    ["true", true],
    ["null", null],
    ["undefined", undefined],
    ["Symbol(a b)", Symbol("a\nb")],
    ["an array of 2", [1, 2]],
    ["an object (Date)", new Date(0)],
    ["an object (no prototype)", Object.create(null)],
    ["a bigint of more than 80 digits", 1n << 1_000n],
  ])("writes %s in one line", (text, value) => {
    expect(show(value)).toBe(text)
  })

  test("cuts what is long, and takes no time for it", () => {
    expect(show("x".repeat(100))).toBe(`"${"x".repeat(76)}...`)
    expect(show("\ud800".repeat(1_000))).toHaveLength(80)
    const [text, number] = ["x".repeat(100_000_000), 1n << 100_000_000n]
    expect(processorMs(() => [show(text), show(number)])).toBeLessThan(60_000)
  })

  test("never throws, and stays within 80 characters and one line", () => {
    for (const [, value] of hostile) expect(show(value).length).toBeLessThanOrEqual(80)
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withNullPrototype: true }), (value) => {
        expect(show(value)).toMatch(/^.{1,80}$/)
      }),
    )
  })
})

test("UncacheableValueError tells its kind and its reason apart", () => {
  expect(new UncacheableValueError("A stream", "ƒ:load::")).toMatchObject({
    kind: "A stream",
    subject: "ƒ:load::",
    message: expect.stringMatching(/^A stream can be read only once/) as unknown,
  })
  expect(new UncacheableValueError("A promise", undefined, "is no value.").message).toBe("A promise is no value.")
})

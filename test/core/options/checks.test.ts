import { describe, expect, test } from "vitest"
import { systemClock } from "../../../src/core/base/clock.js"
import { InvalidOptionError } from "../../../src/core/base/errors.js"
import { checkLog } from "../../../src/core/options/backing-options.js"
import {
  boolean,
  checkClock,
  checkFunction,
  checkName,
  checkNames,
  checkObject,
  checkParts,
  fraction,
  isStringArray,
  nonNegative,
  oneOf,
  optionalFunction,
  positiveInteger,
} from "../../../src/core/options/checks.js"

const nothings = [undefined, null, Number.NaN, {}, [], "1", true, 1n, () => 1, Symbol("s")]

describe("numbers", () => {
  test("positiveInteger takes whole numbers from 1 on, and Infinity", () => {
    for (const value of [1, 2, Number.MAX_SAFE_INTEGER, Infinity]) expect(positiveInteger(value, "max")).toBe(value)
    for (const value of [0, -1, 1.5, 2 ** 53, -Infinity, ...nothings]) {
      expect(() => positiveInteger(value, "max")).toThrow(InvalidOptionError)
    }
    expect(() => positiveInteger(0, "memory.maxEntries")).toThrow("Invalid option memory.maxEntries = 0")
  })

  test("nonNegative takes 0 and more, and no NaN", () => {
    for (const value of [0, 0.5, Infinity]) expect(nonNegative(value, "grace")).toBe(value)
    for (const value of [-1, Number.NaN]) expect(() => nonNegative(value, "grace")).toThrow("it must not be negative")
  })

  test("fraction takes numbers from 0 to 1, with 1 itself where asked for", () => {
    for (const value of [0, 0.5, 0.999]) expect(fraction(value, "jitter", false)).toBe(value)
    expect(fraction(1, "jitter", true)).toBe(1)
    expect(() => fraction(1, "jitter", false)).toThrow("from 0 to below 1")
    for (const value of [-0.1, 1.1, Infinity, ...nothings]) {
      expect(() => fraction(value, "jitter", true)).toThrow(InvalidOptionError)
    }
  })
})

test("boolean takes nothing that only counts as one", () => {
  expect([boolean(true, "inherit"), boolean(false, "inherit")]).toEqual([true, false])
  for (const value of [0, 1, "true", null, undefined])
    expect(() => boolean(value, "inherit")).toThrow(InvalidOptionError)
})

test("oneOf lists what is allowed", () => {
  expect(oneOf("a", ["a", "b"], "mode")).toBe("a")
  expect(() => oneOf("c", ["a", "b"], "mode")).toThrow('Invalid option mode = "c": it must be one of "a", "b"')
})

test("functions are asked for by name", () => {
  const hook = (): number => 1
  expect(optionalFunction(hook, "sizeOf")).toBe(hook)
  expect(optionalFunction(undefined, "sizeOf")).toBe(undefined)
  expect(() => optionalFunction(1 as unknown as () => void, "sizeOf")).toThrow("it must be a function")
  expect(() => checkFunction(1, "loader", "a loader")).toThrow("Invalid option loader = 1: it must be a loader")
  expect(() => checkFunction(hook, "loader", "a loader")).not.toThrow()
})

test("checkName takes 1 to 200 characters without control characters", () => {
  for (const name of ["a", "getUser", "größe/日本", "x".repeat(200)]) expect(() => checkName(name)).not.toThrow()
  for (const name of ["", "x".repeat(201), "a\nb", "\0", 1, undefined]) {
    expect(() => checkName(name)).toThrow(InvalidOptionError)
  }
})

test("isStringArray is true of arrays of strings alone", () => {
  expect([isStringArray([]), isStringArray(["a"]), isStringArray(Object.freeze(["a"]))]).toEqual([true, true, true])
  for (const value of [["a", 1], [undefined], "a", new Set(["a"]), { 0: "a", length: 1 }, null]) {
    expect(isStringArray(value)).toBe(false)
  }
})

describe("objects", () => {
  test("checkObject takes objects, and no arrays", () => {
    for (const value of [
      {},
      Object.create(null),
      new (class Options {
        a = 1
      })(),
    ]) {
      expect(() => checkObject(value, "createCache")).not.toThrow()
    }
    for (const value of [undefined, null, [], "a", () => 1]) {
      expect(() => checkObject(value, "createCache")).toThrow("the options of createCache must be an object")
    }
  })

  test("checkNames refuses a name that nothing reads, with those that there are", () => {
    const known = new Set(["ttl", "deps"])
    expect(() => checkNames({ ttl: 1, deps: undefined }, known, "cacheable")).not.toThrow()
    expect(() => checkNames({ tll: 5 }, known, "cacheable")).toThrow(
      "Invalid option tll = 5: cacheable has no such option; it has deps, ttl",
    )
    expect(() => checkNames({ max: 5 }, known, "memory", "memory.")).toThrow("Invalid option memory.max = 5")
    expect(() => checkNames(null, known, "cacheable")).toThrow(InvalidOptionError)
  })

  test.each([
    ["tags", "deps"],
    ["maxAge", "ttl"],
    ["max", "memory: { maxEntries }"],
    ["memroy", "memory"],
    ["TTL", "ttl"],
    ["dep", "deps"],
    ["tttl", "ttl"],
    ["tl", "ttl"],
    ["tdl", "ttl"],
  ])("checkNames tells which option is meant by %s", (name, meant) => {
    const known = new Set(["ttl", "deps", "memory", "key"])
    expect(() => checkNames({ [name]: 1 }, known, "createCache")).toThrow(`Did you mean \`${meant}\`?`)
  })

  test("checkNames suggests nothing where nothing is near, and no option that is not there", () => {
    const message = (name: string, known: string[]): string => {
      try {
        checkNames({ [name]: 1 }, new Set(known), "set")
      } catch (error) {
        return (error as Error).message
      }
      return expect.fail("it was accepted")
    }
    expect(message("colour", ["ttl", "deps"])).toBe(
      "Invalid option colour = 1: set has no such option; it has deps, ttl",
    )
    expect(message("max", ["maxBytes", "maxEntries"])).not.toMatch("Did you mean")
  })

  test("checkParts, checkLog and checkClock go by methods", () => {
    const backend = { open: () => {} }
    expect(checkParts(backend, "backend", ["open"])).toBe(backend)
    expect(checkParts(undefined, "backend", ["open"])).toBe(undefined)
    expect(() => checkParts({}, "backend", ["open", "close"])).toThrow("it must be an object with `open`, `close`")
    const log = { local: true, append() {}, pull() {}, listen() {}, close() {} }
    expect(checkLog(log)).toBe(log)
    expect(() => checkLog({ ...log, local: "yes" })).toThrow(InvalidOptionError)
    expect(() => checkLog({ ...log, pull: 1 })).toThrow(InvalidOptionError)
    expect(checkClock(undefined)).toBe(systemClock)
    // A clock of users calls back in the root context.
    expect(checkClock({ ...systemClock, wall: () => 5 }).wall()).toBe(5)
    for (const clock of [null, {}, Date, { now() {} }]) expect(() => checkClock(clock)).toThrow(InvalidOptionError)
  })
})

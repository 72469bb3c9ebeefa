import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { InvalidKeyError } from "../../../src/core/base/errors.js"
import { checkManualKey, functionKey, parseFunctionKey } from "../../../src/core/values/function-key.js"
import { idOf } from "../../../src/core/values/id.js"
import { call } from "./support/calls.js"

const numRuns = Number(process.env["ZOOCACHE_RUNS"] ?? 1_000)

describe("functionKey and parseFunctionKey", () => {
  test.each<[string, string | number | undefined, unknown[], string]>([
    ["getUser", undefined, [42], "ƒ:getUser::42"],
    ["getUser", 2, ["42"], 'ƒ:getUser:2:"42"'],
    ["now", undefined, [], "ƒ:now::"],
    ["Repo.user", "v1", [1, "a"], 'ƒ:Repo.user:v1:1,"a"'],
    ["a:b%", ":", [{ a: ":" }], 'ƒ:a%3Ab%25:%3A:{a:":"}'],
    ["get user", undefined, [null], "ƒ:get%20user::null"],
    ["größe/日本", undefined, [null], "ƒ:größe/日本::null"],
    ["", undefined, [null], "ƒ:::null"],
  ])("write and read the key of %s, version %s", (name, version, args, key) => {
    const entryId = idOf(args)
    expect(functionKey(name, version, entryId)).toBe(key)
    expect(parseFunctionKey(key)).toEqual({
      name,
      version: version === undefined ? undefined : String(version),
      id: entryId,
    })
  })

  test("bring back the parts of any key, and write the same key of them", () => {
    const name = fc.string({
      unit: fc.oneof(
        fc.constantFrom(":", "%", " ", "a", "\u0085", "3", "A"),
        fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 }),
      ),
      maxLength: 8,
    })
    const version = fc.oneof(
      fc.constant(undefined),
      fc.integer(),
      name.filter((text) => text !== ""),
    )
    fc.assert(
      fc.property(name, version, call, (functionName, functionVersion, args) => {
        const key = functionKey(functionName, functionVersion, idOf(args))
        const parts = parseFunctionKey(key)
        expect(parts?.name).toBe(functionName)
        expect(parts?.version).toBe(functionVersion === undefined ? undefined : String(functionVersion))
        expect(Object.is(parts?.id, idOf(args))).toBe(true)
        expect(functionKey(functionName, parts?.version, parts?.id)).toBe(key)
      }),
      { numRuns },
    )
  })

  test.each(["", "user:1", "f:getUser::42", "xƒ:getUser::42", "ƒ"])(
    "leave %j alone: it is no key of a function",
    (key) => {
      expect(parseFunctionKey(key)).toBe(undefined)
    },
  )

  test.each([
    "ƒ:",
    "ƒ:getUser",
    "ƒ:getUser:42",
    "ƒ:a%:1:42",
    "ƒ:a%3a::42",
    "ƒ:%61::42",
    "ƒ:a b::42",
    "ƒ:%FF::42",
    "ƒ:a::01",
    "ƒ:a::undefined",
    "ƒ:a::42:",
    "ƒ:\ud800::42",
  ])("refuse %j, which begins like a key of a function and is none", (key) => {
    expect(() => parseFunctionKey(key)).toThrow(InvalidKeyError)
  })

  test("refuse a lone surrogate in a name, and an empty version", () => {
    expect(() => functionKey("a\ud800", undefined, 1)).toThrow(InvalidKeyError)
    expect(() => functionKey("a", "\ud800", 1)).toThrow(InvalidKeyError)
    expect(() => functionKey("a", "", 1)).toThrow("a version is not empty")
  })
})

describe("checkManualKey", () => {
  test("takes any non-empty string", () => {
    for (const key of ["a", " ", "user:1", "ƒ:x", "\0"]) expect(() => checkManualKey(key)).not.toThrow()
  })

  test.each([
    ["", "it is empty"],
    [undefined, "a key is a string"],
    [42, "a key is a string"],
    [["a"], "a key is a string"],
    [Object("a"), "a key is a string"],
  ])("refuses %j", (key, reason) => {
    expect(() => checkManualKey(key)).toThrow(InvalidKeyError)
    expect(() => checkManualKey(key)).toThrow(reason)
  })
})

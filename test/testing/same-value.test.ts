import { describe, expect, test } from "vitest"
import { differenceOf } from "../../src/testing/same-value.js"
import { CHANGELESS_VALUES, KEPT_VALUES, REFUSED_VALUES } from "../../src/testing/value-table.js"

const shared = { id: 1 }
class Money {
  amount = 1
}

test("a value is like one that was made in the same way", () => {
  for (const table of [...Object.values(KEPT_VALUES), ...Object.values(CHANGELESS_VALUES)]) {
    for (const [what, make] of Object.entries(table)) expect(differenceOf(make(), make()), what).toBeUndefined()
  }
})

test("a value is like itself, whatever it is", () => {
  for (const table of Object.values(REFUSED_VALUES)) {
    for (const [what, make] of Object.entries(table)) {
      const value = make()
      expect(differenceOf(value, value), what).toBeUndefined()
    }
  }
})

describe("a difference is found between", () => {
  test.each<[string, unknown, unknown]>([
    ["0 and -0", -0, 0],
    ["null and undefined", undefined, null],
    ["a number and its text", "1", 1],
    ["a number and its bigint", 1n, 1],
    ["an absent property and an undefined one", {}, { a: undefined }],
    ["two orders of keys", { a: 1, b: 2 }, { b: 2, a: 1 }],
    ["an array and an object like it", { 0: 1, length: 1 }, [1]],
    ["a hole and an undefined element", [undefined], new Array<unknown>(1)],
    ["a name on an array and none", [1], Object.assign([1], { a: 1 })],
    ["a property by a symbol and none", {}, { [Symbol.iterator]: 1 }],
    ["a hidden property and one to be seen", { a: 1 }, Object.defineProperty({}, "a", { value: 1 })],
    [
      "an accessor and a value",
      { a: 1 },
      {
        get a() {
          return 1
        },
      },
    ],
    ["a prototype and none", {}, Object.create(null)],
    ["an instance and its properties", { amount: 1 }, new Money()],
    ["a date and its text", "1970-01-01T00:00:00.000Z", new Date(0)],
    ["two dates", new Date(1), new Date(0)],
    ["a date and an invalid one", new Date(0), new Date(NaN)],
    ["two patterns", /a/, /b/],
    ["the flags of two patterns", /a/, /a/i],
    ["the places of two patterns", /a/g, Object.assign(/a/g, { lastIndex: 1 })],
    ["two messages", new Error("a"), new Error("b")],
    ["two kinds of errors", new Error("a"), new TypeError("a")],
    ["an error with a cause and one without", new Error("a"), new Error("a", { cause: 1 })],
    ["a map and an object", {}, new Map()],
    ["two sizes of maps", new Map(), new Map([["a", 1]])],
    ["two keys of maps", new Map([[1, 1]]), new Map([["1", 1]])],
    ["two values in maps", new Map([["a", 1]]), new Map([["a", 2]])],
    ["two orders of sets", new Set([1, 2]), new Set([2, 1])],
    ["a Buffer and a Uint8Array", new Uint8Array([1]), Buffer.from([1])],
    ["two kinds of numbers in bytes", new Int8Array([1]), new Uint8Array([1])],
    ["two bytes", new Uint8Array([1]), new Uint8Array([2])],
    ["-0 and 0 in bytes", new Float64Array([0]), new Float64Array([-0])],
    ["an ArrayBuffer and another", new ArrayBuffer(1), new ArrayBuffer(2)],
    ["an object twice and two alike", [{ id: 1 }, { id: 1 }], [shared, shared]],
    ["two objects alike and one twice", [shared, shared], [{ id: 1 }, { id: 1 }]],
    ["two functions", () => 1, () => 1],
    ["two promises", Promise.resolve(), Promise.resolve()],
  ])("%s", (_what, found, expected) => {
    expect(differenceOf(found, expected)).toBeTypeOf("string")
    expect(differenceOf({ a: [found] }, { a: [expected] })).toMatch(/^\.a\[0\]/)
  })
})

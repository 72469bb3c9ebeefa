import fc from "fast-check"
import { expect, test } from "vitest"
import { nameText, quote, step } from "../../../src/core/values/key-text.js"

test("quote is well-formed, is JSON, and differs for different texts", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (left, right) => {
      expect(JSON.parse(quote(left))).toBe(left)
      expect(/\p{Surrogate}/u.test(quote(left))).toBe(false)
      expect(quote(left) === quote(right)).toBe(left === right)
    }),
  )
  expect(quote("\ud800")).toBe(String.raw`"\ud800"`)
  expect(quote("a\u2028b")).toBe('"a\u2028b"')
})

test.each([
  ["id", "id", ".id"],
  ["$a_1", "$a_1", ".$a_1"],
  ["1a", '"1a"', '["1a"]'],
  ["two words", '"two words"', '["two words"]'],
  ["", '""', '[""]'],
  ["ä", '"ä"', '["ä"]'],
])("the name %j is written %s, and %s in a path", (name, written, inPath) => {
  expect(nameText(name)).toBe(written)
  expect(step(name)).toBe(inPath)
})

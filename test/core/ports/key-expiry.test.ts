import fc from "fast-check"
import { expect, test } from "vitest"
import { expiredKeyOf, keyExpiry } from "../../../src/core/ports/key-expiry.js"
import { isOfTags } from "../../../src/core/ports/change.js"

const letters = fc.constantFrom(..."aß:*% \n\u0000ƒ😀/#\u{1F600}")

test("a key comes back as it was, from a change that is the expiry of a tag for whoever does not know it", () => {
  fc.assert(
    fc.property(fc.array(letters, { minLength: 1, maxLength: 30 }), (parts) => {
      const key = parts.join("")
      const change = keyExpiry(key)
      if (change.kind === "key") return
      expect(expiredKeyOf(change)).toBe(key)
      expect(isOfTags(change)).toBe(true)
      // What every release takes for a tag: segments without `*`, white space and control characters.
      expect(change.path).toMatch(/^ƒkey:[\w.~!'()%-]+$/)
      expect(Buffer.byteLength(change.path)).toBeLessThanOrEqual(256)
    }),
  )
})

test("different keys are different changes", () => {
  const keys = ["a", "A", "a%2A", "a*", "a:b", "a%3Ab", "ƒ:f::1", "ƒ:f::2"]
  expect(new Set(keys.map((key) => keyExpiry(key).path)).size).toBe(keys.length)
})

test.each([["k".repeat(251)], ["ß".repeat(50)], ["\ud800"]])(
  "a key that fits into no tag is invalidated: %j",
  (key) => {
    expect(keyExpiry(key)).toEqual({ kind: "key", path: key })
  },
)

test("the longest that fits", () => {
  const key = "k".repeat(250)
  expect(expiredKeyOf(keyExpiry(key))).toBe(key)
})

test("other changes are about no key; what was collapsed, or is damaged, is about all", () => {
  expect(expiredKeyOf({ kind: "expiry", path: "user:42" })).toBeUndefined()
  expect(expiredKeyOf({ kind: "expiry", path: "ƒkeys" })).toBeUndefined()
  expect(expiredKeyOf({ kind: "expiry", path: "" })).toBeUndefined()
  expect(expiredKeyOf({ kind: "tag", path: "ƒkey:a" })).toBeUndefined()
  expect(expiredKeyOf({ kind: "expiry", path: "ƒkey" })).toBe("")
  expect(expiredKeyOf({ kind: "expiry", path: "ƒkey:%F0" })).toBe("")
})

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { decodeArguments } from "../../../src/core/values/decode-arguments.js"
import { encodeArguments } from "../../../src/core/values/encode-arguments.js"
import { call, sameCall } from "./support/calls.js"

describe("decodeArguments", () => {
  test("brings back the arguments of every text that hides nothing", () => {
    fc.assert(
      fc.property(call, (args) => {
        if (args.length === 0) return
        const text = encodeArguments(args, args.length)
        if (text.length > 128 || text.includes("#")) return
        expect(sameCall(decodeArguments(text), args)).toBe(true)
      }),
    )
  })

  test("makes a name called __proto__ a name like any other", () => {
    const [object] = decodeArguments("{__proto__:{admin:true}}") as [object]
    expect(Object.getPrototypeOf(object)).toBe(null)
    expect(Object.keys(object)).toEqual(["__proto__"])
  })

  test.each(["", "[", "[1", '"a', "{a}", "{a:1", "Map(1)", "Function(00)", "eval(00)", "Uint8Array(0)", "(", ")"])(
    "throws for %j",
    (text) => {
      expect(() => decodeArguments(text)).toThrow()
    },
  )

  test("throws before it reads a text that is too long", () => {
    expect(() => decodeArguments("1".repeat(10_000))).toThrow("too long")
  })
})

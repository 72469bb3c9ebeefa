/* oxlint-disable unicorn/no-thenable -- thenables are what these tests are about */
import { describe, expect, test } from "vitest"
import { InvalidKeyError } from "../../../src/core/base/errors.js"
import { customId, identityOf } from "../../../src/core/values/custom-id.js"
import { idOf } from "../../../src/core/values/id.js"

describe("customId", () => {
  test.each([1, "a", null, false, 0, "", Number.NaN, [1, "a"], { tenant: 1, id: 2 }, [undefined]])(
    "is the id of a call with the argument %j",
    (identity) => {
      expect(customId(identity)).toBe(idOf([identity]))
    },
  )

  test("refuses undefined, with what to write instead", () => {
    expect(() => customId(undefined)).toThrow(InvalidKeyError)
    expect(() => customId(undefined)).toThrow("`key` returned undefined, so that all calls would share one entry")
  })

  test("refuses a promise, and says that hooks are synchronous", () => {
    expect(() => customId(Promise.reject(new Error("handled")))).toThrow(InvalidKeyError)
    expect(() => customId(Promise.resolve(1))).toThrow("hooks are synchronous")
    expect(() => customId({ then() {} })).toThrow("hooks are synchronous")
  })

  test("refuses what no key can hold", () => {
    expect(() => customId(() => 1)).toThrow(InvalidKeyError)
    expect(() =>
      customId(
        new (class User {
          id = 1
        })(),
      ),
    ).toThrow(InvalidKeyError)
  })
})

test("identityOf names the hook", () => {
  expect(() => identityOf("keyThis", undefined)).toThrow("`keyThis` returned undefined")
  expect(identityOf("keyThis", "eu")).toBe("eu")
})

import { expect, test } from "vitest"
import { ZooCacheError } from "zoocache"
import { assert } from "../../../src/core/base/assert.js"

test("an invariant that is broken is a bug of zoocache, and says so", () => {
  expect(() => assert(true, "fine")).not.toThrow()
  let thrown: unknown
  try {
    assert(false, "one is more than two")
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(ZooCacheError)
  expect(thrown).toMatchObject({
    code: "ERR_ZOOCACHE_INTERNAL",
    message: expect.stringContaining("This is a bug of zoocache: one is more than two.") as string,
  })
})

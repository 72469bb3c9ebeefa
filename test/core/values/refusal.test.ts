import { expect, test } from "vitest"
import { accessorRefusal, below, instanceRefusal, Refusal, symbolRefusal } from "../../../src/core/values/refusal.js"

test("a path grows from the inside out", () => {
  const refusal = new Refusal(1, "is a number")
  expect(below(".a", below("[0]", refusal))).toBe(refusal)
  expect(refusal.path).toBe(".a[0]")
})

test("other errors pass through without a path", () => {
  const error = new TypeError("other")
  expect(below(".a", error)).toBe(error)
  expect(below(".a", "text")).toBe("text")
})

test("each kind says what is wrong with its value", () => {
  const holder = {}
  const refusals = [accessorRefusal(holder), symbolRefusal(holder), instanceRefusal(holder)]
  expect(refusals.map(({ value }) => value)).toEqual([holder, holder, holder])
  expect(refusals.map(({ reason }) => reason)).toEqual([
    expect.stringContaining("accessor"),
    expect.stringContaining("symbol"),
    expect.stringContaining("instance of a class"),
  ])
})

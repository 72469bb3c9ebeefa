import { expect, test } from "vitest"
import { BatchOutcomes, outcomeOf } from "../../../src/core/loads/outcome.js"

test("a single load has one outcome: its value, whatever that is", () => {
  for (const value of [1, undefined, null, [1, 2], new Map()]) {
    expect(outcomeOf(value, 0)).toEqual({ isError: false, value })
    expect(outcomeOf(value, 3)).toEqual({ isError: false, value })
  }
})

test("a batch has one outcome per flight, in their order", () => {
  const outcomes = [
    { isError: false, value: 1 },
    { isError: true, value: new Error("gone") },
    { isError: false, value: undefined, isAbsent: true },
  ]
  const batch = new BatchOutcomes(outcomes)
  expect(outcomes.map((_, index) => outcomeOf(batch, index))).toEqual(outcomes)
})

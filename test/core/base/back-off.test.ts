import { describe, expect, it } from "vitest"
import { BackOff, backOffMs, jittered } from "../../../src/core/base/back-off.js"

describe("the delay after failures in a row", () => {
  it("doubles up to the longest", () => {
    const options = { firstMs: 50, longestMs: 1000 }
    expect([0, 1, 2, 4, 5, 1000].map((failures) => backOffMs(failures, options))).toEqual([
      50, 100, 200, 800, 1000, 1000,
    ])
  })

  it("lies between half and all of it by chance", () => {
    expect([0, 0.5, 1].map((chance) => jittered(100, () => chance))).toEqual([50, 75, 100])
    expect(backOffMs(2, { firstMs: 50, longestMs: 1000, random: () => 0 })).toBe(100)
  })

  it("begins anew when an attempt has succeeded", () => {
    const backOff = new BackOff({ firstMs: 10, longestMs: 35 })
    expect([backOff.next(), backOff.next(), backOff.next(), backOff.failures]).toEqual([10, 20, 35, 3])
    backOff.reset()
    expect([backOff.next(), backOff.failures]).toEqual([10, 1])
  })
})

import fc from "fast-check"
import { describe, expect, expectTypeOf, test } from "vitest"
import { formatDuration, parseDuration, type Duration } from "../../../src/core/base/duration.js"
import { InvalidOptionError } from "../../../src/core/base/errors.js"

const numRuns = Number(process.env["ZOOCACHE_RUNS"] ?? 500)

describe("parseDuration", () => {
  test.each([
    [0, 0],
    [250, 250],
    [0.5, 0.5],
    [-1, -1],
    [Infinity, Infinity],
    ["0s", 0],
    ["250ms", 250],
    ["30s", 30_000],
    ["5m", 300_000],
    ["1h", 3_600_000],
    ["7d", 604_800_000],
    ["2w", 1_209_600_000],
    ["1.5h", 5_400_000],
    [".5s", 500],
    ["1h30m", 5_400_000],
    ["1m500ms", 60_500],
    ["1w2d3h4m5s6ms", 788_645_006],
  ])("reads %s as %s ms", (value, ms) => {
    expect(parseDuration(value, "ttl")).toBe(ms)
  })

  test.each([
    "",
    " ",
    "5",
    "s",
    "-5s",
    "+5s",
    "5 s",
    "1h 30m",
    "5sec",
    "5S",
    "1h30",
    "h1",
    "1e3s",
    "0x10s",
    "1..5s",
    "5s5s",
    "30m1h",
    "Infinity",
    "1h\n",
    "٣s",
  ])("refuses the text %j", (value) => {
    expect(() => parseDuration(value, "ttl")).toThrow(InvalidOptionError)
  })

  test.each([NaN, undefined, null, true, 5n, {}, [5], new Date(0), Symbol("5s")])("refuses %s", (value) => {
    expect(() => parseDuration(value, "ttl")).toThrow(InvalidOptionError)
  })

  test("names the option and the value", () => {
    expect(() => parseDuration("5 minutes", "staleness.bound")).toThrow('Invalid option staleness.bound = "5 minutes"')
  })

  test("cuts what is absurdly large to a number that can still be added to a clock reading", () => {
    for (const huge of [1e300, Number.MAX_SAFE_INTEGER, `${"9".repeat(400)}w`, "99999999999999999999d"]) {
      const ms = parseDuration(huge, "ttl")
      expect(Number.isSafeInteger(ms + Date.now())).toBe(true)
      expect(ms).toBeGreaterThan(1e15)
      expect(new Date(ms + Date.now()).getTime()).not.toBeNaN()
    }
    expect(parseDuration(-1e300, "ttl")).toBe(-parseDuration(1e300, "ttl"))
    expect(parseDuration(-Infinity, "ttl")).toBeLessThan(0)
    expect(Number.isFinite(parseDuration(-Infinity, "ttl"))).toBe(true)
  })

  test("adds up its parts", () => {
    const units = { w: 604_800_000, d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }
    const part = fc.option(fc.nat(10_000), { nil: undefined })
    fc.assert(
      fc.property(fc.record({ w: part, d: part, h: part, m: part, s: part, ms: part }), (parts) => {
        const used = (Object.keys(units) as (keyof typeof units)[]).filter((unit) => parts[unit] !== undefined)
        fc.pre(used.length > 0)
        const text = used.map((unit) => `${parts[unit]}${unit}`).join("")
        expect(parseDuration(text, "ttl")).toBe(used.reduce((sum, unit) => sum + (parts[unit] ?? 0) * units[unit], 0))
      }),
      { numRuns },
    )
  })

  test("either returns a number that isn't NaN, or throws InvalidOptionError", () => {
    const text = fc.string({ unit: fc.constantFrom("1", "0", ".", "m", "s", "h", "d", "w", "-", " ", "e") })
    fc.assert(
      fc.property(fc.oneof(text, fc.anything()), (value) => {
        try {
          expect(parseDuration(value, "ttl")).not.toBeNaN()
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidOptionError)
        }
      }),
      { numRuns },
    )
  })

  test("has a type that takes durations and no other text", () => {
    expectTypeOf<"1h" | "250ms" | "1h30m" | "1.5d" | 5>().toExtend<Duration>()
    expectTypeOf<"5 minutes">().not.toExtend<Duration>()
    expectTypeOf<"5">().not.toExtend<Duration>()
    expectTypeOf<"h">().not.toExtend<Duration>()
    expectTypeOf<"1h30">().not.toExtend<Duration>()
  })
})

describe("formatDuration", () => {
  test.each([
    [0, "0 ms"],
    [0.25, "0.3 ms"],
    [250, "250 ms"],
    [999.4, "999 ms"],
    [999.6, "1 s"],
    [1_100, "1.1 s"],
    [3_200, "3.2 s"],
    [59_940, "59.9 s"],
    [59_960, "1 min"],
    [120_000, "2 min"],
    [3_599_000, "1 h"],
    [14_400_000, "4 h"],
    [86_400_000, "24 h"],
    [259_200_000, "3 d"],
    [Infinity, "forever"],
    [-1_100, "-1.1 s"],
  ])("writes %s ms as %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })
})

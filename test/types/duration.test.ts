/** A duration that compiles is one that is accepted, and one that is refused does not compile. */
import fc from "fast-check"
import { expect, test } from "vitest"
import { type Duration, type DurationString, InvalidOptionError } from "zoocache"
import { parseDuration } from "../../src/core/base/duration.js"

const accepted = [
  "0s",
  "0ms",
  "250ms",
  "30s",
  "5m",
  "1h",
  "7d",
  "2w",
  "1.5h",
  ".5s",
  "0.25s",
  "1.05s",
  "1.005s",
  "1.50h",
  "1000000ms",
  "1h30m",
  "1m500ms",
  "1h2.5s",
  "1w2d",
  "100ms",
] as const satisfies readonly DurationString[]

const refused: readonly DurationString[] = [
  // @ts-expect-error -- no exponent
  "1e3ms",
  // @ts-expect-error -- not a capital one either
  "1E3ms",
  // @ts-expect-error -- in no part
  "1.5e3ms",
  // @ts-expect-error -- of no sign
  "1e-3s",
  // @ts-expect-error -- no minus
  "-5m",
  // @ts-expect-error -- not before a zero
  "-0s",
  // @ts-expect-error -- nor a point
  "-.5s",
  // @ts-expect-error -- nor behind one
  "1.-5s",
  // @ts-expect-error -- nor in the second part
  "1h-30m",
  // @ts-expect-error -- no plus
  "+5s",
  // @ts-expect-error -- no blank between number and unit
  "5 s",
  // @ts-expect-error -- nor in front
  " 5s",
  // @ts-expect-error -- nor within
  "1. 5s",
  // @ts-expect-error -- nor behind
  "1h\n",
  // @ts-expect-error -- nor between two parts
  "1h 30m",
  // @ts-expect-error -- nothing but decimals
  "0x10s",
  // @ts-expect-error -- nothing but decimals
  "0X10s",
  // @ts-expect-error -- nothing but decimals
  "0b1s",
  // @ts-expect-error -- no separators
  "1_000ms",
  // @ts-expect-error -- a number has its Infinity, a text has none
  "Infinityms",
  // @ts-expect-error -- no number at all
  "NaNs",
  // @ts-expect-error -- a point has something behind it
  "5.s",
  // @ts-expect-error -- and something
  ".s",
  // @ts-expect-error -- one of them is enough
  "1..5s",
  // @ts-expect-error -- one of them is enough
  "1.5.5s",
  // @ts-expect-error -- a number needs its unit
  "5",
  // @ts-expect-error -- a unit needs its number
  "s",
  // @ts-expect-error -- nothing is no duration
  "",
  // @ts-expect-error -- units are short
  "5sec",
  // @ts-expect-error -- and small
  "5S",
  // @ts-expect-error -- no bigint
  "5ns",
  // @ts-expect-error -- the larger unit comes first
  "30m1h",
  // @ts-expect-error -- each once
  "1h1h",
  // @ts-expect-error -- digits are those of ASCII
  "٣s",
]

test.each(accepted)("%j compiles and is accepted", (text) => {
  expect(parseDuration(text, "ttl")).toBeGreaterThanOrEqual(0)
})

test.each(refused)("%j neither compiles nor is accepted", (text) => {
  expect(() => parseDuration(text, "ttl")).toThrow(InvalidOptionError)
})

test("a number that is put into a text does not compile: nobody knows its sign and its size", () => {
  const minutes: number = 1e21
  // @ts-expect-error -- "1e+21m"
  const text: Duration = `${minutes}m`
  expect(() => parseDuration(text, "ttl")).toThrow(InvalidOptionError)
  const computed: Duration = minutes * 60_000
  expect(parseDuration(computed, "ttl")).toBeGreaterThan(0)
})

test("all that the type describes is accepted", () => {
  const whole = fc.bigInt({ min: 0n }).map(String)
  const fraction = fc.tuple(fc.constantFrom("", "0", "00"), whole).map((parts) => parts.join(""))
  const amount = fc.oneof(
    whole,
    fc.tuple(whole, fraction).map((parts) => parts.join(".")),
    fraction.map((digits) => `.${digits}`),
  )
  const units = ["w", "d", "h", "m", "s", "ms"]
  const pair = fc
    .uniqueArray(fc.nat(units.length - 1), { minLength: 2, maxLength: 2 })
    .map((picked) => picked.sort((a, b) => a - b).map((index) => units[index] as string))
  const text = fc.oneof(
    fc.tuple(amount, fc.constantFrom(...units)).map((parts) => parts.join("")),
    fc.tuple(whole, amount, pair).map(([first, second, [large = "", small = ""]]) => first + large + second + small),
  )
  fc.assert(
    fc.property(text, (duration) => {
      expect(parseDuration(duration, "ttl")).toBeGreaterThanOrEqual(0)
    }),
  )
})

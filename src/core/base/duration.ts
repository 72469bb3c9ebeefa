import { InvalidOptionError } from "./errors.js"

// Digits alone: neither sign, blank, letter (`0x`, `1e3`) nor separator. `${bigint}` lets a minus and `0x` pass; of two
// placeholders side by side the first takes one character, which so must be a digit; what has no letters is its own
// upper and lower case.
type Whole = `${bigint}` & `${bigint}${string}` & Uppercase<string> & Lowercase<string>

// No bigint begins with a zero but zero.
type Fraction = Whole | `0${Whole}` | `00${Whole}`

type Amount = Whole | `${Whole}.${Fraction}` | `.${Fraction}`

/**
 * `"250ms"`, `"1.5h"`, `"7d"`, or two of them, the larger unit first: `"1h30m"`. Without sign, exponent and blanks: what
 * would be refused does not compile. A computed duration is a number of milliseconds.
 */
export type DurationString =
  | `${Amount}${"w" | "d" | "h" | "m" | "s" | "ms"}`
  | `${Whole}w${Amount}${"d" | "h" | "m" | "s" | "ms"}`
  | `${Whole}d${Amount}${"h" | "m" | "s" | "ms"}`
  | `${Whole}h${Amount}${"m" | "s" | "ms"}`
  | `${Whole}m${Amount}${"s" | "ms"}`
  | `${Whole}s${Amount}ms`

/** Milliseconds, or a text such as `"30s"`, `"5m"`, `"1h30m"`; Infinity = without end. */
export type Duration = number | DurationString

const millisecondsOf: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
  ["w", 604_800_000],
])

// 140,000 years: added to a clock reading it is still an exact integer, and a date.
const longest = 2 ** 52

const part = /(\d+(?:\.\d+)?|\.\d+)(ms|[smhdw])/y

/**
 * The milliseconds of a duration: finite, or Infinity for a number that is. A text may have any number of parts, larger
 * units first, each unit once. Zero and negative numbers pass; what they mean is the option's business. Absurdly
 * large ones are cut to 2^52 ms.
 *
 * @throws InvalidOptionError naming the option and the value.
 * @example
 * parseDuration("1h30m", "ttl") // 5_400_000
 */
export function parseDuration(value: unknown, option: string): number {
  if (typeof value === "number") {
    if (Number.isNaN(value)) throw new InvalidOptionError(option, value, "it is not a number")
    return value === Infinity ? Infinity : clamp(value)
  }
  if (typeof value !== "string") throw new InvalidOptionError(option, value, expected)
  let total = 0
  let previousUnit = Infinity
  part.lastIndex = 0
  let end = 0
  while (end < value.length) {
    const match = part.exec(value)
    if (match === null) throw new InvalidOptionError(option, value, expected)
    const unit = millisecondsOf.get(match[2] as string) as number
    if (unit >= previousUnit) {
      throw new InvalidOptionError(option, value, 'each unit may occur once, the larger first, as in "1h30m"')
    }
    previousUnit = unit
    total += Number(match[1]) * unit
    end = part.lastIndex
  }
  if (end === 0) throw new InvalidOptionError(option, value, expected)
  return clamp(total)
}

const expected = 'pass milliseconds, or a text such as "250ms", "30s", "5m", "1h30m", "7d"'

function clamp(ms: number): number {
  return Math.min(Math.max(ms, -longest), longest)
}

/** For sentences: `250 ms`, `3.2 s`, `2 min`, `4 h`, `3 d`; one digit after the point where it isn't zero. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`
  if (ms === Infinity) return "forever"
  // Rounded before the unit is chosen, or 999.6 ms would read "1000 ms".
  const shownMs = ms < 10 ? rounded(ms) : Math.round(ms)
  if (!(shownMs >= 1_000)) return `${shownMs} ms`
  for (const [unitMs, below, name] of scales) {
    const amount = rounded(ms / unitMs)
    if (amount < below) return `${amount} ${name}`
  }
  return `${rounded(ms / 86_400_000)} d`
}

const scales: readonly (readonly [unitMs: number, below: number, name: string])[] = [
  [1_000, 60, "s"],
  [60_000, 60, "min"],
  [3_600_000, 48, "h"],
]

function rounded(amount: number): number {
  return Math.round(amount * 10) / 10
}

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { InvalidTokenError } from "zoocache"
import {
  formatToken,
  isSameEpoch,
  isVersion,
  nextVersion,
  NO_VERSION,
  parseToken,
  TICKS_PER_MS,
  versionWallMs,
} from "../../../src/core/tags/version.js"

const numRuns = Number(process.env["ZOOCACHE_RUNS"] ?? 500)
const version = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const epoch = fc.record({ ordinal: fc.nat(), nonce: fc.stringMatching(/^[A-Za-z0-9_-]{1,32}$/) })

describe("nextVersion", () => {
  test.each([
    ["the clock, where it is ahead", 1000, 5, 1000 * TICKS_PER_MS],
    ["one more, within a millisecond", 1000, 1000 * TICKS_PER_MS, 1000 * TICKS_PER_MS + 1],
    ["one more, where the clock was set back", 10, 1000 * TICKS_PER_MS, 1000 * TICKS_PER_MS + 1],
    ["the clock in whole milliseconds", 1000.9, 5, 1000 * TICKS_PER_MS],
    ["above the start, on a clock that begins there", 0, NO_VERSION, 1],
  ])("is %s", (_what, wallMs, head, expected) => {
    expect(nextVersion(wallMs, head)).toBe(expected)
  })

  test("only rises, and is never behind the clock", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 2 ** 42 }), { maxLength: 30 }), (clock) => {
        let head = NO_VERSION
        for (const wallMs of clock) {
          const next = nextVersion(wallMs, head)
          expect(next).toBeGreaterThan(head)
          expect(versionWallMs(next)).toBeGreaterThanOrEqual(wallMs)
          expect(isVersion(next)).toBe(true)
          head = next
        }
      }),
      { numRuns },
    )
  })
})

test.each([
  [0, true],
  [1, true],
  [Number.MAX_SAFE_INTEGER, true],
  [-1, false],
  [0.5, false],
  [2 ** 53, false],
  [Number.NaN, false],
  ["1", false],
  [1n, false],
  [undefined, false],
])("isVersion of %s: %s", (value, expected) => {
  expect(isVersion(value)).toBe(expected)
})

test("epochs are the same where both parts are", () => {
  const one = { ordinal: 1, nonce: "a" }
  expect(isSameEpoch(one, { ordinal: 1, nonce: "a" })).toBe(true)
  expect(isSameEpoch(one, { ordinal: 2, nonce: "a" })).toBe(false)
  expect(isSameEpoch(one, { ordinal: 1, nonce: "b" })).toBe(false)
})

describe("tokens", () => {
  test("name an epoch and a version, in any order of them", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(epoch, version), { maxLength: 5 }), (named) => {
        for (const [epoch, version] of [...named, ...named]) {
          const token = formatToken(epoch, version)
          expect(parseToken(token)).toEqual({ epoch, version })
          expect(token.length).toBeLessThanOrEqual(80)
        }
      }),
      { numRuns },
    )
  })

  test.each([
    [undefined],
    [42],
    [""],
    ["zc1"],
    ["zc2.1.a.1.1"],
    ["zc1.1.a.1"],
    ["zc1.1.a.1.1.1"],
    ["zc1.01.a.1.1"],
    ["zc1.1.a.01.1"],
    ["zc1.1.a.1.01"],
    ["zc1.1.a.-1.1"],
    ["zc1.1.a.1.1024"],
    ["zc1.1.a b.1.1"],
    ["zc1.1..1.1"],
    ["zc1.zzzzzzzzzzz.a.1.1"],
    ["zc1.1.a.9999999999999.1"],
    [` ${formatToken({ ordinal: 1, nonce: "a" }, 5)}`],
    [`${formatToken({ ordinal: 1, nonce: "a" }, 5)}\n`],
    ["x".repeat(1e6)],
  ])("are nothing else (%#)", (token) => {
    expect(() => parseToken(token)).toThrow(InvalidTokenError)
  })

  test("that are accepted are written in one way only", () => {
    const part = fc.constantFrom("0", "1", "00", "1023", "1024", "a", "z", "-", "", "9007199254740")
    fc.assert(
      fc.property(part, part, part, part, (ordinal, nonce, ms, counter) => {
        const token = `zc1.${ordinal}.${nonce}.${ms}.${counter}`
        let read
        try {
          read = parseToken(token)
        } catch {
          return
        }
        expect(formatToken(read.epoch, read.version)).toBe(token)
      }),
      { numRuns },
    )
  })
})

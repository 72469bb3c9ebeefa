import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { LogChange } from "../../src/core/ports/log.js"
import { membersOf } from "../../src/redis/changes.js"
import { readRing, ringText } from "../../src/redis/doorbell.js"
import { readAppended } from "../../src/redis/replies.js"

const ABOUT = "1764000000 nonce-1 3 1763000000 nonce-0 17"
const OTHER = "1764000009 nonce-2 4 1764000000 nonce-1 99"

describe("what a doorbell says", () => {
  const kinds = ["tag", "expiry", "key", "function"] as const
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: "binary" }),
    fc.constantFrom('"', '"]}', "\\", "\n", "\ud800", '","changes":["', "größe"),
  )
  const change: fc.Arbitrary<LogChange> = fc.record({ kind: fc.constantFrom(...kinds), path: text })

  test("is read as it was written", () => {
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), text, (changes, origin) => {
        const news = readRing(`${ABOUT} 7 6 ${ringText(membersOf(changes), origin)}`)
        expect(news?.origin).toBe(JSON.parse(JSON.stringify(origin)))
        const byKind = (each: LogChange) => `${each.kind} ${each.path}`
        expect(news?.changes.map(byKind).toSorted()).toEqual(changes.map(byKind).toSorted())
      }),
      { numRuns: 2000 },
    )
  })

  test("is read as JSON, or refused, whatever it is", () => {
    const parts = [
      '{"origin":"',
      "me",
      '","changes":["',
      "ta",
      "t\\u0061",
      '"',
      '","',
      '"]}',
      ",",
      " ",
      "\u0000",
      "{}",
      "1",
      "[]",
    ]
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...parts), { maxLength: 6 }), (chosen) => {
        const rest = chosen.join("")
        const asJson = () => JSON.parse(rest) as { origin?: unknown; changes?: unknown } | null
        let expected: unknown
        try {
          expected = asJson()
        } catch {
          expect(() => readRing(`${ABOUT} 7 6 ${rest}`)).toThrow()
          return
        }
        const { origin, changes } = (expected ?? {}) as { origin?: unknown; changes?: string[] }
        const members = Array.isArray(changes)
          ? changes.map((each: unknown) => typeof each === "string" && /^t./s.test(each))
          : []
        if (typeof origin !== "string" || (changes !== undefined && !Array.isArray(changes)) || members.includes(false))
          return
        const news = readRing(`${ABOUT} 7 6 ${rest}`)
        expect(news?.changes.map(({ path }) => `t${path}`)).toEqual(changes)
        if (news !== undefined) expect(news.origin).toBe(origin)
      }),
      { numRuns: 5000 },
    )
  })
})

describe("what replies and doorbells begin with", () => {
  test("is read alike the first time and later", () => {
    const text = `${ABOUT} 1806336000000003 1806336000000002 rest of it`
    const first = readAppended(`${OTHER} 2 1 -`)
    expect(first.rest).toBe("-")
    for (let times = 0; times < 3; times += 1) {
      expect(readAppended(text)).toEqual({
        reply: {
          epoch: { ordinal: 1764000000, nonce: "nonce-1" },
          ended: { epoch: { ordinal: 1763000000, nonce: "nonce-0" }, head: 17, life: 3 },
          version: 1806336000000003,
          previousHead: 1806336000000002,
        },
        rest: "rest of it",
      })
    }
  })

  test.each([
    "",
    " ",
    " 7",
    " 7 6",
    " 7 x -",
    " x 6 -",
    " 7 7 -",
    " 7  -",
    " -7 6 -",
    " 7.5 6 -",
    " 99999999999999999 6 -",
    "7 6 -",
  ])("is refused where it goes on with %j", (rest) => {
    readAppended(`${ABOUT} 7 6 -`)
    expect(() => readAppended(ABOUT + rest)).toThrow()
  })
})

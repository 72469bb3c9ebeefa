import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { editsBetween, nearestName } from "../../../src/core/tags/nearest-name.js"

const numRuns = Number(process.env["ZOOCACHE_RUNS"] ?? 500)

/** The same by its definition, without a band and without rows. */
function distance(a: string, b: string): number {
  const known = new Map<string, number>()
  const of = (i: number, j: number): number => {
    if (i === 0 || j === 0) return i + j
    const id = `${i} ${j}`
    const found = known.get(id)
    if (found !== undefined) return found
    let best = Math.min(of(i - 1, j) + 1, of(i, j - 1) + 1, of(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1))
    if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, of(i - 2, j - 2) + 1)
    known.set(id, best)
    return best
  }
  return of(a.length, b.length)
}

describe("editsBetween", () => {
  test.each([
    ["", "", 0],
    ["user", "user", 0],
    ["users", "user", 1],
    ["usre", "user", 1],
    ["suer", "user", 1],
    ["abcd", "badc", 2],
    ["kitten", "sitting", 3],
    // A restricted distance: what was swapped is not edited again.
    ["ca", "abc", 3],
  ])("%j and %j: %d", (a, b, edits) => {
    expect(editsBetween(a, b, 10)).toBe(edits)
    expect(editsBetween(b, a, 10)).toBe(edits)
  })

  test("is the distance of its definition up to the bound, and above the bound beyond", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 9 })
    fc.assert(
      fc.property(text, text, fc.nat(5), (a, b, most) => {
        const exact = distance(a, b)
        const edits = editsBetween(a, b, most)
        if (exact <= most) expect(edits).toBe(exact)
        else expect(edits).toBeGreaterThan(most)
      }),
      { numRuns },
    )
  })
})

describe("nearestName", () => {
  test.each([
    ["users", ["order", "user", "page"], "user"],
    ["usr", ["order", "user"], "user"],
    ["User", ["page", "user"], "user"],
    ["catalog", ["catalogue", "category"], "catalogue"],
    ["prodcut", ["product", "producer"], "product"],
    ["ordr", ["older", "order"], "order"],
    ["abc", ["abd", "abe"], "abd"],
    // Not near: another word, or too short to tell.
    ["user", ["page", "order"], undefined],
    ["a", ["b", "c"], undefined],
    ["ab", ["ax"], undefined],
    ["user", [], undefined],
    // The name itself is no better spelling.
    ["user", ["user"], undefined],
    ["x".repeat(65), ["x".repeat(64)], undefined],
    ["x".repeat(63), ["x".repeat(64)], "x".repeat(64)],
  ])("of %j among %j is %j", (name, known, nearest) => {
    expect(nearestName(name, known)).toBe(nearest)
  })

  test("is never further than another one", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 7 })
    fc.assert(
      fc.property(text, fc.array(text, { maxLength: 6 }), (name, known) => {
        const near = known.filter((each) => {
          const edits = distance(name, each)
          return each !== name && edits <= 3 && edits <= Math.max(name.length, each.length) / 3
        })
        const least = Math.min(...near.map((each) => distance(name, each)))
        expect(nearestName(name, known)).toBe(near.find((each) => distance(name, each) === least))
      }),
      { numRuns },
    )
  })
})

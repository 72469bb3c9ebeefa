import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { tag } from "../../../src/core/tags/tag.js"
import { coveringTag, formatTag, parametersOf, parseTagTemplate } from "../../../src/core/tags/tag-template.js"

const numRuns = Number(process.env["ZOOCACHE_RUNS"] ?? 300)

const segment = fc.stringMatching(/^[a-z]{1,3}$/)
const name = fc.constantFrom("a", "b", "_c", "$d", "constructor")
/** Segments of literals and gaps, in any order. */
const parts = fc.array(
  fc.array(
    fc.oneof(
      segment.map((literal) => ({ literal })),
      name.map((gap) => ({ gap })),
    ),
    { minLength: 1, maxLength: 3 },
  ),
  { minLength: 1, maxLength: 5 },
)
const value = fc.oneof(
  fc.string({ minLength: 1, maxLength: 4 }),
  fc.integer(),
  fc.boolean(),
  fc.bigInt({ max: 99n, min: 0n }),
)

describe("a template", () => {
  test("gives the tag that `tag` gives for the same literals and values", () => {
    fc.assert(
      fc.property(
        parts,
        fc.dictionary(name, value, { minKeys: 5, maxKeys: 5, noNullPrototype: false }),
        (segments, values) => {
          const text = segments
            .map((each) => each.map((part) => ("gap" in part ? `{${part.gap}}` : part.literal)).join(""))
            .join(":")
          const expected = segments
            .map((each) =>
              each.map((part) => ("gap" in part ? tag`${values[part.gap] as string}` : part.literal)).join(""),
            )
            .join(":")
          const template = parseTagTemplate(text)
          expect(formatTag(template, values)).toBe(expected)
          expect(coveringTag(template, values)).toBe(expected)
          const names = segments.flat().flatMap((part) => ("gap" in part ? [part.gap] : []))
          expect(parametersOf(template)).toEqual([...new Set(names)])
          expect(template.names).toEqual(names)
          expect(template.literals).toHaveLength(names.length + 1)
        },
      ),
      { numRuns },
    )
  })

  test("ignores what it has no gap for: a whole row may be given", () => {
    expect(formatTag(parseTagTemplate("user:{id}"), { id: 1, name: null })).toBe("user:1")
  })

  test.each([
    ["a:{x}:b:{y}", {}, "a"],
    ["a:{x}:b:{y}", { x: 1 }, "a:1:b"],
    ["a:{x}:b:{y}", { y: 1 }, "a"],
    ["a:{x}-{y}", { x: 1 }, "a"],
    ["{x}:a", {}, undefined],
    ["p{x}:a", {}, undefined],
    ["a", {}, "a"],
  ])("%s with %j is covered by %s", (text, values, covering) => {
    expect(coveringTag(parseTagTemplate(text), values)).toBe(covering)
  })
})

import { expect, test } from "vitest"
import { changeId, isOfTags } from "../../../src/core/ports/change.js"
import type { ChangeKind } from "../../../src/core/ports/log.js"

const kinds = ["tag", "expiry", "key", "function"] as const satisfies readonly ChangeKind[]

test("a change is named by its kind and its path", () => {
  const paths = ["", "a", "a:b", "tag a", " a", "\n"]
  const ids = kinds.flatMap((kind) => paths.map((path) => changeId({ kind, path })))
  expect(new Set(ids).size).toBe(kinds.length * paths.length)
})

test.each([
  ["tag", true],
  ["expiry", true],
  ["key", false],
  ["function", false],
] as const)("%s is of tags: %s", (kind, expected) => {
  expect(isOfTags({ kind })).toBe(expected)
})

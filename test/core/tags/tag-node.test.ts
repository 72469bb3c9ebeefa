import { expect, test } from "vitest"
import { beginPending, isPending, markOf, newestVersion, softMarkOf, TagNode } from "../../../src/core/tags/tag-node.js"

test("a node has no mark until something is said of it, and one from then on", () => {
  const node = new TagNode(null, "", 0)
  expect(node.mark).toBeNull()
  expect(isPending(node)).toBe(false)
  const mark = markOf(node)
  expect(markOf(node)).toBe(mark)
  expect(isPending(node)).toBe(false)
})

test.each([false, true])("a node is pending while anything is (soft: %s)", (isSoft) => {
  const node = new TagNode(null, "", 0)
  beginPending(markOf(node), isSoft, 0, 0)
  expect(isPending(node)).toBe(true)
})

test("the newest version of a node is of either kind", () => {
  const node = new TagNode(null, "", 0)
  const mark = markOf(node)
  expect(newestVersion(mark)).toBe(0)
  softMarkOf(mark).expired = 3
  expect(newestVersion(mark)).toBe(3)
  mark.invalidated = 5
  expect(newestVersion(mark)).toBe(5)
})

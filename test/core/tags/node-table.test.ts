import { describe, expect, test } from "vitest"
import { NodeTable } from "../../../src/core/tags/node-table.js"
import { TagNode } from "../../../src/core/tags/tag-node.js"

// Against a plain map, with everything that can be done in any order: test/model/trie.test.ts.
describe("a table of nodes", () => {
  test.each<[string, string | number]>([
    ["7", 7],
    ["0", 0],
    ["999999999", 999999999],
    ["1000000000", "1000000000"],
    ["007", "007"],
    ["00", "00"],
    ["-7", "-7"],
    ["7.0", "7.0"],
    ["٧", "٧"],
    ["", ""],
    ["user", "user"],
  ])("keeps the segment %j as %j", (text, segment) => {
    const table = new NodeTable(() => 0.5)
    const root = new TagNode(null, "", 0)
    const node = table.findOrAdd(root, text)
    expect(node.segment).toBe(segment)
    expect(String(node.segment)).toBe(text)
    expect(table.find(root, text)).toBe(node)
  })

  test("tells apart segments of one text under several parents, and texts that are alike", () => {
    const table = new NodeTable(() => 0)
    const root = new TagNode(null, "", 0)
    const texts = ["7", "07", "7 ", "a", "aa", "A", "__proto__", "constructor"]
    const parents = [root, ...texts.map((text) => table.findOrAdd(root, text))]
    const nodes = new Set(parents.flatMap((parent) => texts.map((text) => table.findOrAdd(parent, text))))
    expect(nodes.size).toBe(parents.length * texts.length)
    expect(table.size).toBe(nodes.size)
    expect(new Set(table)).toEqual(nodes)
  })

  test.each([0, 0.3, 0.999999])("has hashes that need no box, whatever the multiplier (%d)", (random) => {
    const table = new NodeTable(() => random)
    const root = new TagNode(null, "", 0)
    for (let index = 0; index < 1000; index += 1) {
      for (const text of [String(index * 7919), `é${index}`]) {
        const { hash } = table.findOrAdd(root, text)
        expect(hash >= 0 && hash < 2 ** 30 && Number.isInteger(hash)).toBe(true)
      }
    }
  })
})

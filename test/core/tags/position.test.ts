import { describe, expect, test } from "vitest"
import { InvalidOptionError } from "zoocache"
import { type Position, readPosition, takePosition } from "../../../src/core/tags/position.js"
import { TagTrie } from "../../../src/core/tags/tag-trie.js"

function make(): TagTrie {
  return new TagTrie({
    epoch: { ordinal: 1, nonce: "n" },
    random: () => 0.4,
    oldestLoadAsOf: () => Infinity,
    rememberedMarks: 10,
    isShared: false,
  })
}

describe("a position", () => {
  test("stays where it was taken, whatever moves meanwhile", () => {
    const trie = make()
    trie.moveCursor(5)
    const position = takePosition(trie)
    const { epoch } = trie
    trie.moveCursor(9)
    trie.advanced()
    expect(readPosition(position, trie)).toEqual({ epoch, asOf: 5 })
    trie.adopt({ ordinal: 2, nonce: "m" })
    expect(readPosition(position, trie)).toEqual({ epoch, asOf: 5 })
    expect(readPosition(position, trie).epoch).toBe(epoch)
  })

  test("can't be changed", () => {
    const position = takePosition(make()) as unknown as { asOf: number }
    expect(() => (position.asOf = 100)).toThrow(TypeError)
  })

  test.each([
    ["of another cache", () => takePosition(make())],
    ["made by hand", () => ({ epoch: { ordinal: 1, nonce: "n" }, asOf: 0 })],
    ["null", () => null],
    ["a number", () => 5],
    ["a copy", () => ({ ...takePosition(make()) })],
  ])("is refused where it is %s", (_what, position) => {
    expect(() => readPosition(position() as unknown as Position, make())).toThrow(InvalidOptionError)
  })
})

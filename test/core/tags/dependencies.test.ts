import { describe, expect, test } from "vitest"
import { Bundle, hold, letGo, nodesOf } from "../../../src/core/tags/dependencies.js"
import { invalidate, makeTrie } from "../support/parts.js"

function make() {
  const trie = makeTrie()
  const node = (path: string) => trie.acquire(path.split(":"))
  return { trie, a: node("a"), b: node("b"), c: node("c:d") }
}

test("nodesOf gives each node once, however they are kept", () => {
  const { a, b, c } = make()
  expect(nodesOf(null)).toEqual([])
  expect(nodesOf(a)).toEqual([a])
  expect(nodesOf([a, b])).toEqual([a, b])
  const inner = new Bundle([a, b], [])
  const diamond = new Bundle([c, a], [inner, new Bundle([b], [inner])])
  expect(nodesOf(diamond)).toEqual([c, a, b])
})

describe("a bundle", () => {
  test("holds its nodes and parts once, until its last user has let it go", () => {
    const { trie, a, b } = make()
    const inner = new Bundle([a], [])
    const outer = new Bundle([b], [inner])
    expect([a.uses, b.uses, inner.uses, outer.uses]).toEqual([2, 2, 1, 0])
    for (let user = 0; user < 1000; user += 1) hold(outer)
    hold(inner)
    expect([a.uses, b.uses, inner.uses, outer.uses]).toEqual([2, 2, 2, 1000])
    for (let user = 0; user < 1000; user += 1) letGo(outer, trie)
    expect([a.uses, b.uses, inner.uses]).toEqual([2, 1, 1])
    letGo(inner, trie)
    expect(a.uses).toBe(1)
    expect(() => letGo(inner, trie)).toThrow("let go more often")
  })

  test("of a chain of 100,000 is looked at and let go without recursion", () => {
    const { trie, a } = make()
    let chain = new Bundle([a], [])
    for (let length = 0; length < 100_000; length += 1) chain = new Bundle([], [chain])
    hold(chain)
    expect(chain.newestIn(trie.stamp)).toEqual({ invalidated: 0, expired: 0 })
    invalidate(trie, "a", 7)
    expect(chain.newestIn(trie.stamp)).toEqual({ invalidated: 7, expired: 0 })
    letGo(chain, trie)
    expect(a.uses).toBe(1)
  })

  test("is looked at once in a state of the log, whoever asks", () => {
    const { trie, a } = make()
    const shared = new Bundle([a], [])
    const [one, other] = [new Bundle([], [shared]), new Bundle([], [shared])]
    expect(one.newestIn(trie.stamp).invalidated).toBe(0)
    // Behind the back of the trie, whose stamp tells of each change.
    a.mark = { invalidated: 9, pending: 0, soft: null, isQueued: false, pendingAtMs: 0, atWallMs: 0, by: "" }
    expect(other.newestIn(trie.stamp).invalidated).toBe(0)
    trie.moved()
    expect([other.newestIn(trie.stamp).invalidated, one.newestIn(trie.stamp).invalidated]).toEqual([9, 9])
  })
})

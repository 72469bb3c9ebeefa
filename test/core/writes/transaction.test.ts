import { describe, expect, test } from "vitest"
import { lookedAtAlways } from "../../../src/core/entries/age.js"
import { Entry, type Table } from "../../../src/core/entries/table.js"
import type { TagNode } from "../../../src/core/tags/tag-node.js"
import type { TagTrie } from "../../../src/core/tags/tag-trie.js"
import { Transaction, transactionOf, type Written } from "../../../src/core/writes/transaction.js"
import { makeFlight, makeTable, makeTrie } from "../support/parts.js"

function make() {
  const trie = makeTrie()
  const tables = { f: makeTable(trie, "f"), g: makeTable(trie, "g") }
  const transaction = new Transaction(trie, undefined)
  return { trie, ...tables, transaction }
}

const nodeOf = (trie: TagTrie, tag: string): TagNode => trie.acquire(tag === "" ? [] : tag.split(":"))

function entryOf(trie: TagTrie, table: Table, id: number, ...tags: string[]): Entry {
  const aged = lookedAtAlways({ deadlineMs: 100, aging: null })
  return new Entry(
    table,
    id,
    "value",
    tags.map((tag) => nodeOf(trie, tag)),
    trie.stamp,
    aged,
    null,
  )
}

function tell(transaction: Transaction, trie: TagTrie, ...tags: string[]): void {
  transaction.addTags(
    "tag",
    tags,
    tags.map((tag) => nodeOf(trie, tag)),
  )
}

/** A value that is set inside; `stored` notes what is stored in the end. */
function written({ place }: Transaction, trie: TagTrie, value: unknown, stored: unknown[], ...tags: string[]): Written {
  return {
    value,
    isCloned: false,
    aged: undefined,
    loadedAt: trie.stamp,
    setAtMs: 0,
    since: place,
    dependencies: tags.map((tag) => nodeOf(trie, tag)),
    store: () => {
      stored.push(value)
      return undefined
    },
  }
}

describe("covers", () => {
  test.each([
    ["a tag of its own", ["a:b"], true],
    ["a tag above", ["a"], true],
    ["everything", [""], true],
    ["a tag below", ["a:b:c"], false],
    ["a tag beside", ["a:c"], false],
  ] as const)("an entry after the invalidation of %s", (_what, tags, covers) => {
    const { trie, f, transaction } = make()
    tell(transaction, trie, ...tags)
    expect(transaction.covers(entryOf(trie, f, 1, "a:b"))).toBe(covers)
  })

  test("the entry of a key that was deleted or set, and those that used it", () => {
    const { trie, f, g, transaction } = make()
    const user = entryOf(trie, g, 1)
    const other = new Entry(g, 2, "", f.acquireKeyNode(1), trie.stamp, { deadlineMs: 1, aging: null }, null)
    transaction.addKey(f, 1)
    expect([transaction.covers(entryOf(trie, f, 1)), transaction.covers(entryOf(trie, f, 2))]).toEqual([true, false])
    expect([transaction.covers(other), transaction.covers(user)]).toEqual([true, false])
  })

  test("every entry of a function that was cleared, and no other's", () => {
    const { trie, f, g, transaction } = make()
    transaction.addFunction(f)
    expect([transaction.covers(entryOf(trie, f, 1)), transaction.covers(entryOf(trie, g, 1))]).toEqual([true, false])
  })

  test("what the transaction around has changed", () => {
    const { trie, f, transaction } = make()
    const inner = new Transaction(trie, transaction)
    expect(inner.hasChanges).toBe(false)
    tell(transaction, trie, "a")
    expect([inner.covers(entryOf(trie, f, 1, "a:b")), inner.hasChanges, inner.changes]).toEqual([true, true, []])
  })
})

describe("a value that was set inside", () => {
  test("is the newest of its key, until that is deleted", () => {
    const { trie, f, transaction } = make()
    transaction.addKey(f, 1, written(transaction, trie, "first", []))
    transaction.addKey(f, 1, written(transaction, trie, undefined, []))
    expect(transaction.written(f, 1)).toEqual({ value: undefined })
    expect(transaction.written(f, 2)).toBeUndefined()
    transaction.addKey(f, 1)
    expect(transaction.written(f, 1)).toBeUndefined()
  })

  test.each([
    ["its tag", (transaction: Transaction, trie: TagTrie) => tell(transaction, trie, "a:b")],
    ["a tag above", (transaction: Transaction, trie: TagTrie) => tell(transaction, trie, "a")],
    ["everything", (transaction: Transaction, trie: TagTrie) => tell(transaction, trie, "")],
    ["its function", (transaction: Transaction, _trie: TagTrie, table: Table) => transaction.addFunction(table)],
  ])("does not hold once %s was invalidated, and holds where that came before", (_what, invalidate) => {
    const { trie, f, transaction } = make()
    const stored: unknown[] = []
    invalidate(transaction, trie, f)
    transaction.addKey(f, 1, written(transaction, trie, "kept", stored, "a:b"))
    expect(transaction.written(f, 1)).toEqual({ value: "kept" })
    invalidate(transaction, trie, f)
    expect(transaction.written(f, 1)).toBeUndefined()
    transaction.storeSets(null)
    expect(stored).toEqual([])
  })

  test("is seen by a transaction inside, which may outdate it for itself", () => {
    const { trie, f, transaction } = make()
    transaction.addKey(f, 1, written(transaction, trie, "outer", [], "a"))
    const inner = new Transaction(trie, transaction)
    expect(inner.written(f, 1)).toEqual({ value: "outer" })
    tell(inner, trie, "a")
    expect([inner.written(f, 1), transaction.written(f, 1)]).toEqual([undefined, { value: "outer" }])
    inner.addKey(f, 1, written(inner, trie, "inner", [], "a"))
    expect(inner.written(f, 1)).toEqual({ value: "inner" })
  })
})

describe("a nested transaction that succeeds", () => {
  test("gives its changes and its values to the one around, in the order in which they were made", () => {
    const { trie, f, transaction } = make()
    const stored: unknown[] = []
    transaction.addKey(f, 1, written(transaction, trie, "outer", stored))
    const inner = new Transaction(trie, transaction)
    inner.addKey(f, 1, written(inner, trie, "inner", stored))
    inner.addKey(f, 2, written(inner, trie, "two", stored, "a"))
    transaction.addKey(f, 3, written(transaction, trie, "three", stored))
    inner.joinOuter(transaction)
    expect([inner.isSettled, transaction.written(f, 1), transaction.changes.length]).toEqual([
      true,
      { value: "inner" },
      4,
    ])
    tell(transaction, trie, "a")
    transaction.storeSets(null)
    expect(new Set(stored)).toEqual(new Set(["inner", "three"]))
  })

  test("does not take back what the one around has said later", () => {
    const { trie, f, transaction } = make()
    const inner = new Transaction(trie, transaction)
    inner.addKey(f, 1, written(inner, trie, "inner", []))
    transaction.addKey(f, 1)
    inner.joinOuter(transaction)
    expect(transaction.written(f, 1)).toBeUndefined()
  })
})

test("settling gives back every use that it held, also what a nested one has handed over", () => {
  const { trie, f, transaction } = make()
  const nodes = ["a", "b", "c"].map((tag) => nodeOf(trie, tag))
  const before = [...nodes, f.keyNode].map((node) => node.uses)
  const inner = new Transaction(trie, transaction)
  for (const each of [transaction, inner]) {
    tell(each, trie, "a", "a", "b")
    each.addKey(f, 1, written(each, trie, 1, [], "c"))
    each.addFunction(f)
    each.addFunction(f)
  }
  inner.joinOuter(transaction)
  transaction.settle()
  expect([...nodes, f.keyNode].map((node) => node.uses)).toEqual(before)
})

describe("transactionOf", () => {
  test("is the innermost of the cache that has not settled", () => {
    const { trie, transaction } = make()
    const other = makeTrie()
    const foreign = new Transaction(other, transaction)
    const inner = new Transaction(trie, foreign)
    expect([transactionOf(inner, trie), transactionOf(inner, other)]).toEqual([inner, foreign])
    inner.settle()
    expect(transactionOf(inner, trie)).toBe(transaction)
    transaction.settle()
    expect(transactionOf(inner, trie)).toBeUndefined()
  })

  test("is found from inside a load, and none is outside", () => {
    const { trie, f, transaction } = make()
    expect(transactionOf(makeFlight(f, 1, transaction).run, trie)).toBe(transaction)
    expect(transactionOf(undefined, trie)).toBeUndefined()
  })
})

import { expect, test } from "vitest"
import { ManualClock, settled } from "zoocache/testing"
import { HeldEntries } from "../../../src/core/entries/held-entries.js"
import { Entry, GONE } from "../../../src/core/entries/table.js"
import { makeTable, makeTrie } from "../support/parts.js"

function make(isRemote = false) {
  const trie = makeTrie()
  const table = makeTable(trie, "f")
  const held = new HeldEntries({ trie, clock: new ManualClock(), isRemote })
  const node = trie.acquire(["t"])
  /** An entry whose one use of `t` is its own. */
  const entry = (id: number, slot = -1): Entry => {
    node.uses += 1
    const made = new Entry(table, id, "value", node, trie.stamp, { deadlineMs: 100, aging: null }, null)
    made.slot = slot
    return made
  }
  return { held, node, entry }
}

test("an entry of a turn is of use until the turn ends, and gives back its nodes then", async () => {
  const { held, node, entry } = make()
  const one = entry(1)
  held.holdForTurn(one)
  expect([held.has(one), node.uses, one.value]).toEqual([true, 2, "value"])
  await settled()
  expect([held.has(one), node.uses, one.slot, one.value]).toEqual([false, 1, GONE, undefined])
})

test("from a store at hand a turn holds a few, from one behind a network all of them", async () => {
  for (const [isRemote, most] of [
    [false, 16],
    [true, 100],
  ] as const) {
    const { held, node, entry } = make(isRemote)
    for (let id = 0; id < 100; id += 1) held.holdForTurn(entry(id))
    expect([...held].length).toBeLessThanOrEqual(most)
    expect([...held].length).toBeGreaterThan(isRemote ? 99 : 0)
    expect(node.uses).toBe(1 + [...held].length)
    await settled()
    expect([[...held].length, node.uses]).toEqual([0, 1])
  }
})

test("an entry that somebody needs for longer outlives the turn, until the last lets go", async () => {
  const { held, node, entry } = make()
  const one = entry(1)
  held.holdForTurn(one)
  const letGo = [held.keep(one), held.keep(one)]
  await settled()
  expect([held.has(one), node.uses, one.value]).toEqual([true, 2, "value"])
  letGo[0]!()
  expect([held.has(one), one.value]).toEqual([true, "value"])
  letGo[1]!()
  expect([held.has(one), node.uses, one.slot]).toEqual([false, 1, GONE])
})

test("an entry in memory is kept by uses of its own, and stays there when they end", () => {
  const { held, node, entry } = make()
  const inMemory = entry(1, 5)
  const letGo = held.keep(inMemory)
  expect([held.has(inMemory), node.uses]).toEqual([true, 3])
  letGo()
  expect([held.has(inMemory), node.uses, inMemory.slot, inMemory.value]).toEqual([false, 2, 5, "value"])
})

test("an entry that memory lets go of while it is kept is given up at the end", () => {
  const { held, entry } = make()
  const evicted = entry(1, 5)
  const letGo = held.keep(evicted)
  evicted.slot = -1
  expect(evicted.value).toBe("value")
  letGo()
  expect([evicted.slot, evicted.value]).toEqual([GONE, undefined])
})

test("an entry that nobody holds can't be kept", () => {
  const { held, node, entry } = make()
  const gone = entry(1)
  held.keep(gone)()
  expect([held.has(gone), node.uses]).toEqual([false, 2])
})

import { describe, expect, test } from "vitest"
import { LatestSets, type SetByHand } from "../../../src/core/writes/latest-sets.js"
import { epoch, makeTable, makeTrie } from "../support/parts.js"

const trie = makeTrie()
const [f, g] = [makeTable(trie, "f"), makeTable(trie, "g")]

const setOf = (own: Partial<SetByHand> = {}): SetByHand => ({
  table: f,
  id: 1,
  entry: undefined,
  bytes: new Uint8Array(),
  epoch,
  asOf: 0,
  ...own,
})

describe("a value on its way to the log", () => {
  test("is taken once", () => {
    const sets = new LatestSets()
    const value = setOf()
    sets.note(value)
    expect([sets.take(value), sets.take(value)]).toEqual([true, false])
  })

  test("is not taken once a newer one of its key is known, in whichever order they arrive", () => {
    const sets = new LatestSets()
    const [older, newer] = [setOf(), setOf()]
    sets.note(older)
    sets.note(newer)
    expect([sets.take(newer), sets.take(older)]).toEqual([true, false])
  })

  test("is not taken once its key or its function was invalidated", () => {
    const sets = new LatestSets()
    const [one, two, other] = [setOf(), setOf({ id: 2 }), setOf({ table: g })]
    for (const value of [one, two, other]) sets.note(value)
    sets.forget(f, 1)
    expect(sets.take(one)).toBe(false)
    sets.forgetTable(f)
    expect([sets.take(two), sets.take(other)]).toEqual([false, true])
    sets.forget(f, 1)
  })

  test("that stays in this process is not noted", () => {
    const sets = new LatestSets()
    const value = setOf({ bytes: undefined })
    sets.note(value)
    expect(sets.take(value)).toBe(false)
  })
})

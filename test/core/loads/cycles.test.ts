import { describe, expect, test } from "vitest"
import { ancestorCycle, findCycle, runsAround } from "../../../src/core/loads/cycles.js"
import { makeFlight, makeTable, makeTrie } from "../support/parts.js"

/** Flights of the functions a, b, c …, each run around the next. */
function nested(...names: string[]) {
  const trie = makeTrie()
  const tables = names.map((name) => makeTable(trie, name))
  const flights: ReturnType<typeof makeFlight>[] = []
  for (const table of tables) flights.push(makeFlight(table, undefined, flights.at(-1)?.run))
  return { trie, tables, flights }
}

const key = (name: string) => `ƒ:${name}::`

describe("ancestorCycle", () => {
  test("is the path from the load around that is for the same key", () => {
    const { tables, flights } = nested("a", "b", "c")
    expect(ancestorCycle(tables[0]!, undefined, flights[2]!.run)).toEqual([key("a"), key("b"), key("c"), key("a")])
    expect(ancestorCycle(tables[2]!, undefined, flights[2]!.run)).toEqual([key("c"), key("c")])
  })

  test("is none for another key, another table, or outside", () => {
    const { trie, tables, flights } = nested("a", "b")
    expect(ancestorCycle(tables[0]!, 1, flights[1]!.run)).toBeUndefined()
    expect(ancestorCycle(makeTable(trie, "d"), undefined, flights[1]!.run)).toBeUndefined()
    expect(ancestorCycle(tables[0]!, undefined, undefined)).toBeUndefined()
  })

  test("leaves out loads that have settled", () => {
    const { tables, flights } = nested("a", "b")
    flights[0]!.run.isSettled = true
    expect(ancestorCycle(tables[0]!, undefined, flights[1]!.run)).toBeUndefined()
  })
})

test("runsAround gives the runs that have not settled, from the inside out", () => {
  const { flights } = nested("a", "b", "c")
  flights[1]!.run.isSettled = true
  expect(runsAround(flights[2]!.run)).toEqual([flights[2]!.run, flights[0]!.run])
  expect(runsAround(undefined)).toEqual([])
})

describe("findCycle", () => {
  test("is none where the flight waits for nothing around", () => {
    const { flights } = nested("a")
    const other = nested("x", "y")
    other.flights[0]!.run.waitsFor.add(other.flights[1]!)
    expect(findCycle(other.flights[0]!, runsAround(flights[0]!.run))).toBeUndefined()
  })

  test("is the path of two that wait crosswise", () => {
    const [a, b] = [nested("a").flights[0]!, nested("b").flights[0]!]
    b.run.waitsFor.add(a)
    expect(findCycle(b, runsAround(a.run))).toEqual([key("b"), key("a"), key("b")])
  })

  test("goes through what the flight waits for, and through the loads around the caller", () => {
    const { flights } = nested("a", "inner")
    const [x, y] = [nested("x").flights[0]!, nested("y").flights[0]!]
    x.run.waitsFor.add(y)
    y.run.waitsFor.add(flights[0]!)
    expect(findCycle(x, runsAround(flights[1]!.run))).toEqual([key("x"), key("y"), key("a"), key("inner"), key("x")])
  })

  test("looks at each run once, and behind none that has settled", () => {
    const [a, x, y] = [nested("a").flights[0]!, nested("x").flights[0]!, nested("y").flights[0]!]
    x.run.waitsFor.add(y)
    y.run.waitsFor.add(x)
    expect(findCycle(x, runsAround(a.run))).toBeUndefined()
    y.run.waitsFor.add(a)
    y.run.isSettled = true
    expect(findCycle(x, runsAround(a.run))).toBeUndefined()
    y.run.isSettled = false
    expect(findCycle(x, runsAround(a.run))).toEqual([key("x"), key("y"), key("a"), key("x")])
  })
})

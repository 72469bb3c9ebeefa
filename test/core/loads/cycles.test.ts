import { describe, expect, test } from "vitest"
import { ancestorCycle, findCycle } from "../../../src/core/loads/cycles.js"
import type { Flight } from "../../../src/core/loads/flight.js"
import type { Run } from "../../../src/core/loads/run.js"
import type { RunningLoads } from "../../../src/core/loads/running.js"
import { makeFlight, makeTable, makeTrie } from "../support/parts.js"

/** Flights of the functions a, b, c …, each run around the next, and waiting for it. */
function nested(...names: string[]) {
  const trie = makeTrie()
  const tables = names.map((name) => makeTable(trie, name))
  const flights: ReturnType<typeof makeFlight>[] = []
  for (const table of tables) flights.push(makeFlight(table, undefined, flights.at(-1)?.run))
  return { trie, tables, flights }
}

const key = (name: string) => `ƒ:${name}::`

describe("ancestorCycle", () => {
  const running = { isLoading: () => true } as unknown as RunningLoads

  test("is the path from the load around that is for the same key", () => {
    const { tables, flights } = nested("a", "b", "c")
    const frame = flights[2]!.run
    expect(ancestorCycle(tables[0]!, undefined, frame, running)).toEqual([key("a"), key("b"), key("c"), key("a")])
    expect(ancestorCycle(tables[2]!, undefined, frame, running)).toEqual([key("c"), key("c")])
  })

  test("is none for another key, another table, or outside", () => {
    const { trie, tables, flights } = nested("a", "b")
    expect(ancestorCycle(tables[0]!, 1, flights[1]!.run, running)).toBeUndefined()
    expect(ancestorCycle(makeTable(trie, "d"), undefined, flights[1]!.run, running)).toBeUndefined()
    expect(ancestorCycle(tables[0]!, undefined, undefined, running)).toBeUndefined()
  })

  test("leaves out loads that have settled", () => {
    const { tables, flights } = nested("a", "b")
    flights[0]!.run.isSettled = true
    expect(ancestorCycle(tables[0]!, undefined, flights[1]!.run, running)).toBeUndefined()
  })

  test("looks at no load around while none of the key is running", () => {
    const { tables, flights } = nested("a", "b")
    const none = { isLoading: () => false } as unknown as RunningLoads
    expect(ancestorCycle(tables[0]!, undefined, flights[1]!.run, none)).toBeUndefined()
  })
})

describe("findCycle", () => {
  test("is none where the flight waits for nothing around", () => {
    const { flights } = nested("a")
    const other = nested("x", "y")
    expect(findCycle(other.flights[0]!, flights[0]!.run)).toBeUndefined()
  })

  test("is the path of two that wait crosswise", () => {
    const [a, b] = [nested("a").flights[0]!, nested("b").flights[0]!]
    b.run.waitFor(a)
    expect(findCycle(b, a.run)).toEqual([key("b"), key("a"), key("b")])
  })

  test("goes through what the flight waits for, and through the loads that wait for the caller", () => {
    const { flights } = nested("a", "inner")
    const [x, y] = [nested("x").flights[0]!, nested("y").flights[0]!]
    x.run.waitFor(y)
    y.run.waitFor(flights[0]!)
    expect(findCycle(x, flights[1]!.run)).toEqual([key("x"), key("y"), key("a"), key("inner"), key("x")])
  })

  test("goes through a flight that is behind another one", () => {
    const [a, x] = [nested("a").flights[0]!, nested("x").flights[0]!]
    const behind = { key: "behind", run: a.run, waitedBy: new Map() } as unknown as Flight
    a.next = behind
    x.run.waitFor(behind)
    expect(findCycle(x, a.run)).toEqual([key("x"), "behind", key("x")])
  })

  test("looks behind no run that has settled", () => {
    const [a, x, y] = [nested("a").flights[0]!, nested("x").flights[0]!, nested("y").flights[0]!]
    x.run.waitFor(y)
    y.run.waitFor(x)
    expect(findCycle(x, a.run)).toBeUndefined()
    y.run.waitFor(a)
    y.run.isSettled = true
    expect(findCycle(x, a.run)).toBeUndefined()
    y.run.isSettled = false
    expect(findCycle(x, a.run)).toEqual([key("x"), key("y"), key("a"), key("x")])
  })

  test("costs a caller as little as the smaller end: of a load that waits for thousands, and of one that thousands wait for", () => {
    const [hub, a] = [nested("hub").flights[0]!, nested("a").flights[0]!]
    let looked = 0
    const count = (run: Run) => {
      const { waitsFor } = run
      const keys = waitsFor.keys.bind(waitsFor)
      waitsFor.keys = () => {
        looked += 1
        return keys()
      }
      return run
    }
    for (let index = 0; index < 1000; index += 1) hub.run.waitFor(makeFlight(makeTable(makeTrie(), "x"), index))
    count(hub.run)
    expect(findCycle(hub, a.run)).toBeUndefined()
    for (let index = 0; index < 1000; index += 1) count(makeFlight(makeTable(makeTrie(), "y"), index).run).waitFor(a)
    looked = 0
    expect(findCycle(nested("leaf").flights[0]!, a.run)).toBeUndefined()
    expect(looked).toBeLessThan(5)
  })
})

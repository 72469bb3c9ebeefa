import { describe, expect, test, vi } from "vitest"
import type { Turn } from "../../../src/core/base/turn.js"
import type { Entries } from "../../../src/core/entries/entries.js"
import type { Load } from "../../../src/core/loads/run.js"
import { RunningLoads } from "../../../src/core/loads/running.js"
import { invalidate, makeFlight, makeTable, makeTrie } from "../support/parts.js"

function make() {
  const trie = makeTrie()
  const overrule = vi.fn(() => false)
  const running = new RunningLoads({
    trie,
    turn: { current: () => 7 } as Turn,
    entries: { overrule } as unknown as Entries,
  })
  const table = makeTable(trie, "f")
  const begin = (id: number): Load => running.begin(table, id, makeFlight(table, id).run)
  return { trie, running, table, begin, overrule }
}

describe("running loads", () => {
  test("are in the order in which they began, wherever one ends", () => {
    for (const ends of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 0, 2],
    ]) {
      const { running, begin } = make()
      const loads = [begin(1), begin(2), begin(1)]
      expect([...running]).toEqual(loads)
      const left = new Set(loads)
      for (const end of ends) {
        running.end(loads[end]!)
        left.delete(loads[end]!)
        expect([...running]).toEqual([...left])
        expect([running.size, running.oldest]).toEqual([left.size, [...left][0]])
      }
    }
  })

  test("begin at the cursor, and at what was said of their key above it", () => {
    const { trie, running, table, begin } = make()
    invalidate(trie, "t", 5)
    const node = table.acquireKeyNode(1)
    trie.apply(node, false, 9, 0, "test", 0)
    const [marked, other] = [begin(1), begin(2)]
    expect([marked.stamp.asOf, marked.keyVersion, other.stamp.asOf, other.keyVersion]).toEqual([5, 9, 5, undefined])
    expect([marked.startedAtMs, marked.seen]).toEqual([7, trie.stamp])
    running.end(marked)
    trie.release(node)
  })

  test("give back what they declared to depend on", () => {
    const { trie, running, begin } = make()
    const load = begin(1)
    const node = trie.acquire(["t"])
    load.ownDependencies = [node]
    running.end(load)
    expect([node.uses, load.ownDependencies]).toEqual([0, []])
  })

  test("of a key are outranked by a newer word on it, all of them, and no others", () => {
    const { running, table, begin, overrule } = make()
    const [first, second, other] = [begin(1), begin(1), begin(2)]
    running.overrule(table, 1, 3)
    expect([first.isSuperseded, second.isSuperseded, other.isSuperseded]).toEqual([true, true, false])
    expect(overrule).toHaveBeenCalledExactlyOnceWith(table, 1, 3)
  })

  test("of a key that began before one that is stored are outranked by it", () => {
    const { running, begin } = make()
    const loads = [begin(1), begin(1), begin(1)]
    running.supersedeOlder(loads[1]!)
    expect(loads.map(({ isSuperseded }) => isSuperseded)).toEqual([true, false, false])
    running.end(loads[1]!)
    running.supersedeOlder(loads[2]!)
    expect(loads[0]!.isSuperseded).toBe(true)
  })
})

describe("flights", () => {
  test("are one per key: a newer one takes the place of another", () => {
    const { running, table } = make()
    const [first, second, other] = [makeFlight(table, 1), makeFlight(table, 1), makeFlight(table, 2)]
    for (const flight of [first, second, other]) running.addFlight(flight)
    expect([running.flights, running.flightOf(table, 1), running.flightOf(table, 3)]).toEqual([2, second, undefined])
  })

  test("that were replaced do not take the newer one along when they end", () => {
    const { running, table } = make()
    const [first, second] = [makeFlight(table, 1), makeFlight(table, 1)]
    running.addFlight(first)
    running.addFlight(second)
    running.removeFlight(first)
    expect([running.flightOf(table, 1), running.flights]).toEqual([second, 1])
    running.removeFlight(second)
    running.removeFlight(second)
    expect([running.flightOf(table, 1), running.flights]).toEqual([undefined, 0])
  })
})

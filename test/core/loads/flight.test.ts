import { describe, expect, test } from "vitest"
import { type Arrival, Flight, howToJoin, type Join, LateGroup, settle } from "../../../src/core/loads/flight.js"
import type { TagTrie } from "../../../src/core/tags/tag-trie.js"
import { invalidate, makeFlight, makeTable, makeTrie } from "../support/parts.js"

const arrival = (own: Partial<Arrival> = {}): Arrival => ({
  isFresh: false,
  unsureBoundMs: undefined,
  nowMs: 0,
  ...own,
})

/** A flight under way that depends on `a:b`, and what happened since it began. */
function joined(happens: (trie: TagTrie, flight: Flight) => void, own: Partial<Arrival> = {}): Join {
  const trie = makeTrie()
  invalidate(trie, "earlier")
  const flight = makeFlight(makeTable(trie, "f"), 1)
  flight.run.dependencies.add(trie.acquire(["a", "b"]))
  happens(trie, flight)
  return howToJoin(flight, trie, arrival(own))
}

const nothing = () => {}
const unsure = { unsureBoundMs: 1000 }

describe("a caller that arrives while a flight", () => {
  test("has not begun shares it, whatever it wants", () => {
    const trie = makeTrie()
    const flight = new Flight(makeTable(trie, "f"), 1, false)
    for (const own of [{}, { isFresh: true }, unsure]) expect(howToJoin(flight, trie, arrival(own))).toBe("share")
  })

  test.each<[string, (trie: TagTrie, flight: Flight) => void, Partial<Arrival>, Join]>([
    ["is under way, and nothing has changed", nothing, {}, "share"],
    ["is under way, and it wants a load of its own", nothing, { isFresh: true }, "replace"],
    ["depends on nothing that has changed", (trie) => invalidate(trie, "c"), {}, "wait"],
    ["depends on something below it that has changed", (trie) => invalidate(trie, "a:b:c"), {}, "wait"],
    ["depends on what has changed", (trie) => invalidate(trie, "a:b"), {}, "replace"],
    ["depends on something below what has changed", (trie) => invalidate(trie, "a"), {}, "replace"],
    ["is under way, and everything was cleared", (trie) => invalidate(trie, ""), {}, "replace"],
    [
      "loads a key that was set meanwhile",
      (_trie, { load }) => {
        if (load !== undefined) load.isSuperseded = true
      },
      {},
      "replace",
    ],
    ["is of an epoch that has ended", (trie) => trie.adopt({ ordinal: 2, nonce: "n" }), {}, "replace"],
    [
      "is from below what the log has forgotten",
      (trie) => {
        trie.raiseFloors(trie.cursor + 1, 0)
        trie.moveCursor(trie.cursor + 1)
        trie.moved()
      },
      {},
      "replace",
    ],
    ["is young, and the process is unsure", nothing, unsure, "wait"],
    ["is as old as the bound, and the process is unsure", nothing, { ...unsure, nowMs: 1000 }, "replace"],
    ["is just younger than the bound, and the process is unsure", nothing, { ...unsure, nowMs: 999 }, "wait"],
  ])("%s", (_what, happens, own, how) => {
    expect(joined(happens, own)).toBe(how)
  })
})

describe("hurry", () => {
  test("reaches all that the run waits for, once, also in a ring", () => {
    const table = makeTable(makeTrie(), "f")
    const [outer, inner] = [makeFlight(table, 1), makeFlight(table, 2)]
    outer.run.waitsFor.add(inner)
    inner.run.waitsFor.add(outer)
    let stops = 0
    inner.stopWaiting = () => {
      stops += 1
    }
    outer.hurry()
    outer.hurry()
    expect([outer.mayNotWait, inner.mayNotWait, outer.run.mayNotWait, inner.run.mayNotWait, stops]).toEqual([
      true,
      true,
      true,
      true,
      1,
    ])
  })

  test("does not go on behind a run that has settled", () => {
    const table = makeTable(makeTrie(), "f")
    const [outer, inner] = [makeFlight(table, 1), makeFlight(table, 2)]
    outer.run.waitsFor.add(inner)
    outer.run.isSettled = true
    outer.hurry()
    expect(inner.mayNotWait).toBe(false)
  })
})

describe("a late group", () => {
  test("moves with its callers and their loads to the next flight, and is answered with it", async () => {
    const table = makeTable(makeTrie(), "f")
    const [first, next, parent] = [makeFlight(table, 1), makeFlight(table, 1), makeFlight(table, 2)]
    const group = new LateGroup(first, () => next)
    group.waiters = 3
    group.parents.push(parent.run)
    group.moveTo(next)
    expect([next.waiters, next.parents, group.flight, group.hasMoved]).toEqual([3, [parent.run], next, true])
    settle(next, { isError: false, value: "value" })
    expect(await group.outcome.promise).toBe("value")
  })

  test("keeps a flight from being abandoned while one of its callers waits", () => {
    const flight = makeFlight(makeTable(makeTrie(), "f"), 1)
    expect(flight.isAbandoned).toBe(true)
    flight.late = new LateGroup(flight, () => flight)
    expect(flight.isAbandoned).toBe(true)
    flight.late.waiters = 1
    expect(flight.isAbandoned).toBe(false)
  })
})

test("an error that settles a flight is unhandled only where somebody got the promise itself", async () => {
  const table = makeTable(makeTrie(), "f")
  const seen: unknown[] = []
  const listener = (error: unknown) => seen.push(error)
  process.on("unhandledRejection", listener)
  settle(makeFlight(table, 1), { isError: true, value: "nobody has it" })
  await new Promise((resolve) => setImmediate(resolve))
  process.off("unhandledRejection", listener)
  expect(seen).toEqual([])
})

import { describe, expect, test } from "vitest"
import { type Arrival, Flight, howToJoin, type Join, settle } from "../../../src/core/loads/flight.js"
import type { TagTrie } from "../../../src/core/tags/tag-trie.js"
import { invalidate, makeFlight, makeRequest, makeTable, makeTrie } from "../support/parts.js"

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
    const flight = new Flight(makeRequest(makeTable(trie, "f"), 1))
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
    outer.run.waitFor(inner)
    inner.run.waitFor(outer)
    let stops = 0
    inner.elsewhere = {
      hasten: () => {
        stops += 1
      },
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
    outer.run.waitFor(inner)
    outer.run.isSettled = true
    outer.hurry()
    expect(inner.mayNotWait).toBe(false)
  })
})

describe("a flight behind another", () => {
  test("is brought by that one's run until it begins itself", () => {
    const table = makeTable(makeTrie(), "f")
    const first = makeFlight(table, 1)
    const next = new Flight(makeRequest(table, 1))
    next.before = first
    next.become("behind")
    expect([next.run, next.key]).toEqual([first.run, first.key])
  })

  test("keeps it from being abandoned while one of its callers waits", () => {
    const table = makeTable(makeTrie(), "f")
    const flight = makeFlight(table, 1)
    expect(flight.isAbandoned).toBe(true)
    flight.next = new Flight(makeRequest(table, 1))
    expect(flight.isAbandoned).toBe(true)
    flight.next.waiters = 1
    expect(flight.isAbandoned).toBe(false)
  })
})

test("a flight goes through its states in their order, and ends once", () => {
  const flight = new Flight(makeRequest(makeTable(makeTrie(), "f"), 1))
  for (const state of ["gathering", "queued", "asking", "elsewhere", "due", "asking", "running", "ended"] as const) {
    flight.become(state)
    expect(flight.state).toBe(state)
  }
  expect(flight.hasEnded).toBe(true)
  for (const state of ["due", "running", "ended"] as const) expect(() => flight.become(state)).toThrow("flight")
})

test("thousands of callers in one state of the log look at the dependencies of a flight once", () => {
  const trie = makeTrie()
  const flight = makeFlight(makeTable(trie, "f"), 1)
  flight.run.dependencies.add(trie.acquire(["a"]))
  invalidate(trie, "unrelated")
  let looks = 0
  Object.defineProperty(flight.load, "dependencies", { get: () => ((looks += 1), [...flight.run.dependencies.nodes]) })
  for (let caller = 0; caller < 3; caller += 1) expect(howToJoin(flight, trie, arrival())).toBe("wait")
  expect(looks).toBe(1)
  invalidate(trie, "a")
  expect(howToJoin(flight, trie, arrival())).toBe("replace")
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

import { describe, expect, test } from "vitest"
import { type Fault, Outbox } from "../../../src/core/base/outbox.js"
import { Tables } from "../../../src/core/entries/tables.js"
import { intake, makeTrie } from "../support/parts.js"

function make() {
  const trie = makeTrie()
  const faults: Fault[] = []
  const outbox = new Outbox("test", (fault) => faults.push(fault))
  return { trie, faults, tables: new Tables({ trie, outbox, intake }) }
}

describe("tables", () => {
  test("are found by name and version; there is always one for keys given by hand", () => {
    const { tables } = make()
    const [plain, versioned] = [tables.add("f", undefined), tables.add("f", 1)]
    expect([tables.find("f", undefined), tables.find("f", 1), tables.find("f", "1")]).toEqual([
      plain,
      versioned,
      versioned,
    ])
    expect(tables.find("g", undefined)).toBeUndefined()
    expect([...tables]).toEqual([tables.manual, plain, versioned])
    expect(tables.manual.isManual).toBe(true)
  })

  test("do not share a name", () => {
    const { tables } = make()
    tables.add("f", 1)
    expect(() => tables.add("f", "1")).toThrow(expect.objectContaining({ code: "ERR_ZOOCACHE_INVALID_OPTION" }))
  })

  test("that take the place of others go on with their counts; sums never fall", () => {
    const { tables } = make()
    const first = tables.add("f", undefined)
    first.counters.hits = 3
    const second = tables.replace(first)
    expect([first.isReplaced, second.isReplaced, tables.find("f", undefined)]).toEqual([true, false, second])
    second.counters.hits += 1
    first.counters.hits += 1
    expect([second.counters.hits, tables.totals().hits]).toEqual([5, 5])
  })

  test("that are dropped leave their counts in the sum, once, and their name free", () => {
    const { tables } = make()
    const table = tables.add("f", undefined)
    table.counters.loads = 2
    tables.drop(table)
    tables.drop(table)
    expect([tables.find("f", undefined), tables.totals().loads]).toEqual([undefined, 2])
    expect(tables.add("f", undefined).counters.loads).toBe(0)
  })

  test("that were replaced are not dropped with what has taken their place", () => {
    const { tables } = make()
    const first = tables.add("f", undefined)
    const second = tables.replace(first)
    tables.drop(first)
    expect(tables.find("f", undefined)).toBe(second)
  })

  test("give their node back when they go", () => {
    const { trie, tables } = make()
    const size = trie.size
    tables.drop(tables.add("f", undefined))
    expect(trie.size).toBe(size)
  })
})

test("unnamed functions of one name get numbers, and no name twice", () => {
  const { tables } = make()
  const inScope = (name: string) => `s/${name}`
  const add = () => tables.addUnnamed("f", undefined, inScope)
  const [first, second, third] = [add(), add(), add()]
  expect([first, second, third].map(({ functionName }) => functionName)).toEqual(["s/f", "s/f#2", "s/f#3"])
  expect(tables.addUnnamed("f", 1, inScope).functionName).toBe("s/f")
  const names = new Set(["s/f", "s/f#2", "s/f#3"])
  for (const table of [first, second, third]) tables.drop(table)
  for (let round = 0; round < 3; round += 1) {
    const { functionName } = add()
    expect(names).not.toContain(functionName)
    names.add(functionName)
  }
})

describe("resolve", () => {
  test("gives the place of a key or a function, with its table where there is one", () => {
    const { tables } = make()
    const f = tables.add("f", undefined)
    expect(tables.resolve({ kind: "key", path: "user/1" })).toEqual({
      table: tables.manual,
      id: "user/1",
      path: ["", "user/1"],
    })
    expect(tables.resolve({ kind: "key", path: f.keyOf(1) })).toEqual({
      table: f,
      id: 1,
      path: [f.name, f.segmentOf(1)],
    })
    expect(tables.resolve({ kind: "key", path: "ƒ:gone::1" })).toEqual({
      table: undefined,
      id: 1,
      path: ["ƒ:gone::", "1"],
    })
    expect(tables.resolve({ kind: "function", path: f.name })).toMatchObject({ table: f, path: [f.name] })
    expect(tables.resolve({ kind: "function", path: "ƒ:gone::" })).toMatchObject({
      table: undefined,
      path: ["ƒ:gone::"],
    })
  })

  test("tells what is no key as a fault, and gives nothing", () => {
    const { tables, faults } = make()
    expect(tables.resolve({ kind: "key", path: "ƒ:nonsense" })).toBeUndefined()
    expect(faults).toMatchObject([{ error: { code: "ERR_ZOOCACHE_INVALID_KEY" } }])
  })
})

import { describe, expect, test } from "vitest"
import { linksTo } from "../../../src/core/loads/frame.js"
import { Transaction } from "../../../src/core/writes/transaction.js"
import { makeFlight, makeTable, makeTrie } from "../support/parts.js"

describe("the links of a new frame", () => {
  const trie = makeTrie()
  const table = makeTable(trie, "f")

  test("are those of the code that makes it", () => {
    const { run } = makeFlight(table, 1)
    const transaction = new Transaction(trie, run)
    expect(linksTo(run)).toEqual({ parent: run, transaction: undefined })
    expect(linksTo(transaction)).toEqual({ parent: transaction, transaction })
    const inner = makeFlight(table, 2, transaction).run
    expect(linksTo(inner)).toEqual({ parent: inner, transaction })
  })

  test("leave out what has settled, so that a load that starts itself again makes no chain", () => {
    const transaction = new Transaction(trie, undefined)
    const { run } = makeFlight(table, 1, transaction)
    run.isSettled = true
    expect(linksTo(run)).toEqual({ parent: undefined, transaction })
    transaction.settle()
    expect(linksTo(run)).toEqual({ parent: undefined, transaction: undefined })
    expect(linksTo(transaction)).toEqual({ parent: undefined, transaction: undefined })
  })

  test("keep a run that has ended before its loader", () => {
    const { run } = makeFlight(table, 1)
    run.isSettled = true
    run.isLeft = true
    expect(linksTo(run).parent).toBe(run)
  })
})

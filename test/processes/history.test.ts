import { describe, expect, test } from "vitest"
import { type Change, describeViolation, findViolations, type Happening, type Read } from "./support/history.js"

interface ReadAt {
  at: number
  /** When the callback began that it belongs to. */
  arrived?: number
  began: number
  by?: string
  key?: string
  tags?: string[]
  used?: Record<string, number>
  rows?: Record<number, number[]>
  isSet?: true
}

function read({ at, arrived = at, began, by = "b", key = "k", tags = ["row:1"], rows = {}, ...others }: ReadAt): Read {
  return {
    kind: "read",
    by,
    startedNs: at,
    arrivedNs: arrived,
    what: "row(1)",
    tags,
    key,
    value: { id: "v", ...others, beganNs: began, rows },
  }
}

function change(calledNs: number, acknowledgedNs: number | undefined, others: Partial<Change> = {}): Change {
  return {
    kind: "change",
    by: "a",
    subject: { tag: "row:1" },
    calledNs,
    heldNs: calledNs + 1,
    ...(acknowledgedNs === undefined ? {} : { acknowledgedNs }),
    ...others,
  }
}

describe("the check of histories", () => {
  test.each<[string, Happening[]]>([
    ["a load from before an acknowledged change", [change(10, 20), read({ at: 30, began: 5 })]],
    ["a change of a tag above", [change(10, 20, { subject: { tag: "row" } }), read({ at: 30, began: 5 })]],
    ["a change of everything", [change(10, 20, { subject: { tag: "" } }), read({ at: 30, began: 5 })]],
    [
      "what a cleared function had made",
      [change(10, 20, { subject: { table: "ƒ:row:" } }), read({ at: 30, began: 5, key: "ƒ:row::1" })],
    ],
    [
      "a value that was set before its function was cleared",
      [
        change(8, 9, { subject: { key: "ƒ:row::1" }, valueId: "v" }),
        change(10, 20, { subject: { table: "ƒ:row:" } }),
        read({ at: 30, began: 5, isSet: true, key: "ƒ:row::1" }),
      ],
    ],
    [
      "what was made of what a cleared function had made",
      [change(10, 20, { subject: { table: "ƒ:row:" } }), read({ at: 30, began: 5, used: { "ƒ:row::1": 8 } })],
    ],
    ["a deleted key", [change(10, 20, { subject: { key: "k" } }), read({ at: 30, began: 5 })]],
    [
      "a value that was set, and then replaced",
      [
        change(10, 20, { subject: { key: "k" }, valueId: "v" }),
        change(21, 25, { subject: { key: "k" }, valueId: "w" }),
        read({ at: 30, began: 5, isSet: true }),
      ],
    ],
    [
      "a value that was set after one of its tags had been invalidated",
      [
        change(10, 20),
        change(21, 25, { subject: { key: "k" }, valueId: "v" }),
        read({ at: 30, began: 5, isSet: true }),
      ],
    ],
    [
      "what was made of a value that was deleted",
      [change(10, 20, { subject: { key: "inner" } }), read({ at: 30, began: 5, used: { inner: 8 } })],
    ],
    [
      "a change that its own process made, unacknowledged",
      [change(10, undefined), read({ at: 12, began: 5, by: "a" })],
    ],
    [
      "a change that its own process made in the same callback",
      [change(10, undefined), read({ at: 12, arrived: 1, began: 5, by: "a" })],
    ],
    [
      "an earlier change, where a later one is not acknowledged",
      [change(10, 20), change(40, 60), read({ at: 50, began: 5 })],
    ],
    [
      "a change called later that was acknowledged earlier",
      [change(10, 40), change(20, 30), read({ at: 50, began: 15 })],
    ],
    [
      "a row without what was written before the change",
      [change(10, 20, { wrote: { row: 1, column: 2, count: 7 } }), read({ at: 30, began: 11, rows: { 1: [0, 0, 6] } })],
    ],
    [
      "a row without the higher of two counts",
      [
        change(10, 20, { wrote: { row: 1, column: 0, count: 7 } }),
        change(11, 21, { wrote: { row: 1, column: 0, count: 6 } }),
        read({ at: 30, began: 12, rows: { 1: [6] } }),
      ],
    ],
  ])("finds %s, whatever the order", (_what, happenings) => {
    expect(findViolations(happenings)).toHaveLength(1)
    expect(findViolations([...happenings].reverse())).toHaveLength(1)
  })

  test.each<[string, Happening[]]>([
    ["a load that began after the call", [change(10, 20), read({ at: 30, began: 11 })]],
    ["a read that started before the acknowledgement", [change(10, 20), read({ at: 15, began: 5 })]],
    ["a change that was never acknowledged, elsewhere", [change(10, undefined), read({ at: 30, began: 5 })]],
    [
      "a read in a callback that began before the acknowledgement",
      [change(10, 20), read({ at: 30, arrived: 15, began: 5 })],
    ],
    ["another tag", [change(10, 20, { subject: { tag: "row:11" } }), read({ at: 30, began: 5 })]],
    [
      "what another function has made",
      [change(10, 20, { subject: { table: "ƒ:row:" } }), read({ at: 30, began: 5, key: "ƒ:rows::1" })],
    ],
    [
      "a value that was set after its function had been cleared",
      [
        change(10, 20, { subject: { table: "ƒ:row:" } }),
        change(21, 25, { subject: { key: "ƒ:row::1" }, valueId: "v" }),
        read({ at: 30, began: 5, isSet: true, key: "ƒ:row::1" }),
      ],
    ],
    ["a tag below", [change(10, 20, { subject: { tag: "row:1:a" } }), read({ at: 30, began: 5 })]],
    ["a key that is called like a tag", [change(10, 20, { subject: { key: "row:1" } }), read({ at: 30, began: 5 })]],
    [
      "a value that was set while its load was long over",
      [
        change(8, 9, { subject: { key: "k" } }),
        change(10, 20, { subject: { key: "k" }, valueId: "v" }),
        read({ at: 30, began: 5, isSet: true }),
      ],
    ],
    [
      "what was made of a value that was read after it had been deleted",
      [change(10, 20, { subject: { key: "inner" } }), read({ at: 30, began: 5, used: { inner: 12 } })],
    ],
    [
      "either of two values that were set at the same time",
      [
        change(10, 20, { subject: { key: "k" }, valueId: "v" }),
        change(11, 19, { subject: { key: "k" }, valueId: "w" }),
        read({ at: 30, began: 5, isSet: true }),
      ],
    ],
    [
      "a value that was set by a process that did not live to tell",
      [change(10, 20, { subject: { key: "k" } }), read({ at: 30, began: 5, isSet: true })],
    ],
    [
      "a row with what was written",
      [change(10, 20, { wrote: { row: 1, column: 0, count: 7 } }), read({ at: 30, began: 11, rows: { 1: [7] } })],
    ],
    [
      "a row that the value was not made of",
      [change(10, 20, { wrote: { row: 2, column: 0, count: 7 } }), read({ at: 30, began: 11, rows: { 1: [1] } })],
    ],
  ])("accepts %s", (_what, happenings) => {
    expect(findViolations(happenings)).toEqual([])
  })

  test("says who read what, and which change it lacked", () => {
    const [violation] = findViolations([change(10_000, 20_000), read({ at: 30_000, began: 5_000 })])
    expect(violation && describeViolation(violation)).toBe(
      "b read row(1) (value v): the load began before the change was called. tag row:1 was called by a at 0, held there " +
        "at 0.0 µs, acknowledged at 10.0 µs; the load began at -5.0 µs, the read at 20.0 µs, its callback at 20.0 µs.",
    )
  })
})

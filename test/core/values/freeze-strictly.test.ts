import { runInNewContext } from "node:vm"
import { describe, expect, test } from "vitest"
import { UncacheableValueError } from "../../../src/core/base/errors.js"
import { freezeStrictly } from "../../../src/core/values/freeze-strictly.js"

describe("freezeStrictly", () => {
  test("freezes arrays and plain objects, however deep and whatever their names", () => {
    const symbol = Symbol("s")
    const hidden = { a: 1 }
    const value = {
      rows: [{ tags: ["a"] }],
      bare: Object.assign(Object.create(null) as object, { list: [1] }),
      foreign: runInNewContext("({ list: [1] })") as { list: number[] },
      [symbol]: { a: 1 },
    }
    Object.defineProperty(value, "hidden", { value: hidden })
    freezeStrictly(value)
    const frozen = [
      value,
      value.rows,
      value.rows[0],
      value.rows[0]?.tags,
      value.bare,
      value.foreign.list,
      value[symbol],
    ]
    for (const node of [...frozen, hidden]) expect(Object.isFrozen(node)).toBe(true)
  })

  test("takes every primitive", () => {
    for (const value of [undefined, null, 0, "a", 5n, true, Symbol("s"), [Symbol("s"), 5n]]) freezeStrictly(value)
  })

  test("ends on cycles, at any depth, and where parts stand in many places", () => {
    const ring: { self?: unknown } = {}
    ring.self = [ring]
    freezeStrictly(ring)
    expect(Object.isFrozen(ring.self)).toBe(true)
    let deep: unknown = {}
    for (let level = 0; level < 100_000; level += 1) deep = [deep]
    freezeStrictly(deep)
    let graph: unknown = { leaf: 1 }
    for (let level = 0; level < 200; level += 1) graph = [graph, graph]
    freezeStrictly(graph)
    expect(Object.isFrozen(graph)).toBe(true)
  })

  class User {
    readonly id = 1
  }
  const accessor = {
    get lazy(): number {
      return expect.fail("the accessor ran")
    },
  }

  test.each<[string, unknown, string]>([
    ["a date", { rows: [{ at: new Date() }] }, "An object (Date) at `value.rows[0].at` can't be frozen"],
    ["a map", new Map(), "An object (Map) can't be frozen: only arrays and plain objects can be"],
    ["bytes", { bytes: new Uint8Array(1) }, "An object (Uint8Array) at `value.bytes` can't"],
    ["an instance", [new User()], "An object (User) at `value[0]` can't"],
    ["an error", new Error("x"), "An object (Error) can't"],
    ["a function", { run: () => 1 }, "at `value.run` can't be frozen"],
    ["a subclass of Array", new (class List extends Array {})(), "can't be frozen"],
    [
      "an accessor",
      { a: accessor },
      'An object (Object) at `value.a` can\'t be frozen: its property "lazy" is an accessor',
    ],
    ["a hidden date", { a: Object.defineProperty({}, "at", { value: new Date() }) }, "at `value.a.at` can't"],
    ["a date under a symbol", { [Symbol("at")]: new Date() }, "at `value[Symbol(at)]` can't"],
  ])("refuses %s, with its place, and freezes nothing", (_name, value, message) => {
    const whole = { before: { a: 1 }, value }
    expect(() => freezeStrictly(whole)).toThrow(UncacheableValueError)
    expect(Object.isFrozen(whole) || Object.isFrozen(whole.before)).toBe(false)
    expect(() => freezeStrictly(value, "ƒ:load::")).toThrow(message)
    expect(() => freezeStrictly(value, "ƒ:load::")).toThrow(expect.objectContaining({ subject: "ƒ:load::" }))
  })
})

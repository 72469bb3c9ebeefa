import { runInNewContext } from "node:vm"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { UncacheableValueError } from "../../../src/core/base/errors.js"
import { cloneValue } from "../../../src/core/values/clone-value.js"
import { freezeDeep } from "../../../src/core/values/isolation.js"

test("cloneValue gives each caller a copy that can be changed", () => {
  const value = { rows: [{ a: 1 }], at: new Date(5), map: new Map([[1, { b: 2 }]]) }
  freezeDeep(value)
  const copy = cloneValue(value)
  expect(copy).toEqual(value)
  copy.rows.push({ a: 2 })
  copy.map.set(2, { b: 3 })
  expect(value.rows).toHaveLength(1)
  expect(value.map.size).toBe(1)
  expect(cloneValue("a")).toBe("a")
  expect(cloneValue(undefined)).toBe(undefined)
  expect(() => cloneValue({ method: () => 1 })).toThrow("can't be copied as it is")
})

class User {
  name = "ann"
}

describe("a copy is what it was made of", () => {
  const bytes = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8])
  const both = { whole: bytes, part: bytes.subarray(2, 4), view: new DataView(bytes.buffer, 4) }

  test.each<[string, unknown]>([
    ["an object without a prototype", Object.assign(Object.create(null) as object, { a: { b: 1 } })],
    ["an own property called __proto__", JSON.parse('{"__proto__": {"a": 1}}')],
    // oxlint-disable-next-line no-sparse-arrays -- the point of it
    ["holes", [1, , { a: 1 }, ,]],
    ["an array with names", /(?<word>\w)/.exec("a")],
    ["an object of undefined", { a: undefined, b: null, [""]: -0 }],
    ["a date, also an invalid one", [new Date(5), new Date(Number.NaN)]],
    ["expressions", [/a/gi, Object.assign(/b/g, { lastIndex: 3 })]],
    [
      "a map of objects",
      new Map<unknown, unknown>([
        [{ key: 1 }, { value: [1] }],
        ["a", new Map([[1, 2]])],
      ]),
    ],
    ["a set of objects", new Set<unknown>([{ a: 1 }, [1], "a"])],
    ["URLs", [new URL("http://a/b?c=1#d")]],
    ["a Buffer", Buffer.from("zebra")],
    ["typed arrays", [new Float64Array([1, -0, Number.NaN]), new BigInt64Array([5n]), new Uint8Array()]],
    ["an ArrayBuffer", bytes.buffer],
    ["a bigint and a symbol", [5n, Symbol.iterator]],
    ["boxed primitives", [Object(1), Object(true), Object(5n)]],
  ])("%s", (_name, value) => {
    const copy = cloneValue(value)
    expect(copy).toStrictEqual(value)
    if (typeof value === "object" && value !== null) {
      expect(copy).not.toBe(value)
      expect(Object.getPrototypeOf(copy)).toBe(Object.getPrototypeOf(value))
    }
  })

  test("an error, with its code, its cause and its class", () => {
    const cause = new RangeError("cause")
    const error = Object.assign(new TypeError("no", { cause }), { code: "ENOENT", details: { at: [1] } })
    const copy = cloneValue({ error }).error
    expect(copy).toBeInstanceOf(TypeError)
    expect(copy).toMatchObject({ message: "no", code: "ENOENT", details: { at: [1] }, stack: error.stack })
    expect(copy.cause).toBeInstanceOf(RangeError)
    expect(copy.cause).not.toBe(cause)
    expect(copy.details.at).not.toBe(error.details.at)
    expect(Object.keys(copy)).toEqual(["code", "details"])
    const many = cloneValue(new AggregateError([cause], "many"))
    expect(many).toBeInstanceOf(AggregateError)
    expect(many.errors[0]).toMatchObject({ message: "cause" })
    expect(many.errors[0]).not.toBe(cause)
  })

  test("views of one buffer stay views of one buffer", () => {
    const copy = cloneValue(both)
    expect(copy.part.buffer).toBe(copy.whole.buffer)
    expect(copy.view.buffer).toBe(copy.whole.buffer)
    expect([copy.part.byteOffset, copy.part.length, copy.view.byteOffset]).toEqual([2, 2, 4])
    copy.whole[2] = 9
    expect([copy.part[0], bytes[2]]).toEqual([9, 3])
  })

  test("an object of the platform that structuredClone knows", async () => {
    const copy = cloneValue({ blob: new Blob(["zebra"], { type: "text/plain" }) }).blob
    expect(copy).toBeInstanceOf(Blob)
    expect([copy.type, await copy.text()]).toEqual(["text/plain", "zebra"])
  })

  test("what stands in two places is one object, also on cycles", () => {
    const shared = { a: 1 }
    const value: Record<string, unknown> = { left: shared, right: [shared], map: new Map([[shared, shared]]) }
    value["self"] = value
    const copy = cloneValue(value) as { left: object; right: object[]; map: Map<object, object>; self: unknown }
    expect(copy.left).not.toBe(shared)
    expect(copy.right[0]).toBe(copy.left)
    expect(copy.map.get(copy.left)).toBe(copy.left)
    expect(copy.self).toBe(copy)
  })

  test("any value that structuredClone keeps is kept", () => {
    const options = { withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true } as const
    fc.assert(
      fc.property(fc.anything({ ...options, withSparseArray: true, withNullPrototype: true, maxDepth: 4 }), (value) => {
        const copy = cloneValue(value)
        expect(copy).toStrictEqual(value)
        expect(structuredClone(copy)).toEqual(structuredClone(value))
      }),
      { numRuns: 300 },
    )
  })
})

describe("a copy", () => {
  test("can be changed where the value is frozen", () => {
    const copy = cloneValue(Object.freeze({ list: Object.freeze([1]) })) as { list: number[]; more?: number }
    copy.list.push(2)
    copy.more = 1
    expect(copy).toEqual({ list: [1, 2], more: 1 })
  })

  test("of objects of another realm is made of those of this one", () => {
    const copy = cloneValue(runInNewContext("({ list: [new Date(5), new Map([[1, /a/]])] })")) as {
      list: [Date, unknown]
    }
    expect(copy.list).toBeInstanceOf(Array)
    expect(copy.list[0]).toBeInstanceOf(Date)
    expect(copy.list[1]).toBeInstanceOf(Map)
  })

  test("needs no stack, and costs what is there where parts stand in many places", () => {
    let deep: unknown = {}
    for (let level = 0; level < 200_000; level += 1) deep = [deep]
    cloneValue(deep)
    let graph: unknown = { leaf: 1 }
    for (let level = 0; level < 200; level += 1) graph = [graph, graph]
    cloneValue(graph)
  })

  test("of a sparse array of four billion holes is quick", () => {
    const sparse: unknown[] = []
    sparse[4_000_000_000] = { a: 1 }
    const copy = cloneValue(sparse)
    expect(copy).toHaveLength(4_000_000_001)
    expect(copy[4_000_000_000]).toEqual({ a: 1 })
  })
})

describe("what a copy would change is refused, with its place", () => {
  const hidden = Object.defineProperty({ a: 1 }, "b", { value: 2 })
  const accessor = {
    get lazy(): number {
      return expect.fail("the accessor ran")
    },
  }
  // Known to the library of types from es2024 on.
  const resizable = Reflect.construct(ArrayBuffer, [1, { maxByteLength: 8 }]) as ArrayBuffer
  const setter = { set lazy(_: unknown) {} }

  test.each<[string, unknown, string]>([
    ["an instance", { rows: [{ owner: new User() }] }, "An object (User) at `value.rows[0].owner` can't be copied"],
    ["an instance by itself", new User(), "An object (User) can't be copied as it is: it is an instance of a class"],
    ["headers", new Map([["h", new Headers()]]), 'An object (Headers) at `value.get("h")` can\'t'],
    ["search parameters", [new URLSearchParams("a=1")], "An object (URLSearchParams) at `value[0]` can't"],
    ["an error of a class of its own", new (class Missing extends Error {})(), "An object (Missing) can't"],
    ["an instance in a set", new Set([1, new User()]), "An object (User) at `value.values()[1]` can't"],
    ["an instance as a key", new Map([[new User(), 1]]), "An object (User) at `value.entries()[0][0]` can't"],
    [
      "an instance in an error",
      Object.assign(new Error("x"), { user: new User() }),
      "An object (User) at `value.user`",
    ],
    ["a subclass of Array", [new (class List extends Array {})()], "An array of 0 at `value[0]` can't"],
    ["a subclass of Map", new (class Index extends Map {})(), "An object (Index) can't"],
    ["a subclass of Uint8Array", new (class Bytes extends Uint8Array {})(1), "An object (Bytes) can't"],
    ["a map with a property", Object.assign(new Map(), { a: 1 }), "is a Map with a property of its own"],
    ["a function", { "the method": () => 1 }, 'at `value["the method"]` can\'t be copied as it is: it is a function'],
    [
      "an accessor",
      { a: accessor },
      'An object (Object) at `value.a` can\'t be copied as it is: it has an accessor, "lazy"',
    ],
    ["a setter", [setter], "has an accessor"],
    [
      "an accessor of an element",
      Object.defineProperty([1, 2], 1, { get: () => 1, enumerable: true }),
      "has an accessor",
    ],
    ["a hidden property", { hidden }, 'has a property that isn\'t enumerable, "b"'],
    ["a symbol as a key", { a: { [Symbol("s")]: 1 } }, "at `value.a` can't be copied as it is: it has a symbol"],
    ["an array with a symbol", Object.assign([1], { [Symbol("s")]: 1 }), "has a symbol"],
    ["shared memory", { memory: new SharedArrayBuffer(1) }, "An object (SharedArrayBuffer) at `value.memory`"],
    ["a view of shared memory", [new Uint8Array(new SharedArrayBuffer(1))], "at `value[0]"],
    ["a view of memory that can grow", [new Uint8Array(resizable)], "An object (Uint8Array) at `value[0]`"],
    ["a promise", [Promise.resolve(1)], "An object (Promise) at `value[0]`"],
    ["weak collections", [new WeakMap()], "An object (WeakMap) at `value[0]`"],
  ])("%s", (_name, value, message) => {
    expect(() => cloneValue(value)).toThrow(UncacheableValueError)
    expect(() => cloneValue(value)).toThrow(message)
  })

  test("names the subject", () => {
    expect(() => cloneValue(new User(), "ƒ:load::")).toThrow(expect.objectContaining({ subject: "ƒ:load::" }))
  })

  test("throws what a hostile proxy throws", () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(() => cloneValue({ proxy })).toThrow(TypeError)
  })
})

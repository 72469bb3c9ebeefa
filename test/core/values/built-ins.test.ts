import { runInNewContext } from "node:vm"
import { describe, expect, test } from "vitest"
import { encodeBuiltIn, kindOf, viewOf } from "../../../src/core/values/built-ins.js"
import { Refusal } from "../../../src/core/values/refusal.js"

const encode = (value: object): string => encodeBuiltIn(value, (member) => String(member))

describe("kindOf", () => {
  test.each<[string, object]>([
    ["Date", new Date()],
    ["Map", new Map()],
    ["Set", new Set()],
    ["URL", new URL("http://a")],
    ["RegExp", /a/],
    ["ArrayBuffer", new ArrayBuffer(1)],
  ])("tells a %s by its internals, of any realm", (name, value) => {
    expect(kindOf(value).name).toBe(name)
    if (name !== "URL") {
      const source = name === "RegExp" ? "/a/" : `new ${name}(${name === "ArrayBuffer" ? "1" : ""})`
      expect(kindOf(runInNewContext(source) as object).name).toBe(name)
    }
  })

  test.each<[string, object]>([
    ["a subclass", new (class Index extends Map {})()],
    ["an object that only inherits", Object.create(Date.prototype) as object],
    ["a property of its own", Object.assign(new Map(), { a: 1 })],
    ["a symbol of its own", Object.assign(new Set(), { [Symbol("s")]: 1 })],
    ["a proxy of one", new Proxy(new Map(), {})],
    ["a class instance", new WeakMap()],
    ["a typed array", new Uint8Array()],
  ])("refuses %s", (_name, value) => {
    expect(() => kindOf(value)).toThrow(Refusal)
  })
})

describe("viewOf", () => {
  test("tells kind, place and length", () => {
    const buffer = new ArrayBuffer(16)
    expect(viewOf(new Uint16Array(buffer, 2, 3))).toEqual({
      kind: "Uint16Array",
      isBuffer: false,
      buffer,
      byteOffset: 2,
      byteLength: 6,
    })
    expect(viewOf(new DataView(buffer, 4))).toMatchObject({ kind: "DataView", byteOffset: 4, byteLength: 12 })
    expect(viewOf(Buffer.from("a"))).toMatchObject({ kind: "Uint8Array", isBuffer: true })
  })

  test("refuses subclasses and properties of their own", () => {
    expect(() => viewOf(new (class Bytes extends Uint8Array {})(1))).toThrow(Refusal)
    expect(() => viewOf(Object.assign(new Uint8Array(1), { a: 1 }))).toThrow(Refusal)
    expect(() => viewOf(Object.assign(new DataView(new ArrayBuffer(1)), { a: 1 }))).toThrow(Refusal)
  })
})

describe("encodeBuiltIn", () => {
  test("asks for the text of each member, and sorts members", () => {
    expect(
      encode(
        new Map([
          ["b", 1],
          ["a", 2],
        ]),
      ),
    ).toBe("Map(a=>2,b=>1)")
    expect(encode(new Set([3, 1, 2]))).toBe("Set(1,2,3)")
  })

  test("writes bytes in one order on every machine", () => {
    expect(encode(new Uint8Array([1, 255]))).toBe("Uint8Array(01ff)")
    expect(encode(new Uint16Array([1]))).toMatch(/^Uint16Array\(0100\)$|^Uint16ArrayBE\(0001\)$/)
    expect(encode(new Uint8Array(65))).toMatch(/^Uint8Array\(#[\da-f]{128}\)$/)
  })

  test("says where an expression goes on matching", () => {
    expect(encode(/a/g)).toBe('RegExp("a","g")')
    expect(encode(Object.assign(/a/g, { lastIndex: 2 }))).toBe('RegExp("a","g",2)')
  })
})

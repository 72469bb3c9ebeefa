import { runInNewContext } from "node:vm"
import { describe, expect, test } from "vitest"
import {
  dataProperty,
  hasElementGetter,
  isData,
  isDirectArray,
  isDirectInstance,
  isObject,
  isPlainObject,
  lookupGetter,
  ownData,
} from "../../../src/core/values/inspect-object.js"

class List extends Array {}
class Index extends Map {}

const accessor = {
  get lazy(): number {
    return expect.fail("the accessor ran")
  },
}

test("isObject is true of what has properties of its own", () => {
  for (const value of [{}, [], () => {}, new Date(), Object.create(null)]) expect(isObject(value)).toBe(true)
  for (const value of [null, undefined, 0, "a", 1n, Symbol("s"), true]) expect(isObject(value)).toBe(false)
})

describe("isPlainObject", () => {
  test.each<[string, object]>([
    ["a literal", {}],
    ["an object without a prototype", Object.create(null) as object],
    ["a literal of another realm", runInNewContext("({})") as object],
  ])("is true of %s", (_name, value) => {
    expect(isPlainObject(value)).toBe(true)
  })

  test.each<[string, object]>([
    ["a class instance", new Index()],
    ["an array", []],
    ["a date", new Date()],
    ["an object that inherits from a literal", Object.create({}) as object],
    ["an object that inherits from a bare one", Object.create(Object.create(null) as object) as object],
    ["Math", Math],
  ])("is false of %s", (_name, value) => {
    // Math has Object.prototype; its symbol is what tells it apart, which is the business of those who look at symbols.
    expect(isPlainObject(value)).toBe(value === Math)
  })

  test("is false of the namespace of a module", async () => {
    expect(isPlainObject(await import("../../../src/core/values/key-text.js"))).toBe(false)
  })
})

test("isDirectArray is false of subclasses, in every realm", () => {
  expect(isDirectArray([])).toBe(true)
  expect(isDirectArray(runInNewContext("[]") as unknown[])).toBe(true)
  expect(isDirectArray(new List())).toBe(false)
  expect(isDirectArray(Object.setPrototypeOf([], null) as unknown[])).toBe(false)
})

test("isDirectInstance goes by the prototype, not by `instanceof`", () => {
  expect(isDirectInstance(new Map(), "Map", 2)).toBe(true)
  expect(isDirectInstance(runInNewContext("new Map()") as object, "Map", 2)).toBe(true)
  expect(isDirectInstance(new Index(), "Map", 2)).toBe(false)
  expect(isDirectInstance(new Uint8Array(), "Uint8Array", 3)).toBe(true)
  expect(isDirectInstance(new Date(), "Map", 2)).toBe(false)
})

test("properties are told without running an accessor", () => {
  const inherits = Object.create(accessor) as object
  const array = Object.defineProperty([1, 2], 1, { get: () => expect.fail("the accessor ran") })
  expect([isData({ a: undefined }, "a"), isData(accessor, "lazy"), isData({}, "a")]).toEqual([true, false, false])
  expect([ownData({ a: 1 }, "a"), ownData(accessor, "lazy"), ownData(inherits, "toString")]).toEqual([
    1,
    undefined,
    undefined,
  ])
  expect(dataProperty(inherits, "lazy")).toBe(undefined)
  expect(dataProperty(new Index(), "get")).toBe(Map.prototype.get)
  expect([hasElementGetter(array, 0), hasElementGetter(array, 1), hasElementGetter(array, 2)]).toEqual([
    false,
    true,
    false,
  ])
  expect(lookupGetter.call(inherits, "lazy")).toBeTypeOf("function")
  expect(lookupGetter.call({ a: 1 }, "a")).toBe(undefined)
})

test("a chain of prototypes without an end is not followed to it", () => {
  const endless: object = new Proxy({}, { getPrototypeOf: () => endless })
  expect(dataProperty(endless, "a")).toBe(undefined)
  expect(isDirectInstance(endless, "Map", 2)).toBe(false)
})

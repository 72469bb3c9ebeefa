import { describe, expect, test } from "vitest"
import { makeCache } from "../support/caches.js"

describe("two different calls never share an entry", () => {
  const date = new Date(0)
  const different: unknown[][] = [
    [],
    [null],
    [1],
    ["1"],
    [1n],
    [true],
    ["true"],
    [-0],
    [0],
    [Number.NaN],
    ["NaN"],
    [[]],
    [[1]],
    [[[1]]],
    [1, 2],
    ["1,2"],
    ["1", "2"],
    [[1, 2]],
    [{}],
    [{ a: undefined }],
    [{ a: 1 }],
    [{ a: "1" }],
    [{ a: { b: 1 } }],
    [{ "a:b": 1 }],
    [date],
    [date.toISOString()],
    [0, undefined, 1],
    [0, null, 1],
    [new Map([["a", 1]])],
    [new Set(["a"])],
    [new Uint8Array([1])],
    [new Uint16Array([1])],
    ["\0"],
    ["\0#"],
    ["x".repeat(129)],
    [`${"x".repeat(128)}y`],
    ["\ud800"],
    ["\ufffd"],
  ]

  test("by their arguments", async () => {
    const { cache } = makeCache()
    let loads = 0
    const load = cache.cacheable(async (..._args: unknown[]) => ++loads, { name: "load" })
    const seen = []
    for (const args of different) seen.push(await load(...args))
    expect(seen).toEqual(different.map((_args, index) => index + 1))
    expect(new Set(different.map((args) => load.keyOf(...args))).size).toBe(different.length)
    for (const [index, args] of different.entries()) expect(await load(...args)).toBe(index + 1)
  })

  test("by their function, when names and arguments look alike", async () => {
    const { cache } = makeCache()
    const make = (name: string, version?: string) =>
      cache.cacheable(async (..._args: unknown[]) => `${name} ${version}`, { name, ...(version && { version }) })
    const functions = [make("a"), make("a:b"), make("a", "b"), make("a%3Ab"), make("b", "a"), make("a.b")]
    const seen = await Promise.all(functions.map((call) => call("b")))
    expect(new Set(seen).size).toBe(functions.length)
  })

  test("though their arguments are long and differ in one character", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(async (text: string) => text)
    const texts = Array.from({ length: 50 }, (_, index) => `${"x".repeat(1000)}${String.fromCharCode(65 + index)}`)
    for (const text of texts) expect(await load(text)).toBe(text)
    for (const text of texts) expect(await load(text)).toBe(text)
  })
})

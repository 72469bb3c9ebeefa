import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { InvalidKeyError } from "../../../src/core/base/errors.js"
import { encodeArguments } from "../../../src/core/values/encode-arguments.js"
import { idOf } from "../../../src/core/values/id.js"
import { processorMs } from "../../support/processor-time.js"
import { call, rebuilt } from "./support/calls.js"

const encode = (...args: unknown[]): string => encodeArguments(args, args.length)

/** Of processor time, on any machine. What is not linear takes years, or at least minutes. */
const LINEAR_MS = 60_000

/** A graph that unfolds to a tree of 2^levels leaves. */
function folded(levels: number, leaf: unknown, pair: (part: unknown) => unknown = (part) => [part, part]): unknown {
  let graph = leaf
  for (let level = 0; level < levels; level += 1) graph = pair(graph)
  return graph
}

describe("the text of a part that stands in many places", () => {
  test.each<[string, (part: unknown) => unknown]>([
    ["arrays", (part) => [part, part]],
    ["objects", (part) => ({ left: part, right: part })],
    ["maps", (part) => new Map([["left", part] as const, ["right", part] as const])],
    ["keys of maps", (part) => new Map([[part, part]])],
    ["sets and arrays", (part) => new Set([[part], [part]])],
  ])("costs its references, not the tree that they unfold to: %s", (_name, pair) => {
    // Unfolded, this has more leaves than there are atoms.
    expect(processorMs(() => encode(folded(120, "leaf", pair)))).toBeLessThan(LINEAR_MS)
  })

  test.each([1, 6, 9, 10, 11, 12])("is that of a copy, at 2^%i leaves", (levels) => {
    const copied = (level: number): unknown =>
      level === 0 ? { id: 1, text: "x" } : [copied(level - 1), copied(level - 1)]
    expect(idOf([folded(levels, { id: 1, text: "x" })])).toBe(idOf([copied(levels)]))
    expect(idOf([folded(levels, { id: 2, text: "x" })])).not.toBe(idOf([copied(levels)]))
  })

  test("is that of a copy in any call, whatever stands in two places", () => {
    fc.assert(
      fc.property(call, fc.nat(600), (args, length) => {
        const part = { args, padding: "x".repeat(length) }
        const shared = [part, [part, { part }], part]
        const copies = [rebuilt(part), [rebuilt(part), { part: rebuilt(part) }], rebuilt(part)]
        expect(idOf(shared)).toBe(idOf(copies))
      }),
    )
  })

  test("keeps apart what differs far below a part that is hashed", () => {
    const wide = (last: unknown) => ({ a: { b: [...Array.from({ length: 1_000 }, (_, index) => index), last] } })
    const ids = ["1000", 1_000, 1_000n, [1_000], undefined, null].map((last) => idOf([{ wide: wide(last) }]))
    expect(new Set(ids).size).toBe(6)
  })

  test("is never taken for a text that reads like its hash", () => {
    const long = "x".repeat(1_000)
    const hash = encode(long)
    expect(hash).toMatch(/^#[\da-f]{128}$/)
    expect(encode(hash)).not.toBe(hash)
    expect(encode([hash])).not.toBe(encode([long]))
    expect(encode({ [hash]: 1 })).not.toBe(encode({ [long]: 1 }))
    expect(encode({ [long]: 1 })).not.toBe(encode({ [`${long}y`]: 1 }))
  })

  test("is judged by its depth wherever it stands", () => {
    const levels = (count: number, inner: unknown): unknown => folded(count, inner, (part) => [part])
    const part = levels(100, "x".repeat(100))
    expect(() => encode([part, levels(155, part)])).not.toThrow()
    expect(() => encode([part, levels(156, part)])).toThrow("is nested deeper than 256 levels")
    expect(() => encode([levels(156, part), part])).toThrow("is nested deeper than 256 levels")
    expect(() => encode(part, levels(157, part))).toThrow("is nested deeper than 256 levels")
  })

  test("is read once where a long text, a large number or a buffer stands in a thousand places", () => {
    const text = "x".repeat(1_000_000)
    const number = 1n << 1_000_000n
    const bytes = new Uint8Array(1_000_000)
    for (const part of [text, number, bytes]) {
      const list = Array.from({ length: 1_000 }, () => part)
      expect(processorMs(() => encode(list))).toBeLessThan(LINEAR_MS)
    }
    expect(processorMs(() => encode(Array.from({ length: 1_000 }, () => ({ [text]: 1 }))))).toBeLessThan(LINEAR_MS)
  })
})

describe("a bigint", () => {
  test("of any size has an encoding of its own", () => {
    const numbers = [4_095n, 4_096n, 4_097n, 100_000n].flatMap((bits) => [1n << bits, (1n << bits) - 1n, -(1n << bits)])
    expect(new Set(numbers.map((number) => idOf([number]))).size).toBe(numbers.length)
    for (const number of numbers) expect(idOf([[number]])).toBe(idOf([[number + 1n - 1n]]))
  })

  test("of millions of digits takes no longer than linear", () => {
    expect(processorMs(() => encode(1n << 16_000_000n))).toBeLessThan(LINEAR_MS)
  })
})

test("refuses what can't be read, naming the argument", () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  for (const hostile of [proxy, { proxy }, [proxy], new Map([[1, proxy]])]) {
    expect(() => encode(1, hostile)).toThrow(InvalidKeyError)
    expect(() => encode(1, hostile)).toThrow("args[1] can't be read")
  }
})

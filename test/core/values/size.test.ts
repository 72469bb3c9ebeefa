import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { InvalidOptionError } from "../../../src/core/base/errors.js"
import { estimateSize, MAX_WEIGHT, weightOf } from "../../../src/core/values/size.js"
import { processorMs } from "../../support/processor-time.js"

const numRuns = Number(process.env["ZOOCACHE_RUNS"] ?? 300)

/** What one value occupies: heap and buffers of many copies, divided. */
function measure(make: (index: number) => unknown, copies: number): number {
  const gc = globalThis.gc as (() => void) | undefined
  if (gc === undefined) throw new Error("run with --expose-gc")
  const used = (): number => {
    gc()
    gc()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const kept: unknown[] = Array.from({ length: copies }, () => null)
  make(0)
  const before = used()
  for (let index = 0; index < copies; index++) kept[index] = make(index)
  const bytes = (used() - before) / copies
  expect(kept).toHaveLength(copies)
  return bytes
}

/** A string of its own, flat, as a database driver makes one. */
const text = (index: number, length: number): string =>
  Buffer.from(String(index).padStart(length, "abcdefgh")).toString("latin1")

const row = (index: number): unknown => ({
  id: index,
  name: text(index, 20),
  email: text(index, 30),
  score: index + 0.5,
  active: true,
  manager: null,
})

const samples: readonly [name: string, copies: number, make: (index: number) => unknown][] = [
  ["a row", 5_000, row],
  ["an empty object", 20_000, () => ({})],
  ["an empty array", 20_000, () => []],
  ["a short text", 10_000, (index) => text(index, 24)],
  ["a long text", 500, (index) => text(index, 10_000)],
  ["a text beyond Latin-1", 500, (index) => Buffer.from("日本".repeat(500) + index).toString("utf8")],
  [
    "a parsed response",
    200,
    (index): unknown => JSON.parse(JSON.stringify({ rows: Array.from({ length: 30 }, (_, j) => row(index * 30 + j)) })),
  ],
  ["an array of integers", 200, (index) => Array.from({ length: 1_000 }, (_, j) => j + index)],
  ["an array of fractions", 200, (index) => Array.from({ length: 1_000 }, (_, j) => j + index + 0.5)],
  ["an array of texts", 100, (index) => Array.from({ length: 1_000 }, (_, j) => text(index * 1_000 + j, 16))],
  ["an array of 20,000 rows", 3, (index) => Array.from({ length: 20_000 }, (_, j) => row(index + j))],
  [
    "rows of alternating size",
    10,
    () =>
      Array.from({ length: 1_024 }, (_, j) => (j % 2 === 0 ? { a: 1 } : { b: Array.from({ length: 50 }, () => 1.5) })),
  ],
  ["a map of texts", 50, (index) => new Map(Array.from({ length: 1_000 }, (_, j) => [text(index * 1_000 + j, 16), j]))],
  ["a set of numbers", 50, () => new Set(Array.from({ length: 1_000 }, (_, j) => j))],
  [
    "an object used as a dictionary",
    30,
    (index) => Object.fromEntries(Array.from({ length: 1_000 }, (_, j) => [text(index * 1_000 + j, 16), j])),
  ],
  ["a buffer", 200, () => Buffer.alloc(10_000, 1)],
  ["a list of dates", 100, (index) => Array.from({ length: 100 }, (_, j) => new Date(index + j))],
  ["a bigint", 2_000, (index) => 2n ** 4_000n + BigInt(index)],
  [
    "a tree",
    20,
    () => {
      const grow = (depth: number): unknown =>
        depth === 0 ? { leaf: 1 } : { left: grow(depth - 1), right: grow(depth - 1) }
      return grow(10)
    },
  ],
]

describe("estimateSize", () => {
  test.each(samples)("is within a factor of two of the heap for %s", (_name, copies, make) => {
    // The median: what the engine compiles or frees meanwhile, later on a busy machine, is measured too.
    const measured = [1, 2, 3].map(() => measure(make, copies)).toSorted((a, b) => a - b)[1] as number
    const estimated = estimateSize(make(1))
    expect(estimated / measured, `estimated ${estimated}, measured ${measured.toFixed(0)}`).toBeGreaterThan(0.5)
    expect(estimated / measured, `estimated ${estimated}, measured ${measured.toFixed(0)}`).toBeLessThan(2)
  })

  test("is nothing for what lives in a pointer", () => {
    for (const value of [undefined, null, true, 0, 42, -7, "", "a"]) expect(estimateSize(value)).toBe(0)
  })

  test("tells wide texts, fractions, and the rest of a large map", () => {
    expect(estimateSize("日".repeat(1_000))).toBeGreaterThan(2_000)
    expect(estimateSize(`${"x".repeat(999)}日`)).toBeGreaterThan(2_000)
    expect(estimateSize("x".repeat(1_000))).toBeLessThan(1_100)
    expect(estimateSize({ a: 1.5 })).toBeGreaterThan(estimateSize({ a: 1 }))
    const map = new Map(Array.from({ length: 1_000 }, (_, index) => [index, text(index, 1_000)]))
    expect(estimateSize(map)).toBeGreaterThan(1_000_000)
    expect(estimateSize(map)).toBeLessThan(1_200_000)
    expect(estimateSize(new Set(map.values()))).toBeGreaterThan(1_000_000)
  })

  test("counts what occurs twice once, and ends on cycles", () => {
    const shared = { text: "x".repeat(10_000) }
    expect(estimateSize([shared, shared])).toBeLessThan(11_000)
    const many = Array.from({ length: 10_000 }, () => shared)
    expect(estimateSize(many)).toBeLessThan(10_000 * 8 + 11_000)
    const cycle: { self?: unknown } = {}
    cycle.self = cycle
    expect(estimateSize(cycle)).toBeLessThan(100)
  })

  test("needs no stack, and looks at a thousand nodes of a million at most", () => {
    let reads = 0
    const counted = (target: object): object =>
      new Proxy(target, {
        ownKeys: (object) => {
          reads++
          return Reflect.ownKeys(object)
        },
      })
    let list: object = {}
    for (let index = 0; index < 100_000; index++) list = counted({ next: list })
    expect(estimateSize(list)).toBeGreaterThan(0)
    const wide = Array.from({ length: 1_000 }, () =>
      counted({ rows: Array.from({ length: 1_000 }, () => counted({ a: 1 })) }),
    )
    const bytes = estimateSize(wide)
    expect(reads).toBeLessThanOrEqual(2_000)
    // A million objects of one property each, in a thousand arrays.
    expect(bytes).toBeGreaterThan(20_000_000)
    expect(bytes).toBeLessThan(80_000_000)
  })

  test("takes no notice of how many holes an array has", () => {
    const sparse: unknown[] = []
    sparse[4_000_000_000] = 1
    expect(estimateSize(sparse)).toBeLessThan(1_000)
  })

  test("runs no accessor and no method of a subclass", () => {
    let runs = 0
    const accessor = { get: () => ++runs, enumerable: true }
    class Loud extends Map<unknown, unknown> {
      override get size(): number {
        return ++runs
      }
      override entries(): MapIterator<[unknown, unknown]> {
        runs++
        return super.entries()
      }
      override [Symbol.iterator](): MapIterator<[unknown, unknown]> {
        runs++
        return super[Symbol.iterator]()
      }
    }
    const array = Object.defineProperty([1, 2], 0, accessor)
    estimateSize([Object.defineProperty({}, "a", accessor), array, new Loud([[1, 2]])])
    expect(runs).toBe(0)
  })

  test("gives a number for anything, hostile proxies included", () => {
    const fail = (): never => {
      throw new Error("no")
    }
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    const hostile = new Proxy({}, { ownKeys: fail, getPrototypeOf: fail, getOwnPropertyDescriptor: fail })
    expect(estimateSize([proxy, hostile, new Proxy(new Map(), {})])).toBeGreaterThan(0)
    fc.assert(
      fc.property(
        fc.anything({
          withBigInt: true,
          withDate: true,
          withMap: true,
          withSet: true,
          withTypedArray: true,
          withSparseArray: true,
        }),
        (value) => {
          const bytes = estimateSize(value)
          expect(Number.isInteger(bytes) && bytes >= 0).toBe(true)
        },
      ),
      { numRuns },
    )
  })

  test("grows with the value", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 2 }), { maxLength: 50 }),
        fc.string({ minLength: 2 }),
        (list, more) => {
          expect(estimateSize([...list, more])).toBeGreaterThan(estimateSize(list))
        },
      ),
      { numRuns },
    )
  })

  test("is found in an instant for a bigint of any size", () => {
    for (const bits of [1n, 63n, 64n, 65n, 1_000n, 1n << 20n, (1n << 20n) + 1n, 1n << 28n]) {
      const bytes = estimateSize(1n << bits)
      expect(bytes / (16 + 8 * (Math.floor(Number(bits) / 64) + 1))).toBeCloseTo(1, 1)
      expect(estimateSize(-(1n << bits))).toBe(bytes)
    }
    const huge = 1n << (1n << 28n)
    expect(processorMs(() => estimateSize(huge))).toBeLessThan(60_000)
  })
})

describe("weightOf", () => {
  test("is whole bytes, rounded up", () => {
    expect([0, -0, 0.1, 1, 1.5, MAX_WEIGHT].map(weightOf)).toEqual([0, -0, 1, 1, 2, MAX_WEIGHT])
  })

  test.each([
    ["NaN", Number.NaN],
    ["a negative number", -1],
    ["Infinity", Number.POSITIVE_INFINITY],
    ["more than a tebibyte", MAX_WEIGHT + 1],
    ["1e22", 1e22],
    ["Number.MAX_VALUE", Number.MAX_VALUE],
    ["a text", "5"],
    ["a bigint", 5n],
    ["nothing", undefined],
    ["a promise", Promise.resolve(5)],
    ["an object that looks like a number", { valueOf: (): number => 5 }],
  ])("refuses %s", (_name, bytes) => {
    expect(() => weightOf(bytes)).toThrow(InvalidOptionError)
    expect(() => weightOf(bytes)).toThrow("sizeOf")
  })

  test("keeps sums exact", () => {
    let sum = 0
    for (let entry = 0; entry < 8_000; entry += 1) sum += weightOf(MAX_WEIGHT)
    expect(sum + weightOf(1) - sum).toBe(1)
    expect(Number.isSafeInteger(sum)).toBe(true)
  })
})

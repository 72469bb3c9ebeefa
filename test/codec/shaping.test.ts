import { createRequire } from "node:module"
import fc from "fast-check"
import type * as Msgpackr from "msgpackr"
import { describe, expect, test } from "vitest"
import { createCodec } from "zoocache/codec"
import { ASCII_ONLY, MARKED, SHAPED } from "../../src/codec/header.js"
import { MAX_NAMES, MAX_SHAPES, Shaping } from "../../src/codec/shaping.js"
import { CorruptEntryError } from "../../src/core/base/errors.js"
import { differenceOf } from "../../src/testing/same-value.js"
import { forge } from "./fuzz.js"
import { codec, header, roundTrip } from "./support.js"

const { Packr } = createRequire(import.meta.url)("msgpackr") as typeof Msgpackr
const packr = new Packr({ useRecords: false, variableMapSize: true })

const isShaped = (value: unknown) => ((codec.encode(header(), value)[88] as number) & SHAPED) !== 0

function expectRoundTrip(value: unknown): void {
  expect(differenceOf(roundTrip(value), value)).toBeUndefined()
}

/** A row with so many names, as other rows with that many. */
const rowOf = (names: number, from = 0) =>
  Object.fromEntries(Array.from({ length: names }, (_, index) => [`n${from + index}`, index]))

describe("objects that are alike", () => {
  test("name their properties once", () => {
    const rows = Array.from({ length: 100 }, (_, id) => ({ identifier: id, description: "text" }))
    const bytes = Buffer.from(codec.encode(header(), rows))
    expect(bytes.toString("latin1").split("identifier")).toHaveLength(2)
    expect(bytes.length - bytes.readUInt32LE(8)).toBeLessThan(100 * 12)
    expectRoundTrip(rows)
  })

  test("are found wherever they stand", () => {
    expect(isShaped([{ identifier: 1 }, { identifier: 2 }])).toBe(true)
    expect(isShaped({ a: { identifierOfIt: 1 }, b: [[{ identifierOfIt: 2 }]] })).toBe(true)
    const inMap = [1, 2].map((at) => [at, { createdAt: new Date(at), name: "text" }] as const)
    expect(isShaped(new Map(inMap))).toBe(true)
    expect(
      isShaped([
        { id: 1, name: "a" },
        { name: "b", id: 2 },
      ]),
    ).toBe(false)
    expect(isShaped([{ id: 1 }, { id: 1, name: "b" }])).toBe(false)
    expect(isShaped([{}, {}])).toBe(false)
    expect(isShaped({ id: 1, name: "Ada" })).toBe(false)
  })

  test("are written name by name where that is hardly longer", () => {
    expect(isShaped([{ id: 1 }, { id: 2 }])).toBe(false)
    // A byte for each is not worth a copy of the whole.
    expect(isShaped(Array.from({ length: 100 }, () => ({ a: 1 })))).toBe(false)
    expect(isShaped(Array.from({ length: 100 }, () => ({ id: 1 })))).toBe(true)
    const matrix = Array.from({ length: 1000 }, (_, index) => [index % 8])
    const size = (value: unknown) => codec.encode(header(), value).length
    expect(size({ matrix, a: { id: 1 }, b: { id: 1 } })).toBe(size({ matrix, a: { id: 1 }, b: { ix: 1 } }))
    for (const count of [1, 14, 15, 16, 40]) {
      const rows = Array.from({ length: count }, (_, id) => ({ a: id % 8, b: [1] }))
      expect(size(rows) - size(1) + 1).toBeLessThanOrEqual(packr.pack(rows).length)
    }
  })

  test("may be as many as may be written name by name", () => {
    const small = createCodec({ maxEntryBytes: 1024 })
    const rows = Array.from({ length: 31 }, (_, at): object => ({ [`k${at}`]: at }))
    rows.push(...Array.from({ length: 30 }, () => ({ k0: 1 })))
    expect(small.decodeValue(small.encode(header(), rows))).toEqual(rows)
  })

  test("keep the order of their names", () => {
    const rows = roundTrip([
      { b: 1, a: 2, 7: 3 },
      { b: 1, a: 2, 7: 3 },
      { a: 1, b: 2, 7: 3 },
    ]) as object[]
    expect(rows.map((row) => Object.keys(row).join(""))).toEqual(["7ba", "7ba", "7ab"])
  })

  test("and what stands between them come back, whatever it is", () => {
    expectRoundTrip([[], [[]], { id: 1 }, [0], [1, ["id"], 5], [2, 7], { id: [] }, {}, [{ id: {} }], null, "", 0])
    expectRoundTrip([Buffer.of(1), [Buffer.of(32), { id: -0 }], { id: undefined }, new Set([{ id: 1n }]), [undefined]])
    const shared = { id: 1 }
    expectRoundTrip([shared, { id: 2 }, shared])
  })

  test("come back, whatever they hold", () => {
    const names = fc.constantFrom("id", "name", "größe", "constructor", "7", "\ud800", "")
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 6 },
        fc.integer({ min: -3, max: 200 }),
        fc.constantFrom(null, "", "text", true, 1.5, undefined, -0),
        fc.array(tie("value"), { maxLength: 5 }),
        fc.dictionary(names, tie("value"), { maxKeys: 3 }),
        fc.array(fc.record({ id: tie("value"), name: tie("value") }, { requiredKeys: ["id"] }), { maxLength: 4 }),
      ),
    }))
    fc.assert(fc.property(value, expectRoundTrip), { numRuns: 1500 })
  })

  test("may have many names, and there may be many kinds of them", () => {
    for (const names of [15, 16, 17, MAX_NAMES, MAX_NAMES + 1, 300]) {
      const rows = [rowOf(names), rowOf(names)]
      expect(isShaped(rows)).toBe(names <= MAX_NAMES)
      expectRoundTrip(rows)
      expectRoundTrip({ large: { ...rowOf(MAX_NAMES + 1), rows }, rows })
    }
    for (const kinds of [31, 32, 33, 200]) {
      const rows = Array.from({ length: 2 * kinds }, (_, at) => rowOf(1 + (at % 3), 10 * (at % kinds)))
      expectRoundTrip(rows)
    }
  })

  test("are left as they are where they are put into shapes", () => {
    const rows = [
      { id: 1, list: [{ id: 2 }, []] },
      { id: 3, list: [] },
    ]
    const before = structuredClone(rows)
    new Shaping().shape(rows)
    expect(rows).toEqual(before)
  })

  test("are frozen on the way", () => {
    const rows = [{ identifier: [1] }, { identifier: [] }]
    expect(isShaped(rows)).toBe(true)
    const found = codec.decodeValue(codec.encode(header(), rows), true) as typeof rows
    expect(found).toEqual(rows)
    for (const each of [found, ...found, ...found.map(({ identifier }) => identifier)]) {
      expect(Object.isFrozen(each)).toBe(true)
    }
  })
})

describe("forged shapes", () => {
  const read = (payload: unknown, flags = SHAPED) => codec.decodeValue(forge(packr.pack(payload), flags))
  const expectMiss = (payload: unknown, reason: string, flags = SHAPED) => {
    expect(() => read(payload, flags)).toThrow(CorruptEntryError)
    expect(() => read(payload, flags)).toThrow(reason)
  }

  test("that are good are read", () => {
    expect(read([0, [1, ["id"], 5], [2, 6], [1, [], 7].slice(0, 2), [3]])).toEqual([{ id: 5 }, { id: 6 }, {}, {}])
    expect(read([2, 5], 0)).toEqual([2, 5])
  })

  test.each([
    ["of no shape", [2]],
    ["of no shape", [0, [1, ["id"], 5], [3, 5]]],
    ["of no shape", [0, [1, ["id"], 5], [200, 5]]],
    ["of no shape", [0, [1, ["id"], 5], [2 ** 40, 5]]],
    ["of no shape", ["id", 5]],
    ["of no shape", [[], 5]],
    ["not of its shape", [0, [1, ["id"], 5], [2]]],
    ["not of its shape", [0, [1, ["id"], 5], [2, 5, 6]]],
    ["not of its shape", [1, ["id"]]],
    ["not of its shape", [1, [], 1]],
    ["a shape that is none", [1, "id", 5]],
    ["a shape that is none", [1, { id: 1 }, 5]],
    ["a shape that is none", [1, Array.from({ length: MAX_NAMES + 1 }, (_, index) => `n${index}`)]],
    ["a name that is no text", [1, [7], 5]],
    ["of no shape", [1, [["id"]], 5]],
    ["a name that is no text", [1, [[0, "id"]], 5]],
    ["is called `__proto__`", [1, ["__proto__"], {}]],
  ])("%s: %j", (reason, payload) => {
    expectMiss(payload, reason)
    expectMiss(payload, reason, SHAPED | MARKED)
  })

  test("that end where they begin", () => {
    expectMiss([1], "a shape that is none")
    expectMiss([0, [1], []], "not of its shape")
    expectMiss([0, [1], ["id"]], "not of its shape")
  })

  test("beyond what may be", () => {
    const kinds = (count: number) => [0, ...Array.from({ length: count }, (_, at) => [1, [`n${at}`], at])]
    expect(read(kinds(MAX_SHAPES))).toHaveLength(MAX_SHAPES)
    expectMiss(kinds(MAX_SHAPES + 1), "a shape that is none")
  })

  test("of another value are not met in the next", () => {
    read([0, [1, ["id"], 5]])
    expectMiss([2, 5], "of no shape")
    expectMiss([0, [1, ["id"], 5], [1, "id"]], "a shape that is none")
    expectMiss([2, 5], "of no shape")
  })

  test("that read like another's have their own names", () => {
    const read2 = (rows: object[]) => codec.decodeValue(codec.encode(header(), rows))
    const of = (...names: string[]) =>
      Array.from({ length: 3 }, () => Object.fromEntries(names.map((name) => [name, 1])))
    // Of as many names, of names that begin alike, with letters that ASCII does not have, and again.
    const all = [
      of("identifier", "name"),
      of("identifier", "nama"),
      of("identifies", "name"),
      of("identifier", "größe"),
    ]
    for (const rows of [...all, ...all]) expect(read2(rows)).toEqual(rows)
    // An entry that says of its names that they are ASCII, and they are not, keeps nothing for the next.
    const payload = packr.pack([0, [1, ["größe"], 5], [2, 6]])
    const lying = codec.decodeValue(forge(payload, SHAPED | ASCII_ONLY)) as object[]
    expect(Object.keys(lying[0] as object)).toEqual([Buffer.from("größe").toString("latin1")])
    expect(read([0, [1, ["größe"], 5], [2, 6]])).toEqual([{ größe: 5 }, { größe: 6 }])
  })

  test("with a name twice make an object with the last", () => {
    expect(read([1, ["id", "id"], 5, 6])).toEqual({ id: 6 })
  })
})

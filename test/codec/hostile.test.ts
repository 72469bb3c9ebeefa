import { createRequire } from "node:module"
import type * as Msgpackr from "msgpackr"
import { describe, expect, test, vi } from "vitest"
import { createCodec } from "zoocache/codec"
import { CorruptEntryError } from "../../src/core/base/errors.js"
import { COMPRESSED, MARKED, SHAPED } from "../../src/codec/header.js"
import { differenceOf } from "../../src/testing/same-value.js"
import { forge, fuzz, randomFrom, repair } from "./fuzz.js"
import { codec, header, roundTrip } from "./support.js"

const require = createRequire(import.meta.url)
const { compressSync } = require("lz4-napi") as { compressSync(bytes: Buffer): Buffer }
const { Packr } = require("msgpackr") as typeof Msgpackr

const plain = { id: 1, name: "Ada", roles: ["admin", "größe"], inner: { a: [1.5, null, true] } }
const marked = { ...plain, at: new Date(5), map: new Map([["a", new Set([1n])]]), bytes: Buffer.from("bytes") }
const large = Array.from({ length: 60 }, (_, id) => ({ ...marked, id }))
const samples: Record<string, Buffer> = Object.fromEntries(
  Object.entries({ plain, marked }).map(([name, value]) => [name, Buffer.from(codec.encode(header(), value))]),
)
const compressed = Buffer.from(codec.encode(header(), large))

/** A value, or a miss: nothing else may come out of bytes. */
function read(bytes: Uint8Array, through = codec): { value: unknown } | undefined {
  try {
    return { value: through.decodeValue(bytes) }
  } catch (error) {
    if (!(error instanceof CorruptEntryError)) throw error
    return undefined
  }
}

function expectMiss(payload: readonly number[] | Buffer, flags = 0): void {
  const bytes = forge(Buffer.from(payload), flags)
  expect(() => codec.decodeValue(bytes)).toThrow(CorruptEntryError)
}

const str = (text: string): number[] => [0xa0 | Buffer.byteLength(text), ...Buffer.from(text)]
const mark = (code: number): number[] => [0xc4, 1, code]

describe("damaged bytes", () => {
  test("truncated anywhere are a miss", () => {
    for (const bytes of [...Object.values(samples), compressed]) {
      for (let length = 0; length < bytes.length; length++) {
        const cut = bytes.subarray(0, length)
        expect(() => codec.decodeHeader(cut)).toThrow(CorruptEntryError)
        expect(() => codec.decodeValue(cut)).toThrow(CorruptEntryError)
        expect(() => codec.amend(Buffer.from(cut), { asOf: 1 })).toThrow(CorruptEntryError)
      }
      expect(() => codec.decodeHeader(Buffer.concat([bytes, Buffer.of(0)]))).toThrow(CorruptEntryError)
    }
  })

  test("with any bit flipped: the header, the value or both are a miss, and what can be read is right", () => {
    for (const [name, value] of Object.entries({ plain, marked, large })) {
      const bytes = name === "large" ? compressed : (samples[name] as Buffer)
      const headerLength = bytes.readUInt32LE(8)
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = Buffer.from(bytes)
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
        if (bit >> 3 < headerLength && bit >> 3 !== 20 && (bit >> 3 < 20 || bit >> 3 > 23)) {
          expect(() => codec.decodeHeader(flipped)).toThrow(CorruptEntryError)
        }
        const found = read(flipped)
        if (bit >> 3 >= headerLength) expect(found).toBeUndefined()
        else if (found !== undefined) expect(differenceOf(found.value, value)).toBeUndefined()
      }
    }
  })

  test("with any bit flipped and both checksums made right again, are a value or a miss", () => {
    for (const [index, bytes] of [...Object.values(samples), compressed].entries()) {
      const original = Buffer.from(bytes)
      for (let bit = 64; bit < bytes.length * 8; bit++) {
        const flipped = Buffer.from(original)
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
        repair(flipped)
        read(flipped)
        try {
          codec.decodeHeader(flipped)
        } catch (error) {
          expect([index, bit, error]).toEqual([index, bit, expect.any(CorruptEntryError)])
        }
      }
    }
    expect(roundTrip(marked)).toEqual(marked)
  })

  test("a header and a value of two entries don't make one", () => {
    const [a, b] = [samples["plain"] as Buffer, samples["marked"] as Buffer]
    const headerLength = a.readUInt32LE(8)
    expect(() => codec.decodeValue(Buffer.concat([a.subarray(0, headerLength), b.subarray(headerLength)]))).toThrow(
      CorruptEntryError,
    )
  })

  test("what is no entry at all is a miss", () => {
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.alloc(500),
      Buffer.from("{}"),
      Buffer.from("zoo\u0001"),
      Buffer.alloc(108, 0xff),
    ]) {
      expect(() => codec.decodeHeader(bytes)).toThrow(CorruptEntryError)
      expect(() => codec.decodeValue(bytes)).toThrow(CorruptEntryError)
    }
  })

  test("two hundred thousand texts in a header without room for them are a miss at once", () => {
    const bytes = Buffer.from(samples["plain"] as Buffer)
    for (const at of [92, 96]) {
      for (const count of [0, 7, 200_000, 0xffffffff]) {
        const forged = Buffer.from(bytes)
        forged.writeUInt32LE(count, at)
        expect(() => codec.decodeHeader(repair(forged))).toThrow(CorruptEntryError)
      }
    }
  })
})

describe("forged values", () => {
  test("lengths that the bytes can't hold allocate nothing", () => {
    const before = process.memoryUsage()
    for (const token of [0xdb, 0xdd, 0xdf, 0xc6]) {
      for (const length of [0xffffffff, 0x7fffffff, 0x3fffffff, 0x00ffffff]) {
        expectMiss([token, length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255, 0, 0], MARKED)
      }
    }
    for (const token of [0xda, 0xdc, 0xde, 0xc5]) expectMiss([token, 0xff, 0xff, 0], MARKED)
    // Each level of these would be allowed for itself.
    expectMiss(Array.from({ length: 300 }, () => [0xdc, 0x01, 0x00]).flat())
    const after = process.memoryUsage()
    expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(20_000_000)
  })

  test("elements far from the first take no more memory than other properties", () => {
    const COUNT = 20_000
    const row = (name: string) => [0x81, ...str(name), 0]
    /** So many alike, with something else before them. */
    const list = (each: readonly number[], before: readonly number[] = [], parts = 0) => {
      const length = Buffer.alloc(5, 0xdd)
      length.writeUInt32BE(COUNT + parts, 1)
      return Buffer.concat([length, Buffer.of(...before), Buffer.alloc(COUNT * each.length, Buffer.of(...each))])
    }
    for (const name of ["33", "1000", "1023"]) {
      for (const [payload, flags, more] of [
        [list(row(name)), 0, 0],
        [list([0x92, 2, 0], [0, 0x93, 1, 0x91, ...str(name), 0], 2), SHAPED, 1],
        [list([0x93, ...mark(32), ...str(name), 0]), MARKED, 0],
      ] as const) {
        const before = process.memoryUsage().heapUsed
        const found = codec.decodeValue(forge(payload, flags)) as object[]
        expect(process.memoryUsage().heapUsed - before, `${name} ${flags}`).toBeLessThan(COUNT * 2000)
        expect([found.length, found[0], found.at(-1)]).toEqual([COUNT + more, { [name]: 0 }, { [name]: 0 }])
      }
    }
    const odd = { 33: "a", 5: "b", 4294967294: "c", 4294967295: "d", "033": "e" }
    expect(roundTrip([odd, odd])).toEqual([odd, odd])
    expect(roundTrip([{ ...odd }, { ...odd }])).toEqual([odd, odd])
  })

  test("a few bytes that would be millions of objects are a miss", () => {
    for (const [token, flags] of [
      [0x90, 0],
      [0x80, 0],
      [0xc4, MARKED],
    ] as const) {
      const count = token === 0xc4 ? 5_000_000 : 10_000_000
      const raw = Buffer.alloc(5 + count * (token === 0xc4 ? 2 : 1), token === 0xc4 ? Buffer.of(0xc4, 0) : token)
      raw[0] = 0xdd
      raw.writeUInt32BE(count, 1)
      expect(() => codec.decodeValue(forge(compressSync(raw), flags | COMPRESSED, raw.length))).toThrow(
        "too many parts",
      )
    }
  })

  test("so is an object of millions of keys", () => {
    const raw = Buffer.alloc(5 + 2_000_000 * 6)
    raw[0] = 0xdf
    raw.writeUInt32BE(2_000_000, 1)
    for (let key = 0; key < 2_000_000; key++) {
      raw[5 + key * 6] = 0xa4
      raw.write(key.toString(36).padStart(4, "_"), 6 + key * 6, "latin1")
    }
    expect(() => codec.decodeValue(forge(raw))).toThrow("too many parts")
  })

  test("deep nesting is a miss and no stack overflow", () => {
    for (const step of [[0x91], [0x81, 0xa1, 0x61], [0x92, ...mark(35)], [0x93, ...mark(40), 0x01]]) {
      const bytes = Buffer.from([...Array.from({ length: 200_000 }, () => step).flat(), 0xc0])
      const flags = step.length > 3 ? MARKED : 0
      expect(() => codec.decodeValue(forge(bytes, flags))).toThrow("nested too deeply")
      expect(() => codec.decodeValue(forge(compressSync(bytes), COMPRESSED | MARKED, bytes.length))).toThrow(
        CorruptEntryError,
      )
    }
    // As deep as may be.
    const allowed = Buffer.from([...Array.from({ length: 1_900 }, () => 0x91), 0xc0])
    expect(read(forge(allowed, MARKED))).toBeDefined()
  })

  test("nothing of msgpackr beyond plain MessagePack is read", () => {
    const cases: Record<string, number[]> = {
      undefined: [0xd4, 0, 0],
      record: [0xd4, 0x72, 0x40, 0x91, ...str("a"), 0x01],
      "record of two bytes": [0xd5, 0x72, 0x40, 0x01, 0x91, ...str("a"), 0x01],
      error: [0xd4, 0x65, 0x00, 0x92, ...str("Error"), ...str("m")],
      set: [0xd4, 0x73, 0x00, 0x91, 0x01],
      "regular expression": [0xd4, 0x78, 0x00, 0x92, ...str("(a+)+$"), ...str("")],
      identity: [0xd6, 0x69, 0, 0, 0, 1, 0x91, 0xd6, 0x70, 0, 0, 0, 1],
      pointer: [0xd6, 0x70, 0, 0, 0, 1],
      bundle: [0xd6, 0x62, 0, 0, 0, 9, 0xc1, 0x04, ...str("abcd"), ...str("")],
      "typed array": [0xc7, 5, 0x74, 9, 0, 0, 0, 0],
      bigint: [0xc7, 9, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9],
      timestamp: [0xd6, 0xff, 0, 0, 0, 1],
      "extension of nobody": [0xc7, 1, 0x21, 0],
      "never used": [0xc1],
      "integers of 64 bits": [0xcf, 0, 0, 0, 0, 0, 0, 0, 1],
      "a short float": [0xca, 0, 0, 0, 0],
      bytes: [0xc4, 1, 1],
    }
    for (const [name, bytes] of Object.entries(cases)) {
      expect([name, read(forge(Buffer.from(bytes)))]).toEqual([name, undefined])
      expect([name, read(forge(Buffer.from([0x91, ...bytes])))]).toEqual([name, undefined])
      if (name !== "bytes") expect([name, read(forge(Buffer.from(bytes), MARKED))]).toEqual([name, undefined])
    }
  })

  test("a record that bytes define is not there for the next ones", () => {
    const records = new Packr({ useRecords: true })
    read(forge(records.pack([{ a: 1 }, { a: 2 }])))
    // Without a definition these are small numbers.
    expect(read(forge(Buffer.from([0x92, 0x40, 0x41])))).toEqual({ value: [0x40, 0x41] })
    expect(roundTrip({ n: [0x40, 0x7f] })).toEqual({ n: [0x40, 0x7f] })
  })

  test("bytes behind the value are a miss, and so is nothing at all", () => {
    expect(() => codec.decodeValue(forge(Buffer.of(0x01, 0x02)))).toThrow("bytes behind its value")
    expectMiss([])
    expectMiss([0x92, 0x01])
  })

  test("no prototype is polluted, and no value has another one than it should", () => {
    const proto = str("__proto__")
    const polluting = [0x81, ...str("polluted"), 0xc3]
    const tries: [number[], number][] = [
      [[0x81, ...proto, ...polluting], 0],
      [[0x81, ...str("constructor"), 0x81, ...str("prototype"), ...polluting], 0],
      [[0xde, 0, 1, 0xd9, 9, ...Buffer.from("__proto__"), ...polluting], 0],
      [[0x93, ...mark(32), ...proto, ...polluting], MARKED],
      [[0x93, ...mark(33), ...proto, ...polluting], MARKED],
      [[0x93, ...mark(34), ...proto, ...polluting], MARKED],
      [[0x94, ...mark(37), ...str("Error"), 0x92, ...proto, ...polluting, 0x90], MARKED],
      [[0x94, ...mark(37), ...str("__proto__"), 0x90, 0x90], MARKED],
      [[0x94, ...mark(37), ...str("constructor"), 0x90, 0x90], MARKED],
      [[0x93, ...mark(39), ...proto, ...polluting], MARKED],
      [[0x93, ...mark(40), ...proto, ...polluting], MARKED],
    ]
    for (const [bytes, flags] of tries) {
      const found = read(forge(Buffer.from(bytes), flags))?.value
      expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
      if (typeof found === "object" && found !== null) {
        expect("polluted" in found).toBe(Object.hasOwn(found, "polluted"))
        const known: unknown[] = [null, Object.prototype, Map.prototype, Error.prototype]
        expect(known.includes(Object.getPrototypeOf(found))).toBe(true)
      }
    }
  })

  test("a property __proto__ that was written is an own property when read", () => {
    const value = JSON.parse('{"__proto__":{"polluted":1},"a":1}') as object
    const found = roundTrip(value) as object
    expect(Object.getOwnPropertyNames(found)).toEqual(["__proto__", "a"])
    expect(Object.getPrototypeOf(found)).toBe(Object.prototype)
    expect((found as { polluted?: unknown }).polluted).toBeUndefined()
  })

  test("marks that are not as they are written are a miss", () => {
    const ref = mark(41)
    const cases: Record<string, number[]> = {
      "unknown leaf": [0xc4, 1, 31],
      "empty leaf": [0xc4, 0],
      "composite without an array": mark(34),
      "composite behind the front": [0x92, 0x01, ...mark(34)],
      "composite of two bytes": [0x91, 0xc4, 2, 34, 0],
      "unknown composite": [0x91, ...mark(99)],
      "undefined with more": [0xc4, 2, 0, 0],
      "date of four bytes": [0xc4, 5, 2, 0, 0, 0, 0],
      "bigint without digits": [0xc4, 2, 3, 0],
      "bigint with an odd sign": [0xc4, 3, 3, 2, 1],
      "text of half a unit": [0xc4, 2, 4, 1],
      "bytes without a kind": [0xc4, 1, 5],
      "bytes of no kind": [0xc4, 2, 5, 200],
      "half an element": [0xc4, 4, 5, 8, 1, 2],
      "map with a key only": [0x92, ...mark(34), 0x01],
      "object with a number for a key": [0x93, ...mark(32), 0x01, 0x01],
      "regular expression that is none": [0x94, ...mark(36), ...str("("), ...str("g"), 0x00],
      "regular expression with odd flags": [0x94, ...mark(36), ...str("a"), ...str("gg"), 0x00],
      "regular expression at a fraction": [
        0x94,
        ...mark(36),
        ...str("a"),
        ...str("g"),
        0xcb,
        0x3f,
        0xe0,
        0,
        0,
        0,
        0,
        0,
        0,
      ],
      "error of a class that is none": [0x94, ...mark(37), ...str("Function"), 0x90, 0x90],
      "error without properties": [0x92, ...mark(37), ...str("Error")],
      "URL that is none": [0x92, ...mark(38), ...str("//")],
      "type of nobody": [0x93, ...mark(39), ...str("Nobody"), 0x01],
      "reference to nothing": [0x92, ...ref, 0x00],
      "reference to what comes later": [0x92, 0x92, ...ref, 0x00, 0x93, ...mark(40), 0x00, 0x90],
      "number given twice": [0x92, 0x93, ...mark(40), 0x00, 0x90, 0x93, ...mark(40), 0x00, 0x90],
      "number for a number": [0x93, ...mark(40), 0x00, 0x05],
      "number for a number's number": [0x93, ...mark(40), 0x00, 0x93, ...mark(40), 0x01, 0x90],
      "number for undefined": [0x93, ...mark(40), 0x00, 0xc4, 1, 0],
    }
    for (const [name, bytes] of Object.entries(cases)) {
      expect([name, read(forge(Buffer.from(bytes), MARKED))]).toEqual([name, undefined])
    }
  })

  test("a decoder of a user gets no prototype of its own to follow, and may throw", () => {
    const seen: unknown[] = []
    class Box {
      readonly content = 1
    }
    const boxes = createCodec().extend({
      name: "Box",
      class: Box,
      encode: () => 1,
      decode: (data) => {
        seen.push(data)
        throw new Error("not what I wrote")
      },
    })
    const forged = (name: string) =>
      read(forge(Buffer.from([0x93, ...mark(39), ...str("Box"), 0x81, ...str(name), 0x80]), MARKED), boxes)
    expect(forged("constructor")).toBeUndefined()
    expect(seen.map((data) => Object.getPrototypeOf(data) as unknown)).toEqual([Object.prototype])
    expect(forged("__proto__")).toBeUndefined()
    expect(seen).toHaveLength(1)
  })
})

describe("forged compression", () => {
  const raw = Buffer.from(new Packr({ useRecords: false }).pack(large.map(({ id, name }) => ({ id, name }))))
  const block = compressSync(raw)

  test("is read where it is right", () => {
    expect(read(forge(block, COMPRESSED, raw.length))).toBeDefined()
  })

  test("a size that its block does not say, or that it can't have, is a miss without allocating it", () => {
    const before = process.memoryUsage().arrayBuffers
    for (const size of [0, 1, raw.length - 1, raw.length + 1, 2 ** 20, 2 ** 24, 2 ** 30, 2 ** 32 - 1]) {
      expect(read(forge(block, COMPRESSED, size))).toBeUndefined()
      const lying = Buffer.from(block)
      lying.writeUInt32LE(size, 0)
      expect(read(forge(lying, COMPRESSED, size))).toBeUndefined()
      expect(read(forge(lying, COMPRESSED, raw.length))).toBeUndefined()
    }
    for (let length = 0; length < 8; length++)
      expect(read(forge(block.subarray(0, length), COMPRESSED, raw.length))).toBeUndefined()
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(40_000_000)
  })

  test("nor is the decompressor asked", () => {
    const lz4 = require("lz4-napi") as { uncompressSync(bytes: Buffer): Buffer }
    const asked = vi.spyOn(lz4, "uncompressSync")
    expect(read(forge(block, COMPRESSED, raw.length))).toBeDefined()
    expect(asked).toHaveBeenCalledTimes(1)
    const lying = Buffer.from(block)
    lying.writeUInt32LE(block.length * 256, 0)
    expect(read(forge(lying, COMPRESSED, block.length * 256))).toBeUndefined()
    expect(read(forge(block, COMPRESSED, raw.length - 1))).toBeUndefined()
    expect(asked).toHaveBeenCalledTimes(1)
  })

  test("flags that nothing explains are a miss", () => {
    for (const flags of [8, 16, 0x100, 0x80000000]) expect(read(forge(raw, flags))).toBeUndefined()
  })

  test("a length without compression that is not that of the bytes is a miss", () => {
    expect(read(forge(raw, 0, raw.length))).toBeDefined()
    expect(read(forge(raw, 0, raw.length + 1))).toBeUndefined()
  })

  test("a value above the reader's limit is a miss", () => {
    const small = createCodec({ maxEntryBytes: 1_000 })
    expect(() => small.decodeValue(codec.encode(header(), "x".repeat(5_000)))).toThrow("maxEntryBytes")
    expect(() => small.decodeValue(codec.encode(header(), "x".repeat(1_500)))).toThrow("maxEntryBytes")
  })

  test("any bit of the block flipped is a value or a miss", () => {
    for (let bit = 32; bit < block.length * 8; bit++) {
      const flipped = Buffer.from(block)
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      read(forge(flipped, COMPRESSED, raw.length))
    }
    expect(read(forge(block, COMPRESSED, raw.length))).toBeDefined()
  })
})

test("some of what `npm run fuzz` does finds nothing", () => {
  const seed = Number(process.env["ZOOCACHE_SEED"] ?? 20_260_101)
  const cases = Number(process.env["ZOOCACHE_RUNS"] ?? 3_000)
  const { counts, finds } = fuzz(randomFrom(seed), (done) => done < cases)
  expect(finds).toEqual([])
  // It would find nothing if it tried nothing.
  for (const kind of ["repaired", "forged", "header", "soup"]) {
    expect(counts[`${kind}: a value`]).toBeGreaterThan(cases / 200)
    expect(counts[`${kind}: refused`]).toBeGreaterThan(cases / 200)
  }
})

import { crc32 } from "node:zlib"
import fc from "fast-check"
import { Packr, Unpackr } from "msgpackr"
import { describe, expect, test } from "vitest"
import { ASCII_ONLY, isWellFormed } from "../../src/codec/header.js"
import { parse } from "../../src/codec/parse.js"
import { scan } from "../../src/codec/scan.js"
import { codec, header } from "./support.js"

const packr = new Packr({ useRecords: false, variableMapSize: true })
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true })

const parseAll = (bytes: Uint8Array, hasOnlyAscii = false, isFrozen = false) =>
  parse(bytes, 0, bytes.length, { hasOnlyAscii, isShaped: false, isFrozen })

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.constantFrom("", "größe", "x".repeat(70)),
)
const name = text.filter((each) => each !== "__proto__" && isWellFormed(each))
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom(null, true, false),
    fc.integer(),
    fc.integer({ min: -200, max: 300 }),
    fc.double({ noDefaultInfinity: false }),
    text.filter(isWellFormed),
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(name, tie("value"), { maxKeys: 20 }),
  ),
}))

describe("what was written by msgpackr", () => {
  test("is read as msgpackr reads it", () => {
    fc.assert(
      fc.property(value, (each) => {
        const bytes = packr.pack(each)
        scan(bytes, 0, bytes.length, false, 1e6)
        expect(parseAll(bytes)).toEqual(unpackr.unpack(bytes))
      }),
      { numRuns: 2000 },
    )
  })

  test.each([15, 16, 17, 255, 256, 65_535, 65_536, 70_000])("with %i parts, characters and names", (count) => {
    const list = Array.from({ length: count }, (_, index) => index - 40)
    const object = Object.fromEntries(list.map((each) => [`n${each}`, each]))
    for (const each of [list, object, "a".repeat(count), "ö".repeat(count)]) {
      expect(parseAll(packr.pack(each))).toEqual(each)
    }
  })

  test("with integers of every width", () => {
    const bounds = [0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53]
    for (const bound of bounds) {
      for (const each of [bound, -bound - 1]) expect(parseAll(packr.pack(each))).toBe(each)
    }
  })

  test("with names that share what they are looked for by", () => {
    // Of one length, with the same first and last letter.
    const names = ["abcd", "aXYd", "abcd", "aZZd", "aXYd"]
    for (const each of names) expect(Object.keys(parseAll(packr.pack({ [each]: 1 })) as object)).toEqual([each])
  })

  test("from the middle of other bytes", () => {
    const bytes = packr.pack({ id: 7, name: "Ada Lovelace, Countess" })
    const around = Buffer.concat([Buffer.alloc(5, 0xff), bytes, Buffer.alloc(5, 0xff)])
    expect(parse(around, 5, 5 + bytes.length, { hasOnlyAscii: true, isShaped: false, isFrozen: false })).toEqual({
      id: 7,
      name: "Ada Lovelace, Countess",
    })
  })
})

test("byte strings are views of the source", () => {
  const source = Buffer.from([0x92, 0xc4, 2, 7, 8, 0xc0])
  const [bytes] = parseAll(source) as [Uint8Array]
  expect([...bytes]).toEqual([7, 8])
  expect(bytes.buffer).toBe(source.buffer)
})

test("a property called `__proto__`, or by what is no text, is refused", () => {
  for (const bytes of [
    [0x81, 0xa9, ...Buffer.from("__proto__"), 0x80],
    [0x81, 0xd9, 9, ...Buffer.from("__proto__"), 0x80],
  ]) {
    expect(() => parseAll(Buffer.from(bytes))).toThrow("is called `__proto__`")
  }
  expect(() => parseAll(Buffer.from([0x81, 0x05, 0x06]))).toThrow("a name that is no text")
})

describe("frozen on the way", () => {
  test("are all arrays and objects, where the value holds nothing else", () => {
    const stored = codec.encode(header(), { list: [{ id: 1 }, []], empty: {} })
    const found = codec.decodeValue(stored, true) as { list: object[]; empty: object }
    for (const each of [found, found.list, ...found.list, found.empty]) expect(Object.isFrozen(each)).toBe(true)
    expect(Object.isFrozen((codec.decodeValue(stored) as { list: object[] }).list)).toBe(false)
  })

  test("is nothing where something stands for something else", () => {
    const stored = codec.encode(header(), { at: new Date(5), list: [] })
    expect(codec.decodeValue(stored, true)).toEqual({ at: new Date(5), list: [] })
  })
})

test("an entry says that its texts are ASCII, names included, only where they are", () => {
  const flagsOf = (each: unknown) => (codec.encode(header(), each)[88] as number) & ASCII_ONLY
  for (const each of [1, "a", ["\0\x7f"], { name: "Ada" }]) expect(flagsOf(each)).toBe(ASCII_ONLY)
  for (const each of ["ö", ["\x80"], { größe: 1 }, { a: [{ b: "\u{1f600}" }] }, new Date(5)])
    expect(flagsOf(each)).toBe(0)
})

test("an entry that lies about its texts spoils no other", () => {
  const good = codec.encode(header(), { é: 1, größe: 2 })
  const [start, rawLength] = [Buffer.from(good).readUInt32LE(8), Buffer.from(good).readUInt32LE(16)]
  const forged = Buffer.from(good)
  forged.writeUInt32LE(ASCII_ONLY, 88)
  forged.writeUInt32LE(crc32(forged.subarray(start), (rawLength ^ (ASCII_ONLY << 28)) >>> 0), 20)
  forged.writeUInt32LE(crc32(forged.subarray(8, start)), 4)
  for (let times = 0; times < 2; times++) {
    codec.decodeValue(forged)
    expect(codec.decodeValue(good)).toEqual({ é: 1, größe: 2 })
  }
})

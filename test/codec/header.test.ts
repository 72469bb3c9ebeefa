import fc from "fast-check"
import { describe, expect, test } from "vitest"
import type { EntryHeader } from "zoocache/codec"
import { CorruptEntryError } from "../../src/core/base/errors.js"
import { amendHeader, compareRank, readEndMs, readRank } from "../../src/codec/header.js"
import type { Rank } from "../../src/core/ports/store.js"
import { codec, header } from "./support.js"

const value = { name: "Ada", roles: ["admin"] }

function headerOf(part: Partial<EntryHeader>): EntryHeader {
  return codec.decodeHeader(codec.encode(header(part), value))
}

/** Of any code units, lone surrogates included. */
const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.array(fc.integer({ min: 0xd700, max: 0xe0ff })).map((units) => String.fromCharCode(...units)),
)
const version = fc.maxSafeNat()
const time = fc.oneof(fc.maxSafeNat(), fc.double({ min: 0, max: 1e15, noNaN: true }), fc.constant(Infinity))
const anyHeader = fc.record(
  {
    key: text,
    epoch: fc.record({ ordinal: version, nonce: text }, { noNullPrototype: true }),
    asOf: version,
    keyVersion: version,
    storedAtMs: fc.maxSafeNat(),
    expiresAtMs: time,
    graceMs: time,
    idleTtlMs: time,
    idleUntilMs: time,
    tags: fc.array(text, { maxLength: 5 }),
    keys: fc.array(text, { maxLength: 5 }),
  },
  { noNullPrototype: true },
)

describe("a header", () => {
  test("comes back field by field, whatever is in it", () => {
    fc.assert(
      fc.property(anyHeader, (made) => {
        const bytes = codec.encode(made, value)
        expect(codec.decodeHeader(bytes)).toStrictEqual(made)
        expect(codec.decodeValue(bytes)).toEqual(value)
      }),
    )
  })

  test("keeps apart keys that UTF-8 would make one", () => {
    const keys = [
      "\ud800",
      "\ud801",
      "\ufffd",
      "a\udc00",
      "a\ufffd",
      "\udc00\ud800",
      "\u{10000}",
      "e\u0301",
      "\u00e9",
      "\0",
      "",
    ]
    expect(keys.map((key) => headerOf({ key, tags: [key], keys: [key, key] })).map(({ key }) => key)).toEqual(keys)
  })

  test("may have thousands of tags", () => {
    const tags = Array.from({ length: 20_000 }, (_, index) => `org:1:user:${index}`)
    expect(headerOf({ tags }).tags).toEqual(tags)
  })

  test("is read without looking at the value", () => {
    const bytes = codec.encode(header(), value)
    bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1
    expect(codec.decodeHeader(bytes)).toEqual(header())
    expect(() => codec.decodeValue(bytes)).toThrow(CorruptEntryError)
  })

  test("may not have times that are none, nor versions that are none", () => {
    for (const name of [
      "storedAtMs",
      "expiresAtMs",
      "graceMs",
      "idleTtlMs",
      "idleUntilMs",
      "asOf",
      "keyVersion",
    ] as const) {
      const bytes = codec.encode(header({ [name]: NaN }), value)
      expect(() => codec.decodeHeader(bytes)).toThrow(CorruptEntryError)
    }
    for (const odd of [-1, 0.5, 2 ** 53, Infinity]) {
      expect(() => headerOf({ asOf: odd })).toThrow(CorruptEntryError)
      expect(() => headerOf({ epoch: { ordinal: odd, nonce: "a" } })).toThrow(CorruptEntryError)
    }
  })

  test("tells epochs apart that differ in one character or in its length", () => {
    const nonces = ["abc", "abd", "ab", "abcd", "", "äbc", "abc"]
    const read = nonces.map((nonce) => headerOf({ epoch: { ordinal: 5, nonce } }).epoch)
    expect(read).toEqual(nonces.map((nonce) => ({ ordinal: 5, nonce })))
    expect(headerOf({ epoch: { ordinal: 6, nonce: "abc" } }).epoch.ordinal).toBe(6)
  })
})

describe("amending", () => {
  test("changes what it is given and nothing else, in place", () => {
    const changes = [
      {},
      { asOf: 7 },
      { keyVersion: 8 },
      { idleUntilMs: 9.5 },
      { idleUntilMs: Infinity },
      { asOf: 0, keyVersion: 1, idleUntilMs: 2 },
    ]
    for (const change of changes) {
      const bytes = codec.encode(header(), value)
      const { length } = bytes
      codec.amend(bytes, change)
      expect(bytes.length).toBe(length)
      expect(codec.decodeHeader(bytes)).toEqual({ ...header(), ...change })
      expect(codec.decodeValue(bytes)).toEqual(value)
    }
  })

  test("gives the bytes that encoding would have given", () => {
    const bytes = codec.encode(header(), value)
    codec.amend(bytes, { asOf: 7, keyVersion: 8, idleUntilMs: 9 })
    expect(Buffer.from(bytes).equals(codec.encode(header({ asOf: 7, keyVersion: 8, idleUntilMs: 9 }), value))).toBe(
      true,
    )
  })

  test("does not make damaged bytes good again", () => {
    const bytes = codec.encode(header(), value)
    bytes[60] = (bytes[60] as number) ^ 1
    expect(() => amendHeader(bytes, { asOf: 7 })).toThrow(CorruptEntryError)
    expect(() => codec.decodeHeader(bytes)).toThrow(CorruptEntryError)
  })
})

describe("what a store reads", () => {
  test("the rank", () => {
    const { epoch, asOf, keyVersion } = header()
    expect(readRank(codec.encode(header(), value))).toEqual({ epoch, asOf, keyVersion })
  })

  test("ranks are in order: epoch, then key version, then asOf", () => {
    const rank = (ordinal: number, nonce: string, keyVersion: number, asOf: number): Rank => ({
      epoch: { ordinal, nonce },
      keyVersion,
      asOf,
    })
    const ordered = [rank(1, "b", 9, 9), rank(2, "a", 9, 9), rank(2, "b", 1, 9), rank(2, "b", 2, 1), rank(2, "b", 2, 3)]
    for (const [left, a] of ordered.entries()) {
      for (const [right, b] of ordered.entries()) expect(Math.sign(compareRank(a, b))).toBe(Math.sign(left - right))
    }
  })

  test("when it ends: at its expiry or for want of use, grace included", () => {
    const endOf = (part: Partial<EntryHeader>): number => readEndMs(codec.encode(header(part), value))
    expect(endOf({ expiresAtMs: 100, graceMs: 5, idleUntilMs: 300 })).toBe(105)
    expect(endOf({ expiresAtMs: 100, graceMs: 5, idleUntilMs: 50 })).toBe(55)
    expect(endOf({ expiresAtMs: Infinity, graceMs: 5, idleUntilMs: Infinity })).toBe(Infinity)
  })

  test("none of it from damaged bytes", () => {
    const bytes = codec.encode(header(), value)
    bytes[30] = (bytes[30] as number) ^ 4
    for (const read of [readRank, readEndMs]) expect(() => read(bytes)).toThrow(CorruptEntryError)
  })
})

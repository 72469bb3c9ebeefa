/**
 * Entries as this and earlier versions wrote them. A file is never changed: where the format changes, it gets another
 * number, and what is here must be read as before, or be a miss. `ZOOCACHE_WRITE_GOLDEN=1` writes files that are not
 * there yet.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { describe, expect, test } from "vitest"
import { createCodec, type EntryHeader } from "zoocache/codec"
import { CorruptEntryError } from "../../src/core/base/errors.js"
import { differenceOf } from "../../src/testing/same-value.js"
import { bare, header } from "./support.js"

const folder = fileURLToPath(new URL("./golden/", import.meta.url))

class Money {
  readonly cents: number
  constructor(cents: number) {
    this.cents = cents
  }
}

const codec = createCodec({ threshold: 512 }).extend({
  name: "Money",
  class: Money,
  encode: ({ cents }) => cents,
  decode: (cents) => new Money(cents),
})

function errorOf(): Error {
  const error = new RangeError("message", { cause: new AggregateError([], "inner") })
  for (const each of [error, error.cause as Error]) each.stack = `${each.name}: at golden`
  return Object.assign(error, { code: "E_GOLDEN" })
}

function ring(): object {
  const made: Record<string, unknown> = { list: [new Date(5)] }
  return Object.assign(made, { self: made, again: made["list"] })
}

interface Golden {
  readonly value: () => unknown
  readonly header?: Partial<EntryHeader>
  /** Another version of the compressor may find another way to the same. */
  readonly isCompressed?: boolean
  /** From before there were the flags that it would have now. */
  readonly isOld?: boolean
}

const bareHeader: Golden = {
  value: () => null,
  header: { key: "", tags: [], keys: [], epoch: { ordinal: 0, nonce: "" }, expiresAtMs: Infinity, graceMs: 0 },
}

const oddHeader: Golden = {
  value: () => null,
  header: { key: "a\ud800", tags: ["größe:1", "org"], keys: ["\udc00", "k"], idleTtlMs: 5, idleUntilMs: 9.5 },
}

const rows: Golden = {
  value: () => Array.from({ length: 200 }, (_, id) => ({ id, name: `row ${id}`, at: "2026-01-01" })),
  isCompressed: true,
}

const markedRows: Golden = {
  value: () => Array.from({ length: 200 }, (_, id) => ({ id, at: new Date(id) })),
  isCompressed: true,
}

const all: Record<string, Golden> = {
  plain: {
    value: () => ({ id: 1, name: "Ada", roles: ["admin", "größe"], ok: true, none: null, score: -12.75, big: 2 ** 40 }),
  },
  "numbers-and-text": {
    value: () => [
      0,
      -1,
      127,
      128,
      255,
      65_536,
      2 ** 32,
      -33,
      -129,
      -32_769,
      0.1,
      NaN,
      Infinity,
      "",
      "x".repeat(40),
      "\u{1f600}",
    ],
  },
  "header-bare": { ...bareHeader, isOld: true },
  "header-odd": { ...oddHeader, isOld: true },
  "header-bare-ascii": bareHeader,
  "header-odd-ascii": oddHeader,
  ascii: { value: () => ({ id: 1, name: "Ada", roles: ["admin", "a text that is longer than most"], score: -12.75 }) },
  marks: {
    value: () => ({
      leaves: [undefined, -0, new Date(-1.5e12), new Date(NaN), 0n, -255n, 2n ** 70n, "\udc00x"],
      bytes: [
        Buffer.from("buffer"),
        new Uint8Array([1]),
        new Float32Array([1.5]),
        new BigInt64Array([-1n]),
        new Uint8Array([9]).buffer,
        new DataView(new ArrayBuffer(2)),
      ],
      objects: [bare({ a: 1 }), JSON.parse('{"__proto__":1}') as unknown, { "\ud800": 1 }],
      collections: [
        new Map<unknown, unknown>([
          [1, "a"],
          [{ k: 1 }, new Set([1])],
        ]),
        new Set(),
      ],
      others: [/a\/b/giu, new URL("https://example.com/a?b=c"), new Money(5)],
    }),
  },
  errors: { value: errorOf },
  shared: { value: ring },
  compressed: { ...rows, isOld: true },
  "compressed-ascii": { ...rows, isOld: true },
  "compressed-shaped": rows,
  "compressed-marks": { ...markedRows, isOld: true },
  "compressed-marks-shaped": markedRows,
  shaped: {
    value: () => [
      { id: 1, name: "Ada", address: { city: "Köln", zip: "50667" }, tags: [] },
      { id: 2, name: "Bob", address: { city: "Bonn", zip: "53111" }, tags: ["a", "b"] },
      { id: 3, name: "Cy" },
      {},
    ],
  },
  "shaped-marks": {
    value: () => [
      bare({ list: [{ createdAt: new Date(5) }] }),
      { createdAt: undefined },
      new Map([["a", { createdAt: 1n }]]),
    ],
  },
}

describe("golden files", () => {
  test("there is one for each, and none that nobody reads", () => {
    if (process.env["ZOOCACHE_WRITE_GOLDEN"] === "1") {
      for (const [name, golden] of Object.entries(all)) {
        const file = `${folder}${name}.bin`
        if (!existsSync(file)) writeFileSync(file, codec.encode(header(golden.header), golden.value()))
      }
    }
    expect(readdirSync(folder).toSorted()).toEqual(
      Object.keys(all)
        .map((name) => `${name}.bin`)
        .toSorted(),
    )
  })

  for (const [name, golden] of Object.entries(all)) {
    const bytes = (): Buffer => readFileSync(`${folder}${name}.bin`)

    test(`${name}: is read`, () => {
      expect(codec.decodeHeader(bytes())).toEqual(header(golden.header))
      expect(differenceOf(codec.decodeValue(bytes()), golden.value())).toBeUndefined()
    })

    if (golden.isOld !== true) {
      test(`${name}: ${golden.isCompressed === true ? "is written in this form" : "is written byte by byte"}`, () => {
        const written = Buffer.from(codec.encode(header(golden.header), golden.value()))
        const flagsAt = 88
        if (golden.isCompressed === true) expect(written[flagsAt]).toBe(bytes()[flagsAt])
        else expect(written.toString("hex")).toBe(bytes().toString("hex"))
      })
    }

    test(`${name}: is a miss for another version of the format`, () => {
      for (const version of [0, 2, 3, 255]) {
        const other = bytes()
        other[3] = version
        expect(() => codec.decodeHeader(other)).toThrow(CorruptEntryError)
        expect(() => codec.decodeHeader(other)).toThrow(`format ${version}`)
        expect(() => codec.decodeValue(other)).toThrow(`format ${version}`)
        expect(() => codec.amend(other, { asOf: 1 })).toThrow(CorruptEntryError)
      }
    })
  }
})

import { createRequire } from "node:module"
import type * as Msgpackr from "msgpackr"
import { Readable } from "node:stream"
import { describe, expect, test } from "vitest"
import { createCodec } from "zoocache/codec"
import { EntryTooLargeError, UnencodableValueError } from "../../src/core/base/errors.js"
import { REFUSED_VALUES } from "../../src/testing/value-table.js"
import { bare, codec, header, roundTrip } from "./support.js"

function refusalOf(value: unknown): UnencodableValueError {
  try {
    codec.encode(header(), value)
  } catch (error) {
    expect(error).toBeInstanceOf(UnencodableValueError)
    return error as UnencodableValueError
  }
  throw new Error("It was encoded")
}

describe("what would not come back as it is, is refused", () => {
  for (const [group, table] of Object.entries(REFUSED_VALUES)) {
    test(group, () => {
      for (const make of Object.values(table)) refusalOf(make())
    })
  }

  test("naming the place and what to do", () => {
    class Money {
      readonly cents = 1
    }
    const error = refusalOf({ rows: [{}, { owner: { "first name": new Money() } }] })
    expect(error.path).toBe('.rows[1].owner["first name"]')
    expect(error.message).toContain('`value.rows[1].owner["first name"]` is an object (Money)')
    expect(error.message).toContain("codec.extend")
    expect(refusalOf(new Map([["a", new Map([[1, Symbol("s")]])]])).path).toBe('.get("a").values()[0]')
    expect(refusalOf([new Set([() => 1])]).path).toBe("[0].values()[0]")
    expect(refusalOf(new Error("e", { cause: { f() {} } })).path).toBe(".cause.f")
    expect(refusalOf(() => 1).path).toBe("")
    expect(refusalOf({ list: [1, , 3] }).message).toContain("`value.list[1]` is undefined, a hole") // oxlint-disable-line no-sparse-arrays
  })

  test("every exotic object", () => {
    const { proxy } = Proxy.revocable({}, {})
    const revocable = Proxy.revocable({}, {})
    revocable.revoke()
    const detached = new Uint8Array(8)
    structuredClone(detached, { transfer: [detached.buffer] })
    const hidden = Object.defineProperty({}, "hidden", { value: 1, enumerable: false })
    const setterOnly = Object.defineProperty({}, "a", { set() {}, enumerable: true })
    const elementGetter = Object.defineProperty([1, 2], 1, { get: () => 3, enumerable: true })
    const cases: Record<string, unknown> = {
      proxy,
      revoked: revocable.proxy,
      "proxy of an array": new Proxy([1], {}),
      "buffer that was transferred": detached.buffer,
      hidden,
      setterOnly,
      elementGetter,
      hole: [1, , 2], // oxlint-disable-line no-sparse-arrays
      "hole and name": Object.assign(new Array(1), { extra: 1 }),
      "match of a regular expression": /a/.exec("a"),
      arguments: (function () {
        // oxlint-disable-next-line prefer-rest-params -- an object of its own kind
        return arguments
      })(),
      "boxed number": Object(1),
      "boxed text": Object("a"),
      "boxed bigint": Object(1n),
      "boxed symbol": Object(Symbol("s")),
      Math,
      globalThis,
      "symbol key": { [Symbol("s")]: 1 },
      "symbol key on an array": Object.assign([1], { [Symbol("s")]: 1 }),
      "symbol key on a bare object": Object.assign(bare(), { [Symbol("s")]: 1 }),
      generator: (function* () {})(),
      stream: Readable.from([]),
      Response: new Response(""),
      Headers: new Headers(),
      DOMException: new DOMException("x"),
      shared: new Uint8Array(new SharedArrayBuffer(4)),
      "error with a symbol": Object.assign(new Error("e"), { [Symbol("s")]: 1 }),
      "error with an accessor": Object.defineProperty(new Error("e"), "a", { get: () => 1 }),
      "date by another prototype": Object.setPrototypeOf(new Date(0), Map.prototype) as unknown,
      "URL without a URL": Object.create(URL.prototype) as unknown,
      "map without a map": Object.create(Map.prototype) as unknown,
      "regular expression with an odd position": Object.assign(/a/g, { lastIndex: "3" }),
      "set with a name": Object.assign(new Set(), { extra: 1 }),
    }
    for (const [name, value] of Object.entries(cases)) {
      expect([name, refusalOf(value)]).toEqual([name, expect.any(UnencodableValueError)])
      expect([name, refusalOf({ inner: [value] }).path]).toEqual([name, expect.stringMatching(/^\.inner\[0\]/)])
    }
  })

  test("without running a proxy's traps, an accessor, or a toJSON", () => {
    let ran = 0
    const run = (): never => {
      ran += 1
      throw new Error("ran")
    }
    refusalOf({
      get a() {
        return run()
      },
    })
    refusalOf(Object.defineProperty([1], 0, { get: run, enumerable: true }))
    refusalOf({ toJSON: run })
    refusalOf({
      a: new Date(0),
      get b() {
        return run()
      },
    })
    refusalOf([1, new Proxy({}, { ownKeys: run, get: run, has: run, getOwnPropertyDescriptor: run })])
    expect(ran).toBe(0)
    expect(roundTrip({ toJSON: "a name", constructor: "c", hasOwnProperty: 1 })).toEqual({
      toJSON: "a name",
      constructor: "c",
      hasOwnProperty: 1,
    })
  })

  test("nesting as deep as the stack and deeper, in every kind of container", () => {
    const deep = (wrap: (inner: unknown) => unknown): unknown => {
      let value: unknown = null
      for (let level = 0; level < 100_000; level++) value = wrap(value)
      return value
    }
    refusalOf(deep((inner) => [inner]))
    refusalOf(deep((inner) => ({ inner })))
    refusalOf(deep((inner) => bare({ inner })))
    refusalOf(deep((inner) => new Map([[inner, 1]])))
    refusalOf(deep((inner) => new Set([inner])))
    const { path } = refusalOf(deep((inner) => new Error("e", { cause: inner })))
    expect(path.length).toBeLessThan(130)
  })

  test("what an extension that someone registered with msgpackr would write for it", () => {
    const msgpackr = createRequire(import.meta.url)("msgpackr") as typeof Msgpackr
    const elsewhere = createCodec()
    msgpackr.addExtension({ Class: Uint8Array, type: 0x21, pack: () => Buffer.of(1), unpack: () => "changed" })
    expect(() => elsewhere.encode(header(), { at: new Date(0) })).toThrow(UnencodableValueError)
    expect(roundTrip({ plain: [1, "a"] }, elsewhere)).toEqual({ plain: [1, "a"] })
  })
})

describe("limits", () => {
  test("an entry above the limit is refused, one at the limit comes back", () => {
    const small = createCodec({ maxEntryBytes: 4_096, threshold: Infinity })
    const room = 4_096 - small.encode(header(), "").length
    const text = "x".repeat(room - 2)
    expect(roundTrip(text, small)).toBe(text)
    for (const value of [
      `${text}x`,
      Buffer.alloc(5_000),
      { a: Buffer.alloc(5_000) },
      new Map([[1, "y".repeat(9_000)]]),
    ]) {
      expect(() => small.encode(header(), value)).toThrow(EntryTooLargeError)
    }
    const error = (() => {
      try {
        small.encode(header(), "z".repeat(5_000))
      } catch (caught) {
        return caught
      }
      return undefined
    })()
    expect(error).toMatchObject({ subject: header().key, code: "ERR_ZOOCACHE_ENTRY_TOO_LARGE" })
  })

  test("the limit counts before compression too", () => {
    const small = createCodec({ maxEntryBytes: 4_096, threshold: 0 })
    expect(() => small.encode(header(), "x".repeat(5_000))).toThrow(EntryTooLargeError)
    // Three bytes each.
    expect(() => small.encode(header(), "大".repeat(2_000))).toThrow(EntryTooLargeError)
    expect(small.encode(header(), "大".repeat(1_000)).length).toBeLessThan(300)
  })

  test("what is far above the limit is refused before it is written", () => {
    const small = createCodec({ maxEntryBytes: 1_000_000 })
    const before = process.memoryUsage().arrayBuffers
    const text = "x".repeat(50_000_000)
    for (const value of [text, [text], { a: text, b: new Date(0) }, [1n, Array.from({ length: 50 }, () => text)]]) {
      expect(() => small.encode(header(), value)).toThrow(EntryTooLargeError)
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000)
  })

  test("nor is the rest of it looked at", () => {
    class Box {
      readonly content = 1
    }
    let encoded = 0
    const counting = createCodec({ maxEntryBytes: 1_000 }).extend({
      name: "Box",
      class: Box,
      encode: () => (encoded += 1),
      decode: () => new Box(),
    })
    expect(() => counting.encode(header(), [new Box(), "x".repeat(2_000), new Box()])).toThrow(EntryTooLargeError)
    expect(encoded).toBe(1)
  })

  test("more objects than the limit could pay for are refused on both sides", () => {
    const small = createCodec({ maxEntryBytes: 16_000 })
    expect(() =>
      small.encode(
        header(),
        Array.from({ length: 2_000 }, () => []),
      ),
    ).toThrow(UnencodableValueError)
    expect(
      roundTrip(
        Array.from({ length: 900 }, () => []),
        small,
      ),
    ).toHaveLength(900)
  })

  test("a large value leaves no large buffer behind", async () => {
    const { gc } = globalThis as unknown as { gc: () => void }
    const heldBytes = async (): Promise<number> => {
      // msgpackr remembers what it wrote last.
      roundTrip("small")
      // References on the stack go with the turn; the memory of buffers is given back beside the first collection.
      for (let times = 0; times < 2; times++) {
        await new Promise((resolve) => setImmediate(resolve))
        gc()
      }
      return process.memoryUsage().arrayBuffers
    }
    const before = await heldBytes()
    roundTrip("größe ".repeat(1_000_000))
    expect((await heldBytes()) - before).toBeLessThan(1_000_000)
  })
})

import { runInNewContext } from "node:vm"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { createCodec } from "zoocache/codec"
import { differenceOf } from "../../src/testing/same-value.js"
import { CHANGELESS_VALUES, KEPT_VALUES } from "../../src/testing/value-table.js"
import { UnencodableValueError } from "../../src/core/base/errors.js"
import { bare, codec, header, roundTrip } from "./support.js"

const eager = createCodec({ threshold: 0 })
const numRuns = Number(process.env["ZOOCACHE_RUNS"] ?? 500)

describe("a value comes back as it was", () => {
  for (const [group, table] of Object.entries(KEPT_VALUES)) {
    test(group, () => {
      for (const [name, make] of Object.entries(table)) {
        const value = make()
        expect([name, differenceOf(roundTrip(value), value)]).toEqual([name, undefined])
        expect([name, differenceOf(roundTrip(value, eager), value)]).toEqual([name, undefined])
      }
    })
  }

  test("or is refused: it is never changed", () => {
    for (const [name, make] of Object.entries(CHANGELESS_VALUES["unusual values"] ?? {})) {
      const value = make()
      let found: unknown
      try {
        found = roundTrip(value)
      } catch (error) {
        expect(error).toBeInstanceOf(UnencodableValueError)
        continue
      }
      expect([name, differenceOf(found, value)]).toEqual([name, undefined])
    }
  })

  const leaf = fc.oneof(
    fc.constantFrom<unknown>(null, undefined, true, false, NaN, -0, 0, Infinity, -Infinity),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double(),
    fc.float(),
    fc.bigInt(),
    fc.string({ unit: "binary" }),
    fc.array(fc.integer({ min: 0xd700, max: 0xe0ff })).map((units) => String.fromCharCode(...units)),
    fc.date({ noInvalidDate: false }),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.oneof(fc.uint8Array(), fc.int16Array(), fc.float32Array(), fc.float64Array(), fc.bigInt64Array()),
    fc.constantFrom(/a/, /[\n/]/gsu, new RegExp("\u{1f600}", "uy")),
    fc.webUrl().map((url) => new URL(url)),
  )
  const name = fc.oneof(fc.string(), fc.constantFrom("__proto__", "constructor", "toJSON", "\ud800", "length", "1"))
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      leaf,
      tie("array"),
      tie("object"),
      tie("map"),
      tie("set"),
      tie("error"),
    ),
    array: fc.array(tie("any"), { maxLength: 6 }),
    object: fc.dictionary(name, tie("any"), { maxKeys: 6 }),
    map: fc.array(fc.tuple(tie("any"), tie("any")), { maxLength: 4 }).map((entries) => new Map(entries)),
    set: fc.array(tie("any"), { maxLength: 4 }).map((members) => new Set(members)),
    error: fc
      .tuple(fc.constantFrom(Error, TypeError, URIError), fc.string(), tie("any"))
      .map(([Class, message, cause]) => {
        return new Class(message, { cause })
      }),
  })).any

  test("whatever it is made of", () => {
    fc.assert(
      fc.property(value, fc.boolean(), (made, compressed) => {
        expect(differenceOf(roundTrip(made, compressed ? eager : codec), made)).toBeUndefined()
      }),
      { numRuns },
    )
  })

  test("numbers bit by bit", () => {
    const odd = [
      -0,
      0,
      1.1,
      16_777_217,
      2 ** 31,
      2 ** 32,
      2 ** 53 + 2,
      5e-324,
      1.7976931348623157e308,
      Math.fround(0.1),
    ]
    for (const [index, number] of (roundTrip(odd) as number[]).entries()) expect(number).toBe(odd[index])
    expect(roundTrip(-0)).toBe(-0)
    expect(roundTrip({ a: [[-0]] })).toEqual({ a: [[-0]] })
  })

  test("an absent property stays absent, and one that is undefined stays there", () => {
    expect(Object.hasOwn(roundTrip({ a: undefined }) as object, "a")).toBe(true)
    expect(Object.hasOwn(roundTrip({ b: 1 }) as object, "a")).toBe(false)
  })

  test("a Buffer and a Uint8Array stay apart", () => {
    const [buffer, bytes] = roundTrip([Buffer.of(1), new Uint8Array([1])]) as [unknown, unknown]
    expect(Object.getPrototypeOf(buffer)).toBe(Buffer.prototype)
    expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype)
  })

  test("a view of a part of a buffer comes back with that part only", () => {
    const whole = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8])
    const part = roundTrip(new Uint16Array(whole.buffer, 2, 2)) as Uint16Array
    expect([part.length, part.byteOffset, part.buffer.byteLength]).toEqual([2, 0, 4])
    expect([...part]).toEqual([0x0403, 0x0605])
  })

  test("objects without a prototype stay without, in the same place", () => {
    const value = roundTrip({ a: bare({ __proto: 1 }), b: {} }) as { a: object; b: object }
    expect(Object.getPrototypeOf(value.a)).toBe(null)
    expect(Object.getPrototypeOf(value.b)).toBe(Object.prototype)
  })

  test("errors keep class, message, stack, cause, their own properties, and which of them are hidden", () => {
    const error = Object.assign(new RangeError("message", { cause: [new TypeError("inner")] }), {
      code: "E",
      name: "Own",
    })
    const found = roundTrip(error) as RangeError
    expect(found).toBeInstanceOf(RangeError)
    expect(found.stack).toBe(error.stack)
    expect(found.cause).toEqual([new TypeError("inner")])
    expect(Object.keys(found)).toEqual(["code", "name"])
    expect(Object.getOwnPropertyNames(found).toSorted()).toEqual(Object.getOwnPropertyNames(error).toSorted())
    const several = roundTrip(new AggregateError([error, 1], "all")) as AggregateError
    expect(several.errors).toEqual([error, 1])
    expect(Object.keys(several)).toEqual([])
    const silent = new Error("x")
    delete silent.stack
    expect(Object.hasOwn(roundTrip(silent) as object, "stack")).toBe(false)
  })

  test("decoding an error leaves the stack limit as it was", () => {
    const before = Error.stackTraceLimit
    Error.stackTraceLimit = 7
    roundTrip([new Error("a")])
    const after = Error.stackTraceLimit
    Error.stackTraceLimit = before
    expect(after).toBe(7)
  })

  test("regular expressions keep how far they got", () => {
    const regExp = /a/g
    regExp.lastIndex = 3
    expect((roundTrip(regExp) as RegExp).lastIndex).toBe(3)
  })

  test("what stands twice is one object afterwards, and what is alike stays two", () => {
    const shared = { at: new Date(5) }
    const found = roundTrip({ a: shared, b: [shared], c: { at: new Date(5) }, d: shared.at }) as {
      a: { at: Date }
      b: [object]
      c: object
      d: Date
    }
    expect(found.a).toBe(found.b[0])
    expect(found.a).not.toBe(found.c)
    expect(found.d).toBe(found.a.at)
  })

  test("what contains itself does so afterwards, through every kind of container", () => {
    const object: Record<string, unknown> = {}
    const array: unknown[] = [object]
    const map = new Map<unknown, unknown>([[array, object]])
    const error = new Error("loop")
    const none = bare() as Record<string, unknown>
    Object.assign(object, { object, array, set: new Set<unknown>([map, error, none]), map })
    error.cause = object
    none["error"] = error
    map.set(map, map)
    const found = roundTrip(object) as Record<string, unknown>
    expect(differenceOf(found, object)).toBeUndefined()
    expect(found["object"]).toBe(found)
  })

  test("plain objects, dates and errors of another realm come back as this realm's", () => {
    const foreign = runInNewContext(
      "({ a: [1], d: new Date(3), e: new TypeError('t'), m: new Map([[1, 2]]) })",
    ) as object
    const found = roundTrip(foreign) as { a: unknown; d: unknown; e: unknown; m: unknown }
    expect(Object.getPrototypeOf(found)).toBe(Object.prototype)
    expect(Array.isArray(found.a) && Object.getPrototypeOf(found.a) === Array.prototype).toBe(true)
    expect(found.d).toEqual(new Date(3))
    expect(found.e).toBeInstanceOf(TypeError)
    expect(found.m).toEqual(new Map([[1, 2]]))
  })

  test("frozen values come back, unfrozen: freezing is the cache's business", () => {
    const frozen = Object.freeze({ rows: Object.freeze([Object.freeze({ id: 1 })]) })
    expect(roundTrip(frozen)).toEqual(frozen)
    expect(Object.isFrozen(roundTrip(frozen))).toBe(false)
  })

  test("a polluted Object.prototype adds nothing to a value", () => {
    let names: string[]
    // oxlint-disable-next-line no-extend-native -- what is tested is that this does no harm
    Object.defineProperty(Object.prototype, "polluted", { value: 1, enumerable: true, configurable: true })
    try {
      names = Object.keys(roundTrip({ a: { b: 1 } }) as object)
    } finally {
      Reflect.deleteProperty(Object.prototype, "polluted")
    }
    expect(names).toEqual(["a"])
  })
})

describe("what is decoded is the reader's own", () => {
  test("it shares no memory with the bytes, compressed or not", () => {
    for (const each of [codec, eager]) {
      const value = { text: "abc".repeat(50), bytes: Buffer.from("abc".repeat(50)), view: new Float64Array([1, 2, 3]) }
      const bytes = each.encode(header(), value)
      const found = each.decodeValue(bytes)
      bytes.fill(0xff)
      expect(differenceOf(found, value)).toBeUndefined()
    }
  })

  test("and the encoded bytes share none with the value or with the next ones", () => {
    const value = { bytes: Buffer.from("abcdefgh"), text: "text" }
    const first = codec.encode(header(), value)
    const copy = Buffer.from(first)
    value.bytes.fill(0)
    codec.encode(header(), { bytes: Buffer.from("ijklmnop"), text: "other" })
    expect(copy.equals(first)).toBe(true)
    expect(first.buffer.byteLength).toBe(first.byteLength)
  })

  test("bytes may be any part of any Uint8Array", () => {
    const bytes = codec.encode(header(), { a: "größe" })
    const larger = new Uint8Array(bytes.length + 11).fill(0xee)
    larger.set(bytes, 7)
    const part = larger.subarray(7, 7 + bytes.length)
    expect(codec.decodeHeader(part)).toEqual(header())
    expect(codec.decodeValue(part)).toEqual({ a: "größe" })
  })

  test("a buffer that is longer than its `length` says, as lmdb-js hands out, ends where it says", () => {
    const bytes = codec.encode(header(), { a: [1, "größe"] })
    const reused = Buffer.alloc(4096, 0xc1)
    Object.defineProperty(reused, "length", { value: bytes.length, writable: true, configurable: true })
    Buffer.from(bytes).copy(Buffer.from(reused.buffer, reused.byteOffset, 4096))
    expect(codec.decodeHeader(reused)).toEqual(header())
    expect(codec.decodeValue(reused)).toEqual({ a: [1, "größe"] })
    // The same memory with the next entry in it.
    const next = codec.encode(header({ key: "other" }), "next")
    reused.set(next, 0)
    Object.defineProperty(reused, "length", { value: next.length, writable: true, configurable: true })
    expect(codec.decodeHeader(reused).key).toBe("other")
    expect(codec.decodeValue(reused)).toBe("next")
  })

  test("a view that someone left at the bytes is not trusted to be of the same memory", () => {
    const bytes = codec.encode(header(), { a: 1.5 })
    const other = codec.encode(header({ key: "other" }), { b: 2.5 })
    Object.assign(bytes, { dataView: new DataView(other.buffer, other.byteOffset) })
    expect(codec.decodeHeader(bytes)).toEqual(header())
    expect(codec.decodeValue(bytes)).toEqual({ a: 1.5 })
    const whole = Buffer.concat([other, bytes])
    const part = whole.subarray(other.length)
    Object.assign(part, { dataView: new DataView(whole.buffer, whole.byteOffset) })
    expect(codec.decodeHeader(part)).toEqual(header())
  })
})

import Module from "node:module"
import { describe, expect, expectTypeOf, test } from "vitest"
import { createCodec, type Codec } from "zoocache/codec"
import {
  ConfigurationError,
  CorruptEntryError,
  InvalidOptionError,
  UnencodableValueError,
} from "../../src/core/base/errors.js"
import { codec, header, roundTrip } from "./support.js"

class Money {
  readonly cents: number
  readonly currency: string
  constructor(cents: number, currency: string) {
    this.cents = cents
    this.currency = currency
  }
}
class Box {
  content: unknown
  constructor(content?: unknown) {
    this.content = content
  }
}

const withMoney = (of: Codec): Codec =>
  of.extend({
    name: "Money",
    class: Money,
    encode: (money) => [money.cents, money.currency] as const,
    decode: ([cents, currency]) => new Money(cents, currency),
  })
const withBox = (of: Codec): Codec =>
  of.extend({ name: "Box", class: Box, encode: (box) => box.content, decode: (content) => new Box(content) })

describe("registered types", () => {
  test("come back as instances, wherever they stand", () => {
    const extended = withMoney(codec)
    const price = new Money(5, "EUR")
    const value = { price, map: new Map([[price, [new Money(6, "USD")]]]), at: new Date(0) }
    const found = roundTrip(value, extended) as typeof value
    expect(found).toEqual(value)
    expect(found.price).toBeInstanceOf(Money)
    expect(found.map.has(found.price)).toBe(true)
  })

  test("may hold each other, and be shared", () => {
    const extended = withBox(withMoney(codec))
    const shared = new Money(1, "EUR")
    const found = roundTrip([new Box([shared, new Box(shared)]), shared], extended) as [Box, Money]
    const [first, inner] = found[0].content as [Money, Box]
    expect(first).toBe(found[1])
    expect(inner.content).toBe(first)
  })

  test("whatever the order of registration", () => {
    const bytes = withBox(withMoney(codec)).encode(header(), [new Box(1), new Money(2, "EUR")])
    expect(withMoney(withBox(codec)).decodeValue(bytes)).toEqual([new Box(1), new Money(2, "EUR")])
  })

  test("leave the codec that they extend as it was", () => {
    const extended = withMoney(codec)
    expect(extended).not.toBe(codec)
    expect(() => codec.encode(header(), new Money(1, "EUR"))).toThrow(UnencodableValueError)
    const limited = withMoney(createCodec({ maxEntryBytes: 1_000 }))
    expect(() => limited.encode(header(), "x".repeat(2_000))).toThrow("1000")
  })

  test("stay as they were registered", () => {
    const type = {
      name: "Box",
      class: Box,
      encode: (box: Box) => box.content,
      decode: (data: unknown) => new Box(data),
    }
    const extended = codec.extend(type)
    type.decode = () => new Box("changed")
    expect(roundTrip(new Box(1), extended)).toEqual(new Box(1))
  })

  test("that are not registered where they are read are a miss that names them", () => {
    const bytes = withMoney(codec).encode(header(), { price: new Money(1, "EUR") })
    expect(() => codec.decodeValue(bytes)).toThrow(CorruptEntryError)
    expect(() => codec.decodeValue(bytes)).toThrow('"Money"')
    expect(codec.decodeHeader(bytes)).toEqual(header())
  })

  test("are meant without their subclasses", () => {
    class Tip extends Money {}
    expect(() => withMoney(codec).encode(header(), new Tip(1, "EUR"))).toThrow(UnencodableValueError)
  })

  test("may be errors", () => {
    class NotFound extends Error {
      readonly id: number
      constructor(id: number) {
        super(`There is no ${id}`)
        this.id = id
      }
    }
    const extended = codec.extend({
      name: "NotFound",
      class: NotFound,
      encode: ({ id }) => id,
      decode: (id) => new NotFound(id),
    })
    expect(roundTrip({ reason: new NotFound(5) }, extended)).toMatchObject({
      reason: { id: 5, message: "There is no 5" },
    })
  })

  test("may not contain themselves, but may stand in what contains itself", () => {
    const extended = withBox(codec)
    const box = new Box()
    box.content = { box }
    expect(() => extended.encode(header(), box)).toThrow("contains itself")
    const ring: { box?: Box } = {}
    ring.box = new Box(ring)
    const found = roundTrip(ring, extended) as { box: Box }
    expect(found.box.content).toBe(found)
  })

  test("whose encoder fails, never ends, or returns what can't be encoded, are refused", () => {
    const failing = (encode: (box: Box) => unknown): Codec =>
      codec.extend({ name: "Box", class: Box, encode, decode: () => new Box() })
    const cases: [(box: Box) => unknown, string][] = [
      [
        () => {
          throw new Error("no luck")
        },
        "no luck",
      ],
      [() => new Box(), "nested deeper"],
      [() => ({ f: () => 1 }), "`value.a.f`"],
      [async () => 1, "Promise"],
    ]
    for (const [encode, says] of cases) {
      const run = (): unknown => failing(encode).encode(header(), { a: new Box() })
      expect(run).toThrow(UnencodableValueError)
      expect(run).toThrow(says)
    }
  })

  test("whose decoder throws are a miss that says why", () => {
    const broken = codec.extend({
      name: "Box",
      class: Box,
      encode: () => 1,
      decode: (): Box => {
        throw new RangeError("no luck")
      },
    })
    const bytes = broken.encode(header(), [new Box()])
    expect(() => broken.decodeValue(bytes)).toThrow(CorruptEntryError)
    expect(() => broken.decodeValue(bytes)).toThrow(expect.objectContaining({ cause: new RangeError("no luck") }))
  })

  test("may use a codec themselves", () => {
    const inner = codec
    const nested = codec.extend({
      name: "Box",
      class: Box,
      encode: (box) => inner.encode(header(), box.content),
      decode: (bytes) => new Box(inner.decodeValue(bytes)),
    })
    const value = [new Box({ a: [1, new Date(2)] }), "after", new Date(3)]
    expect(roundTrip(value, nested)).toEqual(value)
  })

  test("get and return what their functions say", () => {
    codec.extend({
      name: "Money",
      class: Money,
      encode: (money) => {
        expectTypeOf(money).toEqualTypeOf<Money>()
        return money.cents
      },
      decode: (cents) => {
        expectTypeOf(cents).toEqualTypeOf<number>()
        return new Money(cents, "EUR")
      },
    })
  })
})

describe("misuse", () => {
  const good = { name: "Box", class: Box, encode: () => 1, decode: () => new Box() }

  test("of extend is an error that names the option", () => {
    const cases: [unknown, string][] = [
      [undefined, "type"],
      [{ ...good, name: "" }, "type.name"],
      [{ ...good, name: 5 }, "type.name"],
      [{ ...good, name: "x".repeat(65) }, "type.name"],
      [{ ...good, class: {} }, "type.class"],
      [{ ...good, class: () => 1 }, "type.class"],
      [{ ...good, class: Date }, "type.class"],
      [{ ...good, class: Object }, "type.class"],
      [{ ...good, class: Buffer }, "type.class"],
      [{ ...good, class: TypeError }, "type.class"],
      [{ ...good, encode: undefined }, "type.encode"],
      [{ ...good, decode: 1 }, "type.decode"],
      [{ ...good, decoder: 1 }, "type.decoder"],
    ]
    for (const [type, subject] of cases) {
      expect(() => codec.extend(type as typeof good)).toThrow(InvalidOptionError)
      expect(() => codec.extend(type as typeof good)).toThrow(expect.objectContaining({ subject }))
    }
    expect(() => codec.extend(good).extend({ ...good, class: Money as unknown as typeof Box })).toThrow(
      "another type has this name",
    )
    expect(() => codec.extend(good).extend({ ...good, name: "Other" })).toThrow('registered as "Box"')
  })

  test("of createCodec too", () => {
    const cases: [unknown, string][] = [
      [null, "options"],
      [{ threshold: -1 }, "threshold"],
      [{ threshold: NaN }, "threshold"],
      [{ threshold: "1kb" }, "threshold"],
      [{ maxEntryBytes: 0 }, "maxEntryBytes"],
      [{ maxEntryBytes: 1.5 }, "maxEntryBytes"],
      [{ maxEntryBytes: Infinity }, "maxEntryBytes"],
      [{ treshold: 5 }, "treshold"],
    ]
    for (const [options, subject] of cases) {
      expect(() => createCodec(options as object)).toThrow(expect.objectContaining({ subject }))
      expect(() => createCodec(options as object)).toThrow(InvalidOptionError)
    }
  })

  test("a missing package is named, with the command that installs it", () => {
    const loader = Module as unknown as { _load: (name: string, ...rest: unknown[]) => unknown }
    const { _load: load } = loader
    for (const missing of ["msgpackr", "lz4-napi"]) {
      loader._load = (name, ...rest) => {
        if (name === missing)
          throw Object.assign(new Error(`Cannot find module '${name}'`), { code: "MODULE_NOT_FOUND" })
        return load(name, ...rest)
      }
      try {
        expect(() => createCodec()).toThrow(ConfigurationError)
        expect(() => createCodec()).toThrow(
          `needs the package ${missing}, which is not installed where this program runs (Cannot find module '${missing}'). Run \`npm install msgpackr lz4-napi\``,
        )
      } finally {
        loader._load = load
      }
    }
  })
})

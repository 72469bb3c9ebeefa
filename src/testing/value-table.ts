/** Makes a value anew each time, by what it is called in failures. */
export type ValueTable = Readonly<Record<string, () => unknown>>

/** Values that every tier brings back. */
export const KEPT_VALUES: Readonly<Record<string, ValueTable>> = {
  "the values of JSON": {
    null: () => null,
    true: () => true,
    false: () => false,
    "the empty text": () => "",
    text: () => "text",
    "text of many scripts": () => "größe, 大きさ, حجم, \u{1f600}, e\u0301, \u2028",
    "text with control characters": () => "\0\n\r\t\u007f\ufeff",
    "long text": () => "long ü".repeat(20_000),
    "no array elements": () => [],
    "no object properties": () => ({}),
    "an array": () => [1, "a", null, true, [2, [3]]],
    "an object": () => ({ a: 1, b: { c: [{ d: "e" }] } }),
    "many objects of one shape": () => Array.from({ length: 1_000 }, (_, id) => ({ id, name: `n${id}`, tags: ["a"] })),
    "many objects of many shapes": () =>
      Array.from({ length: 500 }, (_, id) => ({ [`k${id}`]: id, [`l${id % 7}`]: 0 })),
    "an object with many keys": () => Object.fromEntries(Array.from({ length: 5_000 }, (_, id) => [`key ${id}`, id])),
    "unusual keys": () => ({ "": 1, " ": 2, "a.b": 3, constructor: 4, toString: 5, hasOwnProperty: 6 }),
    "keys in an order of their own": () => ({ z: 1, a: 2, m: { z: 1, b: 2 } }),
    "keys like numbers": () => ({ 10: "a", 2: "b", "-1": "c", "01": "d" }),
    "deep nesting": () => nested(500),
  },
  numbers: {
    "0": () => 0,
    "1": () => 1,
    "-1": () => -1,
    "0.1": () => 0.1,
    "-2.5": () => -2.5,
    "around one byte": () => [-129, -128, -33, -32, 127, 128, 255, 256],
    "around two bytes": () => [-32_769, -32_768, 32_767, 32_768, 65_535, 65_536],
    "around four bytes": () => [-2_147_483_649, -2_147_483_648, 2_147_483_647, 2_147_483_648, 4_294_967_295, 2 ** 32],
    "around the safe integers": () => [2 ** 53 - 1, 2 ** 53, 2 ** 53 + 2, -(2 ** 53), 2 ** 63, 2 ** 64, -(2 ** 63)],
    "the largest and the smallest": () => [Number.MAX_VALUE, Number.MIN_VALUE, -Number.MAX_VALUE, 2 ** -1022],
    "not exact": () => [0.1 + 0.2, 1 / 3, Math.PI, 1e21, 1.5, 16_777_217, 3.4e38],
    NaN: () => NaN,
    Infinity: () => Number.POSITIVE_INFINITY,
    "-Infinity": () => Number.NEGATIVE_INFINITY,
    "-0": () => -0,
    "all of these inside": () => ({ a: [NaN, -0, 0, Number.POSITIVE_INFINITY], b: { c: -0 } }),
  },
  "undefined and bigints": {
    undefined: () => undefined,
    "undefined inside": () => [undefined, { a: undefined }, [undefined]],
    "0n": () => 0n,
    "small bigints": () => [1n, -1n, 255n, -256n, 1n << 32n],
    "bigints around 64 bits": () => [2n ** 63n - 1n, 2n ** 63n, -(2n ** 63n), -(2n ** 63n) - 1n, 2n ** 64n, 2n ** 65n],
    "large bigints": () => [2n ** 1000n + 1n, -(10n ** 300n)],
    "a bigint beside the number": () => ({ number: 5, bigint: 5n }),
  },
  dates: {
    "the epoch": () => new Date(0),
    "a millisecond": () => new Date(1_767_225_600_123),
    "before the epoch": () => new Date(-1),
    "long ago": () => new Date(-62_198_755_200_000),
    "the first and the last": () => [new Date(-8.64e15), new Date(8.64e15)],
    "an invalid one": () => new Date(NaN),
    "one inside": () => ({ at: new Date(1_000), text: "1970-01-01T00:00:01.000Z" }),
  },
  "regular expressions": {
    plain: () => /a+/,
    "with flags": () => /^a\/b$/gimsuy,
    "with odd characters": () => [/[/\]\n]/u, /\u{1f600}/u, new RegExp("\n/"), new RegExp("")],
  },
  errors: {
    "an error": () => new Error("message"),
    "without a message": () => new Error(""),
    "of the language's kinds": () => [
      new TypeError("t"),
      new RangeError("r"),
      new SyntaxError("s"),
      new ReferenceError("f"),
      new EvalError("e"),
      new URIError("u"),
    ],
    "inside of an object": () => ({ status: "rejected", reason: new TypeError("no") }),
  },
  "maps and sets": {
    "an empty map": () => new Map(),
    "an empty set": () => new Set(),
    "a map": () =>
      new Map([
        ["z", 1],
        ["a", 2],
      ]),
    "a map with keys of all kinds": () =>
      new Map<unknown, unknown>([
        [1, "number"],
        ["1", "text"],
        [1n, "bigint"],
        [true, "boolean"],
        [null, "null"],
        [undefined, "undefined"],
        [NaN, "NaN"],
        [{ id: 1 }, "object"],
        [[1], "array"],
        [new Date(0), "date"],
        ["__proto__", "a name"],
      ]),
    "a set": () => new Set<unknown>(["b", "a", 1, "1", { a: 1 }, [2], undefined]),
    "maps in sets in maps": () => new Map([["a", new Set([new Map([[new Set([1]), [new Map()]]])])]]),
    "a map beside an object": () => ({ map: new Map([["a", 1]]), object: { a: 1 } }),
    "a large map": () => new Map(Array.from({ length: 5_000 }, (_, id) => [id, `v${id}`])),
  },
  bytes: {
    "no bytes": () => [Buffer.alloc(0), new Uint8Array(0), new Float64Array(0)],
    "a Buffer": () => Buffer.from("größe"),
    "a large Buffer": () => Buffer.alloc(300_000, "pattern"),
    "a Uint8Array": () => new Uint8Array([0, 1, 254, 255]),
    "a Uint8ClampedArray": () => new Uint8ClampedArray([0, 300]),
    "an Int8Array": () => new Int8Array([-128, 127]),
    "an Int16Array": () => new Int16Array([-32_768, 32_767]),
    "a Uint16Array": () => new Uint16Array([0, 65_535]),
    "an Int32Array": () => new Int32Array([-(2 ** 31), 2 ** 31 - 1]),
    "a Uint32Array": () => new Uint32Array([0, 2 ** 32 - 1]),
    "a Float32Array": () => new Float32Array([1.5, -0, NaN]),
    "a Float64Array": () => new Float64Array([Math.PI, -0, NaN, Number.POSITIVE_INFINITY]),
    "a BigInt64Array": () => new BigInt64Array([-(2n ** 63n)]),
    "a BigUint64Array": () => new BigUint64Array([2n ** 64n - 1n]),
    "a part of a buffer": () => new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4),
    "a part of a buffer of words": () => new Uint16Array(new Uint8Array([9, 9, 1, 0, 2, 0, 9, 9]).buffer, 2, 2),
    "several inside": () => ({ a: Buffer.from("a"), b: [new Uint8Array([1]), new Float32Array([2])], c: 1 }),
  },
  "objects without a prototype": {
    "an empty one": () => bare({}),
    "one with properties": () => bare({ a: 1, b: [2] }),
    "one inside": () => [{ a: bare({ b: {} }) }, bare({ c: bare({}) })],
    "beside an object like it": () => [bare({ a: 1 }), { a: 1 }],
  },
  "what is shared within a value": {
    "an object twice": () => {
      const row = { id: 1 }
      return [row, row, { row }]
    },
    "an array twice": () => {
      const list = [1, 2]
      return { a: list, b: list }
    },
    "a map twice": () => {
      const map = new Map([["a", 1]])
      return [map, map]
    },
    "an object in a map, a set and an array": () => {
      const row = { id: 1 }
      return { map: new Map([[row, row]]), set: new Set([row]), list: [row] }
    },
    "objects that are alike and not the same": () => [{ id: 1 }, { id: 1 }, [1], [1], new Date(0), new Date(0)],
  },
}

/** Values that a tier may bring back or refuse, but not change. */
export const CHANGELESS_VALUES: Readonly<Record<string, ValueTable>> = {
  "unusual values": {
    "half of a surrogate pair": () => "\ud83d",
    "the halves the wrong way round": () => "a\ude00\ud83db",
    "half of a surrogate pair in a key": () => ({ "\ud83d": 1, "\ude00": 2 }),
    "a property __proto__": () => JSON.parse('{"__proto__": {"a": 1}, "b": 2}') as unknown,
    "a property __proto__ inside": () => [{ a: JSON.parse('{"__proto__": 1}') as unknown }],
    "an object that contains itself": () => {
      const ring: { self?: unknown; list: unknown[] } = { list: [] }
      ring.self = ring
      ring.list.push(ring)
      return ring
    },
    "a map that contains itself": () => {
      const map = new Map<unknown, unknown>()
      return map.set("self", map)
    },
    // oxlint-disable-next-line no-sparse-arrays -- a hole is what this is about
    "an array with holes": () => [1, , 3, ,],
    "a long array of holes": () => new Array<unknown>(100),
    "an array with a name": () => Object.assign([1], { extra: 2 }),
    "a map with a name": () => Object.assign(new Map([["a", 1]]), { extra: 2 }),
    "a date with a name": () => Object.assign(new Date(0), { extra: 2 }),
    "a hidden property": () => Object.defineProperty({ a: 1 }, "hidden", { value: 2, enumerable: false }),
    "a regular expression in use": () => Object.assign(/a/g, { lastIndex: 3 }),
    "an error with a cause": () => new Error("outer", { cause: new TypeError("inner") }),
    "an error whose cause is undefined": () => new Error("outer", { cause: undefined }),
    "an error with a code": () => Object.assign(new Error("message"), { code: "ENOENT", errno: -2 }),
    "an error by another name": () => Object.assign(new Error("message"), { name: "NotFound" }),
    "several errors in one": () => new AggregateError([new Error("a"), new TypeError("b")], "all"),
    "an error that is its own cause": () => {
      const error = new Error("message")
      error.cause = error
      return error
    },
    "an ArrayBuffer": () => new Uint8Array([1, 2, 3]).buffer,
    "a DataView": () => new DataView(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2),
    "two views of one buffer": () => {
      const { buffer } = new Uint8Array([1, 2, 3, 4])
      return [buffer, new Uint8Array(buffer), new Uint8Array(buffer, 2)]
    },
    "a date twice": () => {
      const date = new Date(0)
      return [date, date]
    },
    "a Buffer twice": () => {
      const bytes = Buffer.from("twice")
      return [bytes, bytes]
    },
    "boxed primitives": () => [new Number(1), new String("a"), new Boolean(false), Object(1n) as object],
    "a URL": () => new URL("https://example.com/a?b=c"),
    "an object with the looks of an extension": () => ({ type: 116, data: [1, 2, 3], __ext: "Buffer" }),
    "a Buffer as JSON has it": () => ({ type: "Buffer", data: [1, 2, 3] }),
    "what it says of itself in JSON": () => ({ a: 1, toJSON: "a name" }),
  },
}

class Money {
  readonly amount = 5
}
class List extends Array<number> {}
class Table extends Map<string, number> {}
class Day extends Date {}
class NotFound extends Error {}
class Bytes extends Uint8Array {}
const pick = Symbol("pick")

/** Values that no tier but memory without a codec can keep. */
export const REFUSED_VALUES: Readonly<Record<string, ValueTable>> = {
  "functions and symbols": {
    "a function": () => () => 1,
    "a class": () => Money,
    "a method": () => ({
      method() {
        return 1
      },
    }),
    "a toJSON": () => ({ a: 1, toJSON: () => "something else" }),
    "a function in an array": () => [1, [() => 1]],
    "a function in a map": () => new Map([["a", () => 1]]),
    "a function as the key of a map": () => new Map([[() => 1, "a"]]),
    "a function in a set": () => new Set([() => 1]),
    "a symbol": () => Symbol("a"),
    "a symbol of everybody": () => Symbol.for("a"),
    "a symbol inside": () => ({ a: [Symbol.iterator] }),
    "a property by a symbol": () => ({ a: 1, [pick]: 2 }),
    "an accessor": () => ({
      get a() {
        return 1
      },
    }),
  },
  "instances of classes": {
    "of a class": () => new Money(),
    "of a class, inside": () => ({ rows: [{ price: new Money() }] }),
    "of a class in a map": () => new Map([["a", new Money()]]),
    "of a class as the key of a map": () => new Map([[new Money(), 1]]),
    "of a class in a set": () => new Set([new Money()]),
    "of a class as the cause of an error": () => new Error("message", { cause: new Money() }),
    "with a prototype that is an object": () => Object.create({ inherited: 1 }) as unknown,
    "of a subclass of Array": () => List.from([1, 2]),
    "of a subclass of Map": () => new Table([["a", 1]]),
    "of a subclass of Date": () => new Day(0),
    "of a subclass of Error": () => new NotFound("message"),
    "of a subclass of Uint8Array": () => new Bytes([1]),
    "of WeakMap": () => new WeakMap(),
    "of WeakSet": () => ({ seen: new WeakSet() }),
    "of WeakRef": () => [new WeakRef({})],
    "of Promise, inside": () => ({ later: Promise.resolve(1) }),
    "of SharedArrayBuffer": () => new SharedArrayBuffer(8),
    "of Intl.NumberFormat": () => ({ format: new Intl.NumberFormat("en") }),
  },
}

function bare(properties: object): object {
  return Object.assign(Object.create(null) as object, properties)
}

function nested(depth: number): unknown {
  let value: unknown = "bottom"
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? { down: value } : [value]
  return value
}

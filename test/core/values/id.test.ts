import { runInNewContext } from "node:vm"
import fc from "fast-check"
import { afterEach, describe, expect, test, vi } from "vitest"
import { InvalidKeyError } from "../../../src/core/base/errors.js"
import { decodeId, encodeId, type EntryId, idOf } from "../../../src/core/values/id.js"
import { call, rebuilt, reversed, same, sameCall, value } from "./support/calls.js"

const numRuns = Number(process.env["ZOOCACHE_RUNS"] ?? 1_000)

const foreign = (source: string): unknown => runInNewContext(source)
const id = (...args: unknown[]): EntryId => idOf(args)
const bare = (properties: object): object => Object.assign(Object.create(null) as object, properties)
const ownProto = (value: unknown): object => JSON.parse(`{"__proto__":${JSON.stringify(value)}}`) as object

afterEach(() => {
  vi.useRealTimers()
})

describe("idOf", () => {
  test.each([42, 0, -1.5, NaN, Infinity, true, false, null, "", "a", "ä\ud800", "x".repeat(128), "a\0"])(
    "lets the single plain argument %j be its own id",
    (only) => {
      expect(id(only)).toBe(only)
    },
  )

  test("trims trailing undefined arguments, and only those", () => {
    expect(id()).toBe(undefined)
    expect(id(undefined, undefined)).toBe(undefined)
    expect(id(1, undefined)).toBe(1)
    expect(id(1, 2, undefined)).toBe(id(1, 2))
    expect(id(undefined, 1)).not.toBe(id(1))
    expect(id([1, undefined])).not.toBe(id([1]))
    expect(id(null)).not.toBe(id())
  })

  test("encodes anything else as readable text after a zero character", () => {
    expect(id(1, "a")).toBe('\u00001,"a"')
    expect(id(-0)).toBe("\0-0")
    expect(id({ page: 3, id: 42, "a b": [true, 5n, undefined] })).toBe('\0{"a b":[true,5n,undefined],id:42,page:3}')
    expect(id(new Date(5), new Map([[1, new Set(["b", "a"])]]))).toBe('\0Date(5),Map(1=>Set("a","b"))')
    expect(id(new Uint8Array([1, 255]), /a"/g, new URL("http://a"))).toBe(
      String.raw`${"\0"}Uint8Array(01ff),RegExp("a\"","g"),URL("http://a/")`,
    )
    expect(id("\0a")).toBe(String.raw`${"\0"}"\u0000a"`)
  })

  test("shortens encodings above 128 characters to a hash, and no others", () => {
    expect(id("x".repeat(129))).toMatch(/^\0#[\w-]{43}$/)
    expect(id("x".repeat(124), 1)).toHaveLength(129)
    expect(id("x".repeat(125), 1)).toMatch(/^\0#[\w-]{43}$/)
    expect(id(["x".repeat(129)])).not.toBe(id("x".repeat(129)))
  })

  test("keeps apart long texts that differ by a lone surrogate only", () => {
    const ids = ["\ud800", "\ud801", "\udc00", "\ufffd", "?"].map((end) => id("x".repeat(200) + end))
    expect(new Set(ids).size).toBe(5)
    expect(id("\u00e5".repeat(200))).not.toBe(id("\u65e5".repeat(200)))
  })

  test("gives each of these calls an id of its own", () => {
    const bytes = Uint8Array.from([1, 0, 0, 0, 0, 0, 0, 0]).buffer
    const calls: unknown[][] = [
      [],
      [null],
      [0],
      [-0],
      [1],
      ["1"],
      [1n],
      [true],
      ["true"],
      [NaN],
      ["NaN"],
      [Infinity],
      [-Infinity],
      ["null"],
      ["undefined"],
      [[]],
      [[1]],
      [["1"]],
      [[[1]]],
      [[1, 2]],
      [1, 2],
      ["1,2"],
      ["1", "2"],
      [[1], 2],
      [1, [2]],
      [[undefined]],
      [[null]],
      [[NaN]],
      [{}],
      [{ a: undefined }],
      [{ a: null }],
      [{ a: 1 }],
      [{ a: "1" }],
      [{ b: 1 }],
      [[["a", 1]]],
      [{ a: { b: 1 } }],
      [{ "a:1,b": 1 }],
      [{ 1: 1 }],
      [{ "": 1 }],
      [ownProto(1)],
      [ownProto({})],
      [{ a: 1, b: 2 }],
      [{ a: [1, { b: 2 }] }],
      [{ a: [1], b: 2 }],
      [new Date(0)],
      [new Date(NaN)],
      [new Date(1)],
      [0, 0],
      [[0]],
      ["Date(0)"],
      [new Map()],
      [new Set()],
      [new Map([[1, 2]])],
      [new Set([[1, 2]])],
      [new Map<unknown, unknown>([["1", 2]])],
      [new Map([[2, 1]])],
      [new Set([1, 2])],
      [new Set([{}, {}])],
      [new Set([{}])],
      [
        new Map([
          [{}, 1],
          [{}, 2],
        ]),
      ],
      [new Map([[{}, 1]])],
      [new Map([[{}, 2]])],
      [bytes],
      [new DataView(bytes)],
      [new DataView(bytes, 1)],
      [new Uint8Array(bytes)],
      [new Uint8ClampedArray(bytes)],
      [new Int8Array(bytes)],
      [new Uint16Array(bytes)],
      [new Int16Array(bytes)],
      [new Uint32Array(bytes)],
      [new Int32Array(bytes)],
      [new Float32Array(bytes)],
      [new Float64Array(bytes)],
      [new BigInt64Array(bytes)],
      [new BigUint64Array(bytes)],
      [new Uint8Array(7)],
      [new Uint8Array(8)],
      [new Uint8Array()],
      [new Float64Array([0])],
      [new Float64Array([-0])],
      [new Uint8Array(5_000)],
      [new Uint8Array(5_001)],
      [new Int8Array(5_000)],
      [new ArrayBuffer(5_000)],
      [/a/],
      [/a/g],
      [/a\/g/],
      [new RegExp("")],
      ["/a/"],
      [Object.assign(/a/g, { lastIndex: 3 })],
      [new URL("http://a")],
      [new URL("http://a/b")],
      ["http://a/"],
      ["\ud800"],
      ["\udc00"],
      ["\ufffd"],
      ["\\ud800"],
      [["\ud800"]],
      [["\udc00"]],
      [["\ufffd"]],
      [["\\ud800"]],
      ["\0"],
      ["\0a"],
      ["\0#a"],
      ['\0"a"'],
      ["\0null"],
      ["\0\0"],
      ["x".repeat(128)],
      ["x".repeat(129)],
      [["x".repeat(128)]],
    ]
    const seen = new Map<EntryId, number>()
    calls.forEach((args, index) => {
      const other = seen.get(idOf(args))
      if (other !== undefined) expect.fail(`calls ${other} and ${index} meet: ${String(idOf(args))}`)
      seen.set(idOf(args), index)
    })
  })

  test("gives equal calls one id, whatever the order, the realm or the prototype", () => {
    expect(id({ a: 1, b: 2 })).toBe(id({ b: 2, a: 1 }))
    expect(id({ 2: "b", 10: "a", a: 1 })).toBe(id({ a: 1, 10: "a", 2: "b" }))
    expect(id(bare({ a: 1 }))).toBe(id({ a: 1 }))
    expect(id(Object.freeze({ a: 1 }))).toBe(id({ a: 1 }))
    expect(id(new Set([1, "a", {}]))).toBe(id(new Set([{}, "a", 1])))
    expect(
      id(
        new Map<unknown, unknown>([
          [1, 2],
          ["a", {}],
        ]),
      ),
    ).toBe(
      id(
        new Map<unknown, unknown>([
          ["a", {}],
          [1, 2],
        ]),
      ),
    )
    expect(id(Buffer.from([1, 2]))).toBe(id(new Uint8Array([1, 2])))
    expect(id(new Uint8Array([0, 1, 2, 3]).subarray(1, 3))).toBe(id(new Uint8Array([1, 2])))
    expect(id(new Uint8Array(new SharedArrayBuffer(2)))).toBe(id(new Uint8Array(2)))
    expect(id(new Uint8Array(new SharedArrayBuffer(200)))).toBe(id(new Uint8Array(200)))
    expect(id(new Proxy({ a: [1] }, {}))).toBe(id({ a: [1] }))
    expect(id(new Proxy([1], {}))).toBe(id([1]))
    const thirty = Array.from({ length: 30 }, (_, index): [string, number] => [`k${(index * 7) % 30}`, index])
    expect(id(Object.fromEntries(thirty))).toBe(id(Object.fromEntries(reversed(thirty))))
  })

  test.each([
    "({ a: { b: 1 } })",
    "[1, [2]]",
    "new Date(5)",
    "new Map([[1, 2]])",
    "new Set([1])",
    "/a/g",
    "new Uint8Array([1])",
    "new DataView(new ArrayBuffer(2))",
    "new ArrayBuffer(2)",
    "Object.create(null)",
  ])("takes %s of another realm for one of this", (source) => {
    // oxlint-disable-next-line no-eval -- the same text in both realms
    expect(id(foreign(source))).toBe(id((0, eval)(source) as unknown))
  })

  test("takes a Date of fake timers for a Date, also after they are gone", () => {
    const real = id(new Date(5))
    vi.useFakeTimers()
    const fake = new Date(5)
    expect(id(fake)).toBe(real)
    vi.useRealTimers()
    expect(id(fake)).toBe(real)
    vi.setSystemTime(5)
    expect(id(new Date())).toBe(real)
  })

  test("works with one object in several places", () => {
    const shared = { a: [1] }
    expect(id(shared, shared)).toBe(id({ a: [1] }, { a: [1] }))
    expect(id([shared, { again: shared }, shared.a])).toBe(id([{ a: [1] }, { again: { a: [1] } }, [1]]))
  })

  test("works with huge arguments", () => {
    expect(id("x".repeat(10_000_000))).not.toBe(id("x".repeat(10_000_001)))
    const numbers = Array.from({ length: 200_000 }, (_, index) => index)
    expect(id(numbers)).not.toBe(id(numbers.slice(1)))
    const bytes = new Uint8Array(5_000_000)
    const before = id(bytes)
    bytes[4_999_999] = 1
    expect(id(bytes)).not.toBe(before)
  })

  class User {
    readonly id = 1
  }
  const cyclic: { a: { b?: unknown } } = { a: {} }
  cyclic.a.b = cyclic
  const cyclicMap = new Map<unknown, unknown>()
  cyclicMap.set("self", { map: cyclicMap })
  const detached = new ArrayBuffer(8)
  structuredClone(detached, { transfer: [detached] })
  const named = Object.assign([1], { named: 2 })
  const hidden = Object.defineProperty({ a: 1 }, "b", { value: 2, enumerable: false })

  test.each<[string, unknown, string]>([
    ["a function", { user: { callback: () => 1 } }, "args[0].user.callback is a function"],
    ["a function as the argument", () => 1, "args[0] is a function"],
    ["a symbol", [1, Symbol("s")], "args[0][1] is a symbol"],
    ["a registered symbol", Symbol.for("s"), "args[0] is a symbol"],
    ["a symbol as a key", { a: { [Symbol("s")]: 1 } }, "args[0].a has a symbol as a key"],
    ["a symbol as a key of an array", Object.assign([1], { [Symbol("s")]: 1 }), "args[0] has a symbol"],
    ["a cycle", cyclic, "args[0].a.b contains itself"],
    ["a cycle through a map", cyclicMap, 'args[0].get("self").map contains itself'],
    ["a class instance", { "the user": new User() }, 'args[0]["the user"] is an instance of a class'],
    ["a promise", [Promise.resolve(1)], "args[0][0] is an instance of a class"],
    ["a WeakMap", new WeakMap(), "args[0] is an instance"],
    ["a WeakRef", new WeakRef({}), "args[0] is an instance"],
    ["an Error", new Error("x"), "args[0] is an instance"],
    ["a boxed number", Object(1), "args[0] is an instance"],
    ["a boxed string", Object("a"), "args[0] is an instance"],
    ["a boxed symbol", Object(Symbol("s")), "args[0] is an instance"],
    ["a generator", (function* () {})(), "args[0] is an instance"],
    ["a SharedArrayBuffer", new SharedArrayBuffer(1), "args[0] is an instance"],
    ["a subclass of Array", new (class extends Array {})(), "args[0] is an instance"],
    ["a subclass of Map", new (class extends Map<unknown, unknown> {})(), "args[0] is an instance"],
    ["a subclass of Date", new (class extends Date {})(), "args[0] is an instance"],
    ["a subclass of Uint8Array", new (class extends Uint8Array {})(1), "args[0] is an instance"],
    [
      "a subclass of DataView",
      new (class extends (DataView as new (buffer: ArrayBuffer) => object) {})(new ArrayBuffer(1)),
      "args[0] is an instance",
    ],
    ["an object that only inherits from Date", Object.create(Date.prototype), "args[0] is an instance"],
    ["an object that inherits properties", Object.create({ a: 1 }), "args[0] is an instance"],
    ["an object that inherits from a bare one", Object.create(Object.create(null) as object), "args[0] is an instance"],
    [
      "an instance of a class that extends null",
      Object.create(Object.setPrototypeOf({ constructor: User }, null) as object),
      "args[0] is an instance",
    ],
    ["a prototype", User.prototype, "args[0].constructor is a property that isn't enumerable"],
    ["a built-in prototype", Map.prototype, "args[0] has a symbol as a key"],
    ["Math", Math, "args[0] has a symbol as a key"],
    ["a hidden property", { x: hidden }, "args[0].x.b is a property that isn't enumerable"],
    // oxlint-disable-next-line no-sparse-arrays -- the point of it
    ["a hole", [1, , 2], "args[0] has holes"],
    ["a hole that a name makes up for", Object.assign([], { length: 1, named: 1 }), "args[0][0] is an accessor, or"],
    ["four billion holes", Object.assign([], { length: 4_000_000_000 }), "args[0] has holes"],
    ["an array with names", { a: named }, "args[0].a is an array with properties that have names"],
    ["a match of a regular expression", /a/.exec("a"), "args[0] is an array with properties that have names"],
    ["the strings of a template", ((strings: TemplateStringsArray) => strings)`a`, "have names"],
    [
      "a Date with a property",
      Object.assign(new Date(), { zone: "CET" }),
      'args[0] is a Date with a property of its own, "zone"',
    ],
    ["a Map with a property", Object.assign(new Map(), { a: 1 }), "args[0] is a Map with a property"],
    [
      "a typed array with a name",
      Object.assign(new Float32Array(3), { model: "m" }),
      "args[0] is a Float32Array with properties",
    ],
    ["a function in a Set", new Set([1, () => 1]), "args[0].values()[1] is a function"],
    ["a symbol as a key of a Map", new Map([[Symbol("s"), 1]]), "args[0].entries()[0] is a symbol"],
    [
      "a detached DataView",
      (() => {
        const buffer = new ArrayBuffer(8)
        const view = new DataView(buffer)
        structuredClone(buffer, { transfer: [buffer] })
        return view
      })(),
      "args[0] can't be read",
    ],
    ["a Proxy of a Date", new Proxy(new Date(), {}), "args[0] is an instance"],
    [
      "a Proxy that throws",
      new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error("no")
          },
        },
      ),
      "args[0] can't be read",
    ],
  ])("refuses %s and names its path", (_name, argument, message) => {
    expect(() => id(argument)).toThrow(InvalidKeyError)
    expect(() => id(argument)).toThrow(message)
    expect(() => id(argument)).toThrow("Pass `key: (...args) => ...`")
    expect(() => id(1, argument)).toThrow(message.replace("args[0]", "args[1]"))
  })

  test("refuses accessors without running them", () => {
    let runs = 0
    const accessor = { get: () => ++runs, enumerable: true }
    const array = Object.defineProperty([1, 2], 1, accessor)
    const setter = Object.defineProperty([1, 2], 1, { set: () => void runs++, enumerable: true })
    expect(() =>
      id({
        a: {
          get b() {
            return ++runs
          },
        },
      }),
    ).toThrow("args[0].a.b is an accessor")
    expect(() => id(array)).toThrow("args[0][1] is an accessor")
    expect(() => id(setter)).toThrow("args[0][1] is an accessor")
    expect(() =>
      id({
        set a(_: unknown) {
          runs++
        },
      }),
    ).toThrow("args[0].a is an accessor")
    class Entity {
      get size(): number {
        return ++runs
      }
      get getTime(): unknown {
        return ++runs
      }
      get [Symbol.toStringTag](): string {
        return String(++runs)
      }
    }
    expect(() => id(new Entity())).toThrow("instance of a class")
    expect(runs).toBe(0)
  })

  test("runs no method that a subclass or an object of its own overrides", () => {
    const date = Object.setPrototypeOf(new Date(5), { getTime: () => 7 }) as object
    expect(() => id(date)).toThrow(InvalidKeyError)
    expect(() => id(Object.assign(new Set([1]), { forEach: () => {} }))).toThrow(InvalidKeyError)
  })

  test.each([300, 100_000])("refuses %s levels without running out of stack", (levels) => {
    let nested: unknown = 1
    let set: unknown = 1
    for (let level = 0; level < levels; level++) {
      nested = level % 2 === 0 ? [nested] : { nested }
      set = new Set([set])
    }
    expect(() => id(nested)).toThrow("is nested deeper than 256 levels")
    expect(() => id(set)).toThrow("is nested deeper than 256 levels")
    try {
      id(nested)
    } catch (error) {
      expect((error as Error).message.length).toBeLessThan(400)
    }
  })

  test("takes 200 levels", () => {
    let nested: unknown = 1
    for (let level = 0; level < 200; level++) nested = { nested }
    expect(id(nested)).toMatch(/^\0#/)
  })

  test("gives two calls one id exactly when they are structurally equal", () => {
    fc.assert(
      fc.property(call, call, (left, right) => {
        expect(Object.is(idOf(left), idOf(right))).toBe(sameCall(left, right))
      }),
      { numRuns },
    )
  })

  test("gives a rebuilt call the same id", () => {
    fc.assert(
      fc.property(call, (args) => {
        expect(idOf(args.map(rebuilt))).toBe(idOf(args))
      }),
      { numRuns },
    )
  })

  test("keeps apart two values that differ in one place, however deep and long", () => {
    const wrap = fc.array(fc.constantFrom("array", "object", "set", "map", "key", "padding"), { maxLength: 6 })
    const wrapped = (inner: unknown, steps: string[]): unknown =>
      steps.reduce<unknown>((content, step) => {
        switch (step) {
          case "array":
            return [content, 1]
          case "object":
            return { a: content, b: 1 }
          case "set":
            return new Set([content])
          case "map":
            return new Map([[1, content]])
          case "key":
            return new Map([[content, 1]])
          default:
            return ["x".repeat(100), content]
        }
      }, inner)
    fc.assert(
      fc.property(value, value, wrap, (left, right, steps) => {
        const [one, other] = [wrapped(left, steps), wrapped(right, steps)]
        // Of the wrapped ones: a set, and the keys of a map, have no -0.
        expect(id(one) === id(other)).toBe(
          steps.length === 0 ? sameCall([left], [right]) && !Number.isNaN(left) : same(one, other),
        )
      }),
      { numRuns },
    )
  })
})

describe("encodeId and decodeId", () => {
  test.each<[EntryId, string]>([
    [undefined, ""],
    [null, "null"],
    [true, "true"],
    [42, "42"],
    [1e21, "1e+21"],
    [NaN, "NaN"],
    ["", '""'],
    ["42", '"42"'],
    ['a"b', String.raw`"a\"b"`],
    ["\ud800", String.raw`"\ud800"`],
    [id(1, "a"), '1,"a"'],
  ])("writes %j as %s and reads it back", (entryId, text) => {
    expect(encodeId(entryId)).toBe(text)
    expect(decodeId(text)).toBe(entryId)
  })

  test("bring back the id of any call, as well-formed text, one text for each id", () => {
    fc.assert(
      fc.property(call, call, (left, right) => {
        const text = encodeId(idOf(left))
        expect(Object.is(decodeId(text), idOf(left))).toBe(true)
        expect(text).not.toMatch(/\p{Surrogate}/u)
        expect(text === encodeId(idOf(right))).toBe(Object.is(idOf(left), idOf(right)))
      }),
      { numRuns },
    )
  })

  test("bring back the id of any string", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 140 }),
        fc.constantFrom("", "\0", "\0#", "#"),
        (text, prefix) => {
          const entryId = id(prefix + text)
          expect(decodeId(encodeId(entryId))).toBe(entryId)
        },
      ),
      { numRuns },
    )
  })

  test.each([
    ["undefined", "which is written as nothing"],
    ["1,undefined", "trailing undefined"],
    ["01", "a number written otherwise"],
    ["1.0", "a number written otherwise"],
    ["0x10", "a number written otherwise"],
    ["+1", "a number written otherwise"],
    [" 1", "white space"],
    ["1, 2", "white space"],
    ["01n", "a bigint written otherwise"],
    ["-0n", "a bigint written otherwise"],
    ["a", "no value"],
    ["'a'", "no value"],
    ['"a', "an open string"],
    [String.raw`"\u0061"`, "a needless escape"],
    ['"a\nb"', "a missing escape"],
    ["[1", "an open list"],
    ["[1,]", "a trailing comma"],
    ["[,1]", "a hole"],
    ["[1]]", "something behind"],
    ["{b:1,a:2}", "keys in the wrong order"],
    ["{a:1,a:1}", "a key twice"],
    ['{"a":1}', "a needlessly quoted key"],
    ["{1:1}", "a key that needs quotes"],
    ["Set(2,1)", "members in the wrong order"],
    ["Set(1,1)", "a member twice"],
    ["Map(1)", "a key without a value"],
    ["Date(1.5)", "half a millisecond"],
    ["Date(9e15)", "no date"],
    ['URL("nowhere")', "no URL"],
    ['URL("http://a")', "a URL written otherwise"],
    ['RegExp("(","")', "no regular expression"],
    ['RegExp("a","gg")', "no flags"],
    ['RegExp("a","",0)', "a needless position"],
    ["Uint8Array(0)", "half a byte"],
    ["Uint8Array(0A)", "an upper-case digit"],
    ["Uint16Array(01)", "half an element"],
    [`Uint8Array(${"00".repeat(60)})`, "what would have been hashed"],
    ["Function(00)", "no array"],
    ["Array(00)", "no typed array"],
    ["SharedArrayBuffer(00)", "no typed array"],
    [`"${"x".repeat(129)}"`, "what would have been hashed"],
    ["#abc", "half a hash"],
    [`#${"A".repeat(42)}B`, "bits that no hash has"],
    [`#${"A".repeat(44)}`, "more than a hash"],
    ["\0", "a control character"],
    ["\0null", "an id instead of its text"],
    ["[".repeat(700), "many open lists"],
    ["[".repeat(1_000_000), "a million open lists"],
  ])("refuse %j: %s", (text) => {
    expect(() => decodeId(text)).toThrow(InvalidKeyError)
  })

  test("refuse a long text before reading it", () => {
    expect(() => decodeId("[".repeat(1_000_000))).toThrow(
      expect.objectContaining({ cause: expect.objectContaining({ message: "too long" }) as unknown }),
    )
  })

  test("construct nothing but typed arrays", () => {
    let runs = 0
    vi.stubGlobal(
      "Launcher",
      class {
        id = ++runs
      },
    )
    expect(() => decodeId("Launcher(00)")).toThrow(InvalidKeyError)
    expect(runs).toBe(0)
  })

  test("read nothing that encodeId does not write", () => {
    const edit = fc.tuple(
      fc.nat(),
      fc.nat(2),
      fc.string({
        unit: fc.constantFrom(
          "0",
          "1",
          "-",
          "n",
          ",",
          ":",
          "[",
          "]",
          "{",
          "}",
          "(",
          ")",
          '"',
          "\\",
          "=>",
          "#",
          "a",
          " ",
        ),
        maxLength: 1,
      }),
    )
    const text = fc.tuple(call, fc.array(edit, { maxLength: 3 })).map(([args, edits]) => {
      let edited = encodeId(idOf(args))
      for (const [at, removed, inserted] of edits) {
        const position = at % (edited.length + 1)
        edited = edited.slice(0, position) + inserted + edited.slice(position + removed)
      }
      return edited
    })
    fc.assert(
      fc.property(text, (written) => {
        let entryId: EntryId
        try {
          entryId = decodeId(written)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidKeyError)
          return
        }
        expect(encodeId(entryId)).toBe(written)
      }),
      { numRuns },
    )
  })
})

import { Readable, Writable } from "node:stream"
import { runInNewContext } from "node:vm"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { UncacheableValueError } from "../../../src/core/base/errors.js"
import { assertReusable, freezeDeep, freezeOwn, isolate, ISOLATIONS } from "../../../src/core/values/isolation.js"
import { processorMs } from "../../support/processor-time.js"
import { isPlainObject } from "../../../src/core/values/inspect-object.js"

const numRuns = Number(process.env["ZOOCACHE_RUNS"] ?? 300)

/** Whether all arrays and plain objects in it are frozen; recursive, and by descriptors. */
function isDeepFrozen(value: unknown, seen = new Set<unknown>()): boolean {
  if (typeof value !== "object" || value === null || seen.has(value)) return true
  seen.add(value)
  if (!Array.isArray(value) && !isPlainObject(value)) return true
  return (
    Object.isFrozen(value) &&
    Object.values(Object.getOwnPropertyDescriptors(value)).every((property: PropertyDescriptor) =>
      isDeepFrozen(property.value, seen),
    )
  )
}

describe("freezeDeep", () => {
  test("freezes rows, nested objects and arrays in place", () => {
    const value = { id: 1, tags: ["a", { b: [1] }], nested: { deep: { deeper: {} } } }
    expect(freezeDeep(value)).toBe(0)
    expect(isDeepFrozen(value)).toBe(true)
    expect(() => ((value.tags[1] as { b: number[] }).b[0] = 2)).toThrow(TypeError)
    expect(() => value.tags.push("x")).toThrow(TypeError)
    expect(() => Object.assign(value.nested.deep.deeper, { x: 1 })).toThrow(TypeError)
  })

  test("freezes any value that is built of arrays and plain objects", () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, withSparseArray: true }), (value) => {
        freezeDeep(value)
        expect(isDeepFrozen(value)).toBe(true)
      }),
      { numRuns },
    )
  })

  test("leaves primitives alone", () => {
    for (const value of [1, "a", null, undefined, true, 5n, Symbol("s")]) expect(freezeDeep(value)).toBe(0)
  })

  test("freezes objects without a prototype and of another realm", () => {
    const foreign = runInNewContext("({ a: { b: [1, { c: 1 }] } })") as { a: { b: [number, { c: number }] } }
    const bare = Object.assign(Object.create(null) as object, { a: { b: 1 } })
    expect(freezeDeep([foreign, bare])).toBe(0)
    expect(isDeepFrozen(foreign)).toBe(true)
    expect(Object.isFrozen(foreign.a.b[1])).toBe(true)
    expect(Object.isFrozen(bare)).toBe(true)
    expect(Object.isFrozen((bare as { a: object }).a)).toBe(true)
  })

  test("freezes unfrozen children of what is frozen already", () => {
    const child = { a: 1 }
    const array = [1]
    freezeDeep(Object.freeze({ child, inner: Object.freeze([Object.freeze({ array })]) }))
    expect(Object.isFrozen(child)).toBe(true)
    expect(Object.isFrozen(array)).toBe(true)
  })

  test("leaves other objects as they are and counts each once", () => {
    class User {
      name = "Ann"
      friends = ["Bob"]
    }
    const user = new User()
    const shared = [new Date(), new Map([["a", {}]]), new Set(), new Uint8Array(2), user, () => 1, /x/, new Error("x")]
    expect(freezeDeep({ shared, again: shared, user })).toBe(shared.length)
    for (const object of shared) expect(Object.isFrozen(object)).toBe(false)
    expect(Object.isFrozen(user.friends)).toBe(false)
    expect(freezeDeep(new Date())).toBe(1)
    expect(freezeDeep(() => 1)).toBe(1)
  })

  test("ends on cycles, through frozen objects as well", () => {
    const value: { self?: unknown; list: unknown[] } = { list: [] }
    value.self = value
    value.list.push(value, value.list)
    const frozen: { back: unknown[] } = Object.freeze({ back: [] })
    frozen.back.push(frozen)
    expect(freezeDeep([value, frozen])).toBe(0)
    expect(Object.isFrozen(value)).toBe(true)
    expect(Object.isFrozen(value.list)).toBe(true)
    expect(Object.isFrozen(frozen.back)).toBe(true)
  })

  test("needs no stack for a million levels, and ends on a million elements", () => {
    let list: { next: unknown } = { next: null }
    const last = list
    for (let index = 0; index < 1_000_000; index++) list = { next: list }
    freezeDeep(list)
    expect(Object.isFrozen(last)).toBe(true)
    const wide = Array.from({ length: 1_000_000 }, (_, index) => index)
    freezeDeep(wide)
    expect(Object.isFrozen(wide)).toBe(true)
  })

  test("is quick with a sparse array of four billion holes", () => {
    const sparse: unknown[] = []
    sparse[4_000_000_000] = { a: 1 }
    freezeDeep(sparse)
    expect(Object.isFrozen(sparse[4_000_000_000])).toBe(true)
  })

  test("follows what a match of a regular expression has by name, and symbols", () => {
    const match = /(?<word>\w)/.exec("a")
    const symbol = Symbol("s")
    const value = { [symbol]: { a: 1 } }
    freezeDeep([match, value])
    expect(Object.isFrozen(match?.groups)).toBe(true)
    expect(Object.isFrozen(value[symbol])).toBe(true)
  })

  test("leaves the hidden bookkeeping of drivers writable", () => {
    const statement = { columns: [] as string[] }
    const rows = [{ id: 1 }]
    Object.defineProperty(rows, "statement", { value: statement, enumerable: false })
    const row = Object.defineProperty({ id: 1 }, "lastResponse", { value: Readable.from([]), enumerable: false })
    const symbol = Symbol("hidden")
    Object.defineProperty(row, symbol, { value: statement, enumerable: false })
    freezeDeep([rows, row])
    expect(Object.isFrozen(rows)).toBe(true)
    expect(Object.isFrozen(statement)).toBe(false)
  })

  test("freezes instances of a subclass of Array", () => {
    class Rows extends Array<object> {
      count = 0
    }
    const rows = Rows.from([{ id: 1 }])
    expect(freezeDeep(rows)).toBe(0)
    expect(Object.isFrozen(rows)).toBe(true)
    expect(Object.isFrozen(rows[0])).toBe(true)
  })

  test("runs no accessor, own, inherited or of an element", () => {
    let runs = 0
    const accessor = { get: () => ++runs, set: () => ++runs, enumerable: true, configurable: true }
    const array = Object.defineProperty([1, 2], 1, accessor)
    Object.defineProperty(array, "named", accessor)
    class Entity {
      get next(): unknown {
        return ++runs
      }
      get [Symbol.toStringTag](): string {
        return String(++runs)
      }
      get [Symbol.iterator](): unknown {
        return ++runs
      }
      get pipe(): unknown {
        return ++runs
      }
    }
    const object = Object.defineProperties({}, { a: accessor, [Symbol("s")]: accessor, next: accessor, pipe: accessor })
    freezeDeep({
      array,
      object,
      entity: new Entity(),
      method: () => 1,
      get next() {
        return ++runs
      },
    })
    assertReusable({ array, object, entity: new Entity() })
    expect(runs).toBe(0)
    expect(Object.isFrozen(object)).toBe(true)
  })

  test("does not freeze what someone put on Object.prototype", () => {
    const polluted = { a: 1 }
    Object.assign(Object.prototype, { polluted })
    try {
      freezeDeep({ b: 1 })
      expect(Object.isFrozen(polluted)).toBe(false)
    } finally {
      delete (Object.prototype as { polluted?: unknown }).polluted
    }
  })

  test("lets a proxy throw that does not want to be frozen, and freezes one that does", () => {
    const refusing = new Proxy({ a: 1 }, { preventExtensions: () => false })
    expect(() => freezeDeep({ refusing })).toThrow(TypeError)
    const target = { a: {} }
    freezeDeep(new Proxy(target, {}))
    expect(Object.isFrozen(target.a)).toBe(true)
  })

  test("leaves the namespace of a module alone", async () => {
    const namespace: unknown = await import("../../../src/core/base/duration.js")
    expect(freezeDeep({ namespace })).toBe(1)
  })
})

const singleUse: readonly [string, () => unknown][] = [
  ["a generator", () => (function* () {})()],
  ["an async generator", () => (async function* () {})()],
  ["an iterator of an array", () => [1][Symbol.iterator]()],
  ["an iterator of a map", () => new Map().entries()],
  ["an iterator of a string", () => "a"[Symbol.iterator]()],
  ["an iterator of matches", () => "a".matchAll(/a/g)],
  ["a generator of another realm", () => runInNewContext("(function* () {})()") as unknown],
  [
    "an iterator written by hand",
    () => ({
      next: () => ({ done: true, value: 1 }),
      [Symbol.iterator]() {
        return this
      },
    }),
  ],
  [
    "an async iterator written by hand",
    () => ({
      next: () => Promise.resolve(),
      [Symbol.asyncIterator]() {
        return this
      },
    }),
  ],
  [
    "an iterator of a class",
    () =>
      new (class {
        next(): unknown {
          return { done: true }
        }
        [Symbol.iterator](): unknown {
          return this
        }
      })(),
  ],
  [
    "a database cursor, which makes a generator over the same rows",
    () =>
      new (class {
        next(): unknown {
          return null
        }
        async *[Symbol.asyncIterator](): AsyncGenerator {
          yield await Promise.resolve(1)
        }
      })(),
  ],
  ["a Readable", () => Readable.from(["a"])],
  ["a Writable", () => new Writable()],
  ["a ReadableStream", () => new ReadableStream()],
  ["a WritableStream", () => new WritableStream()],
  ["a TransformStream", () => new TransformStream()],
  ["a reader of a stream", () => new ReadableStream().getReader()],
  ["a Response", () => new Response("a")],
  ["a Request", () => new Request("http://localhost")],
  [
    "a polyfilled Response",
    () =>
      new (class {
        bodyUsed = false
        arrayBuffer(): void {}
      })(),
  ],
  ["something like a WebSocket", () => ({ readyState: 1, send: () => {}, close: () => {} })],
  [
    "a polyfilled ReadableStream",
    () =>
      new (class {
        getReader(): void {}
        cancel(): void {}
      })(),
  ],
  [
    "a stream of a client library",
    () =>
      new (class {
        tee(): void {}
        async *[Symbol.asyncIterator](): AsyncGenerator {
          yield await Promise.resolve(1)
        }
      })(),
  ],
]

const reusable: readonly [string, () => unknown][] = [
  ["an array", () => [1]],
  ["a Map and a Set", () => [new Map(), new Set()]],
  ["typed arrays", () => [new Uint8Array(1), Buffer.from("a"), new DataView(new ArrayBuffer(1))]],
  ["a Date, a RegExp, a URL, an Error", () => [new Date(), /a/, new URL("http://a"), new Error("a")]],
  ["a Blob", () => new Blob(["a"])],
  ["URLSearchParams, Headers and FormData", () => [new URLSearchParams("a=1"), new Headers(), new FormData()]],
  ["a function and a generator function", () => [() => 1, function* () {}]],
  ["a promise", () => Promise.resolve(1)],
  ["an object with a method next", () => ({ next: () => 1 })],
  ["an object with a property next", () => ({ next: { next: null } })],
  [
    "an iterable that starts anew each time",
    () => ({
      *[Symbol.iterator]() {
        yield 1
      },
    }),
  ],
  [
    "a list with a method next",
    () =>
      new (class {
        next(): void {}
        *[Symbol.iterator](): Generator {
          yield 1
        }
      })(),
  ],
  ["something like an observable", () => ({ pipe: () => 1, subscribe: () => 1 })],
  ["a library with a method getReader", () => ({ getReader: () => 1 })],
  ["primitives", () => ["a", 1, null, undefined, 5n, Symbol("s")]],
]

describe.each([
  ["assertReusable", assertReusable],
  ["freezeDeep", freezeDeep],
] as const)("%s", (_, check) => {
  test.each(singleUse)("rejects %s, also inside arrays and plain objects", (_name, make) => {
    expect(() => check(make())).toThrow(UncacheableValueError)
    expect(() => check({ a: [1, { b: make() }] })).toThrow(UncacheableValueError)
  })

  test.each(reusable)("accepts %s", (_name, make) => {
    expect(() => check(make())).not.toThrow()
  })

  test("names the kind and the subject", () => {
    expect(() => check((function* () {})())).toThrow("A generator can be read only once")
    expect(() => check((async function* () {})())).toThrow("An async generator can")
    expect(() => check(new Response("a"))).toThrow("A Response can")
    expect(() => check(Readable.from([]))).toThrow("A stream can")
    expect(() => check(new Response("a"), "getUser")).toThrow(expect.objectContaining({ subject: "getUser" }))
  })

  test("takes nothing out of what it looks at", async () => {
    const generator = (function* () {
      yield 1
    })()
    const stream = Readable.from(["a"])
    expect(() => check(generator)).toThrow()
    expect(() => check(stream)).toThrow()
    expect([...generator]).toEqual([1])
    expect(await stream.toArray()).toEqual(["a"])
  })
})

test("freezeDeep freezes nothing of a value that it rejects", () => {
  const value = { rows: [{ a: 1 }], stream: Readable.from([]) }
  expect(() => freezeDeep(value)).toThrow(UncacheableValueError)
  expect(Object.isFrozen(value)).toBe(false)
  expect(Object.isFrozen(value.rows[0])).toBe(false)
})

test("assertReusable freezes nothing", () => {
  const value = { rows: [{ a: 1 }] }
  assertReusable(value)
  expect(Object.isFrozen(value) || Object.isFrozen(value.rows)).toBe(false)
})

describe("freezeOwn", () => {
  test("freezes what bytes can become as freezeDeep does, and counts the same", () => {
    fc.assert(
      fc.property(fc.object({ withNullPrototype: true, withMap: true, withDate: true, maxDepth: 5 }), (value) => {
        const own = structuredClone(value)
        const other = structuredClone(value)
        expect(freezeOwn(own)).toBe(freezeDeep(other))
        expect(isDeepFrozen(own)).toBe(true)
      }),
      { numRuns },
    )
  })

  test("ends on cycles, at any depth, and beyond what a stack holds", () => {
    const round: Record<string, unknown> = { list: [] }
    ;(round["list"] as unknown[]).push(round, [round])
    freezeOwn(round)
    expect(isDeepFrozen(round)).toBe(true)
    let deep: unknown = [1]
    for (let depth = 0; depth < 100_000; depth += 1) deep = depth % 2 === 0 ? { deep } : [deep]
    freezeOwn(deep)
    for (let at = deep; typeof at === "object" && at !== null; at = Object.values(at)[0]) {
      expect(Object.isFrozen(at)).toBe(true)
    }
  })

  test("looks once at what stands in many places, far down", () => {
    const list = Array.from({ length: 6_000 }, () => ({ a: 1 }))
    let value: unknown = Array.from({ length: 6_000 }, () => [list])
    for (let depth = 0; depth < 99; depth += 1) value = [value]
    expect(processorMs(() => freezeOwn(value))).toBeLessThan(60_000)
    expect(Object.isFrozen(list[5_999])).toBe(true)
  })
})

describe("isolate", () => {
  const row = () => ({ id: 1, tags: ["a"] })

  test("gives the value itself, frozen, the value as it is, or a copy", () => {
    for (const isolation of ISOLATIONS) {
      const value = row()
      const isolated = isolate(value, isolation)
      expect(isolated).toEqual({ value: row(), sharedCount: 0 })
      expect(isolated.value === value).toBe(isolation !== "clone")
      expect(Object.isFrozen(value.tags)).toBe(isolation === "freeze" || isolation === "strict")
    }
  })

  test("counts what callers share", () => {
    const value = [new Date(), new Map(), () => 1]
    expect(isolate(value, "freeze").sharedCount).toBe(3)
    expect(isolate(value, "share").sharedCount).toBe(0)
  })

  test("hands on every primitive", () => {
    for (const value of [undefined, null, 0, "a", 1n, Symbol.iterator]) {
      for (const isolation of ISOLATIONS) expect(isolate(value, isolation)).toEqual({ value, sharedCount: 0 })
    }
  })

  test("refuses a function where nothing may be shared", () => {
    expect(isolate(() => 1, "freeze").sharedCount).toBe(1)
    expect(() => isolate(() => 1, "clone")).toThrow(UncacheableValueError)
    expect(() => isolate(() => 1, "strict")).toThrow(UncacheableValueError)
  })
})

test("a proxy whose prototypes have no end is looked at in bounded time", () => {
  const endless: object = new Proxy({}, { getPrototypeOf: () => endless, has: () => true })
  expect(() => assertReusable({ endless })).not.toThrow()
})

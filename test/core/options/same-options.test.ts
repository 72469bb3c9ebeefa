import { describe, expect, test } from "vitest"
import { differingOption } from "../../../src/core/options/same-options.js"
import { createCodec } from "zoocache/codec"
import { lmdb } from "zoocache/lmdb"
import { redis } from "zoocache/redis"

class Money {
  constructor(readonly cents: number) {}
}

/** Options as a module makes them each time that it is loaded. */
const load = () => ({
  ttl: "1h",
  memory: { maxEntries: 10, sizeOf: (value: unknown) => String(value).length },
  onFault: () => {},
  undefinedIsNone: undefined,
  backend: redis({
    cluster: [{ host: "localhost", port: 7000 }],
    password: "secret",
    codec: createCodec({ threshold: 10 }).extend({
      name: "Money",
      class: Money,
      encode: (money) => money.cents,
      decode: (cents) => new Money(cents),
    }),
  }),
})

test("what a module makes twice is the same, backends and codecs included", () => {
  const { undefinedIsNone: _none, ...rest } = load()
  expect(differingOption(load(), rest, false)).toBeUndefined()
  const files = () => ({ backend: lmdb({ path: "./cache", maxBytes: 2 ** 20 }) })
  expect(differingOption(files(), files(), false)).toBeUndefined()
})

describe("an option differs by", () => {
  const bytes = (last: number) => ({ ca: Buffer.from([1, last]) })
  const closure = (url: string) => ({ name: "mine", open: () => url })
  test.each<[string, object, object, boolean?]>([
    ["value", { it: 1 }, { it: 2 }],
    ["kind", { it: 1 }, { it: "1" }],
    ["absence", { it: 1 }, {}],
    ["depth", { it: { a: { b: 1 } } }, { it: { a: { b: 2 } } }],
    ["length", { it: [1] }, { it: [1, 2] }],
    ["a list for an object", { it: [] }, { it: {} }],
    ["the text of a function", { it: () => 1 }, { it: () => 2 }],
    ["functions of the engine", { it: Math.max }, { it: Math.min }],
    ["bound functions", { it: load.bind(1) }, { it: load.bind(2) }],
    ["bytes", { it: bytes(1) }, { it: bytes(2) }],
    ["instances", { it: new Money(1) }, { it: new Money(1) }],
  ])("%s", (_what, a, b) => {
    expect(differingOption(a, b, false)).toBe("it")
  })

  test.each<[string, object, object]>([
    ["the server of a backend", redis({ url: "redis://a" }), redis({ url: "redis://b" })],
    ["the kind of backend", redis({ url: "redis://a" }), lmdb({ path: "./a" })],
    ["a backend of others, whose closures nobody can look into", closure("a"), closure("a")],
  ])("%s, whatever its functions look like", (_what, a, b) => {
    expect(differingOption({ backend: a }, { backend: b }, true)).toBe("backend")
  })
})

test("for copies of one module functions are the same, and nothing else", () => {
  expect(differingOption({ it: () => 1 }, { it: () => 2 }, true)).toBeUndefined()
  expect(differingOption({ it: () => 1 }, {}, true)).toBe("it")
})

test("a backend shows nobody what it was made of", () => {
  expect(JSON.stringify(Object.entries(redis({ url: "redis://:secret@a" })))).not.toContain("secret")
  expect(Object.keys(redis({ url: "redis://:secret@a" }))).toEqual(["name", "maxLoads", "open"])
})

import { Readable } from "node:stream"
import { describe, expect, test } from "vitest"
import { UncacheableValueError } from "../../../src/core/base/errors.js"
import { rejectSingleUse } from "../../../src/core/values/single-use.js"

// Each kind of values is tried on isolation.test.ts, also inside of others.
describe("rejectSingleUse", () => {
  test.each<[string, () => object]>([
    ["A generator", () => (function* () {})()],
    ["An async generator", () => (async function* () {})()],
    ["An iterator", () => [1][Symbol.iterator]()],
    ["A stream", () => Readable.from(["a"])],
    ["A Response", () => new Response("a")],
  ])("names %s, and the subject", (kind, make) => {
    expect(() => rejectSingleUse(make(), "ƒ:load::")).toThrow(UncacheableValueError)
    expect(() => rejectSingleUse(make(), "ƒ:load::")).toThrow(expect.objectContaining({ kind, subject: "ƒ:load::" }))
  })

  test("runs no accessor of what it looks at", () => {
    const names = ["next", "pipe", "on", "getReader", "cancel", "tee", "bodyUsed", "readyState", "closed"]
    const value = {}
    for (const name of names) Object.defineProperty(value, name, { get: () => expect.fail(`${name} ran`) })
    expect(() => rejectSingleUse(value, undefined)).not.toThrow()
  })

  test("asks an object with a method `next` whether it iterates itself, and survives the answer", () => {
    const fails = { next() {}, [Symbol.iterator]: () => expect.fail("handled") }
    expect(() => rejectSingleUse(fails, undefined)).not.toThrow()
  })
})

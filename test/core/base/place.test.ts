import { describe, expect, test } from "vitest"
import { type Place, placeCalling, recurrenceOf } from "../../../src/core/base/place.js"

function define(): Place | undefined {
  return placeCalling(define)
}

const place = (given: Partial<Place> = {}, hash = "a"): Place => ({
  file: "/app/users.js",
  moduleId: undefined,
  line: 3,
  column: 7,
  isModuleLevel: true,
  stretch: {},
  textHash: () => hash,
  ...given,
})

/** The place at which a script of a bundler defines something, or a function in it. */
function evaluated(address: string, code = "define()"): Place {
  // oxlint-disable-next-line no-implied-eval -- as bundlers do in development
  const script = new Function("define", `return eval(${JSON.stringify(`${code}\n//# sourceURL=${address}`)})`)
  return (script as (each: typeof define) => Place)(define)
}

describe("a place", () => {
  test("is that of the caller, whatever is between it and the library", () => {
    const [one, two] = [define(), define()]
    expect(one?.file).toMatch(/place\.test\.ts$/)
    expect(one?.line).toBe(two?.line)
    expect(one?.column).not.toBe(two?.column)
  })

  test("in a function is none of the module's own", () => {
    expect(define()?.isModuleLevel).toBe(false)
    const inLoop = [1].map(() => define())
    expect(inLoop[0]?.isModuleLevel).toBe(false)
  })

  test("of a module that a bundler evaluates is the module's own", () => {
    const address = "webpack-internal:///(rsc)/./lib/users.js"
    expect(evaluated(address)).toMatchObject({ file: address, moduleId: undefined, isModuleLevel: true })
    expect(evaluated(address, "(function make() { return define() })()").isModuleLevel).toBe(false)
    class Users {
      readonly byId = define()
    }
    expect(new Users().byId?.isModuleLevel).toBe(false)
  })

  test("is that of the script, without what is appended to load it again", () => {
    const file = "/app/.next/chunks/[root]__1._.js"
    const id = "%5Bproject%5D/lib/users.js+%5Bapp-rsc%5D"
    expect(evaluated(`file:///app/.next/chunks/%5Broot%5D__1._.js?id=${id}`)).toMatchObject({ file, moduleId: id })
    expect(evaluated("file:///app/users.mjs?t=17")).toMatchObject({ file: "/app/users.mjs", moduleId: undefined })
    expect(evaluated("file:///app/100%.mjs?t=17").file).toBe("/app/100%.mjs")
  })

  test("has a hash of the text of its script", () => {
    const address = "webpack-internal:///./lib/users.js"
    const [one, same, changed] = [evaluated(address), evaluated(address), evaluated(address, "define(1)")]
    expect(one.textHash()).toBe(same.textHash())
    expect(one.textHash()).not.toBe(changed.textHash())
  })
})

test.each<[string, ReturnType<typeof recurrenceOf>, Place | undefined, Place | undefined]>([
  ["the same place in one stretch, as in a loop", "again", place({ stretch: place }), place({ stretch: place })],
  ["the same place in a function", "again", place({ isModuleLevel: false }), place({ isModuleLevel: false })],
  ["the same place of a module", "reloaded", place(), place()],
  ["a script whose text has changed", "reloaded", place(), place({ line: 9 }, "b")],
  ["a function in a script whose text has changed", "reloaded", place(), place({ isModuleLevel: false }, "b")],
  ["another line", "elsewhere", place(), place({ line: 9 })],
  ["another column", "elsewhere", place(), place({ column: 9 })],
  ["another script", "elsewhere", place(), place({ file: "/app/route.js" }, "b")],
  ["a module that left its chunk", "reloaded", place(), place({ moduleId: "users" }, "b")],
  [
    "a module whose chunk has another name",
    "reloaded",
    place({ moduleId: "users" }),
    place({ file: "/app/2.js", moduleId: "users" }, "b"),
  ],
  ["another module of the chunk", "elsewhere", place({ moduleId: "users" }), place({ moduleId: "orders" }, "b")],
  ["a place that is not known", "unknown", place(), undefined],
  ["a place that was not known", "unknown", undefined, place()],
])("%s is told: %s", (_what, recurrence, earlier, later) => {
  expect(recurrenceOf(earlier, later)).toBe(recurrence)
})

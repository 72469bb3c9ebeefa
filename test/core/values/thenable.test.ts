/* oxlint-disable unicorn/no-thenable -- thenables are what these tests are about */
import { runInNewContext } from "node:vm"
import { describe, expect, test, vi } from "vitest"
import { InvalidOptionError, UncacheableValueError } from "../../../src/core/base/errors.js"
import {
  assertNoThenable,
  ignoreRejection,
  isThenable,
  plainResult,
  synchronous,
  thenableError,
} from "../../../src/core/values/thenable.js"

const fail = (): never => {
  throw new Error("hostile")
}

/** What the process would have ended with, had this test not listened. */
async function unhandledBy(run: () => void): Promise<unknown[]> {
  const unhandled: unknown[] = []
  const listener = (reason: unknown): void => void unhandled.push(reason)
  const others = process.listeners("unhandledRejection")
  process.removeAllListeners("unhandledRejection")
  process.on("unhandledRejection", listener)
  try {
    run()
    // Rejections are reported when the microtasks of a turn have run.
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
  } finally {
    process.removeListener("unhandledRejection", listener)
    for (const other of others) process.on("unhandledRejection", other)
  }
  return unhandled
}

describe("isThenable", () => {
  test.each<[string, unknown]>([
    ["a promise", Promise.resolve(1)],
    ["a promise of another realm", runInNewContext("Promise.resolve(1)")],
    ["a method `then` of its own", { then: () => {} }],
    [
      "a query builder",
      new (class {
        then(): void {}
      })(),
    ],
    [
      "an accessor that gives a function",
      {
        get then() {
          return () => {}
        },
      },
    ],
    ["a function with a method `then`", Object.assign(() => {}, { then: () => {} })],
    ["a proxy that answers everything with a function", new Proxy({}, { get: () => () => {} })],
    [
      "an accessor that throws, as no promise can be resolved with it",
      {
        get then() {
          return fail()
        },
      },
    ],
    ["a proxy that throws", new Proxy({}, { get: fail })],
    [
      "a revoked proxy",
      (() => {
        const { proxy, revoke } = Proxy.revocable({}, {})
        revoke()
        return proxy
      })(),
    ],
  ])("is true of %s", (_name, value) => {
    expect(isThenable(value)).toBe(true)
  })

  test.each<[string, unknown]>([
    ["a schema with a branch `then`", { if: {}, then: { type: "string" }, else: {} }],
    [
      "an accessor that gives data",
      {
        get then() {
          return [1]
        },
      },
    ],
    ["a row", { id: 1 }],
    ["an array", [Promise.resolve(1)]],
    ["a function", () => {}],
    ["a string", "then"],
    ["nothing", undefined],
    ["null", null],
    ["a symbol", Symbol("then")],
  ])("is false of %s", (_name, value) => {
    expect(isThenable(value)).toBe(false)
  })

  test("runs an accessor once, and no method", () => {
    const method = vi.fn()
    const accessor = vi.fn(() => method)
    expect(isThenable(Object.defineProperty({}, "then", { get: accessor }))).toBe(true)
    expect(accessor).toHaveBeenCalledTimes(1)
    expect(method).not.toHaveBeenCalled()
  })
})

describe("a promise that nobody waits for", () => {
  test.each<[string, (reason: Error) => unknown]>([
    ["of this realm", (reason) => Promise.reject(reason)],
    ["of another realm", (reason) => runInNewContext("Promise.reject(reason)", { reason }) as unknown],
    ["of a subclass", (reason) => class extends Promise<never> {}.reject(reason)],
  ])("%s is handled when it is refused", async (_name, make) => {
    const error = new Error("nobody waits")
    expect(await unhandledBy(() => ignoreRejection(make(error)))).toEqual([])
    expect(await unhandledBy(() => expect(() => plainResult("deps", make(error))).toThrow(InvalidOptionError))).toEqual(
      [],
    )
    expect(await unhandledBy(() => expect(() => assertNoThenable(make(error))).toThrow(InvalidOptionError))).toEqual([])
    expect(await unhandledBy(() => thenableError(make(error)))).toEqual([])
    // The test sees what it says.
    expect(await unhandledBy(() => void make(error))).toEqual([error])
  })

  test("is only noted: no query of a query builder begins", () => {
    const then = vi.fn()
    const query = { then, catch: vi.fn() }
    ignoreRejection(query)
    expect(() => plainResult("deps", query)).toThrow(InvalidOptionError)
    expect(then).not.toHaveBeenCalled()
    expect(query.catch).not.toHaveBeenCalled()
  })

  test("may be anything else, too", () => {
    for (const value of [undefined, null, 1, {}, () => {}, new Proxy({}, { get: fail })]) {
      expect(() => ignoreRejection(value)).not.toThrow()
    }
    const hostile: unknown = Object.defineProperty(Promise.resolve(), "constructor", { get: fail })
    expect(() => ignoreRejection(hostile)).not.toThrow()
  })
})

describe("plainResult", () => {
  test("hands on what is no promise", () => {
    const tags = ["a"]
    expect(plainResult("deps", tags)).toBe(tags)
    expect(plainResult("cacheIf", false)).toBe(false)
    expect(plainResult("ttl", undefined)).toBe(undefined)
  })

  test("names the hook and says what to do", () => {
    expect(() => plainResult("cacheIf", Promise.resolve(false))).toThrow(
      "Invalid option cacheIf = an object (Promise): it returned a promise, and hooks are synchronous",
    )
  })
})

test("assertNoThenable lets every value pass that is none", () => {
  for (const value of [undefined, null, 0, "", { a: 1 }, [Promise.resolve()]]) {
    expect(() => assertNoThenable(value)).not.toThrow()
  }
  expect(() => assertNoThenable({ then() {} })).toThrow("await it first")
})

test("thenableError names its subject", () => {
  const error = thenableError({ then() {} }, "ƒ:load::1")
  expect(error).toBeInstanceOf(UncacheableValueError)
  expect(error).toMatchObject({ subject: "ƒ:load::1", code: "ERR_ZOOCACHE_UNCACHEABLE_VALUE" })
  expect(error.message).toMatch("is no value")
})

test("synchronous hands on `this`, arguments and result, and refuses a promise", () => {
  const hook = synchronous("cacheIf", function (this: unknown, ...args: readonly unknown[]) {
    return [this, ...args]
  })
  expect(hook.call("self", 1, 2)).toEqual(["self", 1, 2])
  expect(() => synchronous("cacheIf", () => Promise.reject(new Error("handled")))()).toThrow("hooks are synchronous")
})

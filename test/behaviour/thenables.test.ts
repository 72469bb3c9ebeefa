/* oxlint-disable unicorn/no-thenable -- thenables are what these tests are about */
import { describe, expect, test, vi } from "vitest"
import { InvalidOptionError, UncacheableValueError } from "zoocache"
import { makeCache, rejectionOf } from "../support/caches.js"

const thenables: readonly [string, () => unknown][] = [
  ["a promise", () => Promise.resolve(1)],
  ["a promise that rejects", () => Promise.reject(new Error("handled"))],
  ["a thenable that never answers", () => ({ then() {} })],
  ["a function with a method `then`", () => Object.assign(() => {}, { then() {} })],
  ["a proxy that answers everything", () => new Proxy({}, { get: () => () => {} })],
]

describe("thenables are no values", () => {
  test.each(thenables)("`set` and `setMany` refuse %s", async (_name, make) => {
    const { cache } = makeCache()
    expect(await rejectionOf(cache.set("key", make()))).toBeInstanceOf(InvalidOptionError)
    expect(
      await rejectionOf(
        cache.setMany([
          ["other", 1],
          ["key", make()],
        ]),
      ),
    ).toBeInstanceOf(InvalidOptionError)
    expect(await rejectionOf(cache.transaction(async () => cache.set("key", make())))).toBeInstanceOf(
      InvalidOptionError,
    )
    expect(await cache.lookup("key")).toBe(undefined)
    expect(await cache.lookup("other")).toBe(undefined)
  })

  test.each(thenables)("an item of a batch that is %s rejects its call alone", async (_name, make) => {
    const { cache } = makeCache()
    const many = cache.cacheableMany(async (ids: readonly number[]) => ids.map((id) => (id === 1 ? make() : id)))
    const [bad, good] = await Promise.allSettled([many.one(1), many.one(2)])
    expect(bad).toMatchObject({ status: "rejected", reason: expect.any(UncacheableValueError) as unknown })
    expect(good).toEqual({ status: "fulfilled", value: 2 })
    expect(many.peek(1)).toBe(undefined)
  })

  test("the query of a query builder is not run to refuse it", async () => {
    const { cache } = makeCache()
    const query = { then: vi.fn() }
    expect(await rejectionOf(cache.set("key", query))).toBeInstanceOf(InvalidOptionError)
    expect(query.then).not.toHaveBeenCalled()
  })

  test("a value with data called `then` is stored", async () => {
    const { cache } = makeCache()
    const schema = { if: {}, then: { type: "string" } }
    await cache.set("key", schema)
    expect(await cache.get("key")).toBe(schema)
  })
})

/* oxlint-disable unicorn/no-thenable -- thenables are what these tests are about */
import { describe, expect, test } from "vitest"
import { InvalidKeyError } from "zoocache"
import { makeCache, rejectionOf } from "../support/caches.js"

interface User {
  readonly id: number
}

describe("a hook `key` that identifies nothing", () => {
  test.each<[string, (user: User) => unknown]>([
    [
      "forgets to return",
      (user) => {
        void user.id
      },
    ],
    ["reads what is not there", (user) => (user as { uuid?: string }).uuid],
    ["returns a promise", async (user) => user.id],
    ["returns a promise that rejects", () => Promise.reject(new Error("handled"))],
    ["returns a query builder", () => ({ then() {} })],
  ])("rejects the call where it %s", async (_name, key) => {
    const { cache } = makeCache()
    let loads = 0
    const load = cache.cacheable(async (user: User) => (loads += user.id), { key })
    for (const call of [
      () => load({ id: 1 }),
      () => load.with({ fresh: true })({ id: 2 }),
      () => load.refresh({ id: 3 }),
    ]) {
      expect(await rejectionOf(call())).toBeInstanceOf(InvalidKeyError)
    }
    expect(() => load.keyOf({ id: 1 })).toThrow(InvalidKeyError)
    expect(await rejectionOf(load.delete({ id: 1 }))).toBeInstanceOf(InvalidKeyError)
    expect(loads).toBe(0)
  })

  test("throws where the function is synchronous", () => {
    const { cache } = makeCache()
    const load = cache.cacheableSync((user: User) => user.id, { key: () => undefined })
    expect(() => load({ id: 1 })).toThrow(InvalidKeyError)
  })
})

test("a hook `key` may return null where there is nothing to tell apart", async () => {
  const { cache } = makeCache()
  let loads = 0
  const load = cache.cacheable(async (_request: object) => ++loads, { key: () => null })
  expect(await load({ a: 1 })).toBe(1)
  expect(await load({ a: 2 })).toBe(1)
})

describe("a decorated method", () => {
  test.each<[string, (self: object) => unknown]>([
    ["returns undefined", () => undefined],
    ["returns a promise", async () => 1],
    ["returns a promise that rejects", () => Promise.reject(new Error("handled"))],
  ])("rejects calls where `keyThis` %s", async (_name, keyThis) => {
    const { cache } = makeCache()
    class Repo {
      @cache.cacheable({ keyThis })
      async user(id: number): Promise<number> {
        return id
      }
    }
    expect(await rejectionOf(new Repo().user(1))).toBeInstanceOf(InvalidKeyError)
  })

  test("rejects calls where `key` returns undefined, and names the hook", async () => {
    const { cache } = makeCache()
    class Repo {
      @cache.cacheable({ keyThis: () => "repo", key: (_id: number) => undefined })
      async user(id: number): Promise<number> {
        return id
      }
    }
    const error = await rejectionOf(new Repo().user(1))
    expect(error).toBeInstanceOf(InvalidKeyError)
    expect((error as Error).message).toMatch("`key` returned undefined")
  })
})

/** What the decorator takes, as a legacy one; the standard one is in `test/types/decorators.test.ts`. */
import { afterAll, expect, expectTypeOf, test } from "vitest"
import * as zoocache from "zoocache"

const cache = zoocache.createCache()
afterAll(async () => {
  await cache.close()
  await zoocache.reset()
})

class Query implements Promise<number> {
  readonly [Symbol.toStringTag] = "Query"
  limit(): this {
    return this
  }
  // oxlint-disable-next-line unicorn/no-thenable -- that is what a query is
  then: Promise<number>["then"] = (...args) => Promise.resolve(1).then(...args)
  catch: Promise<number>["catch"] = (...args) => Promise.resolve(1).catch(...args)
  finally: Promise<number>["finally"] = (...args) => Promise.resolve(1).finally(...args)
}

test("needs no argument", async () => {
  let loads = 0
  class Repo {
    @cache.cacheable()
    async count(from: number): Promise<number> {
      return from + ++loads
    }
    @zoocache.cacheable()
    async countAtRoot(from: number): Promise<number> {
      return from + ++loads
    }
    @cache.cacheable(undefined)
    async countAnyway(from: number): Promise<number> {
      return from + ++loads
    }
  }
  expectTypeOf<Repo["count"]>().toEqualTypeOf<(from: number) => Promise<number>>()
  const repo = new Repo()
  expect([await repo.count(0), await repo.count(0), await repo.countAtRoot(0), await repo.countAtRoot(0)]).toEqual([
    1, 1, 2, 2,
  ])
  expect([await repo.countAnyway(0), await repo.countAnyway(0)]).toEqual([3, 3])
})

test("refuses a method that would return something else than its type says", () => {
  class Repo {
    // @ts-expect-error -- a query has more than the promise that would come out
    @cache.cacheable()
    find(): Query {
      return new Query()
    }
    // @ts-expect-error -- a number is no promise
    @zoocache.cacheable()
    plain(): number {
      return 1
    }
    @cache.cacheable()
    async generic<T>(value: T): Promise<T> {
      return value
    }
    overloaded(id: number): Promise<number>
    overloaded(id: string): Promise<string>
    @cache.cacheable()
    async overloaded(id: number | string): Promise<number | string> {
      return id
    }
  }
  class Rows<T, K extends string> {
    @cache.cacheable({ ttl: "1h" })
    async row(_key: K): Promise<T | undefined> {
      return undefined
    }
    @zoocache.cacheable()
    async rows(): Promise<T[]> {
      return []
    }
    @cache.cacheable()
    async first(): Promise<T> {
      throw new Error("none")
    }
  }
  expectTypeOf(new Rows<number, "a">().row("a")).toEqualTypeOf<Promise<number | undefined>>()
  expectTypeOf(new Repo().generic("a")).toEqualTypeOf<Promise<string>>()
  expectTypeOf(new Repo().overloaded("a")).toEqualTypeOf<Promise<string>>()
})

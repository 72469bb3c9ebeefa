import { describe, expect, test } from "vitest"
import * as zoocache from "zoocache"
import { makeCache } from "../support/caches.js"

describe("@cacheable as a legacy decorator", () => {
  test("caches a method per instance and arguments", async () => {
    const { cache } = makeCache()
    class Repo {
      loads = 0
      readonly org: string
      constructor(org: string) {
        this.org = org
      }
      @cache.cacheable({ deps: (id: number) => [`user:${id}`] })
      async user(id: number): Promise<string> {
        this.loads += 1
        return `${this.org}:${id}:${this.loads}`
      }
    }
    const [a, b] = [new Repo("a"), new Repo("b")]
    expect([await a.user(1), await a.user(1), await a.user(2), await b.user(1)]).toEqual([
      "a:1:1",
      "a:1:1",
      "a:2:2",
      "b:1:1",
    ])
    await cache.invalidate("user:1")
    expect([await a.user(1), await a.user(2), await b.user(1)]).toEqual(["a:1:3", "a:2:2", "b:1:2"])
  })

  test("keyThis says which instances are one, as NestJS needs it for request-scoped providers", async () => {
    const { cache } = makeCache()
    let loads = 0
    class Repo {
      org = "a"
      @cache.cacheable({ name: "user", keyThis: (self: Repo) => self.org })
      async user(id: number): Promise<number> {
        loads += 1
        return id
      }
    }
    await Promise.all([new Repo().user(1), new Repo().user(1)])
    expect(loads).toBe(1)
  })

  test("works on static methods, in subclasses and with inherited methods", async () => {
    const { cache } = makeCache()
    class Base {
      static loads = 0
      readonly kind: string = "base"
      @cache.cacheable({})
      static async load(): Promise<number> {
        Base.loads += 1
        return Base.loads
      }
      @cache.cacheable({})
      async name(): Promise<string> {
        return this.kind
      }
    }
    class Derived extends Base {
      override readonly kind = "derived"
      override async name(): Promise<string> {
        return `derived ${await super.name()}`
      }
    }
    expect([await Base.load(), await Base.load()]).toEqual([1, 1])
    expect([await new Base().name(), await new Derived().name()]).toEqual(["base", "derived derived"])
  })

  test("leaves the property as it was otherwise: not enumerable, writable, configurable", () => {
    const { cache } = makeCache()
    class Repo {
      @cache.cacheable({})
      async user(): Promise<void> {}
    }
    expect(Object.getOwnPropertyDescriptor(Repo.prototype, "user")).toMatchObject({
      enumerable: false,
      writable: true,
      configurable: true,
    })
  })

  test("of the default cache follows configure and reset", async () => {
    await zoocache.reset()
    class Repo {
      @zoocache.cacheable({ deps: ["t"] })
      async user(id: number): Promise<object> {
        return { id }
      }
    }
    zoocache.configure({ ttl: "1h" })
    const repo = new Repo()
    const user = await repo.user(1)
    expect(await repo.user(1)).toBe(user)
    await zoocache.reset()
    expect(await repo.user(1)).not.toBe(user)
    await zoocache.reset()
  })

  test("refuses what is no method", () => {
    const { cache } = makeCache()
    const decorate = cache.cacheable({}) as unknown as (target: object, name: string) => unknown
    expect(() => decorate({}, "rows")).toThrow(
      expect.objectContaining({
        code: "ERR_ZOOCACHE_INVALID_OPTION",
        message: 'Invalid option @cacheable = "rows": it decorates methods, and this is something else',
      }),
    )
  })
})

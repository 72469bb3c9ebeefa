import { describe, expect, test } from "vitest"
import * as zoocache from "zoocache"
import { makeCache, makeShared, rejectionOf } from "../support/caches.js"

/** A class with a cached method on a cache of its own. */
function repos() {
  const bench = makeCache()
  const { cache } = bench
  class Repo {
    loads = 0
    readonly org: string
    constructor(org: string) {
      this.org = org
    }
    @cache.cacheable({ deps: (id: number) => [`user:${id}`] })
    async user(id: number): Promise<{ org: string; id: number; load: number }> {
      this.loads += 1
      return { org: this.org, id, load: this.loads }
    }
  }
  return { ...bench, Repo }
}

describe("@cacheable as a standard decorator", () => {
  test("caches a method per arguments", async () => {
    const { cache, Repo } = repos()
    const repo = new Repo("a")
    const first = await repo.user(1)
    expect(first).toEqual({ org: "a", id: 1, load: 1 })
    expect(await repo.user(1)).toBe(first)
    expect(await repo.user(2)).toEqual({ org: "a", id: 2, load: 2 })
    await cache.invalidate("user:1")
    expect(await repo.user(1)).toEqual({ org: "a", id: 1, load: 3 })
  })

  test("keeps instances apart by default", async () => {
    const { Repo } = repos()
    const [a, b] = [new Repo("a"), new Repo("b")]
    expect([(await a.user(1)).org, (await b.user(1)).org]).toEqual(["a", "b"])
    expect([(await a.user(1)).org, (await b.user(1)).org]).toEqual(["a", "b"])
  })

  test("keyThis says which instances are one", async () => {
    const { cache } = makeCache()
    let loads = 0
    class Repo {
      readonly org: string
      constructor(org: string) {
        this.org = org
      }
      @cache.cacheable({ name: "user", keyThis: (self: Repo) => self.org })
      async user(id: number): Promise<string> {
        loads += 1
        return `${this.org}:${id}`
      }
    }
    expect(await Promise.all([new Repo("a").user(1), new Repo("a").user(1), new Repo("b").user(1)])).toEqual([
      "a:1",
      "a:1",
      "b:1",
    ])
    expect(loads).toBe(2)
  })

  test("works on private, static and symbol-named methods, and in subclasses", async () => {
    const { cache } = makeCache()
    const symbol = Symbol("named")
    class Base {
      static loads = 0
      readonly kind: string = "base"
      @cache.cacheable({})
      static async load(): Promise<number> {
        Base.loads += 1
        return Base.loads
      }
      @cache.cacheable({})
      async [symbol](): Promise<string> {
        return this.kind
      }
      @cache.cacheable({})
      async #secret(id: number): Promise<number> {
        return id * 2
      }
      async secret(id: number): Promise<number> {
        return this.#secret(id)
      }
    }
    class Derived extends Base {
      override readonly kind = "derived"
    }
    expect([await Base.load(), await Base.load()]).toEqual([1, 1])
    expect([await new Base()[symbol](), await new Derived()[symbol]()]).toEqual(["base", "derived"])
    expect(await new Derived().secret(4)).toBe(8)
  })

  test("two classes with a method of the same name do not meet", async () => {
    const { cache } = makeCache()
    class Users {
      @cache.cacheable({ keyThis: () => 0 })
      async find(): Promise<string> {
        return "user"
      }
    }
    class Orders {
      @cache.cacheable({ keyThis: () => 0 })
      async find(): Promise<string> {
        return "order"
      }
    }
    expect(await Promise.all([new Users().find(), new Orders().find()])).toEqual(["user", "order"])
  })

  test("`key` and the hooks get the instance as `this`", async () => {
    const { cache } = makeCache()
    class Repo {
      prefix = "p"
      @cache.cacheable({
        key(this: Repo, id: number) {
          return `${this.prefix}${id}`
        },
        deps(this: Repo, id: number) {
          return [`${this.prefix}:${id}`]
        },
      })
      async user(id: number): Promise<object> {
        return { id }
      }
    }
    const repo = new Repo()
    const user = await repo.user(1)
    expect(await repo.user(1)).toBe(user)
    await cache.invalidate("p:1")
    expect(await repo.user(1)).not.toBe(user)
  })

  test("with a shared log a name and keyThis are needed", async () => {
    const { cache } = await makeShared()
    class Repo {
      @cache.cacheable({ keyThis: () => 1 })
      async unnamed(): Promise<number> {
        return 1
      }
      @cache.cacheable({ name: "user" })
      async user(): Promise<number> {
        return 1
      }
      @cache.cacheable({ name: "fine", keyThis: () => 1 })
      async fine(): Promise<number> {
        return 1
      }
    }
    expect(await rejectionOf(new Repo().unnamed())).toMatchObject({ code: "ERR_ZOOCACHE_MISSING_NAME" })
    expect(await rejectionOf(new Repo().user())).toMatchObject({
      code: "ERR_ZOOCACHE_INVALID_OPTION",
      subject: "keyThis",
      message: expect.stringContaining("pass `keyThis: (self) => ...` with what identifies its instance"),
    })
    expect(await new Repo().fine()).toBe(1)
  })

  test("of the default cache may come before configure", async () => {
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
    await zoocache.invalidate("t")
    expect(await repo.user(1)).not.toBe(user)
    await zoocache.reset()
  })

  test("bad options throw where they are written, and so does what is no method", () => {
    const { cache } = makeCache()
    expect(() => cache.cacheable({ tll: 1 } as object)).toThrow(
      expect.objectContaining({ code: "ERR_ZOOCACHE_INVALID_OPTION", subject: "tll" }),
    )
    const decorate = cache.cacheable({}) as unknown as (value: unknown, context: unknown) => unknown
    expect(() => decorate(undefined, { kind: "field", name: "rows" })).toThrow(
      expect.objectContaining({
        message: 'Invalid option @cacheable = "rows": it decorates methods, and this is a field',
      }),
    )
    expect(
      () =>
        class {
          @cache.cacheable({ keyThis: 1 as never })
          async user(): Promise<void> {}
        },
    ).toThrow(expect.objectContaining({ subject: "keyThis" }))
  })
})

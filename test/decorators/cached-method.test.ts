import { afterEach, describe, expect, test } from "vitest"
import * as zoocache from "zoocache"
import { cachedMethod } from "zoocache"
import { makeCache, makeShared, rejectionOf } from "../support/caches.js"

afterEach(zoocache.reset)

const both = [
  ["a cache", () => makeCache().cache],
  ["the default cache", () => zoocache],
] as const

describe.each(both)("cachedMethod, of %s", (_of, make) => {
  function repos() {
    const cache: Pick<zoocache.Cache, "cacheable" | "invalidate" | "explain"> = make()
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
      @cache.cacheable()
      async #secret(id: number): Promise<number> {
        this.loads += 1
        return id + this.loads
      }
      secret(id: number): Promise<number> {
        return this.#secret(id)
      }
      forgetSecret(id: number): Promise<unknown> {
        return cachedMethod(this, this.#secret).delete(id)
      }
    }
    return { cache, Repo }
  }

  test("calls the method of its instance, through the same entries", async () => {
    const { Repo } = repos()
    const [a, b] = [new Repo("a"), new Repo("b")]
    const ofA = cachedMethod(a, "user")
    expect(await ofA(1)).toBe("a:1:1")
    expect(await a.user(1)).toBe("a:1:1")
    expect(await cachedMethod(b, "user")(1)).toBe("b:1:1")
    expect([ofA.name, ofA.length]).toEqual(["user", 1])
  })

  test("peeks, refreshes, deletes and primes the entries of one instance", async () => {
    const { Repo } = repos()
    const [a, b] = [new Repo("a"), new Repo("b")]
    const ofA = cachedMethod(a, "user")
    await Promise.all([a.user(1), b.user(1)])
    expect(ofA.peek(1)).toBe("a:1:1")
    expect(ofA.peek(2)).toBeUndefined()
    expect(await ofA.refresh(1)).toBe("a:1:2")
    expect(await a.user(1)).toBe("a:1:2")
    await ofA.delete(1)
    expect([await a.user(1), await b.user(1)]).toEqual(["a:1:3", "b:1:1"])
    expect(await ofA.with({ fresh: true })(1)).toBe("a:1:4")
    await ofA.prime([1], "primed", { asOf: "now" })
    await ofA.primeMany([[[2], "too"]], { asOf: "now" })
    expect([await a.user(1), await a.user(2), await b.user(1)]).toEqual(["primed", "too", "b:1:1"])
  })

  test("clears the entries of all instances", async () => {
    const { Repo } = repos()
    const [a, b] = [new Repo("a"), new Repo("b")]
    await Promise.all([a.user(1), b.user(1)])
    await cachedMethod(a, "user").clear()
    expect([await a.user(1), await b.user(1)]).toEqual(["a:1:2", "b:1:2"])
  })

  test("gives keys and explains", async () => {
    const { cache, Repo } = repos()
    const [a, b] = [new Repo("a"), new Repo("b")]
    await a.user(1)
    const key = cachedMethod(a, "user").keyOf(1)
    expect(key).not.toBe(cachedMethod(b, "user").keyOf(1))
    expect(cache.explain(key).state).toBe("fresh")
    expect(cachedMethod(a, "user").explain(1).state).toBe("fresh")
    expect(cachedMethod(b, "user").explain(1).state).toBe("absent")
    await cache.invalidate("user:1")
    expect(cachedMethod(a, "user").explain(1).state).toBe("stale")
  })

  test("takes a private method itself", async () => {
    const { Repo } = repos()
    const repo = new Repo("a")
    expect([await repo.secret(1), await repo.secret(1)]).toEqual([2, 2])
    await repo.forgetSecret(1)
    expect(await repo.secret(1)).toBe(3)
  })

  test("refuses what is no decorated method", () => {
    const { Repo } = repos()
    const repo = new Repo("a")
    const refused = expect.objectContaining({ code: "ERR_ZOOCACHE_INVALID_OPTION", subject: "method" }) as unknown
    expect(() => cachedMethod(repo, "secret")).toThrow(refused)
    expect(() => cachedMethod(repo, "none" as "user")).toThrow(refused)
    expect(() => cachedMethod(undefined as never, "user" as never)).toThrow(
      expect.objectContaining({ code: "ERR_ZOOCACHE_INVALID_OPTION", subject: "self" }),
    )
  })
})

test("cachedMethod uses `key` and `keyThis`", async () => {
  const { cache } = makeCache()
  let loads = 0
  class Repo {
    readonly org: string
    constructor(org: string) {
      this.org = org
    }
    @cache.cacheable({ keyThis: (self: Repo) => self.org, key: (user: { id: number; at: number }) => user.id })
    async user(user: { id: number; at: number }): Promise<number> {
      loads += 1
      return user.id + loads
    }
  }
  await new Repo("a").user({ id: 1, at: 1 })
  const other = cachedMethod(new Repo("a"), "user")
  expect(other.peek({ id: 1, at: 2 })).toBe(2)
  await other.delete({ id: 1, at: 3 })
  expect(await new Repo("a").user({ id: 1, at: 4 })).toBe(3)
})

test("cachedMethod says, with a shared log, that keyThis is missing: a promise rejects, the rest throws", async () => {
  const { cache } = await makeShared()
  class Repo {
    @cache.cacheable({ name: "user" })
    async user(id: number): Promise<number> {
      return id
    }
  }
  const user = cachedMethod(new Repo(), "user")
  const missing = { code: "ERR_ZOOCACHE_INVALID_OPTION", subject: "keyThis" }
  for (const rejecting of [user(1), user.refresh(1), user.delete(1), user.prime([1], 1, { asOf: "now" })]) {
    expect(await rejectionOf(rejecting)).toMatchObject(missing)
  }
  expect(() => user.keyOf(1)).toThrow(expect.objectContaining(missing))
})

test("cachedMethod of the default cache follows it over a reset", async () => {
  let loads = 0
  class Repo {
    @zoocache.cacheable()
    async user(id: number): Promise<number> {
      loads += 1
      return id + loads
    }
  }
  const user = cachedMethod(new Repo(), "user")
  expect([await user(0), await user(0)]).toEqual([1, 1])
  await zoocache.reset()
  expect(user.peek(0)).toBeUndefined()
  expect([await user(0), await user(0)]).toEqual([2, 2])
})

test("cachedMethod finds a method through a wrapper that takes over what it wraps", async () => {
  const { cache } = makeCache()
  function traced<This, Args extends unknown[], R>(method: (this: This, ...args: Args) => R) {
    const wrapper = function (this: This, ...args: Args): R {
      return method.apply(this, args)
    }
    return Object.defineProperties(wrapper, Object.getOwnPropertyDescriptors(method))
  }
  class Repo {
    @traced
    @cache.cacheable()
    async user(id: number): Promise<number> {
      return id
    }
  }
  const repo = new Repo()
  await repo.user(1)
  expect(cachedMethod(repo, "user").peek(1)).toBe(1)
})

test("cachedMethod of a method that two caches keep is that of the outer one", async () => {
  const [inner, outer] = [makeCache().cache, makeCache().cache]
  class Repo {
    @outer.cacheable()
    @inner.cacheable()
    async user(id: number): Promise<number> {
      return id
    }
  }
  const repo = new Repo()
  await repo.user(1)
  await cachedMethod(repo, "user").delete(1)
  const counts = [outer, inner].map((cache) => cache.stats().entries)
  expect(counts).toEqual([0, 1])
})

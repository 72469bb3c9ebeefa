/** The types of `cachedMethod`. */
import { afterAll, expectTypeOf, test } from "vitest"
import { type Cached, cachedMethod, createCache, type Explanation, type Token } from "zoocache"

const cache = createCache()
afterAll(async () => {
  await cache.close()
})

class Repo {
  readonly table = "users"
  @cache.cacheable()
  async user(id: number, locale = "en"): Promise<{ id: number; locale: string }> {
    return { id, locale }
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
  @cache.cacheable()
  async withThis(this: Repo, id: number): Promise<number> {
    return id
  }
  @cache.cacheable()
  static async count(): Promise<number> {
    return 1
  }
  @cache.cacheable()
  protected async hidden(id: number): Promise<number> {
    return id
  }
  plain(): number {
    return 1
  }
  forget(id: number): Promise<Token | undefined> {
    return cachedMethod(this, this.hidden).delete(id)
  }
}

const repo = new Repo()

test("has the types of a cached function", () => {
  const user = cachedMethod(repo, "user")
  expectTypeOf(user).toEqualTypeOf<Cached<Repo["user"]>>()
  expectTypeOf<Parameters<typeof user.keyOf>>().toEqualTypeOf<Parameters<Repo["user"]>>()
  expectTypeOf(user.explain(1)).toEqualTypeOf<Explanation>()
  expectTypeOf(user.refresh(1, "de")).toEqualTypeOf<Promise<{ id: number; locale: string }>>()
  expectTypeOf(user.peek(1)).toEqualTypeOf<{ id: number; locale: string } | undefined>()
  expectTypeOf(user.delete(1)).resolves.toEqualTypeOf<Token | undefined>()
  const { generic } = { generic: cachedMethod(repo, "generic") }
  expectTypeOf(generic("a")).toEqualTypeOf<Promise<string>>()
  const overloaded = cachedMethod(repo, "overloaded")
  expectTypeOf(overloaded(1)).toEqualTypeOf<Promise<number>>()
  expectTypeOf(overloaded("a")).toEqualTypeOf<Promise<string>>()
  expectTypeOf(cachedMethod(Repo, "count")()).toEqualTypeOf<Promise<number>>()
})

test("needs no `this`, since it has one", () => {
  expectTypeOf(cachedMethod(repo, "withThis")).toBeCallableWith(1)
})

test("takes a method in place of its name", () => {
  expectTypeOf(cachedMethod(repo, repo.user)).toEqualTypeOf<Cached<Repo["user"]>>()
})

test("refuses what can't be a cached method", () => {
  const never = (): void => {
    // @ts-expect-error -- a number is no promise
    cachedMethod(repo, "plain")(1)
    // @ts-expect-error -- no such method
    cachedMethod(repo, "none")
    // @ts-expect-error -- an id is a number
    void cachedMethod(repo, "user").delete("1")
    // @ts-expect-error -- a field is no method
    cachedMethod(repo, "table")()
  }
  expectTypeOf(never).toBeFunction()
})

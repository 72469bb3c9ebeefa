/** Cached functions as users define them; `hover.test.ts` reads what an editor shows of them. */
import { createCache } from "zoocache"

interface User {
  id: number
}

interface Query<T> extends PromiseLike<T> {
  limit(rows: number): this
}

declare const find: (id: number) => Query<User>
declare const load: {
  (id: number): Promise<User>
  (slug: string, locale?: string): Promise<User[]>
}

const cache = createCache()

export const getUser = cache.cacheable(async (id: number, _locale?: string): Promise<User> => ({ id }))
export const called = getUser(1)
export const { keyOf, peek, refresh, with: withOptions } = getUser
export const { delete: del, prime } = getUser

export const double = cache.cacheable((n: number) => n * 2)
export const doubled = double(1)
export const { peek: peekDouble, refresh: refreshDouble } = double

export const findUser = cache.cacheable(find)
export const found = findUser(1)
export const { refresh: refreshFound } = findUser

export const overloaded = cache.cacheable(load)
export const {
  keyOf: keyOfOverloaded,
  prime: primeOverloaded,
  peek: peekOverloaded,
  refresh: refreshOverloaded,
} = overloaded

export const first = cache.cacheable(async <T>(list: readonly T[]): Promise<T | undefined> => list[0])
export const { refresh: refreshFirst } = first

export const size = cache.cacheableSync((text: string) => text.length)
export const { peek: peekSize, refresh: refreshSize } = size

export const users = cache.cacheableMany(async (ids: readonly number[]) => ids.map((id): User | null => ({ id })))
export const { one } = users

export const token = cache.invalidate("user:1")
export const loaded = cache.getOrLoad("user:1", () => find(1))

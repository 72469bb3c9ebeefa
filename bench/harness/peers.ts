// Every library set up for the same job: a function of one id, with a tag of its own where the library has tags.
import type { CacheOptions } from "zoocache"

export interface User {
  readonly id: number
  readonly name: string
}

/** An id, or the string that the library wants instead, made beforehand: building it is not the library's cost. */
export type Key = number | string

export interface Job {
  readonly load: (key: Key) => Promise<User>
  /** How many entries there is room for. */
  readonly capacity: number
  /** Default: one tag of its own. */
  readonly tagsOf?: (key: Key) => string[]
}

/** A library at that job. */
export interface Subject {
  readonly read: (key: Key) => Promise<User | null | undefined>
  readonly keyOf: (id: number) => Key
  readonly invalidate?: (tag: string) => Promise<unknown>
}

const HOUR_MS = 3_600_000
const ofNumber = (id: number): Key => id
const ofString = (id: number): Key => `user:${id}`
const ownTag = (key: Key): string[] => [typeof key === "number" ? `user:${key}` : key]

/** The id that a key was made of. */
export function idOf(key: Key): number {
  return typeof key === "number" ? key : Number(key.slice(key.indexOf(":") + 1))
}

export const subjects = {
  Map: async ({ load }) => {
    const users = new Map<Key, User>()
    async function read(key: Key): Promise<User> {
      const known = users.get(key)
      if (known !== undefined) return known
      const user = await load(key)
      users.set(key, user)
      return user
    }
    return Promise.resolve({ read, keyOf: ofNumber })
  },

  "Map of promises": async ({ load }) => {
    const users = new Map<Key, Promise<User>>()
    async function read(key: Key): Promise<User> {
      let user = users.get(key)
      if (user === undefined) {
        user = load(key)
        users.set(key, user)
      }
      return await user
    }
    return Promise.resolve({ read, keyOf: ofNumber })
  },

  zoocache: (job) => zoocache(job, { memory: { maxEntries: job.capacity } }),

  "lru-cache": async ({ load, capacity }) => {
    const { LRUCache } = await import("lru-cache")
    const cache = new LRUCache<Key, User>({ max: capacity, ttl: HOUR_MS, fetchMethod: load })
    return { read: (key) => cache.fetch(key), keyOf: ofNumber }
  },

  "layered-loader": async ({ load, capacity }) => {
    const { Loader } = await import("layered-loader")
    const loader = new Loader<User>({
      inMemoryCache: { ttlInMsecs: HOUR_MS, maxItems: capacity },
      dataSourceGetOneFn: load,
    })
    return { read: (key) => loader.get(key as string), keyOf: ofString }
  },

  "p-memoize": async ({ load }) => {
    const { default: pMemoize } = await import("p-memoize")
    return { read: pMemoize(load), keyOf: ofNumber }
  },

  "async-cache-dedupe": async ({ load, capacity, tagsOf = ownTag }) => {
    const { createCache } = await import("async-cache-dedupe")
    const cache = createCache({
      ttl: HOUR_MS / 1000,
      storage: { type: "memory", options: { size: capacity, invalidation: true } },
    }).define("user", { references: tagsOf }, load)
    return { read: (key) => cache.user(key), keyOf: ofNumber, invalidate: (tag) => cache.invalidateAll(tag) }
  },

  "cache-manager": async ({ load }) => {
    const { createCache } = await import("cache-manager")
    const cache = createCache({ ttl: HOUR_MS })
    return { read: (key) => cache.wrap(key as string, () => load(key)), keyOf: ofString }
  },

  cacheable: async ({ load }) => {
    const { Cacheable } = await import("cacheable")
    const cache = new Cacheable({ ttl: "1h" })
    return { read: (key) => cache.getOrSet(key as string, () => load(key)), keyOf: ofString }
  },

  "bentocache, serialize: false": (job) => bentocache(job, false),

  bentocache: (job) => bentocache(job, true),
} satisfies Record<string, (job: Job) => Promise<Subject>>

export async function zoocache({ load, tagsOf = ownTag }: Job, options: CacheOptions): Promise<Subject> {
  const { createCache } = await import("zoocache")
  const cache = createCache({ ttl: "1h", ...options })
  const read = cache.cacheable(load, { name: "user", deps: tagsOf })
  return { read, keyOf: ofNumber, invalidate: (tag) => cache.invalidate(tag) }
}

async function bentocache({ load, capacity, tagsOf = ownTag }: Job, serialize: boolean): Promise<Subject> {
  const { BentoCache, bentostore } = await import("bentocache")
  const { memoryDriver } = await import("bentocache/drivers/memory")
  const driver = memoryDriver({ maxItems: capacity, serialize })
  const cache = new BentoCache({ default: "memory", stores: { memory: bentostore().useL1Layer(driver) } })
  return {
    read: (key) => cache.getOrSet({ key: key as string, ttl: "1h", tags: tagsOf(key), factory: () => load(key) }),
    keyOf: ofString,
    invalidate: (tag) => cache.deleteByTag({ tags: [tag] }),
  }
}

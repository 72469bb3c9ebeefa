/** An option that is undefined is one that was left out, whatever `exactOptionalPropertyTypes` says. */
import { afterEach, describe, expect, expectTypeOf, test } from "vitest"
import * as zoocache from "zoocache"
import type { InProcessLogOptions } from "zoocache/backend"
import { type CodecOptions, createCodec } from "zoocache/codec"
import { lmdb, type LmdbOptions } from "zoocache/lmdb"
import { redis, type RedisNode, type RedisOptions } from "zoocache/redis"
import type * as testing from "zoocache/testing"

/** The options that may be left out, but must not be undefined. */
type Refusing<Options> = {
  [Name in keyof Options]-?: object extends Pick<Options, Name>
    ? Record<Name, undefined> extends Pick<Options, Name>
      ? never
      : Name
    : never
}[keyof Options]

/** All of them, undefined. A new one that is missing in a test below does not compile. */
type AllUndefined<Options> = {
  [Name in keyof Options as object extends Pick<Options, Name> ? Name : never]-?: undefined
}

const behaviour: AllUndefined<zoocache.BehaviourOptions> = {
  ttl: undefined,
  idleTtl: undefined,
  jitter: undefined,
  grace: undefined,
  timeout: undefined,
  earlyRefresh: undefined,
  isolation: undefined,
  inherit: undefined,
  tracking: undefined,
  context: undefined,
  singleflight: undefined,
  finish: undefined,
}

const ofCache: AllUndefined<zoocache.CacheOptions> = {
  ...behaviour,
  name: undefined,
  prefix: undefined,
  backend: undefined,
  store: undefined,
  codec: undefined,
  strict: undefined,
  log: undefined,
  memory: undefined,
  staleness: undefined,
  ackTimeout: undefined,
  maxLoads: undefined,
  enabled: undefined,
  redefine: undefined,
  waitUntil: undefined,
  onFault: undefined,
  clock: undefined,
  random: undefined,
}

const ofLoad: AllUndefined<Omit<zoocache.LoadOptions<unknown>, "signal">> = {
  ...behaviour,
  deps: undefined,
  depsOf: undefined,
  cacheIf: undefined,
  cacheErrors: undefined,
  validate: undefined,
  tiers: undefined,
  private: undefined,
  whenUnsure: undefined,
  sizeOf: undefined,
}

const ofFunction: AllUndefined<zoocache.FunctionOptions<[], unknown>> = {
  ...ofLoad,
  name: undefined,
  version: undefined,
  key: undefined,
  revalidate: undefined,
}

const ofSet: AllUndefined<zoocache.SetOptions> = { deps: undefined, ttl: undefined, asOf: undefined }
const ofInvalidate: AllUndefined<zoocache.InvalidateOptions> = { wait: undefined, signal: undefined }
const ofLookup: AllUndefined<zoocache.LookupOptions> = { expired: undefined, deps: undefined }
const ofOneLoad: AllUndefined<zoocache.LoadSettings> = { ttl: undefined, grace: undefined, tiers: undefined }
const ofSync: AllUndefined<zoocache.SyncOptions> = { timeout: undefined, signal: undefined }
const ofCall: AllUndefined<zoocache.CallOptions> = { signal: undefined, fresh: undefined }

afterEach(() => zoocache.reset())

test("every option may be undefined", () => {
  interface Missing {
    refused?: number
    taken?: number | undefined
    needed: number
  }
  expectTypeOf<Refusing<Missing>>().toEqualTypeOf<"refused">()

  expectTypeOf<Refusing<zoocache.AgeOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<zoocache.BehaviourOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<zoocache.CacheOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<zoocache.ConfigureOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<zoocache.MemoryOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<zoocache.StalenessOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<zoocache.FunctionOptions<[id: number], string>>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<zoocache.ManyOptions<number, string>>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<zoocache.MethodOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<zoocache.LoadOptions<string>>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<zoocache.CallOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<zoocache.SetOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<zoocache.InvalidateOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<zoocache.SyncOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<zoocache.LookupOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<zoocache.LoadSettings>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<InProcessLogOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<Exclude<zoocache.Singleflight, string>>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<Extract<zoocache.AgeOptions["timeout"], object>>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<CodecOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<LmdbOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<RedisOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<RedisNode>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<Extract<RedisOptions["writeQueue"], object>>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<testing.FaultyLogOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<testing.MemoryStoreOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<testing.RemoteMemoryStoreOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<testing.LogConformanceOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<testing.StoreConformanceOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<testing.LeaseConformanceOptions>>().toEqualTypeOf<never>()
  expectTypeOf<Refusing<testing.ValueConformanceOptions>>().toEqualTypeOf<never>()
})

describe("an undefined option counts as one that was left out", () => {
  test("of a cache", async () => {
    const timeout = { soft: undefined, hard: undefined }
    const memory: AllUndefined<zoocache.MemoryOptions> = {
      maxEntries: undefined,
      maxBytes: undefined,
      sizeOf: undefined,
    }
    const staleness: AllUndefined<zoocache.StalenessOptions> = { bound: undefined, whenUnsure: undefined }
    const singleflight = { scope: "cluster", lease: undefined, wait: undefined } as const
    for (const more of [{}, { timeout }, { memory, staleness }, { singleflight }]) {
      await using cache = zoocache.createCache({ ...ofCache, ...more })
      await cache.set("key", 1)
      expect(await cache.get("key")).toBe(1)
    }
    for (const name of Object.keys(ofCache)) {
      await using cache = zoocache.createCache({ [name]: undefined })
      expect(cache.status().state).toBe("ready")
    }
    await using cache = zoocache.createCache(undefined)
    expect(cache.status().state).toBe("ready")
  })

  test("of the default cache, for which it is the same setting too", () => {
    const urls: AllUndefined<Pick<zoocache.ConfigureOptions, "storageUrl" | "busUrl">> = {
      storageUrl: undefined,
      busUrl: undefined,
    }
    zoocache.configure({ ttl: "1h" })
    zoocache.configure({ ...ofCache, ...urls, ttl: "1h" })
    expect(() => zoocache.configure({ ttl: undefined })).toThrow(zoocache.ConfigurationError)
  })

  test("of functions", async () => {
    await using cache = zoocache.createCache({ ttl: "1h" })
    for (const home of [cache, zoocache]) {
      const plain = home.cacheable(async (id: number) => ({ id }), ofFunction)
      expect(await plain(1)).toBe(await plain(1))
      expect(await plain.with(ofCall)(1)).toBe(await plain(1))
      expect(plain.keyOf(1)).not.toBe(plain.keyOf(2))
      const bare = home.cacheable(async (id: number) => ({ id }), undefined)
      expect(await bare(1)).toBe(await bare(1))
      const sync = home.cacheableSync((id: number) => ({ id }), ofFunction)
      expect(sync(1)).toBe(sync(1))
      const many = home.cacheableMany((ids: readonly number[]) => ids.map((id) => ({ id })), {
        ...ofFunction,
        maxBatch: undefined,
      })
      expect(await many.one(1)).toBe(await many.one(1))
      class Repo {
        @home.cacheable({ ...ofFunction, keyThis: undefined })
        async row(id: number): Promise<object> {
          return { id }
        }
      }
      const repo = new Repo()
      expect(await repo.row(1)).toBe(await repo.row(1))
      const loaded = await home.getOrLoad("loaded", () => ({}), { ...ofLoad, signal: undefined })
      expect(await home.getOrLoad("loaded", () => ({}), undefined)).toBe(loaded)
    }
    const single = { lease: undefined, wait: undefined, scope: "cluster" } as const
    const timed = cache.cacheable(async () => ({}), {
      timeout: { soft: undefined, hard: undefined },
      singleflight: single,
    })
    expect(await timed()).toBe(await timed())
    // What `getOrLoad` does not have may be undefined as well: options that were made for both.
    const rest: object = ofFunction
    expect(await cache.getOrLoad("rest", () => 1, rest)).toBe(1)
  })

  test("of calls", async () => {
    await using cache = zoocache.createCache()
    for (const home of [cache, zoocache]) {
      await home.set("a", 1, ofSet)
      await home.set("a", 1, undefined)
      await home.setMany([
        ["b", 2, ofSet],
        ["c", 3, undefined],
      ])
      expect(await home.lookup("a", ofLookup)).toMatchObject({ value: 1, state: "fresh" })
      expect(await home.lookup("a", undefined)).toMatchObject({ value: 1, state: "fresh" })
      expect(await home.getOrLoad("d", (load) => load.set(ofOneLoad))).toBeUndefined()
      expect([...(await home.getMany(["a", "b", "c"])).values()]).toEqual([1, 2, 3])
      const tokens = [
        await home.invalidate(["t"], ofInvalidate),
        await home.invalidate(["t"], undefined),
        await home.expire(["t"], ofInvalidate),
      ]
      for (const token of tokens) await home.sync(token, ofSync)
      await home.sync(undefined, ofSync)
      await home.sync(undefined, undefined)
      expect(home.prune(undefined)).toMatchObject({ entries: 0 })
    }
  })

  test("of codecs and backends", () => {
    const ofCodec: AllUndefined<CodecOptions> = { threshold: undefined, maxEntryBytes: undefined }
    expect(createCodec(ofCodec)).toBeDefined()
    const ofLmdb: AllUndefined<LmdbOptions> = {
      mapSize: undefined,
      maxEntries: undefined,
      maxBytes: undefined,
      maxTags: undefined,
      maxKeys: undefined,
      durable: undefined,
      codec: undefined,
    }
    expect(lmdb({ ...ofLmdb, path: "never-opened" }).name).toBe("lmdb")
    const ofRedis: AllUndefined<RedisOptions> = {
      url: undefined,
      sentinels: undefined,
      name: undefined,
      sentinelUsername: undefined,
      sentinelPassword: undefined,
      cluster: undefined,
      username: undefined,
      password: undefined,
      db: undefined,
      tls: undefined,
      natMap: undefined,
      client: undefined,
      subscriber: undefined,
      entries: undefined,
      logUrl: undefined,
      maxTags: undefined,
      maxKeys: undefined,
      onFailover: undefined,
      readFrom: undefined,
      replicaUrl: undefined,
      readTimeout: undefined,
      replyTimeout: undefined,
      connectTimeout: undefined,
      maxEntryBytes: undefined,
      writeQueue: undefined,
      codec: undefined,
    }
    const writeQueue = { maxEntries: undefined, maxBytes: undefined }
    expect(redis({ ...ofRedis, url: "redis://localhost:1" }).name).toBe("redis")
    expect(redis({ ...ofRedis, url: "redis://localhost:1", writeQueue }).name).toBe("redis")
    expect(redis({ ...ofRedis, cluster: [{ host: "localhost", port: undefined }] }).name).toBe("redis")
  })
})

test("a token may be undefined where the change has not been appended, and `sync` takes it", async () => {
  await using cache = zoocache.createCache()
  const row = cache.cacheable(async (id: number) => id, { name: "row" })
  const many = cache.cacheableMany((ids: readonly number[]) => ids.map((id) => id), { name: "many" })
  const size = cache.cacheableSync((text: string) => text.length, { name: "size" })
  const changes = () => [
    cache.invalidate("t"),
    cache.expire("t"),
    cache.set("key", 1),
    cache.setMany([["key", 1]]),
    cache.delete("key"),
    cache.clear(),
    cache.collect().commit(),
    row.delete(1),
    row.clear(),
    many.delete(1),
    many.clear(),
    size.delete("a"),
    size.clear(),
  ]
  expectTypeOf(changes).returns.toEqualTypeOf<Promise<zoocache.Token | undefined>[]>()
  const outside = await Promise.all(changes())
  expect(outside.every((token) => typeof token === "string")).toBe(true)
  const inside = await cache.transaction(async () => {
    const tokens = await Promise.all(changes())
    expect(tokens.filter((token) => token !== undefined)).toEqual([])
    return tokens
  })
  for (const token of [...outside, ...inside]) await cache.sync(token)
})

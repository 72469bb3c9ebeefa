import { basename } from "node:path"
import type { Redis } from "ioredis"
import type { Cache, CacheOptions } from "zoocache"
import type { RedisServer } from "../../test/redis/support/server.js"
import { nextTurn } from "./timing.js"
import type { Answer } from "./question.js"

export interface BenchServer {
  readonly server: RedisServer
  /** Such as `redis-server 7.0.15`. */
  readonly version: string
}

/**
 * Lets `use` have a server of its own, which keeps nothing, on a free port of 127.0.0.1, with its files in a temporary
 * folder; it ends on every path. Where none is installed the question is not answered, and says so.
 */
export async function withRedis(use: (server: BenchServer) => Promise<Answer>): Promise<Answer> {
  // Of the tests; not loaded in the processes of the contestants, which only get its url.
  const { look } = await import("../../test/redis/support/find-server.js")
  let program
  try {
    program = look()
  } catch (error) {
    return notRun((error as Error).message.replace(/\.$/, ""))
  }
  if (program === undefined) {
    return notRun(
      "it needs a Redis or Valkey server, and there is none. Install redis-server or valkey-server (Debian, Ubuntu: " +
        "apt-get install redis-server; macOS: brew install redis), or set REDIS_SERVER to the path of the program",
    )
  }
  const { RedisServer } = await import("../../test/redis/support/server.js")
  const server = await RedisServer.start()
  try {
    return await use({ server, version: `${basename(program.path)} ${program.version}` })
  } finally {
    await server[Symbol.asyncDispose]()
  }
}

function notRun(reason: string): Answer {
  return { tables: [], bars: [], notes: [], notRun: reason }
}

/** A client as its users make it, once it is connected. */
export async function connect(url: string, options: { readonly enableAutoPipelining?: boolean } = {}): Promise<Redis> {
  const { Redis: Client } = await import("ioredis")
  const client = new Client(url, { lazyConnect: true, ...options })
  await client.connect()
  return client
}

/** A cache on the server, once it has read the log. */
export async function openCache(url: string, prefix: string, options: CacheOptions = {}): Promise<Cache> {
  const { createCache } = await import("zoocache")
  const { redis } = await import("zoocache/redis")
  const cache = createCache({ backend: redis({ url }), prefix, ttl: "1h", ...options })
  await cache.ready()
  return cache
}

/** What is stored goes out in the background. */
export async function written(cache: Cache): Promise<void> {
  while ((cache.stats().store?.queued ?? 0) > 0) await nextTurn()
}

/** Does it so many times, so many at once. */
export async function inGroups(count: number, perGroup: number, once: (at: number) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < count; from += perGroup) {
    const size = Math.min(perGroup, count - from)
    await Promise.all(Array.from({ length: size }, (_, at) => once(from + at)))
  }
}

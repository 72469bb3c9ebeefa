/**
 * A server of requests, each with an AsyncLocalStorage store of its own, that loads the library in the first of them.
 * Prints as JSON which stores were seen by code that belongs to no request, and how many requests are still in memory.
 *
 *     node --expose-gc requests.mjs <url of everything.mjs> memory|lmdb|redis|silent-log [path or url]
 */
import { AsyncLocalStorage } from "node:async_hooks"
import { subscribe } from "node:diagnostics_channel"
import { setTimeout as sleep } from "node:timers/promises"
import type { RemoteLog } from "../../../src/core/ports/log.js"
import type * as Everything from "./everything.js"

interface Request {
  readonly tenant: number
  readonly body: Uint8Array
}

const [library = "", kind = "memory", where = ""] = process.argv.slice(2)
const requests = new AsyncLocalStorage<Request>()
const alive: WeakRef<Request>[] = []
/** By the code that looked. */
const seen: Record<string, Set<unknown>> = {}
/** Held like a pool or a server that lives as long as the process. */
const shutdown = new AbortController()

function request<T>(handle: () => T): T {
  const store = { tenant: alive.length + 1, body: new Uint8Array(100_000) }
  alive.push(new WeakRef(store))
  return requests.run(store, handle)
}

function look(by: string): void {
  seen[by] ??= new Set()
  seen[by].add(requests.getStore()?.tenant ?? "none")
}

/** Whatever a request is still needed for ends within some turns. */
async function requestsAlive(): Promise<number> {
  let count = alive.length
  for (let round = 0; round < 30 && count > 0; round += 1) {
    await sleep(20)
    ;(globalThis as { gc?: () => void }).gc?.()
    count = alive.filter((held) => held.deref() !== undefined).length
  }
  return count
}

/** A log that answers pulls, and never an append. */
function silentLog(): RemoteLog {
  const epoch = { ordinal: 1_767_225_600, nonce: "silent" }
  const unanswered: unknown[] = []
  return {
    local: false,
    append: () => new Promise((resolve) => unanswered.push(resolve)),
    pull: async () => ({ epoch, head: 1, floor: 0, keyFloor: 0, changes: [] }),
    listen: () => () => {},
    close: () => {},
  } as unknown as RemoteLog
}

function open(zoocache: typeof Everything, options: Everything.CacheOptions = {}): Everything.Cache {
  const { createCache, lmdb, redis } = zoocache
  if (kind === "lmdb") return createCache({ ...options, backend: lmdb({ path: where }) })
  if (kind === "redis") return createCache({ ...options, backend: redis({ url: where }) })
  if (kind === "silent-log") return createCache({ ...options, log: silentLog(), ackTimeout: 20 })
  return createCache(options)
}

/** Each way of using a cache, in requests of their own. Gives what the process would hold for ever. */
async function useEverything(zoocache: typeof Everything): Promise<unknown> {
  const cache = request(() => open(zoocache, { prefix: "uses" }))
  await request(() => cache.ready())
  const row = cache.cacheable(async (id: number) => ({ id }), { name: "row", deps: (id) => [`row:${id}`] })
  const limited = cache.cacheable(async (id: number) => id, { name: "limited", ttl: "1h", timeout: "1h" })
  const broken = cache.cacheable(
    async (id: number): Promise<never> => {
      throw new Error(`no ${id}`)
    },
    { name: "broken", cacheErrors: "1h" },
  )
  const copied = cache.cacheable(async (id: number) => ({ id }), { name: "copied", isolation: "clone" })
  const slow = cache.cacheable(async (id: number) => (await sleep(10), id), { name: "slow", ttl: "1h" })
  const many = cache.cacheableMany(async (ids: readonly number[]) => ids.map((id) => ({ id })), { name: "many" })
  const sync = kind === "redis" ? undefined : cache.cacheableSync((id: number) => id, { name: "sync" })
  for (let id = 0; id < 5; id += 1) {
    await row(id)
    const uses: (() => unknown)[] = [
      () => row(id),
      () => row(id),
      () => row(id + 100),
      () => limited(id),
      () => broken(id).catch(() => {}),
      () => broken(id).catch(() => {}),
      () => copied(id),
      () => copied(id),
      () => Promise.all([slow(id), slow(id), row.with({ fresh: true })(id), row.with({ fresh: true })(id)]),
      () => slow.with({ signal: shutdown.signal })(id + 100),
      () => many([id, id + 1, id + 2]),
      () => many.one(id),
      () => sync?.(id),
      () => cache.set(`set:${id}`, { id }, { deps: [`row:${id}`] }).catch(() => {}),
      () => cache.get(`set:${id}`),
      () => cache.getMany([`set:${id}`, "none"]),
      () => cache.getOrLoad(`loaded:${id}`, async () => ({ id })),
      () => cache.getOrLoad(`loaded:${id}`, async () => ({ id })),
      () => row.peek(id),
      () => row.prime([id], { id }, { asOf: "now" } as never).catch(() => {}),
      () => cache.invalidate(`row:${id}`).catch(() => {}),
      () => cache.invalidate([`row:${id}`], { wait: false }),
      () => cache.expire(`row:${id}`).catch(() => {}),
      () => row(id),
      () => row(id),
      () => cache.transaction(async () => void cache.invalidate("other")).catch(() => {}),
      () => cache.sync(undefined, { timeout: 100 }).catch(() => {}),
      () => cache.delete(`set:${id}`).catch(() => {}),
      () => cache.lookup(`loaded:${id}`),
      () => cache.scope(`tenant:${id}`).cacheable(async () => id, { name: "scoped" })(),
    ]
    for (const use of uses) await request(async () => void (await use()))
  }
  // Bound to the default cache by their first call, which also makes it.
  const bound = zoocache.cacheable(async (id: number) => id, { name: "bound" })
  for (let id = 0; id < 3; id += 1) await request(async () => void (await bound(1)))
  return [cache, row, limited, broken, copied, slow, many, sync, bound]
}

/** Code that runs on behalf of no request, while requests come and go. */
async function lookFromOutside(zoocache: typeof Everything): Promise<void> {
  const clock = new zoocache.ManualClock()
  for (const name of ["evict", "stale", "expire", "refresh"]) subscribe(`zoocache:${name}`, () => look(`event ${name}`))
  const cache = request(() => open(zoocache, { prefix: "outside", ...(kind === "memory" && { clock }) }))
  await cache.ready()
  const pass = async (ms: number) => {
    if (kind === "memory") clock.advance(ms)
    else await sleep(ms)
  }
  const many = cache.cacheableMany(
    async (ids: readonly number[]) => {
      look("batch")
      return ids.map((id) => id)
    },
    { name: "batched" },
  )
  const early = cache.cacheable(async () => look("early refresh"), { name: "early", ttl: "1h", earlyRefresh: 0.0001 })
  const root = cache.cacheable(async () => look("context: root"), { name: "root", context: "root" })
  const graced = cache.cacheable(async () => look("grace refresh"), { name: "graced", ttl: 50, grace: "1h" })
  const nested = cache.cacheable(
    () => {
      // With async hooks this is noted on whatever runs: of the root context nothing may be left.
      requests.enterWith({ tenant: -1, body: new Uint8Array(1) })
      return requests.run({ tenant: -2, body: new Uint8Array(1) }, () => root.refresh())
    },
    { name: "nested", context: "root" },
  )
  await request(() => early())
  await request(() => graced())
  // The loads of their callers, in their contexts.
  delete seen["early refresh"]
  delete seen["grace refresh"]
  await pass(500)
  await request(() => many([1, 2]))
  await request(() => root())
  await request(() => early())
  await request(() => graced())
  await request(() => nested())
  await request(() => root.refresh())
  await sleep(50)
  // Taken out by a sweep.
  const short = cache.cacheable(async (id: number) => id, { name: "short", ttl: 20 })
  await request(() => short(1))
  for (let round = 0; round < 100 && seen["event expire"] === undefined; round += 1) {
    await pass(100)
    await sleep(1)
  }
  await cache.close()
}

const zoocache = await request(() => import(library) as Promise<typeof Everything>)
const held = await useEverything(zoocache)
const requestsMade = alive.length
const requestsLeft = await requestsAlive()
if (kind !== "silent-log") await lookFromOutside(zoocache)
const report = Object.fromEntries(Object.entries(seen).map(([by, tenants]) => [by, [...tenants]]))
console.log(
  JSON.stringify({
    left: alive.slice(0, requestsMade).flatMap((held, index) => (held.deref() === undefined ? [] : [index + 1])),
    requestsMade,
    requestsLeft,
    seen: report,
    held: Array.isArray(held),
  }),
)
process.exit(0)

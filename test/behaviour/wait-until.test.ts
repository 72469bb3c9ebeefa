/** `waitUntil`: a runtime hears of work that goes on after a call, in the caller's context. */
import { AsyncLocalStorage } from "node:async_hooks"
import { expect, test } from "vitest"
import { type CacheOptions, createCache } from "zoocache"
import { RemoteMemoryStore, settled } from "zoocache/testing"
import { makeCache, makeShared, rejectionOf, stateOf, steered } from "../support/caches.js"
import { Machine, rowsOf } from "../support/shared.js"

const request = new AsyncLocalStorage<string>()

/** What was told, by whose request. */
function listener() {
  const told: { readonly work: Promise<void>; readonly by: string | undefined }[] = []
  const waitUntil = (work: Promise<void>) => void told.push({ work, by: request.getStore() })
  const states = () =>
    Promise.all(told.map(async ({ work }) => ((await stateOf(work)) === "pending" ? "open" : "done")))
  return { told, waitUntil, states }
}

test("is not called where nothing goes on: hits, loads in memory, invalidations that are waited for", async () => {
  const { told, waitUntil } = listener()
  const { cache } = makeCache({ waitUntil })
  const load = cache.cacheable(async () => 1, { deps: ["t"] })
  await load()
  await load()
  await cache.set("key", 1)
  await cache.invalidate("t")
  await cache.invalidate(["t"], { wait: false })
  expect(told).toEqual([])
})

test("hears of a refresh in the background, until it has landed, from the caller that set it going", async () => {
  for (const options of [
    { ttl: 10, grace: 1000 },
    { ttl: 100, earlyRefresh: 0.1 },
  ]) {
    const { told, waitUntil, states } = listener()
    const { cache, clock } = makeCache({ waitUntil })
    const source = steered<number>()
    const load = cache.cacheable(source.loader, { ...options, timeout: "1h" })
    const first = load()
    source.last.resolve(1)
    await first
    clock.advance(20)
    expect(await request.run("reader", () => load())).toBe(1)
    await load()
    expect(told.map(({ by }) => by)).toEqual(["reader"])
    expect(await states()).toEqual(["open"])
    source.last.resolve(2)
    expect(await states()).toEqual(["done"])
    expect(load.peek()).toBe(2)
  }
})

test("the promise of a refresh that fails does not reject", async () => {
  const { told, waitUntil, states } = listener()
  const { cache, clock, faults } = makeCache({ waitUntil })
  let isDown = false
  const load = cache.cacheable(async () => (isDown ? Promise.reject(new Error("down")) : 1), { ttl: 10, grace: 1000 })
  await load()
  isDown = true
  clock.advance(20)
  await load()
  expect(await states()).toEqual(["done"])
  expect(told).toHaveLength(1)
  expect(faults).toHaveLength(1)
})

/** A node whose store writes when the test says so. */
async function withStore(options: CacheOptions = {}) {
  const heard = listener()
  const machine = new Machine()
  const store = new RemoteMemoryStore({ codec: machine.codec, data: machine.data, clock: machine.clock })
  const node = await machine.join({ waitUntil: heard.waitUntil, store, ...options })
  return { ...heard, ...node, machine, store }
}

test("hears of a load until its result is stored", async () => {
  const { cache, told, states, store } = await withStore()
  const rows = rowsOf(cache, new Map([[1, "row"]]))
  store.decide = (operation) => (operation.kind === "put" ? "hold" : "pass")
  expect(await request.run("reader", () => rows.read(1))).toBe("row")
  expect(told.map(({ by }) => by)).toEqual(["reader"])
  expect(await states()).toEqual(["open"])
  for (const held of store.held) await held.answer()
  expect(await states()).toEqual(["done"])
})

test("hears of a refresh that looks into the store first, until what it loads is stored", async () => {
  const { cache, told, states, store, clock } = await withStore({ ttl: 10, grace: 10_000 })
  const rows = rowsOf(cache, new Map([[1, "row"]]))
  await rows.read(1)
  await settled()
  told.length = 0
  clock.advance(20)
  store.decide = (operation) => (operation.kind === "put" ? "hold" : "pass")
  await request.run("reader", () => rows.read(1))
  expect(told.map(({ by }) => by)).toEqual(["reader"])
  expect(await states()).toEqual(["open"])
  for (const held of store.held) await held.answer()
  expect(await states()).toEqual(["done"])
  expect(rows.loads).toBe(2)
})

test("hears of what a synchronous function stores", async () => {
  const { told, waitUntil, states } = listener()
  const machine = new Machine()
  const { cache } = await machine.join({ waitUntil })
  cache.cacheableSync(() => 1, { name: "sync" })()
  expect(told).toHaveLength(1)
  expect(await states()).toEqual(["done"])
  expect(machine.data.size).toBe(1)
})

test('hears of a load with `finish: "always"`, from each caller, and until it has landed', async () => {
  const { told, waitUntil, states } = listener()
  const { cache } = makeCache({ waitUntil, finish: "always" })
  const source = steered<number>()
  const load = cache.cacheable(source.loader)
  const controller = new AbortController()
  const leaving = rejectionOf(request.run("one", () => load.with({ signal: controller.signal })()))
  const staying = request.run("two", () => load())
  expect(told.map(({ by }) => by)).toEqual(["one", "two"])
  controller.abort()
  await leaving
  expect(await states()).toEqual(["open", "open"])
  source.last.resolve(1)
  await staying
  expect(await states()).toEqual(["done", "done"])
})

test("a caller that leaves a load which has not begun, or which ends with it, waits for nothing", async () => {
  const { told, waitUntil, states } = listener()
  const { cache } = makeCache({ waitUntil, maxLoads: 1, finish: "always" })
  const source = steered<number, [id: number]>()
  const load = cache.cacheable(source.loader)
  const first = load(1)
  const controller = new AbortController()
  const leaving = rejectionOf(load.with({ signal: controller.signal })(2))
  controller.abort()
  await leaving
  expect(await states()).toEqual(["open", "done"])
  source.last.resolve(1)
  await first
  expect(told).toHaveLength(2)
})

test("hears of a load whose caller takes what has expired after its soft timeout", async () => {
  const { told, waitUntil, states } = listener()
  const { cache, clock } = makeCache({ waitUntil })
  const source = steered<number>()
  const load = cache.cacheable(source.loader, { ttl: 10, grace: 100_000, timeout: { soft: 50, hard: "1h" } })
  const first = load()
  source.last.resolve(1)
  await first
  clock.advance(2000)
  const call = load()
  await settled()
  clock.advance(60)
  expect(await call).toBe(1)
  expect(await states()).toEqual(["open"])
  source.last.resolve(2)
  await settled()
  expect(await states()).toEqual(["done"])
  expect(told).toHaveLength(1)
})

test("hears of an append that nobody waits for, until the log has acknowledged it", async () => {
  const { told, waitUntil, states } = listener()
  const { cache, log } = await makeShared({ waitUntil })
  log.appends = "hold"
  await request.run("writer", () => cache.invalidate(["t"], { wait: false }))
  const controller = new AbortController()
  const leaving = rejectionOf(cache.invalidate(["u"], { signal: controller.signal }))
  controller.abort()
  await leaving
  expect(told.map(({ by }) => by)).toEqual(["writer", undefined])
  expect(await states()).toEqual(["open", "open"])
  await log.release()
  expect(await states()).toEqual(["done", "done"])
})

test.each([
  [
    "throws",
    () => {
      throw new Error("outside of a request")
    },
  ],
  ["rejects", async () => Promise.reject(new Error("outside of a request"))],
])("one that %s is a fault, and fails no call", async (_how, waitUntil) => {
  const { cache, faults } = makeCache({ waitUntil, finish: "always" })
  const load = cache.cacheable(async () => 1)
  expect(await load()).toBe(1)
  await settled()
  expect(faults.map(({ error }) => [error.code, error.subject])).toEqual([["ERR_ZOOCACHE_HOOK", "waitUntil"]])
})

test("one that calls the cache finds it whole", async () => {
  const seen: unknown[] = []
  const { cache } = makeCache({
    finish: "always",
    waitUntil: () => {
      seen.push(cache.stats().loads)
      void cache.invalidate("t")
    },
  })
  const load = cache.cacheable(async () => 1, { deps: ["t"] })
  expect(await load()).toBe(1)
  await settled()
  expect(seen).toEqual([1])
  expect(load.peek()).toBeUndefined()
})

test("refuses what is no function; the same text is the same option", async () => {
  const waitUntil = 1 as unknown as () => void
  expect(() => createCache({ waitUntil })).toThrow(expect.objectContaining({ code: "ERR_ZOOCACHE_INVALID_OPTION" }))
  const make = () => createCache({ name: "wait-until", waitUntil: () => {} })
  const cache = make()
  expect(make()).toBe(cache)
  expect(() => createCache({ name: "wait-until" })).toThrow(
    expect.objectContaining({ code: "ERR_ZOOCACHE_CONFIGURATION" }),
  )
  await cache.close()
})

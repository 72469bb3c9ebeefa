/** `isInTransaction`: whether what the running code invalidates is collected. */
import { expect, test } from "vitest"
import * as zoocache from "zoocache"
import { settled } from "zoocache/testing"
import { deferred, makeCache, makeShared } from "../support/caches.js"

test("is true inside, after any wait, in nested transactions and in loads", async () => {
  const { cache } = makeCache()
  const load = cache.cacheable(async () => cache.isInTransaction())
  const seen: boolean[] = [cache.isInTransaction()]
  await cache.transaction(async () => {
    seen.push(cache.isInTransaction())
    await settled()
    seen.push(cache.isInTransaction())
    await cache.transaction(() => void seen.push(cache.isInTransaction()))
    seen.push(cache.isInTransaction(), await load())
  })
  seen.push(cache.isInTransaction(), await load())
  expect(seen).toEqual([false, true, true, true, true, true, false, false])
})

test("is true in every scope of the cache, and false in another cache", async () => {
  const { cache } = makeCache()
  const { cache: other } = makeCache()
  await cache.scope("tenant:1").transaction(() => {
    expect(cache.isInTransaction()).toBe(true)
    expect(cache.scope("tenant:2").isInTransaction()).toBe(true)
    expect(other.isInTransaction()).toBe(false)
  })
})

test("is false for code that outlives its transaction, whatever became of that", async () => {
  const { cache } = makeCache()
  const gate = deferred()
  const outlive = async () => {
    await gate.promise
    return cache.isInTransaction()
  }
  const outliving: Promise<boolean>[] = []
  await cache.transaction(() => void outliving.push(outlive()))
  await cache
    .transaction(() => {
      outliving.push(outlive())
      throw new Error("rolled back")
    })
    .catch(() => {})
  gate.resolve()
  expect(await Promise.all(outliving)).toEqual([false, false])
})

test("of a nested transaction that has settled, the one around it is what counts", async () => {
  const { cache } = makeCache()
  const gate = deferred()
  await cache.transaction(async () => {
    let late: Promise<boolean> | undefined
    await cache.transaction(() => {
      late = gate.promise.then(() => cache.isInTransaction())
    })
    gate.resolve()
    expect(await late).toBe(true)
  })
})

test("is false while the transaction is being appended: what is invalidated then goes out by itself", async () => {
  const { cache, log } = await makeShared()
  const gate = deferred()
  let late: Promise<boolean> | undefined
  log.appends = "hold"
  const done = cache.transaction(async () => {
    late = gate.promise.then(() => cache.isInTransaction())
    await cache.invalidate("t")
  })
  await settled()
  gate.resolve()
  expect(await late).toBe(false)
  await log.release()
  await done
})

test("is false in background work that a transaction set going", async () => {
  const { cache, clock } = makeCache()
  const seen: boolean[] = []
  const load = cache.cacheable(async () => void seen.push(cache.isInTransaction()), { ttl: 10, grace: 1000 })
  await load()
  clock.advance(20)
  await cache.transaction(async () => load())
  await settled()
  expect(seen).toEqual([false, false])
})

test("stands at the root, for the default cache", async () => {
  expect(zoocache.isInTransaction()).toBe(false)
  expect(await zoocache.transaction(() => zoocache.isInTransaction())).toBe(true)
  await zoocache.reset()
})

/** `invalidatedAt`: when a tag was last invalidated, never earlier than it was. */
import { expect, expectTypeOf, test } from "vitest"
import * as zoocache from "zoocache"
import { InProcessLog } from "zoocache/backend"
import { FaultyLog, ManualClock, settled } from "zoocache/testing"
import { errorOf, leavesLoadsRunning, makeCache, makeShared } from "../support/caches.js"

test("is undefined before the first invalidation, then its time, to the millisecond", async () => {
  const { cache, clock } = makeCache()
  expect(cache.invalidatedAt("user:1")).toBeUndefined()
  clock.advance(1234)
  await cache.invalidate("user:1")
  const at = clock.wall()
  clock.advance(5000)
  expect(cache.invalidatedAt("user:1")).toEqual(new Date(at))
  expectTypeOf(cache.invalidatedAt).toEqualTypeOf<(tag: string) => Date | undefined>()
})

test("counts what was invalidated above, everything included, and nothing below or beside", async () => {
  const { cache, clock } = makeCache()
  await cache.invalidate("org:1:user:1", "org:2", "organ")
  expect(cache.invalidatedAt("org:1:user")).toBeUndefined()
  expect(cache.invalidatedAt("org")).toBeUndefined()
  clock.advance(10)
  await cache.invalidate("org")
  const atOrg = clock.wall()
  clock.advance(10)
  await cache.invalidate("org:1:user:1:posts")
  expect(cache.invalidatedAt("org:1:user:1")).toEqual(new Date(atOrg))
  clock.advance(10)
  await cache.clear()
  expect(cache.invalidatedAt("org:1:user:1")).toEqual(new Date(clock.wall()))
  expect(cache.invalidatedAt("never:named")).toEqual(new Date(clock.wall()))
})

test("an expiry is no invalidation, and neither are changes of keys", async () => {
  const { cache } = makeCache()
  await cache.expire("user:1")
  await cache.set("user", 1)
  await cache.delete("user")
  expect(cache.invalidatedAt("user:1")).toBeUndefined()
})

test("one that the log has not acknowledged counts from its call", async () => {
  const { cache, clock, log } = await makeShared()
  log.appends = "hold"
  const calledAt = clock.wall()
  const invalidating = cache.invalidate("org:1")
  clock.advance(100)
  expect(cache.invalidatedAt("org:1:user:1")).toEqual(new Date(calledAt))
  await log.release()
  await invalidating
  expect(cache.invalidatedAt("org:1:user:1")?.getTime()).toBeGreaterThanOrEqual(calledAt)
})

test("the invalidation of another process has the time of the log, whatever the clock here says", async () => {
  const here = new ManualClock()
  const log = new FaultyLog({ clock: new ManualClock(here.wall() - 60_000) })
  const { cache } = makeCache({ clock: here, log: log.connect("here") })
  const { cache: other } = makeCache({ log: log.connect("there") })
  await Promise.all([cache.ready(), other.ready()])
  await cache.sync(await other.invalidate("t"))
  expect(cache.invalidatedAt("t")?.getTime()).toBeLessThan(here.wall() - 50_000)
})

test("of a tag that was forgotten here it is the newest that was, never an earlier one", async () => {
  const { cache, clock } = makeCache()
  await cache.invalidate("user:1")
  const at = clock.wall()
  clock.advance(10_000)
  cache.prune()
  expect(cache.invalidatedAt("user:1")).toEqual(new Date(at))
  expect(cache.invalidatedAt("other")).toEqual(new Date(at))
})

test("of a tag that the log had forgotten before this process read it, it is not undefined", async () => {
  const clock = new ManualClock()
  const log = new InProcessLog({ clock, nonce: "small", maxTags: 1 })
  log.append([{ kind: "tag", path: "user:1" }], { epoch: undefined, cursor: 0 }, "elsewhere")
  const at = clock.wall()
  clock.advance(1000)
  log.append([{ kind: "tag", path: "other" }], { epoch: undefined, cursor: 0 }, "elsewhere")
  const { cache } = makeCache({ clock, log })
  await cache.ready()
  expect(cache.invalidatedAt("user:1")?.getTime()).toBeGreaterThanOrEqual(at)
})

test("names tags as its scope does", async () => {
  const { cache } = makeCache()
  const scope = cache.scope("tenant:1")
  await scope.invalidate("user:1")
  expect(scope.invalidatedAt("user:1")).toEqual(cache.invalidatedAt("tenant:1:user:1"))
  expect(scope.invalidatedAt("user:1")).toBeInstanceOf(Date)
  expect(cache.invalidatedAt("user:1")).toBeUndefined()
})

test("a load that asks depends on the tag", async () => {
  const { cache, clock } = makeCache()
  const page = cache.cacheable(async () => cache.invalidatedAt("user:1"))
  expect(await page()).toBeUndefined()
  clock.advance(10)
  await cache.invalidate("user")
  expect(await page()).toEqual(new Date(clock.wall()))
})

test("inside a transaction, what is collected has not happened yet", async () => {
  const { cache } = makeCache()
  await cache.transaction(async () => {
    await cache.invalidate("t")
    expect(cache.invalidatedAt("t")).toBeUndefined()
  })
  expect(cache.invalidatedAt("t")).toBeInstanceOf(Date)
})

test("refuses what is no tag, and answers after close", async () => {
  const { cache } = makeCache()
  for (const tag of ["", "a b", "a::b", 1 as unknown as string]) {
    expect(await errorOf(() => cache.invalidatedAt(tag))).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_TAG" })
  }
  await cache.close()
  expect(cache.invalidatedAt("t")).toBeUndefined()
})

test("stands at the root, for the default cache", async () => {
  await zoocache.invalidate("t")
  expect(zoocache.invalidatedAt("t")).toBeInstanceOf(Date)
  await zoocache.reset()
})

test("stays undefined while a load of another tag is under way", async () => {
  const { cache } = makeCache()
  leavesLoadsRunning(cache)
  void cache.cacheable(() => new Promise(() => {}), { deps: ["t"] })()
  await settled()
  expect(cache.invalidatedAt("t")).toBeUndefined()
})

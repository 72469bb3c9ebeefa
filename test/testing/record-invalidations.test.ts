import { describe, expect, expectTypeOf, test } from "vitest"
import { assertInvalidates, assertKeeps, type InvalidationRecord, recordInvalidations } from "zoocache/testing"
import { makeCache, makeShared, rejectionOf } from "../support/caches.js"

describe("recordInvalidations", () => {
  test("records the tags of a cache, in their order", async () => {
    const { cache } = makeCache()
    const recorded = recordInvalidations(cache)
    expectTypeOf(recorded).toEqualTypeOf<InvalidationRecord>()
    await cache.invalidate("user:1", "org:7")
    await cache.expire("list")
    await cache.scope("tenant:1").invalidate("user:2")
    await cache.delete("key")
    expect(recorded.tags).toEqual(["user:1", "org:7", "tenant:1:user:2"])
    expect(recorded.expired).toEqual(["list"])
  })

  test("covers what is below a tag, and everything after a clear", async () => {
    const { cache } = makeCache()
    const recorded = recordInvalidations(cache)
    await cache.invalidate("user:1")
    const covered = ["user:1", "user:1:posts", "user:12", "user"].map((tag) => recorded.covers(tag))
    expect(covered).toEqual([true, true, false, false])
    recorded.clear()
    expect([recorded.tags, recorded.covers("user:1")]).toEqual([[], false])
    await cache.clear()
    expect(recorded.covers("anything")).toBe(true)
  })

  test("records nothing of another cache, and nothing after stop", async () => {
    const [{ cache }, { cache: other }] = [makeCache(), makeCache()]
    const recorded = recordInvalidations(cache)
    await other.invalidate("user:1")
    expect(recorded.tags).toEqual([])
    await cache.invalidate("user:2")
    recorded.stop()
    recorded[Symbol.dispose]()
    await cache.invalidate("user:3")
    expect(recorded.tags).toEqual(["user:2"])
  })

  test("records a transaction when it is committed, and none that fails", async () => {
    const { cache } = makeCache()
    const recorded = recordInvalidations(cache)
    await cache.transaction(async () => {
      await cache.invalidate("user:1")
      expect(recorded.tags).toEqual([])
    })
    await rejectionOf(
      cache.transaction(async () => {
        await cache.invalidate("user:2")
        throw new Error("rolled back")
      }),
    )
    expect(recorded.tags).toEqual(["user:1"])
  })

  test("records once what a shared log has acknowledged", async () => {
    const { cache } = await makeShared()
    const recorded = recordInvalidations(cache)
    await cache.invalidate("user:1")
    expect(recorded.tags).toEqual(["user:1"])
  })
})

describe("assertInvalidates and assertKeeps", () => {
  async function users() {
    const { cache } = makeCache()
    const getUser = cache.cacheable(async (id: number) => ({ id }), { name: "user", deps: (id) => [`user:${id}`] })
    await Promise.all([getUser(1), getUser(2)])
    return { cache, getUser }
  }

  test("pass where a change does what is said", async () => {
    const { cache, getUser } = await users()
    const [one, two] = [getUser.keyOf(1), getUser.keyOf(2)]
    await assertKeeps(cache, [one, two], () => cache.invalidate("user:3"))
    await assertKeeps(cache, two, () => assertInvalidates(cache, one, () => cache.invalidate("user:1")))
    await getUser(1)
    await assertInvalidates(cache, [one, two], () => cache.invalidate("user"))
    await cache.set("greeting", "hello")
    await assertInvalidates(cache, "greeting", () => cache.delete("greeting"))
  })

  test("say what stayed fresh, and what was invalidated instead", async () => {
    const { cache, getUser } = await users()
    const failure = await rejectionOf(assertInvalidates(cache, getUser.keyOf(1), () => cache.invalidate("user:2")))
    expect(failure).toMatchObject({ message: expect.stringContaining("is still fresh after the change") })
    expect(failure).toMatchObject({ message: expect.stringContaining("depends on `user:1`") })
    expect(failure).toMatchObject({ message: expect.stringContaining("invalidated `user:2`") })
    const idle = await rejectionOf(assertInvalidates(cache, getUser.keyOf(1), () => {}))
    expect(idle).toMatchObject({ message: expect.stringContaining("invalidated no tag") })
  })

  test("say what did not stay, and what was not there", async () => {
    const { cache, getUser } = await users()
    const gone = await rejectionOf(assertKeeps(cache, getUser.keyOf(1), () => cache.clear()))
    expect(gone).toMatchObject({ message: expect.stringContaining("is stale after the change") })
    const absent = await rejectionOf(assertInvalidates(cache, getUser.keyOf(9), () => cache.clear()))
    expect(absent).toMatchObject({ message: expect.stringContaining("is not fresh before the change") })
  })

  test("reject with what the change throws", async () => {
    const { cache, getUser } = await users()
    const broken = new Error("broken")
    const change = () => {
      throw broken
    }
    expect(await rejectionOf(assertInvalidates(cache, getUser.keyOf(1), change))).toBe(broken)
  })
})

import { describe, expect, test } from "vitest"
import type { Cache } from "zoocache"
import { settled } from "zoocache/testing"
import { deferred, makeCache, steered } from "../support/caches.js"

describe("an invalidation during a load", () => {
  test("is not lost: the value loaded before it is never served again", async () => {
    const { cache } = makeCache()
    const source = steered<string, [number]>()
    const getUser = cache.cacheable(source.loader, { name: "getUser", deps: (id) => [`user:${id}`] })
    const early = getUser(1)
    await cache.invalidate("user:1")
    source.last.resolve("old")
    expect(await early).toBe("old")
    expect(getUser.peek(1)).toBeUndefined()
    const late = getUser(1)
    source.last.resolve("new")
    expect(await late).toBe("new")
    expect(await getUser(1)).toBe("new")
    expect(source.runs).toHaveLength(2)
  })

  test.each<[string, (cache: Cache, key: string) => Promise<unknown>]>([
    ["of a parent tag", (cache) => cache.invalidate("org:1")],
    ["of everything", (cache) => cache.clear()],
    ["of the key", (cache, key) => cache.delete(key)],
  ])("%s is not lost", async (_name, invalidate) => {
    const { cache } = makeCache()
    const source = steered<string>()
    const load = cache.cacheable(source.loader, { name: "load", deps: ["org:1:user:1"] })
    const early = load()
    await invalidate(cache, load.keyOf())
    source.last.resolve("old")
    expect(await early).toBe("old")
    const late = load()
    source.last.resolve("new")
    expect(await late).toBe("new")
    expect(await load()).toBe("new")
  })

  test("of the whole function is not lost", async () => {
    const { cache } = makeCache()
    const source = steered<string>()
    const load = cache.cacheable(source.loader)
    const early = load()
    await load.clear()
    source.last.resolve("old")
    await early
    expect(load.peek()).toBeUndefined()
  })

  test("is not lost when the dependency is added only after it", async () => {
    const { cache } = makeCache()
    const gate = deferred()
    let loads = 0
    const getOrder = () =>
      cache.getOrLoad("order", async (load) => {
        loads += 1
        await gate.promise
        load.addDeps("customer:7")
        return loads
      })
    const first = getOrder()
    await cache.invalidate("customer:7")
    gate.resolve()
    expect(await first).toBe(1)
    expect(await getOrder()).toBe(2)
  })

  test("is not lost when the dependency shows only in the result", async () => {
    const { cache } = makeCache()
    const source = steered<{ org: number }>()
    const load = cache.cacheable(source.loader, { depsOf: (user) => [`org:${user.org}`] })
    const first = load()
    await cache.invalidate("org:1")
    source.last.resolve({ org: 1 })
    await first
    expect(load.peek()).toBeUndefined()
  })

  test("is not lost when it hits a dependency of a nested call that has finished", async () => {
    const { cache } = makeCache()
    const gate = deferred()
    let name = "old"
    const getName = cache.cacheable(async () => name, { name: "getName", deps: ["name"] })
    const getPage = cache.cacheable(
      async () => {
        const seen = await getName()
        await gate.promise
        return `page of ${seen}`
      },
      { name: "getPage" },
    )
    const early = getPage()
    await settled()
    name = "new"
    await cache.invalidate("name")
    gate.resolve()
    expect(await early).toBe("page of old")
    expect(await getPage()).toBe("page of new")
  })
})

test("a caller that arrives after the invalidation does not join the load that began before it", async () => {
  const { cache } = makeCache()
  const source = steered<string>()
  const load = cache.cacheable(source.loader, { deps: ["t"] })
  const before = load()
  const invalidated = cache.invalidate("t")
  const after = load()
  await invalidated
  expect(source.runs).toHaveLength(2)
  source.runs[0]?.resolve("old")
  source.runs[1]?.resolve("new")
  expect(await before).toBe("old")
  expect(await after).toBe("new")
  expect(await load()).toBe("new")
})

test("the late result of the older load does not replace the newer one, in whichever order they land", async () => {
  const { cache } = makeCache()
  const source = steered<string>()
  const load = cache.cacheable(source.loader, { deps: ["t"] })
  const before = load()
  void cache.invalidate("t")
  const after = load()
  source.runs[1]?.resolve("new")
  expect(await after).toBe("new")
  source.runs[0]?.resolve("old")
  expect(await before).toBe("old")
  expect(await load()).toBe("new")
  expect(source.runs).toHaveLength(2)
})

import { AsyncLocalStorage } from "node:async_hooks"
import { describe, expect, test } from "vitest"
import { addDeps, currentLoad } from "zoocache"
import { settled } from "zoocache/testing"
import { deferred, makeCache } from "../support/caches.js"

const request = new AsyncLocalStorage<string>()

describe("a loader runs", () => {
  test("in the async context of the caller that started it", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(async () => {
      await settled()
      return request.getStore()
    })
    const [first, second] = await Promise.all([request.run("a", () => load()), request.run("b", () => load())])
    expect([first, second]).toEqual(["a", "a"])
  })

  test('outside of any with `context: "root"`', async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(async () => [request.getStore(), currentLoad()?.key], {
      name: "load",
      context: "root",
    })
    expect(await request.run("a", () => load())).toEqual([undefined, "ƒ:load::"])
  })

  test('outside of any with `context: "root"`, also where the cache itself was made inside of one', async () => {
    const { cache } = request.run("first request", () => makeCache())
    const load = cache.cacheable(async () => String(request.getStore()), { name: "load", context: "root" })
    expect(await load()).toBe("undefined")
  })

  test("outside of any in a batch, which belongs to none of its callers", async () => {
    const { cache } = makeCache()
    const seen: unknown[] = []
    const many = cache.cacheableMany(async (ids: readonly number[]) => {
      seen.push(request.getStore())
      return ids.map((id) => id)
    })
    await Promise.all([request.run("a", () => many([1])), request.run("b", () => many([2]))])
    expect(seen).toEqual([undefined])
  })

  test("outside of any in a refresh in the background", async () => {
    const { cache, clock } = makeCache()
    const seen: unknown[] = []
    const load = cache.cacheable(
      async () => {
        await settled()
        seen.push(request.getStore())
        return seen.length
      },
      { ttl: "1m", grace: "1h" },
    )
    await request.run("a", () => load())
    clock.advance(61_000)
    await request.run("b", () => load())
    await settled()
    await settled()
    expect(seen).toEqual(["a", undefined])
  })

  test("outside of any in an early refresh", async () => {
    const { cache, clock } = makeCache()
    const seen: unknown[] = []
    const load = cache.cacheable(async () => seen.push(request.getStore()), { ttl: "1m", earlyRefresh: 0.5 })
    await request.run("a", () => load())
    clock.advance(31_000)
    expect(await request.run("b", () => load())).toBe(1)
    await settled()
    expect(seen).toEqual(["a", undefined])
  })

  test("with `tracking: false` in the context of its caller, without a load of its own", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(async () => [request.getStore(), currentLoad()], { tracking: false })
    expect(await request.run("a", () => load())).toEqual(["a", undefined])
  })
})

describe("currentLoad", () => {
  test("is undefined outside of a load", () => {
    expect(currentLoad()).toBeUndefined()
  })

  test("names the innermost load, and the outer one again after it", async () => {
    const { cache } = makeCache()
    const inner = cache.cacheable(async () => currentLoad()?.key, { name: "inner" })
    const outer = cache.cacheable(async () => [currentLoad()?.key, await inner(), currentLoad()?.key], {
      name: "outer",
    })
    expect(await outer()).toEqual(["ƒ:outer::", "ƒ:inner::", "ƒ:outer::"])
  })

  test("follows timers, promises and events of the loader", async () => {
    const { cache } = makeCache()
    const keys: unknown[] = []
    const load = cache.cacheable(
      async () => {
        await new Promise<void>((resolve) => {
          setTimeout(() => {
            keys.push(currentLoad()?.key)
            resolve()
          }, 1)
        })
        await settled().then(() => keys.push(currentLoad()?.key))
      },
      { name: "load" },
    )
    await load()
    expect(keys).toEqual(["ƒ:load::", "ƒ:load::"])
  })

  test("is undefined once its load has ended", async () => {
    const { cache } = makeCache()
    const after = deferred<unknown>()
    const load = cache.cacheable(async () => {
      setImmediate(() => after.resolve(currentLoad()))
    })
    await load()
    expect(await after.promise).toBeUndefined()
  })

  test("kept beyond the end of its load does nothing any more", async () => {
    const { cache } = makeCache()
    let kept: ReturnType<typeof currentLoad>
    const load = cache.cacheable(async () => {
      kept = currentLoad()
      return 1
    })
    await load()
    kept?.addDeps("late")
    kept?.setTtl(1)
    kept?.skipStore()
    await cache.invalidate("late")
    expect(load.peek()).toBe(1)
    expect(kept?.key).toBe(load.keyOf())
    expect(kept?.signal.aborted).toBe(false)
  })

  test("setTtl overrides the ttl of this result", async () => {
    const { cache, clock } = makeCache()
    const load = cache.cacheable(
      async (ttl: number) => {
        currentLoad()?.setTtl(ttl)
        return ttl
      },
      { ttl: "1h" },
    )
    await load(10_000)
    await load(0)
    expect(load.peek(0)).toBeUndefined()
    clock.advance(9_900)
    expect(load.peek(10_000)).toBe(10_000)
    clock.advance(200)
    expect(load.peek(10_000)).toBeUndefined()
  })

  test("skipStore hands the result over without keeping it", async () => {
    const { cache } = makeCache()
    let loads = 0
    const load = cache.cacheable(async () => {
      loads += 1
      if (loads < 3) currentLoad()?.skipStore()
      return loads
    })
    expect([await load(), await load(), await load(), await load()]).toEqual([1, 2, 3, 3])
  })

  test("is what getOrLoad gives its loader", async () => {
    const { cache } = makeCache()
    await cache.getOrLoad("key", (load) => {
      expect(load.key).toBe("key")
      expect(currentLoad()).toBe(load)
      return 1
    })
  })

  test("in a batch speaks for all of it", async () => {
    const { cache } = makeCache()
    const many = cache.cacheableMany(
      async (ids: readonly number[]) => {
        expect(currentLoad()?.key).toBe("ƒ:many::1")
        addDeps("batch")
        return ids.map((id) => id)
      },
      { name: "many" },
    )
    await many([1, 2])
    await cache.invalidate("batch")
    expect(many.peek(1)).toBeUndefined()
    expect(many.peek(2)).toBeUndefined()
  })
})

describe("addDeps", () => {
  test("outside of a load does nothing, not even check its tags", () => {
    expect(() => addDeps("a", "not a tag")).not.toThrow()
  })

  test("after the end of its load does nothing", async () => {
    const { cache } = makeCache()
    const after = deferred()
    const load = cache.cacheable(async () => {
      setImmediate(() => {
        addDeps("late", "not a tag")
        after.resolve()
      })
      return 1
    })
    await load()
    await after.promise
    await cache.invalidate("late")
    expect(load.peek()).toBe(1)
  })

  test("adds to the static ones and to what others add, any number of times", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(
      async () => {
        addDeps("a")
        addDeps("b", "c")
        await settled()
        addDeps("c", "d")
        currentLoad()?.addDeps("e")
        return 1
      },
      { deps: ["static"] },
    )
    for (const tag of ["a", "b", "c", "d", "e", "static"]) {
      await load()
      expect(load.peek()).toBe(1)
      await cache.invalidate(tag)
      expect(load.peek()).toBeUndefined()
    }
  })

  test("throws inside a load for what is no tag, and the load is rejected unless it catches that", async () => {
    const { cache } = makeCache()
    const load = cache.cacheable(async () => addDeps("fine", "not a tag"))
    await expect(load()).rejects.toMatchObject({ code: "ERR_ZOOCACHE_INVALID_TAG" })
  })

  test("works in a sync function", async () => {
    const { cache } = makeCache()
    const load = cache.cacheableSync(() => {
      addDeps("t")
      return 1
    })
    load()
    await cache.invalidate("t")
    expect(load.peek()).toBeUndefined()
  })

  test("in a scope stays in it", async () => {
    const { cache } = makeCache()
    const scope = cache.scope("tenant:1")
    const load = scope.cacheable(async () => {
      addDeps("t")
      return 1
    })
    await load()
    await cache.invalidate("t")
    expect(load.peek()).toBe(1)
    await cache.invalidate("tenant:1:t")
    expect(load.peek()).toBeUndefined()
  })
})

import { describe, expect, test, vi } from "vitest"
import { InvalidationNotAcknowledgedError } from "zoocache"
import { settled } from "zoocache/testing"
import { deferred, makeCache, makeShared, rejectionOf, steered } from "../support/caches.js"

function counting(cache: ReturnType<typeof makeCache>["cache"], options: { name?: string; deps?: string[] } = {}) {
  const loader = vi.fn(async () => loader.mock.calls.length)
  return Object.assign(cache.cacheable(loader, { name: "load", deps: ["t"], ...options }), { loader })
}

describe("what a transaction collects", () => {
  test("is appended when its function resolves, in one version", async () => {
    const { cache } = makeCache()
    await cache.set("key", 1)
    const { token } = await cache.transaction(async (tx) => {
      await cache.invalidate("a", "b")
      await cache.expire("c")
      await cache.delete("key")
      expect(cache.tagVersion("a")).toBe(0)
      return tx
    })
    expect(cache.tagVersion("a")).toBeGreaterThan(0)
    expect(cache.tagVersion("b")).toBe(cache.tagVersion("a"))
    expect(await cache.lookup("key")).toBeUndefined()
    expect(token).toEqual(expect.stringMatching(/^zc1\./))
    await cache.sync(token)
  })

  test("resolves at once, without a token", async () => {
    const { cache } = makeCache()
    const load = counting(cache)
    await cache.transaction(async () => {
      expect(await cache.invalidate("a")).toBeUndefined()
      expect(await cache.expire("a")).toBeUndefined()
      expect(await cache.delete("key")).toBeUndefined()
      expect(await cache.set("key", 1)).toBeUndefined()
      expect(await cache.setMany([["key", 1]])).toBeUndefined()
      expect(await load.delete()).toBeUndefined()
      expect(await load.clear()).toBeUndefined()
      expect(await cache.clear()).toBeUndefined()
    })
  })

  test("is not seen outside until then", async () => {
    const { cache } = makeCache()
    const load = counting(cache)
    await load()
    const gate = deferred()
    const running = cache.transaction(async () => {
      await cache.invalidate("t")
      await cache.set("key", "inside")
      await gate.promise
    })
    await settled()
    expect(await load()).toBe(1)
    expect(await cache.lookup("key")).toBeUndefined()
    gate.resolve()
    await running
    expect(await load()).toBe(2)
    expect(await cache.get("key")).toBe("inside")
  })

  test("is dropped when its function throws, and the error is passed on", async () => {
    const { cache } = makeCache()
    const load = counting(cache)
    await load()
    await cache.set("key", "before")
    const error = new Error("rolled back")
    const failing = cache.transaction(async () => {
      await cache.invalidate("t")
      await cache.clear()
      await cache.set("key", "inside")
      throw error
    })
    expect(await rejectionOf(failing)).toBe(error)
    expect(await load()).toBe(1)
    expect(await cache.get("key")).toBe("before")
    expect(cache.tagVersion("t")).toBe(0)
  })

  test("is dropped when its function throws synchronously, which is a rejection", async () => {
    const { cache } = makeCache()
    const failing = cache.transaction(() => {
      void cache.invalidate("t")
      throw new Error("thrown")
    })
    await expect(failing).rejects.toThrow("thrown")
    expect(cache.tagVersion("t")).toBe(0)
  })

  test("includes what a collector commits inside it", async () => {
    const { cache } = makeCache()
    const failing = cache.transaction(async () => {
      const collector = cache.collect()
      collector.add("t")
      await collector.commit()
      throw new Error("rolled back")
    })
    await expect(failing).rejects.toThrow("rolled back")
    expect(cache.tagVersion("t")).toBe(0)
  })

  test("may be nothing: the transaction then has the token of now", async () => {
    const { cache } = makeCache()
    const { token } = await cache.transaction(async (tx) => tx)
    await cache.sync(token)
  })

  test("hands over what the function returns", async () => {
    const { cache } = makeCache()
    expect(await cache.transaction(() => 42)).toBe(42)
    expect(await cache.transaction(async () => undefined)).toBeUndefined()
  })

  test("is checked at once: a bad tag or key rejects inside", async () => {
    const { cache } = makeCache()
    await cache.transaction(async () => {
      await expect(cache.invalidate("a b")).rejects.toMatchObject({ code: "ERR_ZOOCACHE_INVALID_TAG" })
      await expect(cache.delete("")).rejects.toMatchObject({ code: "ERR_ZOOCACHE_INVALID_KEY" })
    })
    expect(cache.stats().invalidations).toBe(0)
  })
})

describe("for reads inside, the invalidations hold at once", () => {
  test("of a tag, of a parent tag, of everything", async () => {
    for (const invalidated of ["org:1:user:1", "org:1", ""]) {
      const { cache } = makeCache()
      const load = counting(cache, { deps: ["org:1:user:1"] })
      await load()
      await cache.set("key", "old", { deps: ["org:1:user:1"] })
      await cache.transaction(async () => {
        await (invalidated === "" ? cache.clear() : cache.invalidate(invalidated))
        expect(await load()).toBe(2)
        expect(await cache.lookup("key")).toBeUndefined()
        expect(await cache.has("key")).toBe(false)
        expect(load.peek()).toBeUndefined()
      })
    }
  })

  test("of a key, of a function", async () => {
    const { cache } = makeCache()
    const load = counting(cache, { deps: [] })
    await load()
    await cache.set("key", "old")
    await cache.transaction(async () => {
      await cache.delete("key")
      expect(await cache.lookup("key")).toBeUndefined()
      await load.delete()
      expect(await load()).toBe(2)
    })
    await load()
    await cache.transaction(async () => {
      await load.clear()
      expect(load.peek()).toBeUndefined()
    })
  })

  test("what it does not concern is served from the cache", async () => {
    const { cache } = makeCache()
    const load = counting(cache, { deps: ["other"] })
    await load()
    await cache.transaction(async () => {
      await cache.invalidate("t")
      expect(await load()).toBe(1)
    })
    expect(load.loader).toHaveBeenCalledTimes(1)
  })

  test("what was set inside is read inside", async () => {
    const { cache } = makeCache()
    await cache.set("key", "outside")
    await cache.transaction(async () => {
      await cache.set("key", "inside")
      expect(await cache.get("key")).toBe("inside")
      expect(await cache.lookup("key")).toMatchObject({ value: "inside", state: "fresh" })
      expect(await cache.getOrLoad("key", () => "loaded")).toBe("inside")
      await cache.delete("key")
      expect(await cache.lookup("key")).toBeUndefined()
      await cache.set("key", "again")
      expect(await cache.getMany(["key"])).toEqual(new Map([["key", "again"]]))
    })
    expect(await cache.get("key")).toBe("again")
  })

  test("what was set inside is gone when a dependency of it is invalidated inside", async () => {
    const { cache } = makeCache()
    await cache.transaction(async () => {
      await cache.set("key", "inside", { deps: ["org:1"] })
      await cache.invalidate("org")
      expect(await cache.lookup("key")).toBeUndefined()
    })
    expect(await cache.lookup("key")).toBeUndefined()
  })

  test("what was set inside is gone when everything is cleared inside", async () => {
    const { cache } = makeCache()
    await cache.transaction(async () => {
      await cache.set("bare", "inside")
      await cache.set("tagged", "inside", { deps: ["t"] })
      await cache.clear()
      expect(await cache.lookup("tagged")).toBeUndefined()
      expect(await cache.lookup("bare")).toBeUndefined()
    })
    expect((await cache.getMany(["bare", "tagged"])).size).toBe(0)
  })
})

describe("what is loaded inside", () => {
  test("is not stored and is shared with nobody: it may have seen uncommitted rows", async () => {
    const { cache } = makeCache()
    const source = steered<string>()
    const load = cache.cacheable(source.loader)
    const gate = deferred()
    const inside = cache.transaction(async () => {
      const value = await load()
      await gate.promise
      return value
    })
    await settled()
    const outside = load()
    expect(source.runs).toHaveLength(2)
    source.runs[0]?.resolve("uncommitted")
    await settled()
    expect(load.peek()).toBeUndefined()
    source.runs[1]?.resolve("committed")
    expect(await outside).toBe("committed")
    gate.resolve()
    expect(await inside).toBe("uncommitted")
    expect(await load()).toBe("committed")
  })

  test("joins no flight from outside", async () => {
    const { cache } = makeCache()
    const source = steered<string>()
    const load = cache.cacheable(source.loader)
    const outside = load()
    const inside = cache.transaction(async () => load())
    await settled()
    expect(source.runs).toHaveLength(2)
    source.runs[1]?.resolve("inside")
    expect(await inside).toBe("inside")
    source.runs[0]?.resolve("outside")
    expect(await outside).toBe("outside")
    expect(load.peek()).toBe("outside")
  })

  test("is not stored by nested loads either", async () => {
    const { cache } = makeCache()
    const inner = counting(cache, { name: "inner" })
    const outer = cache.cacheable(async () => inner(), { name: "outer" })
    await cache.transaction(async () => outer())
    expect(inner.peek()).toBeUndefined()
    expect(outer.peek()).toBeUndefined()
  })

  test("is not stored, whichever kind of function loads it", async () => {
    const { cache } = makeCache()
    const many = cache.cacheableMany(async (ids: readonly number[]) => ids.map((id) => id * 2), { name: "many" })
    const double = cache.cacheableSync((n: number) => n * 2, { name: "double" })
    await cache.transaction(async () => {
      expect(await many([1, 2])).toEqual(
        new Map([
          [1, 2],
          [2, 4],
        ]),
      )
      expect(double(2)).toBe(4)
      expect(await cache.getOrLoad("key", () => "loaded")).toBe("loaded")
      expect(await many.one(1)).toBe(2)
    })
    expect(many.peek(1)).toBeUndefined()
    expect(double.peek(2)).toBeUndefined()
    expect(await cache.lookup("key")).toBeUndefined()
    expect(cache.stats().entries).toBe(0)
  })

  test("keeps an outer load that used it from being stored", async () => {
    const { cache } = makeCache()
    const inner = counting(cache, { name: "inner" })
    const outer = cache.cacheable(async () => cache.transaction(async () => inner()), { name: "outer" })
    expect(await outer()).toBe(1)
    expect(outer.peek()).toBeUndefined()
    expect(await outer()).toBe(2)
  })

  test("keeps an outer load that read what was set inside from being stored", async () => {
    const { cache } = makeCache()
    const outer = cache.cacheable(
      async () =>
        cache.transaction(async () => {
          await cache.set("key", "uncommitted")
          return cache.get("key")
        }),
      { name: "outer" },
    )
    expect(await outer()).toBe("uncommitted")
    expect(outer.peek()).toBeUndefined()
  })

  test("lets an outer load that only hit committed entries inside be stored", async () => {
    const { cache } = makeCache()
    const inner = counting(cache, { name: "inner" })
    await inner()
    const outer = cache.cacheable(async () => cache.transaction(async () => inner()), { name: "outer" })
    await outer()
    expect(outer.peek()).toBe(1)
    await cache.invalidate("t")
    expect(outer.peek()).toBeUndefined()
  })
})

describe("a nested transaction", () => {
  test("joins the outer one: nothing is appended before that has resolved", async () => {
    const { cache } = makeCache()
    await cache.transaction(async () => {
      await cache.transaction(async () => {
        await cache.invalidate("inner")
      })
      expect(cache.tagVersion("inner")).toBe(0)
      await cache.invalidate("outer")
    })
    expect(cache.tagVersion("inner")).toBeGreaterThan(0)
    expect(cache.tagVersion("inner")).toBe(cache.tagVersion("outer"))
  })

  test("that throws drops only its own", async () => {
    const { cache } = makeCache()
    await cache.transaction(async () => {
      await cache.invalidate("outer")
      const nested = cache.transaction(async () => {
        await cache.invalidate("inner")
        await cache.set("key", 1)
        throw new Error("savepoint")
      })
      await expect(nested).rejects.toThrow("savepoint")
      expect(await cache.lookup("key")).toBeUndefined()
    })
    expect(cache.tagVersion("inner")).toBe(0)
    expect(cache.tagVersion("outer")).toBeGreaterThan(0)
    expect(await cache.lookup("key")).toBeUndefined()
  })

  test("is dropped with the outer one", async () => {
    const { cache } = makeCache()
    const failing = cache.transaction(async () => {
      await cache.transaction(async () => cache.invalidate("inner"))
      throw new Error("rolled back")
    })
    await expect(failing).rejects.toThrow("rolled back")
    expect(cache.tagVersion("inner")).toBe(0)
  })

  test("sees what the outer one invalidated and set, and the outer one sees its", async () => {
    const { cache } = makeCache()
    const load = counting(cache)
    await load()
    await cache.set("key", "old", { deps: ["u"] })
    await cache.transaction(async () => {
      await cache.invalidate("t")
      await cache.set("other", "outer")
      await cache.transaction(async () => {
        expect(load.peek()).toBeUndefined()
        expect(await cache.get("other")).toBe("outer")
        await cache.invalidate("u")
        await cache.set("inner", "inner")
      })
      expect(await cache.lookup("key")).toBeUndefined()
      expect(await cache.get("inner")).toBe("inner")
    })
  })

  test("invalidates what the outer one had set before", async () => {
    const { cache } = makeCache()
    await cache.transaction(async () => {
      await cache.set("key", "outer", { deps: ["t"] })
      await cache.transaction(async () => {
        await cache.invalidate("t")
        expect(await cache.lookup("key")).toBeUndefined()
      })
      expect(await cache.lookup("key")).toBeUndefined()
    })
    expect(await cache.lookup("key")).toBeUndefined()
  })

  test("clears for good a function of which the outer one had set an entry before", async () => {
    const { cache } = makeCache()
    const load = counting(cache)
    await cache.transaction(async () => {
      await load.prime([], 42, { asOf: "now" })
      await cache.transaction(async () => load.clear())
    })
    expect(load.peek()).toBeUndefined()
  })

  test("clears a function of which the outer one had set an entry before, as seen inside", async () => {
    const { cache } = makeCache()
    const load = counting(cache)
    await cache.transaction(async () => {
      await load.prime([], 42, { asOf: "now" })
      await cache.transaction(async () => {
        await load.clear()
        expect(load.peek()).toBeUndefined()
      })
      expect(load.peek()).toBeUndefined()
    })
    expect(load.peek()).toBeUndefined()
  })
})

describe("when the log does not acknowledge", () => {
  test("the error says that the transaction itself succeeded, and carries its result", async () => {
    const { cache, clock, log } = await makeShared({ ackTimeout: "1s" })
    log.appends = "hold"
    const running = rejectionOf(
      cache.transaction(async () => {
        await cache.invalidate("t")
        return "result"
      }),
    )
    await settled()
    await clock.advanceAsync(1000)
    const error = (await running) as InvalidationNotAcknowledgedError
    expect(error).toBeInstanceOf(InvalidationNotAcknowledgedError)
    expect(error).toMatchObject({
      code: "ERR_ZOOCACHE_NOT_ACKNOWLEDGED",
      committed: true,
      result: "result",
      subject: "t",
    })
    log.appends = "answer"
    await log.release()
    await clock.advanceAsync(200)
    expect(cache.status().pending).toBe(0)
  })

  test("the error says so too where the log refuses for good", async () => {
    const { cache, log } = await makeShared()
    log.appends = "fail"
    log.error = Object.assign(new Error("no permission"), { permanent: true })
    const error = await rejectionOf(cache.transaction(async () => cache.invalidate("t")))
    expect(error).toMatchObject({ committed: true, code: "ERR_ZOOCACHE_NOT_ACKNOWLEDGED" })
  })

  test("an invalidation outside of a transaction says that nothing was committed", async () => {
    const { cache, log } = await makeShared()
    log.appends = "fail"
    log.error = Object.assign(new Error("no permission"), { permanent: true })
    const error = await rejectionOf(cache.invalidate("t"))
    expect(error).toMatchObject({ committed: false, result: undefined })
  })

  test("close() during the append says so too", async () => {
    const { cache, log } = await makeShared()
    log.appends = "hold"
    const running = rejectionOf(
      cache.transaction(async () => {
        await cache.invalidate("t")
        return "result"
      }),
    )
    await settled()
    await cache.close()
    expect(await running).toMatchObject({ committed: true, result: "result" })
  })
})

test("once it has settled, code that still runs in its context acts directly", async () => {
  const { cache } = makeCache()
  const done = deferred()
  const committed = await cache.transaction(async () => {
    setImmediate(() => {
      cache.invalidate("late").then(() => done.resolve(), done.reject)
    })
    return "committed"
  })
  expect(committed).toBe("committed")
  await done.promise
  expect(cache.tagVersion("late")).toBeGreaterThan(0)
})

test("once it has settled, that holds also while loads and other transactions run", async () => {
  const { cache } = makeCache()
  const source = steered<string>()
  const slow = cache.cacheable(source.loader, { name: "slow" })
  const load = counting(cache)
  const gate = deferred()
  const other = cache.transaction(() => gate.promise)
  const running = slow()
  const done = deferred<unknown>()
  await cache.transaction(async () => {
    setImmediate(() => {
      load()
        .then(() => cache.invalidate("late"))
        .then(done.resolve, done.reject)
    })
  })
  expect(await done.promise).toEqual(expect.any(String))
  expect(cache.tagVersion("late")).toBeGreaterThan(0)
  expect(load.peek()).toBe(1)
  gate.resolve()
  source.last.resolve("done")
  await Promise.all([other, running])
})

test("once it has failed, code that still runs in its context acts directly, and loads are stored", async () => {
  const { cache } = makeCache()
  const load = counting(cache)
  const done = deferred<unknown>()
  await expect(
    cache.transaction(async () => {
      setImmediate(() => {
        load()
          .then(() => cache.invalidate("late"))
          .then(done.resolve, done.reject)
      })
      throw new Error("rolled back")
    }),
  ).rejects.toThrow("rolled back")
  expect(await done.promise).toEqual(expect.any(String))
  expect(load.peek()).toBe(1)
})

test("an invalidation outside holds inside as well", async () => {
  const { cache } = makeCache()
  const load = counting(cache)
  await load()
  const gate = deferred()
  const running = cache.transaction(async () => {
    await gate.promise
    return load()
  })
  await cache.invalidate("t")
  gate.resolve()
  expect(await running).toBe(2)
})

test("a load under way outside, begun before the commit, is not stored", async () => {
  const { cache } = makeCache()
  const source = steered<string>()
  const load = cache.cacheable(source.loader, { deps: ["t"] })
  const outside = load()
  await cache.transaction(async () => cache.invalidate("t"))
  source.last.resolve("old")
  await outside
  expect(load.peek()).toBeUndefined()
})

test("transactions side by side don't see each other", async () => {
  const { cache } = makeCache()
  const gate = deferred()
  const one = cache.transaction(async () => {
    await cache.set("key", "one")
    await gate.promise
    return cache.get("key")
  })
  const two = cache.transaction(async () => {
    await settled()
    const seen = await cache.lookup("key")
    gate.resolve()
    return seen
  })
  expect(await Promise.all([one, two])).toEqual(["one", undefined])
})

test("a transaction of one cache does not hold back another", async () => {
  const { cache } = makeCache()
  const { cache: other } = makeCache()
  await cache.transaction(async () => {
    await other.invalidate("t")
    expect(other.tagVersion("t")).toBeGreaterThan(0)
  })
})

test("a transaction of a scope collects below its tag", async () => {
  const { cache } = makeCache()
  const scope = cache.scope("tenant:1")
  await scope.transaction(async () => {
    await scope.invalidate("t")
    expect(cache.tagVersion("tenant:1:t")).toBe(0)
  })
  expect(cache.tagVersion("tenant:1:t")).toBeGreaterThan(0)
  expect(cache.tagVersion("t")).toBe(0)
})

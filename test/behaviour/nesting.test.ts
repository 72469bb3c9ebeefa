/** What an outer load inherits from the cached calls and reads inside it. */
import { describe, expect, test, vi } from "vitest"
import { addDeps } from "zoocache"
import { settled } from "zoocache/testing"
import { deferred, makeCache, steered } from "../support/caches.js"

/** An inner function with a tag, and an outer one that uses it. */
function pair(innerOptions: object = {}, outerOptions: object = {}) {
  const bench = makeCache()
  const { cache } = bench
  const inner = cache.cacheable(
    vi.fn(async (id: number) => ({ id })),
    { name: "inner", deps: (id) => [`item:${id}`], ...innerOptions },
  )
  const outer = cache.cacheable(
    vi.fn(async (id: number) => (await inner(id)).id),
    { name: "outer", ...outerOptions },
  )
  return { ...bench, inner, outer }
}

describe("the tags of a nested call are dependencies of the outer one", () => {
  test("on a miss", async () => {
    const { cache, outer } = pair()
    await outer(1)
    await cache.invalidate("item:2")
    expect(outer.peek(1)).toBe(1)
    await cache.invalidate("item:1")
    expect(outer.peek(1)).toBeUndefined()
  })

  test("on a hit", async () => {
    const { cache, inner, outer } = pair()
    await inner(1)
    await outer(1)
    await cache.invalidate("item")
    expect(outer.peek(1)).toBeUndefined()
  })

  test("on a joined flight", async () => {
    const { cache } = makeCache()
    const source = steered<number>()
    const inner = cache.cacheable(source.loader, { name: "inner", deps: ["t"] })
    const outer = cache.cacheable(async () => inner(), { name: "outer" })
    const both = [inner(), outer()]
    expect(source.runs).toHaveLength(1)
    source.last.resolve(1)
    await Promise.all(both)
    expect(outer.peek()).toBe(1)
    await cache.invalidate("t")
    expect(outer.peek()).toBeUndefined()
  })

  test("on a flight that was joined late and turned out fresh", async () => {
    const { cache } = makeCache()
    const source = steered<number>()
    const inner = cache.cacheable(source.loader, { name: "inner", deps: ["t"] })
    const outer = cache.cacheable(async () => inner(), { name: "outer" })
    const first = inner()
    await cache.invalidate("unrelated")
    const second = outer()
    source.last.resolve(1)
    await Promise.all([first, second])
    expect(outer.peek()).toBe(1)
    await cache.invalidate("t")
    expect(outer.peek()).toBeUndefined()
  })

  test("on a flight that was joined late and had to be done again: the outer load began before, so it is stale too", async () => {
    const { cache } = makeCache()
    const source = steered<number>()
    const inner = cache.cacheable(source.loader, { name: "inner", deps: ["t"] })
    const outer = cache.cacheable(async () => inner(), { name: "outer" })
    const first = inner()
    await cache.invalidate("unrelated")
    const second = outer()
    await cache.invalidate("t")
    source.runs[0]?.resolve(1)
    await settled()
    source.runs[1]?.resolve(2)
    expect(await Promise.all([first, second])).toEqual([1, 2])
    expect(inner.peek()).toBe(2)
    expect(outer.peek()).toBeUndefined()
    expect(await outer()).toBe(2)
    expect(outer.peek()).toBe(2)
  })

  test("on a rejection that the outer load caught", async () => {
    const { cache } = makeCache()
    const inner = cache.cacheable(
      async () => {
        addDeps("at:run:time")
        throw new Error("none")
      },
      { name: "inner", deps: ["t"] },
    )
    const outer = cache.cacheable(async () => inner().catch(() => "fallback"), { name: "outer" })
    await outer()
    expect(outer.peek()).toBe("fallback")
    await cache.invalidate("t")
    expect(outer.peek()).toBeUndefined()
    await outer()
    await cache.invalidate("at:run")
    expect(outer.peek()).toBeUndefined()
  })

  test("on a synchronous throw that the outer load caught", async () => {
    const { cache } = makeCache()
    const inner = cache.cacheable(
      (): string => {
        throw new Error("none")
      },
      { name: "inner", deps: ["t"] },
    )
    const outer = cache.cacheable(async () => inner().catch(() => "fallback"), { name: "outer" })
    await outer()
    expect(outer.peek()).toBe("fallback")
    await cache.invalidate("t")
    expect(outer.peek()).toBeUndefined()
  })

  test("on an error that is kept", async () => {
    const { cache } = makeCache()
    const inner = cache.cacheable(() => Promise.reject(new Error("none")), {
      name: "inner",
      deps: ["t"],
      cacheErrors: "1h",
    })
    await inner().catch(() => {})
    const outer = cache.cacheable(async () => inner().catch(() => "fallback"), { name: "outer" })
    await outer()
    expect(outer.peek()).toBe("fallback")
    await cache.invalidate("t")
    expect(outer.peek()).toBeUndefined()
  })

  test("when it was started but never awaited", async () => {
    const { cache } = makeCache()
    const inner = cache.cacheable(async () => 1, { name: "inner", deps: ["t"] })
    const outer = cache.cacheable(
      async () => {
        void inner()
        await settled()
        return 1
      },
      { name: "outer" },
    )
    await outer()
    await cache.invalidate("t")
    expect(outer.peek()).toBeUndefined()
  })

  test.each(["addDeps", "depsOf"] as const)("when it learned them by %s", async (how) => {
    const { cache } = makeCache()
    const inner = cache.cacheable(
      async () => {
        if (how === "addDeps") addDeps("late")
        return 1
      },
      { name: "inner", ...(how === "depsOf" && { depsOf: () => ["late"] }) },
    )
    const outer = cache.cacheable(async () => inner(), { name: "outer" })
    await outer()
    await cache.invalidate("late")
    expect(outer.peek()).toBeUndefined()
  })

  test("through three levels and side by side", async () => {
    const { cache } = makeCache()
    const leaf = cache.cacheable(async (id: string) => id, { name: "leaf", deps: (id) => [`leaf:${id}`] })
    const middle = cache.cacheable(async (id: string) => Promise.all([leaf(`${id}1`), leaf(`${id}2`)]), {
      name: "middle",
    })
    const top = cache.cacheable(async () => Promise.all([middle("a"), middle("b")]), { name: "top" })
    for (const invalidated of ["a1", "a2", "b1", "b2"]) {
      await top()
      expect(top.peek()).toBeDefined()
      await cache.invalidate(`leaf:${invalidated}`)
      expect(top.peek()).toBeUndefined()
      expect(middle.peek(invalidated.startsWith("a") ? "b" : "a")).toBeDefined()
    }
  })
})

describe("the own key of what was read is a dependency of the outer load", () => {
  test("of a nested call: deleted, refreshed over, cleared", async () => {
    const { inner, outer } = pair()
    await outer(1)
    await inner.delete(1)
    expect(outer.peek(1)).toBeUndefined()
    await outer(1)
    await inner.clear()
    expect(outer.peek(1)).toBeUndefined()
  })

  test.each(["get", "lookup", "has", "getMany"] as const)("of %s, though it found nothing", async (method) => {
    const { cache } = makeCache()
    const outer = cache.cacheable(
      async () => (method === "getMany" ? (await cache.getMany(["key"])).size : String(await cache[method]("key"))),
      { name: "outer" },
    )
    await outer()
    expect(outer.peek()).toBeDefined()
    await cache.set("other", 1)
    expect(outer.peek()).toBeDefined()
    await cache.set("key", 1)
    expect(outer.peek()).toBeUndefined()
  })

  test("of get, which found a value with tags", async () => {
    const { cache } = makeCache()
    await cache.set("key", 1, { deps: ["t"] })
    const outer = cache.cacheable(async () => cache.get("key"), { name: "outer" })
    for (const change of [
      () => cache.invalidate("t"),
      () => cache.set("key", 2, { deps: ["t"] }),
      () => cache.delete("key"),
    ]) {
      await outer()
      await change()
      expect(outer.peek()).toBeUndefined()
    }
  })

  test("of getOrLoad", async () => {
    const { cache } = makeCache()
    const outer = cache.cacheable(async () => cache.getOrLoad("key", () => 1, { deps: ["t"] }), { name: "outer" })
    await outer()
    await cache.delete("key")
    expect(outer.peek()).toBeUndefined()
    await outer()
    await cache.invalidate("t")
    expect(outer.peek()).toBeUndefined()
  })

  test("also while the outer load still runs", async () => {
    const { cache } = makeCache()
    await cache.set("key", "old")
    const gate = deferred()
    const outer = cache.cacheable(
      async () => {
        const value = await cache.get("key")
        await gate.promise
        return value
      },
      { name: "outer" },
    )
    const running = outer()
    await cache.set("key", "new")
    gate.resolve()
    expect(await running).toBe("old")
    expect(await outer()).toBe("new")
  })

  test("of a batch", async () => {
    const { cache } = makeCache()
    const many = cache.cacheableMany(async (ids: readonly number[]) => ids.map((id) => id * 2), {
      name: "many",
      deps: (id) => [`item:${id}`],
    })
    const outer = cache.cacheable(async () => [...(await many([1, 2])).values()], { name: "outer" })
    for (const change of [() => many.delete(2), () => many.clear(), () => cache.invalidate("item:1")]) {
      expect(await outer()).toEqual([2, 4])
      expect(outer.peek()).toEqual([2, 4])
      await change()
      expect(outer.peek()).toBeUndefined()
    }
  })

  test("of a sync function, and of a sync function inside a sync one", async () => {
    const { cache } = makeCache()
    const leaf = cache.cacheableSync((n: number) => n, { name: "leaf", deps: ["t"] })
    const middle = cache.cacheableSync((n: number) => leaf(n), { name: "middle" })
    const outer = cache.cacheable(async () => middle(1), { name: "outer" })
    for (const change of [() => cache.invalidate("t"), () => leaf.delete(1), () => middle.clear()]) {
      await outer()
      expect(outer.peek()).toBe(1)
      await change()
      expect(outer.peek()).toBeUndefined()
    }
    await outer()
    await leaf.clear()
    expect(middle.peek(1)).toBeUndefined()
  })
})

describe("an outer entry expires no later than what it used", () => {
  test.each([
    ["on a miss", false],
    ["on a hit", true],
  ])("%s", async (_name, isWarm) => {
    const { clock, inner, outer } = pair({ ttl: "10s" }, { ttl: "1h" })
    if (isWarm) {
      await inner(1)
      clock.advance(4_000)
    }
    await outer(1)
    clock.advance(isWarm ? 5_900 : 9_900)
    expect(outer.peek(1)).toBe(1)
    clock.advance(200)
    expect(outer.peek(1)).toBeUndefined()
  })

  test("that slides: its idle time counts as it stood at the read", async () => {
    const { clock, outer } = pair({ idleTtl: "10s" }, { ttl: "1h" })
    await outer(1)
    clock.advance(10_100)
    expect(outer.peek(1)).toBeUndefined()
  })

  test("set by hand", async () => {
    const { cache, clock } = makeCache()
    await cache.set("key", 1, { ttl: "10s" })
    const outer = cache.cacheable(async () => cache.get("key"), { name: "outer" })
    await outer()
    clock.advance(10_100)
    expect(outer.peek()).toBeUndefined()
  })

  test("in a joined flight, and through two levels", async () => {
    const { cache, clock } = makeCache()
    const source = steered<number>()
    const leaf = cache.cacheable(source.loader, { name: "leaf", ttl: "10s" })
    const middle = cache.cacheable(async () => leaf(), { name: "middle" })
    const top = cache.cacheable(async () => middle(), { name: "top" })
    const calls = [leaf(), top()]
    source.last.resolve(1)
    await Promise.all(calls)
    expect(top.peek()).toBe(1)
    clock.advance(10_100)
    expect(middle.peek()).toBeUndefined()
    expect(top.peek()).toBeUndefined()
  })

  test("though that found no room in the memory tier", async () => {
    const { cache, clock } = makeCache({ memory: { maxBytes: 10_000 } })
    const inner = cache.cacheable(async () => "large", { name: "inner", ttl: "10s", sizeOf: () => 1_000_000 })
    const outer = cache.cacheable(async () => (await inner()).length, { name: "outer" })
    await outer()
    expect(inner.peek()).toBeUndefined()
    expect(outer.peek()).toBe(5)
    clock.advance(10_100)
    expect(outer.peek()).toBeUndefined()
  })

  test("as a value that is set inside a load", async () => {
    const { cache, clock } = makeCache()
    const inner = cache.cacheable(async () => 1, { name: "inner", ttl: "10s" })
    const outer = cache.cacheable(async () => cache.set("made", await inner()), { name: "outer" })
    await outer()
    expect(await cache.get("made")).toBe(1)
    clock.advance(10_100)
    expect(await cache.lookup("made")).toBeUndefined()
  })
})

describe("what was served in grace keeps the outer result from being stored", () => {
  test("when it is served at once", async () => {
    const { clock, outer, inner } = pair({ ttl: "1m", grace: "1h" })
    await inner(1)
    clock.advance(61_000)
    expect(await outer(1)).toBe(1)
    expect(outer.peek(1)).toBeUndefined()
    await settled()
    await outer(1)
    expect(outer.peek(1)).toBe(1)
  })

  test("when it is served after a failed load", async () => {
    const { cache, clock } = makeCache()
    let isDown = false
    const inner = cache.cacheable(
      async () => {
        if (isDown) throw new Error("down")
        return 1
      },
      { name: "inner", ttl: "1m", grace: "1h", timeout: { soft: "10s" } },
    )
    const outer = cache.cacheable(async () => inner(), { name: "outer" })
    await inner()
    isDown = true
    clock.advance(61_000)
    expect(await outer()).toBe(1)
    expect(outer.peek()).toBeUndefined()
  })

  test("through two levels", async () => {
    const { cache, clock, inner, outer } = pair({ ttl: "1m", grace: "1h" })
    const top = cache.cacheable(async () => outer(1), { name: "top" })
    await inner(1)
    clock.advance(61_000)
    expect(await top()).toBe(1)
    expect(outer.peek(1)).toBeUndefined()
    expect(top.peek()).toBeUndefined()
  })
})

describe("inherit: false", () => {
  test("keeps the tags, keys and expiry of nested calls out", async () => {
    const { cache, clock, inner, outer } = pair({ ttl: "10s" }, { inherit: false })
    await outer(1)
    await cache.invalidate("item:1")
    await inner.delete(1)
    await inner.clear()
    expect(outer.peek(1)).toBe(1)
    clock.advance(20_000)
    expect(outer.peek(1)).toBe(1)
  })

  test("keeps its own tags, also those added at run time", async () => {
    const { cache } = makeCache()
    const outer = cache.cacheable(
      async () => {
        addDeps("added")
        return 1
      },
      { name: "outer", inherit: false, deps: ["static"] },
    )
    for (const tag of ["added", "static"]) {
      await outer()
      expect(outer.peek()).toBe(1)
      await cache.invalidate(tag)
      expect(outer.peek()).toBeUndefined()
    }
  })

  test("still does not store what used a value in grace", async () => {
    const { clock, inner, outer } = pair({ ttl: "1m", grace: "1h" }, { inherit: false })
    await inner(1)
    clock.advance(61_000)
    await outer(1)
    expect(outer.peek(1)).toBeUndefined()
  })

  test("can be the default of a cache and be overridden by a function", async () => {
    const { cache } = makeCache({ inherit: false })
    const inner = cache.cacheable(async () => 1, { name: "inner", deps: ["t"] })
    const loose = cache.cacheable(async () => inner(), { name: "loose" })
    const tight = cache.cacheable(async () => inner(), { name: "tight", inherit: true })
    await loose()
    await tight()
    await cache.invalidate("t")
    expect(loose.peek()).toBe(1)
    expect(tight.peek()).toBeUndefined()
  })
})

test("tracking: false keeps its static and result dependencies, and inherits nothing", async () => {
  const { cache } = makeCache()
  const inner = cache.cacheable(async () => 1, { name: "inner", deps: ["inner"] })
  const outer = cache.cacheable(
    async () => {
      addDeps("added")
      return inner()
    },
    { name: "outer", tracking: false, deps: ["static"], depsOf: () => ["result"] },
  )
  await outer()
  await cache.invalidate("inner", "added")
  expect(outer.peek()).toBe(1)
  await cache.invalidate("static")
  expect(outer.peek()).toBeUndefined()
  await outer()
  await cache.invalidate("result")
  expect(outer.peek()).toBeUndefined()
})

test("an inner load does not inherit from the outer one", async () => {
  const { cache } = makeCache()
  const inner = cache.cacheable(async () => 1, { name: "inner" })
  const outer = cache.cacheable(
    async () => {
      addDeps("outer")
      return inner()
    },
    { name: "outer", deps: ["static"] },
  )
  await outer()
  await cache.invalidate("outer", "static")
  expect(outer.peek()).toBeUndefined()
  expect(inner.peek()).toBe(1)
})

describe("a function of another cache inside a load", () => {
  test("keeps the result from being stored, and says so: nobody could tell when it becomes stale", async () => {
    const { cache, faults } = makeCache()
    const { cache: other } = makeCache()
    const inner = other.cacheable(async () => 1, { name: "inner" })
    const outer = cache.cacheable(async () => inner(), { name: "outer" })
    for (let call = 0; call < 2; call += 1) expect(await outer()).toBe(1)
    expect(inner.peek()).toBe(1)
    expect(outer.peek()).toBeUndefined()
    expect(faults[0]).toMatchObject({ key: "ƒ:outer::", error: { code: "ERR_ZOOCACHE_FOREIGN_CACHE" } })
  })

  test("does not with inherit: false, and each cache keeps its own dependencies", async () => {
    const { cache, faults } = makeCache()
    const { cache: other } = makeCache()
    const inner = other.cacheable(
      async () => {
        addDeps("inner")
        return 1
      },
      { name: "inner" },
    )
    const outer = cache.cacheable(
      async () => {
        const value = await inner()
        addDeps("mine")
        return value
      },
      { name: "outer", inherit: false },
    )
    await outer()
    await cache.invalidate("inner")
    expect([outer.peek(), inner.peek()]).toEqual([1, 1])
    await other.invalidate("inner", "mine")
    expect([outer.peek(), inner.peek()]).toEqual([1, undefined])
    await cache.invalidate("mine")
    expect(outer.peek()).toBeUndefined()
    expect(faults).toEqual([])
  })
})

test("what is made of a result that was not to be kept is not kept either: skipStore", async () => {
  const { cache } = makeCache()
  const outer = cache.cacheable(
    async () =>
      cache.getOrLoad("inner", (load) => {
        load.skipStore()
        load.addDeps("t")
        return 1
      }),
    { name: "outer" },
  )
  await outer()
  expect(await cache.lookup("inner")).toBeUndefined()
  expect(outer.peek()).toBeUndefined()
})

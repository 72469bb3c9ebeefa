/** Hooks run in the frame of their load, and before the verdict on it. */
import { describe, expect, test } from "vitest"
import { addDeps, currentLoad } from "zoocache"
import { makeCache } from "../support/caches.js"

type Hook = "deps" | "depsOf" | "ttl" | "cacheIf" | "sizeOf"

/** Options of a function whose one hook does something before it answers. */
function hooked(hook: Hook, work: () => void): object {
  const answers = { deps: [], depsOf: [], ttl: "1h", cacheIf: true, sizeOf: 1 }
  return {
    [hook]: () => {
      work()
      return answers[hook]
    },
  }
}

const hooks: Hook[] = ["deps", "depsOf", "ttl", "cacheIf", "sizeOf"]

describe.each(hooks)("`%s`", (hook) => {
  const memory = { maxEntries: 100, maxBytes: 1_000_000 }

  test("that calls a cached function depends on what the call did", async () => {
    const { cache } = makeCache({ memory })
    let team = 1
    const getTeam = cache.cacheableSync(() => team, { name: "team", deps: ["team"] })
    const seen: number[] = []
    const options = hooked(hook, () => seen.push(getTeam()))
    const load = cache.cacheable(async () => team, { name: "load", ...options })
    await load()
    team = 2
    await cache.invalidate("team")
    expect(await load()).toBe(2)
    expect(seen).toEqual([1, 2])
  })

  test("adds dependencies to its own load, and not to that of the caller", async () => {
    const { cache } = makeCache({ memory })
    const inner = cache.cacheable(async () => 1, { name: "inner", inherit: false, ...hooked(hook, () => addDeps("t")) })
    const outer = cache.cacheable(async () => inner(), { name: "outer", inherit: false })
    await outer()
    await cache.invalidate("t")
    expect(outer.peek()).toBe(1)
    expect(inner.peek()).toBeUndefined()
  })

  test("is told of its own load", async () => {
    const { cache } = makeCache({ memory })
    const keys: (string | undefined)[] = []
    const inner = cache.cacheable(async () => 1, {
      name: "inner",
      ...hooked(hook, () => keys.push(currentLoad()?.key)),
    })
    const outer = cache.cacheable(async () => inner(), { name: "outer" })
    await outer()
    expect(keys).toEqual([inner.keyOf()])
  })

  test("that invalidates what its load depends on has the result not kept", async () => {
    const { cache } = makeCache({ memory })
    let row = 1
    let once = true
    const change = () => {
      if (!once) return
      once = false
      row = 2
      void cache.invalidate("t")
    }
    const load = cache.cacheable(
      async () => {
        addDeps("t")
        return row
      },
      { name: "load", ...hooked(hook, change) },
    )
    await load()
    expect(await load()).toBe(2)
  })
})

test("`cacheErrors` runs in the frame of its load", async () => {
  const { cache } = makeCache()
  let loads = 0
  const load = cache.cacheable(
    async () => {
      loads += 1
      throw new Error("down")
    },
    {
      name: "load",
      cacheErrors: () => {
        addDeps("t")
        return "1h"
      },
    },
  )
  await load().catch(() => {})
  await load().catch(() => {})
  expect(loads).toBe(1)
  await cache.invalidate("t")
  await load().catch(() => {})
  expect(loads).toBe(2)
})

test("a hook of a synchronous function runs in the frame of its load", () => {
  const { cache } = makeCache()
  const load = cache.cacheableSync(() => 1, {
    name: "load",
    ttl: () => {
      addDeps("t")
      return "1h"
    },
  })
  load()
  void cache.invalidate("t")
  expect(load.peek()).toBeUndefined()
})

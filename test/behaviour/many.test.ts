import { describe, expect, test, vi } from "vitest"
import { settled } from "zoocache/testing"
import { deferred, makeCache, rejectionOf } from "../support/caches.js"

function squares(options: object = {}) {
  const bench = makeCache()
  const loader = vi.fn(async (ids: readonly number[]) => new Map(ids.filter((id) => id > 0).map((id) => [id, id * id])))
  const many = bench.cache.cacheableMany(loader, { name: "squares", deps: (id) => [`n:${id}`], ...options })
  const batches = () => loader.mock.calls.map(([ids]) => ids)
  return { ...bench, loader, many, batches }
}

describe("cacheableMany", () => {
  test("answers with a Map in the order of the ids, without those that have no value", async () => {
    const { many } = squares()
    expect([...(await many([3, -1, 1, 2, 3]))]).toEqual([
      [3, 9],
      [1, 1],
      [2, 4],
    ])
    expect(await many([])).toEqual(new Map())
  })

  test("loads in one batch what is missing, and nothing that is stored", async () => {
    const { many, batches } = squares()
    await many([1, 2])
    await many([1, 2, 3, 4])
    await many([4, 3])
    expect(batches()).toEqual([
      [1, 2],
      [3, 4],
    ])
  })

  test("gathers all that is asked for in the same tick", async () => {
    const { many, batches } = squares()
    const answers = await Promise.all([many([1, 2]), many.one(3), many([2, 4]), many.one(1), many.refresh(5)])
    expect(answers).toEqual([
      new Map([
        [1, 1],
        [2, 4],
      ]),
      9,
      new Map([
        [2, 4],
        [4, 16],
      ]),
      1,
      25,
    ])
    expect(batches()).toEqual([[1, 2, 3, 4, 5]])
  })

  test("remembers that an id has no value, until it is invalidated", async () => {
    const { cache, many, batches } = squares()
    expect(await many.one(-1)).toBeUndefined()
    expect(await many([-1])).toEqual(new Map())
    expect(batches()).toEqual([[-1]])
    await cache.invalidate("n:-1")
    await many.one(-1)
    expect(batches()).toHaveLength(2)
  })

  test("accepts an array in the order of the ids, with errors in the place of values", async () => {
    const { cache } = makeCache()
    const many = cache.cacheableMany(async (ids: readonly number[]) =>
      ids.map((id) => (id === 2 ? new Error("no 2") : id === 3 ? undefined : id * 10)),
    )
    expect(await many([1, 3])).toEqual(new Map([[1, 10]]))
    await expect(many([1, 2])).rejects.toThrow("no 2")
    expect(await many.one(1)).toBe(10)
    await expect(many.one(2)).rejects.toThrow("no 2")
  })

  test("splits what exceeds maxBatch", async () => {
    const { many, batches } = squares({ maxBatch: 2 })
    expect((await many([1, 2, 3, 4, 5])).size).toBe(5)
    expect(batches()).toEqual([[1, 2], [3, 4], [5]])
  })

  test("a failing batch rejects all who wait for it, and is not stored", async () => {
    const { loader, many } = squares()
    const error = new Error("down")
    loader.mockRejectedValueOnce(error)
    expect(await Promise.all([many([1, 2]), many.one(3)].map(rejectionOf))).toEqual([error, error])
    expect(await many.one(1)).toBe(1)
  })

  test.each([
    ["an array of another length", [1]],
    ["something else", { 1: 1 }],
    ["nothing", undefined],
  ])("a loader that answers with %s rejects", async (_name, answer) => {
    const { cache } = makeCache()
    const many = cache.cacheableMany<number, number>((async () => answer) as never)
    for (const error of await Promise.all([rejectionOf(many([1, 2])), rejectionOf(many.one(3))])) {
      expect(error).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_OPTION", subject: "loader" })
    }
  })

  test("invalidates per id", async () => {
    const { cache, many } = squares()
    await many([1, 2, 3])
    await cache.invalidate("n:1")
    await many.delete(2)
    expect([many.peek(1), many.peek(2), many.peek(3)]).toEqual([undefined, undefined, 9])
    await many.clear()
    expect(many.peek(3)).toBeUndefined()
  })

  test("an invalidation during the batch concerns only the ids that it hits", async () => {
    const { cache } = makeCache()
    const gate = deferred()
    let batches = 0
    const many = cache.cacheableMany(
      async (ids: readonly number[]) => {
        batches += 1
        if (batches === 1) await gate.promise
        return ids.map((id) => `${id} of batch ${batches}`)
      },
      { deps: (id) => [`n:${id}`] },
    )
    const first = many([1, 2])
    await settled()
    await cache.invalidate("n:1")
    gate.resolve()
    expect((await first).size).toBe(2)
    expect(many.peek(1)).toBeUndefined()
    expect(many.peek(2)).toBe("2 of batch 1")
    expect(await many.one(1)).toBe("1 of batch 2")
  })

  test("hands over `keyOf`, `explain` and entries by key like any function", async () => {
    const { cache, many } = squares()
    await many([2])
    expect(many.keyOf(2)).toBe("ƒ:squares::2")
    expect(await cache.get(many.keyOf(2))).toBe(4)
    expect(many.explain(2)).toMatchObject({ state: "fresh", dependencies: ["n:2"] })
  })

  test("refreshes per id, joining no load that began before", async () => {
    const { many, loader } = squares()
    await many([1])
    loader.mockResolvedValueOnce(new Map([[1, 100]]))
    expect(await many.refresh(1)).toBe(100)
    expect(await many.one(1)).toBe(100)
  })

  test("ids may be objects, told apart by their content or by `key`", async () => {
    const { cache } = makeCache()
    const loader = vi.fn(async (ids: readonly { id: number }[]) => ids.map(({ id }) => id))
    const many = cache.cacheableMany(loader, { key: ({ id }) => id })
    const one = { id: 1 }
    expect(await many([one, { id: 2 }])).toEqual(
      new Map([
        [one, 1],
        [{ id: 2 }, 2],
      ]),
    )
    expect(await many.one({ id: 2 })).toBe(2)
    expect(loader).toHaveBeenCalledTimes(1)
  })

  test("serves grace per id and refreshes in one batch", async () => {
    const { clock, many, batches } = squares({ ttl: "10s", grace: "1h" })
    await many([1, 2])
    clock.advance(11_000)
    expect(await many([1, 2])).toEqual(
      new Map([
        [1, 1],
        [2, 4],
      ]),
    )
    await settled()
    expect(batches()).toEqual([
      [1, 2],
      [1, 2],
    ])
    expect(many.peek(1)).toBe(1)
  })

  test("a bad id rejects its caller alone", async () => {
    const { cache } = makeCache()
    const many = cache.cacheableMany(async (ids: readonly unknown[]) => ids.map(() => 1))
    const good = many([1])
    await expect(many([1, () => 1])).rejects.toMatchObject({ code: "ERR_ZOOCACHE_INVALID_KEY" })
    expect(await good).toEqual(new Map([[1, 1]]))
  })
})

describe("cacheableSync", () => {
  test("answers at once", async () => {
    const { cache } = makeCache()
    const loader = vi.fn((n: number) => ({ n }))
    const load = cache.cacheableSync(loader, { deps: (n) => [`n:${n}`] })
    const first = load(1)
    expect(first).toEqual({ n: 1 })
    expect(load(1)).toBe(first)
    expect(loader).toHaveBeenCalledTimes(1)
    await cache.invalidate("n:1")
    expect(load(1)).not.toBe(first)
    expect(load.refresh(1)).toEqual({ n: 1 })
    expect(load.peek(1)).toBe(load(1))
    expect(await cache.get(load.keyOf(1))).toBe(load(1))
    await load.delete(1)
    expect(load.peek(1)).toBeUndefined()
    expect(load.explain(1).state).toBe("stale")
  })

  test("throws what its loader throws, and loads again", () => {
    const { cache } = makeCache()
    let isDown = true
    const load = cache.cacheableSync(() => {
      if (isDown) throw new Error("down")
      return 1
    })
    expect(() => load()).toThrow("down")
    isDown = false
    expect(load()).toBe(1)
  })

  test("refuses a promise, and does not leave its rejection unhandled", async () => {
    const { cache } = makeCache()
    const load = cache.cacheableSync(() => Promise.reject(new Error("down")))
    expect(() => load()).toThrow("use `cacheable` for promises")
    await settled()
  })

  test("an invalidation by its own loader makes the result stale", async () => {
    const { cache } = makeCache()
    const load = cache.cacheableSync(
      () => {
        void cache.invalidate("t")
        return 1
      },
      { deps: ["t"] },
    )
    expect(load()).toBe(1)
    expect(load.peek()).toBeUndefined()
  })

  test("keeps its `this`", () => {
    const { cache } = makeCache()
    const counter = {
      base: 5,
      plus: cache.cacheableSync(function (this: { base: number }, n: number) {
        return this.base + n
      }),
    }
    expect(counter.plus(1)).toBe(6)
  })
})

/** Loads whose begin or landing is cut short where no user code is running, as a full stack does. */
import { AsyncLocalStorage } from "node:async_hooks"
import { describe, expect, test } from "vitest"
import { checkInvariants, type ManualClock, settled } from "zoocache/testing"
import { deferred, makeCache, rejectionOf, steered } from "../support/caches.js"
import { Fleet } from "../support/fleet.js"

const full = new RangeError("Maximum call stack size exceeded")

/** Has the next call of a method of the clock throw. */
function cutNext(clock: ManualClock, method: "setTimer" | "onTurnEnd"): void {
  const own = clock[method].bind(clock) as (...args: unknown[]) => never
  Object.assign(clock, {
    [method]: () => {
      Object.assign(clock, { [method]: own })
      throw full
    },
  })
}

describe("a begin that is cut short", () => {
  test("rejects its callers, and leaves neither its key nor its slot behind", async () => {
    const { cache, clock } = makeCache({ maxLoads: 1 })
    const load = cache.cacheable(async (id: number) => id, { name: "load" })
    cutNext(clock, "setTimer")
    const [cut, waiting] = [rejectionOf(load(1)), load(2)]
    expect(await cut).toBe(full)
    expect(await waiting).toBe(2)
    expect(await load(1)).toBe(1)
    expect(cache.stats()).toMatchObject({ running: 0, waiting: 0 })
  })

  test("of a load that waited for its slot is told, and those behind it go on", async () => {
    const { cache, clock } = makeCache({ maxLoads: 1 })
    const source = steered<number, [number]>()
    const load = cache.cacheable(source.loader, { name: "load" })
    const first = load(1)
    const [cut, last] = [rejectionOf(load(2)), load(3)]
    cutNext(clock, "setTimer")
    source.last.resolve(1)
    expect([await first, await cut]).toEqual([1, full])
    await settled()
    source.last.resolve(3)
    expect(await last).toBe(3)
  })

  test("of a batch leaves the next batch of its function as it is", async () => {
    const { cache, clock } = makeCache()
    const many = cache.cacheableMany(async (ids: readonly number[]) => ids.map((id) => id), { name: "many" })
    await many([0])
    cutNext(clock, "onTurnEnd")
    const outcomes = await Promise.allSettled([many([1]), many([2])])
    expect(outcomes.some(({ status }) => status === "rejected")).toBe(true)
    expect(await many([1, 2, 3])).toEqual(new Map([1, 2, 3].map((id) => [id, id])))
  })
})

describe("a synchronous load whose value can't be looked at", () => {
  test("ends all the same", () => {
    const { cache } = makeCache()
    const hostile = cache.cacheableSync(
      () =>
        new Proxy(() => {}, {
          getPrototypeOf() {
            throw new Error("trap")
          },
        }),
      { name: "hostile" },
    )
    for (let call = 0; call < 3; call += 1) expect(typeof hostile()).toBe("function")
    checkInvariants(cache)
  })

  test("ends with the turn where its recursion fills the stack", async () => {
    const { cache } = makeCache()
    const count: (n: number) => number = cache.cacheableSync((n: number) => (n === 0 ? 0 : 1 + count(n - 1)), {
      name: "count",
      deps: (n) => [`n:${n}`],
      isolation: "clone",
    })
    expect(() => count(100_000)).toThrow(RangeError)
    await settled()
    checkInvariants(cache)
    expect(count(10)).toBe(10)
  })
})

test("an id that no tag can be made of fails for itself, and not for its batch", async () => {
  const { cache } = makeCache()
  const many = cache.cacheableMany(async (ids: readonly string[]) => ids.map((id) => id), {
    name: "many",
    deps: (id) => [`user:${id}`],
  })
  const [a, none, b] = await Promise.allSettled([many.one("a"), many.one(""), many.one("b")])
  expect([a, b]).toEqual([
    { status: "fulfilled", value: "a" },
    { status: "fulfilled", value: "b" },
  ])
  expect(none).toMatchObject({ status: "rejected", reason: { code: "ERR_ZOOCACHE_INVALID_TAG" } })
  expect(many.peek("b")).toBe("b")
})

describe("arguments that change", () => {
  class Query {
    page: number
    constructor(page: number) {
      this.page = page
    }
  }

  test("while a shared tier is asked are those of the call", async () => {
    const { cache } = await new Fleet().join("a")
    const getPage = cache.cacheable(async (q: { page: number }) => `page ${q.page}`, { name: "page" })
    const q = { page: 1 }
    const pages: Promise<string>[] = []
    for (; q.page < 5; q.page += 1) pages.push(getPage(q))
    expect(await Promise.all(pages)).toEqual(["page 1", "page 2", "page 3", "page 4"])
    expect(await getPage({ page: 1 })).toBe("page 1")
  })

  test("concern no caller whose own have stayed", async () => {
    const { cache } = makeCache({ maxLoads: 1 })
    const gate = deferred()
    const busy = cache.cacheable(async () => gate.promise, { name: "busy" })
    const getPage = cache.cacheable(async (q: Query) => `page ${q.page}`, { name: "page", key: (q) => q.page })
    const first = busy()
    const [mine, other] = [new Query(1), new Query(1)]
    const both = [getPage(mine), getPage(other)]
    mine.page = 2
    gate.resolve()
    await first
    expect(await Promise.all(both)).toEqual(["page 1", "page 1"])
  })

  test("are none where a key goes by the identity of plain data", async () => {
    const { cache } = makeCache({ maxLoads: 1 })
    const gate = deferred()
    const busy = cache.cacheable(async () => gate.promise, { name: "busy" })
    const numbers = new WeakMap<object, number>()
    const load = cache.cacheable(async (_db: Query, context: object) => typeof context, {
      name: "load",
      key: (_db, context) => numbers.get(context) ?? 0,
    })
    const first = busy()
    const context = {}
    numbers.set(context, 7)
    const call = load(new Query(1), context)
    gate.resolve()
    await first
    expect(await call).toBe("object")
  })

  test("are none where the key of a batch goes by the caller's context", async () => {
    const { cache } = makeCache()
    const tenants = new AsyncLocalStorage<string>()
    const many = cache.cacheableMany(async (ids: readonly Query[]) => ids.map(({ page }) => page), {
      name: "many",
      key: (id) => `${tenants.getStore()}:${id.page}`,
    })
    expect(await tenants.run("a", () => many.one(new Query(3)))).toBe(3)
  })
})

import { expect, test } from "vitest"
import { settled } from "zoocache/testing"
import { deferred, makeCache, stateOf, steered } from "../support/caches.js"

test("no more loads run at the same time, and all of them run in the end, in the order of their calls", async () => {
  const { cache } = makeCache({ maxLoads: 3 })
  let running = 0
  let most = 0
  const order: number[] = []
  const load = cache.cacheable(async (id: number) => {
    order.push(id)
    running += 1
    most = Math.max(most, running)
    await settled()
    running -= 1
    return id
  })
  const ids = Array.from({ length: 20 }, (_, index) => index)
  expect(await Promise.all(ids.map((id) => load(id)))).toEqual(ids)
  expect(most).toBe(3)
  expect(order).toEqual(ids)
})

test("hits need no slot", async () => {
  const { cache } = makeCache({ maxLoads: 1 })
  const source = steered<string, [number]>()
  const load = cache.cacheable(source.loader)
  const first = load(1)
  source.last.resolve("one")
  await first
  const slow = load(2)
  expect(await load(1)).toBe("one")
  expect(cache.stats()).toMatchObject({ running: 1, waiting: 0 })
  source.last.resolve("two")
  await slow
})

test("those that wait are shown, and callers join them", async () => {
  const { cache } = makeCache({ maxLoads: 1 })
  const source = steered<string, [number]>()
  const load = cache.cacheable(source.loader)
  const calls = [load(1), load(2), load(2), load(3)]
  expect(cache.stats()).toMatchObject({ running: 1, waiting: 2, joins: 1 })
  for (let index = 0; index < 3; index += 1) {
    source.last.resolve(`${source.last.args[0]}`)
    await settled()
  }
  expect(await Promise.all(calls)).toEqual(["1", "2", "2", "3"])
})

test("a load that waited for its slot takes its position in the log when it begins", async () => {
  const { cache } = makeCache({ maxLoads: 1 })
  const source = steered<string, [string]>()
  const load = cache.cacheable(source.loader, { deps: ["t"] })
  const first = load("first")
  const waiting = load("waiting")
  await cache.invalidate("t")
  source.last.resolve("old")
  await first
  source.last.resolve("new")
  expect(await waiting).toBe("new")
  expect(load.peek("first")).toBeUndefined()
  expect(load.peek("waiting")).toBe("new")
})

test("a rejected, a throwing and a timed-out load give their slot back", async () => {
  const { cache, clock } = makeCache({ maxLoads: 1, timeout: "1s" })
  const reject = cache.cacheable(async () => Promise.reject(new Error("down")))
  const fail = cache.cacheable((): Promise<string> => {
    throw new Error("thrown")
  })
  const source = steered<string>()
  const hang = cache.cacheable(source.loader)
  const fine = cache.cacheable(async () => "fine")
  const outcomes = Promise.allSettled([reject(), fail(), hang(), fine()])
  await settled()
  await clock.advanceAsync(1000)
  expect(
    (await outcomes).map((outcome) => (outcome.status === "rejected" ? String(outcome.reason) : outcome.value)),
  ).toEqual(["Error: down", "Error: thrown", expect.stringContaining("LoadTimeoutError"), "fine"])
  source.last.resolve("late")
})

test("nested loads run on the slot of the outer one, however deep", async () => {
  const { cache } = makeCache({ maxLoads: 1 })
  const sum = cache.cacheable(async (n: number): Promise<number> => (n === 0 ? 0 : n + (await sum(n - 1))), {
    name: "sum",
  })
  expect(await sum(20)).toBe(210)
})

test("nested loads side by side don't deadlock, though all slots are taken by outer ones", async () => {
  const { cache } = makeCache({ maxLoads: 2 })
  const inner = cache.cacheable(async (id: number) => {
    await settled()
    return id
  })
  const outer = cache.cacheable(
    async (id: number) => {
      await settled()
      return (await Promise.all([1, 2, 3, 4].map((n) => inner(id * 10 + n)))).length
    },
    { name: "outer" },
  )
  expect(await Promise.all([1, 2, 3, 4, 5].map((id) => outer(id)))).toEqual([4, 4, 4, 4, 4])
})

test("a load with a slot that joins one that waits for a slot does not deadlock", async () => {
  const { cache } = makeCache({ maxLoads: 1 })
  const gate = deferred()
  const shared = cache.cacheable(async () => "shared", { name: "shared" })
  const outer = cache.cacheable(
    async () => {
      await gate.promise
      return shared()
    },
    { name: "outer" },
  )
  const holder = outer()
  const queued = shared()
  expect(cache.stats().waiting).toBe(1)
  gate.resolve()
  expect(await Promise.all([holder, queued])).toEqual(["shared", "shared"])
})

test("a load with a slot that waits for a load that must be done again does not deadlock", async () => {
  // Two slots. `shared` runs on the first; `outer` on the second waits for what comes of it, after a caller without a
  // slot did. `shared` turns out stale: its slot goes to `third`, which wants `outer`, and it must be loaded anew.
  const { cache } = makeCache({ maxLoads: 2 })
  const gate = deferred()
  let runs = 0
  const shared = cache.cacheable(
    async () => {
      runs += 1
      if (runs === 1) await gate.promise
      return `shared ${runs}`
    },
    { name: "shared", deps: ["t"] },
  )
  const outer = cache.cacheable(async () => `outer of ${await shared()}`, { name: "outer" })
  const third = cache.cacheable(async () => `third of ${await outer()}`, { name: "third" })
  const first = shared()
  await cache.invalidate("unrelated")
  const late = shared()
  const outside = outer()
  const queued = third()
  expect(cache.stats().waiting).toBe(1)
  await cache.invalidate("t")
  gate.resolve()
  expect(await stateOf(Promise.all([first, late, outside, queued]))).toEqual({
    value: ["shared 1", "shared 2", "outer of shared 2", "third of outer of shared 2"],
  })
})

test("a load with a slot may wait for a batch that has not been sent", async () => {
  const { cache } = makeCache({ maxLoads: 1 })
  const many = cache.cacheableMany(async (ids: readonly number[]) => ids.map((id) => id * 2), { name: "many" })
  const outer = cache.cacheable(async (id: number) => (await many([id, id + 1])).size, { name: "outer" })
  expect(await Promise.all([outer(1), many([1, 5]), outer(2)])).toEqual([
    2,
    new Map([
      [1, 2],
      [5, 10],
    ]),
    2,
  ])
})

test("a load inside a transaction inside a load needs no slot of its own", async () => {
  const { cache } = makeCache({ maxLoads: 1 })
  const inner = cache.cacheable(async () => "inner", { name: "inner" })
  const outer = cache.cacheable(async () => cache.transaction(async () => inner()), { name: "outer" })
  expect(await outer()).toBe("inner")
})

test("a caller that leaves the queue gives up its place", async () => {
  const { cache } = makeCache({ maxLoads: 1 })
  const source = steered<string, [number]>()
  const load = cache.cacheable(source.loader)
  const controller = new AbortController()
  const first = load(1)
  const leaving = load.with({ signal: controller.signal })(2)
  const staying = load(3)
  controller.abort(new Error("gone"))
  await expect(leaving).rejects.toThrow("gone")
  expect(cache.stats().waiting).toBe(1)
  source.last.resolve("1")
  await first
  expect(source.last.args).toEqual([3])
  source.last.resolve("3")
  expect(await staying).toBe("3")
  expect(source.runs).toHaveLength(2)
})

test("sync loads and private ones inside a load go on while all slots are taken", async () => {
  const { cache } = makeCache({ maxLoads: 1 })
  const source = steered<string>()
  const slow = cache.cacheable(source.loader)
  const double = cache.cacheableSync((n: number) => n * 2)
  const running = slow()
  expect(double(4)).toBe(8)
  source.last.resolve("done")
  await running
})

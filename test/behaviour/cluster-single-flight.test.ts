/** `singleflight: "cluster"`: of the nodes that share a store, one loads a key at a time. Nothing depends on it but loads. */
import { AsyncLocalStorage } from "node:async_hooks"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { describe, expect, test } from "vitest"
import {
  addDeps,
  type CacheOptions,
  currentLoad,
  type FunctionOptions,
  type LeaseEvent,
  LoadTimeoutError,
} from "zoocache"
import { settled } from "zoocache/testing"
import { leavesLoadsRunning, rejectionOf, stateOf, steered } from "../support/caches.js"
import { Fleet, type FleetNode } from "../support/fleet.js"

type Options = FunctionOptions<[id: number], unknown>

/** A node with a function whose loads the test ends one by one. */
interface Member extends FleetNode {
  readonly read: ReturnType<typeof define>["read"]
  readonly runs: ReturnType<typeof define>["runs"]
}

function define(node: FleetNode, options: Options = {}) {
  const { loader, runs } = steered<unknown, [id: number]>()
  const read = node.cache.cacheable(loader, { name: "row", deps: (id) => [`row:${id}`], ...options })
  return { read, runs }
}

async function member(fleet: Fleet, name: string, options: Options = {}, ofCache: CacheOptions = {}): Promise<Member> {
  const { clock: _clock, ...others } = ofCache
  const node = await fleet.join(name, { singleflight: "cluster", ...others })
  return { ...node, ...define(node, options) }
}

/** Nodes of one fleet, the first of which has begun to load row 1; the others wait for it. */
async function waiting(options: Options = {}, ofCache: CacheOptions = {}, count = 2) {
  const fleet = new Fleet()
  const members: Member[] = []
  for (let index = 0; index < count; index += 1) {
    members.push(await member(fleet, String.fromCodePoint(97 + index), options, ofCache))
  }
  const [leader, ...others] = members as [Member, ...Member[]]
  const led = leader.read(1)
  await quiet()
  const waits = others.map((other) => other.read(1))
  await quiet()
  expect(leader.runs).toHaveLength(1)
  expect(others.map(({ runs }) => runs.length)).toEqual(others.map(() => 0))
  const [waiter] = others as [Member]
  const [wait] = waits as [Promise<unknown>]
  return { fleet, leader, led, others, waits, waiter, wait }
}

/** Everything that takes no time has happened: questions, answers, writes, wake-ups, reads. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 12; turn += 1) await settled()
}

function end(member: Member, value: unknown, run = member.runs.length - 1): Promise<void> {
  member.runs[run]?.resolve(value)
  return quiet()
}

describe("one node loads", () => {
  test("and whoever listens may delete what was found: those who waited have it all the same", async () => {
    const { leader, led, waiter, wait } = await waiting()
    const onLease = (event: unknown) => {
      const { outcome, key } = event as LeaseEvent
      if (outcome === "found") void waiter.cache.delete(key)
    }
    subscribe("zoocache:lease", onLease)
    await end(leader, { n: 1 })
    unsubscribe("zoocache:lease", onLease)
    expect([await led, await wait]).toEqual([{ n: 1 }, { n: 1 }])
    expect(waiter.runs).toHaveLength(0)
  })

  test.each([true, false])("what is found while the lease is asked for is used; memory: %s", async (hasMemory) => {
    const fleet = new Fleet()
    const leader = await member(fleet, "a")
    const other = await member(fleet, "b", {}, hasMemory ? {} : { memory: false })
    let gets = 0
    // Its first look comes too early; the next one is answered turns before the question for the lease.
    other.store.decide = ({ kind }) => {
      if (kind === "get") return gets++ === 0 ? "lose" : "pass"
      return kind === "acquire" ? "hold" : "pass"
    }
    const led = leader.read(1)
    await quiet()
    await end(leader, { n: 1 })
    await led
    const reading = other.read(1)
    await quiet()
    for (const operation of other.store.held) await operation.answer()
    await quiet()
    expect(await reading).toEqual({ n: 1 })
    expect(other.runs).toHaveLength(0)
  })

  test("however many callers on however many nodes", async () => {
    const fleet = new Fleet()
    const members = await Promise.all(["a", "b", "c", "d", "e"].map((name) => member(fleet, name)))
    const reads = members.flatMap(({ read }) => Array.from({ length: 200 }, () => read(1)))
    await quiet()
    expect(members.flatMap(({ runs }) => runs)).toHaveLength(1)
    members.flatMap(({ runs }) => runs)[0]?.resolve({ n: 1 })
    expect(new Set((await Promise.all(reads)).map((value) => JSON.stringify(value)))).toEqual(new Set(['{"n":1}']))
    expect(members.flatMap(({ runs }) => runs)).toHaveLength(1)
    const sum = (name: "leases" | "leaseWaits" | "leaseHits" | "leaseTimeouts" | "loads") =>
      members.reduce((total, { cache }) => total + cache.stats()[name], 0)
    expect([sum("leases"), sum("leaseWaits"), sum("leaseHits"), sum("leaseTimeouts"), sum("loads")]).toEqual([
      1, 4, 4, 0, 1,
    ])
    await quiet()
    expect([fleet.board.held, fleet.board.watchers]).toEqual([[], 0])
  })

  test("and the value that others wait for is theirs, frozen, and from memory from then on", async () => {
    const { leader, waiter, wait } = await waiting()
    await end(leader, { n: 1 })
    const value = await wait
    expect(value).toEqual({ n: 1 })
    expect(Object.isFrozen(value)).toBe(true)
    expect(await waiter.read(1)).toBe(value)
  })

  test.each([{ memory: false }, { isolation: "clone" }] as const)("with %j too", async (options) => {
    const { leader, waits } = await waiting({}, options, 3)
    await end(leader, { n: 1 })
    expect(await Promise.all(waits)).toEqual([{ n: 1 }, { n: 1 }])
  })

  test("but each key has a lease of its own", async () => {
    const { leader, waiter } = await waiting()
    const other = waiter.read(2)
    await quiet()
    expect(waiter.runs).toHaveLength(1)
    await end(waiter, 2)
    expect(await other).toBe(2)
    await end(leader, 1)
  })

  test("only where it was asked for", async () => {
    const fleet = new Fleet()
    const a = await member(fleet, "a")
    const b = await member(fleet, "b", { singleflight: "process" })
    void a.read(1)
    const onB = b.read(1)
    await quiet()
    expect([a.runs.length, b.runs.length]).toEqual([1, 1])
    await end(a, 1)
    await end(b, 1)
    await onB
    expect(b.store.calls.acquire).toBe(0)
  })

  test("wakes the others when its value is there to be read, not before", async () => {
    const { leader, waiter, wait } = await waiting()
    leader.store.decide = ({ kind }) => (kind === "put" ? "hold" : "pass")
    await end(leader, 1)
    expect(await stateOf(wait)).toBe("pending")
    expect(leader.store.calls.release).toBe(0)
    await leader.store.releaseAll()
    await quiet()
    expect(await stateOf(wait)).toEqual({ value: 1 })
    expect(waiter.runs).toHaveLength(0)
  })

  test("and a value that was stored between a reader's look and its question is found", async () => {
    const fleet = new Fleet()
    const [a, b] = [await member(fleet, "a"), await member(fleet, "b")]
    b.store.decide = ({ kind }) => (kind === "get" ? "hold" : "pass")
    const onB = b.read(1)
    await quiet()
    await b.store.held[0]?.effect()
    // From here on b believes that there is nothing.
    const onA = a.read(1)
    await quiet()
    await end(a, 1)
    await onA
    await b.store.heal()
    await quiet()
    expect(await onB).toBe(1)
    expect(b.runs).toHaveLength(0)
    expect(fleet.board.held).toEqual([])
  })

  test("whose value others depend on as if they had loaded it", async () => {
    const { leader, waiter } = await waiting()
    const outer = waiter.cache.cacheable(async () => await waiter.read(1), { name: "outer", singleflight: "process" })
    const reading = outer()
    await quiet()
    await end(leader, "old")
    expect(await reading).toBe("old")
    await leader.cache.invalidate("row:1")
    await quiet()
    const again = outer()
    await quiet()
    await end(waiter, "new")
    expect(await again).toBe("new")
  })

  test("of a batch each id by itself: what other nodes load is waited for, the rest is loaded", async () => {
    const fleet = new Fleet()
    const batches: string[] = []
    const many = async (name: string) => {
      const { cache } = await fleet.join(name, { singleflight: "cluster" })
      const { loader, runs } = steered<Map<number, number>, [ids: readonly number[]]>()
      const read = cache.cacheableMany(
        async (ids: readonly number[]) => {
          batches.push(`${name} ${ids.join()}`)
          return loader(ids)
        },
        { name: "many" },
      )
      return { read, runs }
    }
    const [a, b] = [await many("a"), await many("b")]
    const onA = a.read([1, 2])
    await quiet()
    const onB = b.read([1, 2, 3])
    await quiet()
    expect(batches).toEqual(["a 1,2", "b 3"])
    // Of the two that it waits for one is stored, the other was not found, which is also stored.
    a.runs[0]?.resolve(new Map([[1, 10]]))
    await quiet()
    b.runs[0]?.resolve(new Map([[3, 30]]))
    await quiet()
    expect(await onA).toEqual(new Map([[1, 10]]))
    expect(await onB).toEqual(
      new Map([
        [1, 10],
        [3, 30],
      ]),
    )
    expect(batches).toEqual(["a 1,2", "b 3"])
  })

  test("of a batch what the other node could not load is loaded, in a batch again", async () => {
    const fleet = new Fleet()
    const batches: string[] = []
    const many = async (name: string) => {
      const { cache } = await fleet.join(name, { singleflight: "cluster" })
      const { loader, runs } = steered<Map<number, number>, [ids: readonly number[]]>()
      const read = cache.cacheableMany(
        async (ids: readonly number[]) => {
          batches.push(`${name} ${ids.join()}`)
          return loader(ids)
        },
        { name: "many" },
      )
      return { read, runs }
    }
    const [a, b] = [await many("a"), await many("b")]
    const onA = a.read([1, 2])
    await quiet()
    const onB = b.read([1, 2])
    await quiet()
    a.runs[0]?.reject(new Error("no"))
    await rejectionOf(onA)
    await quiet()
    expect(batches).toEqual(["a 1,2", "b 1,2"])
    b.runs[0]?.resolve(
      new Map([
        [1, 10],
        [2, 20],
      ]),
    )
    expect((await onB).size).toBe(2)
  })
})

describe("a wake-up within a batch", () => {
  test("that is still asking for other ids is not lost", async () => {
    const fleet = new Fleet()
    const many = async (name: string) => {
      const node = await fleet.join(name, { singleflight: "cluster" })
      const { loader, runs } = steered<Map<number, number>, [ids: readonly number[]]>()
      return { ...node, runs, read: node.cache.cacheableMany(loader, { name: "many" }) }
    }
    const [a, b] = [await many("a"), await many("b")]
    const onA = rejectionOf(a.read([1]))
    await quiet()
    b.store.decide = ({ kind, key }) => (kind === "acquire" && key.endsWith("2") ? "hold" : "pass")
    const onB = b.read([1, 2])
    await quiet()
    expect(b.store.held).toHaveLength(1)
    a.runs[0]?.reject(new Error("no"))
    await onA
    await quiet()
    await b.store.releaseAll()
    await quiet()
    expect(b.runs).toHaveLength(2)
    b.runs[0]?.resolve(new Map([[2, 20]]))
    b.runs[1]?.resolve(new Map([[1, 10]]))
    await quiet()
    expect(await onB).toEqual(
      new Map([
        [1, 10],
        [2, 20],
      ]),
    )
  })
})

describe("when the load of the other node brings nothing", () => {
  test("because it fails, who waits is woken at once, and one of them loads", async () => {
    const { leader, led, others, waits } = await waiting({}, {}, 4)
    leader.runs[0]?.reject(new Error("the database is gone"))
    await rejectionOf(led)
    await quiet()
    expect(others.map(({ runs }) => runs.length).sort((x, y) => x - y)).toEqual([0, 0, 1])
    const next = others.find(({ runs }) => runs.length === 1) as Member
    await end(next, "value")
    expect(await Promise.all(waits)).toEqual(["value", "value", "value"])
    expect(others.flatMap(({ runs }) => runs)).toHaveLength(1)
  })

  test("because its function does not want it kept, who waits loads at once, and not one after the other", async () => {
    const { leader, led, others, waits } = await waiting({ cacheIf: () => false }, {}, 4)
    await end(leader, "not for others")
    expect(await led).toBe("not for others")
    expect(others.map(({ runs }) => runs.length)).toEqual([1, 1, 1])
    for (const other of others) await end(other, "own")
    expect(await Promise.all(waits)).toEqual(["own", "own", "own"])
  })

  const useless: readonly (readonly [string, Options, (loading: Member) => void])[] = [
    ["it fails", {}, ({ runs }) => runs[0]?.reject(new Error("the database is gone"))],
    ["its value is refused", { validate: (value) => value === "own" }, ({ runs }) => runs[0]?.resolve("first")],
  ]
  test.each(useless)(
    "because %s, and that of the next node too, all others load at once",
    async (_why, given, fail) => {
      const { leader, led, others, waits } = await waiting(given, {}, 6)
      const all = [led, ...waits].map((each) => Promise.allSettled([each]))
      fail(leader)
      await quiet()
      const second = others.find(({ runs }) => runs.length === 1) as Member
      expect(others.flatMap(({ runs }) => runs)).toHaveLength(1)
      fail(second)
      await quiet()
      expect(others.map(({ runs }) => runs.length)).toEqual([1, 1, 1, 1, 1])
      for (const other of others) if (other !== second) await end(other, "own")
      await Promise.all(all)
      expect(await waits[others.findIndex((other) => other !== second)]).toBe("own")
    },
  )

  test("because the store does not take it, who waits loads at once, and not one after the other", async () => {
    const { leader, others, waits } = await waiting({}, {}, 4)
    leader.store.put = async () => false
    await end(leader, "too large")
    expect(others.map(({ runs }) => runs.length)).toEqual([1, 1, 1])
    for (const other of others) await end(other, "own")
    expect(await Promise.all(waits)).toEqual(["own", "own", "own"])
  })

  test("because it times out, who waits is woken at once", async () => {
    const { fleet, led, waiter, wait } = await waiting({ timeout: "3s" })
    const failing = rejectionOf(led)
    await fleet.clock.advanceAsync(3000, 1000)
    expect(await failing).toBeInstanceOf(LoadTimeoutError)
    await quiet()
    expect(waiter.runs).toHaveLength(1)
    await end(waiter, 1)
    expect(await wait).toBe(1)
  })

  test("because its last caller has left, who waits is woken at once", async () => {
    const fleet = new Fleet()
    const [a, b] = [await member(fleet, "a"), await member(fleet, "b")]
    const controller = new AbortController()
    const led = rejectionOf(a.read.with({ signal: controller.signal })(1))
    await quiet()
    const wait = b.read(1)
    await quiet()
    controller.abort(new Error("left"))
    await led
    await quiet()
    expect(b.runs).toHaveLength(1)
    await end(b, 1)
    expect(await wait).toBe(1)
  })

  test("because its write was dropped, who waits finds nothing and loads", async () => {
    const { leader, waiter, wait } = await waiting()
    leader.store.decide = ({ kind }) => (kind === "put" ? "lose" : "pass")
    await end(leader, 1)
    expect(waiter.runs).toHaveLength(1)
    await end(waiter, 2)
    expect(await wait).toBe(2)
  })

  test("because the cache there is closed, who waits is woken at once", async () => {
    const { leader, waiter, wait } = await waiting()
    leavesLoadsRunning(leader.cache)
    await leader.cache.close()
    await quiet()
    expect(waiter.runs).toHaveLength(1)
    await end(waiter, 1)
    expect(await wait).toBe(1)
    await end(leader, 0)
  })
})

describe("an invalidation", () => {
  test("during the load makes its value stale for whoever waits: it is loaded once more, by one", async () => {
    const { leader, led, others, waits } = await waiting({}, {}, 3)
    await others[1]?.cache.invalidate("row:1")
    await quiet()
    await end(leader, "old")
    // Its own caller had come before.
    expect(await led).toBe("old")
    expect(others.flatMap(({ runs }) => runs)).toHaveLength(1)
    const next = others.find(({ runs }) => runs.length === 1) as Member
    await end(next, "new")
    expect(await Promise.all(waits)).toEqual(["new", "new"])
    expect(others.flatMap(({ runs }) => runs)).toHaveLength(1)
  })

  test("that the loading node has not heard of leaves a value that no other node takes", async () => {
    const { fleet, leader, waiter, wait } = await waiting()
    // The news of it are lost on their way to the leader.
    fleet.log.connect("x")
    const { log } = fleet
    log.decide = ({ kind, by }: { kind: string; by?: string }) => (kind === "news" && by === "a" ? "lose" : "pass")
    await waiter.cache.invalidate("row:1")
    await quiet()
    const late = waiter.read(1)
    await end(leader, "old")
    expect(waiter.runs).toHaveLength(1)
    await end(waiter, "new")
    expect([await wait, await late]).toEqual(["new", "new"])
  })

  test("before the wait is over does not make the load stale that follows it", async () => {
    const { leader, led, waiter, wait } = await waiting()
    await waiter.cache.invalidate("row:1", "row:2")
    await quiet()
    leader.runs[0]?.reject(new Error("no"))
    await rejectionOf(led)
    await quiet()
    await end(waiter, "new")
    expect(await wait).toBe("new")
    // `asOf` was taken when it began, after the invalidation: so it could be kept.
    expect(await waiter.read(1)).toBe("new")
    expect(waiter.cache.stats().staleLoads).toBe(0)
  })

  test("on the loading node: its next load has the lease of the one whose place it takes", async () => {
    const { fleet, leader, led, waiter, wait } = await waiting()
    await leader.cache.invalidate("row:1")
    const next = leader.read(1)
    await quiet()
    expect(leader.runs).toHaveLength(2)
    await end(leader, "old", 0)
    expect(await led).toBe("old")
    expect(fleet.board.held).toHaveLength(1)
    expect(waiter.runs).toHaveLength(0)
    await end(leader, "new", 1)
    expect([await next, await wait]).toEqual(["new", "new"])
    expect(waiter.runs).toHaveLength(0)
    expect(fleet.board.held).toEqual([])
  })
})

describe("a node that is gone costs its lease", () => {
  /** Nothing of what it writes or gives back arrives any more. */
  function cutOff({ store }: FleetNode): void {
    store.decide = ({ kind }) => (kind === "get" ? "pass" : "lose")
  }

  test("at most: then who waits loads", async () => {
    const { fleet, leader, waiter, wait } = await waiting({ singleflight: { scope: "cluster", lease: "4s" } })
    cutOff(leader)
    await end(leader, 1)
    await fleet.clock.advanceAsync(3900, 100)
    expect(waiter.runs).toHaveLength(0)
    await fleet.clock.advanceAsync(300, 50)
    await quiet()
    expect(waiter.runs).toHaveLength(1)
    await end(waiter, 2)
    expect(await wait).toBe(2)
  })

  test("and those who may wait longer than a lease have one of them load", async () => {
    const singleflight = { scope: "cluster", lease: "4s", wait: "12s" } as const
    const { fleet, leader, others, waits } = await waiting({ singleflight }, {}, 4)
    cutOff(leader)
    await end(leader, 1)
    await fleet.clock.advanceAsync(4200, 50)
    await quiet()
    expect(others.flatMap(({ runs }) => runs)).toHaveLength(1)
    await end(others.find(({ runs }) => runs.length === 1) as Member, 2)
    expect(await Promise.all(waits)).toEqual([2, 2, 2])
  })

  test("also where it is only slow, and its late value takes the place of none", async () => {
    const { fleet, leader, waiter, wait } = await waiting({ singleflight: { scope: "cluster", lease: "4s" } })
    await fleet.clock.advanceAsync(4200, 100)
    await quiet()
    expect(waiter.runs).toHaveLength(1)
    expect(waiter.cache.stats()).toMatchObject({ leaseWaits: 1, leaseHits: 0 })
    await end(waiter, "second")
    await end(leader, "first")
    expect(await wait).toBe("second")
    expect(fleet.board.held).toEqual([])
    expect(await waiter.read(1)).toBe("second")
  })

  test.each([false, true])("by default too, and to one of the others: the node is dead %j", async (isDead) => {
    const { fleet, leader, others, waits } = await waiting({}, {}, 6)
    if (isDead) cutOff(leader)
    if (isDead) await end(leader, 1)
    await fleet.clock.advanceAsync(10_500, 50)
    await quiet()
    expect(others.flatMap(({ runs }) => runs)).toHaveLength(1)
    await end(others.find(({ runs }) => runs.length === 1) as Member, 2)
    expect(await Promise.all(waits)).toEqual([2, 2, 2, 2, 2])
    await end(leader, 1)
  })

  test("and the wait is bounded in total, whoever has the lease meanwhile", async () => {
    const singleflight = { scope: "cluster", lease: "4s", wait: "6s" } as const
    const { fleet, leader, others, waits } = await waiting({ singleflight }, {}, 3)
    cutOff(leader)
    await fleet.clock.advanceAsync(4200, 100)
    await quiet()
    const [second, third] = [...others].sort((a, b) => b.runs.length - a.runs.length) as [Member, Member]
    expect([second.runs.length, third.runs.length]).toEqual([1, 0])
    await fleet.clock.advanceAsync(2000, 100)
    await quiet()
    expect(third.runs).toHaveLength(1)
    expect(third.cache.stats()).toMatchObject({ leaseTimeouts: 1, leaseHits: 0 })
    await end(third, 3)
    await end(second, 2)
    await Promise.all(waits)
    await end(leader, 1)
  })
})

describe("a wake-up that is lost", () => {
  test("costs a second: who waits asks from time to time", async () => {
    const { fleet, leader, waiter, wait } = await waiting()
    fleet.board.isMute = true
    await end(leader, 1)
    expect(await stateOf(wait)).toBe("pending")
    await fleet.clock.advanceAsync(1000, 100)
    await quiet()
    expect(await stateOf(wait)).toEqual({ value: 1 })
    expect(waiter.runs).toHaveLength(0)
  })

  test("is asked after ever more rarely", async () => {
    const { fleet, leader, waiter, wait } = await waiting({ singleflight: { scope: "cluster", lease: "1m" } })
    const asked: number[] = []
    for (let part = 0; part < 4; part += 1) {
      const before = waiter.store.calls.acquire
      await fleet.clock.advanceAsync(12_000, 100)
      asked.push(waiter.store.calls.acquire - before)
    }
    // 0.5 to 1 s, twice that, 2 to 4 s, and from then on 2.5 to 5 s.
    expect(asked[0]).toBeLessThanOrEqual(7)
    for (const count of asked.slice(1)) expect(count).toBeLessThanOrEqual(5)
    expect(Math.min(...asked)).toBeGreaterThanOrEqual(2)
    await end(leader, 1)
    expect(await wait).toBe(1)
  })

  test("between the question and the answer is none", async () => {
    const fleet = new Fleet()
    const [a, b] = [await member(fleet, "a"), await member(fleet, "b")]
    const led = a.read(1)
    await quiet()
    // The answer of the store takes its time; meanwhile the lease is given back.
    b.store.delayMs = 50
    const wait = b.read(1)
    await fleet.clock.advanceAsync(50)
    expect(b.store.calls.acquire).toBe(1)
    a.runs[0]?.reject(new Error("no"))
    await rejectionOf(led)
    await quiet()
    b.store.delayMs = 0
    await fleet.clock.advanceAsync(50)
    await quiet()
    expect(b.runs).toHaveLength(1)
    await end(b, 1)
    expect(await wait).toBe(1)
  })
})

describe("nobody waits", () => {
  test("for another node while the store does not answer: it loads at once", async () => {
    const fleet = new Fleet()
    const [a, b] = [await member(fleet, "a"), await member(fleet, "b")]
    void a.read(1)
    await quiet()
    b.store.decide = ({ kind }) => (kind === "acquire" ? "lose" : "pass")
    const onB = b.read(1)
    await quiet()
    expect(b.runs).toHaveLength(1)
    await end(b, 2)
    expect(await onB).toBe(2)
    await end(a, 1)
  })

  test("any longer when the store ceases to answer, but for a second", async () => {
    const { fleet, leader, waiter, wait } = await waiting()
    waiter.store.decide = ({ kind }) => (kind === "acquire" ? "lose" : "pass")
    await fleet.clock.advanceAsync(1000, 100)
    await quiet()
    expect(waiter.runs).toHaveLength(1)
    await end(waiter, 2)
    await wait
    await end(leader, 1)
  })

  test("while the process is unsure", async () => {
    const fleet = new Fleet()
    const [a, b] = [await member(fleet, "a"), await member(fleet, "b")]
    void a.read(1)
    await quiet()
    fleet.log.decide = () => "lose"
    await fleet.clock.advanceAsync(5100, 100)
    expect(b.cache.status().state).toBe("unsure")
    const onB = b.read(1)
    await quiet()
    expect(b.runs).toHaveLength(1)
    expect(b.store.calls.acquire).toBe(0)
    await end(b, 2)
    await onB
    await end(a, 1)
    fleet.log.decide = () => "pass"
  })

  test("any longer when the process becomes unsure, but for a second", async () => {
    const { fleet, leader, waiter, wait } = await waiting({ singleflight: { scope: "cluster", lease: "1m" } })
    fleet.log.decide = () => "lose"
    await fleet.clock.advanceAsync(6100, 100)
    await quiet()
    expect(waiter.runs).toHaveLength(1)
    await end(waiter, 2)
    await wait
    await end(leader, 1)
    fleet.log.decide = () => "pass"
  })

  test("for what is loaded inside of a transaction, and it takes no lease", async () => {
    const { leader, waiter } = await waiting()
    const inside = waiter.cache.transaction(() => waiter.read(1))
    await quiet()
    expect(waiter.runs).toHaveLength(1)
    const { acquire } = waiter.store.calls
    await end(waiter, "own")
    expect(await inside).toBe("own")
    expect(acquire).toBe(1)
    await end(leader, 1)
  })

  test("who wants a load of their own: `refresh` and `fresh` begin at once", async () => {
    const fleet = new Fleet()
    const [a, b] = [await member(fleet, "a"), await member(fleet, "b")]
    void a.read(1)
    await quiet()
    const refreshed = b.read.refresh(1)
    await quiet()
    expect(b.runs).toHaveLength(1)
    await end(b, "fresh")
    expect(await refreshed).toBe("fresh")
    await end(a, 1)
  })

  test("with those who wait, once one of them wants a load of its own", async () => {
    const { leader, waiter, wait } = await waiting()
    const fresh = waiter.read.with({ fresh: true })(1)
    await quiet()
    expect(waiter.runs).toHaveLength(1)
    await end(leader, "before")
    await end(waiter, "fresh")
    expect([await wait, await fresh]).toEqual(["fresh", "fresh"])
  })

  test.each(["acquire", "get"])("for a cache that closes while it asks, by %s", async (slow) => {
    const fleet = new Fleet()
    const [a, b] = [await member(fleet, "a"), await member(fleet, "b")]
    leavesLoadsRunning(a.cache)
    a.store.decide = ({ kind }) => (a.store.calls.acquire > 0 && kind === slow ? "hold" : "pass")
    const onA = a.read(1)
    await quiet()
    expect([a.store.calls.acquire, a.runs.length]).toEqual([1, 0])
    await a.cache.close()
    // The answer comes, or the lease has been given back without it.
    if (slow === "acquire") await a.store.releaseAll()
    await quiet()
    expect(fleet.board.held).toEqual([])
    const onB = b.read(1)
    await quiet()
    expect(b.runs).toHaveLength(1)
    await end(b, 2)
    expect(await onB).toBe(2)
    await a.store.releaseAll()
    await quiet()
    await end(a, 1)
    expect(await onA).toBe(1)
  })

  test("after the cache is closed: callers get a load", async () => {
    const { fleet, leader, waiter, wait } = await waiting()
    leavesLoadsRunning(waiter.cache)
    const keeping = fleet.clock.keepingAlive
    const closing = waiter.cache.close()
    await quiet()
    await closing
    expect(waiter.runs).toHaveLength(1)
    // The process stayed for the wait, and for the leader's load, but not for a load that outlives its cache.
    expect(fleet.clock.keepingAlive).toBe(keeping - 1)
    await end(waiter, 2)
    expect(await wait).toBe(2)
    await end(leader, 1)
  })
})

describe("a caller who leaves", () => {
  test("does not end the wait of the others", async () => {
    const { leader, waiter, wait } = await waiting()
    const controller = new AbortController()
    const leaving = rejectionOf(waiter.read.with({ signal: controller.signal })(1))
    await quiet()
    controller.abort(new Error("left"))
    expect(await leaving).toEqual(new Error("left"))
    await end(leader, 1)
    expect(await wait).toBe(1)
  })

  test("as the last one ends it: nothing is loaded, nothing is left", async () => {
    const fleet = new Fleet()
    const [a, b] = [await member(fleet, "a"), await member(fleet, "b")]
    void a.read(1)
    await quiet()
    const controller = new AbortController()
    const leaving = rejectionOf(b.read.with({ signal: controller.signal })(1))
    await quiet()
    expect(fleet.board.watchers).toBe(2 - 1)
    const timers = fleet.clock.timers
    controller.abort(new Error("left"))
    await leaving
    expect([fleet.board.watchers, timers - fleet.clock.timers]).toEqual([0, 2])
    await end(a, 1)
    expect(b.runs).toHaveLength(0)
  })

  test("while it is asked for the lease gives the lease back", async () => {
    const fleet = new Fleet()
    const a = await member(fleet, "a")
    const controller = new AbortController()
    a.store.decide = ({ kind }) => (kind === "acquire" ? "hold" : "pass")
    const leaving = rejectionOf(a.read.with({ signal: controller.signal })(1))
    await quiet()
    controller.abort(new Error("left"))
    await leaving
    await a.store.heal()
    await quiet()
    expect(fleet.board.held).toEqual([])
    expect(a.runs).toHaveLength(0)
  })
})

describe("expired values", () => {
  test("are refreshed in the background by one node, and all have the new one", async () => {
    const { fleet, leader, others, waits } = await waiting({ ttl: "1s", grace: "1m" }, {}, 3)
    await end(leader, "old")
    await Promise.all(waits)
    await fleet.clock.advanceAsync(1500, 500)
    const members = [leader, ...others]
    expect(await Promise.all(members.map(({ read }) => read(1)))).toEqual(["old", "old", "old"])
    await quiet()
    expect(members.reduce((sum, { runs }) => sum + runs.length, 0)).toBe(2)
    for (const each of members) await end(each, "new")
    expect(await Promise.all(members.map(({ read }) => read(1)))).toEqual(["new", "new", "new"])
    expect(members.reduce((sum, { runs }) => sum + runs.length, 0)).toBe(2)
  })

  test.each([0, 1])("of a cache that closes are refreshed for callers only: %i of them", async (callers) => {
    const { fleet, leader, waiter, wait } = await waiting({ ttl: "1s", grace: "1m" })
    leavesLoadsRunning(waiter.cache)
    await end(leader, "old")
    await wait
    await fleet.clock.advanceAsync(1500, 500)
    expect([await leader.read(1), await waiter.read(1)]).toEqual(["old", "old"])
    await quiet()
    // Nothing is there to be served to whoever comes now.
    if (callers > 0) await waiter.cache.invalidate("row:1")
    const joined = Array.from({ length: callers }, () => waiter.read(1))
    await quiet()
    const before = waiter.runs.length
    await waiter.cache.close()
    await quiet()
    expect(waiter.runs.length - before).toBe(callers)
    await end(waiter, "own")
    await Promise.all(joined)
    await end(leader, "new")
  })

  test("early refresh: one node loads, the others keep what they have", async () => {
    const { fleet, leader, others, waits } = await waiting({ ttl: "10s", earlyRefresh: 0.5 }, {}, 3)
    await end(leader, "old")
    await Promise.all(waits)
    await fleet.clock.advanceAsync(6000, 500)
    const members = [leader, ...others]
    expect(await Promise.all(members.map(({ read }) => read(1)))).toEqual(["old", "old", "old"])
    await quiet()
    expect(members.reduce((sum, { runs }) => sum + runs.length, 0)).toBe(2)
    for (const each of members) await end(each, "new")
    expect(await Promise.all(members.map(({ read }) => read(1)))).toEqual(["new", "new", "new"])
    expect(members.reduce((sum, { runs }) => sum + runs.length, 0)).toBe(2)
  })

  test("are served after the soft timeout, while another node loads", async () => {
    const options = { ttl: "1s", grace: "1m", timeout: { soft: "500ms", hard: "1m" } } as const
    const { fleet, leader, waiter, wait } = await waiting(options)
    await end(leader, "old")
    await wait
    await fleet.clock.advanceAsync(1500, 500)
    const led = leader.read(1)
    await quiet()
    const onB = waiter.read(1)
    await quiet()
    expect(await stateOf(onB)).toBe("pending")
    await fleet.clock.advanceAsync(500, 100)
    expect(await stateOf(onB)).toEqual({ value: "old" })
    expect(waiter.runs).toHaveLength(0)
    await end(leader, "new")
    expect([await led, await waiter.read(1)]).toEqual(["old", "new"])
  })
})

describe("nested loads", () => {
  test("that another node is loading are waited for, where nobody around holds a lease", async () => {
    const { leader, waiter } = await waiting()
    const outer = waiter.cache.cacheable(() => waiter.read(1), { name: "outer", singleflight: "process" })
    const reading = outer()
    await quiet()
    expect(waiter.runs).toHaveLength(0)
    await end(leader, 1)
    expect(await reading).toBe(1)
  })

  test("of a load that holds a lease never wait, but take one where it is free", async () => {
    const { fleet, leader, waiter } = await waiting()
    const outer = waiter.cache.cacheable(async () => [await waiter.read(2), await waiter.read(1)], { name: "outer" })
    // Row 1 is waited for by somebody else already, who goes on with them.
    const reading = outer()
    await quiet()
    expect(fleet.board.held).toContain(waiter.read.keyOf(2))
    await end(waiter, 2)
    expect(waiter.runs).toHaveLength(2)
    await end(waiter, "own")
    expect(await reading).toEqual([2, "own"])
    await end(leader, 1)
  })

  test("that such a load waits for do not wait either, however far inside", async () => {
    const { leader, waiter } = await waiting()
    // It has begun before, for somebody else, and holds no lease.
    const middle = waiter.cache.cacheable(() => waiter.read(1), { name: "middle", singleflight: "process" })
    const before = middle()
    await quiet()
    expect(waiter.runs).toHaveLength(0)
    const outer = waiter.cache.cacheable(() => middle(), { name: "outer" })
    const reading = outer()
    await quiet()
    expect(waiter.runs).toHaveLength(1)
    await end(waiter, "own")
    expect([await before, await reading]).toEqual(["own", "own"])
    await end(leader, 1)
  })

  test("crosswise on two nodes do not wait for each other", async () => {
    const fleet = new Fleet()
    const gates = steered<void, [name: string]>()
    const make = async (name: string, own: "x" | "y") => {
      const { cache } = await fleet.join(name, { singleflight: "cluster" })
      const other = own === "x" ? "y" : "x"
      const functions: Record<string, () => Promise<string>> = {}
      functions[own] = cache.cacheable(
        async () => {
          await gates.loader(name)
          return `${own} of ${name} with ${await functions[other]?.()}`
        },
        { name: own },
      )
      functions[other] = cache.cacheable(async () => `${other} of ${name}`, { name: other })
      return { read: functions[own] }
    }
    const [a, b] = [await make("a", "x"), await make("b", "y")]
    const [onA, onB] = [a.read(), b.read()]
    await quiet()
    expect(fleet.board.held).toHaveLength(2)
    for (const run of gates.runs) run.resolve()
    await quiet()
    expect(await stateOf(onA)).toEqual({ value: "x of a with y of a" })
    expect(await stateOf(onB)).toEqual({ value: "y of b with x of b" })
  })

  test("that wait for themselves are still seen", async () => {
    const fleet = new Fleet()
    const { cache } = await fleet.join("a", { singleflight: "cluster" })
    const x: () => Promise<unknown> = cache.cacheable(() => y(), { name: "x" })
    const y: () => Promise<unknown> = cache.cacheable(() => x(), { name: "y" })
    expect(await rejectionOf(x())).toMatchObject({ code: "ERR_ZOOCACHE_LOAD_CYCLE" })
    await quiet()
    expect(fleet.board.held).toEqual([])
  })

  test("know their caller, and speak for their own load, after a wait", async () => {
    const fleet = new Fleet()
    const [a, b] = [await member(fleet, "a"), await fleet.join("b", { singleflight: "cluster" })]
    const request = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    const read = b.cache.cacheable(
      async (_id: number) => {
        seen.push(currentLoad()?.key, request.getStore())
        addDeps("added")
        return "own"
      },
      { name: "row" },
    )
    const led = rejectionOf(a.read(1))
    await quiet()
    const wait = request.run("the caller", () => read(1))
    await quiet()
    a.runs[0]?.reject(new Error("no"))
    await led
    await quiet()
    expect(await wait).toBe("own")
    expect(seen).toEqual([read.keyOf(1), "the caller"])
    expect(read.explain(1).dependencies).toContain("added")
  })
})

describe("slots", () => {
  test("are not held by who waits", async () => {
    const { leader, waiter, wait } = await waiting({}, { maxLoads: 1 })
    const other = waiter.read(2)
    await quiet()
    expect(waiter.runs).toHaveLength(1)
    await end(waiter, 2)
    expect(await other).toBe(2)
    await end(leader, 1)
    expect(await wait).toBe(1)
  })

  test("come before leases: who queues for a slot keeps no other node from loading", async () => {
    const fleet = new Fleet()
    const [a, b] = [await member(fleet, "a", {}, { maxLoads: 1 }), await member(fleet, "b", {}, { maxLoads: 1 })]
    const busy = a.read(9)
    await quiet()
    const queued = a.read(1)
    await quiet()
    expect(fleet.board.held).toEqual([a.read.keyOf(9)])
    const onB = b.read(1)
    await quiet()
    expect(b.runs).toHaveLength(1)
    await end(b, "b's")
    expect(await onB).toBe("b's")
    await end(a, 9)
    expect([await busy, await queued]).toEqual([9, "b's"])
    expect(a.runs).toHaveLength(1)
  })

  test("a value that comes while one queues for a slot is taken at once", async () => {
    const { leader, led, waiter, wait } = await waiting({}, { maxLoads: 1 })
    // The only slot is taken while the other node fails: who waited for it queues.
    const busy = waiter.read(9)
    await quiet()
    leader.runs[0]?.reject(new Error("no"))
    await rejectionOf(led)
    await quiet()
    expect(waiter.cache.stats().waiting).toBe(1)
    const again = leader.read(1)
    await quiet()
    await end(leader, "value")
    await again
    expect(await stateOf(wait)).toEqual({ value: "value" })
    expect(waiter.cache.stats().waiting).toBe(0)
    await end(waiter, 9)
    expect(await busy).toBe(9)
    expect(waiter.runs).toHaveLength(1)
  })

  test("a load that holds one does not wait for one that waits for another", async () => {
    const { leader, waiter } = await waiting({}, { maxLoads: 1 })
    const outer = waiter.cache.cacheable(() => waiter.read(1), { name: "outer", singleflight: "process" })
    const reading = outer()
    await quiet()
    leader.store.decide = ({ kind }) => (kind === "put" ? "lose" : "pass")
    await end(leader, 1)
    expect(waiter.runs).toHaveLength(1)
    await end(waiter, 2)
    expect(await reading).toBe(2)
  })
})

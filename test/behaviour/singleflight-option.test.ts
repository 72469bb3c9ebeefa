/** What `singleflight` takes, and where it can't be had. */
import { describe, expect, onTestFinished, test } from "vitest"
import { type CacheOptions, createCache, InvalidOptionError, type LeaseEvent, type Singleflight } from "zoocache"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { createCodec } from "zoocache/codec"
import { FaultyLog, LeaseBoard, ManualClock, MemoryStore, RemoteMemoryStore, settled } from "zoocache/testing"
import { Cache } from "../../src/core/cache/cache.js"
import { makeCache, rejectionOf, steered } from "../support/caches.js"
import { Fleet } from "../support/fleet.js"

function termsOf(ofCache: Singleflight | undefined, ofFunction?: Singleflight) {
  const options = ofCache === undefined ? {} : { singleflight: ofCache }
  const { cache } = makeCache(options)
  cache.cacheable(async () => 1, { name: "f", ...(ofFunction === undefined ? {} : { singleflight: ofFunction }) })
  return Cache.coreOf(cache).tables.find("f", undefined)?.intake.behaviour.lease
}

describe("`singleflight`", () => {
  test.each<[Singleflight | undefined, Singleflight | undefined, { leaseMs: number; waitMs: number } | undefined]>([
    [undefined, undefined, undefined],
    ["process", undefined, undefined],
    ["cluster", undefined, { leaseMs: 10_000, waitMs: 20_000 }],
    [undefined, "cluster", { leaseMs: 10_000, waitMs: 20_000 }],
    ["cluster", "process", undefined],
    [{ scope: "cluster", lease: "3s" }, undefined, { leaseMs: 3000, waitMs: 6000 }],
    [{ scope: "cluster", lease: "3s", wait: 1000 }, "cluster", { leaseMs: 3000, waitMs: 1000 }],
    [
      { scope: "cluster", lease: "3s", wait: 1000 },
      { scope: "cluster", wait: "2s" },
      { leaseMs: 3000, waitMs: 2000 },
    ],
    [
      { scope: "cluster", lease: "3s", wait: 1000 },
      { scope: "cluster", lease: "9s" },
      { leaseMs: 9000, waitMs: 18_000 },
    ],
    [{ scope: "cluster", wait: "1m" }, undefined, { leaseMs: 10_000, waitMs: 60_000 }],
  ])("of the cache %j, of the function %j", (ofCache, ofFunction, terms) => {
    expect(termsOf(ofCache, ofFunction)).toEqual(terms)
  })

  test.each([
    ["fleet", /singleflight = "fleet": it must be "process", "cluster" or an object with a `scope`/],
    [true, /singleflight = true: it must be "process", "cluster" or/],
    [null, /singleflight/],
    [{}, /singleflight\.scope = undefined: it must be "cluster"/],
    [{ scope: "process", lease: "1s" }, /singleflight\.scope = "process": it must be "cluster"/],
    [{ scope: "cluster", lease: 0 }, /singleflight\.lease = 0: it must be at least 1 ms, and not without end/],
    [{ scope: "cluster", lease: Number.POSITIVE_INFINITY }, /singleflight\.lease = Infinity: it must be at least 1 ms/],
    [{ scope: "cluster", wait: "-1s" }, /singleflight\.wait/],
    [{ scope: "cluster", lease: "soon" }, /singleflight\.lease = "soon"/],
    [{ scope: "cluster", leese: "1s" }, /singleflight\.leese = "1s": singleflight has no such option/],
  ])("%j is refused where it is given", async (given, message) => {
    const singleflight = given as Singleflight
    expect(() => createCache({ singleflight })).toThrow(InvalidOptionError)
    expect(() => createCache({ singleflight })).toThrow(message)
    const { cache } = makeCache()
    expect(() => cache.cacheable(async () => 1, { singleflight })).toThrow(message)
    expect(() => cache.cacheable({ singleflight })({}, "m", { value: async () => 1 })).toThrow(message)
    expect(() => cache.cacheableMany(async () => new Map(), { singleflight })).toThrow(message)
    expect(await rejectionOf(cache.getOrLoad("k", () => 1, { singleflight }))).toBeInstanceOf(InvalidOptionError)
  })
})

describe("a cache that shares nothing is a cluster of one", () => {
  test.each<Pick<CacheOptions, "memory" | "enabled">>([{}, { memory: false }, { enabled: false }])(
    "%j",
    async (options) => {
      const { cache } = makeCache({ singleflight: "cluster", ...options })
      let loads = 0
      const read = cache.cacheable(async (id: number) => (loads += id), { name: "f", singleflight: "cluster" })
      expect(await Promise.all([read(1), read(1)])).toEqual(options.enabled === false ? [1, 2] : [1, 1])
      expect(await cache.getOrLoad("k", () => 5, { singleflight: "cluster" })).toBe(5)
      expect(cache.stats().leases).toBe(0)
    },
  )
})

describe("a cache that shares entries or invalidations without leases", () => {
  const clock = new ManualClock()
  const codec = createCodec()
  const log = () => new FaultyLog({ clock }).connect("a")
  const cases: readonly (readonly [string, () => CacheOptions])[] = [
    ["a store at hand", () => ({ log: log(), store: new MemoryStore({ codec }), codec })],
    ["a store behind a network", () => ({ log: log(), store: new RemoteMemoryStore({ codec, clock }), codec })],
    ["only a log", () => ({ log: log() })],
  ]
  test.each(cases)("says so at once, and what to do: %s", async (_name, optionsOf) => {
    const message =
      /singleflight = "cluster": the store of this cache has no leases by which processes could agree on who loads\. Use `redis\({ url }\)` with entries, or `singleflight: "process"`/
    expect(() => createCache({ ...optionsOf(), clock, singleflight: "cluster" })).toThrow(message)
    const { cache } = makeCache({ ...optionsOf(), clock })
    expect(() => cache.cacheable(async () => 1, { name: "f", singleflight: "cluster" })).toThrow(message)
    expect(() => cache.cacheableMany(async () => new Map(), { name: "g", singleflight: "cluster" })).toThrow(message)
    const error = await rejectionOf(cache.getOrLoad("k", () => 1, { singleflight: "cluster" }))
    expect((error as Error).message).toMatch(message)
  })

  test("leaves nothing open when it is refused", () => {
    const moment = new ManualClock()
    let closed = 0
    const backend = {
      name: "some",
      open: () => ({
        log: Object.assign(new FaultyLog({ clock: moment }).connect("a"), { close: async () => void (closed += 1) }),
        store: undefined,
        codec: undefined,
      }),
    }
    expect(() => createCache({ backend, clock: moment, singleflight: "cluster" })).toThrow(
      /the backend some, as it is set up here, has no leases/,
    )
    expect(closed).toBe(1)
  })
})

async function quiet(): Promise<void> {
  for (let turn = 0; turn < 12; turn += 1) await settled()
}

describe("what is seen of it", () => {
  test("by `explain`, the counters and the channel", async () => {
    const fleet = new Fleet()
    const events: string[] = []
    const hear = (event: unknown) => {
      const { function: name, outcome, waitedMs } = event as LeaseEvent
      events.push(`${name} ${outcome} ${waitedMs}`)
    }
    subscribe("zoocache:lease", hear)
    try {
      const make = async (name: string) => {
        const node = await fleet.join(name, { singleflight: { scope: "cluster", lease: "2s", wait: "2s" } })
        const resolves: ((value: number) => void)[] = []
        const read = node.cache.cacheable(
          (_id: number) => new Promise<number>((resolve) => void resolves.push(resolve)),
          { name },
        )
        return { ...node, read, resolves }
      }
      // Functions of one name are one function.
      const [a, b] = [await make("row"), await make("row")]
      const onA = a.read(1)
      await quiet()
      const onB = b.read(1)
      await quiet()
      expect(a.read.explain(1).text).toBe("absent: it is being loaded")
      expect(b.read.explain(1)).toMatchObject({ text: "absent: another node is loading it", isLoading: true })
      await fleet.clock.advanceAsync(300, 100)
      a.resolves[0]?.(1)
      await quiet()
      await Promise.all([onA, onB])
      const again = [a.read(2)]
      await quiet()
      again.push(b.read(2))
      await quiet()
      await fleet.clock.advanceAsync(2000, 100)
      await quiet()
      a.resolves[1]?.(2)
      b.resolves[0]?.(2)
      await quiet()
      await Promise.all(again)
      expect(events).toEqual(["row granted 0", "row found 300", "row granted 0", "row timeout 2000"])
      expect(a.cache.stats()).toMatchObject({ leases: 2, leaseWaits: 0, leaseHits: 0, leaseTimeouts: 0 })
      expect(b.cache.stats()).toMatchObject({ leases: 0, leaseWaits: 2, leaseHits: 1, leaseTimeouts: 1 })
    } finally {
      unsubscribe("zoocache:lease", hear)
    }
  })
})

describe("what came of a wait is told once", () => {
  async function two(terms: Singleflight, hear: (event: LeaseEvent) => void) {
    const fleet = new Fleet()
    const listener = (event: unknown) => hear(event as LeaseEvent)
    subscribe("zoocache:lease", listener)
    onTestFinished(() => void unsubscribe("zoocache:lease", listener))
    const make = async (name: string) => {
      const node = await fleet.join(name, { singleflight: terms })
      const { loader, runs } = steered<number, [id: number]>()
      return { ...node, runs, read: node.cache.cacheable(loader, { name: "row" }) }
    }
    const [a, b] = [await make("a"), await make("b")]
    const onA = a.read(1)
    await quiet()
    const onB = b.read(1)
    await quiet()
    return { fleet, a, b, onA, onB }
  }

  test("and the store's misses are those of readers", async () => {
    const { a, b, onA, onB } = await two("cluster", () => {})
    expect([a.cache.stats().storeMisses, b.cache.stats().storeMisses]).toEqual([1, 1])
    a.runs[0]?.resolve(1)
    expect(await Promise.all([onA, onB])).toEqual([1, 1])
  })

  test("also where it was called off for a load of one's own", async () => {
    const told: string[] = []
    const { fleet, a, b, onA, onB } = await two("cluster", ({ outcome, waitedMs }) =>
      told.push(`${outcome} ${waitedMs}`),
    )
    await fleet.clock.advanceAsync(200, 100)
    const fresh = b.read.with({ fresh: true })(1)
    await quiet()
    // Whoever wants a load of their own asks all the same, so that others wait for it; here there was no lease to be had.
    expect(told).toEqual(["granted 0", "called-off 200"])
    a.runs[0]?.resolve(1)
    b.runs[0]?.resolve(2)
    await Promise.all([onA, onB, fresh])
    await quiet()
    expect(b.cache.stats()).toMatchObject({ leaseWaits: 1, leaseHits: 0, leaseTimeouts: 0 })
  })

  test("and a value that is found by a question asked in time is no timeout", async () => {
    const told: string[] = []
    const terms = { scope: "cluster", lease: "10s", wait: "3s" } as const
    const { fleet, a, b, onA, onB } = await two(terms, ({ outcome }) => told.push(outcome))
    fleet.board.isMute = true
    await fleet.clock.advanceAsync(1500, 100)
    await quiet()
    b.store.decide = ({ kind }) => (kind === "acquire" ? "hold" : "pass")
    a.runs[0]?.resolve(1)
    await quiet()
    await fleet.clock.advanceAsync(2000, 100)
    await b.store.releaseAll()
    expect(await Promise.all([onA, onB])).toEqual([1, 1])
    expect(told).toEqual(["granted", "found"])
    expect(b.cache.stats()).toMatchObject({ leaseWaits: 1, leaseHits: 1, leaseTimeouts: 0 })
  })
})

describe("a store whose leases break their contract", () => {
  test("costs loads, and no call", async () => {
    const clock = new ManualClock()
    const codec = createCodec()
    const store = new RemoteMemoryStore({ codec, clock, board: new LeaseBoard({ clock }) })
    Object.assign(store, {
      leases: {
        acquire: () => Promise.reject(new Error("no leases today")),
        watch: () => {
          throw new Error("nobody watches")
        },
      },
    })
    const log = new FaultyLog({ clock }).connect("a")
    const { cache, faults } = makeCache({ clock, log, store, codec, singleflight: "cluster" })
    await cache.ready()
    expect(await cache.getOrLoad("k", () => 1)).toBe(1)
    expect(faults.map(({ error }) => error.message)).toEqual([
      expect.stringContaining("watch a lease"),
      expect.stringContaining("lease"),
    ])
  })

  const refuse = () => {
    throw new Error("not like this")
  }
  const cases: readonly (readonly [string, unknown, string[]])[] = [
    ["a lease whose release throws", { lease: { release: refuse } }, ["release a lease"]],
    ["a lease whose release returns nothing", { lease: { release: () => {} } }, []],
    ["a lease whose release rejects", { lease: { release: async () => refuse() } }, ["release a lease"]],
    ["a lease that can't be released", { lease: {} }, ["lease"]],
    ["no lease", { lease: null }, ["lease"]],
    ["null", null, []],
    ["a number", 7, ["lease"]],
    ["no time", { heldForMs: Number.NaN }, ["lease"]],
  ]
  test.each(cases)("leaves no key behind that can't be loaded: it answers %s", async (_name, answer, failures) => {
    const clock = new ManualClock()
    const codec = createCodec()
    const store = new RemoteMemoryStore({ codec, clock, board: new LeaseBoard({ clock }) })
    Object.assign(store, { leases: { acquire: async () => answer, watch: () => refuse } })
    const log = new FaultyLog({ clock }).connect("a")
    const { cache, faults } = makeCache({ clock, log, store, codec, singleflight: "cluster" })
    await cache.ready()
    const load = async (fails: boolean) => {
      if (fails) throw new Error("the database is gone")
      return 1
    }
    const read = cache.cacheable((_id: number, fails: boolean) => load(fails), { name: "row" })
    for (const times of [1, 2]) {
      expect(await read(times, false)).toBe(1)
      expect(await rejectionOf(read(1, true))).toMatchObject({ message: "the database is gone" })
    }
    await quiet()
    const told = new Set(faults.map(({ error }) => /failed to (.*?):/.exec(error.message)?.[1]))
    expect(told).toEqual(new Set(["watch a lease", ...failures]))
  })
})

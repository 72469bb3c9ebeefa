/** What a load inherits from each public call that can run inside it: the table of docs/concurrency.md. */
import { describe, expect, test } from "vitest"
import type { Cache } from "zoocache"
import { makeCache, makeShared } from "../support/caches.js"
import { Machine } from "../support/shared.js"

const TTL_MS = 10_000
const all = "key, tags, end"
const unkept = "not kept"
const nothing = ""

/** The functions and keys that are called; all depend on `t`, and live for ten seconds with an hour of grace. */
function targets(cache: Cache) {
  const options = { deps: ["t"], ttl: TTL_MS, grace: "1h" } as const
  const fn = cache.cacheable(async (id: number) => id, { name: "fn", ...options })
  const sync = cache.cacheableSync((id: number) => id, { name: "sync", ...options })
  const many = cache.cacheableMany(async (ids: readonly number[]) => ids.map((id) => id), { name: "many", ...options })
  const other = cache.cacheable(async () => 1, { name: "other" })
  const load = () => cache.getOrLoad("hand", () => 1, options)
  const fill = async () => {
    sync(1)
    await Promise.all([fn(1), many([1]), load()])
  }
  return { cache, fn, sync, many, other, load, fill }
}

type Targets = ReturnType<typeof targets>

/** What is inherited where the value is there | missing | expired, in grace | of another cache | there, in a transaction. */
type Row = readonly [string, string, string, string, string]

const reads: Row = [all, all, unkept, unkept, all]
const readsNow: Row = [all, all, all, unkept, all]
const loads: Row = [all, all, all, unkept, unkept]
const looks: Row = [all, "key", "key", unkept, all]
const explains: Row = [all, "key", unkept, unkept, all]
const sees: Row = ["tags", "tags", "tags", unkept, "tags"]
const none: Row = [nothing, nothing, nothing, nothing, nothing]

const calls: [name: string, keyOf: (of: Targets) => string, call: (of: Targets) => unknown, row: Row][] = [
  ["fn()", ({ fn }) => fn.keyOf(1), ({ fn }) => fn(1), reads],
  [
    "fn.with({ signal })()",
    ({ fn }) => fn.keyOf(1),
    ({ fn }) => fn.with({ signal: new AbortController().signal })(1),
    reads,
  ],
  ["fn.with({ fresh })()", ({ fn }) => fn.keyOf(1), ({ fn }) => fn.with({ fresh: true })(1), loads],
  ["fn.refresh()", ({ fn }) => fn.keyOf(1), ({ fn }) => fn.refresh(1), loads],
  ["fn.peek()", ({ fn }) => fn.keyOf(1), ({ fn }) => fn.peek(1), looks],
  ["fn.explain()", ({ fn }) => fn.keyOf(1), ({ fn }) => fn.explain(1), explains],
  ["many(ids)", ({ many }) => many.keyOf(1), ({ many }) => many([1]), reads],
  ["many.one()", ({ many }) => many.keyOf(1), ({ many }) => many.one(1), reads],
  ["many.refresh()", ({ many }) => many.keyOf(1), ({ many }) => many.refresh(1), loads],
  ["many.peek()", ({ many }) => many.keyOf(1), ({ many }) => many.peek(1), looks],
  ["many.explain()", ({ many }) => many.keyOf(1), ({ many }) => many.explain(1), explains],
  ["sync()", ({ sync }) => sync.keyOf(1), ({ sync }) => sync(1), readsNow],
  ["sync.refresh()", ({ sync }) => sync.keyOf(1), ({ sync }) => sync.refresh(1), loads],
  ["sync.peek()", ({ sync }) => sync.keyOf(1), ({ sync }) => sync.peek(1), looks],
  ["sync.explain()", ({ sync }) => sync.keyOf(1), ({ sync }) => sync.explain(1), explains],
  ["getOrLoad()", () => "hand", ({ load }) => load(), reads],
  ["get()", () => "hand", ({ cache }) => cache.get("hand"), looks],
  ["get(keyOf())", ({ fn }) => fn.keyOf(1), ({ cache, fn }) => cache.get(fn.keyOf(1)), looks],
  ["lookup()", () => "hand", ({ cache }) => cache.lookup("hand"), looks],
  ["has()", () => "hand", ({ cache }) => cache.has("hand"), looks],
  ["getMany()", () => "hand", ({ cache }) => cache.getMany(["hand"]), looks],
  ["explain()", () => "hand", ({ cache }) => cache.explain("hand"), explains],
  [
    "get() of a function that is not defined",
    () => "ƒ:gone::1",
    ({ cache }) => cache.get("ƒ:gone::1"),
    ["key", "key", "key", unkept, "key"],
  ],
  ["tagVersion()", () => "", ({ cache }) => cache.tagVersion("t"), sees],
  ["keyOf()", ({ fn }) => fn.keyOf(1), ({ fn }) => fn.keyOf(1), none],
  [
    "stats(), status() and position()",
    () => "",
    ({ cache }) => [cache.stats(), cache.status(), cache.position()],
    none,
  ],
  ["set()", () => "elsewhere", ({ cache }) => cache.set("elsewhere", 1, { deps: ["t"] }), none],
  ["delete()", () => "elsewhere", ({ cache }) => cache.delete("elsewhere"), none],
  ["prime()", ({ other }) => other.keyOf(), ({ other }) => other.prime([], 1, { asOf: "now" }), none],
]

interface Inherited {
  readonly what: string
  readonly faults: readonly string[]
}

const states = {
  "is there": 0,
  "is missing": 1,
  "has expired, in grace": 2,
  "is of another cache": 3,
  "is there, inside a transaction": 4,
} as const

async function inheritedFrom(
  state: keyof typeof states,
  keyOf: (of: Targets) => string,
  call: (of: Targets) => unknown,
): Promise<Inherited> {
  const { cache, clock, faults } = makeCache()
  const of = targets(state === "is of another cache" ? makeCache({ clock }).cache : cache)
  if (state !== "is missing") await of.fill()
  if (state === "has expired, in grace") clock.advance(TTL_MS + 1_000)
  const outer = cache.cacheable(
    async () => {
      if (state !== "is there, inside a transaction") await call(of)
      else {
        await cache.transaction(async () => {
          await cache.invalidate("unrelated")
          await call(of)
        })
      }
      return "outer"
    },
    { name: "outer" },
  )
  await outer()
  const codes = faults.map(({ error }) => error.code)
  if (outer.peek() === undefined) return { what: unkept, faults: codes }
  const { dependencies, expiresInMs } = outer.explain()
  const has = { key: dependencies.includes(keyOf(of)), tags: dependencies.includes("t"), end: expiresInMs === TTL_MS }
  expect(expiresInMs).toBe(has.end ? TTL_MS : Number.POSITIVE_INFINITY)
  // What it says it depends on is what makes it stale.
  const { key, tags } = has
  if (tags) await cache.invalidate("t")
  else if (key) await cache.delete(keyOf(of)).catch(() => cache.clear())
  expect(outer.peek()).toBe(tags || key ? undefined : "outer")
  const names = Object.entries(has).flatMap(([name, isInherited]) => (isInherited ? [name] : []))
  return { what: names.join(", "), faults: codes }
}

describe.each(Object.entries(states) as [keyof typeof states, number][])("where the value %s", (state, column) => {
  test.each(calls)("a load that calls %s", async (_name, keyOf, call, row) => {
    const { what, faults } = await inheritedFrom(state, keyOf, call)
    expect(what).toBe(row[column])
    const isForeign = state === "is of another cache" && row !== none
    expect(faults).toEqual(isForeign ? ["ERR_ZOOCACHE_FOREIGN_CACHE"] : [])
  })
})

describe("what a transaction inside a load has deleted", () => {
  const ways: [string, (of: Targets) => unknown][] = [
    ["get", ({ cache }) => cache.get("hand")],
    ["has", ({ cache }) => cache.has("hand")],
    ["getMany", ({ cache }) => cache.getMany(["hand"])],
    ["peek", ({ fn }) => fn.peek(1)],
  ]
  test.each(ways)(
    "and %s does not find, keeps the load's result from being kept, also when it is rolled back",
    async (_way, call) => {
      const { cache } = makeCache()
      const of = targets(cache)
      await of.fill()
      const outer = cache.cacheable(
        async () => {
          await cache
            .transaction(async () => {
              await cache.delete("hand", of.fn.keyOf(1))
              await call(of)
              throw new Error("rolled back")
            })
            .catch(() => {})
          return "without it"
        },
        { name: "outer" },
      )
      await outer()
      expect(outer.peek()).toBeUndefined()
    },
  )
})

describe("while the process can't confirm that it is up to date", () => {
  const ways: [string, (of: Targets) => unknown][] = [
    ["get", ({ cache }) => cache.get("hand")],
    ["has", ({ cache }) => cache.has("hand")],
    ["peek", ({ fn }) => fn.peek(1)],
    ["explain", ({ fn }) => fn.explain(1)],
    ["a call", ({ fn }) => fn(1)],
  ]
  test.each(ways)("what was made of a value that %s has found is not kept", async (_way, call) => {
    const { cache, clock, log } = await makeShared({ staleness: { bound: 2_000, whenUnsure: "serve" } })
    const of = targets(cache)
    await of.fill()
    log.pulls = "hold"
    const outer = cache.cacheable(
      async () => {
        await call(of)
        return "outer"
      },
      { name: "outer" },
    )
    clock.advance(5_000)
    expect(cache.status().state).toBe("unsure")
    await outer()
    log.pulls = "answer"
    await log.release()
    await cache.sync()
    expect(outer.peek()).toBeUndefined()
  })

  test.each(ways.filter(([way]) => way !== "explain"))(
    "what was made of the error that %s gives instead is not kept",
    async (_way, call) => {
      const { cache, clock, log } = await makeShared({ staleness: { bound: 2_000, whenUnsure: "throw" } })
      const of = targets(cache)
      await of.fill()
      const outer = cache.cacheable(
        async () => {
          try {
            await call(of)
          } catch {}
          return "without it"
        },
        { name: "outer", whenUnsure: "load" } as object,
      )
      log.pulls = "hold"
      clock.advance(5_000)
      await outer()
      log.pulls = "answer"
      await log.release()
      await cache.sync()
      expect(outer.peek()).toBeUndefined()
    },
  )
})

test("an entry that comes from the store of another process is inherited by each way to look at it", async () => {
  const ways: [string, (of: Targets) => unknown][] = [
    ["get", ({ cache }) => cache.get("hand")],
    ["has", ({ cache }) => cache.has("hand")],
    ["peek", ({ fn }) => fn.peek(1)],
    ["explain", ({ fn }) => fn.explain(1)],
    ["cache.explain", ({ cache }) => cache.explain("hand")],
  ]
  for (const [way, call] of ways) {
    const machine = new Machine()
    const here = await machine.join()
    await targets(here.cache).fill()
    const there = await machine.join()
    const of = targets(there.cache)
    const outer = there.cache.cacheable(
      async () => {
        await call(of)
        return "outer"
      },
      { name: "outer" },
    )
    await outer()
    expect([way, outer.peek(), outer.explain().expiresInMs]).toEqual([way, "outer", TTL_MS])
    await here.cache.invalidate("t")
    expect([way, outer.peek()]).toEqual([way, undefined])
  }
})

test("with inherit: false a load inherits nothing from any of them", async () => {
  for (const [name, , call] of calls) {
    const { cache, faults } = makeCache()
    const of = targets(cache)
    await of.fill()
    const outer = cache.cacheable(
      async () => {
        await call(of)
        return "outer"
      },
      { name: "outer", inherit: false },
    )
    await outer()
    expect([name, outer.explain().dependencies, outer.explain().expiresInMs]).toEqual([
      name,
      [],
      Number.POSITIVE_INFINITY,
    ])
    expect(faults).toEqual([])
  }
})

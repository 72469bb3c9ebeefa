/** Several caches of one process over one local log, with listeners that call them back. */
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { afterEach, describe, expect, test } from "vitest"
import { type Cache, type CacheOptions } from "zoocache"
import { InProcessLog } from "zoocache/backend"
import { createCodec } from "zoocache/codec"
import { ManualClock, MemoryStore } from "zoocache/testing"
import { makeCache } from "../support/caches.js"

const subscriptions: (() => void)[] = []

afterEach(() => {
  for (const end of subscriptions.splice(0)) end()
})

interface Heard {
  readonly cache: string
  readonly path?: string
  readonly key?: string
}

/** Calls back once, at the first event of a channel that it wants. */
function once(channel: string, isWanted: (event: Heard) => boolean, react: () => void): void {
  let isDue = true
  const listener = (message: unknown) => {
    if (!isDue || !isWanted(message as Heard)) return
    isDue = false
    react()
  }
  subscribe(`zoocache:${channel}`, listener)
  subscriptions.push(() => unsubscribe(`zoocache:${channel}`, listener))
}

/** Two caches that follow one log, and rows that they read. Events name the cache by its prefix. */
function pair(options: { maxTags?: number; a?: CacheOptions; b?: CacheOptions } = {}) {
  const clock = new ManualClock()
  const log = new InProcessLog({ clock, nonce: "shared", maxTags: options.maxTags ?? 1000 })
  const rows = new Map<string, string>()
  const make = (prefix: string, more: CacheOptions = {}) => {
    const { cache } = makeCache({ ...more, clock, log, prefix })
    const read = cache.cacheable(async (id: string) => rows.get(id), { name: "row", deps: (id) => [`row:${id}`] })
    return { cache, read }
  }
  const a = make("a", options.a)
  const b = make("b", options.b)
  return { clock, log, rows, a, b, both: [a, b] as const }
}

const tellers = [
  ["the cache that invalidates", "a"],
  ["the other cache", "b"],
] as const

describe.each([1000, 0])("two caches on one local log that remembers %i tags", (maxTags) => {
  describe.each(tellers)("a listener to an invalidation in %s", (_, teller) => {
    const reactions: [string, (caches: readonly { cache: Cache; read: (id: string) => Promise<unknown> }[]) => void][] =
      [
        ["reads the same row", (caches) => caches.forEach(({ read }) => void read("1"))],
        ["invalidates something else", (caches) => caches.forEach(({ cache }) => void cache.invalidate("other"))],
        ["sets a key", (caches) => caches.forEach(({ cache }) => void cache.set("key", 1))],
        [
          "invalidates, reads and invalidates",
          (caches) => {
            void caches[0]?.cache.invalidate("other")
            void caches[1]?.read("1")
            void caches[1]?.cache.invalidate("other:2")
            void caches[0]?.read("1")
          },
        ],
      ]
    for (const channel of ["invalidate", "stale"]) {
      test.each(reactions)(`that %s inside zoocache:${channel} hides no change from either`, async (_what, react) => {
        const { rows, a, both } = pair({ maxTags })
        rows.set("1", "old").set("2", "old")
        for (const { read } of both) for (const id of ["1", "2"]) await read(id)
        const isWanted = ({ cache, path, key }: Heard) => cache === teller && (path === "row:1" || key === "ƒ:row::1")
        once(channel, isWanted, () => react(both))
        rows.set("1", "new").set("2", "new")
        await a.cache.invalidate("row:1", "row:2")
        for (const { read } of both) for (const id of ["1", "2"]) expect(await read(id)).toBe("new")
        const [first, second] = both.map(({ cache }) => cache.status().cursor)
        expect(first).toBe(second)
      })
    }
  })
})

describe("a value that is set while another cache's listener calls back", () => {
  const wants = ({ cache, path }: Heard) => cache === "b" && path === "key"

  test("is gone when the listener deletes its key", async () => {
    const { a } = pair()
    once("invalidate", wants, () => void a.cache.delete("key"))
    await a.cache.set("key", "value")
    expect(await a.cache.lookup("key")).toBeUndefined()
  })

  test("gives way to what the listener sets", async () => {
    const { a } = pair()
    once("invalidate", wants, () => void a.cache.set("key", "newer"))
    await a.cache.set("key", "older")
    expect(await a.cache.get("key")).toBe("newer")
  })

  test("gives way to what the listener sets, also when it is not to be kept itself", async () => {
    const { a } = pair()
    once("invalidate", wants, () => void a.cache.set("key", "newer"))
    await a.cache.set("key", "older", { ttl: 0 })
    expect(await a.cache.get("key")).toBe("newer")
  })

  test("is gone when the listener invalidates its tag", async () => {
    const { a } = pair()
    once("invalidate", wants, () => void a.cache.invalidate("t"))
    await a.cache.set("key", "value", { deps: ["t"] })
    expect(await a.cache.lookup("key")).toBeUndefined()
  })

  test("inside a transaction is gone when the listener deletes its key", async () => {
    const { a } = pair()
    once("invalidate", wants, () => void a.cache.delete("key"))
    await a.cache.transaction(() => a.cache.set("key", "value"))
    expect(await a.cache.lookup("key")).toBeUndefined()
  })

  test("is gone from the store that both share when the listener deletes its key", async () => {
    const codec = createCodec()
    const data = new Map<string, Uint8Array>()
    const shared = { codec, store: new MemoryStore({ codec, data }) }
    const { a, b } = pair({ a: shared, b: { codec, store: new MemoryStore({ codec, data }) } })
    once("invalidate", wants, () => void a.cache.delete("key"))
    await a.cache.set("key", "value")
    expect(await a.cache.lookup("key")).toBeUndefined()
    expect(await b.cache.lookup("key")).toBeUndefined()
  })
})

test("listeners hear of an append when every cache of the log has applied it", async () => {
  const { rows, a, b } = pair()
  rows.set("1", "old")
  await a.read("1")
  await b.read("1")
  const seen: unknown[] = []
  once(
    "invalidate",
    ({ cache }) => cache === "a",
    () => seen.push(b.read.peek("1")),
  )
  once(
    "invalidate",
    ({ cache }) => cache === "b",
    () => seen.push(a.read.peek("1")),
  )
  await a.cache.invalidate("row:1")
  expect(seen).toEqual([undefined, undefined])
})

test("a cache that is made inside a listener follows the log from there", async () => {
  const { clock, log, rows, a } = pair()
  let late: Cache | undefined
  once(
    "invalidate",
    ({ cache }) => cache === "a",
    () => {
      late = makeCache({ clock, log, prefix: "late" }).cache
    },
  )
  rows.set("1", "old")
  await a.cache.invalidate("x")
  const read = (late as Cache).cacheable(async () => rows.get("1"), { name: "late", deps: ["row:1"] })
  expect(await read()).toBe("old")
  rows.set("1", "new")
  await a.cache.invalidate("row:1")
  expect(await read()).toBe("new")
})

/** What nodes do when their log fails over: it may not know what it had acknowledged. */
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { type Cache, type CacheOptions, createCache } from "zoocache"
import { checkInvariants, FaultyLog, ManualClock, settled } from "zoocache/testing"
import { NO_ENTRIES } from "../support/no-entries.js"

let clock: ManualClock
let log: FaultyLog
let caches: Cache[]

beforeEach(() => {
  clock = new ManualClock()
  log = new FaultyLog({ clock, canLoseAppends: true })
  caches = []
})

afterEach(async () => {
  for (const cache of caches) checkInvariants(cache)
  for (const cache of caches) await cache.close()
})

async function join(name: string, options: CacheOptions = {}): Promise<Cache> {
  const cache = createCache({ random: () => 0.5, log: log.connect(name), ...options, clock })
  caches.push(cache)
  await cache.ready()
  return cache
}

/** What the nodes append is told to nobody, so that it reaches others by pulls. */
function silence(): void {
  log.decide = ({ kind }) => (kind === "news" ? "lose" : "pass")
}

async function heartbeats(count = 2): Promise<void> {
  await clock.advanceAsync(count * 1000, 500)
}

describe.each([false, true])(
  "a failover that loses an acknowledged invalidation; the epoch goes on: %s",
  (keepsEpoch) => {
    test("who made it makes it again, and it reaches what was loaded meanwhile", async () => {
      const [a, b] = [await join("a"), await join("b")]
      silence()
      const before = log.head
      let row = "old"
      const load = b.cacheable(async () => row, { name: "row", deps: ["row"] })
      // b reads from a replica of the database that lags: only the invalidation tells that it was too early.
      await a.invalidate("row")
      log.failOver(before, { keepsEpoch })
      await b.sync()
      expect(await load()).toBe("old")
      row = "new"
      await heartbeats()
      expect(await load()).toBe("new")
      expect(b.tagVersion("row")).toBe(a.tagVersion("row"))
      expect(a.status().pending).toBe(0)
    })

    test("for who made it, it is pending from the moment at which the new life is known", async () => {
      const a = await join("a")
      const before = log.head
      let loads = 0
      const load = a.cacheable(async () => (loads += 1), { name: "row", deps: ["row"] })
      await a.invalidate("row")
      log.failOver(before, { keepsEpoch })
      log.decide = ({ kind }) => (kind === "append" ? "hold" : "pass")
      await a.sync()
      expect(a.status().pending).toBe(1)
      await load()
      await load()
      expect(loads).toBe(2)
      log.heal()
      await settled()
      await load()
      await load()
      expect(loads).toBe(3)
    })

    test("what the new life knows is not repeated, nor is what others made", async () => {
      const [a, b] = [await join("a"), await join("b")]
      await a.invalidate("kept")
      const before = log.head
      await a.invalidate("lost")
      const appends = log.appends
      log.failOver(before, { keepsEpoch })
      await heartbeats()
      expect(log.appends).toBe(appends + 1)
      expect([b.tagVersion("lost") > before, b.tagVersion("kept") > before]).toEqual([true, false])
    })

    test("who has missed a life repeats all that it made", async () => {
      const a = await join("a")
      await a.invalidate("first")
      await a.invalidate("second")
      const appends = log.appends
      log.failOver(log.head, { keepsEpoch })
      log.failOver(log.head, { keepsEpoch })
      await heartbeats()
      expect(log.appends).toBe(appends + 1)
      for (const tag of ["first", "second"]) expect(a.tagVersion(tag)).toBe(log.head)
    })

    test("each is repeated once for each life that lost it", async () => {
      const a = await join("a")
      for (let life = 0; life < 3; life += 1) {
        const before = log.head
        const appends = log.appends
        await a.invalidate("row")
        log.failOver(before, { keepsEpoch })
        await heartbeats(5)
        expect(log.appends).toBe(appends + 2)
      }
    })
  },
)

test("a log that knows nothing of its past is told all of it", async () => {
  const a = await join("a")
  await a.invalidate("first")
  await a.delete("k")
  const appends = log.appends
  log.beginEpoch()
  await heartbeats()
  expect(log.appends).toBe(appends + 1)
  expect(a.tagVersion("first")).toBe(log.head)
})

test("what is repeated is bounded: much becomes what it has in common", async () => {
  const a = await join("a")
  for (let batch = 0; batch < 30; batch += 1) {
    await a.invalidate(...Array.from({ length: 100 }, (_, index) => `product:${batch * 100 + index}`))
  }
  await a.invalidate("other")
  const changes: number[] = []
  log.beginEpoch()
  log.decide = (operation) => {
    if (operation.kind === "append") changes.push(operation.changes.length)
    return "pass"
  }
  await heartbeats()
  expect(changes).toHaveLength(1)
  expect(changes[0]).toBeLessThanOrEqual(1000)
  for (const tag of ["product:1", "product:2999", "other"]) expect(a.tagVersion(tag)).toBe(log.head)
})

test("a log that loses nothing is told nothing again", async () => {
  log = new FaultyLog({ clock })
  const a = await join("a")
  await a.invalidate("first")
  const appends = log.appends
  log.beginEpoch()
  await heartbeats()
  expect(log.appends).toBe(appends)
})

describe("with `keepsExpired`, a new epoch", () => {
  async function withGrace(options: { grace?: "1h" } = { grace: "1h" }) {
    const open = () => ({ log: log.connect("a"), store: NO_ENTRIES.store, codec: NO_ENTRIES.codec, keepsExpired: true })
    const cache = createCache({ backend: { name: "test", open }, clock, random: () => 0.5 })
    caches.push(cache)
    await cache.ready()
    let loads = 0
    const load = cache.cacheable(async (id: number) => `${id} ${(loads += 1)}`, {
      name: "f",
      deps: (id) => [`row:${id}`],
      ttl: "1h",
      ...options,
    })
    await load(1)
    return { cache, load, loads: () => loads }
  }

  test("leaves what has grace to be served once more, while it is loaded again", async () => {
    const { cache, load, loads } = await withGrace()
    log.failOver(log.head)
    await cache.sync()
    expect(await load(1)).toBe("1 1")
    await settled()
    expect(await load(1)).toBe("1 2")
    expect(loads()).toBe(2)
  })

  test("leaves nothing that was stale", async () => {
    const { cache, load } = await withGrace()
    await cache.invalidate("row:1")
    log.failOver(log.head)
    await cache.sync()
    expect(await load(1)).toBe("1 2")
  })

  test("leaves nothing that is invalidated in it", async () => {
    const { cache, load } = await withGrace()
    log.failOver(log.head)
    await log.connect("b").append([{ kind: "tag", path: "row" }], { epoch: undefined, cursor: 0 }, "b")
    await cache.sync()
    expect(await load(1)).toBe("1 2")
  })

  test("leaves it without a place in the new life: `lookup` can't judge it by tags", async () => {
    const { cache, load } = await withGrace()
    const key = load.keyOf(1)
    log.failOver(log.head)
    await cache.sync()
    expect(await cache.lookup(key)).toBeUndefined()
    expect(await cache.lookup(key, { expired: true })).toMatchObject({ state: "expired", version: undefined })
    expect(await cache.lookup(key, { expired: true, deps: ["never"] })).toBeUndefined()
  })

  test("leaves nothing without grace", async () => {
    const { cache, load } = await withGrace({})
    log.failOver(log.head)
    await cache.sync()
    expect(await load(1)).toBe("1 2")
  })
})

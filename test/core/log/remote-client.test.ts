import { AsyncLocalStorage } from "node:async_hooks"
import { describe, expect, test } from "vitest"
import { ManualClock, settled } from "zoocache/testing"
import { createCache, LogError } from "zoocache"
import type { InvalidationLog } from "zoocache/backend"

const position = { epoch: { ordinal: 1, nonce: "n" }, head: 0, floor: 0, keyFloor: 0, changes: [] }

/** A log whose pulls fail as they are told to. */
function setUp(pull: () => Promise<typeof position>) {
  const clock = new ManualClock()
  const log: InvalidationLog = {
    local: false,
    append: () => new Promise(() => {}),
    pull,
    listen: () => () => {},
    close: async () => {},
  }
  const cache = createCache({ log, clock, onFault: () => {}, ackTimeout: 100 })
  return { cache, clock }
}

describe("a sync that ends before the log was reached", () => {
  test("keeps the process alive no longer than it lasts", async () => {
    const { cache, clock } = setUp(() =>
      Promise.reject(Object.assign(new LogError("pull", "no permission"), { permanent: true })),
    )
    await settled()
    const before = clock.keepingAlive
    const syncing = cache.sync(undefined, { timeout: 50 }).catch((error: unknown) => error)
    await settled()
    await clock.advanceAsync(100)
    expect(await syncing).toMatchObject({ code: "ERR_ZOOCACHE_SYNC_TIMEOUT" })
    expect(clock.keepingAlive).toBe(before)
    await cache.close()
  })

  test("leaves nothing behind when its caller has left", async () => {
    const { cache, clock } = setUp(() => Promise.reject(new LogError("pull", "no connection")))
    await settled()
    const before = clock.keepingAlive
    const controller = new AbortController()
    const syncing = cache.sync(undefined, { signal: controller.signal }).catch((error: unknown) => error)
    await settled()
    controller.abort("left")
    expect(await syncing).toBe("left")
    await settled()
    expect(clock.keepingAlive).toBe(before)
    await cache.close()
  })
})

describe("an append that is repeated", () => {
  test("is repeated for nobody's request, however long that takes", async () => {
    const storage = new AsyncLocalStorage<object>()
    const contexts: (object | undefined)[] = []
    const log: InvalidationLog = {
      local: false,
      append: () => {
        contexts.push(storage.getStore())
        return Promise.reject(new LogError("append", "no connection"))
      },
      pull: async () => position,
      listen: () => () => {},
      close: async () => {},
    }
    const cache = createCache({ log, onFault: () => {}, ackTimeout: 100, random: () => 0 })
    const request = {}
    await storage.run(request, () => cache.invalidate("tag").catch(() => {}))
    await expect.poll(() => contexts.length).toBeGreaterThan(2)
    expect(contexts).toEqual(contexts.map(() => undefined))
    await cache.close()
  })
})

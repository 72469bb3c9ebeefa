import { AsyncLocalStorage } from "node:async_hooks"
import dc from "node:diagnostics_channel"
import { describe, expect, onTestFinished, test, vi } from "vitest"
import { createCodec } from "../../src/codec/index.js"
import { InProcessLog } from "../../src/core/log/in-process-log.js"
import { createCache } from "../../src/index.js"
import { checkInvariants, ManualClock, MemoryStore, settled } from "../../src/testing/index.js"

describe("where parts of a cache meet", () => {
  test("an unnamed function never takes over the stored values of a collected one", async () => {
    const gc = (globalThis as { gc?: () => void }).gc
    if (gc === undefined) throw new Error("run with --expose-gc")
    const codec = createCodec()
    const cache = createCache({ store: new MemoryStore({ codec }), codec })
    const make = (what: string) => cache.cacheable(async (id: number) => what + String(id))
    await (async () => {
      expect(await make("a")(1)).toBe("a1")
    })()
    for (let i = 0; i < 10; i += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      gc()
    }
    expect(await make("b")(1)).toBe("b1")
  })

  test("a load that gets the slot of one that timed out does not join it", async () => {
    const clock = new ManualClock()
    const cache = createCache({ clock, maxLoads: 1 })
    let runs = 0
    const a = cache.cacheable(() => ((runs += 1) === 1 ? new Promise<string>(() => {}) : Promise.resolve("second")), {
      name: "a",
      timeout: 50,
    })
    const b = cache.cacheable(async () => a(), { name: "b" })
    const first = a().catch((error: Error) => error.name)
    const second = b()
    second.catch(() => {})
    await settled()
    clock.advance(50)
    await first
    expect(await second).toBe("second")
  })

  test("a result whose prototype can't be looked at does not wedge its key", async () => {
    const cache = createCache()
    const f = cache.cacheable(
      async () =>
        new Proxy(
          {},
          {
            getPrototypeOf() {
              throw new Error("trap")
            },
          },
        ),
      { name: "f" },
    )
    const late = new Promise((resolve) => setTimeout(() => resolve("wedged"), 500))
    expect(await Promise.race([f().then(() => "answered"), late])).toBe("answered")
  })

  test("a nested transaction that ends late does not take back a later clear of the one around it", async () => {
    const cache = createCache()
    const f = cache.cacheable(async (_id: number) => "loaded", { name: "f" })
    await cache.transaction(async () => {
      let go = () => {}
      const gate = new Promise<void>((resolve) => (go = resolve))
      const nested = cache.transaction(async () => {
        await f.clear()
        await gate
      })
      await f.prime([1], "primed", { asOf: "now" })
      await f.clear()
      go()
      await nested
    })
    expect(await f(1)).toBe("loaded")
  })

  test("`sizeOf` is asked when a value is set inside a transaction, and not while that is committed", async () => {
    const sizeOf = vi.fn(() => 10)
    const cache = createCache({ memory: { maxBytes: 1_000_000, sizeOf } })
    await cache.transaction(async () => {
      await cache.set("k", 1)
      expect(sizeOf).toHaveBeenCalledTimes(1)
    })
    expect(await cache.get("k")).toBe(1)
    expect(sizeOf).toHaveBeenCalledTimes(1)
  })

  test.each(["set", "transaction"])(
    "a key that another cache's listener deletes during a %s stays deleted",
    async (how) => {
      const clock = new ManualClock()
      const log = new InProcessLog({ clock, nonce: "x", maxTags: 100 })
      createCache({ clock, log, prefix: "b" })
      const a = createCache({ clock, log, prefix: "a" })
      let isOn = true
      const listen = (message: unknown) => {
        const { cache, path } = message as { cache: string; path: string }
        if (!isOn || cache !== "b" || path !== "k") return
        isOn = false
        void a.delete("k")
      }
      dc.subscribe("zoocache:invalidate", listen)
      onTestFinished(() => void dc.unsubscribe("zoocache:invalidate", listen))
      if (how === "set") await a.set("k", 1)
      else await a.transaction(async () => void (await a.set("k", 1)))
      expect(await a.get("k")).toBeUndefined()
    },
  )

  test("clearing a function that was redefined, inside a transaction, keeps the books", async () => {
    const cache = createCache({ redefine: "replace" })
    const before = cache.cacheable(async () => 1, { name: "f" })
    cache.cacheable(async () => 2, { name: "f" })
    for (let i = 0; i < 5; i += 1) await cache.transaction(async () => void (await before.clear()))
    checkInvariants(cache)
  })

  test("the sweep runs in no request's context", async () => {
    const storage = new AsyncLocalStorage<string>()
    const cache = createCache({ ttl: 100 })
    const f = cache.cacheable(async (id: number) => id, { name: "f" })
    const seen = new Promise<string | undefined>((resolve) => {
      const listen = () => resolve(storage.getStore())
      dc.subscribe("zoocache:expire", listen)
      onTestFinished(() => void dc.unsubscribe("zoocache:expire", listen))
    })
    await storage.run("request 1", () => f(1))
    expect(await seen).toBeUndefined()
  })

  test("events go out in the order of their versions, whatever listeners invalidate", async () => {
    const cache = createCache()
    const seen: string[] = []
    const listen = (message: unknown) => {
      const { path } = message as { path: string }
      if (path === "a") void cache.invalidate("nested")
    }
    const note = (message: unknown) => void seen.push((message as { path: string }).path)
    dc.subscribe("zoocache:invalidate", listen)
    dc.subscribe("zoocache:invalidate", note)
    onTestFinished(() => {
      dc.unsubscribe("zoocache:invalidate", listen)
      dc.unsubscribe("zoocache:invalidate", note)
    })
    await cache.invalidate("a", "b")
    expect(seen).toEqual(["a", "b", "nested"])
  })

  test("what a transaction's reader does to its clone does not reach what is committed", async () => {
    const cache = createCache({ isolation: "clone" })
    await cache.transaction(async () => {
      await cache.set("k", { n: 1 })
      const read = await cache.get<{ n: number }>("k")
      if (read !== undefined) read.n = 2
    })
    expect(await cache.get("k")).toEqual({ n: 1 })
  })

  test("a backend that was opened is closed where the rest can't be opened", () => {
    let closed = 0
    const broken = {
      local: false as const,
      append: () => Promise.reject(new Error("never")),
      pull: () => Promise.reject(new Error("never")),
      listen: () => {
        throw new Error("no listeners")
      },
      close: async () => void (closed += 1),
    }
    const backend = { name: "broken", open: () => ({ log: broken, store: undefined, codec: undefined }) }
    expect(() => createCache({ backend })).toThrow("no listeners")
    expect(closed).toBe(1)
  })

  test("a log that can't be closed keeps no store open, and every close tells so", async () => {
    const codec = createCodec()
    const store = new MemoryStore({ codec })
    const close = vi.spyOn(store, "close")
    const log = {
      local: false as const,
      append: () => new Promise<never>(() => {}),
      pull: () => new Promise<never>(() => {}),
      listen: () => () => {},
      close: () => Promise.reject(new Error("stuck")),
    }
    const cache = createCache({ backend: { name: "stuck", open: () => ({ log, store, codec }) } })
    const first = cache.close()
    await expect(cache.close()).rejects.toThrow("stuck")
    await expect(first).rejects.toThrow("stuck")
    expect(close).toHaveBeenCalledTimes(1)
  })

  test("a load of a function that was redefined meanwhile goes to no tier", async () => {
    const codec = createCodec()
    const cache = createCache({ store: new MemoryStore({ codec }), codec, redefine: "replace" })
    let open = () => {}
    const gate = new Promise<void>((resolve) => (open = resolve))
    const old = cache.cacheable(async (_id: number) => gate.then(() => "old"), { name: "f" })
    const late = old(1)
    const fresh = cache.cacheable(async (_id: number) => "new", { name: "f" })
    open()
    expect(await late).toBe("old")
    expect(await fresh(1)).toBe("new")
  })
})

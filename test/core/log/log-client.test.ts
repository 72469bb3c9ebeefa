import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import {
  type Cache,
  type CacheOptions,
  createCache,
  InvalidationNotAcknowledgedError,
  InvalidTokenError,
  SyncTimeoutError,
  UnsureError,
  type ZooCacheError,
} from "zoocache"
import { checkInvariants, type Fate, FaultyLog, type LogOperation, ManualClock, settled } from "zoocache/testing"

const BOUND_MS = 3000
const ACK_MS = 500

let clock: ManualClock
let log: FaultyLog
let caches: Cache[]
let faults: ZooCacheError[]

beforeEach(() => {
  clock = new ManualClock()
  log = new FaultyLog({ clock })
  caches = []
  faults = []
})

afterEach(async () => {
  log.heal()
  await settled()
  for (const cache of caches) checkInvariants(cache)
  for (const cache of caches) await cache.close()
  expect(clock.timers, "timers that are left after close()").toBe(0)
})

function connect(name: string, options: CacheOptions = {}): Cache {
  const cache = createCache({
    clock,
    log: log.connect(name),
    staleness: { bound: BOUND_MS },
    ackTimeout: ACK_MS,
    random: () => 0.5,
    onFault: ({ error }) => faults.push(error),
    ...options,
  })
  caches.push(cache)
  return cache
}

async function ready(name: string, options: CacheOptions = {}): Promise<Cache> {
  const cache = connect(name, options)
  await cache.ready()
  // The first heartbeat comes early; from here they are a second apart.
  await clock.advanceAsync(50)
  return cache
}

/** A cached function that counts its loads. */
function counted(cache: Cache, name = "f", tags: readonly string[] = ["t"]) {
  const state = { loads: 0 }
  const load = cache.cacheable(
    async (id: number) => {
      state.loads += 1
      await Promise.resolve()
      return `${id}#${state.loads}`
    },
    { name, deps: tags },
  )
  return { load, state }
}

const only = (kind: LogOperation["kind"], fate: Fate, connection?: string) => (operation: LogOperation) =>
  operation.kind === kind && (connection === undefined || operation.connection === connection) ? fate : "pass"

/** What a promise came to, or undefined while it has come to nothing. */
function watch<T>(promise: Promise<T>): { value?: T; error?: unknown; isSettled: boolean } {
  const seen: { value?: T; error?: unknown; isSettled: boolean } = { isSettled: false }
  promise.then(
    (value) => {
      seen.value = value
      seen.isSettled = true
    },
    (error: unknown) => {
      seen.error = error
      seen.isSettled = true
    },
  )
  return seen
}

describe("before the log has been read", () => {
  test("is unsure, and ready() waits for the first pull", async () => {
    log.decide = only("pull", "hold")
    const cache = connect("a")
    expect(cache.status()).toMatchObject({ state: "unsure", confirmedAgoMs: Number.POSITIVE_INFINITY })
    const isReady = watch(cache.ready())
    await settled()
    expect(isReady.isSettled).toBe(false)
    log.releaseAll()
    await settled()
    expect(isReady.isSettled).toBe(true)
    expect(cache.status()).toMatchObject({ state: "ready", confirmedAgoMs: 0 })
  })

  test("ready() outlasts pulls that fail", async () => {
    log.decide = only("pull", "fail")
    const cache = connect("a")
    const isReady = watch(cache.ready())
    await clock.advanceAsync(500, 50)
    expect(isReady.isSettled).toBe(false)
    expect(faults.every((fault) => fault.code === "ERR_ZOOCACHE_LOG")).toBe(true)
    log.heal()
    await clock.advanceAsync(2000, 100)
    expect(isReady.isSettled).toBe(true)
  })

  test("ready() is not done by an acknowledgement alone", async () => {
    log.decide = only("pull", "hold")
    const cache = connect("a")
    const isReady = watch(cache.ready())
    await cache.invalidate("t")
    await settled()
    expect(cache.status().state).toBe("unsure")
    expect(isReady.isSettled).toBe(false)
    const later = watch(cache.ready())
    await settled()
    expect(later.isSettled).toBe(false)
    log.heal()
    await clock.advanceAsync(2000, 100)
    expect(isReady.isSettled).toBe(true)
    expect(later.isSettled).toBe(true)
    expect(cache.status().state).toBe("ready")
  })

  test("loads for every read one after the other, and shares what is under way", async () => {
    log.decide = only("pull", "hold")
    const { load, state } = counted(connect("a"))
    await load(1)
    await load(1)
    expect(state.loads).toBe(2)
    await Promise.all([load(1), load(1), load(1)])
    expect(state.loads).toBeLessThanOrEqual(4)
  })

  test("knows what was invalidated before it was there", async () => {
    const a = await ready("a")
    await a.invalidate("t")
    const b = await ready("b")
    expect(b.tagVersion("t")).toBe(a.tagVersion("t"))
  })
})

describe("whenUnsure", () => {
  async function lost(whenUnsure: "load" | "serve" | "throw") {
    const cache = await ready("a", { staleness: { bound: BOUND_MS, whenUnsure } })
    const counting = counted(cache)
    await counting.load(1)
    await counting.load(1)
    expect(counting.state.loads).toBe(1)
    log.decide = only("pull", "fail")
    await clock.advanceAsync(BOUND_MS - 100, 100)
    await counting.load(1)
    expect(counting.state.loads, "still trusted within the bound").toBe(1)
    await clock.advanceAsync(2000, 100)
    expect(cache.status().state).toBe("unsure")
    return { cache, ...counting }
  }

  test("load: runs the loader, and serves again once the log confirms that nothing was missed", async () => {
    const { cache, load, state } = await lost("load")
    await load(1)
    expect(state.loads).toBe(2)
    log.heal()
    await clock.advanceAsync(2000, 100)
    expect(cache.status().state).toBe("ready")
    await load(1)
    expect(state.loads, "what was stored is good again").toBe(2)
  })

  test("each change of state is told, once", async () => {
    const told: unknown[] = []
    const listener = (event: unknown) => told.push(event)
    subscribe("zoocache:state", listener)
    const { load } = await lost("load")
    await load(1)
    log.heal()
    await clock.advanceAsync(2000, 100)
    unsubscribe("zoocache:state", listener)
    expect(told).toEqual(["ready", "unsure", "ready"].map((state) => ({ cache: "", state })))
  })

  test("serve: serves what there is", async () => {
    const { load, state } = await lost("serve")
    await load(1)
    expect(state.loads).toBe(1)
  })

  test("serve: still nothing that this process knows to be invalidated", async () => {
    const { cache, load, state } = await lost("serve")
    await cache.invalidate("t")
    await load(1)
    expect(state.loads).toBe(2)
  })

  test("throw: rejects", async () => {
    const { cache, load, state } = await lost("throw")
    await expect(load(1)).rejects.toThrow(UnsureError)
    await cache.set("k", 1)
    await expect(cache.get("k")).rejects.toThrow(UnsureError)
    expect(state.loads).toBe(1)
  })

  test("load: a result whose load began longer than the bound ago goes to nobody who came later", async () => {
    const { cache } = await lost("load")
    const gates: (() => void)[] = []
    let loads = 0
    const slow = cache.cacheable(
      async () => {
        const mine = (loads += 1)
        await new Promise<void>((resolve) => gates.push(resolve))
        return mine
      },
      { name: "slow" },
    )
    const first = slow()
    await clock.advanceAsync(BOUND_MS - 10, 100)
    const young = slow()
    expect(loads, "young enough to wait for").toBe(1)
    await clock.advanceAsync(20)
    const late = slow()
    expect(loads, "too old to join").toBe(2)
    gates.forEach((open) => open())
    await settled()
    gates.forEach((open) => open())
    expect(await first).toBe(1)
    expect(await late).toBe(2)
    expect(await young, "it has become too old while it was waited for").toBe(2)
  })
})

describe("a pending invalidation", () => {
  test("counts as newer than everything from the moment of the call", async () => {
    const a = await ready("a")
    const { load, state } = counted(a)
    await load(1)
    log.decide = only("append", "hold")
    const acknowledged = watch(a.invalidate("t"))
    expect(load.peek(1)).toBeUndefined()
    await load(1)
    await load(1)
    expect(state.loads, "what is loaded meanwhile is not kept").toBe(3)
    expect(a.status().pending).toBe(1)
    expect(acknowledged.isSettled).toBe(false)
    log.releaseAll()
    await settled()
    expect(acknowledged.value).toMatch(/^zc1\./)
    expect(a.status().pending).toBe(0)
    await load(1)
    await load(1)
    expect(state.loads).toBe(4)
  })

  test("makes stale what began between the call and the acknowledgement", async () => {
    const a = await ready("a")
    log.decide = only("append", "hold")
    const acknowledged = a.invalidate("t")
    const gates: (() => void)[] = []
    const load = a.cacheable(() => new Promise<number>((resolve) => gates.push(() => resolve(gates.length))), {
      name: "f",
      deps: ["t"],
    })
    const early = load()
    log.releaseAll()
    await acknowledged
    gates[0]?.()
    await early
    expect(load.peek()).toBeUndefined()
  })

  test("of a key: whoever comes after it joins no load from before it", async () => {
    const a = await ready("a")
    for (const change of ["delete", "clear", "set"] as const) {
      const gates: (() => void)[] = []
      let loads = 0
      const load = a.cacheable(
        async (id: number) => {
          const mine = (loads += 1)
          await new Promise<void>((resolve) => gates.push(resolve))
          return id + mine
        },
        { name: change },
      )
      const early = load(10)
      log.decide = only("append", "hold")
      watch(
        change === "delete"
          ? load.delete(10)
          : change === "clear"
            ? load.clear()
            : load.prime([10], 77, { asOf: "now" }),
      )
      const late = load(10)
      for (let round = 0; round < 3; round += 1) {
        for (const open of gates.splice(0)) open()
        await settled()
      }
      expect(await early).toBe(11)
      expect(await late).toBe(change === "set" ? 77 : 12)
      log.heal()
      await settled()
    }
  })

  test("is not ended by the acknowledgement of another call for the same tag", async () => {
    const a = await ready("a")
    const { load, state } = counted(a)
    log.decide = only("append", "hold")
    const first = watch(a.invalidate("t"))
    const second = watch(a.invalidate("t"))
    expect(log.held.filter(({ kind }) => kind === "append")).toHaveLength(2)
    log.held[0]?.answer()
    await settled()
    expect(first.isSettled).toBe(true)
    expect(second.isSettled).toBe(false)
    await load(1)
    await load(1)
    expect(state.loads).toBe(2)
    log.releaseAll()
    await settled()
    expect(second.isSettled).toBe(true)
    expect(second.value).not.toBe(first.value)
  })

  test("is not ended by a repetition that was sent before the call", async () => {
    const a = await ready("a")
    const { load, state } = counted(a)
    log.decide = only("append", "fail")
    const first = watch(a.invalidate("t"))
    await settled()
    log.decide = only("append", "hold")
    await clock.advanceAsync(100)
    expect(log.held, "the repetition is on its way").toHaveLength(1)
    log.decide = only("append", "lose")
    const second = watch(a.invalidate("t"))
    log.releaseAll()
    await settled()
    expect(first.value).toBeDefined()
    expect(second.isSettled).toBe(false)
    await load(1)
    await load(1)
    expect(state.loads).toBe(2)
    await clock.advanceAsync(ACK_MS)
    expect(second.error).toBeInstanceOf(InvalidationNotAcknowledgedError)
  })

  test("expire() is pending in the same way", async () => {
    const a = await ready("a")
    const { load, state } = counted(a)
    await load(1)
    log.decide = only("append", "hold")
    const acknowledged = watch(a.expire("t"))
    await load(1)
    await load(1)
    expect(state.loads).toBe(3)
    log.releaseAll()
    await settled()
    expect(acknowledged.isSettled).toBe(true)
    await load(1)
    await load(1)
    expect(state.loads).toBe(4)
  })

  test("10,000 callers of one key meanwhile: at most 3 loads", async () => {
    const a = await ready("a")
    const gates: (() => void)[] = []
    let loads = 0
    const load = a.cacheable(
      async () => {
        loads += 1
        await new Promise<void>((resolve) => gates.push(resolve))
        return loads
      },
      { name: "f", deps: ["t"] },
    )
    const release = async () => {
      await settled()
      for (const open of gates.splice(0)) open()
      await settled()
    }
    log.decide = () => "fail"
    const acknowledged = watch(a.invalidate("t"))
    const callers: Promise<number>[] = []
    for (let index = 0; index < 5000; index += 1) callers.push(load())
    await clock.advanceAsync(BOUND_MS * 2, 500)
    for (let index = 0; index < 5000; index += 1) callers.push(load())
    for (let round = 0; round < 5; round += 1) await release()
    await Promise.all(callers)
    expect(loads).toBeLessThanOrEqual(3)
    expect(acknowledged.error).toBeInstanceOf(InvalidationNotAcknowledgedError)
  })

  test("10,000 callers while the process is unsure and the tag is pending: at most 3 loads", async () => {
    log.decide = () => "fail"
    const a = connect("a")
    watch(a.invalidate("t"))
    const gates: (() => void)[] = []
    let loads = 0
    const load = a.cacheable(
      async () => {
        loads += 1
        await new Promise<void>((resolve) => gates.push(resolve))
        return loads
      },
      { name: "f", deps: ["t"] },
    )
    const callers: Promise<number>[] = []
    for (let index = 0; index < 10_000; index += 1) callers.push(load())
    for (let round = 0; round < 5; round += 1) {
      await settled()
      for (const open of gates.splice(0)) open()
    }
    await Promise.all(callers)
    expect(loads).toBeLessThanOrEqual(3)
  })
})

describe("the acknowledgement", () => {
  test("moves the cursor when nothing was missed, without a pull", async () => {
    const a = await ready("a")
    log.decide = only("news", "lose")
    const pulls = log.pulls
    await a.invalidate("t")
    expect(a.status().cursor).toBe(log.head)
    expect(log.pulls).toBe(pulls)
  })

  test("pulls what was missed in between", async () => {
    const a = await ready("a")
    const b = await ready("b")
    log.decide = only("news", "lose")
    const { load, state } = counted(a)
    await load(1)
    await b.invalidate("t")
    await load(1)
    expect(state.loads, "a has not heard of it").toBe(1)
    await a.invalidate("other")
    await settled()
    expect(a.status().cursor).toBe(log.head)
    await load(1)
    expect(state.loads).toBe(2)
  })

  test("does not cover what was missed before the pull has come", async () => {
    const a = await ready("a")
    const b = await ready("b")
    log.decide = only("news", "lose")
    await b.invalidate("missed")
    log.decide = (operation) => (operation.kind === "pull" ? "hold" : operation.kind === "news" ? "lose" : "pass")
    const { load, state } = counted(a, "f", ["missed"])
    await a.invalidate("t")
    await load(1)
    log.releaseAll()
    await settled()
    await load(1)
    expect(state.loads, "the load began before a knew of the change, so it may be from before it").toBe(2)
  })

  test("that comes late counts", async () => {
    const a = await ready("a")
    log.decide = only("append", "hold")
    const acknowledged = watch(a.invalidate("t"))
    await clock.advanceAsync(ACK_MS + 1)
    expect(acknowledged.error).toBeInstanceOf(InvalidationNotAcknowledgedError)
    expect(a.status().pending).toBe(1)
    log.held[0]?.answer()
    await settled()
    expect(a.status().pending).toBe(0)
    const { load, state } = counted(a)
    await load(1)
    await load(1)
    expect(state.loads).toBe(1)
  })

  test("is waited for no longer than ackTimeout; the tags stay stale and are sent again until it comes", async () => {
    const a = await ready("a")
    const b = await ready("b")
    const onB = counted(b)
    const { load, state } = counted(a)
    log.decide = only("append", "lose")
    await onB.load(1)
    const error = (await (async () => {
      const failing = a.invalidate("t", "u").catch((caught: unknown) => caught)
      await clock.advanceAsync(ACK_MS + 1)
      return failing
    })()) as InvalidationNotAcknowledgedError
    expect(error).toMatchObject({ code: "ERR_ZOOCACHE_NOT_ACKNOWLEDGED", subject: "t, u", committed: false })
    await load(1)
    await load(1)
    expect(state.loads).toBe(2)
    await clock.advanceAsync(10_000, 100)
    expect(a.status().pending).toBe(1)
    log.heal()
    await clock.advanceAsync(10_000, 100)
    expect(a.status().pending).toBe(0)
    await onB.load(1)
    expect(onB.state.loads).toBe(2)
    await load(1)
    await load(1)
    expect(state.loads).toBe(3)
  })

  test("repetitions back off and don't pile up, however long the log is silent", async () => {
    const a = await ready("a")
    log.decide = only("append", "hold")
    for (let index = 0; index < 50; index += 1) watch(a.invalidate(`t:${index}`))
    await clock.advanceAsync(120_000, 500)
    expect(log.appends).toBeLessThan(50 + 60)
    const appends = log.appends
    log.heal()
    await clock.advanceAsync(20_000, 100)
    expect(a.status().pending).toBe(0)
    expect(log.appends - appends, "the late answers ended all of them").toBeLessThanOrEqual(1)
  })

  test("that fails late, after a repetition was acknowledged, starts nothing again", async () => {
    const a = await ready("a")
    log.decide = only("append", "hold")
    const acknowledged = watch(a.invalidate("t"))
    await clock.advanceAsync(ACK_MS + 1)
    const [append] = log.held
    log.decide = () => "pass"
    await clock.advanceAsync(1000, 50)
    expect(acknowledged.isSettled).toBe(true)
    expect(a.status().pending).toBe(0)
    const appends = log.appends
    append?.reject()
    await clock.advanceAsync(60_000, 500)
    expect(a.status().pending).toBe(0)
    expect(log.appends).toBe(appends)
  })

  test("everything pending goes out in one append", async () => {
    const a = await ready("a")
    log.decide = only("append", "fail")
    for (let index = 0; index < 20; index += 1) watch(a.invalidate(`t:${index}`, "common"))
    await settled()
    const sent: number[] = []
    log.decide = ({ kind, changes }) => {
      if (kind === "append") sent.push(changes.length)
      return "pass"
    }
    await clock.advanceAsync(1000, 50)
    expect(sent).toEqual([21])
    expect(a.status().pending).toBe(0)
  })

  test("that was lost although the append took effect: sent again, and that is harmless", async () => {
    const a = await ready("a")
    const b = await ready("b")
    for (const fate of ["mute", "effectThenFail", "twice"] as const) {
      log.decide = only("append", fate)
      const acknowledged = watch(a.invalidate("t"))
      await clock.advanceAsync(ACK_MS + 1, 10)
      log.heal()
      await clock.advanceAsync(10_000, 100)
      expect(acknowledged.isSettled, fate).toBe(true)
      expect(a.status().pending, fate).toBe(0)
      await b.sync()
      expect(b.status().cursor, fate).toBe(log.head)
      expect(a.status().cursor, fate).toBe(log.head)
    }
  })

  test("that can't succeed rejects at once and is repeated rarely", async () => {
    const a = await ready("a")
    log.failure = () => Object.assign(new Error("no permission"), { permanent: true })
    log.decide = only("append", "fail")
    const acknowledged = watch(a.invalidate("t"))
    await settled()
    expect(acknowledged.error).toBeInstanceOf(InvalidationNotAcknowledgedError)
    expect((acknowledged.error as Error).cause).toMatchObject({ message: "no permission" })
    const appends = log.appends
    await clock.advanceAsync(10_000, 100)
    expect(log.appends).toBe(appends)
    log.heal()
    await clock.advanceAsync(60_000, 500)
    expect(a.status().pending).toBe(0)
  })

  test("a log that answers nonsense is a log that failed", async () => {
    const cache = createCache({
      clock,
      ackTimeout: ACK_MS,
      onFault: ({ error }) => faults.push(error),
      log: {
        local: false,
        append: () => Promise.resolve({ version: Number.NaN } as never),
        pull: () => Promise.resolve({} as never),
        listen: () => () => {},
        close: () => Promise.resolve(),
      },
    })
    caches.push(cache)
    const acknowledged = watch(cache.invalidate("t"))
    await clock.advanceAsync(ACK_MS + 1)
    expect(acknowledged.error).toBeInstanceOf(InvalidationNotAcknowledgedError)
    expect(cache.status().state).toBe("unsure")
    expect(faults.length).toBeGreaterThan(0)
  })
})

describe("too many pending invalidations", () => {
  for (const fate of ["fail", "lose"] as const) {
    test(`collapse into what they have in common while the log would ${fate}`, async () => {
      const a = await ready("a", { ackTimeout: 50 })
      const { load, state } = counted(a, "f", ["user:7"])
      const other = counted(a, "g", ["shop:7"])
      await load(1)
      await other.load(1)
      log.decide = only("append", fate)
      for (let index = 0; index < 12_000; index += 1) watch(a.invalidate(`user:${index}`))
      await clock.advanceAsync(200, 10)
      expect(a.status().pending).toBeLessThan(5000)
      expect(a.stats().tags).toBeLessThan(20_000)
      await load(1)
      await load(1)
      expect(state.loads, "still pending").toBe(3)
      await other.load(1)
      expect(other.state.loads, "not concerned").toBe(1)
      let most = 0
      log.decide = ({ kind, changes }) => {
        if (kind === "append") most = Math.max(most, changes.length)
        return "pass"
      }
      await clock.advanceAsync(20_000, 100)
      expect(a.status().pending).toBe(0)
      expect(most).toBeLessThanOrEqual(10_000)
      const b = await ready("b")
      expect(b.tagVersion("user:11999")).toBeGreaterThan(0)
      await load(1)
      await load(1)
      expect(state.loads).toBe(4)
    })
  }
})

describe("callers whose invalidations collapse", () => {
  const many = Array.from({ length: 12_000 }, (_, index) => `user:${index}`)

  test("are answered when what covers theirs is acknowledged", async () => {
    const a = await ready("a")
    log.decide = only("append", "fail")
    const one = watch(a.invalidate("shop:1"))
    const all = watch(a.invalidate(...many))
    await settled()
    expect(all.isSettled).toBe(false)
    log.heal()
    await clock.advanceAsync(ACK_MS / 2, 10)
    for (const { isSettled, error } of [one, all])
      expect({ isSettled, error }).toEqual({ isSettled: true, error: undefined })
    expect(a.status().pending).toBe(0)
  })

  test("are rejected when their own time is over, or the cache is closed", async () => {
    const a = await ready("a")
    log.decide = only("append", "fail")
    const first = watch(a.invalidate(...many))
    await clock.advanceAsync(ACK_MS - 10, 10)
    const second = watch(a.invalidate(...many))
    await clock.advanceAsync(20, 10)
    expect(first.error).toBeInstanceOf(InvalidationNotAcknowledgedError)
    expect(second.isSettled).toBe(false)
    await a.close()
    await settled()
    expect(second.error).toBeInstanceOf(InvalidationNotAcknowledgedError)
  })

  test("are rejected at once where it can't succeed", async () => {
    const a = await ready("a")
    log.decide = only("append", "fail")
    const all = watch(a.invalidate(...many))
    await settled()
    log.failure = () => Object.assign(new Error("no permission"), { permanent: true })
    await clock.advanceAsync(ACK_MS / 2, 10)
    expect((all.error as Error).cause).toMatchObject({ message: "no permission" })
  })

  test("are told of their own tags", async () => {
    const a = await ready("a")
    log.decide = only("append", "fail")
    const all = watch(a.invalidate(...many))
    const one = watch(a.invalidate("order:7"))
    await settled()
    await a.close()
    await settled()
    expect((one.error as Error).message).toContain("order:7")
    expect((one.error as Error).message).not.toContain("user")
    expect(all.error).not.toBe(one.error)
  })
})

describe("the caller", () => {
  test("{ wait: false } resolves at once without a token, and a missing acknowledgement is a fault", async () => {
    const a = await ready("a")
    log.decide = only("append", "lose")
    expect(await a.invalidate(["t"], { wait: false })).toBeUndefined()
    expect(a.status().pending).toBe(1)
    await clock.advanceAsync(ACK_MS + 1)
    expect(faults.map((fault) => fault.code)).toContain("ERR_ZOOCACHE_NOT_ACKNOWLEDGED")
    log.heal()
    await clock.advanceAsync(10_000, 100)
    expect(a.status().pending).toBe(0)
  })

  test("may stop waiting by a signal; the invalidation stays and is sent until it is acknowledged", async () => {
    const a = await ready("a")
    const b = await ready("b")
    const onB = counted(b)
    await onB.load(1)
    log.decide = only("append", "lose")
    const controller = new AbortController()
    const acknowledged = watch(a.invalidate(["t"], { signal: controller.signal }))
    controller.abort()
    await settled()
    expect((acknowledged.error as Error).name).toBe("AbortError")
    expect(a.status().pending).toBe(1)
    log.heal()
    await clock.advanceAsync(20_000, 100)
    expect(a.status().pending).toBe(0)
    await onB.load(1)
    expect(onB.state.loads).toBe(2)
  })
})

describe("news", () => {
  test("from another process arrives without a pull", async () => {
    const a = await ready("a")
    const b = await ready("b")
    const { load, state } = counted(b)
    await load(1)
    const pulls = log.pulls
    await a.invalidate("t")
    await settled()
    await load(1)
    expect(state.loads).toBe(2)
    expect(log.pulls).toBe(pulls)
  })

  test("that is lost is found at the next heartbeat", async () => {
    const a = await ready("a")
    const b = await ready("b")
    const { load, state } = counted(b)
    await load(1)
    log.decide = only("news", "lose")
    await a.invalidate("t")
    await settled()
    await load(1)
    expect(state.loads).toBe(1)
    await clock.advanceAsync(1000)
    await load(1)
    expect(state.loads).toBe(2)
  })

  test("a ring without words pulls", async () => {
    const a = await ready("a")
    const b = await ready("b")
    log.decide = only("news", "mute")
    await a.invalidate("t")
    await settled()
    expect(b.status().cursor).toBe(log.head)
  })

  test("may come twice and in any order", async () => {
    const a = await ready("a")
    const b = await ready("b")
    log.decide = (operation) => (operation.kind === "news" && operation.connection === "b" ? "hold" : "pass")
    for (const name of ["x", "y", "z"]) await a.invalidate(name)
    const [x, y, z] = log.held
    for (const news of [z, x, y, z, x]) {
      news?.answer()
      await settled()
    }
    expect(b.status().cursor).toBe(log.head)
    for (const name of ["x", "y", "z"]) expect(b.tagVersion(name)).toBe(a.tagVersion(name))
    const at = b.status().cursor
    y?.answer()
    await settled()
    expect(b.status().cursor, "old news moves nothing").toBe(at)
  })

  test("that comes while a pull is under way is kept and replayed", async () => {
    const a = await ready("a")
    const b = await ready("b")
    const { load, state } = counted(b)
    await load(1)
    log.decide = only("pull", "hold", "b")
    const synced = b.sync()
    await settled()
    const [pull] = log.held
    pull?.effect()
    await a.invalidate("t")
    await settled()
    const pulls = log.pulls
    pull?.answer()
    await settled()
    expect(b.status().cursor, "the pull was answered before the news").toBe(log.head)
    expect(log.pulls).toBe(pulls)
    await synced
    await load(1)
    expect(state.loads).toBe(2)
  })

  test("of many appends causes no storm of pulls", async () => {
    const a = await ready("a")
    await ready("b")
    log.decide = (operation) => {
      if (operation.kind === "pull" && operation.connection === "b") return "hold"
      return operation.kind === "news" && operation.changes[0]?.path === "t:0" ? "lose" : "pass"
    }
    const pulls = log.pulls
    for (let index = 0; index < 200; index += 1) await a.invalidate(`t:${index}`)
    await settled()
    expect(log.pulls - pulls).toBe(1)
  })
})

describe("a pull", () => {
  test("that is never answered does not end all pulls", async () => {
    const a = await ready("a")
    const b = await ready("b")
    log.decide = only("pull", "lose", "b")
    await clock.advanceAsync(1000)
    log.heal()
    await a.invalidate("t")
    await clock.advanceAsync(BOUND_MS + 10_000, 500)
    expect(b.status()).toMatchObject({ state: "ready", cursor: log.head })
  })

  test("that fails is repeated at the next heartbeat and reported", async () => {
    const b = await ready("b")
    log.decide = only("pull", "fail", "b")
    await clock.advanceAsync(1000)
    expect(faults.map((fault) => fault.code)).toEqual(["ERR_ZOOCACHE_LOG"])
    log.heal()
    await clock.advanceAsync(1000)
    expect(b.status()).toMatchObject({ state: "ready", confirmedAgoMs: 0 })
  })

  test("confirms as of the moment it was sent", async () => {
    const b = await ready("b")
    log.decide = only("pull", "hold", "b")
    await clock.advanceAsync(1000)
    clock.advance(300)
    log.releaseAll()
    await settled()
    expect(b.status().confirmedAgoMs).toBe(300)
  })

  test("a log that forgot what was not read makes everything older stale", async () => {
    const a = await ready("a")
    const b = await ready("b")
    const { load, state } = counted(b)
    await load(1)
    log.decide = only("news", "lose")
    await a.invalidate("unrelated")
    log.forget()
    await clock.advanceAsync(1000)
    await load(1)
    expect(state.loads).toBe(2)
    await load(1)
    expect(state.loads).toBe(2)
    log.forget()
    await clock.advanceAsync(1000)
    await load(1)
    expect(state.loads, "what was read may be forgotten").toBe(2)
  })

  test("raises the floor before it applies: a load that overlapped it is stale", async () => {
    const a = await ready("a")
    const b = await ready("b")
    log.decide = only("news", "lose")
    let open = () => {}
    const load = b.cacheable(() => new Promise<string>((resolve) => (open = () => resolve("old"))), { name: "f" })
    const running = load()
    await a.invalidate("gone")
    log.forget()
    await a.invalidate("kept")
    await clock.advanceAsync(1000)
    open()
    await running
    expect(load.peek()).toBeUndefined()
  })

  test("the floors of tags and of keys are apart", async () => {
    const a = await ready("a")
    const b = await ready("b")
    await b.set("k", 1, { deps: ["t"] })
    const { load, state } = counted(b)
    await load(1)
    log.decide = only("news", "lose")
    await a.delete("other")
    await a.invalidate("kept")
    log.forget(1)
    await clock.advanceAsync(1000)
    expect(await b.get("k"), "nothing was forgotten").toBe(1)
    await a.delete("more")
    log.forget(0)
    await a.invalidate("anything")
    await clock.advanceAsync(1000)
    expect(await b.get("k"), "keys were forgotten").toBeUndefined()
    await load(1)
    expect(state.loads).toBe(2)
  })
})

describe("sync", () => {
  test("with a token: the other instance has applied it", async () => {
    const a = await ready("a")
    const b = await ready("b")
    const { load, state } = counted(b)
    await load(1)
    log.decide = only("news", "lose")
    const token = await a.invalidate("t")
    await b.sync(token)
    await load(1)
    expect(state.loads).toBe(2)
  })

  test("does not share a pull that was sent before the call", async () => {
    const a = await ready("a")
    const b = await ready("b")
    log.decide = (operation) =>
      operation.kind === "news" ? "lose" : operation.kind === "pull" && operation.connection === "b" ? "hold" : "pass"
    await clock.advanceAsync(1000)
    const [early] = log.held
    early?.effect()
    const token = await a.invalidate("t")
    const synced = watch(b.sync(token))
    const everything = watch(b.sync())
    early?.answer()
    await settled()
    expect(synced.isSettled).toBe(false)
    expect(everything.isSettled).toBe(false)
    log.releaseAll()
    await settled()
    expect(synced).toMatchObject({ isSettled: true, value: undefined })
    expect(synced.error).toBeUndefined()
    expect(everything.isSettled).toBe(true)
    expect(b.status().cursor).toBe(log.head)
  })

  test("outlasts a pull that another caller started and that failed", async () => {
    const a = await ready("a")
    const b = await ready("b")
    log.decide = (operation) =>
      operation.kind === "news" && operation.connection === "b"
        ? operation.changes[0]?.path === "lost"
          ? "lose"
          : "pass"
        : operation.kind === "pull"
          ? "hold"
          : "pass"
    await clock.advanceAsync(1000)
    const pull = log.held.find(({ connection }) => connection === "b")
    pull?.effect()
    await a.invalidate("lost")
    const token = await a.invalidate("heard")
    const synced = watch(b.sync(token))
    log.decide = only("pull", "fail", "b")
    pull?.answer()
    await settled()
    log.heal()
    await clock.advanceAsync(400, 20)
    expect(synced.error).toBeUndefined()
    expect(synced.isSettled).toBe(true)
    expect(b.status().cursor).toBe(log.head)
  })

  test("rejects in time, by its signal, and for tokens that this log did not make", async () => {
    const a = await ready("a")
    const b = await ready("b")
    const token = (await a.invalidate("t")) as string
    await settled()
    await expect(b.sync("nonsense")).rejects.toThrow(InvalidTokenError)
    const foreign = token.replace("life1", "other")
    await expect(b.sync(foreign)).rejects.toThrow(InvalidTokenError)
    const future = token.replace(
      /\.(\d+)\.(\d+)$/,
      (_all, ms: string, count: string) => `.${Number(ms) + 1e6}.${count}`,
    )
    const cursor = b.status().cursor
    await expect(b.sync(future)).rejects.toThrow(InvalidTokenError)
    expect(b.status().cursor, "a token moves nothing").toBe(cursor)
    log.decide = (operation) => (operation.kind === "append" ? "pass" : "lose")
    const ahead = await a.invalidate("t")
    const inTime = watch(b.sync(ahead, { timeout: 100 }))
    const controller = new AbortController()
    const bySignal = watch(b.sync(ahead, { signal: controller.signal }))
    controller.abort()
    await clock.advanceAsync(101)
    expect(inTime.error).toBeInstanceOf(SyncTimeoutError)
    expect((bySignal.error as Error).name).toBe("AbortError")
  })

  test("a token of an earlier epoch is reached by a confirmation of the new one", async () => {
    const a = await ready("a")
    const b = await ready("b")
    const token = await a.invalidate("t")
    log.beginEpoch()
    await b.sync()
    await b.sync(token)
    const newer = await a.invalidate("t")
    await b.sync(newer)
    expect(b.status().cursor).toBe(log.head)
  })
})

describe("a new epoch", () => {
  test("makes everything stale; unsure until it has been pulled", async () => {
    const a = await ready("a")
    const { load, state } = counted(a)
    await a.set("k", 1)
    await load(1)
    log.beginEpoch()
    log.decide = only("pull", "hold")
    await a.invalidate("unrelated")
    expect(a.status().state).toBe("unsure")
    expect(await a.get("k")).toBeUndefined()
    await load(1)
    expect(state.loads).toBe(2)
    log.releaseAll()
    await settled()
    expect(a.status().state).toBe("ready")
    expect(await a.get("k")).toBeUndefined()
    await load(1)
    expect(state.loads, "what was loaded in the new one is good").toBe(2)
  })

  test("is noticed at the next heartbeat", async () => {
    const a = await ready("a")
    const { load, state } = counted(a)
    await load(1)
    log.beginEpoch()
    await clock.advanceAsync(1000)
    expect(a.status().state).toBe("ready")
    await load(1)
    expect(state.loads).toBe(2)
  })

  test("a load that overlapped it is stale", async () => {
    const a = await ready("a")
    let open = () => {}
    const load = a.cacheable(() => new Promise<string>((resolve) => (open = () => resolve("old"))), { name: "f" })
    const running = load()
    log.beginEpoch()
    await a.sync()
    open()
    await running
    expect(load.peek()).toBeUndefined()
  })

  test("a position from before it stores nothing", async () => {
    const a = await ready("a")
    const position = a.position()
    log.beginEpoch()
    await a.sync()
    await a.set("k", "old", { asOf: position })
    expect(await a.get("k")).toBeUndefined()
  })

  test("replies of the one before are ignored, and end nothing", async () => {
    const a = await ready("a")
    log.decide = ({ kind }) => (kind === "news" ? "lose" : "hold")
    const acknowledged = watch(a.invalidate("t"))
    watch(a.sync())
    await settled()
    const append = log.held.find(({ kind }) => kind === "append")
    const pull = log.held.find(({ kind }) => kind === "pull")
    append?.effect()
    pull?.effect()
    log.beginEpoch()
    log.decide = ({ kind }) => (kind === "news" ? "lose" : kind === "pull" ? "hold" : "pass")
    const ofNew = await a.invalidate("mine")
    await settled()
    expect(a.status().state).toBe("unsure")
    const unread = a.status().cursor
    pull?.answer()
    await settled()
    expect(a.status()).toMatchObject({ state: "unsure", cursor: unread })
    await clock.advanceAsync(200, 20)
    for (const held of log.held) if (held.kind === "pull") held.answer()
    await settled()
    expect(a.status()).toMatchObject({ state: "ready", cursor: log.head })
    append?.answer()
    await settled()
    expect(a.status()).toMatchObject({ state: "ready", cursor: log.head, pending: 1 })
    expect(acknowledged.isSettled).toBe(false)
    const { load, state } = counted(a)
    await load(1)
    await load(1)
    expect(state.loads, "t is still on its way").toBe(2)
    log.decide = only("news", "lose")
    log.releaseAll()
    await clock.advanceAsync(10_000, 100)
    expect(a.status().pending).toBe(0)
    await a.sync(ofNew)
    await load(1)
    await load(1)
    expect(state.loads).toBe(3)
  })

  test("news of another one leads to a pull, news of an earlier one to nothing", async () => {
    const a = await ready("a")
    const b = await ready("b")
    log.decide = only("news", "hold", "b")
    await a.invalidate("t")
    const [old] = log.held
    log.beginEpoch()
    await a.invalidate("t")
    await settled()
    log.held[1]?.answer()
    await settled()
    expect(b.status().cursor).toBe(log.head)
    const pulls = log.pulls
    old?.answer()
    await settled()
    expect(log.pulls).toBe(pulls)
  })
})

describe("set on a slow log", () => {
  test("the own value can be read meanwhile, and stays when it is acknowledged", async () => {
    const a = await ready("a")
    await a.set("k", "before")
    log.decide = only("append", "hold")
    const set = watch(a.set("k", "mine"))
    expect(await a.get("k")).toBe("mine")
    await clock.advanceAsync(100)
    expect(await a.get("k")).toBe("mine")
    log.releaseAll()
    await settled()
    expect(set.isSettled).toBe(true)
    expect(await a.get("k")).toBe("mine")
    expect(a.stats().entries).toBe(1)
  })

  test("outranks a load that began before it and lands after it", async () => {
    const a = await ready("a")
    let open = () => {}
    const loading = a.getOrLoad("k", () => new Promise<string>((resolve) => (open = () => resolve("loaded"))))
    log.decide = only("append", "hold")
    const set = a.set("k", "mine")
    open()
    expect(await loading).toBe("loaded")
    expect(await a.get("k")).toBe("mine")
    log.releaseAll()
    await set
    expect(await a.get("k")).toBe("mine")
  })

  test("another process's later delete outranks it, also when that is heard before the own acknowledgement", async () => {
    const a = await ready("a")
    const b = await ready("b")
    log.decide = (operation) => (operation.kind === "append" && operation.connection === "a" ? "hold" : "pass")
    const set = a.set("k", "mine")
    const [append] = log.held
    append?.effect()
    await b.delete("k")
    await settled()
    append?.answer()
    await set
    await settled()
    expect(await a.get("k")).toBeUndefined()
  })

  test("another process's earlier delete does not", async () => {
    const a = await ready("a")
    const b = await ready("b")
    log.decide = (operation) => (operation.kind === "append" && operation.connection === "a" ? "hold" : "pass")
    const set = a.set("k", "mine")
    await b.delete("k")
    await settled()
    log.releaseAll()
    await set
    expect(await a.get("k")).toBe("mine")
  })

  test("the own delete after it holds at once", async () => {
    const a = await ready("a")
    log.decide = only("append", "hold")
    watch(a.set("k", "mine"))
    watch(a.delete("k"))
    expect(await a.get("k")).toBeUndefined()
    log.releaseAll()
    await settled()
    expect(await a.get("k")).toBeUndefined()
  })

  test("what it depends on is checked against its position", async () => {
    const a = await ready("a")
    const b = await ready("b")
    const position = a.position()
    await b.invalidate("t")
    await settled()
    await a.set("k", "old", { deps: ["t"], asOf: position })
    expect(await a.get("k")).toBeUndefined()
    await a.set("k", "new", { deps: ["t"], asOf: a.position() })
    expect(await a.get("k")).toBe("new")
  })

  test("is told to the other processes: what they have of the key is stale", async () => {
    const a = await ready("a")
    const b = await ready("b")
    await b.set("k", "theirs")
    await a.set("k", "mine")
    await settled()
    expect(await b.get("k")).toBeUndefined()
    expect(await a.get("k")).toBe("mine")
  })
})

describe("a transaction", () => {
  test("whose append is not acknowledged has been committed all the same, and says so", async () => {
    const a = await ready("a")
    log.decide = only("append", "lose")
    let runs = 0
    const done = watch(
      a.transaction(async () => {
        runs += 1
        await a.invalidate("t")
        return "result"
      }),
    )
    await settled()
    await clock.advanceAsync(ACK_MS + 1)
    expect(done.error).toMatchObject({
      code: "ERR_ZOOCACHE_NOT_ACKNOWLEDGED",
      committed: true,
      result: "result",
      subject: "t",
    })
    expect(runs).toBe(1)
    const { load, state } = counted(a)
    await load(1)
    await load(1)
    expect(state.loads).toBe(2)
    log.heal()
    await clock.advanceAsync(10_000, 100)
    expect(a.status().pending).toBe(0)
  })

  test("appends everything in one go, and its token names that", async () => {
    const a = await ready("a")
    const b = await ready("b")
    const appends = log.appends
    const handle = await a.transaction(async (tx) => {
      await a.invalidate("x")
      await a.invalidate("y", "x")
      await a.delete("k")
      expect(tx.token).toBeUndefined()
      return tx
    })
    expect(log.appends - appends).toBe(1)
    await b.sync(handle.token)
    expect(b.tagVersion("x")).toBe(b.tagVersion("y"))
  })

  test("that throws appends nothing", async () => {
    const a = await ready("a")
    const appends = log.appends
    await expect(
      a.transaction(async () => {
        await a.invalidate("x")
        throw new Error("rolled back")
      }),
    ).rejects.toThrow("rolled back")
    expect(log.appends).toBe(appends)
  })
})

describe("close", () => {
  test("rejects what waits for an acknowledgement, and leaves no timer", async () => {
    const a = await ready("a")
    log.decide = only("append", "lose")
    const waiting = watch(a.invalidate("t"))
    await a.close()
    await settled()
    expect(waiting.error).toBeInstanceOf(InvalidationNotAcknowledgedError)
    expect(clock.timers).toBe(0)
  })

  test("ends ready() and sync() that wait for a silent log", async () => {
    log.decide = only("pull", "lose")
    const a = connect("a")
    const waiting = [watch(a.ready()), watch(a.sync())]
    await a.close()
    await clock.advanceAsync(20_000, 1000)
    for (const { isSettled } of waiting) expect(isSettled).toBe(true)
  })

  test("what arrives afterwards changes nothing", async () => {
    const a = await ready("a")
    const b = await ready("b")
    log.decide = (operation) => (operation.connection === "a" ? "hold" : "pass")
    watch(a.invalidate("t"))
    const pulled = watch(a.sync())
    await b.invalidate("t")
    const held = [...log.held]
    await a.close()
    const { cursor } = a.status()
    for (const operation of held) operation.answer()
    await clock.advanceAsync(5000, 500)
    expect(a.status()).toMatchObject({ state: "closed", cursor })
    expect(pulled.isSettled).toBe(true)
  })
})

describe("time", () => {
  test("after a sleep, which the monotonic clock does not count, it is unsure until a heartbeat", async () => {
    const a = await ready("a")
    const { load, state } = counted(a)
    await load(1)
    clock.setWall(clock.wall() + 3_600_000)
    await settled()
    expect(a.status().state).toBe("unsure")
    await load(1)
    expect(state.loads).toBe(2)
    await clock.advanceAsync(1000)
    expect(a.status().state).toBe("ready")
    await load(1)
    expect(state.loads).toBe(2)
  })

  test("a wall clock that is set back makes nothing look younger than it is", async () => {
    const a = await ready("a")
    clock.setWall(clock.wall() - 3_600_000)
    log.decide = only("pull", "fail")
    await clock.advanceAsync(BOUND_MS + 1, 100)
    expect(a.status().state).toBe("unsure")
  })

  test("versions never go back with the wall clock", async () => {
    const a = await ready("a")
    const before = await a.invalidate("t")
    const version = a.tagVersion("t")
    clock.setWall(clock.wall() - 3_600_000)
    const after = await a.invalidate("t")
    expect(after).not.toBe(before)
    expect(a.tagVersion("t")).toBeGreaterThan(version)
  })
})

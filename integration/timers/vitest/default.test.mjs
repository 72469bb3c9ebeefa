import { afterEach, describe, expect, test, vi } from "vitest"
import * as zoocache from "zoocache"
import { scenarios } from "../scenarios.cjs"

const common = {
  uninstall: () => vi.useRealTimers(),
  advance: (ms) => void vi.advanceTimersByTime(ms),
  advanceAsync: (ms) => vi.advanceTimersByTimeAsync(ms),
  setTime: (ms) => void vi.setSystemTime(ms),
  runAll: () => void vi.runAllTimers(),
  count: () => vi.getTimerCount(),
}
const settings = {
  "as they are": undefined,
  "of Vitest 2, without performance": {
    toFake: ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate", "setInterval", "clearInterval", "Date"],
  },
  "with queueMicrotask": { toFake: ["setTimeout", "clearTimeout", "Date", "performance", "queueMicrotask"] },
  "with a date": { now: new Date("2031-05-01") },
}

for (const [of, setting] of Object.entries(settings)) {
  describe(`fake timers of Vitest, ${of}`, () => {
    const tool = { ...common, install: () => void vi.useFakeTimers(setting), isAhead: setting?.now !== undefined }
    for (const [name, run] of scenarios(zoocache, tool)) test(name, run)
  })
}

describe("Vitest", () => {
  afterEach(() => {
    vi.restoreAllMocks()
    vi.useRealTimers()
  })

  test("a ttl ends when the date is set without fake timers", async () => {
    const cache = zoocache.createCache({ ttl: "1m" })
    await cache.set("k", 1)
    vi.setSystemTime(Date.now() + 59_000)
    expect(await cache.get("k")).toBe(1)
    vi.setSystemTime(Date.now() + 1000)
    expect(await cache.get("k")).toBeUndefined()
    await cache.close()
  })

  test("a ttl ends when Date.now is a mock that says so", async () => {
    const cache = zoocache.createCache({ ttl: "1m" })
    await cache.set("k", 1)
    const now = Date.now()
    const spy = vi.spyOn(Date, "now").mockReturnValue(now + 59_000)
    expect(await cache.get("k")).toBe(1)
    spy.mockReturnValue(now + 61_000)
    expect(await cache.get("k")).toBeUndefined()
    await cache.close()
  })
})

import { describe, expect, test } from "vitest"
import { systemClock } from "../../../src/core/base/clock.js"
import { settingsOf } from "../../../src/core/cache/settings-of.js"
import { InvalidOptionError } from "../../../src/core/base/errors.js"
import type { CacheOptions, FunctionOptions } from "../../../src/core/options/options.js"
import { DEFAULT_MAX_ENTRIES, normalizeFunctionBehaviour } from "../../../src/core/options/settings.js"

const behaviourOf = (options: FunctionOptions<[], unknown>, cache: CacheOptions = {}) =>
  normalizeFunctionBehaviour(options, settingsOf(cache).behaviour)

describe("settingsOf", () => {
  test("completes nothing to the defaults", () => {
    expect(settingsOf({})).toMatchObject({
      prefix: "",
      backend: undefined,
      strict: false,
      memory: { maxEntries: DEFAULT_MAX_ENTRIES, maxBytes: Infinity, sizeOf: undefined },
      stalenessBoundMs: 5_000,
      ackTimeoutMs: 5_000,
      maxLoads: Infinity,
      enabled: true,
      clock: systemClock,
      random: Math.random,
      behaviour: { ttlMs: Infinity, hardTimeoutMs: 60_000, isolation: "freeze", whenUnsure: "load", lease: undefined },
    })
  })

  test("takes undefined for what is left out", () => {
    const options: CacheOptions = { ttl: undefined, memory: undefined, staleness: undefined, clock: undefined }
    expect(settingsOf(options)).toEqual(settingsOf({}))
  })

  test("reads durations, and gives one frozen object", () => {
    const settings = settingsOf({
      ttl: "1h",
      grace: "90s",
      timeout: { soft: "1s", hard: "1m" },
      staleness: { bound: "2s", whenUnsure: "throw" },
      memory: { maxBytes: 1_000 },
    })
    expect(settings.behaviour).toMatchObject({
      ttlMs: 3_600_000,
      graceMs: 90_000,
      softTimeoutMs: 1_000,
      hardTimeoutMs: 60_000,
      whenUnsure: "throw",
    })
    for (const part of [settings, settings.behaviour, settings.memory]) expect(Object.isFrozen(part)).toBe(true)
  })

  test.each<[CacheOptions, string]>([
    [{ strict: true }, "strict"],
    [{ store: { get() {}, put() {}, remove() {}, touch() {}, stats() {}, close() {} } as never }, "store"],
    [{ timeout: 0 }, "timeout"],
    [{ grace: -1 }, "grace"],
    [{ isolation: "copy" as never }, "isolation"],
    [{ memory: { maxEntries: 0 } }, "memory.maxEntries"],
    [{ prefix: 1 as never }, "prefix"],
  ])("refuses %j", (options, subject) => {
    expect(() => settingsOf(options)).toThrow(expect.objectContaining({ subject }))
    expect(() => settingsOf(options)).toThrow(InvalidOptionError)
  })

  test("takes every isolation", () => {
    for (const isolation of ["freeze", "clone", "share", "strict"] as const) {
      expect(settingsOf({ isolation }).behaviour.isolation).toBe(isolation)
    }
  })
})

describe("normalizeFunctionBehaviour", () => {
  test("takes from the cache what the function does not say", () => {
    const behaviour = behaviourOf({ ttl: "5s" }, { ttl: "1h", grace: "1m", isolation: "clone", jitter: 0.1 })
    expect(behaviour).toMatchObject({ ttlMs: 5_000, graceMs: 60_000, isolation: "clone", jitter: 0.1 })
    expect(behaviourOf({ whenUnsure: "serve" }, { staleness: { whenUnsure: "throw" } }).whenUnsure).toBe("serve")
  })

  test("leaves a ttl that is a function to the function", () => {
    expect(behaviourOf({ ttl: () => 5 }, { ttl: "1h" }).ttlMs).toBe(3_600_000)
  })

  test("gives a lease the terms of the cache, and others where it names them", () => {
    const cache: CacheOptions = { singleflight: { scope: "cluster", lease: "3s" } }
    expect(behaviourOf({}, cache).lease).toEqual({ leaseMs: 3_000, waitMs: 6_000 })
    expect(behaviourOf({ singleflight: "cluster" }, cache).lease).toEqual({ leaseMs: 3_000, waitMs: 6_000 })
    expect(behaviourOf({ singleflight: { scope: "cluster", wait: "1s" } }, cache).lease?.waitMs).toBe(1_000)
    expect(behaviourOf({ singleflight: "process" }, cache).lease).toBe(undefined)
  })

  test.each<[object, string]>([
    [{ deps: [1] }, "deps"],
    [{ deps: "user" }, "deps"],
    [{ name: "" }, "name"],
    [{ version: Number.NaN }, "version"],
    [{ key: "id" }, "key"],
    [{ cacheErrors: "soon" }, "cacheErrors"],
    [{ whenUnsure: "guess" }, "whenUnsure"],
    [{ tags: ["a"] }, "tags"],
  ])("refuses %j", (options, subject) => {
    expect(() => behaviourOf(options)).toThrow(expect.objectContaining({ subject }))
  })

  test("knows more names where it is told of them", () => {
    const defaults = settingsOf({}).behaviour
    expect(() => normalizeFunctionBehaviour({ maxBatch: 5 } as object, defaults)).toThrow("maxBatch")
    expect(() => normalizeFunctionBehaviour({ maxBatch: 5 } as object, defaults, ["maxBatch"])).not.toThrow()
  })
})

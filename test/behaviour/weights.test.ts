import { describe, expect, test } from "vitest"
import { HookError } from "zoocache"
import { settled } from "zoocache/testing"
import { makeCache } from "../support/caches.js"
import { Machine } from "../support/shared.js"

interface Row {
  readonly bytes: number
}

describe("a budget of bytes", () => {
  test.each<[string, unknown]>([
    ["Infinity", Number.POSITIVE_INFINITY],
    ["Number.MAX_VALUE", Number.MAX_VALUE],
    ["1e22", 1e22],
    ["NaN", Number.NaN],
    ["a negative number", -5],
    ["a text", "1000"],
    ["a promise that rejects", "promise"],
  ])("holds whatever `sizeOf` answers: %s is not stored, and said", async (_name, answer) => {
    const sizeOf = (value: unknown): number =>
      value !== "odd" ? 1_000 : ((answer === "promise" ? Promise.reject(new Error("handled")) : answer) as number)
    const { cache, faults } = makeCache({ memory: { maxBytes: Number.MAX_SAFE_INTEGER, sizeOf } })
    const load = cache.cacheable(async (value: string) => value)
    for (let round = 0; round < 3; round += 1) {
      expect(await load("odd")).toBe("odd")
      await load(`small ${round}`)
      await cache.set("odd", "odd")
    }
    expect(load.peek("odd")).toBe(undefined)
    expect(await cache.lookup("odd")).toBe(undefined)
    expect(load.peek("small 0")).toBe("small 0")
    expect(faults).toHaveLength(6)
    for (const { error } of faults) expect(error).toBeInstanceOf(HookError)
    expect(faults[0]?.error.message).toMatch("sizeOf")
    const { bytes } = cache.stats()
    expect(Number.isSafeInteger(bytes) && bytes > 3_000 && bytes < 6_000).toBe(true)
  })
})

describe("hooks that look at values are asked about values only", () => {
  const sizeOf = (row: unknown) => (row as Row).bytes

  test("an error that is kept has a weight of its own", async () => {
    const { cache, faults } = makeCache({ memory: { maxBytes: 1_000_000, sizeOf } })
    let loads = 0
    const fail = async (): Promise<Row> => {
      loads += 1
      throw new Error("the database is down")
    }
    const load = cache.cacheable(fail, { cacheErrors: "1m" })
    const own = cache.cacheable(fail, { name: "own", cacheErrors: "1m", sizeOf })
    for (const read of [load, load, own, own]) await expect(read()).rejects.toThrow("the database is down")
    expect(loads).toBe(2)
    expect(faults).toEqual([])
    const { bytes } = cache.stats()
    expect(bytes).toBeGreaterThan(600)
    expect(bytes).toBeLessThan(6_000)
  })

  test("what an error carries counts", async () => {
    const { cache } = makeCache({ memory: { maxBytes: 1_000_000 } })
    const load = cache.cacheable(() => Promise.reject(Object.assign(new Error("no"), { body: "x".repeat(100_000) })), {
      cacheErrors: "1m",
    })
    await expect(load()).rejects.toThrow("no")
    expect(cache.stats().bytes).toBeGreaterThan(50_000)
  })

  test("so has an id for which there is nothing", async () => {
    const { cache, faults } = makeCache({ memory: { maxBytes: 1_000_000, sizeOf } })
    const rows = cache.cacheableMany(async (_ids: readonly number[]) => new Map<number, Row>())
    await rows([1, 2])
    expect(cache.stats().entries).toBe(2)
    expect(faults).toEqual([])
  })

  test("nor about the absence that was primed, or that a store brings back", async () => {
    const machine = new Machine()
    const asked: unknown[] = []
    const ask = (value: unknown) => {
      asked.push(value)
      return (value as Row).bytes
    }
    const join = async () => {
      const { cache, faults } = await machine.join({ memory: { maxBytes: 1_000_000, sizeOf: ask } })
      let loads = 0
      const rows = cache.cacheableMany(async (_ids: readonly number[]) => ((loads += 1), new Map<number, Row>()), {
        name: "rows",
        sizeOf: ask,
        validate: (row) => ask(row) >= 0,
        cacheIf: (row) => ask(row) >= 0,
        ttl: (row) => ask(row),
      })
      return { rows, faults, loads: () => loads }
    }
    const [a, b] = [await join(), await join()]
    await a.rows([1])
    await a.rows.prime(2, undefined as never, { asOf: "now" })
    await settled()
    expect(await b.rows([1, 2])).toEqual(new Map())
    expect([a.loads(), b.loads()]).toEqual([1, 0])
    expect([...a.faults, ...b.faults]).toEqual([])
    expect(asked).toEqual([])
  })
})

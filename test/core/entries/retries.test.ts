import { describe, expect, test } from "vitest"
import { type Aging, ageOf, ALWAYS, deadlineOf } from "../../../src/core/entries/age.js"
import { mayRetry, postpone, Retries, RETRY_MS } from "../../../src/core/entries/retries.js"

/** Due at 60, expired at 10,000. */
function due(own: Partial<Aging> = {}): { aging: Aging; deadlineMs: number } {
  const aging: Aging = {
    expiresAtMs: 10_000,
    graceMs: 0,
    idleTtlMs: Infinity,
    idleUntilMs: Infinity,
    refreshAtMs: 60,
    retryAtMs: 0,
    ...own,
  }
  return { aging, deadlineMs: deadlineOf(aging) }
}

describe("an entry", () => {
  test("may be loaded anew from the time of its next try on", () => {
    const { aging } = due({ retryAtMs: 70 })
    expect([69, 70, 71].map((nowMs) => mayRetry({ aging }, nowMs))).toEqual([false, true, true])
    expect(mayRetry({ aging: null }, 0)).toBe(true)
  })

  test("that is postponed is as old as before, and hits need no closer look until its next try", () => {
    const entry = due()
    postpone(entry, 60 + RETRY_MS)
    expect(entry.deadlineMs).toBe(60 + RETRY_MS)
    expect(ageOf(entry, 100)).toBe("due")
    postpone(entry, 20_000)
    expect(entry.deadlineMs).toBe(10_000)
  })

  test("that each hit has to look at closely stays so", () => {
    const entry = { ...due(), deadlineMs: ALWAYS }
    postpone(entry, 100)
    expect([entry.deadlineMs, entry.aging.retryAtMs]).toEqual([ALWAYS, 100])
  })

  test("without an age of its own has nothing to postpone", () => {
    const entry = { aging: null, deadlineMs: 100 }
    postpone(entry, 200)
    expect(entry).toEqual({ aging: null, deadlineMs: 100 })
  })
})

describe("keys", () => {
  test("may be loaded at once, unless they were postponed", () => {
    const retries = new Retries()
    retries.postpone("a", 100)
    expect(retries.atMs("a", 100)).toBe(100 + RETRY_MS)
    expect(retries.atMs("b", 100)).toBe(100)
    expect(retries.atMs("a", 100 + RETRY_MS)).toBe(100 + RETRY_MS)
    expect(retries.atMs("a", 5000)).toBe(5000)
  })

  test("wait anew from a failure on", () => {
    const retries = new Retries()
    retries.postpone("a", 100)
    retries.postpone("b", 200)
    retries.postpone("a", 900)
    expect(retries.atMs("a", 1200)).toBe(900 + RETRY_MS)
    expect(retries.atMs("b", 1200)).toBe(1200)
  })

  test("are free when a newer value has been stored", () => {
    const retries = new Retries()
    retries.postpone("a", 100)
    retries.postpone("b", 100)
    retries.renewed("a")
    expect([retries.atMs("a", 101), retries.atMs("b", 101)]).toEqual([101, 100 + RETRY_MS])
  })

  test("are free when a value of this process has been stored, unless a later load has begun", () => {
    const retries = new Retries()
    expect(retries.renewing("a")).toBeUndefined()
    retries.postpone("a", 100)
    retries.postpone("b", 100)
    const [ofA, ofB] = [retries.renewing("a"), retries.renewing("b")]
    retries.postpone("b", 200)
    expect(retries.atMs("a", 201)).toBe(100 + RETRY_MS)
    ofA?.()
    ofB?.()
    expect([retries.atMs("a", 201), retries.atMs("b", 201)]).toEqual([201, 200 + RETRY_MS])
  })

  test("are remembered by the ten thousand, and beyond that all wait rather than one of them too little", () => {
    const retries = new Retries()
    for (let index = 0; index < 10_001; index += 1) retries.postpone(`key ${index}`, 100)
    const all = Array.from({ length: 10_001 }, (_, index) => retries.atMs(`key ${index}`, 101))
    expect(new Set(all)).toEqual(new Set([100 + RETRY_MS]))
    expect(retries.atMs("another", 101)).toBe(100 + RETRY_MS)
    expect(retries.atMs("another", 100 + RETRY_MS)).toBe(100 + RETRY_MS)
    // What has run out makes room.
    retries.postpone("another", 2000)
    expect([retries.atMs("another", 2001), retries.atMs("one more", 2001)]).toEqual([2000 + RETRY_MS, 2001])
  })
})

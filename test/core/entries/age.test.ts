import { describe, expect, test } from "vitest"
import {
  type Age,
  ageOf,
  type Aged,
  type Aging,
  agingOf,
  ALWAYS,
  deadlineOf,
  expiredAging,
  expiryOf,
  lookedAtAlways,
  NEVER,
  slide,
} from "../../../src/core/entries/age.js"
import type { Behaviour } from "../../../src/core/options/settings.js"
import { settingsOf } from "../../../src/core/cache/settings-of.js"

const usual = settingsOf({}).behaviour
const behaviour = (own: Partial<Behaviour>): Behaviour => ({ ...usual, ...own })

/** Expires at 100 unless it is said otherwise; without grace, sliding or early refresh. */
function aging(own: Partial<Aging> = {}): Aging {
  return {
    expiresAtMs: 100,
    graceMs: 0,
    idleTtlMs: Infinity,
    idleUntilMs: Infinity,
    refreshAtMs: Infinity,
    retryAtMs: 0,
    ...own,
  }
}

const plain = (deadlineMs: number): Aged => ({ deadlineMs, aging: null })
const full = (own: Partial<Aging>): Aged => ({ aging: aging(own), deadlineMs: deadlineOf(aging(own)) })

describe("ageOf", () => {
  test.each<[string, Aged, number, Age]>([
    ["a plain one before its deadline", plain(100), 99, "current"],
    ["a plain one at its deadline", plain(100), 100, "over"],
    ["one without an end", plain(NEVER), Number.MAX_SAFE_INTEGER, "current"],
    ["before its end", full({ graceMs: 50 }), 99, "current"],
    ["at its end", full({ graceMs: 50 }), 100, "grace"],
    ["in the last moment of its grace", full({ graceMs: 50 }), 149, "grace"],
    ["at the end of its grace", full({ graceMs: 50 }), 150, "over"],
    ["due for an early refresh", full({ refreshAtMs: 60 }), 60, "due"],
    ["before that", full({ refreshAtMs: 60 }), 59, "current"],
    ["after its end, with an early refresh", full({ refreshAtMs: 60 }), 100, "over"],
    ["idle for too long", full({ idleTtlMs: 20, idleUntilMs: 50 }), 50, "over"],
    ["used lately", full({ idleTtlMs: 20, idleUntilMs: 50 }), 49, "current"],
    ["idle, with grace from then", full({ idleTtlMs: 20, idleUntilMs: 50, graceMs: 10 }), 59, "grace"],
    ["used lately, and past its end all the same", full({ idleTtlMs: 20, idleUntilMs: 110 }), 100, "over"],
  ])("of %s", (_what, entry, nowMs, age) => {
    expect(ageOf(entry, nowMs)).toBe(age)
  })
})

describe("expiryOf", () => {
  test.each<[string, Aged, number]>([
    ["a plain one", plain(100), 100],
    ["one without an end", plain(NEVER), Infinity],
    ["one with grace, which is no part of its life", full({ graceMs: 50 }), 100],
    ["one that slides", full({ idleTtlMs: 20, idleUntilMs: 50 }), 50],
    ["one that slides beyond its end", full({ idleTtlMs: 20, idleUntilMs: 150 }), 100],
  ])("of %s", (_what, entry, atMs) => {
    expect(expiryOf(entry)).toBe(atMs)
  })
})

describe("deadlineOf", () => {
  test.each<[string, Partial<Aging>, number]>([
    ["its end", {}, 100],
    ["its early refresh, if that comes first", { refreshAtMs: 60.5 }, 60],
    ["the time of the next try, where a load has begun", { refreshAtMs: 60, retryAtMs: 80 }, 80],
    ["its end, where that comes before the next try", { refreshAtMs: 60, retryAtMs: 120 }, 100],
    ["no earlier for a time of the next try that has passed", { refreshAtMs: 60, retryAtMs: 10 }, 60],
    ["never", { expiresAtMs: Infinity }, NEVER],
    ["always, where it slides", { idleTtlMs: 20 }, ALWAYS],
    ["not never, where its end has that very number", { expiresAtMs: NEVER }, NEVER - 1],
  ])("is %s", (_what, own, deadlineMs) => {
    expect(deadlineOf(aging(own))).toBe(deadlineMs)
  })
})

describe("slide", () => {
  const sliding = (own: Partial<Aging> = {}) => aging({ idleTtlMs: 20, idleUntilMs: 50, graceMs: 1000, ...own })
  test.each<[string, Aging, number, number]>([
    ["starts the idle time anew", sliding(), 40, 60],
    ["starts it anew in its last moment", sliding(), 49, 69],
    ["leaves what has gone unread for too long as it is", sliding(), 50, 50],
    ["leaves it through its grace", sliding(), 700, 50],
    ["leaves what is past its end as it is", sliding({ idleUntilMs: 110 }), 100, 110],
    ["does nothing to what does not slide", aging(), 40, Infinity],
  ])("%s", (_what, given, nowMs, untilMs) => {
    const before = given.idleUntilMs
    expect(slide(given, nowMs)).toBe(untilMs !== before)
    expect(given.idleUntilMs).toBe(untilMs)
  })
})

describe("agingOf a result that landed at 1000", () => {
  const of = (ttlMs: number, own: Partial<Behaviour> = {}, latestExpiryMs = Infinity, chance = 0.5) =>
    agingOf(ttlMs, behaviour(own), 1000, () => chance, latestExpiryMs)

  test.each<[string, Aged | undefined, Aged | undefined]>([
    ["a plain ttl", of(100), plain(1100)],
    ["no end", of(Infinity), plain(NEVER)],
    ["part of a millisecond", of(0.5), plain(1000)],
    ["no ttl", of(0), undefined],
    ["a negative ttl", of(-1), undefined],
    ["an ingredient that ends earlier", of(100, {}, 1050), plain(1050)],
    ["an ingredient that ends later", of(100, {}, 1150), plain(1100)],
    ["an ingredient that has ended", of(100, {}, 1000), undefined],
    ["an ingredient that ends, and no end of its own", of(Infinity, {}, 1050), plain(1050)],
    ["jitter", of(100, { jitter: 0.2 }), plain(1090)],
    ["no jitter by chance", of(100, { jitter: 0.2 }, Infinity, 0), plain(1100)],
    ["jitter of no end", of(Infinity, { jitter: 0.2 }), plain(NEVER)],
    ["no idle time", of(100, { idleTtlMs: 0 }), undefined],
  ])("%s", (_what, aged, expected) => {
    expect(aged).toEqual(expected)
  })

  test("has grace, slides, and is refreshed early, each from its landing", () => {
    expect(of(100, { graceMs: 50 })?.aging).toEqual(aging({ expiresAtMs: 1100, graceMs: 50, retryAtMs: 1000 }))
    expect(of(100, { idleTtlMs: 20 })).toEqual({
      deadlineMs: ALWAYS,
      aging: aging({ expiresAtMs: 1100, idleTtlMs: 20, idleUntilMs: 1020, retryAtMs: 1000 }),
    })
    expect(of(100, { earlyRefresh: 0.6 })).toEqual({
      deadlineMs: 1060,
      aging: aging({ expiresAtMs: 1100, refreshAtMs: 1060, retryAtMs: 1000 }),
    })
  })

  test("is refreshed early in the life that it really has", () => {
    expect(of(100, { earlyRefresh: 0.5 }, 1050)?.aging?.refreshAtMs).toBe(1025)
    expect(of(100, { earlyRefresh: 0.5, jitter: 0.4 })?.aging?.refreshAtMs).toBe(1040)
    expect(of(Infinity, { earlyRefresh: 0.5 })?.aging?.refreshAtMs).toBe(Infinity)
  })
})

describe("expiredAging", () => {
  test("ends a life at that time, and never makes it longer", () => {
    expect(expiredAging(plain(100), 40)).toEqual(aging({ expiresAtMs: 40 }))
    expect(expiredAging(plain(100), 140)).toEqual(aging({ expiresAtMs: 100 }))
    expect(expiredAging(plain(NEVER), 40)).toEqual(aging({ expiresAtMs: 40 }))
  })

  test("keeps its grace, and changes nothing in place", () => {
    const entry = full({ graceMs: 50 })
    expect(expiredAging(entry, 40)).toEqual(aging({ expiresAtMs: 40, graceMs: 50 }))
    expect(entry.aging?.expiresAtMs).toBe(100)
  })
})

test("lookedAtAlways changes how closely a hit looks, and not how long the entry lives", () => {
  for (const entry of [plain(100), plain(NEVER), full({ graceMs: 50 }), full({ refreshAtMs: 60 })]) {
    const always = lookedAtAlways(entry)
    expect(always.deadlineMs).toBe(ALWAYS)
    expect(expiryOf(always)).toBe(expiryOf(entry))
    for (const nowMs of [0, 59, 60, 99, 100, 149, 150, NEVER]) expect(ageOf(always, nowMs)).toBe(ageOf(entry, nowMs))
  }
})

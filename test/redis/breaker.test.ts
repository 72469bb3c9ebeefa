import { beforeEach, expect, test } from "vitest"
import { ManualClock } from "zoocache/testing"
import { type Admission, Breaker } from "../../src/redis/breaker.js"

let clock: ManualClock
let breaker: Breaker
let chance: number
let opened: { readonly cause: unknown; readonly pauseMs: number }[]

beforeEach(() => {
  clock = new ManualClock()
  chance = 1
  opened = []
  breaker = new Breaker({
    clock,
    random: () => chance,
    failures: 3,
    minPauseMs: 1000,
    maxPauseMs: 30_000,
    onOpen: (cause, pauseMs) => opened.push({ cause, pauseMs }),
  })
})

function fail(times = 1): void {
  for (let time = 0; time < times; time += 1) breaker.failed(breaker.enter() as Admission, new Error(`failure ${time}`))
}

/** Moves on to the end of the pause, and tells how long it was. */
function waitForProbe(): { readonly pauseMs: number; readonly admission: Admission } {
  for (let pauseMs = 0; ; pauseMs += 100) {
    const admission = breaker.enter()
    if (admission !== undefined) return { pauseMs, admission }
    clock.advance(100)
  }
}

test("opens after failures in a row, not after as many with a success in between", () => {
  fail(2)
  breaker.succeeded(breaker.enter() as Admission)
  fail(2)
  expect(breaker.state).toBe("closed")
  fail()
  expect(breaker).toMatchObject({ state: "open", isRefusing: true, openings: 1 })
  expect(breaker.enter()).toBeUndefined()
  expect(opened).toEqual([{ cause: new Error("failure 0"), pauseMs: 1000 }])
})

test("lets one call through after the pause, and all once that has succeeded", () => {
  fail(3)
  clock.advance(999)
  expect(breaker.enter()).toBeUndefined()
  clock.advance(1)
  expect(breaker.isRefusing).toBe(false)
  const probe = breaker.enter() as Admission
  expect(breaker.state).toBe("half-open")
  expect(breaker.isRefusing).toBe(true)
  expect(breaker.enter()).toBeUndefined()
  breaker.succeeded(probe)
  expect(breaker).toMatchObject({ state: "closed", isRefusing: false })
  expect(breaker.enter()).toBeDefined()
})

test("pauses longer each time a probe fails, up to a limit, and tells of the first alone", () => {
  fail(3)
  const pauses: number[] = []
  for (let probe = 0; probe < 7; probe += 1) {
    const { pauseMs, admission } = waitForProbe()
    pauses.push(pauseMs)
    breaker.failed(admission, new Error("still"))
    expect(breaker.state).toBe("open")
  }
  expect(pauses).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
  expect(opened.length).toBe(1)
  // A success begins anew.
  breaker.succeeded(waitForProbe().admission)
  fail(3)
  expect(waitForProbe().pauseMs).toBe(1000)
  expect(opened.length).toBe(2)
  expect(breaker.openings).toBe(2)
})

test("half of a pause is by chance, and none is below the shortest", () => {
  chance = 0
  fail(3)
  const pauses = [0, 1, 2, 3].map(() => {
    const { pauseMs, admission } = waitForProbe()
    breaker.failed(admission, new Error("still"))
    return pauseMs
  })
  expect(pauses).toEqual([1000, 1000, 2000, 4000])
})

test("what was sent before says nothing about what is now", () => {
  const early = [1, 2, 3, 4].map(() => breaker.enter() as Admission)
  fail(3)
  // While it is open: neither closes it nor makes the pause longer.
  breaker.succeeded(early[0] as Admission)
  breaker.failed(early[1] as Admission, new Error("late"))
  expect(breaker.state).toBe("open")
  const { pauseMs, admission } = waitForProbe()
  expect(pauseMs).toBe(1000)
  breaker.succeeded(early[2] as Admission)
  expect(breaker.state).toBe("half-open")
  breaker.succeeded(admission)
  fail(2)
  breaker.failed(early[3] as Admission, new Error("late"))
  expect(breaker.state).toBe("closed")
})

test("can be opened at once", () => {
  breaker.trip(new Error("gone"))
  breaker.trip(new Error("gone"))
  expect(breaker).toMatchObject({ state: "open", openings: 1 })
  expect(opened.length).toBe(1)
  expect(waitForProbe().pauseMs).toBe(1000)
})

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest"
import { systemClock } from "../../../src/core/base/clock.js"
import { MachineTime } from "../../../src/core/base/machine-time.js"
import { afterIo, afterTurn } from "../../../src/core/base/machine.js"
import { Turn } from "../../../src/core/base/turn.js"

const timers = ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate", "Date"] as const

beforeEach(() => {
  vi.useRealTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe.each([
  ["with performance", undefined],
  ["without performance", { toFake: [...timers] }],
] as const)("the time, when Date is faked %s", (_how, settings) => {
  const fake = () => vi.useFakeTimers(settings as Parameters<typeof vi.useFakeTimers>[0])

  test("moves with the timers and with the date, and stands still else", () => {
    fake()
    const time = new MachineTime()
    const begin = time.now()
    vi.advanceTimersByTime(1000)
    expect(time.now() - begin).toBe(1000)
    vi.setSystemTime(Date.now() + 5000)
    expect(time.now() - begin).toBe(6000)
    expect(time.now() - begin).toBe(6000)
  })

  test("never goes back", () => {
    fake()
    const time = new MachineTime()
    const begin = time.now()
    vi.setSystemTime(0)
    expect(time.now()).toBe(begin)
    vi.advanceTimersByTime(1000)
    expect(time.now() - begin).toBe(1000)
  })

  test("goes on from where it is when the clock is given back", () => {
    const time = new MachineTime()
    const before = time.now()
    fake()
    vi.advanceTimersByTime(3_600_000)
    const during = time.now()
    expect(during - before).toBeGreaterThanOrEqual(3_600_000)
    vi.useRealTimers()
    const after = time.now()
    expect(after).toBeGreaterThanOrEqual(during)
    expect(after - during).toBeLessThan(3_600_000)
  })

  test("counts what a second faked clock has moved before it was looked at", () => {
    fake()
    const time = new MachineTime()
    vi.advanceTimersByTime(1000)
    const before = time.now()
    vi.useRealTimers()
    fake()
    vi.advanceTimersByTime(60_000)
    expect(time.now() - before).toBeGreaterThan(58_000)
  })
})

test("mocks of Date.now that give no number make no time", () => {
  const time = new MachineTime()
  const before = time.now()
  const spy = vi.spyOn(Date, "now")
  for (const nonsense of [Number.NaN, Number.POSITIVE_INFINITY, undefined as unknown as number]) {
    spy.mockReturnValue(nonsense)
    time.now()
    expect(Number.isFinite(time.now())).toBe(true)
  }
  spy.mockRestore()
  expect(time.now()).toBeGreaterThanOrEqual(before)
  expect(time.now() - before).toBeLessThan(3_600_000)
})

test("a turn reads a faked clock at each look, also where it has read that of the machine before", () => {
  const turn = new Turn(systemClock, 64)
  const before = turn.read()
  vi.useFakeTimers()
  vi.advanceTimersByTime(60_000)
  expect(turn.arrive() - before).toBeGreaterThanOrEqual(60_000)
  const faked = turn.arrive()
  vi.advanceTimersByTime(1000)
  expect(turn.arrive() - faked).toBe(1000)
  vi.advanceTimersByTime(1000)
  expect(turn.current() - faked).toBe(2000)
})

test("a timer that somebody waits for is faked, and one that keeps order is not", async () => {
  vi.useFakeTimers()
  let called = 0
  const waited = systemClock.setTimer(() => (called += 1), 1000, true)
  expect(vi.getTimerCount()).toBe(1)
  const order = new Promise<void>((resolve) => systemClock.setTimer(resolve, 0, false))
  expect(vi.getTimerCount()).toBe(1)
  vi.advanceTimersByTime(1000)
  expect(called).toBe(1)
  waited.cancel()
  // Keeps the process alive meanwhile: a timer that keeps order does not.
  const keeping = systemClock.setTimer(() => {}, 3_600_000, true)
  vi.useRealTimers()
  const alive = setInterval(() => {}, 1000)
  await order
  clearInterval(alive)
  keeping.cancel()
})

test("turns end and input is looked for under a faked clock", async () => {
  vi.useFakeTimers()
  await new Promise<void>((resolve) => afterTurn(resolve))
  await new Promise<void>((resolve) => afterIo(resolve))
})

test("a timer of the machine is cleared by the machine when the clock is faked meanwhile", () => {
  let wasCalled = false
  const timer = systemClock.setTimer(() => (wasCalled = true), 0, true)
  vi.useFakeTimers()
  timer.cancel()
  vi.useRealTimers()
  return new Promise<void>((resolve) => {
    setTimeout(() => {
      expect(wasCalled).toBe(false)
      resolve()
    }, 0)
  })
})

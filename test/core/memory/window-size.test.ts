import { expect, it } from "vitest"
import { WindowSize } from "../../../src/core/memory/window-size.js"

it("begins with a window of 1 %, and protects 80 % of the rest", () => {
  const window = new WindowSize(1000, 50_000)
  expect(window.maxWindowEntries).toBe(10)
  expect(window.maxWindowWeight).toBeCloseTo(500)
  expect(window.maxProtectedEntries).toBeCloseTo(792)
  expect(window.maxProtectedWeight).toBeCloseTo(39_600)
})

it("has no limits where there are no budgets, and a window of one at least", () => {
  const window = new WindowSize(Infinity, Infinity)
  for (const direction of [1, -1] as const) {
    for (let count = 0; count < 100; count++) window.move(direction, 1000)
    expect(window.maxWindowEntries).toBe(Infinity)
    expect(window.maxWindowWeight).toBe(Infinity)
    expect(window.maxProtectedEntries).toBe(Infinity)
    expect(window.maxProtectedWeight).toBe(Infinity)
  }
  expect(new WindowSize(1, Infinity).maxWindowEntries).toBe(1)
})

it("grows to nearly all, shrinks to the least, and neither beyond", () => {
  const window = new WindowSize(1000, Infinity)
  for (let count = 0; count < 1000; count++) window.move(1, 1000)
  expect(window.maxWindowEntries).toBe(980)
  for (let count = 0; count < 1000; count++) window.move(-1, 1000)
  expect(window.maxWindowEntries).toBe(10)
})

it("moves faster the longer all events agree", () => {
  const window = new WindowSize(100_000, Infinity)
  const steps: number[] = []
  for (let count = 0; count < 100; count++) {
    const before = window.maxWindowEntries
    window.move(1, 100_000)
    steps.push(window.maxWindowEntries - before)
  }
  expect(steps[0]).toBeLessThanOrEqual(3)
  expect(steps.at(-1)).toBeGreaterThan(15)
})

it("does not move by a third in a tiny tier", () => {
  const window = new WindowSize(10, Infinity)
  for (let count = 0; count < 5; count++) window.move(1, 3)
  expect(window.maxWindowEntries).toBeLessThan(4)
})

it("gives the main part a little back when it is probed", () => {
  const window = new WindowSize(10, Infinity)
  for (let count = 0; count < 200; count++) window.move(1, 10)
  expect(window.maxWindowEntries).toBe(10)
  let probes = 0
  for (; window.maxWindowEntries === 10; probes++) window.probeMain()
  expect(probes).toBeGreaterThan(30)
  expect(probes).toBeLessThan(100)
})

it("is whole for a while: nothing moves it then, and its share is what it was, or another", () => {
  const window = new WindowSize(1000, 50_000)
  for (let count = 0; count < 20; count++) window.move(1, 1000)
  const { share, maxProtectedEntries } = window
  window.setWhole()
  for (let count = 0; count < 20; count++) window.move(1, 1000)
  expect(window.isWhole).toBe(true)
  expect(window.maxWindowEntries).toBe(1000)
  expect(window.maxWindowWeight).toBe(50_000)
  expect(window.maxProtectedEntries).toBe(maxProtectedEntries)
  expect(window.share).toBe(share)
  window.setShare(0.5)
  expect(window.isWhole).toBe(false)
  expect(window.maxWindowEntries).toBe(500)
  expect(window.maxWindowWeight).toBe(25_000)
})

it("keeps its share when the budgets change", () => {
  const window = new WindowSize(1000, 50_000)
  window.setShare(0.5)
  window.limit(200, 8000)
  expect(window.maxWindowEntries).toBe(100)
  expect(window.maxWindowWeight).toBe(4000)
  expect(window.maxProtectedEntries).toBeCloseTo(80)
})

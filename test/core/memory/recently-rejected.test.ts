import { expect, it } from "vitest"
import { RecentlyRejected } from "../../../src/core/memory/recently-rejected.js"
import { mix } from "./support/simulation.js"

it("knows a key that was rejected, once", () => {
  const rejected = new RecentlyRejected()
  rejected.add(mix(1), 100)
  expect(rejected.take(mix(1), 100)).toBe(true)
  expect(rejected.take(mix(1), 100)).toBe(false)
})

it("knows nothing of others, and nothing while it is empty", () => {
  const rejected = new RecentlyRejected()
  expect(rejected.take(mix(1), 100)).toBe(false)
  rejected.add(mix(1), 100)
  for (let key = 2; key < 1000; key++) expect(rejected.take(mix(key), 100), `key ${key}`).toBe(false)
})

it("counts the age of a rejection in entries that have left the window since", () => {
  const rejected = new RecentlyRejected()
  rejected.add(mix(1), 100)
  rejected.add(mix(2), 100)
  for (let count = 0; count < 10; count++) rejected.pass()
  expect(rejected.take(mix(1), 10)).toBe(true)
  rejected.pass()
  expect(rejected.take(mix(2), 10)).toBe(false)
})

it("keeps most of as many as it was told are of interest, and the newest before the oldest", () => {
  const rejected = new RecentlyRejected()
  for (let key = 0; key < 3000; key++) {
    rejected.pass()
    rejected.add(mix(key), 1000)
  }
  let newest = 0
  for (let key = 2000; key < 3000; key++) if (rejected.take(mix(key), 1000)) newest++
  expect(newest).toBeGreaterThan(900)
})

it("does not take a rejection for a new one after its clock has gone round", () => {
  const rejected = new RecentlyRejected()
  rejected.add(mix(1), 100)
  for (let count = 0; count < 40_000; count++) rejected.pass()
  expect(rejected.take(mix(1), 16_384)).toBe(false)
})

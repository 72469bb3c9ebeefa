import { expect, it } from "vitest"
import { PolicyDuel } from "../../../src/core/memory/policy-duel.js"
import { mix } from "./support/simulation.js"
import { loop, phases, randomFrom, zipf } from "./support/traces.js"

const duel = (maxEntries: number, maxWeight = Infinity) =>
  new PolicyDuel({ maxEntries, maxWeight, random: randomFrom(1) })

const useAll = (policy: PolicyDuel, trace: readonly number[]) => {
  for (const key of trace) policy.use(mix(key), 0)
}

it("prefers frequency as long as nothing speaks against it", () => {
  const policy = duel(1000)
  expect(policy.prefersRecency).toBe(false)
  useAll(policy, loop(900, 20_000))
  expect(policy.prefersRecency).toBe(false)
  // A scan is no evidence: nobody has a hit.
  useAll(policy, Array.from({ length: 20_000 }, (_, key) => 1e6 + key))
  expect(policy.prefersRecency).toBe(false)
})

it("prefers recency before a tenth of a new set was read again, however long the old one was hot", () => {
  const policy = duel(1000)
  useAll(policy, loop(900, 500_000))
  const next = phases({ keys: 900, passes: 1, jobs: 1 }).map((key) => 1e6 + key)
  useAll(policy, next)
  expect(policy.prefersRecency).toBe(false)
  useAll(policy, next.slice(0, 90))
  expect(policy.prefersRecency).toBe(true)
})

it("goes on preferring it while new sets take turns", () => {
  const policy = duel(1000)
  useAll(policy, phases({ keys: 500, passes: 4, jobs: 10 }))
  for (const key of phases({ keys: 500, passes: 4, jobs: 20 })) {
    policy.use(mix(1e9 + key), 0)
    expect(policy.prefersRecency).toBe(true)
  }
})

it("prefers frequency again within two rounds of a loop that is too long for LRU", () => {
  const policy = duel(1000)
  useAll(policy, phases({ keys: 500, passes: 4, jobs: 10 }))
  useAll(policy, loop(1200, 2400).map((key) => 1e9 + key))
  expect(policy.prefersRecency).toBe(false)
})

it("does not count the keys of entries that were deleted", () => {
  const policy = duel(100)
  for (let turn = 0; turn < 100; turn++) {
    for (let key = 0; key < 50; key++) {
      policy.use(mix(1000 * turn + key), 0)
      policy.forget(mix(1000 * turn + key))
    }
    useAll(policy, loop(50, 50))
  }
  expect(policy.prefersRecency).toBe(false)
  expect(policy.keys).toBeLessThanOrEqual(100)
})

it("looks at a sample of a bounded number of keys, of budgets of entries and of bytes", () => {
  for (const policy of [duel(100_000), duel(Infinity, 100_000)]) {
    for (let key = 0; key < 200_000; key++) policy.use(mix(key), 1)
    expect(policy.keys).toBeLessThanOrEqual(2048)
    expect(policy.keys).toBeGreaterThan(700)
  }
})

it("samples hashes that were chosen to meet like any others", () => {
  const policy = duel(100_000)
  // They share their low bits, and among themselves the high ones.
  for (let key = 0; key < 65_536; key++) policy.use(key << 16, 0)
  expect(policy.keys).toBeLessThan(2500)
  expect(policy.keys).toBeGreaterThan(500)
})

it("tells what a sample tells in a large cache", () => {
  const policy = duel(100_000)
  const next = zipf(20_000, 0.5, randomFrom(3))
  useAll(policy, Array.from({ length: 300_000 }, next))
  useAll(policy, phases({ keys: 90_000, passes: 2, jobs: 1 }).map((key) => 1e6 + key))
  expect(policy.prefersRecency).toBe(true)
})

import { expect, it } from "vitest"
import { PolicyDuel } from "../../../src/core/memory/policy-duel.js"
import { mix, SimulatedTier } from "./support/simulation.js"
import { loop, phases, randomFrom } from "./support/traces.js"

const duel = (maxEntries: number, maxWeight = Infinity) =>
  new PolicyDuel({ maxEntries, maxWeight, random: randomFrom(1) })

/** As a cache would that follows frequency whatever the duel says, and is as good at it as the shadow. */
const useAll = (policy: PolicyDuel, trace: readonly number[], maxEntries = 1000) => {
  const cache = new SimulatedTier(maxEntries)
  for (const key of trace) policy.use(mix(key), 0, cache.access(key))
}

it("prefers frequency as long as nothing speaks against it", () => {
  const policy = duel(1000)
  expect(policy.prefersRecency).toBe(false)
  useAll(policy, loop(900, 20_000))
  expect(policy.prefersRecency).toBe(false)
  // A scan is no evidence: nobody has a hit.
  useAll(
    policy,
    Array.from({ length: 20_000 }, (_, key) => 1e6 + key),
  )
  expect(policy.prefersRecency).toBe(false)
})

it("prefers recency before a quarter of a new set was read again, however long the old one was hot", () => {
  const policy = duel(1000)
  const next = phases({ keys: 900, passes: 1, jobs: 1 }).map((key) => 1e6 + key)
  useAll(policy, [...loop(900, 100_000), ...next])
  expect(policy.prefersRecency).toBe(false)
  for (const key of next.slice(0, 225)) policy.use(mix(key), 0, false)
  expect(policy.prefersRecency).toBe(true)
})

it("prefers recency as soon as a cache that follows frequency has fewer hits than its shadow, and than LRU", () => {
  const policy = duel(100)
  for (const key of loop(90, 180)) policy.use(mix(key), 0, false)
  expect(policy.prefersRecency).toBe(true)
})

it("takes no entry for evidence that no shadow could hold", () => {
  const policy = duel(Infinity, 1000)
  for (let turn = 0; turn < 100; turn++) policy.use(mix(1), 1001, true)
  expect(policy.keys).toBe(0)
  // Eight hits that only LRU would have had turn the verdict of a tiny cache.
  for (const key of loop(8, 16)) policy.use(mix(key), 1, false)
  expect(policy.prefersRecency).toBe(true)
})

it("goes on preferring it while new sets take turns", () => {
  const policy = duel(1000)
  useAll(policy, phases({ keys: 500, passes: 4, jobs: 10 }))
  const doubts = phases({ keys: 500, passes: 4, jobs: 10 }).filter((key) => {
    policy.use(mix(1e9 + key), 0, false)
    return !policy.prefersRecency
  })
  expect(doubts).toEqual([])
})

it("prefers frequency again within six rounds of a loop that is too long for LRU", () => {
  const policy = duel(1000)
  useAll(policy, phases({ keys: 500, passes: 4, jobs: 10 }))
  useAll(
    policy,
    loop(1200, 7200).map((key) => 1e9 + key),
  )
  expect(policy.prefersRecency).toBe(false)
})

it("does not count the keys of entries that were deleted", () => {
  const policy = duel(100)
  for (let turn = 0; turn < 100; turn++) {
    for (let key = 0; key < 50; key++) {
      policy.use(mix(1000 * (turn + 1) + key), 0, false)
      policy.forget(mix(1000 * (turn + 1) + key))
      policy.use(mix(key), 0, turn > 0)
    }
  }
  expect(policy.prefersRecency).toBe(false)
  expect(policy.keys).toBeLessThanOrEqual(100)
})

it("looks at a sample of a bounded number of keys, of budgets of entries and of bytes", () => {
  for (const policy of [duel(100_000), duel(Infinity, 100_000)]) {
    for (let key = 0; key < 200_000; key++) policy.use(mix(key), 1, false)
    expect(policy.keys).toBeLessThanOrEqual(2048)
    expect(policy.keys).toBeGreaterThan(700)
  }
})

it("samples hashes that were chosen to meet like any others", () => {
  const policy = duel(100_000)
  // They share their low bits, and among themselves the high ones.
  for (let key = 0; key < 65_536; key++) policy.use(key << 16, 0, false)
  expect(policy.keys).toBeLessThan(2500)
  expect(policy.keys).toBeGreaterThan(500)
})

it("tells by a sample what happens in a large cache", () => {
  const policy = duel(50_000)
  for (const key of loop(45_000, 90_000)) policy.use(mix(key), 0, key >= 45_000)
  for (const key of phases({ keys: 45_000, passes: 2, jobs: 1 })) policy.use(mix(1e6 + key), 0, false)
  expect(policy.prefersRecency).toBe(true)
})

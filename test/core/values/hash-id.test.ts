import fc from "fast-check"
import { expect, test } from "vitest"
import { hashId } from "../../../src/core/values/hash-id.js"

test("hashId is a whole number of 32 bits, the same for the same id and seed", () => {
  const id = fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.constantFrom(null, undefined))
  fc.assert(
    fc.property(id, fc.integer(), (one, seed) => {
      const hash = hashId(one, seed)
      expect(hash).toBe(hash | 0)
      expect(hashId(one, seed)).toBe(hash)
    }),
  )
})

test("hashId spreads ids that differ little over all bits", () => {
  for (const make of [(index: number) => index, (index: number) => `user:${index}`, (index: number) => index / 8]) {
    const buckets = new Array<number>(64).fill(0)
    for (let index = 0; index < 6_400; index += 1) {
      const bucket = hashId(make(index), 7) & 63
      buckets[bucket] = (buckets[bucket] as number) + 1
    }
    // 100 are expected in each; ten standard deviations.
    for (const count of buckets) expect(Math.abs(count - 100)).toBeLessThan(100)
  }
  const kinds = [undefined, null, true, false, 0, ""]
  expect(new Set(kinds.map((id) => hashId(id, 1))).size).toBeGreaterThan(4)
})

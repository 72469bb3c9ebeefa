import { expect, test } from "vitest"
import { addCounts, type Counters, noCounts } from "../../../src/core/entries/counters.js"

test("counts begin at zero, each table's by itself", () => {
  const counts = noCounts()
  expect(Object.values(counts).every((count) => count === 0)).toBe(true)
  counts.hits += 1
  expect(noCounts().hits).toBe(0)
})

test("a sum has every count of its parts, and leaves them alone", () => {
  const names = Object.keys(noCounts()) as (keyof Counters)[]
  const part = (factor: number): Counters => {
    const counts = noCounts()
    names.forEach((name, index) => {
      counts[name] = factor * (index + 1)
    })
    return counts
  }
  const sum = noCounts()
  const parts = [part(1), part(10)]
  for (const counts of parts) addCounts(sum, counts)
  expect(sum).toEqual(part(11))
  expect(parts).toEqual([part(1), part(10)])
})

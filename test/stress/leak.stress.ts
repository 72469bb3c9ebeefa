import { expect, test } from "vitest"
import { expectFlat, run } from "./support.js"

test("5,000,000 distinct keys and tags through 10,000 entries: the heap stays flat", async () => {
  const report = await run("churn", 5_000_000)
  expect(report.entries).toBeLessThanOrEqual(10_000)
  expect(report.tags).toBeLessThan(80_000)
  expectFlat(report, 4)
})

test("a load that never settles pins nothing while 5,000,000 distinct tags are invalidated", async () => {
  const report = await run("hang", 5_000_000)
  expect(report.tags).toBeLessThan(120_000)
  expectFlat(report, 4)
})

test("500,000 invalidations of distinct tags while the log is down: what waits is bounded", async () => {
  const report = await run("outage", 500_000)
  expect(report.tags).toBeLessThan(40_000)
})

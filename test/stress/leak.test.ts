import { expect, test } from "vitest"
import { expectFlat, run } from "./support.js"

// The same with millions is in leak.stress.ts.

test("300,000 distinct keys and tags through 10,000 entries: the heap stays flat", async () => {
  const report = await run("churn", 300_000)
  expect(report.entries).toBeLessThanOrEqual(10_000)
  expect(report.tags).toBeLessThan(80_000)
  expectFlat(report, 4)
}, 60_000)

test("a load that never settles pins nothing while 300,000 distinct tags are invalidated", async () => {
  const report = await run("hang", 300_000)
  expect(report.tags).toBeLessThan(120_000)
  expectFlat(report, 4)
}, 60_000)

test("20,000 invalidations of distinct tags while the log is down: what waits is bounded", async () => {
  const report = await run("outage", 20_000)
  expect(report.tags).toBeLessThan(30_000)
}, 60_000)

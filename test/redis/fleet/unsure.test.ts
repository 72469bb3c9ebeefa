import { expect, test } from "vitest"
import { isOlderThanTheBound, partition } from "./support/partition.js"

// What it does where it was told to serve or to throw is in unsure.faults.ts.
test("a node that can't tell whether it is up to date loads, in a fleet under load", async () => {
  const { reads } = await partition("load", ({ reads }) => reads.length > 20)
  expect(reads.filter(isOlderThanTheBound)).toEqual([])
})

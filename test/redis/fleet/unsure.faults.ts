import { describe, expect, test } from "vitest"
import { isOlderThanTheBound, partition } from "./support/partition.js"

describe("a node that can't tell whether it is up to date, in a fleet under load", () => {
  test("serves what it has, if it was told to, but nothing that it knows to be invalidated", async () => {
    await partition("serve", ({ reads }) => reads.filter(isOlderThanTheBound).length > 10)
  })

  test("throws, if it was told to", async () => {
    const { reads } = await partition("throw", ({ refused }) => refused > 10)
    expect(reads).toEqual([])
  })
})

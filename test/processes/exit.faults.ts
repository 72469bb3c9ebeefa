import { describe, test } from "vitest"
import { endInTheMiddle, waysToLeave } from "./support/exits.js"

describe("a process that ends in the middle of writing", () => {
  test.each(waysToLeave)("by %s: ends, and holds up nobody", (way, outcome) => endInTheMiddle(way, outcome, 20))
})

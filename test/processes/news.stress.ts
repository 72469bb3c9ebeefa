import { describe } from "vitest"
import { testNews } from "./support/news-tests.js"

describe("a process that hears of an acknowledged change", () => {
  testNews({ callback: 20_000, sync: 10_000, chain: 10_000, batch: 5000, withoutTurn: 500 })
})

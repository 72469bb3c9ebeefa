import { describe } from "vitest"
import { testNews } from "./support/news-tests.js"

// Many more rounds are in news.faults.ts and news.stress.ts.
describe("a process that hears of an acknowledged change", () => {
  testNews({ callback: 100, sync: 60, chain: 60, batch: 40, withoutTurn: 8 })
})

import { describe } from "vitest"
import { testNews } from "./support/news-tests.js"

// Many more rounds are in news.stress.ts.
describe("a process that hears of an acknowledged change", () => {
  testNews({ callback: 2000, sync: 1000, chain: 1000, batch: 500, withoutTurn: 60 })
})

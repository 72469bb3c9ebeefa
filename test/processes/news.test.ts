import { describe } from "vitest"
import { testNews } from "./support/news-tests.js"

// Many more rounds are in news.stress.ts.
describe("a process that hears of an acknowledged change", { timeout: 60_000 }, () => {
  testNews({ callback: 500, sync: 300, chain: 300, batch: 200, withoutTurn: 30 })
})

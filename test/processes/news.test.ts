import { writeFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { expectNothingStale, Processes, readsIn } from "./support/processes.js"
import type { NewsMode } from "./support/news.js"

const ROUNDS = 2000

describe("a process that hears of an acknowledged change over a socket", { timeout: 60_000 }, () => {
  test.each<[string, NewsMode, number]>([
    ["reads the new row in the very callback that brings the news", "callback", ROUNDS],
    ["so does a synchronous function", "sync", ROUNDS],
    ["and so does whoever awaited the news in a chain of awaits", "chain", ROUNDS],
    ["and it looks anew in the second callback of a turn in which it has looked before", "batch", ROUNDS / 4],
  ])("%s", async (_what, mode, rounds) => {
    await using processes = new Processes()
    const [teller, listener] = [0, 1].map((column) => processes.start({ column, isQuick: true }))
    await Promise.all([teller?.call("ready"), listener?.call("ready")])
    const socket = `${processes.folder}/socket`
    await listener?.call("listen", socket, mode)
    await teller?.call("tell", socket, mode, rounds)
    const history = processes.history()
    expect(history.filter(({ kind }) => kind === "change")).toHaveLength(rounds)
    expect(readsIn(history).length).toBeGreaterThan(rounds)
    expectNothingStale(history)
  })

  test("reads the new row after `sync()` where the news came without a turn of the event loop", async () => {
    await using processes = new Processes()
    const [teller, listener] = [0, 1].map((column) => processes.start({ column, isQuick: true }))
    await Promise.all([teller?.call("ready"), listener?.call("ready")])
    for (let round = 0; round < 50; round += 1) {
      const file = `${processes.folder}/news-${round}`
      const reading = listener?.call("rowOnceFileExists", file, 0, true)
      await teller?.call("change", 0)
      writeFileSync(file, "")
      await reading
    }
    expectNothingStale(processes.history())
  })
})

import { writeFileSync } from "node:fs"
import { expect, test } from "vitest"
import type { NewsMode } from "./news.js"
import { type Child, expectNothingStale, Processes, readsIn } from "./processes.js"

/** How many rounds of each kind. */
type Rounds = Readonly<Record<NewsMode | "withoutTurn", number>>

export function testNews(rounds: Rounds): void {
  test.each<[NewsMode, string]>([
    ["callback", "reads the new row in the very callback that brings the news"],
    ["sync", "reads the new row by a synchronous function in that callback"],
    ["chain", "reads the new row in a chain of awaits that waited for the news"],
    ["batch", "reads the new row in the second callback of a turn in which it has looked before"],
  ])("%s: %s", async (mode) => {
    await using processes = new Processes()
    const [teller, listener] = await startTwo(processes)
    const socket = `${processes.folder}/socket`
    await listener.call("listen", socket, mode)
    await teller.call("tell", socket, mode, rounds[mode])
    const history = processes.history()
    expect(history.filter(({ kind }) => kind === "change")).toHaveLength(rounds[mode])
    expect(readsIn(history).length).toBeGreaterThan(rounds[mode])
    expectNothingStale(history)
  })

  test("reads the new row after `sync()` where the news came without a turn of the event loop", async () => {
    await using processes = new Processes()
    const [teller, listener] = await startTwo(processes)
    for (let round = 0; round < rounds.withoutTurn; round += 1) {
      const file = `${processes.folder}/news-${round}`
      const reading = listener.call("rowOnceFileExists", file, 0)
      await teller.call("change", 0)
      writeFileSync(file, "")
      await reading
    }
    expectNothingStale(processes.history())
  })
}

async function startTwo(processes: Processes): Promise<[Child, Child]> {
  const children = [0, 1].map((column) => processes.start({ column, isQuick: true })) as [Child, Child]
  await Promise.all(children.map((child) => child.call("ready")))
  return children
}

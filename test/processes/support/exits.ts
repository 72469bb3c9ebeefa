import { once } from "node:events"
import { expect } from "vitest"
import { Processes } from "./processes.js"

/** How a process ends in the middle of writing, and what it ends with. */
export const waysToLeave: readonly (readonly [way: string, outcome: number | string])[] = [
  ["process.exit()", 7],
  ["process.exit() in a handler of SIGTERM", 7],
  ["process.exit() after beforeExit", 7],
  ["an exception", 1],
  ["SIGTERM", "SIGTERM"],
  ["SIGINT", "SIGINT"],
]

/** So many processes end in one way, one after the other; after each another one writes, and in the end one opens. */
export async function endInTheMiddle(way: string, outcome: number | string, times: number): Promise<void> {
  await using processes = new Processes()
  const other = processes.start()
  await other.call("ready")
  for (let time = 0; time < times; time += 1) {
    const leaver = processes.startLeaver(way)
    const [code, signal] = (await once(leaver, "exit")) as [number | null, string | null]
    expect(code ?? signal).toBe(outcome)
    await other.call("change", time)
  }
  expect(await other.call("faults")).toEqual([])
  await processes.start({ column: 1 }).call("ready")
}

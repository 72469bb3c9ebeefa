import { execFileSync } from "node:child_process"
import { setTimeout } from "node:timers/promises"
import { expect } from "vitest"
import { expectNothingStale, Processes } from "./processes.js"
import { seededRandom } from "./random.js"

/** How many threads run and are terminated at the same time. */
const SLOTS = 3
/** Shells that are left of threads which were terminated within the milliseconds in which they ran: fewer are no leak. */
const FEW = 3

/**
 * Terminates threads of one process at random moments: while they open, while they write. After each the process and
 * another one write and read.
 */
export async function terminateThreads(count: number, { mainIsAlone = false }): Promise<void> {
  const random = seededRandom(count)
  await using processes = new Processes({ rows: 12, columns: SLOTS + 2 })
  const main = processes.start({ column: SLOTS, isAlone: mainIsAlone })
  const other = processes.start({ column: SLOTS + 1 })
  await Promise.all([main.call("ready"), other.call("ready")])
  let left = count
  const terminateInSlot = async (column: number) => {
    while (left > 0) {
      left -= 1
      const row = left % 12
      const storm = { visitors: 6, mix: "writes" } as const
      const inner = await main.call("startThread", { column, name: `thread${left}`, isAlone: false, storm })
      if (random() < 0.3) await setTimeout(random() * 300)
      else {
        await main.call("through", inner, "ready")
        await setTimeout(random() * 40)
      }
      await main.call("stop", inner)
      if (!mainIsAlone) {
        await main.call("change", row)
        await main.call("row", row)
      }
      await other.call("change", row)
      await other.call("row", row)
    }
  }
  await Promise.all(Array.from({ length: SLOTS }, (_, column) => terminateInSlot(column)))
  expect([await main.call("faults"), await other.call("faults")]).toEqual([[], []])
  // A process that was told to end takes a moment for it.
  await expect.poll(() => childrenOf(main.pid).length).toBeLessThan(Math.max(FEW, count / 10))
  // What wrote for them has gone as well.
  await expect.poll(() => writersFor(main.pid)).toEqual([])
  await main.call("close")
  await main.end()
  await other.call("change", 0)
  expectNothingStale(processes.history())
}

function childrenOf(pid: number): string[] {
  return linesOf("ps", ["-A", "-o", "ppid=,stat=,args="]).filter((line) => line.trim().startsWith(`${pid} `))
}

function writersFor(pid: number): string[] {
  return linesOf("ps", ["-A", "-o", "args="]).filter((line) => line.includes(`zoocache-writes-for=${pid}`))
}

function linesOf(command: string, args: string[]): string[] {
  return execFileSync(command, args, { encoding: "utf8", maxBuffer: 2 ** 26 }).split("\n")
}

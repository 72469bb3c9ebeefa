import { setTimeout } from "node:timers/promises"
import { seededRandom } from "./random.js"
import { type Child, expectNothingStale, Processes, readsOfOthers } from "./processes.js"
import { expect } from "vitest"

/** How many processes run and are killed at the same time, beside the one that survives. */
const SLOTS = 3

/**
 * Kills processes at random moments: while they open, while they write, at rest. One process survives and reads all the
 * time. In the end it is killed too, and what a new process serves is held against everything that was acknowledged.
 */
export async function crash(kills: number, seed: number, durable = false): Promise<void> {
  const random = seededRandom(seed)
  await using processes = new Processes({ rows: 12, columns: SLOTS + 2 })
  const survivor = processes.start({ column: SLOTS, durable, storm: { visitors: 2, mix: "reads" } })
  let left = kills
  // The dead have left something behind that was served.
  const hasShownEnough = () => readsOfOthers(processes.history()).length > kills
  const killInSlot = async (column: number) => {
    // On a slow machine some die too early to leave anything behind, and more have to.
    while (left > 0 || (left > -2 * kills && !hasShownEnough())) {
      left -= 1
      const child = processes.start({ column, durable, storm: { visitors: 6, mix: "writes" } })
      // One in eight dies on its way: in its first steps or at the opening.
      if (random() < 0.125) await setTimeout(random() * 100)
      else {
        await child.call("ready")
        await setTimeout(random() * 40)
      }
      await child.kill()
    }
  }
  await Promise.all(Array.from({ length: SLOTS }, (_, column) => killInSlot(column)))
  expect(await survivor.call("faults")).toEqual([])
  await survivor.kill()

  await readAll(processes.start({ column: SLOTS + 1, durable }), processes)
  const history = processes.history()
  expect(history.filter(({ kind }) => kind === "change").length).toBeGreaterThan(kills)
  expect(readsOfOthers(history).length).toBeGreaterThan(kills)
  expectNothingStale(history)
}

/** A process that finds what the dead left: it reads every row, changes it, and reads it again. */
async function readAll(child: Child, { shape }: Processes): Promise<void> {
  for (let row = 0; row < shape.rows; row += 1) {
    await child.call("row", row)
    await child.call("rowSync", row)
    await child.call("pair", row, (row + 3) % shape.rows)
    await child.call("page", row)
    await child.call("change", row)
    await child.call("row", row)
  }
  expect(await child.call("faults")).toEqual([])
}

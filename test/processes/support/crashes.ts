import { setTimeout } from "node:timers/promises"
import { seededRandom } from "./random.js"
import type { Happening } from "./history.js"
import { type Child, expectNothingStale, Processes, readsOfOthers } from "./processes.js"
import { expect } from "vitest"

/** How many processes run and are killed at the same time, beside the one that survives. */
const SLOTS = 3
/** For how long processes are killed beyond those that have to be, until enough was shown, on a slow machine or disk. */
const PATIENCE_MS = 300_000
/** For how long a process lives at most once it is ready. Where each write waits for the disk it needs more to show anything. */
const LIFE_MS = 40
const DURABLE_LIFE_MS = 300

/**
 * Kills processes at random moments: while they open, while they write, at rest. One process survives and reads all the
 * time. In the end it is killed too, and what a new process serves is held against everything that was acknowledged.
 */
export async function crash(kills: number, seed: number, durable = false): Promise<void> {
  const random = seededRandom(seed)
  await using processes = new Processes({ rows: 12, columns: SLOTS + 2 })
  const survivor = processes.start({ column: SLOTS, durable, storm: { visitors: 2, mix: "reads" } })
  let lifeMs = durable ? DURABLE_LIFE_MS : LIFE_MS
  let left = kills
  const killOne = async (column: number) => {
    const child = processes.start({ column, durable, storm: { visitors: 6, mix: "writes" } })
    // One in eight dies on its way: in its first steps or at the opening.
    if (random() < 0.125) await setTimeout(random() * 100)
    else {
      await child.call("ready")
      await setTimeout(random() * lifeMs)
    }
    await child.kill()
  }
  const killInSlot = async (column: number) => {
    while (left > 0) {
      left -= 1
      await killOne(column)
    }
    // On a slow machine most die too early to leave anything behind: more have to, and each lives longer.
    const endMs = performance.now() + PATIENCE_MS
    while (!hasShownEnough(processes.history(), kills) && performance.now() < endMs) {
      lifeMs *= 1.5
      await killOne(column)
    }
  }
  await Promise.all(Array.from({ length: SLOTS }, (_, column) => killInSlot(column)))
  expect(await survivor.call("faults")).toEqual([])
  await survivor.kill()

  await readAll(processes.start({ column: SLOTS + 1, durable }), processes)
  const history = processes.history()
  expect(hasShownEnough(history, kills), `${readsOfOthers(history).length} reads of what others had loaded`).toBe(true)
  expectNothingStale(history)
}

/** The dead have changed something, and have left something behind that was served. */
function hasShownEnough(history: readonly Happening[], kills: number): boolean {
  const changes = history.filter(({ kind }) => kind === "change")
  return changes.length > kills && readsOfOthers(history).length > kills
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

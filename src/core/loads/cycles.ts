import type { Table } from "../entries/table.js"
import type { EntryId } from "../values/id.js"
import type { Frame } from "./frame.js"
import type { Run, Waited } from "./run.js"

/**
 * The path of keys along which the innermost of the `around` runs (given from the inside out, each waiting for the one
 * before) would wait for itself if it waited for `target`; undefined if there is none. Runs wait for flights, and a
 * flight's own run may wait in turn.
 */
export function findCycle(target: Waited, around: readonly Run[]): string[] | undefined {
  let met = -1
  const path: string[] = []
  const visited = new Set<Run>()
  const visit = (waited: Waited): boolean => {
    const { run } = waited
    // A load that has not begun waits for nothing that it called.
    if (run === undefined || visited.has(run)) return false
    visited.add(run)
    path.push(waited.key)
    met = around.indexOf(run)
    if (met >= 0) return true
    if (!run.isSettled) for (const next of run.waitsFor) if (visit(next)) return true
    path.pop()
    return false
  }
  if (!visit(target)) return undefined
  const inner = around.slice(0, met).reverse()
  return [...path, ...inner.map((run) => run.key), path[0] as string]
}

/** The path of keys from a load around the caller that is for the same key, which would then wait for itself. */
export function ancestorCycle(table: Table, id: EntryId, frame: Frame | undefined): string[] | undefined {
  const path = [table.keyOf(id)]
  for (let at = frame; at !== undefined; at = at.parent) {
    if (at.kind !== "run" || at.isSettled) continue
    const run = at as Run
    if (run.covers(table, id)) return [table.keyOf(id), ...path]
    path.unshift(run.key)
  }
  return undefined
}

/** The runs that wait for the code of a frame, from the inside out: an outer one waits for the calls it made. */
export function runsAround(frame: Frame | undefined): Run[] {
  const runs: Run[] = []
  for (let at = frame; at !== undefined; at = at.parent) {
    if (at.kind === "run" && !at.isSettled) runs.push(at as Run)
  }
  return runs
}

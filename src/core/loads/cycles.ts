import type { Table } from "../entries/table.js"
import type { EntryId } from "../values/id.js"
import type { Frame } from "./frame.js"
import type { Run, Waited } from "./run.js"
import type { RunningLoads } from "./running.js"

/** A step of a search: a run that was met, and how. */
interface Step {
  readonly run: Run
  readonly from: Step | undefined
  /** The key to show. */
  readonly key: string
}

/**
 * The path of keys along which a run would wait for itself if it waited for `target`; undefined if there is none. Runs wait
 * for flights, and a flight's own run may wait in turn.
 *
 * The search goes on from both ends in turns, and ends where either has nowhere to go: a load that waits for thousands costs
 * those that join it as little as one that thousands wait for.
 */
export function findCycle(target: Waited, caller: Run): string[] | undefined {
  // A load that has not begun waits for nothing that it called.
  if (target.run === undefined) return undefined
  const waitedFor = new Search({ run: target.run, from: undefined, key: target.key }, waitedForBy)
  const waiting = new Search({ run: caller, from: undefined, key: caller.key }, waitersOf)
  for (;;) {
    const met = waitedFor.newestIn(waiting) ?? waiting.newestIn(waitedFor)
    if (met !== undefined) return pathThrough(waitedFor.stepTo(met), waiting.stepTo(met))
    if (!waiting.goOn() || !waitedFor.goOn()) return undefined
  }
}

/** The path of keys from a load around the caller that is for the same key, which would then wait for itself. */
export function ancestorCycle(
  table: Table,
  id: EntryId,
  frame: Frame | undefined,
  running: RunningLoads,
): string[] | undefined {
  // However deeply calls are nested, few loads are of one key.
  if (frame === undefined || !running.isLoading(table, id)) return undefined
  const path = [table.keyOf(id)]
  for (let run = runAround(frame); run !== undefined; run = runAround(run.parent)) {
    if (run.covers(table, id)) return [table.keyOf(id), ...path.reverse()]
    path.push(run.key)
  }
  return undefined
}

/** The innermost run that waits for the code of a frame: an outer one waits for the calls it made. */
export function runAround(frame: Frame | undefined): Run | undefined {
  for (let at = frame; at !== undefined; at = at.parent) if (at.kind === "run" && !at.isSettled) return at as Run
  return undefined
}

/** Runs in the order of their distance from one, met one by one. */
class Search {
  readonly #steps: Step[]
  readonly #met: Map<Run, Step>
  readonly #neighbours: (step: Step) => Generator<Step, void>
  /** The place of the step whose neighbours are looked at, and those that are left. */
  #at = 0
  #left: Generator<Step, void> | undefined
  #newest: Run

  constructor(first: Step, neighbours: (step: Step) => Generator<Step, void>) {
    this.#steps = [first]
    this.#met = new Map([[first.run, first]])
    this.#newest = first.run
    this.#neighbours = neighbours
  }

  /** The run that was met last, if another search has met it, too. */
  newestIn(other: Search): Run | undefined {
    return other.#met.has(this.#newest) ? this.#newest : undefined
  }

  stepTo(run: Run): Step {
    return this.#met.get(run) as Step
  }

  /** Looks at one neighbour more; false where there is none. */
  goOn(): boolean {
    for (; this.#at < this.#steps.length; this.#at += 1) {
      this.#left ??= this.#neighbours(this.#steps[this.#at] as Step)
      const next = this.#left.next()
      if (next.done !== true) {
        this.#meet(next.value)
        return true
      }
      this.#left = undefined
    }
    return false
  }

  #meet(step: Step): void {
    if (this.#met.has(step.run)) return
    this.#met.set(step.run, step)
    this.#steps.push(step)
    this.#newest = step.run
  }
}

function* waitedForBy(step: Step): Generator<Step, void> {
  if (step.run.isSettled) return
  for (const { run, key } of step.run.waitsFor.keys()) if (run !== undefined) yield { run, from: step, key }
}

function* waitersOf(step: Step): Generator<Step, void> {
  for (const flight of step.run.brings) {
    // Callers behind a flight wait for its run, too.
    for (const waited of [flight, flight.next]) {
      if (waited === undefined) continue
      for (const run of waited.waitedBy.keys()) if (!run.isSettled) yield { run, from: step, key: run.key }
    }
  }
}

/** The keys from the one that is to be waited for, through the run that both searches met, to the caller and back. */
function pathThrough(waitedFor: Step, waiting: Step): string[] {
  const path: string[] = []
  for (let step: Step | undefined = waitedFor; step !== undefined; step = step.from) path.push(step.key)
  path.reverse()
  for (let step = waiting.from; step !== undefined; step = step.from) path.push(step.key)
  return [...path, path[0] as string]
}

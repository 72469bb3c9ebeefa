import type { Flight } from "./flight.js"
import { frames } from "./frame.js"
import type { Run, Waited } from "./run.js"

/**
 * Lets flights begin beyond a bound, as many as must so that a load that waits for `flight` goes on. To be asked when a load has
 * come to wait for a flight, and when a flight that loads wait for has come to wait for a slot.
 */
export function breakRing(flight: Flight): void {
  if (flight.queue !== undefined && !flight.isAtRisk) {
    flight.isAtRisk = true
    frames.atRisk += 1
  }
  // A flight that begins may be of no help to another that waits in the same ring.
  while (frames.atRisk > 0) {
    const stuck = flightInRing(flight)
    if (stuck?.beginNow === undefined) return
    stuck.beginNow()
    if (stuck.queue !== undefined) return
  }
}

/**
 * The queued flight that has to begin beyond the bound of its queue, so that what waits for `target` goes on; undefined where
 * it will go on by itself.
 *
 * Loads of several caches wait for each other's slots: a load that holds a slot of one cache calls a function of another, and
 * the other way round. A run goes on if everything that it waits for does; a queued flight, if one of the runs that hold the
 * slots of its queue does. What can't go on by these two rules waits in a ring, and none of it ever would.
 */
function flightInRing(target: Waited): Waited | undefined {
  const { flights, runs } = reachableFrom(target)
  const goesOn = new Set<Waited | Run>()
  for (let before = -1; goesOn.size > before;) {
    before = goesOn.size
    for (const run of runs) if ([...waitedForBy(run)].every((flight) => goesOn.has(flight))) goesOn.add(run)
    for (const flight of flights) {
      if (whoMovesOn(flight).some((run) => run === undefined || goesOn.has(run))) goesOn.add(flight)
    }
  }
  if (goesOn.has(target)) return undefined
  for (const flight of flights) if (flight.queue !== undefined && !goesOn.has(flight)) return flight
  return undefined
}

/** The runs of which one has to go on, so that a flight does; undefined stands for what no slot keeps from going on. */
function whoMovesOn(flight: Waited): readonly (Run | undefined)[] {
  const { queue, run } = flight
  if (queue === undefined) return [run]
  // A slot that is granted belongs to a load that begins just now.
  return queue.used > queue.holders.size ? [undefined] : [...queue.holders]
}

/** Flights that a run waits for. */
function waitedForBy(run: Run): Iterable<Waited> {
  return run.isSettled ? [] : run.waitsFor.keys()
}

/** All flights and runs on which a flight waits, through others; the nearest first. */
function reachableFrom(target: Waited): { readonly flights: Set<Waited>; readonly runs: Set<Run> } {
  const flights = new Set([target])
  const runs = new Set<Run>()
  // Sets grow while they are walked.
  for (const flight of flights) {
    for (const run of whoMovesOn(flight)) {
      if (run === undefined || runs.has(run)) continue
      runs.add(run)
      for (const next of waitedForBy(run)) flights.add(next)
    }
  }
  return { flights, runs }
}

import type { SharedTier } from "../entries/shared-tier.js"
import type { Flight } from "../loads/flight.js"

/**
 * Resolves when everything that a call has set going is done: its load, for as long as it goes on without the caller, and what
 * that stores. Never rejects.
 */
export async function untilDone(call: Promise<unknown>, flight: Flight, shared: SharedTier | undefined): Promise<void> {
  await call.catch(nothing)
  // One that has not begun and that nobody waits for never will.
  const goesOn = !flight.isAbandoned || (flight.finishes && flight.state === "running")
  if (goesOn && !flight.hasEnded) await flight.outcome.promise.catch(nothing)
  await shared?.writes.settled(flight.key)
}

function nothing(): void {}

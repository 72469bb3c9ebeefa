import { inRootContext, makeInRoot } from "./contexts.js"

/** A timer that is set. Cancelling it twice, or after it has called back, is fine. */
export interface Timer {
  cancel(): void
}

/**
 * Every look at time goes through this, so that a test can move it by hand (`ManualClock` in `zoocache/testing`).
 */
export interface Clock {
  /** Milliseconds that never go backwards, from any origin. Expiry and timeouts use only this. */
  now(): number
  /** Milliseconds since 1970, as the machine believes. Versions and sentences use this. */
  wall(): number
  /** Calls back once the event loop could deliver something new: after the current turn and its promise jobs. */
  onTurnEnd(callback: () => void): void
  /** Calls back after `delayMs`. `keepAlive`: whether the process may not exit before. */
  setTimer(callback: () => void, delayMs: number, keepAlive: boolean): Timer
}

// Longer delays overflow in setTimeout and would fire at once.
const LONGEST_DELAY_MS = 2 ** 31 - 1

/** The clock of the machine. Its callbacks run in the root context. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  onTurnEnd: (callback) => {
    makeInRoot(() => process.nextTick(callback))
  },
  setTimer: (callback, delayMs, keepAlive) => {
    const timeout = makeInRoot(() => setTimeout(callback, Math.min(delayMs, LONGEST_DELAY_MS)))
    if (!keepAlive) timeout.unref()
    return { cancel: () => clearTimeout(timeout) }
  },
}

/** A clock of users, whose callbacks run in the root context too: a timer outlives the request in which it was set. */
export function rooted(clock: Clock): Clock {
  const inRoot = (callback: () => void) => () => inRootContext(callback)
  return {
    now: () => clock.now(),
    wall: () => clock.wall(),
    onTurnEnd: (callback) => inRootContext(() => clock.onTurnEnd(inRoot(callback))),
    setTimer: (callback, delayMs, keepAlive) =>
      inRootContext(() => clock.setTimer(inRoot(callback), delayMs, keepAlive)),
  }
}

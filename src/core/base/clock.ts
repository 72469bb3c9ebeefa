import { inRootContext, makeInRoot } from "./contexts.js"
import { MachineTime } from "./machine-time.js"
import { afterTurn, currentTimers, timersOfMachine } from "./machine.js"

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

const time = new MachineTime()

/**
 * The clock of the machine, or the one that a test tool has put in its place. Its callbacks run in the root context.
 *
 * Timers that somebody waits for follow a faked clock. The others, which only keep the cache in order, are the machine's:
 * a test that runs all its timers means none of them, and they go on when it has given its clock back.
 */
export const systemClock: Clock = {
  now: () => time.now(),
  wall: () => Date.now(),
  onTurnEnd: (callback) => {
    makeInRoot(() => afterTurn(callback))
  },
  setTimer: (callback, delayMs, keepAlive) => {
    const timers = keepAlive ? currentTimers() : timersOfMachine()
    const handle = makeInRoot(() => timers.set(callback, Math.min(delayMs, LONGEST_DELAY_MS)))
    // A number where a browser is played, and less than a timer in some tools.
    if (!keepAlive && typeof handle === "object") handle.unref?.()
    return { cancel: () => timers.clear(handle) }
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

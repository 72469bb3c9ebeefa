/** What a timer gives back. */
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

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  onTurnEnd: (callback) => {
    process.nextTick(callback)
  },
  setTimer: (callback, delayMs, keepAlive) => {
    const timeout = setTimeout(callback, Math.min(delayMs, LONGEST_DELAY_MS))
    if (!keepAlive) timeout.unref()
    return { cancel: () => clearTimeout(timeout) }
  },
}

/** How many looks in one turn share a reading of the clock, where nothing else has to be looked at more often. */
export const LOOKS_PER_READING = 64

/**
 * The time of this turn of the event loop. A clock reading costs as much as a cache hit, so one serves many hits:
 * until the turn ends, or until it has served as many as the cache allows.
 *
 * The hot path reads it as `if (--turn.left < 0) turn.read()`, then uses `turn.now`.
 */
export class Turn {
  /** Whole milliseconds since this object was made; valid after the idiom above. A small integer for 24 days. */
  now = 0
  left = 0
  /** The last reading as the clock gave it. */
  readAtMs = 0
  #scheduled = false
  #hasLooked = false
  #spare = 0
  readonly #clock: Clock
  readonly #originMs: number
  readonly #looks: number
  readonly #onReading: ((isNewTurn: boolean) => void) | undefined
  readonly #end = () => {
    this.#scheduled = false
    this.#hasLooked = false
    this.left = 0
  }

  /**
   * @param looks how many looks of one turn a reading serves.
   * @param onReading runs with each reading: what else may be trusted for a turn only is looked at there.
   */
  constructor(clock: Clock, looks: number, onReading?: (isNewTurn: boolean) => void) {
    this.#clock = clock
    this.#looks = looks
    this.#originMs = Math.floor(clock.now())
    this.#onReading = onReading
    this.now = 0
  }

  /** Reads the clock and gives the time; for cold paths, and for hot ones whose reading has served its looks. */
  read(): number {
    const isNewTurn = !this.#hasLooked
    this.#hasLooked = true
    this.#readClock()
    this.left = this.#looks
    this.#onReading?.(isNewTurn)
    return this.now
  }

  /** The time at which a caller arrives: a reading that this turn has if it is still good for one more, else a new one. */
  arrive(): number {
    if (--this.left < 0) this.read()
    return this.now
  }

  /** The time between two decisions that belong together: nothing else is looked at, so nothing changes in between. */
  current(): number {
    if (!this.#scheduled || --this.#spare < 0) this.#readClock()
    return this.now
  }

  #readClock(): void {
    this.readAtMs = this.#clock.now()
    this.now = Math.floor(this.readAtMs) - this.#originMs
    this.#spare = LOOKS_PER_READING
    if (this.#scheduled) return
    this.#scheduled = true
    this.#clock.onTurnEnd(this.#end)
  }
}

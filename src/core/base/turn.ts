import type { Clock } from "./clock.js"
import { isTimeFaked } from "./machine.js"

/** How many looks in one turn share a reading of the clock, where nothing else has to be looked at more often. */
export const LOOKS_PER_READING = 64

/**
 * The time of this turn of the event loop. A clock reading costs as much as a cache hit, so one serves many hits:
 * until the turn ends, or until it has served as many as the cache allows. A faked clock may move within a turn, so then
 * each look reads it.
 *
 * The hot path reads it as `if (--turn.left < 0 || isTimeFaked()) turn.read()`, then uses `turn.now`.
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
  /** Callbacks for the end of this turn. */
  #atEnd: (() => void)[] = []
  #onReading: ((isNewTurn: boolean) => void) | undefined
  readonly #end = () => {
    this.#scheduled = false
    this.#hasLooked = false
    this.left = 0
    const due = this.#atEnd
    if (due.length === 0) return
    this.#atEnd = []
    for (const callback of due) callback()
  }

  /** @param looks how many looks of one turn a reading serves. */
  constructor(clock: Clock, looks: number) {
    this.#clock = clock
    this.#looks = looks
    this.#originMs = Math.floor(clock.now())
    this.now = 0
  }

  /** Calls back with each reading: what may be trusted for a turn only is looked at there. Once, when all is there to look at. */
  watch(onReading: (isNewTurn: boolean) => void): void {
    this.#onReading = onReading
  }

  /** Calls back at the end of a turn in which the clock was read: on an empty stack, whatever fills that of this moment. */
  atEnd(callback: () => void): void {
    this.#atEnd.push(callback)
  }

  /** Reads the clock and gives the time; for cold paths, and for hot ones whose reading has served its looks. */
  read(): number {
    // Tools that fake time fake the end of a turn as well.
    const isNewTurn = !this.#hasLooked || isTimeFaked()
    this.#hasLooked = true
    this.#readClock()
    this.left = this.#looks
    this.#onReading?.(isNewTurn)
    return this.now
  }

  /** The time at which a caller arrives: a reading that this turn has if it is still good for one more, else a new one. */
  arrive(): number {
    if (--this.left < 0 || isTimeFaked()) this.read()
    return this.now
  }

  /** The time between two decisions that belong together: nothing else is looked at, so nothing changes in between. */
  current(): number {
    if (!this.#scheduled || --this.#spare < 0 || isTimeFaked()) this.#readClock()
    return this.now
  }

  #readClock(): void {
    this.readAtMs = this.#clock.now()
    this.now = Math.floor(this.readAtMs) - this.#originMs
    this.#spare = LOOKS_PER_READING
    if (this.#scheduled) return
    // First, as it may find the stack full: what counts as scheduled must come.
    this.#clock.onTurnEnd(this.#end)
    this.#scheduled = true
  }
}

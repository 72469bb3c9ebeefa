import type { Clock, Timer } from "../base/clock.js"

export interface SweepOptions {
  readonly clock: Clock
  /** Number of places to look at. */
  readonly places: () => number
  /** Number of places that are taken. */
  readonly size: () => number
  /**
   * Looks at one place, and empties it if nobody can use its entry any more. Gives the time after which that entry will
   * be useless whatever happens, in milliseconds from now; Infinity if never, or if the place is free.
   */
  readonly visit: (place: number) => number
}

const SLICE_INTERVAL_MS = 50
const SMALLEST_SLICE = 500
/** A pass over everything takes at most so many slices, unless looking takes longer than a slice may. */
const SLICES_PER_PASS = 200
/** Slices end after this time; the clock is read once for so many places. */
const LONGEST_SLICE_MS = 4
const VISITS_PER_READING = 16
/** Pauses between passes where only time makes entries useless: as long as the next one has, within these bounds. */
const SHORTEST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 60_000

/**
 * Finds the entries that nobody can use any more: slices of a pass over all places, on one timer that runs only while there can be
 * something to find. So neither an expiry nor an invalidation needs a timer or a list of its own.
 *
 * A pass begins at most a second after something became useless by time (or when the pass before is over), and soon
 * after an invalidation. Each time that a planned pass is brought forward it comes at least a second sooner: at most
 * 59 times for one pass, however many entries there are.
 */
export class Sweep {
  readonly #options: SweepOptions
  #timer: Timer | undefined
  /** Begin of the pass that the timer waits for, in the time of the clock; undefined while a pass is under way. */
  #plannedMs: number | undefined
  /** Length of the pause that the timer waits for: an entry with as long to live can't call for an earlier pass. */
  #pauseMs = Number.POSITIVE_INFINITY
  #at = 0
  #end = 0
  /** Something may have become useless since the pass began. */
  #isDirty = false
  /** Earliest end, in the time of the clock, of the entries that this pass has seen or that came since it began. */
  #nextMs = Number.POSITIVE_INFINITY
  /** The last reading of the clock in a slice of the pass. */
  #sliceMs = 0
  #isVisiting = false
  #isClosed = false

  constructor(options: SweepOptions) {
    this.#options = options
  }

  /** An entry came into a place and will be useless after that time. Quick: called for every entry that is stored. */
  put(leftMs: number): void {
    if (leftMs === Number.POSITIVE_INFINITY) return
    if (this.#plannedMs !== undefined && leftMs >= this.#pauseMs) return
    this.#expect(leftMs)
  }

  /** Something was invalidated: entries may have become useless. */
  mayHaveStale(): void {
    if (this.#options.size() === 0) return
    this.#isDirty = true
    const isUnderWay = this.#isVisiting || (this.#timer !== undefined && this.#plannedMs === undefined)
    if (isUnderWay) return
    this.#plannedMs = undefined
    this.#sliceMs = this.#options.clock.now()
    this.#setTimer(SLICE_INTERVAL_MS)
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #expect(leftMs: number): void {
    if (this.#plannedMs === undefined && (this.#timer !== undefined || this.#isVisiting)) {
      // An entry that comes into a place behind the pass is for the next one.
      this.#nextMs = Math.min(this.#nextMs, this.#sliceMs + leftMs)
      return
    }
    const nowMs = this.#options.clock.now()
    const wantedMs = nowMs + Math.max(SHORTEST_PAUSE_MS, leftMs)
    if (this.#plannedMs === undefined || wantedMs <= this.#plannedMs - SHORTEST_PAUSE_MS) {
      this.#plan(wantedMs - nowMs, nowMs)
    }
  }

  #plan(pauseMs: number, nowMs: number): void {
    this.#pauseMs = Math.min(pauseMs, LONGEST_PAUSE_MS)
    this.#plannedMs = nowMs + this.#pauseMs
    this.#setTimer(this.#pauseMs)
  }

  #setTimer(delayMs: number): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (!this.#isClosed) this.#timer = this.#options.clock.setTimer(() => this.#sweepSlice(), delayMs, false)
  }

  #sweepSlice(): void {
    const { size, places } = this.#options
    this.#timer = undefined
    this.#plannedMs = undefined
    if (this.#at >= this.#end) {
      this.#at = 0
      this.#end = places()
      this.#isDirty = false
      this.#nextMs = Number.POSITIVE_INFINITY
    }
    // Listeners to removals may store, invalidate and close meanwhile: the timer is set afterwards.
    this.#isVisiting = true
    try {
      this.#visitSome()
    } finally {
      this.#isVisiting = false
      if (size() === 0) this.#at = this.#end = 0
      else if (this.#at < this.#end || this.#isDirty) this.#setTimer(SLICE_INTERVAL_MS)
      else if (this.#nextMs !== Number.POSITIVE_INFINITY) {
        const nowMs = this.#options.clock.now()
        this.#plan(Math.max(SHORTEST_PAUSE_MS, this.#nextMs - nowMs), nowMs)
      }
    }
  }

  #visitSome(): void {
    const { clock, visit } = this.#options
    const slice = Math.max(SMALLEST_SLICE, Math.ceil(this.#end / SLICES_PER_PASS))
    const end = Math.min(this.#end, this.#at + slice)
    const startMs = clock.now()
    this.#sliceMs = startMs
    while (this.#at < end && this.#sliceMs - startMs < LONGEST_SLICE_MS) {
      for (let left = VISITS_PER_READING; left > 0 && this.#at < end; left -= 1) {
        const place = this.#at
        this.#at += 1
        // Listeners that the visit lets in may store entries, which move the earliest end as well.
        const endMs = this.#sliceMs + visit(place)
        this.#nextMs = Math.min(this.#nextMs, endMs)
      }
      this.#sliceMs = clock.now()
    }
  }
}

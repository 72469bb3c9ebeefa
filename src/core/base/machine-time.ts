import { isTimeFaked, machineWallMs, noteMachine } from "./machine.js"

/** Functions that are asked for the time. Another function in place of one of them is another clock. */
interface Source {
  readonly dateNow: () => number
  readonly performanceNow: () => number
}

/** Longer than any test goes on before it first looks: what a faked clock shows beyond is a date, and no time that passed. */
const LONGEST_FAKED_MS = 10 * 365 * 24 * 3_600_000

/**
 * Milliseconds that never go backwards. They are those of `performance.now()`; where a test tool has replaced `Date`, they
 * follow its clock forwards: by as much as `Date` or a `performance` of that tool moves on, whichever is more. So time
 * passes when a test moves the timers, and when it sets the date ahead. When clocks are changed it goes on from where it is.
 */
export class MachineTime {
  #source: Source
  #isFaked: boolean
  /** Whether the `performance` of a faked clock is that of the tool, too. */
  #countsPerformance = false
  /** The distance from `performance.now()` of the machine to the time. */
  #shiftMs = 0
  #nowMs: number
  #dateMs: number
  #performanceMs: number
  /** `performance.now()` of the machine; undefined where this library was loaded under a faked clock. */
  readonly #machineMs: (() => number) | undefined
  readonly #machinePerformanceNow: (() => number) | undefined

  constructor() {
    this.#source = currentSource()
    this.#isFaked = isTimeFaked()
    // A replacement by a tool has a function of its own, and no prototype's.
    this.#countsPerformance = this.#isFaked && Object.hasOwn(performance, "now")
    if (!this.#countsPerformance) {
      const { performanceNow } = this.#source
      const { performance } = globalThis
      this.#machinePerformanceNow = performanceNow
      this.#machineMs = () => performanceNow.call(performance)
    }
    this.#performanceMs = performance.now()
    this.#dateMs = Date.now()
    this.#nowMs = Math.ceil(this.#performanceMs)
  }

  now(): number {
    const { performanceNow, dateNow } = this.#source
    const { performance } = globalThis
    if (performance.now !== performanceNow || Date.now !== dateNow) this.#change()
    const performanceMs = performance.now()
    if (!this.#isFaked) {
      this.#nowMs = performanceMs + this.#shiftMs
      return this.#nowMs
    }
    const dateMs = Date.now()
    const ofPerformance = this.#countsPerformance ? forward(this.#performanceMs, performanceMs) : 0
    this.#nowMs += Math.max(forward(this.#dateMs, dateMs), ofPerformance)
    this.#dateMs = dateMs
    this.#performanceMs = performanceMs
    return this.#nowMs
  }

  /** Another clock: time goes on from the last reading, and by what has passed since. */
  #change(): void {
    const before = { ...this.#source, isFaked: this.#isFaked, dateMs: this.#dateMs }
    noteMachine()
    this.#source = currentSource()
    this.#isFaked = isTimeFaked()
    const { performanceNow } = this.#source
    this.#performanceMs = performance.now()
    this.#dateMs = Date.now()
    this.#countsPerformance = this.#isFaked && performanceNow !== this.#machinePerformanceNow
    // Whole from here on: sums of fractions would fall short of a ttl.
    if (this.#isFaked) this.#nowMs = Math.ceil(this.#nowMs + this.#passedSince(before))
    else this.#shiftMs = this.#nowMs - this.#performanceMs
  }

  /**
   * The time that has passed when a faked clock is first looked at. Where it began is not known: at the time of the clock before, or
   * else at nothing, as `performance` of the tools does, and `Date` of those that begin in 1970.
   */
  #passedSince(before: Source & { readonly isFaked: boolean; readonly dateMs: number }): number {
    const isNewPerformance = this.#countsPerformance && this.#source.performanceNow !== before.performanceNow
    const fromNothing = [isNewPerformance ? this.#performanceMs : 0, this.#dateMs]
    const sinceNothingMs = Math.max(0, ...fromNothing.filter((ms) => ms < LONGEST_FAKED_MS))
    const sinceBeforeMs = before.isFaked ? forward(before.dateMs, this.#dateMs) : this.#sinceMachine()
    return Math.max(sinceBeforeMs, sinceNothingMs)
  }

  /** The time since the last reading of the machine, and by how much a faked date is ahead of it now. */
  #sinceMachine(): number {
    const wallMs = machineWallMs()
    if (wallMs === undefined || this.#machineMs === undefined) return 0
    const sinceMs = this.#machineMs() + this.#shiftMs - this.#nowMs
    // Both dates are whole milliseconds: what they leave out may be as much as one.
    return forward(0, sinceMs + this.#dateMs - wallMs + 1)
  }
}

function currentSource(): Source {
  // oxlint-disable-next-line typescript/unbound-method -- compared, never called
  return { dateNow: Date.now, performanceNow: performance.now }
}

/** How far a clock has moved on. Mocks answer with anything; only a finite step forwards counts. */
function forward(fromMs: number, toMs: number): number {
  const stepMs = toMs - fromMs
  return stepMs > 0 && stepMs !== Number.POSITIVE_INFINITY ? stepMs : 0
}

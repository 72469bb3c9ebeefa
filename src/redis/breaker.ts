import { BackOff } from "../core/base/back-off.js"
import type { Clock } from "../core/base/clock.js"

export interface BreakerOptions {
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** After so many failures in a row it opens. */
  readonly failures: number
  readonly minPauseMs: number
  readonly maxPauseMs: number
  /** Once per outage: not when a probe fails. */
  readonly onOpen: (cause: unknown, pauseMs: number) => void
}

/** `closed`: calls are made. `open`: none is. `half-open`: one is under way, to see whether others may be made. */
export type BreakerState = "closed" | "open" | "half-open"

/** The period in which a call was admitted. Calls of before an opening or a closing say nothing about what is now. */
export type Admission = number

/**
 * Keeps callers from waiting for a server that does not answer. The breaker opens after some failures in a row, for a pause
 * that grows with jitter; then one call at a time is let through until one succeeds.
 */
export class Breaker {
  readonly #options: BreakerOptions
  #state: BreakerState = "closed"
  #failures = 0
  #openings = 0
  /** Pauses of this outage, with jitter, so that a fleet does not come back in one moment. */
  readonly #pauses: BackOff
  #openUntilMs = 0
  #period: Admission = 1

  constructor(options: BreakerOptions) {
    this.#options = options
    const { minPauseMs, maxPauseMs, random } = options
    this.#pauses = new BackOff({ firstMs: minPauseMs, longestMs: maxPauseMs, random })
  }

  get state(): BreakerState {
    return this.#state
  }

  /** How often it has opened, probes that failed not counted. */
  get openings(): number {
    return this.#openings
  }

  /** Whether a call would be refused now. Changes nothing. */
  get isRefusing(): boolean {
    if (this.#state === "closed") return false
    return this.#state === "half-open" || this.#options.clock.now() < this.#openUntilMs
  }

  /** Admits a call, or refuses it (undefined). An admitted caller must say how it went, whatever it was. */
  enter(): Admission | undefined {
    if (this.#state === "closed") return this.#period
    if (this.isRefusing) return undefined
    this.#state = "half-open"
    return ++this.#period
  }

  succeeded(admission: Admission): void {
    if (admission !== this.#period) return
    this.#failures = 0
    if (this.#state === "closed") return
    this.#state = "closed"
    this.#pauses.reset()
    this.#period += 1
  }

  failed(admission: Admission, cause: unknown): void {
    if (admission !== this.#period || this.#state === "open") return
    this.#failures += 1
    if (this.#state === "half-open" || this.#failures >= this.#options.failures) this.trip(cause)
  }

  /** Opens at once. Nothing where it is open. */
  trip(cause: unknown): void {
    if (this.#state === "open") return
    const { clock, minPauseMs, onOpen } = this.#options
    const isNew = this.#state === "closed"
    const pauseMs = Math.max(minPauseMs, this.#pauses.next())
    this.#failures = 0
    this.#state = "open"
    this.#openUntilMs = clock.now() + pauseMs
    this.#period += 1
    if (!isNew) return
    this.#openings += 1
    onOpen(cause, pauseMs)
  }
}

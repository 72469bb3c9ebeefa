/** Doublings beyond this leave the range in which delays are told apart. */
const MOST_DOUBLINGS = 30

export interface BackOffOptions {
  readonly firstMs: number
  readonly longestMs: number
  /** Uniform in [0, 1). Without it there is no jitter, as where one process waits for its own disk. */
  readonly random?: (() => number) | undefined
}

/**
 * Delay before the next attempt after so many failures in a row (0 for the first attempt to be repeated): the first one
 * doubled with each failure, up to the longest.
 */
export function backOffMs(failures: number, { firstMs, longestMs, random }: BackOffOptions): number {
  const delayMs = Math.min(longestMs, firstMs * 2 ** Math.min(failures, MOST_DOUBLINGS))
  return random === undefined ? delayMs : jittered(delayMs, random)
}

/** Between half and all of a delay, so that a fleet does not knock in step. */
export function jittered(delayMs: number, random: () => number): number {
  return delayMs * (0.5 + random() / 2)
}

/** Delays of attempts that fail in a row, until one succeeds. */
export class BackOff {
  readonly #options: BackOffOptions
  #failures = 0

  constructor(options: BackOffOptions) {
    this.#options = options
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures
  }

  /** Counts a failure, and answers with the delay that follows on it. */
  next(): number {
    const delayMs = backOffMs(this.#failures, this.#options)
    this.#failures += 1
    return delayMs
  }

  /** An attempt has succeeded. */
  reset(): void {
    this.#failures = 0
  }
}

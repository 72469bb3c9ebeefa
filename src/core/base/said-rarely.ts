import type { Clock } from "./clock.js"

/** Subjects remembered at once. Faults carry text of others, which is not bounded. */
const MOST_SUBJECTS = 64

/** Faults that go on for long are said now and then, not each time that they are met. */
export class SaidRarely {
  readonly #clock: Clock
  readonly #everyMs: number
  /** When each was said last, in that order. */
  readonly #saidAtMs = new Map<string, number>()

  constructor(clock: Clock, everyMs: number) {
    this.#clock = clock
    this.#everyMs = everyMs
  }

  /** True where `what` was not said within the last `everyMs`; it counts as said then. */
  isDue(what: string): boolean {
    const nowMs = this.#clock.now()
    const saidAtMs = this.#saidAtMs.get(what)
    if (saidAtMs !== undefined && nowMs - saidAtMs < this.#everyMs) return false
    this.#saidAtMs.delete(what)
    this.#saidAtMs.set(what, nowMs)
    if (this.#saidAtMs.size > MOST_SUBJECTS) this.#forgetOldest()
    return true
  }

  #forgetOldest(): void {
    for (const oldest of this.#saidAtMs.keys()) {
      this.#saidAtMs.delete(oldest)
      return
    }
  }
}

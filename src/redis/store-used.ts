import type { Clock } from "../core/base/clock.js"

/** A use is noted no more often than this; and no more rarely than twice as often. */
const NOTED_EVERY_MS = 10_000
const MOST_KEYS = 10_000

/** Which keys were used lately, so that not each use costs a write. In two generations, of which the older one goes. */
export class UsedKeys {
  readonly #clock: Clock
  #young = new Set<string>()
  #old = new Set<string>()
  #sinceMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#sinceMs = clock.now()
  }

  /** True where it was not noted lately. */
  note(key: string): boolean {
    const ageMs = this.#clock.now() - this.#sinceMs
    if (ageMs >= NOTED_EVERY_MS || this.#young.size >= MOST_KEYS) {
      this.#old = ageMs >= 2 * NOTED_EVERY_MS ? new Set() : this.#young
      this.#young = new Set()
      this.#sinceMs = this.#clock.now()
    }
    if (this.#young.has(key) || this.#old.has(key)) return false
    this.#young.add(key)
    return true
  }
}

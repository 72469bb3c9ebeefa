import { assert } from "../base/assert.js"
import type { Run, Slots } from "./run.js"

/** Bounds how many loads run at the same time. Loads that wait begin in the order of arrival. */
export class LoadQueue implements Slots {
  readonly limit: number
  readonly holders = new Set<Run>()
  #used = 0
  #isDraining = false
  readonly #waiting = new Set<() => void>()

  constructor(limit: number) {
    this.limit = limit
  }

  get used(): number {
    return this.#used
  }

  get waiting(): number {
    return this.#waiting.size
  }

  /** Calls `begin` now if there is a slot, else when there is one. Each begin is followed by one {@link release}. */
  request(begin: () => void): void {
    if (this.#used < this.limit) {
      this.#used += 1
      begin()
    } else this.#waiting.add(begin)
  }

  /** Gives up the place of this `begin`; false if it had begun already. */
  cancel(begin: () => void): boolean {
    return this.#waiting.delete(begin)
  }

  release(): void {
    this.#used -= 1
    assert(this.#used >= 0, "a slot was given back twice")
    // A load that fails at once releases its slot while it begins: a loop, or a long queue of those would fill the stack.
    if (this.#isDraining) return
    this.#isDraining = true
    try {
      for (const next of this.#waiting) {
        if (this.#used >= this.limit) break
        this.#waiting.delete(next)
        this.#used += 1
        next()
      }
    } finally {
      this.#isDraining = false
    }
  }
}

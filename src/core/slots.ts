/** Bounds how many loads run at the same time. Who waits is served in the order of arrival. */
export class LoadSlots {
  readonly limit: number
  #used = 0
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

  /** Whoever waited with this `begin` doesn't any more; false if it had begun already. */
  cancel(begin: () => void): boolean {
    return this.#waiting.delete(begin)
  }

  release(): void {
    const next = this.#waiting.values().next()
    if (next.done) {
      this.#used -= 1
      return
    }
    this.#waiting.delete(next.value)
    next.value()
  }
}

import type { Clock, Timer } from "../core/base/clock.js"

interface Pending {
  readonly atMs: number
  readonly order: number
  readonly callback: () => void
  readonly keepAlive: boolean
}

/**
 * A clock that stands until it is moved. Timers run in their order while it moves, and each move ends a turn.
 *
 * @example
 * const clock = new ManualClock()
 * const cache = createCache({ clock, ttl: "1m" })
 * clock.advance(60_000) // what was stored has expired
 */
export class ManualClock implements Clock {
  #nowMs: number
  #wallMs: number
  #order = 0
  readonly #timers = new Set<Pending>()
  #turnEnds: (() => void)[] = []
  #isTicking = false

  /** @param wallMs where the wall clock begins, Unix milliseconds. */
  constructor(wallMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = 1000
    this.#wallMs = wallMs
  }

  now(): number {
    return this.#nowMs
  }

  wall(): number {
    return this.#wallMs
  }

  onTurnEnd(callback: () => void): void {
    this.#turnEnds.push(callback)
    if (this.#isTicking) return
    this.#isTicking = true
    process.nextTick(() => {
      this.#isTicking = false
      this.#endTurn()
    })
  }

  setTimer(callback: () => void, delayMs: number, keepAlive: boolean): Timer {
    this.#order += 1
    const timer: Pending = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order, callback, keepAlive }
    if (delayMs !== Number.POSITIVE_INFINITY) this.#timers.add(timer)
    return { cancel: () => this.#timers.delete(timer) }
  }

  /** How many timers wait. */
  get timers(): number {
    return this.#timers.size
  }

  /** How many of those would keep a process alive. */
  get keepingAlive(): number {
    let count = 0
    for (const timer of this.#timers) if (timer.keepAlive) count += 1
    return count
  }

  /** Moves both clocks on, running what is due on the way. */
  advance(ms: number): void {
    // A timer that is overdue, since code has computed within the turn, runs late: time never goes back.
    const end = this.#nowMs + ms
    for (;;) {
      const next = this.#next(end)
      if (next === undefined) break
      this.#move(Math.max(0, next.atMs - this.#nowMs))
      this.#timers.delete(next)
      this.#endTurn()
      next.callback()
    }
    this.#move(end - this.#nowMs)
    this.#endTurn()
  }

  /** Moves on in steps, letting promises settle after each, until `ms` are over. */
  async advanceAsync(ms: number, stepMs = ms): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.advance(Math.min(stepMs, left))
      await settled()
    }
  }

  /** Moves both clocks on as code that computes for so long does: nothing else gets a turn meanwhile. */
  advanceWithinTurn(ms: number): void {
    this.#move(ms)
  }

  /** Sets the wall clock alone, as an administrator or NTP would. */
  setWall(ms: number): void {
    this.#wallMs = ms
  }

  #move(ms: number): void {
    this.#nowMs += ms
    this.#wallMs += ms
  }

  #next(end: number): Pending | undefined {
    let next: Pending | undefined
    for (const timer of this.#timers) {
      if (timer.atMs > end) continue
      if (next === undefined || timer.atMs < next.atMs || (timer.atMs === next.atMs && timer.order < next.order)) {
        next = timer
      }
    }
    return next
  }

  #endTurn(): void {
    const callbacks = this.#turnEnds
    this.#turnEnds = []
    for (const callback of callbacks) callback()
  }
}

/** Resolves when all promise jobs that are ready now, and those that they make ready, have run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

import type { Clock } from "../core/base/clock.js"
import type { LeaseEnd } from "../core/ports/leases.js"

export interface LeaseBoardOptions {
  readonly clock: Pick<Clock, "now">
}

interface Held {
  readonly token: number
  readonly endsAtMs: number
}

/** With more leases than this, those that have run out are forgotten from time to time. */
const FEW = 64

/**
 * The leases of stores in memory: which store may load which key now. For {@link RemoteMemoryStore}.
 *
 * @example
 * const board = new LeaseBoard({ clock })
 * const a = new RemoteMemoryStore({ codec, data, board })
 * const b = new RemoteMemoryStore({ codec, data, board })
 */
export class LeaseBoard {
  /** Nobody is woken any more: whoever waits has to ask. */
  isMute = false
  readonly #clock: Pick<Clock, "now">
  readonly #held = new Map<string, Held>()
  readonly #watchers = new Map<string, Set<{ readonly by: object; readonly onEnd: (end: LeaseEnd) => void }>>()
  #lastToken = 0
  /** With so many leases it is time to look for those that have run out. */
  #sweepAt = FEW

  constructor(options: LeaseBoardOptions) {
    this.#clock = options.clock
  }

  /** The keys whose leases are held now. */
  get held(): string[] {
    return [...this.#held].filter(([, { endsAtMs }]) => endsAtMs > this.#clock.now()).map(([key]) => key)
  }

  /** How many leases it remembers, also of those that have run out. */
  get size(): number {
    return this.#held.size
  }

  /** How many wait to be woken. */
  get watchers(): number {
    let count = 0
    for (const watchers of this.#watchers.values()) count += watchers.size
    return count
  }

  /** With a token where it is granted, else with how long it is held at most. */
  acquire(key: string, leaseMs: number): { readonly token: number | undefined; readonly heldForMs: number } {
    const nowMs = this.#clock.now()
    const held = this.#held.get(key)
    if (held !== undefined && held.endsAtMs > nowMs) return { token: undefined, heldForMs: held.endsAtMs - nowMs }
    if (this.#held.size >= this.#sweepAt) this.#sweep(nowMs)
    const token = ++this.#lastToken
    this.#held.set(key, { token, endsAtMs: nowMs + leaseMs })
    return { token, heldForMs: leaseMs }
  }

  /** Does nothing to a lease that is somebody else's by now, but wakes those who wait all the same. */
  release(by: object, key: string, token: number, end: LeaseEnd): void {
    if (this.#held.get(key)?.token === token) this.#held.delete(key)
    if (this.isMute) return
    for (const watcher of this.#watchers.get(key) ?? []) if (watcher.by !== by) watcher.onEnd(end)
  }

  watch(by: object, key: string, onEnd: (end: LeaseEnd) => void): () => void {
    const watcher = { by, onEnd }
    const watchers = this.#watchers.get(key) ?? new Set()
    this.#watchers.set(key, watchers.add(watcher))
    return () => {
      watchers.delete(watcher)
      if (watchers.size === 0 && this.#watchers.get(key) === watchers) this.#watchers.delete(key)
    }
  }

  #sweep(nowMs: number): void {
    for (const [key, { endsAtMs }] of this.#held) if (endsAtMs <= nowMs) this.#held.delete(key)
    this.#sweepAt = Math.max(FEW, 2 * this.#held.size)
  }
}

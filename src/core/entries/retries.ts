import { type Aging, deadlineOf } from "./age.js"
import type { Entry } from "./table.js"

/**
 * Time that a load of what is due or in grace keeps the next one away: from its begin, and once more from its failure.
 * The same for an early refresh and in grace, with memory and without, so that a source that fails is asked once in it.
 */
export const RETRY_MS = 1000

/** Keys whose next load is remembered one by one. */
const MOST_KEYS = 10_000

/** Whether what is due or in grace may be loaded anew by a read at that time. Pure. */
export function mayRetry({ aging }: { readonly aging: Pick<Aging, "retryAtMs"> | null }, nowMs: number): boolean {
  return aging === null || nowMs >= aging.retryAtMs
}

/** Sets the time of the next load of an entry; until then hits need no closer look. */
export function postpone(entry: Pick<Entry, "aging" | "deadlineMs">, untilMs: number): void {
  const { aging } = entry
  if (aging === null) return
  aging.retryAtMs = untilMs
  if (entry.deadlineMs >= 0) entry.deadlineMs = deadlineOf(aging)
}

/**
 * When keys that are due or in grace may be loaded again, for as long as their entries may come and go: memory evicts them, and
 * the shared tier brings them back as they were stored. In the time of `Turn.now`.
 *
 * A key is postponed by each load that begins in the background and by each that fails, and is free again when a value has
 * been stored. Bounded: where more keys are postponed at once than can be remembered, all of them wait for the last.
 */
export class Retries {
  /** All are postponed for the same time, so the first ends first. */
  readonly #untilMs = new Map<string, number>()
  #allUntilMs = Number.NEGATIVE_INFINITY

  /** From when on a key may be loaded again: now, if nothing is known of it. */
  atMs(key: string, nowMs: number): number {
    if (this.#untilMs.size === 0 && this.#allUntilMs <= nowMs) return nowMs
    return Math.max(nowMs, this.#allUntilMs, this.#untilMs.get(key) ?? nowMs)
  }

  /** A load of a key begins in the background, or has failed: the next one waits. */
  postpone(key: string, nowMs: number): void {
    for (const [oldest, untilMs] of this.#untilMs) {
      if (untilMs > nowMs) break
      this.#untilMs.delete(oldest)
    }
    this.#untilMs.delete(key)
    const untilMs = nowMs + RETRY_MS
    if (this.#untilMs.size < MOST_KEYS) this.#untilMs.set(key, untilMs)
    else this.#allUntilMs = untilMs
  }

  /** A newer value of a key has been stored by another process. */
  renewed(key: string): void {
    this.#untilMs.delete(key)
  }

  /**
   * A newer value of a key is on its way to the store. Returns what says that it is there, which undoes nothing that is known
   * of later loads; undefined where there is nothing to undo.
   */
  renewing(key: string): (() => void) | undefined {
    const untilMs = this.#untilMs.get(key)
    if (untilMs === undefined) return undefined
    return () => {
      if (this.#untilMs.get(key) === untilMs) this.#untilMs.delete(key)
    }
  }
}

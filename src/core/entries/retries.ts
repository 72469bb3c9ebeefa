import type { Entry } from "./table.js"

/** Keys whose next retry is remembered; the longest since postponed are forgotten first. */
const MOST_RETRIES = 1000

/** When entries that have expired, and that memory does not keep, may be loaded again, by key; in the time of `Turn.now`. */
export class Retries {
  readonly #atMs = new Map<string, number>()

  /** The key of an expired entry is not loaded again before then. */
  postpone(key: string, retryAtMs: number): void {
    this.#atMs.delete(key)
    for (const [oldest] of this.#atMs) {
      if (this.#atMs.size < MOST_RETRIES) break
      this.#atMs.delete(oldest)
    }
    this.#atMs.set(key, retryAtMs)
  }

  /** A failed load of what has expired keeps the next one away; known by its key where memory does not keep the entry. */
  postponeEntry(key: string, entry: Entry | undefined, retryAtMs: number): void {
    if (entry === undefined || entry.slot < 0) this.postpone(key, retryAtMs)
  }

  /** From when on a key may be loaded again: now, if nothing is known of it. */
  atMs(key: string, nowMs: number): number {
    if (this.#atMs.size === 0) return nowMs
    const retryAtMs = this.#atMs.get(key) ?? nowMs
    if (retryAtMs <= nowMs) this.#atMs.delete(key)
    return retryAtMs
  }
}

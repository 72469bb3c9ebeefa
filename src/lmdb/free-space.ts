import { BackOff } from "../core/base/back-off.js"
import type { Database, DatabaseStats } from "./database.js"
import { Refusal } from "./refusal.js"

/** Part of the file that entries may not use, so that the log can go on when they fill it. */
const RESERVE_PART = 8
const LEAST_RESERVED_PAGES = 64
/** A transaction writes the pages on the way to its rows anew, which are free again only when nobody reads the old ones. */
const PAGES_PER_TRANSACTION = 8
const MIB = 1024 * 1024
/**
 * A write that fails for want of disk makes lmdb-js 3.5 write behind a buffer, so it must not come to that. With less than
 * this the file may not grow for entries; below the second no entry is written, below the third nothing.
 */
const FREE_TO_GROW = 32 * MIB
const FREE_FOR_ENTRIES = 8 * MIB
export const FREE_FOR_LOG = MIB
const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 60_000

/**
 * How much of the file may still be filled. lmdb-js lets a file grow without limit, so the limit is kept here: by the
 * pages in use, and by the end of the file, which grows also when what was freed can't be used again because a reader
 * somewhere still has its old snapshot.
 */
export class FreeSpace {
  readonly #path: string
  readonly #mapSize: number
  readonly #now: () => number
  readonly #readFree: () => number
  #free = 0
  /** How many pages may be used before the next look, which costs as much as a write. */
  #left = 0
  /** By this transaction, which nobody sees at the end of the file yet. */
  #taken = 0
  #reserve = 0
  #isNearEnd = false
  #reason = ""
  #isBlocked = false
  #lastEnd = 0
  readonly #pauses = new BackOff({ firstMs: FIRST_PAUSE_MS, longestMs: LONGEST_PAUSE_MS })
  #pausedUntilMs = 0

  /** @param readFree how many bytes the disk still has. */
  constructor(path: string, mapSize: number, now: () => number, readFree: () => number) {
    this.#path = path
    this.#mapSize = mapSize
    this.#now = now
    this.#readFree = readFree
  }

  /**
   * Takes room for an entry; false if there is none. Inside a write transaction.
   *
   * @param canWait it may be written some other time: where the file has reached its end, only little of that.
   */
  take(database: Database, bytes: number, canWait = false): boolean {
    const pageSize = 4096
    // Larger values get pages of their own, smaller ones share pages that are two thirds full.
    const pages = bytes > pageSize / 2 ? Math.ceil(bytes / pageSize) : (bytes * 1.5) / pageSize
    if (pages > this.#left || this.#free < FREE_TO_GROW) {
      this.#left = this.#look(database.getStats(), pages)
      if (pages > this.#left) return false
    }
    if (canWait && this.#isNearEnd && this.#taken + pages > this.#reserve / 8) return false
    this.#left -= pages
    this.#taken += pages
    return true
  }

  /** False if the disk has no room for anything. */
  beginTransaction(): boolean {
    this.#left -= PAGES_PER_TRANSACTION
    this.#taken = 0
    this.#free = this.#readFree()
    if (this.#free >= FREE_FOR_LOG) return true
    this.#reason = "the disk is full"
    return false
  }

  /** Whether evicting may help. */
  canGain(): boolean {
    return !this.#isBlocked
  }

  lookAgain(): void {
    this.#left = 0
  }

  full(): Refusal {
    return new Refusal("full", this.#path, this.#reason)
  }

  /** The disk had no room, although the map had. */
  pause(reason: string): void {
    this.#pausedUntilMs = this.#now() + this.#pauses.next()
    this.#reason = reason
    this.#left = 0
  }

  #look(stats: DatabaseStats, pages: number): number {
    const mapPages = Math.floor(this.#mapSize / stats.pageSize)
    const reserve = Math.max(LEAST_RESERVED_PAGES, Math.floor(mapPages / RESERVE_PART))
    const used = pagesOf(stats) + pagesOf(stats.free) + 2
    const end = stats.lastPageNumber + 1
    const left = mapPages - reserve - used
    const hasLittleDisk = this.#free < FREE_TO_GROW
    const leftAtEnd = mapPages - reserve / 2 - end - this.#taken
    const isNearEnd = hasLittleDisk || pages > leftAtEnd
    this.#reserve = reserve
    this.#isNearEnd = isNearEnd
    this.#isBlocked = false
    if (this.#free < FREE_FOR_ENTRIES) {
      this.#isBlocked = true
      this.#reason = "the disk is full"
      return 0
    }
    if (this.#now() < this.#pausedUntilMs) {
      this.#isBlocked = true
      return 0
    }
    if (left < pages) {
      this.#reason = `\`mapSize\` is ${this.#mapSize} bytes`
      return 0
    }
    if (!isNearEnd) {
      this.#pauses.reset()
      this.#lastEnd = 0
      // Half of it: other processes write as well.
      return Math.max(pages, Math.min(left, leftAtEnd) / 2)
    }
    const hasGrown = this.#lastEnd > 0 && end > this.#lastEnd
    this.#lastEnd = end
    if (hasGrown) {
      this.pause(
        hasLittleDisk
          ? "the disk is nearly full"
          : `the file has reached \`mapSize\` (${this.#mapSize} bytes), and what was freed in it can't be used again yet; ` +
              "a reader in another process may be stopped",
      )
      this.#isBlocked = true
      return 0
    }
    this.#reason = hasLittleDisk
      ? "the disk is nearly full, and there is not enough free in the file"
      : `\`mapSize\` is ${this.#mapSize} bytes, and what is free in the file is in pieces`
    // Freed pages must be found in one piece by a large entry.
    return end - used >= pages * 2 + LEAST_RESERVED_PAGES / 4 ? pages : 0
  }
}

function pagesOf(tree: { treeBranchPageCount: number; treeLeafPageCount: number; overflowPages: number }): number {
  return tree.treeBranchPageCount + tree.treeLeafPageCount + tree.overflowPages
}

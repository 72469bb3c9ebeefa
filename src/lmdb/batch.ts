import type { ChangeKind } from "../core/ports/log.js"
import { NO_VERSION, type Version } from "../core/tags/version.js"
import { type Database, readRow } from "./database.js"
import {
  type Amount,
  amountRow,
  countKey,
  type Head,
  headKey,
  headRow,
  pathKey,
  readAmount,
  readHead,
  readNextSpace,
  TOTAL_KEY,
  totalRow,
  versionOfPath,
} from "./layout.js"

/**
 * The rows that nearly every operation changes, as one write transaction has read and will write them: once, by
 * {@link Batch.flush}.
 */
export class Batch {
  readonly database: Database
  readonly wallMs: number
  /** How many bytes touching has written anew. */
  touchedBytes = 0
  readonly #heads = new Map<string, { head: Head | undefined; isChanged: boolean }>()
  readonly #counts = new Map<number, Amount>()
  readonly #forgotten = new Set<number>()
  #total: Amount | undefined
  #nextSpace = 0
  #hasNewSpace = false

  constructor(database: Database, wallMs: number) {
    this.database = database
    this.wallMs = wallMs
  }

  head(prefix: string): Head | undefined {
    let held = this.#heads.get(prefix)
    if (held === undefined) {
      const row = readRow(this.database, headKey(prefix))
      held = { head: row === undefined ? undefined : readHead(row), isChanged: false }
      this.#heads.set(prefix, held)
    }
    return held.head
  }

  setHead(prefix: string, head: Head): void {
    this.#heads.set(prefix, { head, isChanged: true })
  }

  /** The newest version of a path; 0 if the log knows none. */
  versionOf(space: number, kind: ChangeKind, path: string): Version {
    const row = readRow(this.database, pathKey(space, kind, path))
    return row === undefined ? NO_VERSION : versionOfPath(row)
  }

  newSpace(): number {
    this.#readTotal()
    this.#hasNewSpace = true
    return this.#nextSpace++
  }

  /** The amount of all prefixes together. */
  total(): Readonly<Amount> {
    return this.#readTotal()
  }

  count(space: number, entries: number, bytes: number): void {
    let count = this.#counts.get(space)
    if (count === undefined) {
      count = readAmount(readRow(this.database, countKey(space)))
      this.#counts.set(space, count)
    }
    for (const amount of [count, this.#readTotal()]) {
      amount.entries = Math.max(0, amount.entries + entries)
      amount.bytes = Math.max(0, amount.bytes + bytes)
    }
  }

  /** A space that has no entries any more, and will have none. */
  forget(space: number): void {
    this.#forgotten.add(space)
  }

  flush(): void {
    for (const [prefix, { head, isChanged }] of this.#heads) {
      if (isChanged && head !== undefined) this.database.put(headKey(prefix), headRow(head))
    }
    for (const [space, count] of this.#counts) this.database.put(countKey(space), amountRow(count))
    for (const space of this.#forgotten) this.database.remove(countKey(space))
    if (this.#total !== undefined && (this.#counts.size > 0 || this.#hasNewSpace)) {
      this.database.put(TOTAL_KEY, totalRow(this.#total, this.#nextSpace))
    }
  }

  #readTotal(): Amount {
    if (this.#total === undefined) {
      const row = readRow(this.database, TOTAL_KEY)
      this.#total = readAmount(row)
      this.#nextSpace = readNextSpace(row)
    }
    return this.#total
  }
}

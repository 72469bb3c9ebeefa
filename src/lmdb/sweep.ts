import { readEndMs, readHeader } from "../codec/header.js"
import type { EntryHeader } from "../core/ports/codec.js"
import { splitKey } from "../core/values/function-key.js"
import type { ChangeKind } from "../core/ports/log.js"
import { isSameEpoch, NO_VERSION, type Version, versionWallMs } from "../core/tags/version.js"
import { Batch } from "./batch.js"
import { type Database, listKeys, listRows, readRow } from "./database.js"
import { deleteEntry, isImpossible } from "./entry-rows.js"
import {
  after,
  ALL_DEAD,
  ALL_ENTRIES,
  ALL_HEADS,
  ENTRY_OFFSET,
  type Head,
  isEntryKey,
  pathKey,
  readHead,
  rowsOfSpace,
  spaceOfKey,
  SWEEP_KEY,
  versionOfPath,
} from "./layout.js"

/** Rows that one step looks at, and after how many bytes it ends: about a millisecond of reading. */
const STEP = 100
const STEP_BYTES = 1024 * 1024
/** For how long one process clears away and the others need not. */
const LEASE_MS = 15_000

/**
 * Clears away what nobody can use any more: entries that are expired beyond their grace, of another epoch, below the
 * floor or invalidated, and everything of an epoch that has ended. In small steps: it looks without any lock, at headers
 * alone, and holds the locks only to remove what it found.
 */
export class Sweeper {
  readonly #database: Database
  readonly #owner: string
  readonly #hold: <T>(work: () => T) => T
  /** Key at which the next step goes on; undefined: at the beginning. */
  #from: Buffer | undefined

  /** @param hold runs what writes while nobody else does; see gate.ts. */
  constructor(database: Database, owner: string, hold: <T>(work: () => T) => T) {
    this.#database = database
    this.#owner = owner
    this.#hold = hold
  }

  /** Takes a step. False when all has been seen, or another process is at it. */
  step(wallMs: number): boolean {
    const database = this.#database
    database.resetReadTxn()
    if (!this.#hasLease(wallMs)) return false
    if (this.#clearDead(wallMs)) return true
    let heads = this.#heads()
    const range = { start: this.#from ?? ALL_ENTRIES.start, end: ALL_ENTRIES.end, limit: STEP }
    const keys = listKeys(database, range)
    let bytes = 0
    const isUseless = (key: Buffer) => {
      const row = readRow(database, key)
      bytes += row?.length ?? 0
      const head = heads.get(spaceOfKey(key))
      // A space without a head may be one that was begun a moment ago.
      return row !== undefined && head !== undefined && this.#isUseless(row.subarray(ENTRY_OFFSET), head, wallMs)
    }
    const found: Buffer[] = []
    let seen = 0
    for (const key of keys) {
      if (bytes >= STEP_BYTES) break
      seen += 1
      if (isUseless(key)) found.push(key)
    }
    if (found.length > 0) {
      this.#write(wallMs, (batch) => {
        // Once more: it may have been replaced since it was looked at, at a version that the log did not have then.
        heads = this.#heads()
        for (const key of found) if (isUseless(key)) deleteEntry(batch, key)
      })
    }
    const last = seen < STEP && seen === keys.length ? undefined : keys[seen - 1]
    this.#from = last === undefined ? undefined : after(last)
    return this.#from !== undefined
  }

  #write(wallMs: number, work: (batch: Batch) => void): void {
    this.#hold(() =>
      this.#database.transactionSync(() => {
        const batch = new Batch(this.#database, wallMs)
        work(batch)
        batch.flush()
      }),
    )
  }

  #heads(): Map<number, Head> {
    const heads = new Map<number, Head>()
    for (const { value } of listRows(this.#database, ALL_HEADS)) {
      const head = readHead(value)
      heads.set(head.space, head)
    }
    return heads
  }

  #hasLease(wallMs: number): boolean {
    const held = this.#lease()
    const isMine = held?.owner === this.#owner
    if (isMine && held.untilMs - wallMs > LEASE_MS / 2) return true
    if (!isMine && held !== undefined && held.untilMs > wallMs && held.untilMs <= wallMs + LEASE_MS) return false
    const row = Buffer.alloc(8 + this.#owner.length)
    row.writeDoubleLE(wallMs + LEASE_MS)
    row.write(this.#owner, 8, "latin1")
    this.#write(wallMs, () => {
      if (this.#lease()?.untilMs === held?.untilMs) this.#database.put(SWEEP_KEY, row)
    })
    return this.#lease()?.owner === this.#owner
  }

  #lease(): { untilMs: number; owner: string } | undefined {
    const row = readRow(this.#database, SWEEP_KEY)
    return row === undefined ? undefined : { untilMs: row.readDoubleLE(0), owner: row.toString("latin1", 8) }
  }

  /** Removes some rows of a space that no prefix has any more. False if there is none. */
  #clearDead(wallMs: number): boolean {
    const database = this.#database
    const [dead] = listKeys(database, { ...ALL_DEAD, limit: 1 })
    if (dead === undefined) return false
    const space = spaceOfKey(dead)
    this.#write(wallMs, (batch) => {
      let left = STEP
      for (const range of rowsOfSpace(space)) {
        for (const key of listKeys(database, { ...range, limit: left })) {
          if (isEntryKey(key)) deleteEntry(batch, key)
          else database.remove(key)
          left -= 1
        }
        if (left <= 0) break
      }
      if (left > 0) {
        batch.forget(space)
        database.remove(dead)
      }
    })
    return true
  }

  /** `entry`: its header at least. */
  #isUseless(entry: Buffer, head: Head, wallMs: number): boolean {
    let header: EntryHeader
    try {
      header = readHeader(entry, "header")
      if (readEndMs(entry, "header") < wallMs) return true
    } catch {
      return true
    }
    const { epoch, asOf, keyVersion, graceMs, tags, keys } = header
    if (!isSameEpoch(epoch, head.epoch)) return true
    if (isImpossible(header, head)) return true
    if (asOf < head.floor || Math.max(asOf, keyVersion) < head.keyFloor) return true
    const functionOf = (key: string) => splitKey(key)[0]
    if (this.#versionOf(head, "function", functionOf(header.key)) > keyVersion) return true
    if (keys.some((key) => this.#versionOf(head, "key", key) > asOf)) return true
    if (keys.some((key) => this.#versionOf(head, "function", functionOf(key)) > asOf)) return true
    return this.#someTag(tags, (path) => {
      if (this.#versionOf(head, "tag", path) > asOf) return true
      const expired = this.#versionOf(head, "expiry", path)
      // As a reader counts it: expired when the log got to know it, and in grace from then on.
      return expired > asOf && versionWallMs(expired) + graceMs < wallMs
    })
  }

  /** Whether it is so of one of the tags, or of one above them. */
  #someTag(tags: readonly string[], isSo: (path: string) => boolean): boolean {
    return (
      isSo("") ||
      tags.some((tag) => {
        for (let end = tag.length; end > 0; end = tag.lastIndexOf(":", end - 1)) {
          if (isSo(tag.slice(0, end))) return true
        }
        return false
      })
    )
  }

  #versionOf({ space }: Head, kind: ChangeKind, path: string): Version {
    const row = readRow(this.#database, pathKey(space, kind, path))
    return row === undefined ? NO_VERSION : versionOfPath(row)
  }
}

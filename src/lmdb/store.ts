import { lengthOf } from "../codec/header.js"
import { asStoreError, StoreError } from "../core/base/errors.js"
import type { Amendment, Rank, LocalStore, StoreStats } from "../core/ports/store.js"
import { type Database, readRow } from "./database.js"
import { type EntryBudget, isUseNoted, isWorthAmending } from "./entry-rows.js"
import { bodyKey, countKey, ENTRY_OFFSET, EntryKeys, headKey, readAmount, SPACE_AT } from "./layout.js"
import type { Tenancy } from "./tenancy.js"

const FIRST_BUFFER = 16 * 1024
/** More memory than this is kept only for as long as it is needed every so many reads. */
const SMALL_BUFFER = 128 * 1024
const SMALL_READS = 256
/** Views of the buffer, by length: making two takes as long as reading a small entry. A power of two. */
const KEPT_VIEWS = 256

/** An entry in the buffer. */
interface Row {
  readonly row: Buffer
  readonly entry: Buffer
}

/** The entries of one prefix as one cache has them. */
export class LmdbStore implements LocalStore {
  readonly #tenancy: Tenancy
  readonly #budget: EntryBudget
  readonly #headKey: Buffer
  readonly #keys = new EntryKeys()
  /** The row that was read last, where reads of others do not reach. */
  #buffer = Buffer.allocUnsafeSlow(FIRST_BUFFER)
  /** How many reads in a row would have done with a small buffer. */
  #smallReads = 0
  #views: (Row | undefined)[] = []
  #lastKey: string | undefined
  #lastRow: Buffer | undefined
  #isClosed = false

  constructor(tenancy: Tenancy, budget: EntryBudget) {
    this.#tenancy = tenancy
    this.#budget = budget
    this.#headKey = headKey(tenancy.prefix)
  }

  get(key: string): Uint8Array | undefined {
    if (this.#isClosed) throw closed("read")
    this.#lastKey = undefined
    try {
      const database = this.#tenancy.reader()
      const space = this.#space(database)
      if (space === undefined) return undefined
      const at = this.#keys.of(space, key)
      const bytes = database.getBinaryFast(at)
      if (bytes === undefined) return undefined
      const size = database.lastSize
      this.#reserve(size, 0)
      this.#buffer.set(size === bytes.byteLength ? bytes : bytes.subarray(0, size))
      let found = this.#viewOf(size)
      // A large entry's row is its header, and says how much is missing.
      const whole = ENTRY_OFFSET + lengthOf(found.entry)
      if (whole > size) found = this.#withBody(database, found, at, whole)
      this.#lastKey = key
      this.#lastRow = found.row
      this.#trim(found.row.length)
      return found.entry
    } catch (error) {
      throw asStoreError("read", error)
    }
  }

  /** The row as it was put; as it is where its other part is not what its header says. */
  #withBody(database: Database, head: Row, at: Buffer, whole: number): Row {
    const { length } = head.row
    const body = readRow(database, bodyKey(at))
    if (body === undefined || length + body.length !== whole) return head
    this.#reserve(whole, length)
    this.#buffer.set(body, length)
    return this.#viewOf(whole)
  }

  #viewOf(size: number): Row {
    const kept = this.#views[size % KEPT_VIEWS]
    if (kept?.row.length === size) return kept
    const row = this.#buffer.subarray(0, size)
    return (this.#views[size % KEPT_VIEWS] = { row, entry: row.subarray(ENTRY_OFFSET) })
  }

  #useBuffer(buffer: Buffer<ArrayBuffer>): void {
    this.#buffer = buffer
    this.#views = []
  }

  /** Makes room in the buffer; what it begins with stays. */
  #reserve(size: number, kept: number): void {
    if (size <= this.#buffer.length) return
    const larger = Buffer.allocUnsafeSlow(size > SMALL_BUFFER ? Math.ceil(size * 1.25) : size * 2)
    if (kept > 0) this.#buffer.copy(larger, 0, 0, kept)
    this.#useBuffer(larger)
  }

  #trim(size: number): void {
    if (size > SMALL_BUFFER || this.#buffer.length <= 2 * SMALL_BUFFER) this.#smallReads = 0
    else if (++this.#smallReads === SMALL_READS) this.#useBuffer(Buffer.allocUnsafeSlow(FIRST_BUFFER))
  }

  async put(key: string, bytes: Uint8Array): Promise<boolean> {
    if (this.#isClosed) throw closed("put")
    const { prefix, clock } = this.#tenancy
    return this.#tenancy.writeStore({ type: "put", prefix, key, usedMs: clock.wall(), budget: this.#budget }, bytes)
  }

  async remove(key: string, rank: Rank): Promise<void> {
    if (this.#isClosed) throw closed("remove")
    await this.#tenancy.writeStore({ type: "remove", prefix: this.#tenancy.prefix, key, rank: copyOf(rank) })
  }

  async touch(key: string, rank: Rank, amendment: Amendment): Promise<void> {
    if (this.#isClosed) return
    const { prefix, clock } = this.#tenancy
    const usedMs = clock.wall()
    try {
      // Nearly every touch follows a hit, and says what was noted less than a minute ago.
      const row = key === this.#lastKey ? this.#lastRow : undefined
      if (row !== undefined && isUseNoted(row, usedMs) && !isWorthAmending(row.subarray(ENTRY_OFFSET), amendment))
        return
      await this.#tenancy.writeStore({
        type: "touch",
        prefix,
        key,
        rank: copyOf(rank),
        amendment: { ...amendment },
        usedMs,
      })
    } catch {
      // A touch that is lost only brings an eviction or an expiry forward.
    }
  }

  stats(): StoreStats {
    const queued = this.#tenancy.queued
    try {
      const database = this.#tenancy.reader()
      const space = this.#space(database)
      const row = space === undefined ? undefined : readRow(database, countKey(space))
      return { ...readAmount(row), queued }
    } catch {
      // Not open: nothing is known.
      return { entries: 0, bytes: 0, queued }
    }
  }

  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true
      this.#lastRow = undefined
      this.#useBuffer(Buffer.alloc(0))
    }
    await this.#tenancy.leave("store")
  }

  #space(database: Database): number | undefined {
    // A reader looks at the log before it trusts what it reads here, and the look has seen it.
    const seen = this.#tenancy.space
    if (seen !== undefined) return seen
    const row = database.getBinaryFast(this.#headKey)
    return row === undefined ? undefined : (row as Buffer).readUInt32LE(SPACE_AT)
  }
}

function copyOf({ epoch, keyVersion, asOf }: Rank): Rank {
  return { epoch: { ordinal: epoch.ordinal, nonce: epoch.nonce }, keyVersion, asOf }
}

function closed(operation: string): StoreError {
  return new StoreError(operation, "it is closed")
}

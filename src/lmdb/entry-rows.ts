import { amendHeader, compareRank, readHeader, readLengths, readRank } from "../codec/header.js"
import type { Amendment, Rank } from "../core/ports/store.js"
import { isSameEpoch } from "../core/tags/version.js"
import type { Batch } from "./batch.js"
import { listRows, readRow } from "./database.js"
import {
  ALL_USES,
  bodyKey,
  ENTRY_OFFSET,
  entryKey,
  entryKeyOfUse,
  type Head,
  readSize,
  readUse,
  sizeRow,
  spaceOfKey,
  useKey,
  writeUse,
} from "./layout.js"
import { Refusal } from "./refusal.js"
import type { FreeSpace } from "./free-space.js"

/** How much is kept, of all prefixes together. */
export interface EntryBudget {
  readonly maxEntries: number
  readonly maxBytes: number
}

/** Evicted beyond what is needed, so that not every entry pays for the search. */
const EVICTION_STEP = 32
/** A turn's evictions hold the write lock: what is left over goes with the next ones. */
const MOST_EVICTED = 2048

/** How much later than noted an entry must have been used before that is worth a write. */
export const TOUCH_AFTER_MS = 60_000
/** Difference that is allowed between the clocks of two writes of a sliding end. */
const CLOCK_TOLERANCE_MS = 1000
/** Bytes that touching may write anew in one transaction; beyond it touches are lost. */
const MOST_TOUCHED_BYTES = 1024 * 1024
/** A page. The body of a larger entry has a row of its own, which neither a touch nor a sweep reads or writes. */
const LARGE_BYTES = 4096

export interface Put {
  readonly prefix: string
  readonly key: string
  /** Room for the time of the last use, then the entry. */
  readonly row: Buffer
  readonly usedMs: number
  readonly budget: EntryBudget
}

/** False where there is an entry above it, or where the log knows already that nobody can use it. */
export function putEntry(batch: Batch, free: FreeSpace, put: Put): boolean {
  const { prefix, key, row, usedMs, budget } = put
  const head = batch.head(prefix)
  const rank = readRank(row.subarray(ENTRY_OFFSET))
  if (head === undefined || !isSameEpoch(rank.epoch, head.epoch)) return false
  if (batch.versionOf(head.space, "key", key) > rank.keyVersion) return false
  const at = entryKey(head.space, key)
  const bytes = at.length + row.length
  if (bytes > budget.maxBytes) {
    throw new Refusal("full", key, `the entry has ${bytes} bytes, and \`maxBytes\` is ${budget.maxBytes}`)
  }
  const old = readRow(batch.database, at)
  const oldRank = old === undefined ? undefined : rankOf(old, head)
  if (oldRank !== undefined && compareRank(oldRank, rank) > 0) return false
  // May throw, and may evict the very entry that is to be replaced.
  makeRoom(batch, free, bytes)
  deleteEntry(batch, at)
  writeUse(row, 0, usedMs)
  const end = row.length > LARGE_BYTES ? endOfHeader(row) : row.length
  batch.database.put(at, row.subarray(0, end))
  if (end < row.length) batch.database.put(bodyKey(at), row.subarray(end))
  batch.database.put(useKey(usedMs, at), sizeRow(bytes))
  batch.count(head.space, 1, bytes)
  const { entries, bytes: total } = batch.total()
  if (entries > budget.maxEntries || total > budget.maxBytes) evictDownTo(batch, budget)
  return true
}

function makeRoom(batch: Batch, free: FreeSpace, bytes: number): void {
  let evicted = 0
  while (!free.take(batch.database, bytes)) {
    const step = evicted < MOST_EVICTED && free.canGain() ? evict(batch, EVICTION_STEP) : 0
    if (step === 0) throw free.full()
    evicted += step
    free.lookAgain()
  }
}

function evictDownTo(batch: Batch, budget: EntryBudget): void {
  for (let evicted = 0; evicted < MOST_EVICTED;) {
    const { entries, bytes } = batch.total()
    const isOver = entries > budget.maxEntries || bytes > budget.maxBytes
    if (!isOver) return
    const step = evict(batch, Math.max(1, Math.min(EVICTION_STEP, entries - budget.maxEntries)))
    if (step === 0) return
    evicted += step
  }
}

/** Drops the entries that were not used for longest. Answers how many. */
function evict(batch: Batch, most: number): number {
  const oldest = listRows(batch.database, { ...ALL_USES, limit: most })
  for (const { key, value } of oldest) removeRows(batch, entryKeyOfUse(key), key, readSize(value))
  return oldest.length
}

/** Whether there was one. */
export function deleteEntry(batch: Batch, at: Buffer): boolean {
  const old = readRow(batch.database, at)
  if (old === undefined) return false
  // Reading another row overwrites this one.
  const { length } = old
  const use = useKey(readUse(old), at)
  const size = readRow(batch.database, use)
  removeRows(batch, at, use, size === undefined ? at.length + length : readSize(size))
  return true
}

function removeRows(batch: Batch, at: Buffer, use: Buffer, bytes: number): void {
  batch.database.remove(use)
  batch.database.remove(at)
  if (bytes > LARGE_BYTES) batch.database.remove(bodyKey(at))
  batch.count(spaceOfKey(at), -1, -bytes)
}

/** In a row. */
function endOfHeader(row: Buffer): number {
  const lengths = readLengths(row.subarray(ENTRY_OFFSET))
  return lengths === undefined ? row.length : Math.min(row.length, ENTRY_OFFSET + lengths.header)
}

export function removeEntry(batch: Batch, prefix: string, key: string, rank: Rank): void {
  const head = batch.head(prefix)
  if (head === undefined) return
  const at = entryKey(head.space, key)
  const old = readRow(batch.database, at)
  if (old === undefined) return
  const oldRank = rankOf(old, head)
  if (oldRank === undefined || compareRank(oldRank, rank) <= 0) deleteEntry(batch, at)
}

/** Rank of a stored row; undefined where that is damaged, so that anything may take its place. */
function rankOf(row: Buffer, head: Head): Rank | undefined {
  try {
    const rank = readRank(row.subarray(ENTRY_OFFSET), "header")
    return isImpossible(rank, head) ? undefined : rank
  } catch {
    return undefined
  }
}

/** Nobody can have loaded anything at a version that the log has not come to; such a rank would win for ever. */
export function isImpossible({ epoch, asOf, keyVersion }: Rank, head: Head): boolean {
  return isSameEpoch(epoch, head.epoch) && Math.max(asOf, keyVersion) > head.head
}

export interface Touch {
  readonly prefix: string
  readonly key: string
  readonly rank: Rank
  readonly amendment: Amendment
  readonly usedMs: number
}

/** Does nothing where there is no room, or this transaction has written much already: the next use is another chance. */
export function touchEntry(batch: Batch, free: FreeSpace, { prefix, key, rank, amendment, usedMs }: Touch): void {
  const head = batch.head(prefix)
  if (head === undefined) return
  const at = entryKey(head.space, key)
  const old = readRow(batch.database, at)
  if (old === undefined) return
  const isNoted = isUseNoted(old, usedMs)
  const oldRank = rankOf(old, head)
  if (oldRank === undefined) return
  const allowed = allowedAmendment(old, oldRank, rank, amendment)
  const isAmended = isWorthAmending(old.subarray(ENTRY_OFFSET), allowed)
  if (isNoted && !isAmended) return
  const hasRoom = batch.touchedBytes + old.length <= MOST_TOUCHED_BYTES && free.take(batch.database, old.length, true)
  if (!hasRoom) return
  batch.touchedBytes += old.length
  // A copy: reading goes on in the same memory.
  const row = Buffer.from(old)
  if (isAmended) amendHeader(row.subarray(ENTRY_OFFSET), allowed, "header")
  if (!isNoted) {
    const use = useKey(readUse(row), at)
    const size = readRow(batch.database, use)
    const bytes = size === undefined ? at.length + row.length : readSize(size)
    batch.database.remove(use)
    writeUse(row, 0, usedMs)
    batch.database.put(useKey(usedMs, at), sizeRow(bytes))
  }
  batch.database.put(at, row)
}

/**
 * Another process may have found the same entry fresh as of later, or have seen it used later. That stays. An end that is
 * earlier by more than clocks differ is one that a clock set back has made.
 */
function allowedAmendment(row: Buffer, old: Rank, rank: Rank, { asOf, idleUntilMs }: Amendment): Amendment {
  const isSame = isSameEpoch(old.epoch, rank.epoch) && old.keyVersion === rank.keyVersion && old.asOf >= rank.asOf
  if (!isSame) return {}
  const isLater = idleUntilMs !== undefined && !isHardlyEarlier(gainOf(row.subarray(ENTRY_OFFSET), idleUntilMs).gainMs)
  return {
    ...(asOf !== undefined && asOf > old.asOf ? { asOf } : {}),
    ...(isLater ? { idleUntilMs } : {}),
  }
}

function isHardlyEarlier(gainMs: number): boolean {
  return gainMs < 0 && gainMs >= -CLOCK_TOLERANCE_MS
}

/** Whether a use now need not be noted, since one was noted not long ago. */
export function isUseNoted(row: Buffer, usedMs: number): boolean {
  return usedMs - readUse(row) < TOUCH_AFTER_MS
}

/** A sliding expiry that slides on with every hit need not be written with every hit. */
export function isWorthAmending(entry: Buffer, { asOf, idleUntilMs }: Amendment): boolean {
  if (asOf !== undefined) return true
  if (idleUntilMs === undefined) return false
  const { gainMs, idleTtlMs } = gainOf(entry, idleUntilMs)
  if (gainMs < 0) return !isHardlyEarlier(gainMs)
  return !(gainMs < Math.min(TOUCH_AFTER_MS, idleTtlMs / 10))
}

function gainOf(entry: Buffer, idleUntilMs: number): { readonly gainMs: number; readonly idleTtlMs: number } {
  const stored = readHeader(entry, "header")
  return { gainMs: idleUntilMs - stored.idleUntilMs, idleTtlMs: stored.idleTtlMs }
}

import { randomBytes } from "node:crypto"
import type { AppendReply, LogChange, LogPosition } from "../core/ports/log.js"
import { isSameEpoch, nextVersion, NO_VERSION, type Version } from "../core/tags/version.js"
import type { Batch } from "./batch.js"
import { listKeys, listRows, readRow } from "./database.js"
import { deleteEntry } from "./entry-rows.js"
import {
  ALL_HEADS,
  type ChangeClass,
  classOf,
  deadKey,
  entryKey,
  type Head,
  headRow,
  indexAbove,
  indexKey,
  indexRow,
  NONCE_BYTES,
  pathKey,
  pathKeyOfIndex,
  pathRow,
  readHead,
  versionOfIndex,
  versionOfPath,
} from "./layout.js"

/** How much the log of a prefix remembers. */
export interface LogBudget {
  /** Tags and expiries. */
  readonly maxTags: number
  /** Keys and functions. */
  readonly maxKeys: number
}

/** More than an append brings, so that what is above the budget gets less with each. */
const LEAST_TRIMMED = 64

/**
 * Whether a caller knows more than the log does, so that the log must have lost history: an older file came back, or a
 * new one took its place.
 */
export function hasLostHistory(head: Head, position: LogPosition): boolean {
  const { epoch, cursor } = position
  if (epoch === undefined) return false
  if (isSameEpoch(epoch, head.epoch)) return cursor > head.head
  return epoch.ordinal >= head.epoch.ordinal
}

/** The state of a prefix, for a caller who may have seen more of it. */
export function currentHead(batch: Batch, prefix: string, position: LogPosition, leastOrdinal: number): Head {
  const head = batch.head(prefix)
  if (head !== undefined && !hasLostHistory(head, position)) return head
  return beginEpoch(batch, prefix, position, leastOrdinal)
}

/** Begins a new life of a prefix's log, empty and above all that was before. Entries of the old one are out of reach at once. */
function beginEpoch(batch: Batch, prefix: string, position: LogPosition, leastOrdinal: number): Head {
  const head = nextLife(batch, batch.head(prefix), position, leastOrdinal)
  batch.setHead(prefix, head)
  return head
}

/** For a file that is a copy of another: what the other did since is not known here. */
export function beginEpochOfAll(batch: Batch, leastOrdinal: number): void {
  const nothing: LogPosition = { epoch: undefined, cursor: NO_VERSION }
  for (const { key, value } of listRows(batch.database, ALL_HEADS)) {
    const old = readHead(value)
    batch.database.put(key, headRow(nextLife(batch, old, nothing, leastOrdinal)))
  }
}

function nextLife(batch: Batch, old: Head | undefined, position: LogPosition, leastOrdinal: number): Head {
  if (old !== undefined) batch.database.put(deadKey(old.space), Buffer.of(1))
  const ordinal = Math.max(
    Math.floor(batch.wallMs / 1000),
    leastOrdinal,
    (old?.epoch.ordinal ?? 0) + 1,
    (position.epoch?.ordinal ?? 0) + 1,
  )
  return {
    space: batch.newSpace(),
    epoch: { ordinal, nonce: randomBytes(NONCE_BYTES).toString("base64url") },
    head: nextVersion(batch.wallMs, Math.max(old?.head ?? NO_VERSION, position.cursor)),
    floor: NO_VERSION,
    keyFloor: NO_VERSION,
    tags: 0,
    keys: 0,
  }
}

export interface Append {
  readonly prefix: string
  readonly changes: readonly LogChange[]
  readonly position: LogPosition
  readonly origin: string
  readonly budget: LogBudget
  readonly leastOrdinal: number
}

export function append(batch: Batch, request: Append): AppendReply {
  const { prefix, changes, position, origin, budget, leastOrdinal } = request
  const { database } = batch
  const before = currentHead(batch, prefix, position, leastOrdinal)
  const { space } = before
  const version = nextVersion(batch.wallMs, before.head)
  const counts = [before.tags, before.keys] as [number, number]
  for (const { kind, path } of changes) {
    const key = pathKey(space, kind, path)
    const old = readRow(database, key)
    if (old === undefined) counts[classOf(kind)] += 1
    else database.remove(indexKey(space, versionOfPath(old), key))
    database.put(key, pathRow(version))
    database.put(indexKey(space, version, key), indexRow(path, key, origin))
    if (kind === "key") deleteEntry(batch, entryKey(space, path))
  }
  const quota = Math.max(LEAST_TRIMMED, 2 * changes.length)
  const tags = trim(batch, space, 0, counts[0] - budget.maxTags, quota)
  const keys = trim(batch, space, 1, counts[1] - budget.maxKeys, quota)
  batch.setHead(prefix, {
    space,
    epoch: before.epoch,
    head: version,
    floor: Math.max(before.floor, tags.floor),
    keyFloor: Math.max(before.keyFloor, keys.floor),
    tags: counts[0] - tags.count,
    keys: counts[1] - keys.count,
  })
  return { epoch: before.epoch, version, previousHead: before.head }
}

/** Forgets the oldest; `floor` is the newest that was forgotten. */
function trim(
  { database }: Batch,
  space: number,
  of: ChangeClass,
  excess: number,
  quota: number,
): { count: number; floor: Version } {
  if (excess <= 0) return { count: 0, floor: NO_VERSION }
  const oldest = listKeys(database, { ...indexAbove(space, of, NO_VERSION), limit: Math.min(excess, quota) })
  let floor = NO_VERSION
  for (const key of oldest) {
    floor = versionOfIndex(key)
    database.remove(pathKeyOfIndex(key))
    database.remove(key)
  }
  return { count: oldest.length, floor }
}

import { createHash } from "node:crypto"
import { isOfTags } from "../core/ports/change.js"
import type { ChangeKind } from "../core/ports/log.js"
import type { Epoch, Version } from "../core/tags/version.js"

/** The format of the rows below. A file of another format is refused. */
export const FORMAT = 1

/*
 * All rows are in the one root table of the file. The first byte of a key says what its row is.
 *
 *   META                                            what this file is: see meta.ts
 *   TOTAL                                           entries and bytes of all prefixes, the next space
 *   HEAD   prefix                                   the state of a prefix's log, and its space
 *   PATH   space kind path                          the newest version of a path
 *   INDEX  space class version kind path            the same in the order of versions; with origin
 *   COUNT  space                                    entries and bytes of a space
 *   ENTRY  space key                                when it was used last, and the entry; of a large one the header
 *   BODY   space key                                what follows the header of a large entry
 *   USE    time space key                           entries in the order of their last use; with size
 *   DEAD   space                                    a space that no prefix has any more
 *   SWEEP                                           who clears away, until when
 *
 * A space is a number that a prefix gets with each new epoch. So prefixes can't reach into each other, keys stay short,
 * and an epoch ends with one write, whatever it held.
 */
const META = 1
const TOTAL = 2
const HEAD = 3
const PATH = 4
const INDEX = 5
const COUNT = 6
const ENTRY = 7
const USE = 8
const DEAD = 9
const SWEEP = 10
const BODY = 11

/** LMDB's own limit for keys is at 1978 bytes; shorter ones make a flatter tree. */
const LONGEST_TEXT = 400
const PLAIN = 0
const HASHED = 1

const KINDS: readonly ChangeKind[] = ["tag", "expiry", "key", "function"]

/** Tags and expiries share a budget and a floor, keys and functions another. */
export type ChangeClass = 0 | 1

export function classOf(kind: ChangeKind): ChangeClass {
  return isOfTags({ kind }) ? 0 : 1
}

export const META_KEY = Buffer.from([META])
export const TOTAL_KEY = Buffer.from([TOTAL])
export const SWEEP_KEY = Buffer.from([SWEEP])

interface MaybeWellFormed {
  isWellFormed(): boolean
}

/** UTF-8 has no lone surrogates: text with one would come back as another. */
export function isWellFormed(text: string): boolean {
  return (text as unknown as MaybeWellFormed).isWellFormed()
}

/** A text as part of a key: itself, or its SHA-256 if it is too long or can't be UTF-8. */
export function textPart(text: string): Buffer {
  if (text.length <= LONGEST_TEXT && isWellFormed(text)) {
    const size = Buffer.byteLength(text)
    if (size <= LONGEST_TEXT) {
      const part = Buffer.allocUnsafe(1 + size)
      part[0] = PLAIN
      part.write(text, 1)
      return part
    }
  }
  const hash = createHash("sha256").update(Buffer.from(text, "utf16le")).digest()
  return Buffer.concat([Buffer.of(HASHED), hash])
}

export function headKey(prefix: string): Buffer {
  return Buffer.concat([Buffer.of(HEAD), textPart(prefix)])
}

export const ALL_HEADS = { start: Buffer.of(HEAD), end: Buffer.of(HEAD + 1) }

function spaceKey(row: number, space: number, more: number): Buffer {
  const key = Buffer.allocUnsafe(5 + more)
  key[0] = row
  key.writeUInt32BE(space, 1)
  return key
}

export function pathKey(space: number, kind: ChangeKind, path: string): Buffer {
  const part = textPart(path)
  const key = spaceKey(PATH, space, 1 + part.length)
  key[5] = KINDS.indexOf(kind)
  part.copy(key, 6)
  return key
}

export function indexKey(space: number, version: Version, path: Buffer): Buffer {
  // The path's key without its row and space: kind and text.
  const key = spaceKey(INDEX, space, 9 + path.length - 5)
  key[5] = classOf(KINDS[path[5] as number] as ChangeKind)
  writeVersion(key, version, 6)
  path.copy(key, 14, 5)
  return key
}

/** The key of the path's own row, from its row in the order of versions. */
export function pathKeyOfIndex(index: Buffer): Buffer {
  const key = Buffer.allocUnsafe(index.length - 9)
  key[0] = PATH
  index.copy(key, 1, 1, 5)
  index.copy(key, 5, 14)
  return key
}

export function versionOfIndex(index: Buffer): Version {
  return readVersion(index, 6)
}

/** All versions above one, of one class, oldest first. */
export function indexAbove(space: number, of: ChangeClass, version: Version): { start: Buffer; end: Buffer } {
  const start = spaceKey(INDEX, space, 9)
  start[5] = of
  writeVersion(start, version + 1, 6)
  const end = spaceKey(INDEX, space, 1)
  end[5] = of + 1
  return { start, end }
}

export function countKey(space: number): Buffer {
  return spaceKey(COUNT, space, 0)
}

export function entryKey(space: number, key: string): Buffer {
  const part = textPart(key)
  const made = spaceKey(ENTRY, space, part.length)
  part.copy(made, 5)
  return made
}

/** Key of the rest of a large entry. */
export function bodyKey(entry: Buffer): Buffer {
  const key = Buffer.from(entry)
  key[0] = BODY
  return key
}

/** When it was used last, in front of the entry. */
export const ENTRY_OFFSET = 6

export function writeUse(row: Uint8Array, at: number, usedMs: number): void {
  const ms = Math.min(Math.max(0, Math.floor(usedMs)), 2 ** 48 - 1)
  Buffer.from(row.buffer, row.byteOffset, row.byteLength).writeUIntBE(ms, at, 6)
}

export function readUse(row: Buffer): number {
  return row.readUIntBE(0, 6)
}

export function useKey(usedMs: number, entry: Buffer): Buffer {
  const key = Buffer.allocUnsafe(7 + entry.length - 1)
  key[0] = USE
  writeUse(key, 1, usedMs)
  entry.copy(key, 7, 1)
  return key
}

export function entryKeyOfUse(use: Buffer): Buffer {
  const key = Buffer.allocUnsafe(use.length - 6)
  key[0] = ENTRY
  use.copy(key, 1, 7)
  return key
}

export function spaceOfKey(key: Buffer): number {
  return key.readUInt32BE(1)
}

export const ALL_USES = { start: Buffer.of(USE), end: Buffer.of(USE + 1) }
export const ALL_ENTRIES = { start: Buffer.of(ENTRY), end: Buffer.of(ENTRY + 1) }

export function deadKey(space: number): Buffer {
  return spaceKey(DEAD, space, 0)
}

export const ALL_DEAD = { start: Buffer.of(DEAD), end: Buffer.of(DEAD + 1) }

/** Every row of a space's log, and every entry of it. */
export function rowsOfSpace(space: number): { start: Buffer; end: Buffer }[] {
  return [PATH, INDEX, ENTRY, BODY].map((row) => ({ start: spaceKey(row, space, 0), end: spaceKey(row, space + 1, 0) }))
}

export function isEntryKey(key: Buffer): boolean {
  return key[0] === ENTRY
}

/** The last possible key of a row that begins like this one, for a range that goes on behind it. */
export function after(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.of(0)])
}

// --- values ------------------------------------------------------------------------------------------------------------

function writeVersion(target: Buffer, version: Version, at: number): void {
  target.writeUInt32BE(Math.floor(version / 2 ** 32), at)
  target.writeUInt32BE(version % 2 ** 32, at + 4)
}

function readVersion(source: Buffer, at: number): Version {
  return source.readUInt32BE(at) * 2 ** 32 + source.readUInt32BE(at + 4)
}

export function pathRow(version: Version): Buffer {
  const row = Buffer.allocUnsafe(8)
  row.writeDoubleLE(version)
  return row
}

export function versionOfPath(row: Buffer): Version {
  return row.readDoubleLE()
}

/** A row in the order of versions, beside its key: who, and the path where the key has only its hash. */
export function indexRow(path: string, pathKey: Buffer, origin: string): Buffer {
  const by = Buffer.from(origin.slice(0, 200))
  const text = pathKey[6] === HASHED ? Buffer.from(path, "utf16le") : Buffer.alloc(0)
  return Buffer.concat([Buffer.of(by.length & 0xff, by.length >> 8), by, text])
}

export function readIndexRow(
  key: Buffer,
  row: Buffer,
): { readonly kind: ChangeKind; readonly path: string; readonly version: Version; readonly origin: string } {
  const size = row.readUInt16LE()
  const path = key[15] === HASHED ? row.toString("utf16le", 2 + size) : key.toString("utf8", 16)
  return {
    kind: KINDS[key[14] as number] as ChangeKind,
    path,
    version: versionOfIndex(key),
    origin: row.toString("utf8", 2, 2 + size),
  }
}

/** The state of a prefix's log. */
export interface Head {
  readonly space: number
  readonly epoch: Epoch
  readonly head: Version
  readonly floor: Version
  readonly keyFloor: Version
  /** How many tags and expiries it remembers, and how many keys and functions. */
  readonly tags: number
  readonly keys: number
}

export const NONCE_BYTES = 8
/** Offsets of the parts of a head in its row. */
export const SPACE_AT = 0
export const NONCE_AT = 4
export const ORDINAL_AT = 16
export const HEAD_AT = 24

export function headRow(head: Head): Buffer {
  const row = Buffer.alloc(64)
  row.writeUInt32LE(head.space, SPACE_AT)
  row.write(head.epoch.nonce, NONCE_AT, NONCE_BYTES, "base64url")
  row.writeDoubleLE(head.epoch.ordinal, ORDINAL_AT)
  row.writeDoubleLE(head.head, HEAD_AT)
  row.writeDoubleLE(head.floor, 32)
  row.writeDoubleLE(head.keyFloor, 40)
  row.writeDoubleLE(head.tags, 48)
  row.writeDoubleLE(head.keys, 56)
  return row
}

export function readHead(row: Buffer): Head {
  return {
    space: row.readUInt32LE(SPACE_AT),
    epoch: {
      ordinal: row.readDoubleLE(ORDINAL_AT),
      nonce: row.toString("base64url", NONCE_AT, NONCE_AT + NONCE_BYTES),
    },
    head: row.readDoubleLE(HEAD_AT),
    floor: row.readDoubleLE(32),
    keyFloor: row.readDoubleLE(40),
    tags: row.readDoubleLE(48),
    keys: row.readDoubleLE(56),
  }
}

/** How much there is. */
export interface Amount {
  entries: number
  bytes: number
}

export function amountRow({ entries, bytes }: Amount): Buffer {
  const row = Buffer.allocUnsafe(16)
  row.writeDoubleLE(entries, 0)
  row.writeDoubleLE(bytes, 8)
  return row
}

export function readAmount(row: Buffer | undefined): Amount {
  return row === undefined ? { entries: 0, bytes: 0 } : { entries: row.readDoubleLE(0), bytes: row.readDoubleLE(8) }
}

export function totalRow(amount: Amount, nextSpace: number): Buffer {
  const row = Buffer.allocUnsafe(20)
  amountRow(amount).copy(row)
  row.writeUInt32LE(nextSpace, 16)
  return row
}

export function readNextSpace(row: Buffer | undefined): number {
  return row === undefined ? 1 : row.readUInt32LE(16)
}

export function sizeRow(bytes: number): Buffer {
  return pathRow(bytes)
}

export function readSize(row: Buffer): number {
  return row.readDoubleLE()
}

/** Makes keys of entries one after the other in the same memory. */
export class EntryKeys {
  readonly #bytes = Buffer.alloc(6 + LONGEST_TEXT)
  /** Views of this memory, by length: making one takes as long as writing a key. */
  readonly #views: Buffer[] = []

  /** Valid until the next call. */
  of(space: number, key: string): Buffer {
    // Three bytes of UTF-8 are the most that a code unit can make.
    if (key.length * 3 > LONGEST_TEXT || !isWellFormed(key)) return entryKey(space, key)
    const bytes = this.#bytes
    bytes[0] = ENTRY
    bytes.writeUInt32BE(space, 1)
    bytes[5] = PLAIN
    const length = 6 + bytes.write(key, 6)
    return (this.#views[length] ??= bytes.subarray(0, length))
  }
}

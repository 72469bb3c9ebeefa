import { crc32 } from "node:zlib"
import type { EntryHeader, HeaderChange } from "../core/ports/codec.js"
import { CorruptEntryError } from "../core/base/errors.js"
import type { Rank } from "../core/ports/store.js"
import { type Epoch, isVersion } from "../core/tags/version.js"
import { latin1Slice, ucs2Slice, utf8Slice } from "./slices.js"

/** Bytes of another format are not read. */
export const FORMAT_VERSION = 1

/** The stored value is compressed. */
export const COMPRESSED = 1
/** The stored value holds more than JSON has, see marks.ts. */
export const MARKED = 2
/** All texts in the value are ASCII. */
export const ASCII_ONLY = 4
/** Objects that are alike name their properties once, see shaping.ts. */
export const SHAPED = 8
const KNOWN_FLAGS = COMPRESSED | MARKED | ASCII_ONLY | SHAPED

/*
 * Little-endian. docs/serialization.md has the same as a table.
 *
 * Fields that `amend` changes stand at fixed offsets, and the header has a checksum of its own, so that amending an entry of a
 * megabyte costs as much as amending one of a kilobyte.
 */
const MAGIC_AND_FORMAT = 0x006f6f7a | (FORMAT_VERSION << 24) // "zoo" and the format
const HEADER_CRC = 4
const CHECKED_FROM = 8
const HEADER_LENGTH = 8
const PAYLOAD_LENGTH = 12
const RAW_LENGTH = 16
const PAYLOAD_CRC = 20
const AS_OF = 24
const KEY_VERSION = 32
const IDLE_UNTIL = 40
const ORDINAL = 48
const STORED_AT = 56
const EXPIRES_AT = 64
const GRACE = 72
const IDLE_TTL = 80
const FLAGS = 88
const TAG_COUNT = 92
const KEY_COUNT = 96
const TEXTS = 100
/** Two empty texts: nonce and key. */
const SHORTEST = TEXTS + 8

/** How a text is written, in the two low bits of its length. */
const ASCII = 0
const UTF8 = 1
/** For text with lone surrogates, which UTF-8 does not have: its code units. */
const UTF16 = 2

const LARGEST_TEXT = 2 ** 30 - 1

const VIEW = Symbol("view")

interface BytesWithView extends Uint8Array {
  /** Kept with the bytes, which are looked at more than once; looking for one costs a tenth of making one. */
  [VIEW]?: DataView
}

/** The value of an entry, as it has to be known to be read. The value ends where the entry ends. */
export interface Payload {
  readonly start: number
  readonly flags: number
  /** Before compression. */
  readonly rawLength: number
}

// --- writing ---------------------------------------------------------------------------------------------------------

/** An entry's bytes: its header, and the payload behind it. */
export function writeEntry(header: EntryHeader, flags: number, rawLength: number, payload: Uint8Array): Buffer {
  const { epoch, key, tags, keys } = header
  let headerLength = TEXTS + sizeOfText(epoch.nonce) + sizeOfText(key)
  for (const tag of tags) headerLength += sizeOfText(tag)
  for (const other of keys) headerLength += sizeOfText(other)

  // Not from the pool: a store keeps the bytes, and would keep the pool with them.
  const bytes = Buffer.allocUnsafeSlow(headerLength + payload.length)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  view.setUint32(0, MAGIC_AND_FORMAT, true)
  view.setUint32(HEADER_LENGTH, headerLength, true)
  view.setUint32(PAYLOAD_LENGTH, payload.length, true)
  view.setUint32(RAW_LENGTH, rawLength, true)
  view.setUint32(PAYLOAD_CRC, payloadCrc(payload, flags, rawLength), true)
  view.setFloat64(AS_OF, header.asOf, true)
  view.setFloat64(KEY_VERSION, header.keyVersion, true)
  view.setFloat64(IDLE_UNTIL, header.idleUntilMs, true)
  view.setFloat64(ORDINAL, epoch.ordinal, true)
  view.setFloat64(STORED_AT, header.storedAtMs, true)
  view.setFloat64(EXPIRES_AT, header.expiresAtMs, true)
  view.setFloat64(GRACE, header.graceMs, true)
  view.setFloat64(IDLE_TTL, header.idleTtlMs, true)
  view.setUint32(FLAGS, flags, true)
  view.setUint32(TAG_COUNT, tags.length, true)
  view.setUint32(KEY_COUNT, keys.length, true)
  let at = writeText(bytes, view, TEXTS, epoch.nonce)
  at = writeText(bytes, view, at, key)
  for (const tag of tags) at = writeText(bytes, view, at, tag)
  for (const other of keys) at = writeText(bytes, view, at, other)
  view.setUint32(HEADER_CRC, crc32(bytes.subarray(CHECKED_FROM, headerLength)), true)
  bytes.set(payload, headerLength)
  return bytes
}

/**
 * Changes an entry in place. The header is checked before: a new checksum over damaged bytes would make them good.
 *
 * @throws CorruptEntryError
 */
export function amendHeader(bytes: Uint8Array, change: HeaderChange, extent?: Extent): void {
  const view = checkedView(bytes, extent)
  if (change.asOf !== undefined) view.setFloat64(AS_OF, change.asOf, true)
  if (change.keyVersion !== undefined) view.setFloat64(KEY_VERSION, change.keyVersion, true)
  if (change.idleUntilMs !== undefined) view.setFloat64(IDLE_UNTIL, change.idleUntilMs, true)
  view.setUint32(HEADER_CRC, crc32(bytes.subarray(CHECKED_FROM, view.getUint32(HEADER_LENGTH, true))), true)
}

// --- reading ---------------------------------------------------------------------------------------------------------

/**
 * How much of an entry the bytes are. `"header"`: at least its header. A store that keeps the payload elsewhere need not
 * read it to look at the header.
 */
export type Extent = "whole" | "header"

/** How long an entry and its header are, as the header says, which may be wrong; undefined for less than a header. */
export function readLengths(bytes: Uint8Array): { readonly header: number; readonly whole: number } | undefined {
  const whole = lengthOf(bytes)
  return whole === 0 ? undefined : { header: viewOf(bytes).getUint32(HEADER_LENGTH, true), whole }
}

/** How long an entry is, as its header says, which may be wrong; 0 for less than a header. */
export function lengthOf(bytes: Uint8Array): number {
  if (bytes.length < SHORTEST) return 0
  const view = viewOf(bytes)
  return view.getUint32(HEADER_LENGTH, true) + view.getUint32(PAYLOAD_LENGTH, true)
}

/** @throws CorruptEntryError */
export function readHeader(bytes: Uint8Array, extent?: Extent): EntryHeader {
  const view = checkedView(bytes, extent)
  const tagCount = view.getUint32(TAG_COUNT, true)
  const keyCount = view.getUint32(KEY_COUNT, true)
  const storedAtMs = view.getFloat64(STORED_AT, true)
  const expiresAtMs = view.getFloat64(EXPIRES_AT, true)
  const graceMs = view.getFloat64(GRACE, true)
  const idleTtlMs = view.getFloat64(IDLE_TTL, true)
  const idleUntilMs = view.getFloat64(IDLE_UNTIL, true)
  // Comparisons with NaN are false.
  if (!(
    storedAtMs > -Infinity &&
    expiresAtMs > -Infinity &&
    idleUntilMs > -Infinity &&
    graceMs >= 0 &&
    idleTtlMs >= 0
  )) {
    throw new CorruptEntryError("a time in its header is no time")
  }
  const headerLength = view.getUint32(HEADER_LENGTH, true)
  const epoch = readEpoch(bytes, view)
  const reader = new TextReader(bytes, view, afterText(view, TEXTS), headerLength)
  const key = reader.next()
  const tags: string[] = []
  for (let index = 0; index < tagCount; index++) tags.push(reader.next())
  const keys: string[] = []
  for (let index = 0; index < keyCount; index++) keys.push(reader.next())
  if (reader.at !== headerLength) throw new CorruptEntryError("its header has bytes that nothing explains")
  return {
    key,
    epoch,
    asOf: readVersion(view, AS_OF),
    keyVersion: readVersion(view, KEY_VERSION),
    storedAtMs,
    expiresAtMs,
    graceMs,
    idleTtlMs,
    idleUntilMs,
    tags,
    keys,
  }
}

/** The rank of an entry among the entries of its key. @throws CorruptEntryError */
export function readRank(bytes: Uint8Array, extent?: Extent): Rank {
  const view = checkedView(bytes, extent)
  return {
    epoch: readEpoch(bytes, view),
    keyVersion: readVersion(view, KEY_VERSION),
    asOf: readVersion(view, AS_OF),
  }
}

/**
 * Below, at or above 0 as `a` stands below, at or above `b`. Two epochs of one ordinal are two lives of a log of which
 * only one goes on; which of them comes first is arbitrary, but the same everywhere.
 */
export function compareRank(a: Rank, b: Rank): number {
  if (a.epoch.ordinal !== b.epoch.ordinal) return a.epoch.ordinal < b.epoch.ordinal ? -1 : 1
  if (a.epoch.nonce !== b.epoch.nonce) return a.epoch.nonce < b.epoch.nonce ? -1 : 1
  return a.keyVersion - b.keyVersion || a.asOf - b.asOf
}

/** From when on nobody may be served it, grace included; Unix milliseconds, may be Infinity. @throws CorruptEntryError */
export function readEndMs(bytes: Uint8Array, extent?: Extent): number {
  const view = checkedView(bytes, extent)
  const endMs = Math.min(view.getFloat64(EXPIRES_AT, true), view.getFloat64(IDLE_UNTIL, true))
  return endMs + view.getFloat64(GRACE, true)
}

/**
 * Finds the payload, once it is known to be what the codec wrote. This does not look at the header's checksum: all of
 * the header that says how the value is to be read goes into the checksum of the payload.
 *
 * @throws CorruptEntryError
 */
export function readPayload(bytes: Uint8Array): Payload {
  const view = viewOf(bytes)
  const start = checkFrame(bytes, view)
  const flags = view.getUint32(FLAGS, true)
  const rawLength = view.getUint32(RAW_LENGTH, true)
  if ((flags & ~KNOWN_FLAGS) !== 0) throw new CorruptEntryError(`its flags ${flags} are unknown`)
  if (payloadCrc(bytes.subarray(start, bytes.length), flags, rawLength) !== view.getUint32(PAYLOAD_CRC, true)) {
    throw new CorruptEntryError("its value does not match its checksum")
  }
  return { start, flags, rawLength }
}

function payloadCrc(payload: Uint8Array, flags: number, rawLength: number): number {
  return crc32(payload, (rawLength ^ (flags << 28)) >>> 0)
}

function checkedView(bytes: Uint8Array, extent?: Extent): DataView {
  const view = viewOf(bytes)
  const headerLength = checkFrame(bytes, view, extent)
  if (crc32(bytes.subarray(CHECKED_FROM, headerLength)) !== view.getUint32(HEADER_CRC, true)) {
    throw new CorruptEntryError("its header does not match its checksum")
  }
  return view
}

/** Magic, format and lengths; returns that of the header. */
function checkFrame(bytes: Uint8Array, view: DataView, extent: Extent = "whole"): number {
  // lmdb-js hands out buffers with a `length` of their own, shorter than their memory.
  const { length } = bytes
  if (length < SHORTEST) throw new CorruptEntryError(`${length} bytes are too few`)
  const magic = view.getUint32(0, true)
  if (magic !== MAGIC_AND_FORMAT) {
    throw new CorruptEntryError(
      (magic ^ MAGIC_AND_FORMAT) << 8 === 0
        ? `it has format ${magic >>> 24}, this version reads ${FORMAT_VERSION}`
        : "it does not begin like an entry",
    )
  }
  const headerLength = view.getUint32(HEADER_LENGTH, true)
  const hasLength =
    extent === "header" ? headerLength <= length : headerLength + view.getUint32(PAYLOAD_LENGTH, true) === length
  if (headerLength < SHORTEST || !hasLength) {
    throw new CorruptEntryError(`it has ${length} bytes, not as many as its header says`)
  }
  return headerLength
}

export function viewOf(bytes: BytesWithView): DataView {
  return (bytes[VIEW] ??= new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength))
}

function readVersion(view: DataView, at: number): number {
  const version = view.getFloat64(at, true)
  if (!isVersion(version)) throw new CorruptEntryError("a version in its header is no version")
  return version
}

// Nearly all entries that a process reads are of one epoch.
let lastEpoch: Epoch = { ordinal: 0, nonce: "" }

function readEpoch(bytes: Uint8Array, view: DataView): Epoch {
  const ordinal = readVersion(view, ORDINAL)
  const { nonce } = lastEpoch
  if (ordinal === lastEpoch.ordinal && view.getUint32(TEXTS, true) === nonce.length << 2) {
    let index = 0
    while (index < nonce.length && bytes[TEXTS + 4 + index] === nonce.charCodeAt(index)) index++
    if (index === nonce.length) return lastEpoch
  }
  const read = new TextReader(bytes, view, TEXTS, view.getUint32(HEADER_LENGTH, true)).next()
  return (lastEpoch = { ordinal, nonce: read })
}

// --- texts -----------------------------------------------------------------------------------------------------------

const notAscii = /[^\0-\x7f]/

function formOf(text: string): number {
  if (isAscii(text)) return ASCII
  return isWellFormed(text) ? UTF8 : UTF16
}

function sizeOfText(text: string): number {
  const form = formOf(text)
  return 4 + (form === ASCII ? text.length : form === UTF8 ? Buffer.byteLength(text) : text.length * 2)
}

function writeText(bytes: Buffer, view: DataView, at: number, text: string): number {
  const form = formOf(text)
  const length = bytes.write(text, at + 4, form === ASCII ? "latin1" : form === UTF8 ? "utf8" : "utf16le")
  if (length > LARGEST_TEXT) throw new RangeError("A text of a gigabyte can't be a key")
  view.setUint32(at, ((length << 2) | form) >>> 0, true)
  return at + 4 + length
}

function afterText(view: DataView, at: number): number {
  return at + 4 + (view.getUint32(at, true) >>> 2)
}

class TextReader {
  at: number
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #end: number

  constructor(bytes: Uint8Array, view: DataView, at: number, end: number) {
    this.#bytes = bytes
    this.#view = view
    this.at = at
    this.#end = end
  }

  next(): string {
    const start = this.at + 4
    if (start > this.#end) throw new CorruptEntryError("its header ends in the middle")
    const prefix = this.#view.getUint32(this.at, true)
    const end = start + (prefix >>> 2)
    if (end > this.#end) throw new CorruptEntryError("its header ends in the middle")
    this.at = end
    switch (prefix & 3) {
      case ASCII:
        return latin1Slice.call(this.#bytes, start, end)
      case UTF8:
        return utf8Slice.call(this.#bytes, start, end)
      case UTF16:
        return ucs2Slice.call(this.#bytes, start, end)
      default:
        throw new CorruptEntryError("a text in its header is of an unknown form")
    }
  }
}

export function isAscii(text: string): boolean {
  return !notAscii.test(text)
}

interface MaybeWellFormed {
  isWellFormed(): boolean
}

/** Whether a text has no lone surrogate, that is, whether UTF-8 can hold it. */
export function isWellFormed(text: string): boolean {
  return (text as unknown as MaybeWellFormed).isWellFormed()
}

import { createHash } from "node:crypto"
import { crc32 } from "node:zlib"
import type { EntryCodec, EntryHeader, HeaderChange } from "../core/ports/codec.js"
import { CorruptEntryError } from "../core/base/errors.js"
import type { Amendment, Rank } from "../core/ports/store.js"

/*
 * The record under the key of an entry, little-endian: a head that scripts can read without knowing the codec, and behind it
 * the codec's bytes as they were put.
 *
 *    0  "zce1"
 *    4  CRC-32 of 8 to 64
 *    8  epoch's ordinal            double, exact for every version
 *   16  epoch's nonce              the first 8 bytes of its SHA-256
 *   24  keyVersion                 double
 *   32  asOf                       double
 *   40  idleUntilMs                double, may be Infinity, as the following
 *   48  expiresAtMs + graceMs
 *   56  graceMs
 *   64  asOf that it was lifted to         double, and a CRC-32 of it and 8 to 32; 0 for none
 *   76  idleUntilMs that it has slid to    the same
 *   88  the codec's bytes
 *
 * A script amends an entry by writing one of the two fields at 64 and 76 with bytes that the caller has made. So a touch
 * needs neither the value nor a checksum made in Lua; whoever reads the entry brings its header up to date.
 */
export const MAGIC = "zce1"
export const ORDINAL_AT = 8
export const LIFTED_AT = 64
export const SLID_AT = 76
export const HEAD_BYTES = 88
const IDLE_UNTIL_AT = 40
const END_AT = 48
const GRACE_AT = 56
/** The part of a record that an amendment is bound to: epoch and keyVersion. */
const IDENTITY_BYTES = 24
export const AMENDMENT_BYTES = 12
const LIFT_SEED = 1
const SLIDE_SEED = 2

export function writeRecord(header: EntryHeader, bytes: Uint8Array): Buffer {
  const record = Buffer.allocUnsafe(HEAD_BYTES + bytes.length)
  record.write(MAGIC, 0, "latin1")
  writeRank(record, ORDINAL_AT, header)
  record.writeDoubleLE(header.idleUntilMs, IDLE_UNTIL_AT)
  record.writeDoubleLE(header.expiresAtMs + header.graceMs, END_AT)
  record.writeDoubleLE(header.graceMs, GRACE_AT)
  record.fill(0, LIFTED_AT, HEAD_BYTES)
  record.writeUInt32LE(crc32(record.subarray(ORDINAL_AT, LIFTED_AT)), 4)
  record.set(bytes, HEAD_BYTES)
  return record
}

/** A rank as scripts read it: the same 32 bytes as in a record. */
export function packRank(rank: Rank): Buffer {
  const packed = Buffer.allocUnsafe(32)
  writeRank(packed, 0, rank)
  return packed
}

/** Bytes that a touch writes over the fields at 64 and at 76; empty where it changes nothing. */
export function packAmendment(rank: Rank, { asOf, idleUntilMs }: Amendment): { lifted: Buffer; slid: Buffer } {
  const identity = packRank(rank)
  return {
    lifted: asOf === undefined ? EMPTY : field(identity, asOf, LIFT_SEED),
    slid: idleUntilMs === undefined ? EMPTY : field(identity, idleUntilMs, SLIDE_SEED),
  }
}

/** When a record that nobody has amended is of no more use to anybody; Unix milliseconds, may be Infinity. */
export function endOfRecord(record: Buffer): number {
  return Math.min(record.readDoubleLE(END_AT), record.readDoubleLE(IDLE_UNTIL_AT) + record.readDoubleLE(GRACE_AT))
}

/** The codec's bytes with all amendments; they share the record's memory. @throws CorruptEntryError */
export function readRecord(record: Buffer, codec: Pick<EntryCodec, "amend">): Buffer {
  if (record.length < HEAD_BYTES || record.toString("latin1", 0, 4) !== MAGIC) {
    throw new CorruptEntryError("it does not begin like an entry in Redis")
  }
  if (crc32(record.subarray(ORDINAL_AT, LIFTED_AT)) !== record.readUInt32LE(4)) {
    throw new CorruptEntryError("its rank does not match its checksum")
  }
  const bytes = record.subarray(HEAD_BYTES)
  const isLifted = !isEmpty(record, LIFTED_AT)
  const isSlid = !isEmpty(record, SLID_AT)
  if (isLifted || isSlid) {
    const change: HeaderChange = {
      ...(isLifted ? { asOf: readField(record, LIFTED_AT, LIFT_SEED) } : {}),
      ...(isSlid ? { idleUntilMs: readField(record, SLID_AT, SLIDE_SEED) } : {}),
    }
    codec.amend(bytes, change)
  }
  return bytes
}

const EMPTY = Buffer.alloc(0)

function writeRank(target: Buffer, at: number, { epoch, keyVersion, asOf }: Rank): void {
  target.writeDoubleLE(epoch.ordinal, at)
  digestOf(epoch.nonce).copy(target, at + 8)
  target.writeDoubleLE(keyVersion, at + 16)
  target.writeDoubleLE(asOf, at + 24)
}

// Nearly all entries that a process writes are of one epoch.
let lastNonce = ""
let lastDigest: Buffer | undefined

function digestOf(nonce: string): Buffer {
  if (lastDigest === undefined || nonce !== lastNonce) {
    lastNonce = nonce
    lastDigest = createHash("sha256").update(nonce).digest().subarray(0, 8)
  }
  return lastDigest
}

function field(identity: Buffer, value: number, seed: number): Buffer {
  const made = Buffer.allocUnsafe(AMENDMENT_BYTES)
  made.writeDoubleLE(value, 0)
  made.writeUInt32LE(crcOf(identity.subarray(0, IDENTITY_BYTES), made, seed), 8)
  return made
}

function readField(record: Buffer, at: number, seed: number): number {
  const made = record.subarray(at, at + AMENDMENT_BYTES)
  const identity = record.subarray(ORDINAL_AT, ORDINAL_AT + IDENTITY_BYTES)
  if (crcOf(identity, made, seed) !== made.readUInt32LE(8)) {
    throw new CorruptEntryError("an amendment of it does not match its checksum")
  }
  return made.readDoubleLE(0)
}

function crcOf(identity: Buffer, made: Buffer, seed: number): number {
  return crc32(made.subarray(0, 8), crc32(identity, seed))
}

function isEmpty(record: Buffer, at: number): boolean {
  return record.readUInt32LE(at) === 0 && record.readUInt32LE(at + 4) === 0 && record.readUInt32LE(at + 8) === 0
}

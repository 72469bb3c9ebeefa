import type { Epoch, Version } from "../tags/version.js"

/** The part of an entry that is read without decoding its value. Times are Unix milliseconds. */
export interface EntryHeader {
  /** The public key, to tell apart entries that a store keeps in one place. */
  readonly key: string
  readonly epoch: Epoch
  readonly asOf: Version
  readonly keyVersion: Version
  readonly storedAtMs: number
  /** Infinity: never. */
  readonly expiresAtMs: number
  /** How long past its expiry it may still be served. */
  readonly graceMs: number
  /** Infinity: it may go unread for ever. */
  readonly idleTtlMs: number
  readonly idleUntilMs: number
  /** Tags, as paths. */
  readonly tags: readonly string[]
  /** Public keys of other entries that it was made of. */
  readonly keys: readonly string[]
}

/** The fields that may be changed in encoded bytes, in place, without touching the value. */
export type HeaderChange = Partial<Pick<EntryHeader, "asOf" | "keyVersion" | "idleUntilMs">>

/** Entries as bytes. Bytes may come from anywhere: reading validates them and throws `CorruptEntryError`. */
export interface EntryCodec {
  /**
   * Throws `UnencodableValueError` for a value that would not come back as it is, and `EntryTooLargeError` beyond the
   * size limit. The bytes are the caller's.
   */
  encode(header: EntryHeader, value: unknown): Uint8Array
  decodeHeader(bytes: Uint8Array): EntryHeader
  /**
   * A value of its own, which shares no memory with `bytes`. `isFrozen`: whoever makes its objects may freeze all of them
   * on the way, from the inside out, which is cheaper than doing it afterwards. Objects that come back unfrozen are
   * frozen then.
   */
  decodeValue(bytes: Uint8Array, isFrozen?: boolean): unknown
  amend(bytes: Uint8Array, change: HeaderChange): void
}

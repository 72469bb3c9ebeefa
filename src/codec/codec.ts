import type { Packr } from "msgpackr"
import type { EntryCodec, EntryHeader, HeaderChange } from "../core/ports/codec.js"
import { madeOf } from "../core/ports/made-of.js"
import {
  CorruptEntryError,
  EntryTooLargeError,
  InvalidOptionError,
  isA,
  messageOf,
  UnencodableValueError,
} from "../core/base/errors.js"
import { amendHeader, ASCII_ONLY, COMPRESSED, MARKED, readHeader, readPayload, SHAPED, writeEntry } from "./header.js"
import { Lowering } from "./lowering.js"
import { loadPeers, type Peers } from "./peer-packages.js"
import { NOT_PLAIN, plainSize, wasAscii } from "./json-values.js"
import { Raising } from "./raising.js"
import { parse } from "./parse.js"
import { scan } from "./scan.js"
import { Shaping } from "./shaping.js"
import { NO_TYPES, type UserTypes, type ValueType, withType } from "./user-types.js"

export interface CodecOptions {
  /** From how many bytes on a value is compressed, if that makes it smaller by an eighth. Default 2048; Infinity: never. */
  readonly threshold?: number | undefined
  /** The largest entry in bytes, as stored, and as decompressed with the names of all properties. Default 16 MiB. */
  readonly maxEntryBytes?: number | undefined
}

/** Entries as bytes: MessagePack, compressed with LZ4 if large, behind a header with checksums. */
export interface Codec extends EntryCodec {
  /**
   * A codec with one more class whose instances come back. This one stays as it is. All processes that share a store
   * need the same types, in any order.
   *
   * @example
   * const codec = createCodec().extend({
   *   name: "Money",
   *   class: Money,
   *   encode: (money) => [money.cents, money.currency],
   *   decode: ([cents, currency]) => new Money(cents, currency),
   * })
   * @throws InvalidOptionError
   */
  extend<T extends object, D>(type: ValueType<T, D>): Codec
}

interface Settings {
  readonly threshold: number
  readonly maxEntryBytes: number
}

// A read of a smaller value would spend more on decompressing it than on all the rest of its header and checks.
const THRESHOLD = 2_048
const MAX_ENTRY_BYTES = 16 * 1024 * 1024
/** Below it all lengths are small integers, with room for their flags. */
const LARGEST_LIMIT = 2 ** 30 - 1
/** msgpackr keeps a buffer of four times the largest value that it ever wrote, for the whole process. */
const LARGEST_KEPT_BUFFER = 256 * 1024
const USUAL_BUFFER = 8 * 1024
/** An array, an object or a byte string may stand for so many bytes of the limit: it takes more than that in memory. */
const BYTES_PER_OBJECT = 16
/** LZ4 can't shrink more than to 1/255. */
const LARGEST_RATIO = 255
/** LZ4 blocks as lz4-napi has them begin with the length of what is in them. */
const BLOCK_PREFIX = 4

/**
 * Makes a codec. The packages `msgpackr` and `lz4-napi` have to be installed.
 *
 * @throws InvalidOptionError
 * @throws ConfigurationError if one of the packages is missing.
 */
export function createCodec(options: CodecOptions = {}): Codec {
  return new MessagePackCodec(loadPeers(), settingsOf(options), NO_TYPES)
}

function settingsOf(options: CodecOptions): Settings {
  if (typeof options !== "object" || options === null) {
    throw new InvalidOptionError("options", options, "it must be an object")
  }
  const { threshold = THRESHOLD, maxEntryBytes = MAX_ENTRY_BYTES, ...unknown } = options
  const [name] = Object.keys(unknown)
  if (name !== undefined) throw new InvalidOptionError(name, unknown[name as never], "there is no such option")
  if (typeof threshold !== "number" || !(threshold >= 0)) {
    throw new InvalidOptionError("threshold", threshold, "it must be a number of bytes, 0 or more; Infinity for never")
  }
  if (!Number.isSafeInteger(maxEntryBytes) || maxEntryBytes < 1 || maxEntryBytes > LARGEST_LIMIT) {
    throw new InvalidOptionError("maxEntryBytes", maxEntryBytes, `it must be a number of bytes, 1 to ${LARGEST_LIMIT}`)
  }
  return { threshold, maxEntryBytes }
}

class MessagePackCodec implements Codec {
  readonly #peers: Peers
  readonly #settings: Settings
  readonly #types: UserTypes
  readonly #packr: Packr
  readonly #maxObjects: number

  constructor(peers: Peers, settings: Settings, types: UserTypes) {
    madeOf(this, ["codec", settings, ...types.byName.values()])
    this.#peers = peers
    this.#settings = settings
    this.#types = types
    this.#maxObjects = Math.max(BYTES_PER_OBJECT, Math.floor(settings.maxEntryBytes / BYTES_PER_OBJECT))
    const { Packr } = peers.msgpackr
    // No records: they are no MessagePack, and keep state between entries. Sizes of objects of which any is allowed;
    // nobody's `toJSON`.
    this.#packr = new Packr({ useRecords: false, variableMapSize: true, useToJSON: false })
  }

  extend<T extends object, D>(type: ValueType<T, D>): Codec {
    return new MessagePackCodec(this.#peers, this.#settings, withType(this.#types, type as unknown as ValueType))
  }

  encode(header: EntryHeader, value: unknown): Uint8Array {
    const { maxEntryBytes } = this.#settings
    let flags = 0
    let tree = value
    let bytes = plainSize(value, maxEntryBytes)
    if (bytes === NOT_PLAIN) {
      const lowering = new Lowering(this.#types, maxEntryBytes)
      tree = this.#guarded(value, () => lowering.lower(value))
      bytes = lowering.bytes
      flags |= MARKED
    } else if (wasAscii()) flags |= ASCII_ONLY
    // Before it is written: a value of a gigabyte would take three for that.
    if (bytes > maxEntryBytes) throw new EntryTooLargeError(header.key, bytes, maxEntryBytes)
    const shaped = this.#guarded(value, () => new Shaping().shape(tree))
    if (shaped !== undefined) {
      try {
        return this.#write(header, flags | SHAPED, shaped, value)
      } catch (error) {
        // Each shape is one part more than the value has without.
        if (!isA(error, UnencodableValueError)) throw error
      }
    }
    return this.#write(header, flags, tree, value)
  }

  #write(header: EntryHeader, flags: number, tree: unknown, value: unknown): Uint8Array {
    const raw = this.#guarded(value, () => this.#pack(tree))
    try {
      this.#check(raw, flags, value, header.key)
      return this.#seal(header, flags, raw)
    } finally {
      if (raw.length > LARGEST_KEPT_BUFFER) this.#packr.useBuffer(Buffer.allocUnsafeSlow(USUAL_BUFFER))
    }
  }

  decodeHeader(bytes: Uint8Array): EntryHeader {
    return readHeader(bytes)
  }

  decodeValue(bytes: Uint8Array, isFrozen = false): unknown {
    const { start, flags, rawLength } = readPayload(bytes)
    if (rawLength > this.#settings.maxEntryBytes) {
      throw new CorruptEntryError(`its value has ${rawLength} bytes, more than \`maxEntryBytes\` allows`)
    }
    try {
      if ((flags & COMPRESSED) !== 0) {
        const raw = this.#decompress(bytes.subarray(start, bytes.length), rawLength)
        return this.#read(raw, 0, rawLength, flags, isFrozen)
      }
      if (bytes.length - start !== rawLength) throw new CorruptEntryError("its value is not as long as its header says")
      if ((flags & MARKED) !== 0 && this.#types.byName.size > 0) {
        // The decoders of users may read other entries meanwhile, into the memory that this one lies in.
        return this.#read(Uint8Array.prototype.slice.call(bytes, start, bytes.length), 0, rawLength, flags, isFrozen)
      }
      return this.#read(bytes, start, bytes.length, flags, isFrozen)
    } catch (error) {
      if (isA(error, CorruptEntryError)) throw error
      throw new CorruptEntryError(messageOf(error), error)
    }
  }

  amend(bytes: Uint8Array, change: HeaderChange): void {
    amendHeader(bytes, change)
  }

  #pack(tree: unknown): Buffer {
    // The packer's buffer is free again at once: the caller copies.
    return this.#packr.pack(tree, this.#peers.msgpackr.RESET_BUFFER_MODE)
  }

  #read(source: Uint8Array, start: number, end: number, flags: number, isFrozen: boolean): unknown {
    const isMarked = (flags & MARKED) !== 0
    scan(source, start, end, isMarked, this.#maxObjects)
    // A tree with marks is still changed, and not frozen.
    const tree = parse(source, start, end, {
      hasOnlyAscii: (flags & ASCII_ONLY) !== 0,
      isShaped: (flags & SHAPED) !== 0,
      isFrozen: isFrozen && !isMarked,
    })
    return isMarked ? new Raising(this.#types).raise(tree) : tree
  }

  #decompress(block: Uint8Array, rawLength: number): Uint8Array {
    // The library allocates what the block says, so that has to be looked at first.
    if (block.length < BLOCK_PREFIX || rawLength > block.length * LARGEST_RATIO || length32(block) !== rawLength) {
      throw new CorruptEntryError("its compressed value is not as long as its header says")
    }
    const raw = this.#peers.lz4.uncompressSync(block)
    if (raw.length !== rawLength) throw new CorruptEntryError("its value is not as long as its header says")
    return raw
  }

  /** Compresses it where that pays, and puts the header in front. */
  #seal(header: EntryHeader, flags: number, raw: Buffer): Uint8Array {
    const { threshold, maxEntryBytes } = this.#settings
    const compressed = raw.length >= threshold ? this.#peers.lz4.compressSync(raw) : undefined
    const pays = compressed !== undefined && compressed.length <= raw.length - raw.length / 8
    const entry = pays
      ? writeEntry(header, flags | COMPRESSED, raw.length, compressed)
      : writeEntry(header, flags, raw.length, raw)
    if (entry.length > maxEntryBytes) throw new EntryTooLargeError(header.key, entry.length, maxEntryBytes)
    return entry
  }

  /** Bytes that can't be read must not be written, for example because someone gave msgpackr an extension for Buffers. */
  #check(raw: Uint8Array, flags: number, value: unknown, key: string): void {
    const { maxEntryBytes } = this.#settings
    if (raw.length > maxEntryBytes) throw new EntryTooLargeError(key, raw.length, maxEntryBytes)
    try {
      scan(raw, 0, raw.length, (flags & MARKED) !== 0, this.#maxObjects)
    } catch (error) {
      throw new UnencodableValueError("", value, `which could not be read again: ${messageOf(error)}`)
    }
  }

  /** Turns what the engine throws, at the end of the stack or of memory, into a refusal. */
  #guarded<T>(value: unknown, run: () => T): T {
    try {
      return run()
    } catch (error) {
      if (isA(error, UnencodableValueError)) throw error
      throw new UnencodableValueError("", value, `which can't be encoded: ${messageOf(error)}`)
    }
  }
}

function length32(block: Uint8Array): number {
  return (
    ((block[0] as number) |
      ((block[1] as number) << 8) |
      ((block[2] as number) << 16) |
      ((block[3] as number) << 24)) >>>
    0
  )
}

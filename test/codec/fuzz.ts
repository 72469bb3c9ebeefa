/**
 * Random entries, damaged entries and forged ones, against one codec. `hostile.test.ts` runs some, `npm run fuzz` as many
 * as one likes.
 */
import { createRequire } from "node:module"
import { types } from "node:util"
import { crc32 } from "node:zlib"
import { CorruptEntryError, UnencodableValueError } from "../../src/core/base/errors.js"
import { type Codec, createCodec, type EntryHeader } from "../../src/codec/index.js"
import { writeEntry } from "../../src/codec/header.js"
import { ERROR_CLASSES } from "../../src/codec/type-codes.js"
import { differenceOf } from "../../src/testing/same-value.js"

const lz4 = createRequire(import.meta.url)("lz4-napi") as { compressSync(bytes: Buffer): Buffer }

export type Random = () => number

/** Mulberry32: a seed tells the whole run. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export const SAMPLE_HEADER: EntryHeader = {
  key: "f:getUser::42",
  epoch: { ordinal: 1_764_000_000, nonce: "a1B2c3D4" },
  asOf: 1_764_000_000_000 * 1024 + 3,
  keyVersion: 1_764_000_000_000 * 1024,
  storedAtMs: 1_764_000_000_123,
  expiresAtMs: 1_764_000_360_123.5,
  graceMs: 60_000,
  idleTtlMs: Infinity,
  idleUntilMs: Infinity,
  tags: ["user:42", "größe"],
  keys: ["f:getOrg::7"],
}

/** An entry with checksums that are right, whatever its value says. */
export function forge(payload: Uint8Array, flags = 0, rawLength = payload.length, header = SAMPLE_HEADER): Buffer {
  return writeEntry(header, flags, rawLength, payload)
}

/** Makes the checksums right, as far as the lengths allow. */
export function repair(bytes: Buffer): Buffer {
  if (bytes.length < 108) return bytes
  const headerLength = bytes.readUInt32LE(8)
  if (headerLength < 108 || headerLength > bytes.length) return bytes
  bytes.writeUInt32LE(bytes.length - headerLength, 12)
  const seed = (bytes.readUInt32LE(16) ^ (bytes.readUInt32LE(88) << 28)) >>> 0
  bytes.writeUInt32LE(crc32(bytes.subarray(headerLength), seed), 20)
  bytes.writeUInt32LE(crc32(bytes.subarray(8, headerLength)), 4)
  return bytes
}

export interface FuzzReport {
  readonly counts: Record<string, number>
  /** What went wrong, with what is needed to see it again. */
  readonly finds: string[]
}

const MAX_ENTRY_BYTES = 1024 * 1024
/** Far above what the largest entry takes. */
const SLOW_MS = 2_000

/** Runs cases until told to stop, or until there is a find. */
export function fuzz(random: Random, goesOn: (cases: number) => boolean): FuzzReport {
  const run = new Run(random)
  for (let cases = 0; goesOn(cases) && run.finds.length === 0; cases++) run.next()
  return { counts: run.counts, finds: run.finds }
}

/** A class of a user. A map, because the comparison looks into maps. */
class Point extends Map<string, unknown> {
  constructor(x: unknown) {
    super([["x", x]])
  }
}

function codecOf(threshold: number): Codec {
  return createCodec({ threshold, maxEntryBytes: MAX_ENTRY_BYTES }).extend({
    name: "Point",
    class: Point,
    encode: (point) => point.get("x"),
    decode: (x) => new Point(x),
  })
}

class Run {
  readonly counts: Record<string, number> = {}
  readonly finds: string[] = []
  readonly #random: Random
  readonly #codecs = [codecOf(Infinity), codecOf(0)]
  #sample: { value: unknown; bytes: Buffer } | undefined

  constructor(random: Random) {
    this.#random = random
  }

  next(): void {
    const sample = this.#newSample()
    const before = builtIns()
    const started = performance.now()
    const kind = pick(this.#random, ["damage", "repaired", "forged", "spliced", "soup", "header"] as const)
    const bytes = this.#bytesFor(kind, sample.bytes)
    // A copy: what is found must show the bytes as they were.
    this.#read(kind, bytes, Buffer.from(bytes), kind === "damage" ? sample.value : undefined)
    const tookMs = performance.now() - started
    if (tookMs > SLOW_MS) this.#find(kind, bytes, `took ${Math.round(tookMs)} ms`)
    if (builtIns() !== before) this.#find(kind, bytes, "changed a prototype")
    this.#checkUndisturbed(kind, bytes)
  }

  /** An entry that must come back, as it is. */
  #newSample(): { value: unknown; bytes: Buffer } {
    const value = randomValue(this.#random, 4)
    const codec = pick(this.#random, this.#codecs)
    const bytes = Buffer.from(codec.encode(SAMPLE_HEADER, value))
    const difference = differenceOf(codec.decodeValue(bytes), value)
    this.#count("round trips")
    if (difference !== undefined) this.#find("round trip", bytes, difference)
    return { value, bytes }
  }

  #bytesFor(kind: "damage" | "repaired" | "forged" | "spliced" | "soup" | "header", bytes: Buffer): Buffer {
    const random = this.#random
    const headerLength = bytes.readUInt32LE(8)
    switch (kind) {
      case "damage":
        return damage(random, bytes)
      case "repaired":
        return repair(damage(random, bytes, headerLength))
      case "header":
        return repair(damage(random, bytes, 8, headerLength))
      case "forged": {
        const payload = damage(random, bytes.subarray(headerLength))
        return forge(payload, int(random, 16), random() < 0.8 ? payload.length : int(random, 2 ** 32))
      }
      case "spliced": {
        const other = Buffer.from(pick(random, this.#codecs).encode(SAMPLE_HEADER, randomValue(random, 4)))
        const from = other.subarray(int(random, other.length))
        return repair(Buffer.concat([bytes.subarray(0, headerLength + int(random, bytes.length - headerLength)), from]))
      }
      case "soup": {
        const raw = soup(random)
        const isCompressed = random() < 0.2
        return forge(
          isCompressed ? lz4.compressSync(raw) : raw,
          (isCompressed ? 1 : 0) | (int(random, 8) * 2),
          raw.length,
        )
      }
    }
  }

  #read(kind: string, bytes: Buffer, copy: Buffer, original: unknown): void {
    const codec = pick(this.#random, this.#codecs)
    try {
      const header = codec.decodeHeader(copy)
      const value = codec.decodeValue(copy)
      const odd = oddityOf(value)
      if (odd !== undefined) this.#find(kind, bytes, odd)
      if (kind === "damage") {
        const difference = differenceOf(value, original) ?? differenceOf(header, SAMPLE_HEADER)
        if (difference !== undefined) this.#find(kind, bytes, `went unnoticed: ${difference}`)
      }
      this.#count(`${kind}: a value`)
      this.#writeAgain(kind, bytes, codec, value)
    } catch (error) {
      if (!(error instanceof CorruptEntryError)) {
        this.#find(kind, bytes, `threw ${error instanceof Error ? error.stack : String(error)}`)
      }
      this.#count(`${kind}: refused`)
    }
    if (!copy.equals(bytes)) this.#find(kind, bytes, "reading changed the bytes")
  }

  /** What could be read is a value like any other. */
  #writeAgain(kind: string, bytes: Buffer, codec: Codec, value: unknown): void {
    try {
      const difference = differenceOf(codec.decodeValue(codec.encode(SAMPLE_HEADER, value)), value)
      if (difference !== undefined) this.#find(kind, bytes, `is another value after the next round trip: ${difference}`)
    } catch (error) {
      // Nested more deeply than may be written, for example.
      if (!(error instanceof UnencodableValueError)) this.#find(kind, bytes, `can't be written again: ${String(error)}`)
    }
  }

  /** Nothing may remain of bytes that were read. */
  #checkUndisturbed(kind: string, bytes: Buffer): void {
    if (this.#sample === undefined || this.#random() < 0.01) this.#sample = this.#newSample()
    const { value, bytes: good } = this.#sample
    const difference = differenceOf((this.#codecs[0] as Codec).decodeValue(good), value)
    if (difference !== undefined) this.#find(kind, bytes, `changed how the next entry is read: ${difference}`)
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }

  #find(kind: string, bytes: Buffer, what: string): void {
    this.finds.push(`${kind}: ${what}\n  ${bytes.length} bytes: ${bytes.subarray(0, 4_096).toString("base64")}`)
  }
}

// --- damage ------------------------------------------------------------------------------------------------------------

function damage(random: Random, bytes: Buffer, from = 0, to = bytes.length): Buffer {
  let damaged = Buffer.from(bytes)
  const times = 1 + int(random, 3)
  for (let time = 0; time < times; time++) {
    const end = Math.max(from + 1, Math.min(to, damaged.length))
    const at = from + int(random, end - from)
    switch (int(random, to === bytes.length ? 6 : 3)) {
      case 0:
        if (at < damaged.length) damaged[at] = (damaged[at] as number) ^ (1 << int(random, 8))
        break
      case 1:
        if (at < damaged.length) damaged[at] = pick(random, ODD_BYTES)
        break
      case 2:
        if (at + 4 <= damaged.length) damaged.writeUInt32BE(pick(random, ODD_LENGTHS), at)
        break
      case 3:
        damaged = damaged.subarray(0, at)
        break
      case 4:
        damaged = Buffer.concat([damaged.subarray(0, at), Buffer.of(pick(random, ODD_BYTES)), damaged.subarray(at)])
        break
      default: {
        const start = from + int(random, end - from)
        damaged = Buffer.concat([damaged.subarray(0, at), damaged.subarray(Math.min(start, at))])
      }
    }
  }
  return Buffer.from(damaged)
}

const ODD_LENGTHS = [0, 1, 0x7f, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x01000000]
const ODD_BYTES = Array.from({ length: 256 }, (_, byte) => byte)

// --- soups -------------------------------------------------------------------------------------------------------------

/** MessagePack of all kinds, with what msgpackr understands beyond it; often broken. */
function soup(random: Random): Buffer {
  const parts: Buffer[] = []
  cook(random, parts, 0, { left: 1 + int(random, 60) })
  return Buffer.concat(parts)
}

const KEYS = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "toJSON",
  "then",
  "length",
  "a",
  "b",
  "",
  "\0",
  "7",
  "1000",
]

function cook(random: Random, parts: Buffer[], depth: number, room: { left: number }): void {
  room.left--
  const inner = (count: number): void => {
    for (let index = 0; index < count && room.left > 0; index++) cook(random, parts, depth + 1, room)
  }
  const few = depth > 6 ? 0 : int(random, 6)
  switch (int(random, 18)) {
    case 0:
      parts.push(Buffer.of(0x90 | few))
      inner(few)
      return
    case 16: // objects of a shape, and arrays where there are shapes
      parts.push(Buffer.of(0x90 | (few + 1), int(random, 4)))
      inner(few)
      return
    case 17:
      parts.push(Buffer.of(0x90 | (2 + few), 1, 0x90 | few))
      for (let index = 0; index < few; index++) parts.push(text(pick(random, KEYS)))
      inner(few)
      return
    case 1:
      parts.push(Buffer.of(0x80 | few))
      for (let index = 0; index < few; index++) {
        parts.push(text(pick(random, KEYS)))
        inner(1)
      }
      return
    case 2: // marks of this codec
      parts.push(Buffer.of(0x90 | (few + 1), 0xc4, 1, int(random, 64)))
      inner(few)
      return
    case 3: {
      const length = int(random, 12)
      parts.push(Buffer.of(0xc4, length, ...Array.from({ length }, (_, at) => int(random, at === 0 ? 8 : 256))))
      return
    }
    case 4: // records
      parts.push(Buffer.of(0xd4, 0x72, 0x40 + int(random, 4), 0x90 | few))
      for (let index = 0; index < few; index++) parts.push(text(pick(random, KEYS)))
      inner(few)
      return
    case 5: // references of structured clones, errors, sets, regular expressions, bundles, undefined
      parts.push(Buffer.of(0xd6, pick(random, [0x69, 0x70, 0x62]), 0, 0, 0, int(random, 4)))
      inner(1)
      return
    case 6:
      parts.push(Buffer.of(0xd4, pick(random, [0, 0x65, 0x73, 0x78, 0x74, 0x42, 0xff]), 0))
      inner(1)
      return
    case 7:
      parts.push(
        Buffer.of(pick(random, [0xc7, 0xc8, 0xc9, 0xd5, 0xd7, 0xd8, 0xc1, 0xca, 0xcf, 0xd3]), int(random, 256)),
      )
      return
    case 8: {
      const length = Buffer.alloc(4)
      length.writeUInt32BE(pick(random, ODD_LENGTHS))
      parts.push(Buffer.of(pick(random, [0xdd, 0xdf, 0xdb, 0xc6])), length)
      inner(few)
      return
    }
    case 9:
      parts.push(Buffer.of(0x40 + int(random, 64)))
      return
    case 10: {
      const float = Buffer.alloc(9)
      float[0] = 0xcb
      float.writeDoubleBE(pick(random, [NaN, Infinity, -0, 1.5, 2 ** 60]), 1)
      parts.push(float)
      return
    }
    case 11: // text that is no UTF-8
      parts.push(Buffer.of(0xa0 | 3, 0xed, 0xa0, 0x80 + int(random, 64)))
      return
    case 12:
      parts.push(Buffer.of(0xde, 0, few))
      for (let index = 0; index < few; index++) inner(2)
      return
    case 13:
      parts.push(
        text(pick(random, ["Error", "TypeError", "AggregateError", "Point", "Nobody", "eval", "(a+)+$", "gg"])),
      )
      return
    default:
      parts.push(Buffer.of(int(random, 256)))
  }
}

function text(content: string): Buffer {
  const bytes = Buffer.from(content)
  return Buffer.concat([Buffer.of(0xa0 | bytes.length), bytes])
}

// --- values ------------------------------------------------------------------------------------------------------------

function randomValue(random: Random, depth: number, met: object[] = []): unknown {
  const few = depth <= 0 ? 0 : int(random, 5)
  const inner = (): unknown => randomValue(random, depth - 1, met)
  const keep = <T extends object>(value: T): T => {
    met.push(value)
    return value
  }
  switch (int(random, depth <= 0 ? 14 : 24)) {
    case 0:
      return int(random, 300) - 100
    case 1:
      return (random() - 0.5) * 2 ** int(random, 80)
    case 2:
      return pick(random, [null, true, false, undefined, NaN, -0, Infinity, -Infinity, 2 ** 53, -(2 ** 31)])
    case 3:
    case 4:
      return randomText(random)
    case 5:
      return BigInt(Math.floor(random() * 2 ** 53)) ** BigInt(int(random, 6)) * (random() < 0.5 ? -1n : 1n)
    case 6:
      return keep(new Date(random() < 0.1 ? NaN : Math.floor((random() - 0.5) * 8.64e15)))
    case 7:
      return keep(Buffer.from(randomText(random)))
    case 8:
      return keep(new Float32Array([random(), -0, NaN]))
    case 9:
      return keep(new BigInt64Array([BigInt(int(random, 1000))]))
    case 10:
      return keep(/a(?<b>\/)/giu)
    case 11:
      return met.length === 0 ? null : pick(random, met)
    case 12:
      return keep(new Uint8Array(int(random, 40)).fill(7).buffer)
    case 13:
      return keep(new URL(`https://example.com/${int(random, 100)}`))
    case 14: {
      const array = keep<unknown[]>([])
      for (let index = 0; index < few; index++) array.push(inner())
      return array
    }
    case 15: {
      const names = [...new Set([randomText(random), "id", "name"])].slice(0, 1 + int(random, 3))
      const row = () => Object.fromEntries(names.map((name) => [name, inner()]))
      return keep(Array.from({ length: few }, () => keep(row())))
    }
    case 16:
    case 17:
    case 18:
    case 19: {
      const object = keep<object>(random() < 0.2 ? (Object.create(null) as object) : {})
      for (let index = 0; index < few; index++) {
        const name = random() < 0.2 ? pick(random, KEYS) : randomText(random)
        Object.defineProperty(object, name, { value: inner(), enumerable: true, writable: true, configurable: true })
      }
      return object
    }
    case 20: {
      const map = keep(new Map<unknown, unknown>())
      for (let index = 0; index < few; index++) map.set(inner(), inner())
      return map
    }
    case 21: {
      const set = keep(new Set<unknown>())
      for (let index = 0; index < few; index++) set.add(inner())
      return set
    }
    case 22: {
      const error = keep(new (pick(random, [Error, TypeError, RangeError]))(randomText(random)))
      if (random() < 0.5) error.cause = inner()
      if (random() < 0.5) Object.assign(error, { code: "ENOENT" })
      return error
    }
    default:
      // Built after its parts, so that it is in none of them.
      return keep(new Point(randomValue(random, depth - 1)))
  }
}

function randomText(random: Random): string {
  const length = random() < 0.05 ? int(random, 3_000) : int(random, 24)
  const from = pick(random, [
    [97, 26],
    [32, 95],
    [0, 0x500],
    [0xd700, 0x200],
    [0, 0x10000],
  ] as const)
  let made = ""
  for (let index = 0; index < length; index++) made += String.fromCharCode(from[0] + int(random, from[1]))
  return made
}

// --- looking -----------------------------------------------------------------------------------------------------------

/** What no decoded value may hold; undefined if there is nothing of the kind. */
function oddityOf(root: unknown): string | undefined {
  const queue: unknown[] = [root]
  const seen = new Set<unknown>()
  while (queue.length > 0) {
    const value = queue.pop()
    if (typeof value === "function" || typeof value === "symbol") return `holds a ${typeof value}`
    if (typeof value !== "object" || value === null || seen.has(value)) continue
    seen.add(value)
    const prototype: unknown = Object.getPrototypeOf(value)
    if (!KNOWN_PROTOTYPES.has(prototype)) return "holds an object with a prototype of its own"
    if (types.isMap(value)) for (const [key, member] of value) queue.push(key, member)
    else if (types.isSet(value)) queue.push(...value)
    else if (!ArrayBuffer.isView(value)) {
      for (const name of Reflect.ownKeys(value)) {
        const property = Object.getOwnPropertyDescriptor(value, name)
        if (property?.get !== undefined && name !== "stack") return "holds an accessor"
        queue.push(property?.value)
      }
    }
  }
  return undefined
}

const CLASSES: readonly { readonly prototype: unknown }[] = [
  Object,
  Array,
  Date,
  RegExp,
  Map,
  Set,
  URL,
  Point,
  Buffer,
  ArrayBuffer,
  DataView,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  ...Object.values(ERROR_CLASSES),
]
const KNOWN_PROTOTYPES = new Set<unknown>([null, ...CLASSES.map(({ prototype }) => prototype)])

/** What forged bytes would like to change. */
function builtIns(): string {
  return [Object, Array, Function, Error, Map, Date, Uint8Array, Buffer]
    .map((each) => Reflect.ownKeys(each.prototype as object).length)
    .join()
}

function int(random: Random, below: number): number {
  return Math.floor(random() * below)
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[int(random, from.length)] as T
}

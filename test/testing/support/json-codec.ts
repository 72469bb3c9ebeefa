import type { EntryCodec, EntryHeader } from "../../../src/core/ports/codec.js"
import { CorruptEntryError } from "../../../src/core/base/errors.js"

const NUMBERS = ["asOf", "keyVersion", "expiresAtMs", "graceMs", "idleTtlMs", "idleUntilMs"] as const

/** The smallest codec for tests of stores: header and value as JSON in UTF-16. */
export const jsonCodec: EntryCodec = {
  encode: (header, value) => write(header, value),
  decodeHeader: (bytes) => read(bytes).header,
  decodeValue: (bytes) => read(bytes).value,
  amend: (bytes, change) => {
    const { header, value } = read(bytes)
    bytes.set(write({ ...header, ...change }, value))
  },
}

function write(header: EntryHeader, value: unknown): Uint8Array {
  // JSON has no Infinity, and an amended entry must have the length that it had.
  const numbers = Object.fromEntries(NUMBERS.map((name) => [name, String(header[name]).padStart(20)]))
  return new Uint8Array(Buffer.from(JSON.stringify({ header: { ...header, ...numbers }, value }), "utf16le"))
}

function read(bytes: Uint8Array): { header: EntryHeader; value: unknown } {
  try {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf16le")
    const { header, value } = JSON.parse(text) as { header: EntryHeader; value: unknown }
    const numbers = Object.fromEntries(NUMBERS.map((name) => [name, Number(header[name] as unknown)]))
    return { header: { ...header, ...numbers }, value }
  } catch (cause) {
    throw new CorruptEntryError("it is no JSON", cause)
  }
}

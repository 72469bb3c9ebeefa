import { createCodec, type EntryHeader } from "zoocache/codec"
import { SAMPLE_HEADER } from "./fuzz.js"

export const codec = createCodec()

export function header(part: Partial<EntryHeader> = {}): EntryHeader {
  return { ...SAMPLE_HEADER, ...part }
}

/** What comes back of a value. */
export function roundTrip(value: unknown, through = codec): unknown {
  return through.decodeValue(through.encode(SAMPLE_HEADER, value))
}

export function bare(properties: object = {}): object {
  return Object.assign(Object.create(null) as object, properties)
}

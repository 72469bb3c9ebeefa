import { CorruptEntryError } from "../core/base/errors.js"

/** Deeper than any value that may be written, marks included; msgpackr reads twice as deep without trouble. */
const MAX_SCAN_DEPTH = 2_000

/** Objects of more keys are hash tables: each key takes as much as an object, and a microsecond or two. */
const FEW_KEYS = 1_024

// Tokens that are still to come at the levels above. Each scan is over before the next begins.
const pending = new Int32Array(MAX_SCAN_DEPTH)

/** How many bytes follow a token that has nothing inside: a small number, a short text, `null`, a boolean; else -1. */
const skips = Int8Array.from({ length: 256 }, (_, token) => {
  if (token < 0x80 || token >= 0xe0) return 0
  if (token >= 0xa0 && token < 0xc0) return token - 0xa0
  return { 0xc0: 0, 0xc2: 0, 0xc3: 0, 0xcb: 8, 0xcc: 1, 0xcd: 2, 0xce: 4, 0xd0: 1, 0xd1: 2, 0xd2: 4 }[token] ?? -1
})

/**
 * Checks that bytes are one MessagePack value of the kinds that this codec writes, before msgpackr sees them: its
 * extensions, records and string bundles have state of their own, its native part looks ahead in the bytes, and a
 * few bytes can make it allocate a lot. Also what is written is checked, so that everything written can be read.
 *
 * @param mayHoldBytes whether byte strings are among those kinds
 * @param maxObjects the number of arrays, objects and byte strings, and of keys in objects with many: each takes far
 *   more memory than it has bytes here
 * @throws CorruptEntryError
 */
export function scan(bytes: Uint8Array, start: number, end: number, mayHoldBytes: boolean, maxObjects: number): void {
  let at = start
  let depth = 0
  let left = 1
  let room = maxObjects
  for (;;) {
    while (left === 0) {
      if (depth === 0) {
        if (at !== end) throw new CorruptEntryError("there are bytes behind its value")
        return
      }
      left = pending[--depth] as number
    }
    left--
    if (at >= end) throw truncated()
    const token = bytes[at++] as number
    const skip = skips[token] as number
    if (skip >= 0) {
      at += skip
      continue
    }
    let children = 0
    if (token < 0x90) children = (token & 0x0f) * 2
    else if (token < 0xa0) children = token & 0x0f
    else {
      switch (token) {
        // Lengths are written in one byte, in two or in four.
        case 0xd9: // text
        case 0xda:
        case 0xdb:
          at = after(bytes, at, end, 1 << (token - 0xd9))
          continue
        case 0xc4: // bytes
        case 0xc5:
        case 0xc6:
          at = after(bytes, at, end, 1 << (token - 0xc4))
          break
        case 0xdc: // an array
        case 0xdd: {
          const width = token === 0xdc ? 2 : 4
          children = count(bytes, at, end, width)
          at += width
          break
        }
        case 0xde: // an object
        case 0xdf: {
          const width = token === 0xde ? 2 : 4
          children = count(bytes, at, end, width) * 2
          if (children > 2 * FEW_KEYS) room -= children >> 1
          at += width
          break
        }
        default:
          throw new CorruptEntryError(`its value has a token ${token.toString(16)}, which is never written`)
      }
      if (token <= 0xc6 && !mayHoldBytes) throw new CorruptEntryError("its value has bytes where none are written")
    }
    if (--room < 0) throw new CorruptEntryError("its value has too many parts")
    if (children > 0) {
      if (depth === MAX_SCAN_DEPTH) throw new CorruptEntryError("its value is nested too deeply")
      pending[depth++] = left
      left = children
    }
  }
}

/** End of a text, or of bytes, whose length is written in `width` bytes. */
function after(bytes: Uint8Array, at: number, end: number, width: number): number {
  const length = count(bytes, at, end, width)
  const start = at + width
  if (length > end - start) throw truncated()
  return start + length
}

/** At most half of what 31 bits hold: it stays a small integer, also doubled, and with it all that is computed here. */
function count(bytes: Uint8Array, at: number, end: number, width: number): number {
  if (width > end - at) throw truncated()
  if (width === 1) return bytes[at] as number
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
  if (width === 2) return high
  if (high >= 0x4000) throw truncated()
  return (high << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)
}

function truncated(): CorruptEntryError {
  return new CorruptEntryError("its value ends in the middle")
}

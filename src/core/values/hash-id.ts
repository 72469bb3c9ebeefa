import type { EntryId } from "./id.js"

const number = new Float64Array(1)
const halves = new Uint32Array(number.buffer)

/** A well-mixed 32-bit hash of an id within its table; for eviction only, so two ids may meet. */
export function hashId(id: EntryId, seed: number): number {
  let hash = seed
  if (typeof id === "string") {
    for (let index = 0; index < id.length; index += 1) hash = Math.imul(hash ^ id.charCodeAt(index), 0x5bd1e995)
  } else if (typeof id === "number") {
    number[0] = id
    hash = Math.imul(hash ^ (halves[0] as number), 0x85ebca6b) ^ (halves[1] as number)
  } else {
    hash ^= id === undefined ? 1 : id === null ? 2 : id ? 3 : 4
  }
  // The finisher of MurmurHash3 (Appleby, public domain): each bit of the input reaches each of the output.
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

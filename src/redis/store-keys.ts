import { createHash } from "node:crypto"
import { encodePrefix, LAYOUT } from "./keys.js"

/** Longer keys are known by their hash: Redis keeps each key whole, beside its value. */
const LONGEST_BYTES = 256

interface MaybeWellFormed {
  isWellFormed(): boolean
}

/**
 * The keys of entries in Redis: `zc1:e:<prefix>:<key>`. Braces are escaped, so that nothing of a user is a hash tag and
 * entries lie in all slots. The log's keys begin otherwise.
 */
export class EntryNames {
  readonly #start: string
  readonly #startOfLease: string

  constructor(prefix: string) {
    this.#start = `${LAYOUT}:e:${encodePrefix(prefix)}:`
    this.#startOfLease = `${LAYOUT}:l:${encodePrefix(prefix)}:`
  }

  /**
   * Key of an entry's lease: `zc1:l:<prefix>:{<name of the entry>}`. The name is the hash tag, so that entry and lease are
   * on the same server of a cluster, and commands for them arrive in their order.
   */
  leaseOf(name: string): string {
    return `${this.#startOfLease}{${name}}`
  }

  of(key: string): string {
    return this.#start + textPart(key)
  }
}

const special = /[%{}#]/
const allSpecial = /[%{}#]/g

/** A text with neither braces nor `#`, or `#` and its SHA-256 if it is too long or UTF-8 can't hold it. */
function textPart(text: string): string {
  const isShort = text.length * 3 <= LONGEST_BYTES || Buffer.byteLength(text) <= LONGEST_BYTES
  if (isShort && (text as unknown as MaybeWellFormed).isWellFormed()) {
    if (!special.test(text)) return text
    return text.replace(allSpecial, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
  }
  return `#${createHash("sha256").update(Buffer.from(text, "utf16le")).digest("base64url")}`
}

import { InvalidKeyError } from "../base/errors.js"
import { decodeArguments } from "./decode-arguments.js"
import { digest } from "./digest.js"
import { encodeArguments } from "./encode-arguments.js"
import { MAX_READABLE, quote } from "./key-text.js"

/**
 * The key of a call in its table's Map: a plain primitive where the call has a single plain argument, else a canonical
 * encoding that begins with "\0". The encoding is well-formed text; a plain string is as the caller gave it.
 */
export type EntryId = string | number | boolean | null | undefined

// 43 digits hold 258 bits: the last one has two that are always zero.
const hashed = /^#[\w-]{42}[AEIMQUYcgkosw048]$/

/**
 * The id of a call. Calls that a function could tell apart get different ids, except by: trailing `undefined`
 * arguments, the order of object keys, of the members of a Set or Map, the realm of an object, a null prototype,
 * whether a byte array is a Buffer, and named properties on typed arrays above 1,024 elements.
 *
 * Accepted inside arguments: primitives but symbols, dense arrays, plain objects, Date, RegExp, URL, Map, Set,
 * ArrayBuffer, typed arrays and DataView. Nothing is silently left out: what has a symbol key, an accessor, a hidden
 * property or a class of its own is refused.
 *
 * @throws InvalidKeyError naming the path of what can't be encoded; no accessor has run then.
 */
export function idOf(args: readonly unknown[]): EntryId {
  let count = args.length
  while (count > 0 && args[count - 1] === undefined) count--
  if (count === 0) return undefined
  if (count === 1) {
    const only = args[0]
    if (typeof only === "string") {
      if (only.length <= MAX_READABLE && only.charCodeAt(0) !== 0) return only
    } else if (typeof only === "number") {
      // A Map takes -0 for 0.
      if (only !== 0 || 1 / only > 0) return only
    } else if (typeof only === "boolean" || only === null) return only
  }
  const text = encodeArguments(args, count)
  // The hash is one that no attacker can collide: arguments often come from a request.
  return text.length <= MAX_READABLE ? `\0${text}` : `\0#${digest("sha256", text, "base64url")}`
}

/** The printable text of an id: well-formed, different for different ids, empty for a call without arguments. */
export function encodeId(id: EntryId): string {
  if (id === undefined) return ""
  if (typeof id !== "string") return String(id)
  return id.charCodeAt(0) === 0 ? id.slice(1) : quote(id)
}

/**
 * The id that `encodeId` made this text of.
 *
 * @throws InvalidKeyError for any other text.
 */
export function decodeId(text: string): EntryId {
  if (text === "") return undefined
  if (hashed.test(text)) return `\0${text}`
  let id: EntryId
  try {
    id = idOf(decodeArguments(text))
  } catch (cause) {
    throw new InvalidKeyError(text, "it encodes no arguments", { cause })
  }
  // Texts that the reader tolerates are caught here: there is one text for each id.
  if (encodeId(id) !== text) throw new InvalidKeyError(text, "it is not the canonical encoding of its arguments")
  return id
}

import { InvalidKeyError } from "../base/errors.js"
import { decodeId, encodeId, type EntryId } from "./id.js"

const reservedPrefix = "ƒ:"

/** The key of a call, as `keyOf` returns it: `ƒ:name:version:arguments`. */
export function functionKey(name: string, version: string | number | undefined, id: EntryId): string {
  if (version === "") throw new InvalidKeyError(version, "a version is not empty; leave it out instead")
  return `${reservedPrefix}${escapeName(name)}:${version === undefined ? "" : escapeName(String(version))}:${encodeId(id)}`
}

/**
 * The parts of a key that `functionKey` made; undefined for a key that doesn't begin with `ƒ:`. A numeric version comes
 * back as a string.
 *
 * @throws InvalidKeyError for a key that begins with `ƒ:` and was not made by `functionKey`.
 */
export function parseFunctionKey(key: string): { name: string; version: string | undefined; id: EntryId } | undefined {
  if (!key.startsWith(reservedPrefix)) return undefined
  const nameEnd = key.indexOf(":", reservedPrefix.length)
  const versionEnd = nameEnd === -1 ? -1 : key.indexOf(":", nameEnd + 1)
  if (versionEnd === -1) {
    throw new InvalidKeyError(key, `keys that begin with "${reservedPrefix}" are those that keyOf returns`)
  }
  const name = unescapeName(key, reservedPrefix.length, nameEnd)
  const version = nameEnd + 1 === versionEnd ? undefined : unescapeName(key, nameEnd + 1, versionEnd)
  try {
    return { name, version, id: decodeId(key.slice(versionEnd + 1)) }
  } catch (error) {
    throw error instanceof InvalidKeyError ? new InvalidKeyError(key, error.reason, { cause: error.cause }) : error
  }
}

/** The table of a public key and the rest of it, which the key's node is called by; without a look at the rest. */
export function splitKey(key: string): readonly [table: string, segment: string] {
  if (!key.startsWith(reservedPrefix)) return ["", key]
  const versionEnd = key.indexOf(":", key.indexOf(":", reservedPrefix.length) + 1) + 1
  return [key.slice(0, versionEnd), key.slice(versionEnd)]
}

/** Checks a key given by hand: a non-empty string. */
export function checkManualKey(key: unknown): asserts key is string {
  if (typeof key !== "string") throw new InvalidKeyError(key, "a key is a string")
  if (key === "") throw new InvalidKeyError(key, "it is empty")
}

// `:` separates the parts; white space and control characters would make a key hard to read and to copy.
const unsafeInName = /[%:\s\p{Cc}]/gu
const plainName = /^[\w$./-]*$/

function escapeName(name: string): string {
  if (plainName.test(name)) return name
  if (/\p{Surrogate}/u.test(name)) throw new InvalidKeyError(name, "a name or version has no lone surrogates")
  return name.replace(unsafeInName, encodeURIComponent)
}

function unescapeName(key: string, start: number, end: number): string {
  const escaped = key.slice(start, end)
  try {
    const name = decodeURIComponent(escaped)
    if (escapeName(name) === escaped) return name
  } catch {
    // Reported below: a percent sign that begins no byte, or bytes that are no UTF-8.
  }
  throw new InvalidKeyError(key, `${escaped} is no name or version that keyOf writes`)
}

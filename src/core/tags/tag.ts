import { InvalidTagError } from "../base/errors.js"

/** A value that may be interpolated into a tag. */
export type TagValue = string | number | bigint | boolean

// An invalidation checks its tag where it is given and takes it apart where it is applied.
let lastTag: string | undefined
let lastSegments: readonly string[] = []

const maxSegments = 16
const maxBytes = 256

/**
 * The segments of a tag.
 *
 * @throws InvalidTagError naming the tag and the reason.
 * @example
 * parseTag("org:1:user:42") // ["org", "1", "user", "42"]
 */
export function parseTag(tag: unknown): readonly string[] {
  if (typeof tag !== "string") throw new InvalidTagError(tag, "a tag is a string")
  if (tag === lastTag) return lastSegments
  const length = tag.length
  if (length === 0) throw new InvalidTagError(tag, "it is empty")
  // At least one byte each: what is too long is refused before it is looked at.
  if (length > maxBytes) throw tooLong(tag)
  const segments: string[] = []
  let start = 0
  let extraBytes = 0
  for (let index = 0; index < length; index++) {
    const code = tag.charCodeAt(index)
    if (code === 58 /* : */) {
      if (index === start) throw emptySegment(tag, segments.length)
      segments.push(tag.slice(start, index))
      start = index + 1
    } else if (code <= 32 || code === 42 /* * */ || code === 127) {
      throw new InvalidTagError(tag, `a tag has no ${describe(code)}`)
    } else if (code > 127) {
      checkBeyondAscii(tag, index, code)
      if (code < 0x800) extraBytes++
      else if (code < 0xd800 || code > 0xdfff) extraBytes += 2
      else {
        const isPair = code < 0xdc00 && (tag.charCodeAt(index + 1) & 0xfc00) === 0xdc00
        if (!isPair) throw new InvalidTagError(tag, "a lone surrogate has no UTF-8 encoding, so it can't be sent")
        extraBytes += 2
        index++
      }
    }
  }
  if (start === length) throw emptySegment(tag, segments.length)
  segments.push(start === 0 ? tag : tag.slice(start))
  if (length + extraBytes > maxBytes) throw tooLong(tag)
  if (segments.length > maxSegments) {
    throw new InvalidTagError(tag, `it has ${segments.length} segments, at most ${maxSegments} are allowed`)
  }
  lastTag = tag
  lastSegments = segments
  return segments
}

/**
 * Builds a tag from data: what is interpolated is percent-encoded where it would be forbidden or would change the
 * hierarchy, so one value is always one segment (or a part of one), and different texts stay different.
 * The literal parts are taken as they are.
 *
 * @throws InvalidTagError for null, undefined, the empty string, numbers that aren't finite, objects and symbols, and
 * where the result is no tag.
 * @example
 * tag`user:${"a:b*"}` // "user:a%3Ab%2A"
 */
export function tag(strings: TemplateStringsArray, ...values: TagValue[]): string {
  if (!Array.isArray(strings) || strings.length !== values.length + 1) {
    throw new InvalidTagError(strings, "`tag` is written in front of a template: tag`user:${id}`")
  }
  let text = ""
  for (let index = 0; index < strings.length; index++) {
    const literal = strings[index] as string | undefined
    if (literal === undefined) throw new InvalidTagError(strings.raw.join("${…}"), "it has an invalid escape sequence")
    text += literal
    if (index < values.length) text += encodeTagValue(values[index], literal)
  }
  parseTag(text)
  return text
}

// The test is separate because most values need no change, and `replace` costs more than `test`.
const needsEncoding = /[%:*\s\p{Cc}]/u
const allToEncode = /[%:*\s\p{Cc}]/gu

/**
 * A value as a part of one segment. `before` and `name` say in errors which value it is: by the literal before it, or by
 * its name.
 *
 * @throws InvalidTagError for what no tag can tell apart or hold.
 */
export function encodeTagValue(value: unknown, before: string, name?: string): string {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new InvalidTagError(value, `${place(before, name)} is not a finite number`)
  }
  if (
    typeof value !== "string" &&
    typeof value !== "number" &&
    typeof value !== "bigint" &&
    typeof value !== "boolean"
  ) {
    const kind = value === null ? "null" : value === undefined ? "undefined" : `of type ${typeof value}`
    throw new InvalidTagError(value, `${place(before, name)} is ${kind}; pass a string, number, bigint or boolean`)
  }
  const text = String(value)
  if (text === "") throw new InvalidTagError(text, `${place(before, name)} is the empty string`)
  if (!needsEncoding.test(text)) return text
  // encodeURIComponent leaves `*` alone.
  return text.replace(allToEncode, (character) => (character === "*" ? "%2A" : encodeURIComponent(character)))
}

function place(before: string, name: string | undefined): string {
  return name === undefined ? `the value after ${JSON.stringify(before || "the start")}` : `the value of \`${name}\``
}

const KEY_REASON =
  "it is the key of an entry, and what results depend on are tags. To remove that entry call `delete(key)`, or `delete` of " +
  "its cached function with the arguments of the call"

function checkBeyondAscii(tag: string, index: number, code: number): void {
  if (index === 0 && isKey(tag)) throw new InvalidTagError(tag, KEY_REASON)
  if (isForbiddenBeyondAscii(code)) throw new InvalidTagError(tag, `a tag has no ${describe(code)}`)
}

/** Keys of cached functions, and of scopes: no tag may be taken for one. */
function isKey(tag: string): boolean {
  return tag.startsWith("ƒ:") || tag.startsWith("ƒscope:") || tag === "ƒkey" || tag.startsWith("ƒkey:")
}

function emptySegment(tag: string, position: number): InvalidTagError {
  return new InvalidTagError(tag, `segment ${position + 1} is empty`)
}

function tooLong(tag: string): InvalidTagError {
  return new InvalidTagError(tag, `it is longer than ${maxBytes} bytes in UTF-8`)
}

/** C1 controls and the white space of Unicode, as `\s` sees it. */
function isForbiddenBeyondAscii(code: number): boolean {
  if (code <= 0xa0) return true
  if (code < 0x1680) return false
  return (
    code === 0x1680 ||
    (code >= 0x2000 && code <= 0x200a) ||
    code === 0x2028 ||
    code === 0x2029 ||
    code === 0x202f ||
    code === 0x205f ||
    code === 0x3000 ||
    code === 0xfeff
  )
}

function describe(code: number): string {
  if (code === 42) return "`*`: it already covers everything below it"
  const hex = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`
  const isControl = (code < 32 && !(code >= 9 && code <= 13)) || (code >= 127 && code < 0xa0)
  return `${isControl ? "control characters" : "white space"} (${hex})`
}

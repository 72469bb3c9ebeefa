import {
  BARE_OBJECT,
  BIGINT,
  BYTES,
  DATE,
  DEFINE,
  ERROR,
  MAP,
  NEGATIVE_ZERO,
  OBJECT,
  REFERENCE,
  REGEXP,
  SET,
  TEXT,
  UNDEFINED,
  URL_MARK,
  USER,
  VIEW_KINDS,
} from "./type-codes.js"

/** Marks of one byte are shared: nobody writes to them. */
export const undefinedMark = Buffer.of(UNDEFINED)
export const negativeZeroMark = Buffer.of(NEGATIVE_ZERO)
const composites = new Map(
  [OBJECT, BARE_OBJECT, MAP, SET, REGEXP, ERROR, URL_MARK, USER, DEFINE, REFERENCE].map((code) => [
    code,
    Buffer.of(code),
  ]),
)

/** A mark and what belongs to it. */
export function composite(code: number, ...parts: unknown[]): unknown[] {
  return [composites.get(code), ...parts]
}

export function textMark(text: string): Buffer {
  const mark = Buffer.allocUnsafe(1 + text.length * 2)
  mark[0] = TEXT
  mark.write(text, 1, "utf16le")
  return mark
}

export function bigintMark(value: bigint): Buffer {
  const digits = (value < 0n ? -value : value).toString(16)
  return Buffer.concat([
    Buffer.of(BIGINT, value < 0n ? 1 : 0),
    Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex"),
  ])
}

export function dateMark(date: Date): Buffer {
  const mark = Buffer.allocUnsafe(9)
  mark[0] = DATE
  mark.writeDoubleLE(Date.prototype.getTime.call(date), 1)
  return mark
}

/** `kind`: one of {@link VIEW_KINDS}. Throws where the memory was transferred away. */
export function memoryMark(kind: string, memory: ArrayBufferLike, start: number, byteLength: number): Buffer {
  const mark = Buffer.allocUnsafe(2 + byteLength)
  mark[0] = BYTES
  mark[1] = VIEW_KINDS.indexOf(kind)
  mark.set(new Uint8Array(memory, start, byteLength), 2)
  return mark
}

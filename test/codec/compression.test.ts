import { describe, expect, test } from "vitest"
import { createCodec } from "zoocache/codec"
import { header } from "./support.js"

const flagsOf = (bytes: Uint8Array): number => bytes[88] as number
const isCompressed = (bytes: Uint8Array): boolean => (flagsOf(bytes) & 1) === 1

describe("compression", () => {
  test("begins at the threshold, which is 2048 bytes unless told otherwise", () => {
    const text = (bytes: number): string => "x".repeat(bytes - 3)
    expect(isCompressed(createCodec().encode(header(), text(2_047)))).toBe(false)
    expect(isCompressed(createCodec().encode(header(), text(2_048)))).toBe(true)
    expect(isCompressed(createCodec({ threshold: 300 }).encode(header(), text(300)))).toBe(true)
    expect(isCompressed(createCodec({ threshold: Infinity }).encode(header(), text(100_000)))).toBe(false)
  })

  test("is left out where it saves less than an eighth", () => {
    const noise = Buffer.alloc(10_000)
    for (let index = 0, state = 1; index < noise.length; index++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      noise[index] = state >>> 24
    }
    const bytes = createCodec().encode(header(), noise)
    expect(isCompressed(bytes)).toBe(false)
    expect(createCodec().decodeValue(bytes)).toEqual(noise)
  })

  test("is no matter of the reader's threshold", () => {
    const value = { text: "text ".repeat(2_000), at: new Date(0) }
    const bytes = createCodec({ threshold: 0 }).encode(header(), value)
    expect(bytes.length).toBeLessThan(1_000)
    expect(createCodec({ threshold: Infinity }).decodeValue(bytes)).toEqual(value)
  })
})

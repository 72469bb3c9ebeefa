import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { InvalidTagError } from "../../../src/core/base/errors.js"
import { parseTag, tag, type TagValue } from "../../../src/core/tags/tag.js"

const numRuns = Number(process.env["ZOOCACHE_RUNS"] ?? 500)

/** The rules again, written the slow way. */
function isTag(text: string): boolean {
  const segments = text.split(":")
  const isWellFormed = !/\p{Surrogate}/u.test(text)
  return (
    isWellFormed &&
    segments.length <= 16 &&
    Buffer.byteLength(text) <= 256 &&
    segments.every((segment) => /^[^:*\s\p{Cc}]+$/u.test(segment))
  )
}

function reasonFor(value: unknown): string {
  try {
    parseTag(value)
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidTagError)
    return (error as InvalidTagError).message
  }
  return "no error"
}

describe("parseTag", () => {
  test.each([
    "user",
    "user:42",
    "org:1:user:42",
    "user:0b0e3c1e-52a5-4c1f-9d3e-6a3f2f7a1b2c",
    "mail:ann@example.com",
    "slug:hello-world_1.0/ä~%20",
    "emoji:🦓",
    "日本:東京",
  ])("splits %s", (text) => {
    expect(parseTag(text)).toEqual(text.split(":"))
  })

  test("takes 16 segments and 256 bytes, and no more", () => {
    const sixteen = Array.from({ length: 16 }, (_, index) => `s${index}`).join(":")
    expect(parseTag(sixteen)).toHaveLength(16)
    expect(reasonFor(`${sixteen}:x`)).toContain("17 segments")
    expect(parseTag("x".repeat(256))).toHaveLength(1)
    expect(reasonFor("x".repeat(257))).toContain("longer than 256 bytes")
  })

  test("counts bytes, not characters", () => {
    expect(parseTag("é".repeat(128))).toHaveLength(1)
    expect(reasonFor("é".repeat(129))).toContain("longer than 256 bytes")
    expect(parseTag("日".repeat(85))).toHaveLength(1)
    expect(reasonFor("日".repeat(86))).toContain("longer than 256 bytes")
    expect(parseTag("🦓".repeat(64))).toHaveLength(1)
    expect(reasonFor("🦓".repeat(64) + "x")).toContain("longer than 256 bytes")
  })

  test.each([
    ["", "it is empty"],
    [":", "segment 1 is empty"],
    [":a", "segment 1 is empty"],
    ["a::b", "segment 2 is empty"],
    ["a:b:", "segment 3 is empty"],
    ["user:*", "`*`"],
    ["user 42", "white space (U+0020)"],
    ["a\tb", "white space (U+0009)"],
    ["a\u00a0b", "white space (U+00A0)"],
    ["a\u3000b", "white space (U+3000)"],
    ["a\ufeffb", "white space (U+FEFF)"],
    ["a\0b", "control characters (U+0000)"],
    ["a\u007fb", "control characters (U+007F)"],
    ["a\u0085b", "control characters (U+0085)"],
    ["a\ud800", "lone surrogate"],
    ["\ud800a", "lone surrogate"],
    ["\udc00\ud800", "lone surrogate"],
    ["a\ud800:b", "lone surrogate"],
    ["\udc00\udc00", "lone surrogate"],
  ])("refuses %j and says why", (text, reason) => {
    expect(reasonFor(text)).toContain(reason)
    // The one thing that names the tag.
    if (text !== "") expect(reasonFor(text)).toContain(JSON.stringify(text))
  })

  test.each([undefined, null, 42, {}, ["a"], Symbol("a")])("refuses %s, which is no string", (value) => {
    expect(reasonFor(value)).toContain("a tag is a string")
  })

  test("judges every UTF-16 unit as the rules say", () => {
    for (let code = 0; code <= 0xffff; code++) {
      const text = `a${String.fromCharCode(code)}b`
      if ((reasonFor(text) === "no error") !== isTag(text)) expect.fail(`U+${code.toString(16)}`)
    }
  })

  test("agrees with the rules on any text", () => {
    const unit = fc.constantFrom(
      "a",
      "bc",
      ":",
      ":",
      "é",
      "日",
      "🦓",
      "\ud800",
      "\udc00",
      "*",
      " ",
      "\u2028",
      "%",
      "x".repeat(40),
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(unit, { maxLength: 40 }).map((units) => units.join("")),
          fc.string({ unit: "binary" }),
        ),
        (text) => {
          if (isTag(text)) expect(parseTag(text)).toEqual(text.split(":"))
          else expect(reasonFor(text)).not.toBe("no error")
        },
      ),
      { numRuns },
    )
  })
})

describe("tag", () => {
  test("leaves alone what is allowed in a segment", () => {
    expect(tag`user:${42}`).toBe("user:42")
    expect(tag`user:${"ann@example.com"}:post:${7n}:${true}`).toBe("user:ann@example.com:post:7:true")
    expect(tag`a-${"ä🦓"}-b`).toBe("a-ä🦓-b")
    expect(tag`user`).toBe("user")
  })

  test("percent-encodes what could change the hierarchy or is forbidden", () => {
    expect(tag`user:${"1:admin"}`).toBe("user:1%3Aadmin")
    expect(tag`user:${"*"}`).toBe("user:%2A")
    expect(tag`user:${"a b"}`).toBe("user:a%20b")
    expect(tag`user:${"%3A"}`).toBe("user:%253A")
    expect(tag`user:${"\u3000\u0085\n"}`).toBe("user:%E3%80%80%C2%85%0A")
  })

  test("takes the literal parts as they are", () => {
    expect(tag`a%3A:${1}`).toBe("a%3A:1")
    expect(() => tag`a b:${1}`).toThrow(InvalidTagError)
    expect(() => tag`a::${1}`).toThrow("segment 2 is empty")
    expect(() => tag``).toThrow(InvalidTagError)
  })

  test.each([null, undefined, "", NaN, Infinity, -Infinity, {}, [], ["a"], Symbol("s"), () => 1, new Date(0)])(
    "refuses %s as a value and names its place",
    (value) => {
      expect(() => tag`org:1:user:${value as TagValue}`).toThrow(InvalidTagError)
      expect(() => tag`org:1:user:${value as TagValue}`).toThrow('the value after "org:1:user:"')
    },
  )

  test("refuses lone surrogates, and a result that is too long", () => {
    expect(() => tag`user:${"\ud800"}`).toThrow("lone surrogate")
    expect(() => tag`user:${"x".repeat(300)}`).toThrow("longer than 256 bytes")
  })

  test("refuses to be called like a function, and an invalid escape", () => {
    expect(() => tag("user:1" as unknown as TemplateStringsArray)).toThrow("in front of a template")
    expect(() => tag("u" as unknown as TemplateStringsArray)).toThrow("in front of a template")
    expect(() => (tag as (strings: unknown) => string)(["a", "b"])).toThrow("in front of a template")
    expect(() => tag`\u{zz}${1}`).toThrow("invalid escape")
  })

  test("makes exactly one segment of any value, another one of any other value", () => {
    const value = fc.oneof(
      fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" }),
      fc.string({
        minLength: 1,
        maxLength: 12,
        unit: fc.constantFrom(":", "%", "*", " ", "3", "A", "\u2028", "\0", "a", "2", "5"),
      }),
    )
    fc.assert(
      fc.property(value, value, (left, right) => {
        const segments = parseTag(tag`user:${left}:x`)
        expect(segments).toHaveLength(3)
        expect(decodeURIComponent(segments[1] ?? "")).toBe(left)
        expect(tag`user:${left}` === tag`user:${right}`).toBe(left === right)
      }),
      { numRuns },
    )
  })
})

/** Each misuse is told at once, by an error with a class, a code, a subject and a text that says what to do. */
import { describe, expect, test } from "vitest"
import { InvalidTagError, tag } from "zoocache"
import { errorOf, makeCache } from "../support/caches.js"

describe("tags", () => {
  test.each<[unknown, string]>([
    ["", 'Invalid tag "": it is empty'],
    [":", 'Invalid tag ":": segment 1 is empty'],
    ["a::b", 'Invalid tag "a::b": segment 2 is empty'],
    ["a:", 'Invalid tag "a:": segment 2 is empty'],
    ["user 42", 'Invalid tag "user 42": a tag has no white space (U+0020)'],
    ["user:*", 'Invalid tag "user:*": a tag has no `*`: it already covers everything below it'],
    ["a\0", 'Invalid tag "a\\u0000": a tag has no control characters (U+0000)'],
    ["a\ud800", 'Invalid tag "a\\ud800": a lone surrogate has no UTF-8 encoding, so it can\'t be sent'],
    ["x".repeat(257), `Invalid tag "${"x".repeat(76)}...: it is longer than 256 bytes in UTF-8`],
    [
      Array.from({ length: 17 }, () => "s").join(":"),
      'Invalid tag "s:s:s:s:s:s:s:s:s:s:s:s:s:s:s:s:s": it has 17 segments, at most 16 are allowed',
    ],
    [undefined, "Invalid tag undefined: a tag is a string"],
    [null, "Invalid tag null: a tag is a string"],
    [42, "Invalid tag 42: a tag is a string"],
    [{ id: 1 }, "Invalid tag an object (Object): a tag is a string"],
  ])("%j is refused everywhere with the same text", async (bad, message) => {
    const { cache } = makeCache()
    const given = bad as string
    const calls: (() => unknown)[] = [
      () => cache.invalidate(given),
      () => cache.invalidate([given]),
      () => cache.expire("fine", given),
      () => cache.tagVersion(given),
      () => cache.scope(given),
      () => cache.collect().add(given),
      () => cache.transaction(() => cache.invalidate(given)),
      () => cache.getOrLoad("key", (load) => load.addDeps(given)),
    ]
    if (typeof bad === "string") {
      calls.push(
        () => cache.set("key", 1, { deps: [given] }),
        () => cache.cacheable(async () => 1, { deps: [given] })(),
        () => cache.cacheable(async () => 1, { deps: () => [given] })(),
      )
    }
    for (const call of calls) {
      const error = await errorOf(call)
      expect(error).toBeInstanceOf(InvalidTagError)
      expect(error).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_TAG", message, name: "InvalidTagError" })
    }
  })

  test.each<[string, () => string, string]>([
    [
      "null",
      () => tag`user:${null as never}`,
      'Invalid tag null: the value after "user:" is null; pass a string, number, bigint or boolean',
    ],
    [
      "undefined",
      () => tag`user:${undefined as never}`,
      'Invalid tag undefined: the value after "user:" is undefined; pass a string, number, bigint or boolean',
    ],
    ["the empty string", () => tag`user:${""}`, 'Invalid tag "": the value after "user:" is the empty string'],
    ["NaN", () => tag`user:${Number.NaN}`, 'Invalid tag NaN: the value after "user:" is not a finite number'],
    [
      "an object",
      () => tag`${{} as never}`,
      'Invalid tag an object (Object): the value after "the start" is of type object; pass a string, number, bigint or boolean',
    ],
  ])("`tag` refuses %s", (_name, call, message) => {
    expect(call).toThrow(expect.objectContaining({ code: "ERR_ZOOCACHE_INVALID_TAG", message }))
  })
})

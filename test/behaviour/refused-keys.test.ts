/** Each misuse is told at once, by an error with a class, a code, a subject and a text that says what to do. */
import { describe, expect, test } from "vitest"
import { InvalidKeyError } from "zoocache"
import { errorOf, makeCache } from "../support/caches.js"

describe("keys", () => {
  test.each<[unknown, string]>([
    ["", 'Invalid key "": it is empty'],
    [undefined, "Invalid key undefined: a key is a string"],
    [42, "Invalid key 42: a key is a string"],
    ["ƒ:getUser", 'Invalid key "ƒ:getUser": keys that begin with "ƒ:" are those that keyOf returns'],
    ["ƒ:getUser::01", 'Invalid key "ƒ:getUser::01": it is not the canonical encoding of its arguments'],
    ["ƒ:getUser::{", 'Invalid key "ƒ:getUser::{": it encodes no arguments'],
    ["ƒ:a b::1", 'Invalid key "ƒ:a b::1": a b is no name or version that keyOf writes'],
    ["ƒscope:a", 'Invalid key "ƒscope:a": keys that begin with `ƒscope:` are reserved'],
  ])("%j is refused everywhere with the same text", async (bad, message) => {
    const { cache } = makeCache()
    const key = bad as string
    const calls: (() => unknown)[] = [
      () => cache.get(key),
      () => cache.lookup(key),
      () => cache.has(key),
      () => cache.getMany([key]),
      () => cache.set(key, 1),
      () =>
        cache.setMany([
          ["fine", 1],
          [key, 1],
        ]),
      () => cache.delete("fine", key),
      () => cache.getOrLoad(key, () => 1),
      () => cache.explain(key),
    ]
    for (const call of calls) {
      const error = await errorOf(call)
      expect(error).toBeInstanceOf(InvalidKeyError)
      expect(error).toMatchObject({ code: "ERR_ZOOCACHE_INVALID_KEY", message })
    }
  })

  test.each<[string, unknown[], string]>([
    ["a function", [() => 1], "args[0] is a function, which has no content to compare"],
    ["a symbol inside", [1, { a: [Symbol("s")] }], "args[1].a[0] is a symbol, which has no content to compare"],
    [
      "a cycle",
      [
        (() => {
          const a: unknown[] = []
          a.push(a)
          return a
        })(),
      ],
      "args[0][0] contains itself",
    ],
  ])("%s as an argument is refused with its place and a hint", async (_name, args, reason) => {
    const { cache } = makeCache()
    const load = cache.cacheable(async (..._args: unknown[]) => 1)
    for (const call of [
      () => load(...args),
      () => load.keyOf(...args),
      () => load.delete(...args),
      () => load.peek(...args),
    ]) {
      expect(await errorOf(call)).toMatchObject({
        code: "ERR_ZOOCACHE_INVALID_KEY",
        message: expect.stringContaining(`: ${reason}. Pass \`key: (...args) => ...\``),
      })
    }
  })
})

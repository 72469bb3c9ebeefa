import { describe, expect, test } from "vitest"
import { InvalidKeyError, InvalidTagError } from "zoocache"
import { Scope } from "../../../src/core/tags/scope.js"
import { TagTrie } from "../../../src/core/tags/tag-trie.js"

const trie = new TagTrie({
  epoch: { ordinal: 1, nonce: "n" },
  random: () => 0.4,
  oldestLoadAsOf: () => Infinity,
  rememberedMarks: 10,
  isShared: false,
})
const whole = new Scope(trie, "")
const tenant = whole.below("tenant:1")
const shop = tenant.below("shop")

describe("a scope", () => {
  test("is everything, or what lies below its tag", () => {
    expect([whole.isWhole, tenant.isWhole]).toEqual([true, false])
    expect([whole.prefix, tenant.prefix, shop.prefix]).toEqual(["", "tenant:1", "tenant:1:shop"])
    expect([whole.path("user:1"), tenant.path("user:1"), shop.path("user")]).toEqual([
      "user:1",
      "tenant:1:user:1",
      "tenant:1:shop:user",
    ])
  })

  test.each(["", ":user", "a::b", "a b", "*", 42, undefined])("takes no %j for a tag", (tag) => {
    for (const scope of [whole, tenant]) expect(() => scope.path(tag as string)).toThrow(InvalidTagError)
    expect(() => tenant.below(tag as string)).toThrow(InvalidTagError)
    expect(() => tenant.acquire(tag as string)).toThrow(InvalidTagError)
  })

  test("counts its own tag among the segments and bytes", () => {
    const fifteen = Array.from({ length: 15 }, () => "s").join(":")
    expect(whole.path(fifteen)).toBe(fifteen)
    expect(() => tenant.path(fifteen)).toThrow(/17 segments/)
    expect(() => tenant.acquire("x".repeat(250))).toThrow(/longer than 256 bytes/)
  })

  test("gives nodes of whole tags, with a use each", () => {
    const node = tenant.acquire("user:1")
    expect(trie.find(["tenant", "1", "user", "1"])).toBe(node)
    const own = tenant.acquireOwn()
    expect(trie.find(["tenant", "1"])).toBe(own)
    expect(own?.uses).toBe(2)
    expect(whole.acquireOwn()).toBeUndefined()
    trie.release(node)
    if (own !== undefined) trie.release(own)
    expect(trie.size).toBe(0)
  })

  test("has functions of its own, and those of scopes below", () => {
    const names = [whole, tenant, shop].map((scope) => scope.functionName("getUser"))
    expect(new Set(names).size).toBe(3)
    expect(names[0]).toBe("getUser")
    expect(names.map((name) => whole.owns(name))).toEqual([true, true, true])
    expect(names.map((name) => tenant.owns(name))).toEqual([false, true, true])
    expect(names.map((name) => shop.owns(name))).toEqual([false, false, true])
    expect(tenant.owns(whole.below("tenant:10").functionName("getUser"))).toBe(false)
  })

  test("has keys of its own, which the whole cache and itself may name in full", () => {
    const id = tenant.manualId("theme")
    expect(whole.manualId("theme")).toBe("theme")
    expect(id).not.toBe("theme")
    expect(whole.manualId(id as string)).toBe(id)
    expect(tenant.manualId(id as string)).toBe(id)
    expect(whole.below("tenant").manualId(id as string)).toBe(id)
    for (const other of [shop, whole.below("tenant:10")]) {
      expect(() => other.manualId(id as string)).toThrow(InvalidKeyError)
    }
    expect(() => whole.manualId("ƒscope:made up")).toThrow(InvalidKeyError)
  })
})

import { describe, expect, test } from "vitest"
import { KnownNames } from "../../../src/core/tags/known-names.js"
import { Scope } from "../../../src/core/tags/scope.js"
import { TagTrie } from "../../../src/core/tags/tag-trie.js"

describe("the names on which something ever depended", () => {
  test("are told from those on which nothing did", () => {
    const names = new KnownNames(10)
    expect(names.lacks("user")).toBe(true)
    for (const name of ["user", "user", "order", "user"]) names.note(name)
    expect(names.size).toBe(2)
    expect(names.lacks("user")).toBe(false)
    expect(names.lacks("users")).toBe(true)
    expect(names.nearest("users")).toBe("user")
    expect(names.nearest("elephant")).toBeUndefined()
  })

  test("are forgotten, and nothing is said any more, where there are too many", () => {
    const names = new KnownNames(3)
    for (const name of ["a", "b", "c"]) names.note(name)
    expect(names.lacks("d")).toBe(true)
    names.note("d")
    expect(names.size).toBe(0)
    expect(names.lacks("e")).toBe(false)
    names.note("e")
    expect(names.size).toBe(0)
    expect(names.nearest("d")).toBeUndefined()
  })

  test("are those of dependencies, not of what is invalidated", () => {
    const trie = new TagTrie({
      epoch: { ordinal: 1, nonce: "n" },
      random: () => 0.4,
      oldestLoadAsOf: () => Number.POSITIVE_INFINITY,
      rememberedMarks: 10,
      isShared: false,
    })
    trie.release(trie.acquire(["users", "42"]))
    new Scope(trie, "").acquire("user:42")
    new Scope(trie, "tenant:1").acquire("invoice:7")
    expect(trie.names.lacks("users")).toBe(true)
    expect(trie.names.lacks("user")).toBe(false)
    expect(trie.names.lacks("tenant")).toBe(false)
    expect(trie.names.lacks("invoice")).toBe(true)
    expect(trie.scopedNames.lacks("invoice")).toBe(false)
    for (const name of ["user", "tenant", "1", "7"]) expect(trie.scopedNames.lacks(name)).toBe(true)
    new Scope(trie, "tenant:1").below("app:2").announce("order:3")
    expect([trie.scopedNames.lacks("app"), trie.scopedNames.lacks("order")]).toEqual([false, false])
    expect(trie.names.lacks("app")).toBe(true)
  })
})

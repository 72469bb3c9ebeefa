import { describe, expect, test } from "vitest"
import { ZooCacheError } from "zoocache"
import { beginPending, endPending, markOf, type TagNode } from "../../../src/core/tags/tag-node.js"
import { TagTrie, type TrieOptions } from "../../../src/core/tags/tag-trie.js"

const epoch = { ordinal: 1, nonce: "n" }

function make(options: Partial<TrieOptions> = {}): TagTrie {
  return new TagTrie({
    epoch,
    random: () => 0.4,
    oldestLoadAsOf: () => Infinity,
    rememberedMarks: 100,
    isShared: false,
    ...options,
  })
}

const segmentsOf = (path: string) => (path === "" ? [] : path.split(":"))

/** Invalidates a path in the next version, as the log would tell. */
function invalidate(trie: TagTrie, path: string, version = trie.cursor + 1, soft = false): void {
  const node = trie.acquire(segmentsOf(path))
  trie.apply(node, soft, version, 0, "test", 0)
  trie.release(node)
  trie.moveCursor(version)
  trie.moved()
}

const knows = (trie: TagTrie, path: string) => trie.find(segmentsOf(path)) !== undefined

describe("nodes of a trie", () => {
  test("are one for each path, whoever asks", () => {
    const trie = make()
    const a = trie.acquire(["a"])
    const ab = trie.acquire(["a", "b"])
    expect(trie.acquire(["a", "b"])).toBe(ab)
    expect(ab.parent).toBe(a)
    expect(trie.find(["a", "b"])).toBe(ab)
    expect(trie.findChild(a, "b")).toBe(ab)
    expect(trie.find(["b"])).toBeUndefined()
    expect(trie.find([])).toBe(trie.root)
    expect(trie.acquire([])).toBe(trie.root)
    expect(trie.size).toBe(2)
  })

  test("count children and uses, and go with the last of them", () => {
    const trie = make()
    const abc = trie.acquire(["a", "b", "c"])
    const ab = trie.acquire(["a", "b"])
    const again = trie.acquireChild(ab, "c")
    expect([abc.uses, ab.uses, ab.parent?.uses]).toEqual([2, 2, 1])
    trie.release(abc)
    trie.release(again)
    expect(knows(trie, "a:b:c")).toBe(false)
    expect(knows(trie, "a:b")).toBe(true)
    trie.release(ab)
    expect(trie.size).toBe(0)
    expect(trie.root.uses).toBe(0)
  })

  test("of keys live apart from those of tags", () => {
    const trie = make()
    const key = trie.acquire(["f", "1"], trie.keyRoot)
    const tag = trie.acquire(["f", "1"])
    expect(key).not.toBe(tag)
    expect(trie.find(["f", "1"], trie.keyRoot)).toBe(key)
    trie.release(key)
    expect(trie.find(["f"], trie.keyRoot)).toBeUndefined()
    expect(trie.findChild(trie.root, " keys")).toBe(trie.keyRoot)
  })

  test("that are released too often are a bug that says so", () => {
    const trie = make()
    const held = trie.acquire(["a"])
    const node = trie.acquire(["a", "b"])
    trie.release(node)
    expect(() => trie.release(node)).toThrow(/bug of zoocache: a tag was released more often than it was acquired/)
    expect(held.uses).toBe(1)
    trie.release(held)
    expect(() => trie.release(trie.root)).toThrow(ZooCacheError)
  })
})

describe("apply", () => {
  test("keeps the newest version, and by whom and when it came", () => {
    const trie = make()
    const node = trie.acquire(["a"])
    trie.apply(node, false, 10, 1000, "one", 5)
    trie.apply(node, false, 9, 2000, "two", 6)
    expect(node.mark).toMatchObject({ invalidated: 10, soft: null, atWallMs: 1000, by: "one" })
    trie.apply(node, true, 9, 3000, "three", 7)
    trie.apply(node, true, 9, 4000, "four", 8)
    expect(node.mark).toMatchObject({ invalidated: 10, atWallMs: 1000, by: "one" })
    expect(node.mark?.soft).toMatchObject({ expired: 9, atWallMs: 3000, by: "three", expiredAtMs: 7 })
  })
})

describe("the cursor", () => {
  test("moves to the newest version, and never falls within an epoch", () => {
    const trie = make()
    trie.moveCursor(10)
    trie.moveCursor(5)
    expect(trie.cursor).toBe(10)
    trie.moveCursor(11)
    expect(trie.cursor).toBe(11)
  })

  test.each([-1, 1.5, Number.NaN, Infinity, 2 ** 53])("is not moved to %d, which is no version", (version) => {
    expect(() => make().moveCursor(version)).toThrow(/bug of zoocache/)
    expect(() => make().raiseFloors(version, 0)).toThrow(/bug of zoocache/)
    expect(() => make().raiseFloors(0, version)).toThrow(/bug of zoocache/)
  })

  test("with `moved` makes a new stamp, so that all is looked at again", () => {
    const trie = make()
    const before = trie.stamp
    trie.moveCursor(10)
    trie.moved()
    expect(trie.stamp).not.toBe(before)
    expect(trie.stamp).toEqual({ epoch, asOf: 10 })
    expect(trie.trusted).toBe(trie.stamp)
    expect(before.asOf).toBe(0)
  })

  test("with `advanced` keeps the stamp, so that what was fresh stays so", () => {
    const trie = make()
    const before = trie.stamp
    trie.moveCursor(10)
    trie.advanced()
    expect(trie.stamp).toBe(before)
    expect(trie.stamp.asOf).toBe(10)
  })

  test("moves while nothing is trusted, and makes nothing trusted", () => {
    const trie = make()
    trie.setTrusted(false)
    trie.moveCursor(10)
    trie.moved()
    expect(trie.trusted).toBeNull()
    trie.setTrusted(true)
    expect(trie.trusted).toBe(trie.stamp)
  })
})

test("floors rise, each by itself, and never fall within an epoch", () => {
  const trie = make()
  trie.raiseFloors(5, 0)
  trie.raiseFloors(3, 7)
  trie.raiseFloors(0, 6)
  expect([trie.floor, trie.keyFloor]).toEqual([5, 7])
  trie.logForgot(4, 4)
  trie.logForgot(2, 2)
  expect(trie.logFloor).toBe(4)
})

describe("adopting an epoch", () => {
  test("begins anew, and forgets versions that can't be compared any more", () => {
    const trie = make({ rememberedMarks: 0 })
    const node = trie.acquire(["a"])
    invalidate(trie, "")
    invalidate(trie, "a")
    invalidate(trie, "a", 20, true)
    invalidate(trie, "b")
    expect(trie.forgotten).toBe(21)
    trie.raiseFloors(5, 6)
    trie.logForgot(5, 6)
    const next = { ordinal: 2, nonce: "m" }
    trie.adopt(next)
    const { cursor, floor, keyFloor, forgotten, logFloor, stamp, trusted } = trie
    expect({ cursor, floor, keyFloor, forgotten, logFloor }).toEqual({
      cursor: 0,
      floor: 0,
      keyFloor: 0,
      forgotten: 0,
      logFloor: 0,
    })
    expect(stamp).toEqual({ epoch: next, asOf: 0 })
    expect(trie.epoch).toBe(next)
    expect(trusted).toBeNull()
    expect(node.mark).toMatchObject({ invalidated: 0, soft: { expired: 0 } })
    expect(trie.root.mark).toMatchObject({ invalidated: 0 })
  })

  test("keeps what is still on its way to the log", () => {
    const trie = make()
    const node = trie.acquire(["a"])
    beginPending(markOf(node), false, 0, 0)
    trie.adopt({ ordinal: 2, nonce: "m" })
    expect(node.mark?.pending).toBe(1)
    endPending(markOf(node), false)
    expect(node.mark?.pending).toBe(0)
  })
})

describe("what is pending", () => {
  test("is counted for each call and each kind, and settled once", () => {
    const mark = markOf(make().acquire(["a"]))
    beginPending(mark, false, 0, 0)
    beginPending(mark, false, 0, 0)
    beginPending(mark, true, 0, 0)
    expect([mark.pending, mark.soft?.pending]).toEqual([2, 1])
    endPending(mark, false)
    endPending(mark, true)
    expect([mark.pending, mark.soft?.pending]).toEqual([1, 0])
    endPending(mark, false)
    expect(() => endPending(mark, false)).toThrow(/bug of zoocache: an invalidation was settled twice/)
    expect(() => endPending(mark, true)).toThrow(/bug of zoocache/)
  })
})

describe("versionOf", () => {
  test("is the newest on the path", () => {
    const trie = make()
    invalidate(trie, "a", 10)
    invalidate(trie, "a:b", 20)
    invalidate(trie, "", 5)
    expect(trie.versionOf(["a", "b"])).toBe(20)
    expect(trie.versionOf(["a", "c"])).toBe(10)
    expect(trie.versionOf(["a"])).toBe(10)
    expect(trie.versionOf(["d"])).toBe(5)
    expect(trie.versionOf([])).toBe(5)
  })

  test("leaves out soft invalidations", () => {
    const trie = make()
    invalidate(trie, "a", 10, true)
    expect(trie.versionOf(["a"])).toBe(0)
  })

  test("may be any version that was forgotten, where nothing newer is known", () => {
    const trie = make({ rememberedMarks: 0 })
    const held = trie.acquire(["b"])
    invalidate(trie, "a", 10)
    invalidate(trie, "b", 20)
    expect(trie.forgotten).toBe(10)
    expect(trie.versionOf(["a"])).toBe(10)
    expect(trie.versionOf(["c"])).toBe(10)
    expect(trie.versionOf(["b"])).toBe(20)
    trie.release(held)
  })
})

describe("forgetting", () => {
  /** What is known of a:1, a:2, … after each was invalidated once, in that order, from version 1 on. */
  function marks(trie: TagTrie, count: number): string {
    for (let index = 1; index <= count; index += 1) invalidate(trie, `a:${index}`, index)
    return left(trie, count)
  }

  function left(trie: TagTrie, count: number): string {
    return Array.from({ length: count }, (_, index) => index + 1)
      .filter((index) => knows(trie, `a:${index}`))
      .join(" ")
  }

  test.each<[string, Partial<TrieOptions>, string, number]>([
    ["keeps the newest marks of tags that nothing refers to", { rememberedMarks: 3 }, "4 5 6", 3],
    ["keeps none where none are to be kept", { rememberedMarks: 0 }, "", 6],
    ["keeps what a running load may need", { rememberedMarks: 3, oldestLoadAsOf: () => 2 }, "3 4 5 6", 2],
    [
      "keeps all that came since the oldest load began",
      { rememberedMarks: 1, oldestLoadAsOf: () => 0 },
      "1 2 3 4 5 6",
      0,
    ],
    ["forgets for a load that begins later", { rememberedMarks: 1, oldestLoadAsOf: () => 6 }, "6", 5],
    ["keeps what the shared log has not forgotten", { rememberedMarks: 1, isShared: true }, "1 2 3 4 5 6", 0],
  ])("%s", (_what, options, known, forgotten) => {
    const trie = make(options)
    expect(marks(trie, 6)).toBe(known)
    expect(trie.forgotten).toBe(forgotten)
  })

  test("is not stopped by a load that never settles: its memory is bounded", () => {
    const trie = make({ rememberedMarks: 2, oldestLoadAsOf: () => 0 })
    marks(trie, 50)
    expect(trie.unreferenced).toBe(20)
    expect(trie.forgotten).toBe(30)
  })

  test("follows the floor of a shared log, of tags and of keys apart", () => {
    const trie = make({ rememberedMarks: 0, isShared: true })
    const key = (id: string, version: number) => {
      const node = trie.acquire(["f", id], trie.keyRoot)
      trie.apply(node, false, version, 0, "test", 0)
      trie.release(node)
    }
    key("k", 1)
    marks(trie, 3)
    trie.logForgot(2, 0)
    // The key stands first in the queue and may not go yet.
    expect(trie.forget(0)).toBe(0)
    trie.logForgot(2, 1)
    expect(trie.forget(0)).toBe(3)
    expect(left(trie, 3)).toBe("3")
    expect(trie.find(["f", "k"], trie.keyRoot)).toBeUndefined()
  })

  test("leaves alone what is referred to, and what is above it", () => {
    const trie = make({ rememberedMarks: 0 })
    const held = trie.acquire(["a", "1", "x"])
    invalidate(trie, "a", 1)
    invalidate(trie, "a:1", 2)
    invalidate(trie, "a:2", 3)
    expect([knows(trie, "a"), knows(trie, "a:1"), knows(trie, "a:2")]).toEqual([true, true, false])
    expect(trie.forgotten).toBe(3)
    trie.release(held)
    expect(trie.size).toBe(0)
  })

  test("leaves alone what is on its way to the log", () => {
    const trie = make({ rememberedMarks: 0 })
    const node = trie.acquire(["a"])
    trie.apply(node, false, 1, 0, "test", 0)
    beginPending(markOf(node), false, 0, 0)
    trie.release(node)
    trie.forget(0)
    expect(knows(trie, "a")).toBe(true)
    endPending(markOf(node), false)
    trie.forget(0)
    expect(knows(trie, "a")).toBe(false)
  })

  test("takes what was marked again for as new as its newest mark", () => {
    const trie = make({ rememberedMarks: 2 })
    invalidate(trie, "a:1", 1)
    invalidate(trie, "a:2", 2)
    invalidate(trie, "a:1", 3)
    invalidate(trie, "a:3", 4)
    // It went to the end of the queue, where the next look finds it.
    trie.forget(2)
    expect(left(trie, 3)).toBe("1 3")
    expect(trie.forgotten).toBe(2)
  })

  test("on request spares the newest, or what is not old enough, and counts", () => {
    const trie = make()
    marks(trie, 6)
    expect(trie.forget(4)).toBe(2)
    expect(trie.forget(0, 4)).toBe(2)
    expect(left(trie, 6)).toBe("5 6")
    expect(trie.forgotten).toBe(4)
  })

  test("leaves nothing behind after a great many tags", () => {
    const trie = make({ rememberedMarks: 10 })
    const held: TagNode[] = []
    for (let index = 0; index < 5000; index += 1) {
      held.push(trie.acquire(["a", String(index)]))
      invalidate(trie, `a:${index}`)
    }
    for (const node of held) trie.release(node)
    expect(trie.unreferenced).toBe(10)
    expect(trie.size).toBe(11)
    trie.forget(0)
    expect(trie.size).toBe(0)
  })
})

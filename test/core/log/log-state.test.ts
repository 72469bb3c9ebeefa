import { beforeEach, describe, expect, test } from "vitest"
import { LogError } from "../../../src/core/base/errors.js"
import { LogState } from "../../../src/core/log/log-state.js"
import type { Batch, ChangeSink } from "../../../src/core/log/news.js"
import type { LogNews, PullReply } from "../../../src/core/ports/log.js"
import { TagTrie } from "../../../src/core/tags/tag-trie.js"

const FIRST = { ordinal: 1, nonce: "first" }
const SECOND = { ordinal: 2, nonce: "second" }
const change = (path: string) => ({ kind: "tag", path }) as const

let trie: TagTrie
let taken: string[]
let told: string[]
let state: LogState

beforeEach(() => {
  trie = new TagTrie({
    epoch: { ordinal: 0, nonce: "none" },
    random: () => 0.5,
    oldestLoadAsOf: () => Number.POSITIVE_INFINITY,
    rememberedMarks: 10,
    isShared: false,
  })
  taken = []
  told = []
  const sink: ChangeSink = {
    take: ({ changes, cursor }: Batch) => {
      for (const { path } of changes) taken.push(path)
      if (cursor !== undefined) trie.moveCursor(cursor)
    },
    pending: () => {},
    settled: () => {},
    epochEnds: () => told.push("epoch ends"),
    epochChanged: () => told.push("epoch changed"),
    trustChanged: (isTrusted) => told.push(`trusted: ${isTrusted}`),
    fault: () => {},
  }
  state = new LogState({ trie, sink, origin: "me", canLoseAppends: true })
})

function pulled(head: number, paths: readonly string[] = [], epoch = FIRST): void {
  const changes = paths.map((path, index) => ({ ...change(path), version: head - paths.length + 1 + index }))
  const reply: PullReply = { epoch, head, floor: 0, keyFloor: 0, changes }
  state.enter(reply)
  state.pulled(reply)
}

function news(version: number, previousHead: number, path: string, epoch = FIRST): LogNews {
  return { epoch, version, previousHead, changes: [change(path)], origin: "other" }
}

function acknowledged(version: number, previousHead: number, path: string): boolean {
  return state.acknowledged({ epoch: FIRST, version, previousHead }, [change(path)])
}

describe("the cursor", () => {
  test("follows news and acknowledgements without gaps", () => {
    pulled(10, ["a"])
    expect(state.heard(news(11, 10, "b"))).toBe(true)
    expect(acknowledged(12, 11, "c")).toBe(true)
    expect([taken, trie.cursor]).toEqual([["a", "b", "c"], 12])
  })

  test("stays before a gap, and what lies behind the gap is applied or pulled", () => {
    pulled(10)
    expect(state.heard(news(12, 11, "b"))).toBe(false)
    expect(acknowledged(13, 12, "c")).toBe(false)
    expect([taken, trie.cursor]).toEqual([["c"], 10])
    pulled(13, ["a", "b", "c"])
    expect([taken, trie.cursor]).toEqual([["c", "a", "b", "c"], 13])
  })

  test("is not moved by what is known already, nor by a pull that was overtaken", () => {
    pulled(10)
    expect(state.heard(news(10, 9, "b"))).toBe(true)
    pulled(8, ["c"])
    expect([taken, trie.cursor]).toEqual([[], 10])
  })

  test("is not moved by an acknowledgement before the first pull", () => {
    state.enter({ epoch: FIRST })
    expect(acknowledged(5, 0, "a")).toBe(false)
    expect([taken, trie.cursor]).toEqual([["a"], 0])
  })
})

describe("news during a pull", () => {
  test("are applied in their order after it", () => {
    state.keep(news(12, 11, "c"))
    state.keep(news(11, 10, "b"))
    expect(state.replay()).toBe(true)
    pulled(10, ["a"])
    expect(state.replay()).toBe(true)
    expect([taken, trie.cursor]).toEqual([["a", "b", "c"], 12])
  })

  test("ask for another pull where they don't follow on it", () => {
    state.keep(news(12, 11, "c"))
    pulled(10)
    expect(state.replay()).toBe(false)
    expect(state.replay()).toBe(true)
    expect(taken).toEqual([])
  })
})

describe("a new life of the log", () => {
  test("ends what was confirmed, and is told once", () => {
    pulled(10)
    state.confirmed(100, 100)
    expect(state.confirmedAgoMs(150, 160)).toBe(60)
    expect(told).toEqual([])
    pulled(3, [], SECOND)
    pulled(4, [], SECOND)
    expect(told).toEqual(["epoch ends", "epoch changed", "trusted: false"])
    expect([state.confirmedAgoMs(150, 160), trie.cursor]).toEqual([Number.POSITIVE_INFINITY, 4])
  })

  test("gets again what the one before may have lost", () => {
    pulled(10)
    acknowledged(11, 10, "a")
    expect(state.enter({ epoch: SECOND })).toEqual([change("a")])
    expect(state.enter({ epoch: SECOND })).toEqual([])
  })

  test("is not ended by the one before", () => {
    pulled(1, [], SECOND)
    expect(state.hasEnded(FIRST)).toBe(true)
    expect(state.heard(news(50, 1, "a", FIRST))).toBe(true)
    expect(() => state.enter({ epoch: FIRST })).toThrow("has ended was entered")
    expect([taken, state.position()]).toEqual([[], { epoch: SECOND, cursor: 1 }])
  })
})

describe("a token", () => {
  test("is reached where the cursor is, in its life", () => {
    pulled(10)
    expect(state.hasReached({ epoch: FIRST, version: 10 })).toBe(true)
    expect(state.hasReached({ epoch: FIRST, version: 11 })).toBe(false)
    expect(state.hasReached({ epoch: SECOND, version: 1 })).toBe(false)
    expect(state.hasReached(undefined)).toBe(false)
  })

  test("of an earlier life needs nothing, of an unknown one is refused", () => {
    pulled(1, [], SECOND)
    state.checkReached({ epoch: FIRST, version: 99 }, undefined)
    expect(() => state.checkReached({ epoch: SECOND, version: 2 }, undefined)).toThrow("has not reached its version")
    expect(() => state.checkReached({ epoch: { ordinal: 3, nonce: "x" }, version: 1 }, undefined)).toThrow(
      "no such epoch",
    )
  })
})

describe("pulls that fail", () => {
  test("are repeated after a pause that grows, and rarely where that will not help", () => {
    expect(state.retryMs).toBe(50)
    const delays = Array.from({ length: 6 }, () => {
      state.pullFailed(new LogError("pull", "no connection"))
      return state.retryMs
    })
    expect(delays).toEqual([100, 200, 400, 800, 1000, 1000])
    state.pullFailed(Object.assign(new LogError("pull", "no permission"), { permanent: true }))
    expect([state.retryMs, state.obstacle?.message]).toEqual([30_000, expect.stringContaining("no permission")])
    state.pullSucceeded()
    expect([state.retryMs, state.obstacle]).toEqual([50, undefined])
  })

  test("are one at a time, and another follows where it was asked for", () => {
    state.pullBegins()
    expect(() => state.pullBegins()).toThrow("two pulls were under way")
    state.pullAgain()
    expect(state.pullEnds()).toBe(true)
    expect(() => state.pullEnds()).toThrow("ended twice")
    state.pullBegins()
    expect(state.pullEnds()).toBe(false)
  })
})

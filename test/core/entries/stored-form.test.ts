import { describe, expect, test } from "vitest"
import { ManualClock } from "zoocache/testing"
import type { Turn } from "../../../src/core/base/turn.js"
import { agingOf, expiryOf, NEVER } from "../../../src/core/entries/age.js"
import { acquireDependencies, agedOf, EntryEncoder, isOfUse, rankOf } from "../../../src/core/entries/stored-form.js"
import type { EntryCodec, EntryHeader } from "../../../src/core/ports/codec.js"
import { behaviour, epoch, makeTable, makeTrie } from "../support/parts.js"

const header = (own: Partial<EntryHeader> = {}): EntryHeader => ({
  key: "ƒ:f::1",
  epoch,
  asOf: 5,
  keyVersion: 5,
  storedAtMs: 10_000,
  expiresAtMs: Infinity,
  graceMs: 0,
  idleTtlMs: Infinity,
  idleUntilMs: Infinity,
  tags: [],
  keys: [],
  ...own,
})

describe("isOfUse", () => {
  const trie = { epoch, cursor: 10, forgotten: 3 }
  test.each<[string, Partial<EntryHeader>, boolean]>([
    ["one of now", {}, true],
    ["one at the cursor", { asOf: 10 }, true],
    ["one above the cursor: its maker has seen more", { asOf: 11 }, false],
    ["one below what this process forgot", { asOf: 2 }, false],
    ["one of another epoch", { epoch: { ordinal: 2, nonce: "n" } }, false],
    ["one of another log of the same second", { epoch: { ordinal: 1, nonce: "m" } }, false],
    ["one just before its end", { expiresAtMs: 20_001 }, true],
    ["one at its end", { expiresAtMs: 20_000 }, false],
    ["one in grace", { expiresAtMs: 19_000, graceMs: 1_001 }, true],
    ["one beyond its grace", { expiresAtMs: 19_000, graceMs: 1_000 }, false],
    ["one that has gone unread for too long", { idleUntilMs: 20_000 }, false],
    ["one from a little in the future", { storedAtMs: 21_000, expiresAtMs: 50_000 }, true],
    ["one from the future, with an end", { storedAtMs: 21_001, expiresAtMs: 50_000 }, false],
    ["one from the future, without an end", { storedAtMs: 21_001 }, true],
  ])("%s", (_what, own, is) => {
    expect(isOfUse(header(own), trie, 20_000)).toBe(is)
  })
})

describe("agedOf", () => {
  const times = { nowMs: 100, wallMs: 20_000, retryAtMs: 7 }
  test("counts what is left of a life by the clock of this process", () => {
    expect(agedOf(header({ expiresAtMs: 20_500 }), times, behaviour)).toEqual({ deadlineMs: 600, aging: null })
    expect(agedOf(header(), times, behaviour)).toEqual({ deadlineMs: NEVER, aging: null })
  })

  test("keeps grace, sliding, and the time of the next try", () => {
    const { aging } = agedOf(
      header({ expiresAtMs: 20_500, graceMs: 50, idleTtlMs: 30, idleUntilMs: 20_020 }),
      times,
      behaviour,
    )
    expect(aging).toMatchObject({ expiresAtMs: 600, graceMs: 50, idleTtlMs: 30, idleUntilMs: 120, retryAtMs: 7 })
    expect(aging?.shared).toEqual({ rank: { epoch, keyVersion: 5, asOf: 5 }, idleUntilMs: 20_020 })
  })

  test("is never longer unread than its sliding time, whatever the clocks say", () => {
    const { aging } = agedOf(header({ idleTtlMs: 30, idleUntilMs: 99_000 }), times, behaviour)
    expect(aging?.idleUntilMs).toBe(130)
  })

  test("is due early by the part of its whole life that has passed", () => {
    const { aging } = agedOf(header({ storedAtMs: 19_500, expiresAtMs: 20_500 }), times, {
      ...behaviour,
      earlyRefresh: 0.8,
    })
    expect(aging?.refreshAtMs).toBeCloseTo(600 - 1_000 * 0.2)
  })
})

describe("dependencies of a stored entry", () => {
  test("are nodes of tags and of own keys, each with one use more", () => {
    const trie = makeTrie()
    const table = makeTable(trie, "g")
    const nodes = acquireDependencies(header({ tags: ["a:b"], keys: ["ƒ:g::2", "by hand"] }), trie, "")
    expect(nodes).toEqual([trie.find(["a", "b"]), table.keyNodeOf(2), trie.find(["", "by hand"], trie.keyRoot)])
    expect(nodes.map(({ uses }) => uses)).toEqual([1, 1, 1])
  })

  test("that are none make the entry a corrupt one, and hold nothing", () => {
    const trie = makeTrie()
    const { size } = trie
    expect(() => acquireDependencies(header({ tags: ["fine", "not a tag"] }), trie, "")).toThrow(
      expect.objectContaining({ code: "ERR_ZOOCACHE_CORRUPT_ENTRY" }),
    )
    expect(trie.size).toBe(size)
  })
})

describe("the encoder", () => {
  function make(isKept = true) {
    const trie = makeTrie()
    const headers: EntryHeader[] = []
    const codec = {
      encode: (given: EntryHeader) => {
        headers.push(given)
        return new Uint8Array([1])
      },
    } as unknown as EntryCodec
    const clock = new ManualClock()
    const encoder = new EntryEncoder({ codec, trie, clock, turn: { now: 100 } as Turn, isKept })
    return { trie, table: makeTable(trie, "f"), headers, clock, encoder }
  }

  test("writes what reading brings back: tags, keys, position and age", () => {
    const { trie, table, headers, clock, encoder } = make()
    const dependencies = [trie.acquire(["a", "b"]), table.acquireKeyNode(2)]
    const aged = agingOf(500, { ...behaviour, graceMs: 50 }, 100, () => 0, Infinity)!
    const written = { table, id: 1, dependencies, stamp: { epoch, asOf: 5 }, keyVersion: 6, aged }
    expect(encoder.encode("value", written)).toEqual(new Uint8Array([1]))
    const [given] = headers as [EntryHeader]
    const wallMs = clock.wall()
    expect(given).toEqual(
      header({
        asOf: 5,
        keyVersion: 6,
        storedAtMs: wallMs,
        expiresAtMs: wallMs + 500,
        graceMs: 50,
        tags: ["a:b"],
        keys: ["ƒ:f::2"],
      }),
    )
    expect(acquireDependencies(given, trie, "")).toEqual(dependencies)
    expect(expiryOf(agedOf(given, { nowMs: 100, wallMs, retryAtMs: 0 }, behaviour))).toBe(expiryOf(aged))
    expect(rankOf(given)).toEqual({ epoch, keyVersion: 6, asOf: 5 })
  })

  test.each([undefined, Infinity])("takes asOf for the key's version while that is %s", (keyVersion) => {
    const { table, headers, encoder } = make()
    const aged = { deadlineMs: NEVER, aging: null }
    encoder.encode("value", { table, id: 1, dependencies: null, stamp: { epoch, asOf: 5 }, keyVersion, aged })
    expect(headers[0]).toMatchObject({ keyVersion: 5, expiresAtMs: Infinity, tags: [], keys: [] })
  })

  test("gives no bytes of a value that was only tried", () => {
    const { table, headers, encoder } = make(false)
    const aged = { deadlineMs: NEVER, aging: null }
    const written = { table, id: 1, dependencies: null, stamp: { epoch, asOf: 5 }, keyVersion: undefined, aged }
    expect([encoder.encode("value", written), headers.length]).toEqual([undefined, 1])
  })
})

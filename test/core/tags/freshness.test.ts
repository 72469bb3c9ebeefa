import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  expiredSince,
  type Freshness,
  freshnessOf,
  freshnessOfDependencies,
  freshnessWithKey,
  isUntouched,
  keyExpiredSince,
} from "../../../src/core/tags/freshness.js"
import { Bundle, type Dependencies } from "../../../src/core/tags/dependencies.js"
import { markOf, softMarkOf, TagNode } from "../../../src/core/tags/tag-node.js"
import type { Epoch, Version } from "../../../src/core/tags/version.js"

const numRuns = Number(process.env["ZOOCACHE_RUNS"] ?? 1000)
const epoch: Epoch = { ordinal: 1, nonce: "a" }

/** A small tree: root → a → b → c, root → d, and root → keys → f → k for own keys. */
function tree() {
  let hash = 0
  const child = (parent: TagNode | null, segment: string) => new TagNode(parent, segment, hash++)
  const root = child(null, "")
  const a = child(root, "a")
  const b = child(a, "b")
  const c = child(b, "c")
  const d = child(root, "d")
  const keys = child(root, " keys")
  const f = child(keys, "f")
  const k = child(f, "k")
  return { root, a, b, c, d, keys, f, k }
}

type Tree = ReturnType<typeof tree>
type Name = keyof Tree

/** What is said of a node, hard and soft. */
interface Said {
  readonly invalidated: Version
  readonly pending: number
  readonly expired: Version
  readonly pendingExpiry: number
  readonly expiredAtMs: number
}

type Marks = Partial<Record<Name, Partial<Said>>>

function marked(marks: Marks): Tree {
  const nodes = tree()
  for (const [name, said] of Object.entries(marks)) {
    const { invalidated = 0, pending = 0, expired = 0, pendingExpiry = 0, expiredAtMs = 0 } = said
    const mark = Object.assign(markOf(nodes[name as Name]), { invalidated, pending })
    if (expired > 0 || pendingExpiry > 0) {
      Object.assign(softMarkOf(mark), { expired, pending: pendingExpiry, expiredAtMs })
    }
  }
  return nodes
}

interface Case {
  readonly marks?: Marks
  readonly dependencies?: readonly Name[]
  readonly asOf?: Version
  readonly keyVersion?: Version | undefined
  readonly floor?: Version
  readonly keyFloor?: Version
  readonly epoch?: Epoch
  /** How the dependencies are kept: as a bundle, if at all, of bundles of so many nodes. */
  readonly bundled?: number | undefined
}

/** Judged as of 10, depending on a:b, unless a case says otherwise. */
function judge({ marks = {}, dependencies = ["b"], asOf = 10, keyVersion, floor = 0, keyFloor = 0, ...rest }: Case) {
  const nodes = marked(marks)
  const subject = {
    stamp: { epoch: rest.epoch ?? epoch, asOf },
    dependencies: dependenciesOf(
      dependencies.map((name) => nodes[name]),
      rest.bundled,
    ),
    keyNode: nodes.k,
    keyVersion,
  }
  return freshnessOf(subject, { root: nodes.root, stamp: { epoch, asOf: 100 }, floor, keyFloor })
}

function dependenciesOf(nodes: readonly TagNode[], bundled?: number): Dependencies {
  if (bundled !== undefined) return bundleOf(nodes, bundled)
  return nodes.length === 0 ? null : nodes.length === 1 ? (nodes[0] as TagNode) : nodes
}

/** A chain of bundles, each with the next nodes, and the one before as a part. */
function bundleOf(nodes: readonly TagNode[], each: number): Bundle {
  let bundle = new Bundle([], [])
  for (let from = 0; from < nodes.length; from += each) bundle = new Bundle(nodes.slice(from, from + each), [bundle])
  return bundle
}

describe("freshnessOf", () => {
  test.each<[string, Case, Freshness]>([
    ["nothing was invalidated", {}, "fresh"],
    ["its dependency was invalidated before", { marks: { b: { invalidated: 9 } } }, "fresh"],
    ["its dependency was invalidated at its own position", { marks: { b: { invalidated: 10 } } }, "fresh"],
    ["its dependency was invalidated after", { marks: { b: { invalidated: 11 } } }, "stale"],
    ["what is above its dependency was invalidated", { marks: { a: { invalidated: 11 } } }, "stale"],
    ["the root was invalidated", { marks: { root: { invalidated: 11 } } }, "stale"],
    [
      "the root was invalidated, and it depends on nothing",
      { dependencies: [], marks: { root: { invalidated: 11 } } },
      "stale",
    ],
    ["what is below its dependency was invalidated", { marks: { c: { invalidated: 11 } } }, "fresh"],
    ["another tag was invalidated", { marks: { d: { invalidated: 11 } } }, "fresh"],
    [
      "the second of its dependencies was invalidated",
      { dependencies: ["b", "d"], marks: { d: { invalidated: 11 } } },
      "stale",
    ],
    ["its dependency is pending", { marks: { b: { pending: 1 } } }, "stale"],
    ["what is above its dependency is pending", { marks: { root: { pending: 2 } } }, "stale"],
    ["its dependency expired after", { marks: { b: { expired: 11 } } }, "expired"],
    ["its dependency expired before", { marks: { b: { expired: 10 } } }, "fresh"],
    ["an expiry is pending", { marks: { a: { pendingExpiry: 1 } } }, "expired"],
    ["expired below, invalidated above", { marks: { b: { expired: 11 }, a: { invalidated: 11 } } }, "stale"],
    [
      "expired first, invalidated second",
      { dependencies: ["b", "d"], marks: { b: { expired: 11 }, d: { invalidated: 11 } } },
      "stale",
    ],
    ["expired second", { dependencies: ["b", "d"], marks: { d: { expired: 11 } } }, "expired"],
    ["another epoch", { epoch: { ordinal: 2, nonce: "a" } }, "stale"],
    ["an epoch that is equal, and not the same", { epoch: { ...epoch } }, "stale"],
    ["at the floor", { floor: 10 }, "fresh"],
    ["below the floor", { floor: 11 }, "stale"],
    ["its own key was invalidated after", { marks: { k: { invalidated: 11 } } }, "stale"],
    ["its own key was invalidated at its key version", { keyVersion: 11, marks: { k: { invalidated: 11 } } }, "fresh"],
    [
      "its own key was invalidated after its key version",
      { keyVersion: 11, marks: { k: { invalidated: 12 } } },
      "stale",
    ],
    ["its function was cleared after", { marks: { f: { invalidated: 11 } } }, "stale"],
    ["its own key is pending", { marks: { k: { pending: 1 } } }, "stale"],
    ["its function is pending", { keyVersion: 50, marks: { f: { pending: 1 } } }, "stale"],
    [
      "it is itself the word on its way",
      { keyVersion: Infinity, marks: { k: { pending: 1, invalidated: 99 } } },
      "fresh",
    ],
    [
      "it is the word on its way, its tag was invalidated",
      { keyVersion: Infinity, marks: { b: { invalidated: 11 } } },
      "stale",
    ],
    ["a key version saves nobody from the root", { keyVersion: 50, marks: { root: { invalidated: 11 } } }, "stale"],
    ["below the floor of the keys", { keyFloor: 11 }, "stale"],
    ["its key version reaches the floor of the keys", { keyFloor: 11, keyVersion: 11 }, "fresh"],
    ["its key version does not reach the floor of the tags", { floor: 11, keyVersion: 11 }, "stale"],
    ["its own key expired: only tags do", { marks: { k: { expired: 11, pendingExpiry: 1 } } }, "fresh"],
  ])("%s", (_what, given, freshness) => {
    expect(judge(given)).toBe(freshness)
  })

  test("asks nothing of what was found fresh in this very state", () => {
    const { root, b, k } = marked({ b: { invalidated: 99 } })
    const stamp = { epoch, asOf: 10 }
    const log = { root, stamp, floor: 50, keyFloor: 50 }
    expect(freshnessOf({ stamp, dependencies: b, keyNode: k, keyVersion: undefined }, log)).toBe("fresh")
  })

  const version = fc.integer({ min: 0, max: 6 })
  const mark = fc.record({
    invalidated: version,
    expired: version,
    pending: fc.constantFrom(0, 0, 0, 0, 0, 1),
    pendingExpiry: fc.constantFrom(0, 0, 0, 0, 0, 1),
  })
  const marks = fc.dictionary(fc.constantFrom<Name>("root", "a", "b", "c", "d", "f", "k"), mark, { maxKeys: 4 })

  test("is the rule of the design, read word by word", () => {
    fc.assert(
      fc.property(
        fc.record({
          marks,
          dependencies: fc.subarray<Name>(["a", "b", "c", "d", "f", "k"]),
          asOf: version,
          keyVersion: fc.option(fc.oneof(version, fc.constant(Infinity)), { nil: undefined }),
          floor: version,
          keyFloor: version,
          bundled: fc.constantFrom(undefined, undefined, 1, 2, 9),
        }),
        (given) => {
          expect(judge(given)).toBe(byTheBook(given))
        },
      ),
      { numRuns },
    )
  })
})

describe("isUntouched", () => {
  const version = fc.integer({ min: 0, max: 6 })
  const said = fc.record({
    invalidated: version,
    expired: version,
    pending: fc.constantFrom(0, 0, 1),
    pendingExpiry: fc.constantFrom(0, 0, 1),
  })
  const marks = fc.dictionary(fc.constantFrom<Name>("root", "a", "b", "c", "d", "f", "k"), said, { maxKeys: 3 })

  /** The answer for an entry of one dependency at most, whose own key bears no mark: such an entry is gone. */
  function answer({ marks: given = {}, dependencies = [], asOf = 0, floor = 0, keyFloor = 0 }: Case): boolean {
    const nodes = marked(given)
    const [name] = dependencies
    const log = { root: nodes.root, stamp: { epoch, asOf: 100 }, floor, keyFloor }
    return isUntouched({ epoch, asOf }, name === undefined ? null : nodes[name], nodes.f, log)
  }

  test("never says yes where the rule says no", () => {
    let yes = 0
    fc.assert(
      fc.property(
        fc.record({
          marks,
          dependencies: fc.subarray<Name>(["a", "b", "c", "d"], { maxLength: 1 }),
          asOf: version,
          floor: version,
          keyFloor: version,
        }),
        (given) => {
          if (!answer(given)) return
          yes += 1
          expect(byTheBook({ ...given, marks: { ...given.marks, k: {} } })).toBe("fresh")
        },
      ),
      { numRuns },
    )
    expect(yes).toBeGreaterThan(numRuns / 50)
  })

  test("says no of another epoch, and yes where nothing bears a mark", () => {
    const nodes = tree()
    const log = { root: nodes.root, stamp: { epoch, asOf: 100 }, floor: 0, keyFloor: 0 }
    expect(isUntouched({ epoch, asOf: 1 }, nodes.c, nodes.f, log)).toBe(true)
    expect(isUntouched({ epoch: { ...epoch }, asOf: 1 }, nodes.c, nodes.f, log)).toBe(false)
  })
})

/** Section 3 over paths and plain numbers. What is pending has a version above every other. */
function byTheBook({ marks = {}, dependencies = [], asOf = 0, keyVersion, floor = 0, keyFloor = 0 }: Case): Freshness {
  const path: Record<Name, readonly Name[]> = {
    root: ["root"],
    a: ["root", "a"],
    b: ["root", "a", "b"],
    c: ["root", "a", "b", "c"],
    d: ["root", "d"],
    keys: ["root", "keys"],
    f: ["root", "keys", "f"],
    k: ["root", "keys", "f", "k"],
  }
  const above = 1000
  const lastInvalidated = (name: Name) => ((marks[name]?.pending ?? 0) > 0 ? above : (marks[name]?.invalidated ?? 0))
  const lastExpired = (name: Name) => ((marks[name]?.pendingExpiry ?? 0) > 0 ? above : (marks[name]?.expired ?? 0))
  // A key version is never below the position of its load: it is the larger of two.
  const ownVersion = keyVersion ?? asOf
  const seen = new Set([...dependencies, "root" as const].flatMap((name) => path[name]))
  const isFresh =
    asOf >= floor &&
    [...seen].every((name) => lastInvalidated(name) <= asOf) &&
    (["keys", "f", "k"] as const).every((name) => lastInvalidated(name) <= ownVersion) &&
    Math.max(asOf, ownVersion) >= keyFloor
  if (!isFresh) return "stale"
  return [...seen].some((name) => lastExpired(name) > asOf) ? "expired" : "fresh"
}

const logOf = ({ root }: Tree) => ({ root, stamp: { epoch, asOf: 100 } })

describe("freshnessOfDependencies", () => {
  test.each<[string, Marks, readonly Name[], Freshness]>([
    ["nothing", {}, [], "fresh"],
    ["the root alone", { root: { expired: 11 } }, [], "expired"],
    ["one", { a: { invalidated: 11 } }, ["c"], "stale"],
    ["many", { a: { expired: 11 } }, ["d", "c"], "expired"],
    ["no own key", { k: { invalidated: 11 } }, ["a"], "fresh"],
    ["a key as a dependency", { k: { invalidated: 11 } }, ["a", "k"], "stale"],
  ])("of %s", (_what, marks, names, freshness) => {
    const nodes = marked(marks)
    expect(freshnessOfDependencies(dependenciesOf(names.map((name) => nodes[name])), 10, logOf(nodes))).toBe(freshness)
  })
})

describe("expiredSince", () => {
  test.each<[string, Marks, readonly Name[], number]>([
    ["nothing expired", {}, ["b"], Infinity],
    ["what expired before does not count", { b: { expired: 10, expiredAtMs: 5 } }, ["b"], Infinity],
    ["one that did", { b: { expired: 11, expiredAtMs: 5 } }, ["b"], 5],
    ["above", { a: { expired: 11, expiredAtMs: 5 } }, ["c"], 5],
    ["the root, without dependencies", { root: { expired: 11, expiredAtMs: 5 } }, [], 5],
    ["the first of several", { a: { expired: 11, expiredAtMs: 7 }, d: { expired: 20, expiredAtMs: 5 } }, ["b", "d"], 5],
    [
      "the first of several, seen first",
      { b: { expired: 20, expiredAtMs: 5 }, d: { expired: 11, expiredAtMs: 7 } },
      ["b", "d"],
      5,
    ],
    ["one that is pending", { b: { pendingExpiry: 1, expiredAtMs: 8 } }, ["b"], 8],
  ])("%s", (_what, marks, names, sinceMs) => {
    const nodes = marked(marks)
    expect(expiredSince(dependenciesOf(names.map((name) => nodes[name])), 10, nodes.root)).toBe(sinceMs)
  })
})

describe("freshnessWithKey and keyExpiredSince", () => {
  test.each<[string, Marks, Version | undefined, number]>([
    ["nothing of its own", { d: { expired: 11, expiredAtMs: 5 } }, undefined, Infinity],
    ["its key", { k: { expired: 11, expiredAtMs: 5 } }, undefined, 5],
    ["its function", { f: { expired: 11, expiredAtMs: 5 } }, undefined, 5],
    ["all keys, before its key", { keys: { expired: 11, expiredAtMs: 4 }, k: { expired: 12, expiredAtMs: 5 } }, 10, 4],
    ["its key, up to its own word on it", { k: { expired: 11, expiredAtMs: 5 } }, 11, Infinity],
    ["its key, after that", { k: { expired: 12, expiredAtMs: 5 } }, 11, 5],
    ["its key, pending", { k: { pendingExpiry: 1, expiredAtMs: 8 } }, 11, 8],
    ["its key, pending when it was set", { k: { pendingExpiry: 1, expiredAtMs: 8 } }, Infinity, Infinity],
  ])("%s", (_what, marks, keyVersion, sinceMs) => {
    const nodes = marked(marks)
    const subject = { stamp: { epoch, asOf: 10 }, dependencies: null, keyNode: nodes.k, keyVersion }
    const log = { root: nodes.root, stamp: { epoch, asOf: 20 }, floor: 0, keyFloor: 0 }
    expect(keyExpiredSince(subject)).toBe(sinceMs)
    expect(freshnessWithKey(subject, log)).toBe(sinceMs === Infinity ? "fresh" : "expired")
    expect(freshnessOf(subject, log)).toBe("fresh")
    expect(freshnessWithKey({ ...subject, stamp: log.stamp }, log)).toBe("fresh")
    markOf(nodes.f).invalidated = 30
    expect(freshnessWithKey(subject, log)).toBe(keyVersion === Infinity ? freshnessOf(subject, log) : "stale")
  })
})

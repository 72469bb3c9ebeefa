import { Bundle, type Dependencies, nodesOf } from "./dependencies.js"
import type { SoftMark, TagNode } from "./tag-node.js"
import type { Stamp, TagTrie } from "./tag-trie.js"
import type { Version } from "./version.js"

/** A thing that the rule judges: an entry, or a load as the entry that it would become. */
export interface Subject {
  /** Epoch and `asOf`. */
  readonly stamp: Stamp
  readonly dependencies: Dependencies
  /** The node of its own key, or the nearest one above that exists. */
  readonly keyNode: TagNode
  /**
   * The own key may have been invalidated up to here. Undefined: up to `asOf`. Infinity: this is the newest word on its
   * key, on its way to the log, and no mark that its key had before outranks it.
   */
  readonly keyVersion: Version | undefined
}

/** `expired`: only a soft invalidation covers it; past its ttl, but with grace it may be served. */
export type Freshness = "fresh" | "expired" | "stale"

export type LogState = Pick<TagTrie, "root" | "stamp" | "floor" | "keyFloor">

/**
 * The freshness rule. A subject is fresh iff
 *
 *     its epoch is the log's, and its asOf ≥ floor, and
 *     for every dependency d, for every node n on the path root → d: n was last invalidated at or before its asOf,
 *     and its own key was last invalidated at or before its keyVersion,
 *     and the larger of its asOf and keyVersion ≥ the floor of the keys
 *
 * An invalidation that is not acknowledged yet counts as newer than everything.
 */
export function freshnessOf(subject: Subject, log: LogState): Freshness {
  // Found fresh in this very state of the log.
  if (subject.stamp === log.stamp) return "fresh"
  const { stamp, dependencies } = subject
  if (stamp.epoch !== log.stamp.epoch || stamp.asOf < log.floor) return "stale"
  const keyVersion = subject.keyVersion ?? stamp.asOf
  if (Math.max(stamp.asOf, keyVersion) < log.keyFloor) return "stale"
  if (isOverruled(subject.keyNode, keyVersion)) return "stale"
  return freshnessOfDependencies(dependencies, stamp.asOf, log)
}

/**
 * Whether a subject with at most one dependency is fresh because none of the nodes that concern it bears a mark after its
 * `asOf`. A part of the rule, for the many entries that are looked at again after each change elsewhere: it never says yes
 * where the rule says no, and leaves the rest to {@link freshnessOf}.
 */
export function isUntouched(
  { epoch, asOf }: Stamp,
  dependency: TagNode | null,
  keyNode: TagNode,
  log: LogState,
): boolean {
  if (epoch !== log.stamp.epoch || asOf < log.floor || asOf < log.keyFloor) return false
  for (let node: TagNode | null = dependency ?? log.root; node !== null; node = node.parent) {
    const { mark } = node
    if (mark !== null && (mark.pending > 0 || mark.invalidated > asOf || mark.soft !== null)) return false
  }
  for (let node = keyNode; node.parent !== null; node = node.parent) {
    const { mark } = node
    if (mark !== null && (mark.pending > 0 || mark.invalidated > asOf || mark.soft !== null)) return false
  }
  return true
}

/** The rule, and soft changes of its own key: what they cover has expired. */
export function freshnessWithKey(subject: Subject, log: LogState): Freshness {
  const freshness = freshnessOf(subject, log)
  if (freshness !== "fresh" || subject.stamp === log.stamp) return freshness
  return keyExpiredSince(subject) === Number.POSITIVE_INFINITY ? freshness : "expired"
}

/** The rule's part on dependencies; also answers for a load that is still running. */
export function freshnessOfDependencies(
  dependencies: Dependencies,
  asOf: Version,
  { root, stamp }: Pick<LogState, "root" | "stamp">,
): Freshness {
  if (dependencies === null) return freshnessOfPath(root, asOf)
  if (dependencies instanceof Bundle) {
    const newest = dependencies.newestIn(stamp)
    if (newest.invalidated > asOf) return "stale"
    const ofRoot = freshnessOfPath(root, asOf)
    return ofRoot === "fresh" && newest.expired > asOf ? "expired" : ofRoot
  }
  if (!Array.isArray(dependencies)) return freshnessOfPath(dependencies as TagNode, asOf)
  let freshness = freshnessOfPath(root, asOf)
  for (const dependency of dependencies as readonly TagNode[]) {
    if (freshness === "stale") return freshness
    const next = freshnessOfPath(dependency, asOf)
    if (next !== "fresh") freshness = next
  }
  return freshness
}

function freshnessOfPath(dependency: TagNode, asOf: Version): Freshness {
  let freshness: Freshness = "fresh"
  for (let node: TagNode | null = dependency; node !== null; node = node.parent) {
    const mark = node.mark
    if (mark === null) continue
    if (mark.pending > 0 || mark.invalidated > asOf) return "stale"
    if (mark.soft !== null && isAfter(mark.soft, asOf)) freshness = "expired"
  }
  return freshness
}

function isAfter(soft: SoftMark, asOf: Version): boolean {
  return soft.pending > 0 || soft.expired > asOf
}

/** Whether the key, or its function, was invalidated after `keyVersion`. The root is every entry's dependency instead. */
function isOverruled(keyNode: TagNode, keyVersion: Version): boolean {
  for (let node = keyNode; node.parent !== null; node = node.parent) {
    const mark = node.mark
    if (
      mark !== null &&
      ((mark.pending > 0 && keyVersion !== Number.POSITIVE_INFINITY) || mark.invalidated > keyVersion)
    ) {
      return true
    }
  }
  return false
}

/**
 * When the first soft invalidation reached the key, or what is above it, after `keyVersion`, in the time of `Turn.now`; Infinity
 * if none has. What is pending was so before the newest word on its key that is still on its way.
 */
export function keyExpiredSince({ stamp, keyNode, keyVersion = stamp.asOf }: Subject): number {
  let sinceMs = Number.POSITIVE_INFINITY
  for (let node = keyNode; node.parent !== null; node = node.parent) {
    const soft = node.mark?.soft
    if (soft == null) continue
    const isReached = (soft.pending > 0 && keyVersion !== Number.POSITIVE_INFINITY) || soft.expired > keyVersion
    if (isReached) sinceMs = Math.min(sinceMs, soft.expiredAtMs)
  }
  return sinceMs
}

/** When the first soft invalidation after `asOf` reached one of the dependencies, in the time of `Turn.now`. */
export function expiredSince(dependencies: Dependencies, asOf: Version, root: TagNode): number {
  let sinceMs = Number.POSITIVE_INFINITY
  const look = (dependency: TagNode) => {
    for (let node: TagNode | null = dependency; node !== null; node = node.parent) {
      const soft = node.mark?.soft
      if (soft != null && isAfter(soft, asOf)) sinceMs = Math.min(sinceMs, soft.expiredAtMs)
    }
  }
  look(root)
  for (const dependency of nodesOf(dependencies)) look(dependency)
  return sinceMs
}

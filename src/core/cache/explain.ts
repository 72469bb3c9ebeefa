import { ageOf, expiryOf } from "../entries/age.js"
import { formatDuration } from "../base/duration.js"
import type { Removal } from "../entries/entries.js"
import type { Entry, Table } from "../entries/table.js"
import { currentFrame } from "../loads/frame.js"
import { inheritEntry } from "../reads/use.js"
import { beginVisit } from "../reads/visit.js"
import { type Dependencies, nodesOf } from "../tags/dependencies.js"
import { freshnessOf } from "../tags/freshness.js"
import type { Mark, SoftMark, TagNode } from "../tags/tag-node.js"
import type { TagTrie } from "../tags/tag-trie.js"
import type { Version } from "../tags/version.js"
import type { EntryId } from "../values/id.js"
import type { OpenCache } from "./open.js"

/** The reason why an entry is stale or has expired. */
export interface Cause {
  /** The dependency that was hit: a tag, or the key of another entry. */
  readonly dependency: string
  /** The thing that was invalidated: the dependency, or something above it. `""` is everything. */
  readonly through: string
  readonly kind: "invalidated" | "expired"
  /** 0 while the log has not acknowledged it. */
  readonly version: number
  /** When this process learned of it; Unix milliseconds. */
  readonly at: number
  readonly agoMs: number
  /** `"this process"`, or how the log calls the other one. */
  readonly by: string
  /** How long after the load began; negative if before. */
  readonly afterLoadMs: number
}

/** Why an entry is or is not served. */
export interface Explanation {
  readonly key: string
  readonly state: "fresh" | "expired" | "stale" | "absent"
  /** A sentence for people. */
  readonly text: string
  /** Tags, and keys of other entries. */
  readonly dependencies: readonly string[]
  /** Present where something was invalidated. */
  readonly cause: Cause | undefined
  /** Until it expires; negative for how long it has been, Infinity without a ttl, undefined without an entry. */
  readonly expiresInMs: number | undefined
  /** Whether a load of it is running now. */
  readonly isLoading: boolean
}

/** Explains the entry of a key, or the last one that was given up as stale, if it is remembered. */
export function explain(core: OpenCache, table: Table, id: EntryId): Explanation {
  const key = table.keyOf(id)
  const isLoading = core.running.flightOf(table, id) !== undefined
  const nowMs = core.turn.read()
  const { run } = beginVisit(table, id, currentFrame())
  const entry = table.entries.get(id) ?? core.reader.looks.findShared(table, id, table.intake)
  if (entry === undefined) return explainAbsence(core, table, id, { key, isLoading, expiresInMs: undefined }, nowMs)
  inheritEntry(core, entry, run)
  const dependencies = namesOf(core.trie, entry.dependencies)
  const bornMs = core.entries.bornMs(entry)
  const base = { key, dependencies, expiresInMs: expiryOf(entry) - nowMs, isLoading }
  const cause = causeOf(core, entry, entry.stamp.asOf, bornMs, nowMs)
  if (freshnessOf(entry, core.trie) === "stale") {
    const text =
      cause === undefined ? "stale: the log lost or forgot what it would have to be compared with" : sentenceOf(cause)
    return { ...base, state: "stale", text, cause }
  }
  const isFresh = core.entries.isFresh(entry)
  const age = isFresh ? ageOf(entry, core.turn.now) : "over"
  const expiresInMs = expiryOf(entry) - nowMs
  if (age === "grace" || age === "over") {
    const why =
      cause === undefined ? `its time ran out ${formatDuration(Math.max(0, -expiresInMs))} ago` : reason(cause)
    const grace = age === "grace" ? "; it may still be served in grace" : ""
    return { ...base, expiresInMs, state: "expired", text: `expired: ${why}${grace}`, cause }
  }
  return {
    ...base,
    state: "fresh",
    text: freshText(entry, dependencies, expiresInMs, nowMs - bornMs),
    cause: undefined,
  }
}

function freshText(entry: Entry, dependencies: readonly string[], expiresInMs: number, ageMs: number): string {
  const held = entry.isError ? "fresh: it holds an error," : "fresh:"
  const upTo = expiresInMs === Number.POSITIVE_INFINITY ? "no expiry" : `expires in ${formatDuration(expiresInMs)}`
  if (dependencies.length === 0) return `${held} depends on nothing; ${upTo}`
  const none = dependencies.length === 1 ? "which has not been" : "none of them"
  const since = formatDuration(Math.max(0, ageMs))
  return `${held} depends on ${list(dependencies)}, ${none} invalidated since it was loaded ${since} ago; ${upTo}`
}

function explainAbsence(
  core: OpenCache,
  table: Table,
  id: EntryId,
  base: Pick<Explanation, "key" | "isLoading" | "expiresInMs">,
  nowMs: number,
): Explanation {
  const removal = lastRemoval(core.entries.removals, table, id)
  if (removal !== undefined) {
    const cause = causeOf(core, removal.entry, removal.stamp.asOf, removal.bornMs, nowMs)
    if (cause !== undefined || removal.isOverruled) {
      const text = cause === undefined ? "stale: its own key was set or deleted since" : sentenceOf(cause)
      return { ...base, state: "stale", text, dependencies: namesOf(core.trie, removal.entry.dependencies), cause }
    }
  }
  const isElsewhere = core.running.flightOf(table, id)?.state === "elsewhere"
  const why = isElsewhere
    ? "another node is loading it"
    : base.isLoading
      ? "it is being loaded"
      : "it was never stored, or has expired or been evicted since"
  return { ...base, state: "absent", text: `absent: ${why}`, dependencies: [], cause: undefined }
}

function lastRemoval(removals: readonly (Removal | undefined)[], table: Table, id: EntryId): Removal | undefined {
  let latest: Removal | undefined
  for (const removal of removals) {
    const isIt = removal !== undefined && removal.entry.table === table && Object.is(removal.entry.id, id)
    if (isIt && (latest === undefined || removal.order > latest.order)) latest = removal
  }
  return latest
}

/** A change that reached an entry, and the way it took. */
interface Reach {
  readonly node: TagNode
  readonly dependency: TagNode
  readonly isHard: boolean
  /** Place in the order of changes; Infinity while the log has not acknowledged it. */
  readonly version: Version
  /** When this process learned of it; Unix milliseconds. */
  readonly at: number
  /** Origin; undefined for this process. */
  readonly by: string | undefined
}

/** The newest change that reached an entry after `asOf`; a hard one goes before any soft one. */
function causeOf(core: OpenCache, entry: Entry, asOf: Version, bornMs: number, nowMs: number): Cause | undefined {
  const { trie, clock, changes } = core
  let newest: Reach | undefined
  const look = (dependency: TagNode) => {
    for (let node: TagNode | null = dependency; node !== null; node = node.parent) {
      const { mark } = node
      if (mark === null) continue
      const reach = reachOf(mark, asOf, { node, dependency })
      if (reach !== undefined && (newest === undefined || isNewer(reach, newest))) newest = reach
    }
  }
  for (const dependency of nodesOf(entry.dependencies)) look(dependency)
  if (entry.dependencies === null) look(trie.root)
  look(entry.table.keyNode)
  if (newest === undefined) return undefined
  const { node, dependency, isHard, version, at, by } = newest
  const agoMs = Math.max(0, clock.wall() - at)
  return {
    dependency: nameOf(trie, dependency),
    through: nameOf(trie, node),
    kind: isHard ? "invalidated" : "expired",
    // An unacknowledged change has no version yet.
    version: version === Number.POSITIVE_INFINITY ? 0 : version,
    at,
    agoMs,
    by: changes.nameOrigin(by),
    afterLoadMs: nowMs - agoMs - bornMs,
  }
}

/** The change after `asOf` that a mark tells of: a hard one before any soft one, and one that is pending before all others. */
function reachOf(mark: Mark, asOf: Version, way: Pick<Reach, "node" | "dependency">): Reach | undefined {
  for (const isHard of [true, false]) {
    const changes = isHard ? mark : mark.soft
    if (changes === null) continue
    if (changes.pending > 0) {
      return { ...way, isHard, version: Number.POSITIVE_INFINITY, at: changes.pendingAtMs, by: undefined }
    }
    const version = isHard ? mark.invalidated : (changes as SoftMark).expired
    if (version > asOf) return { ...way, isHard, version, at: changes.atWallMs, by: changes.by }
  }
  return undefined
}

function isNewer(reach: Reach, other: Reach): boolean {
  return reach.isHard === other.isHard ? reach.version > other.version : reach.isHard
}

function sentenceOf(cause: Cause): string {
  return `stale: ${reason(cause)}`
}

function reason(cause: Cause): string {
  const { dependency, through, kind, agoMs, by, afterLoadMs, version } = cause
  const on = dependency === "" ? "depends on everything" : `depends on \`${dependency}\``
  const what =
    through === dependency ? kind : through === "" ? `${kind} with everything` : `${kind} through \`${through}\``
  const after = afterLoadMs >= 0 ? `${formatDuration(afterLoadMs)} after the load began` : "before the load began"
  const pending = version === 0 ? ", not yet acknowledged by the log" : ""
  return `${on}, ${what} ${formatDuration(agoMs)} ago by ${by}, ${after}${pending}`
}

/** The names of dependencies: tags, and keys of other entries. */
export function namesOf(trie: TagTrie, dependencies: Dependencies): string[] {
  const names = nodesOf(dependencies).map((node) => nameOf(trie, node))
  // Tags that the user named come before the keys of what was used on the way.
  const isKey = (name: string) => name.startsWith("ƒ:")
  return [...names.filter((name) => !isKey(name)), ...names.filter(isKey)]
}

/** A tag as users write it, or the key that a node among the own keys stands for. */
function nameOf(trie: TagTrie, node: TagNode): string {
  const segments: string[] = []
  for (let at = node; at.parent !== null; at = at.parent) segments.unshift(String(at.segment))
  if (segments.length === 0) return ""
  if (segments[0] !== trie.keyRoot.segment) return segments.join(":")
  const [, table = "", ...rest] = segments
  return table + rest.join("")
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 3).map((name) => `\`${name}\``)
  if (names.length > 3) return `${shown.join(", ")} and ${names.length - 3} more`
  return shown.length === 2 ? shown.join(" and ") : shown.join(", ")
}

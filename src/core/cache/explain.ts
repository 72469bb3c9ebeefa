import { ageOf, expiryOf } from "../entries/age.js"
import { formatDuration } from "../base/duration.js"
import type { Engine } from "./engine.js"
import type { Entry } from "../entries/entry.js"
import { freshnessOf, nodesOf } from "../tags/freshness.js"
import type { EntryId } from "../values/id.js"
import type { Table } from "../entries/table.js"
import type { Mark, TagNode } from "../tags/tag-node.js"

/** What made an entry stale or expired. */
export interface Cause {
  /** What it depended on: a tag, or the key of another entry. */
  readonly dependency: string
  /** What was invalidated: the dependency, or something above it. `""` is everything. */
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
  /** One sentence for people. */
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
export function explain(engine: Engine, table: Table, id: EntryId): Explanation {
  const key = table.keyOf(id)
  const isLoading = table.flights.has(id)
  const nowMs = engine.turn.read()
  const entry = table.entries.get(id) ?? engine.findShared(table, id, table.intake)
  if (entry === undefined) return explainAbsence(engine, table, id, { key, isLoading, expiresInMs: undefined }, nowMs)
  const dependencies = namesOf(engine, entry)
  const bornMs = entry.slot < 0 ? nowMs : (engine.tier?.bornMs(entry, nowMs) ?? nowMs)
  const expiresInMs = expiryOf(entry) - nowMs
  const base = { key, dependencies, expiresInMs, isLoading }
  if (freshnessOf(entry, engine.trie) === "stale") {
    const cause = causeOf(engine, entry, bornMs, nowMs)
    const text =
      cause === undefined ? "stale: the log lost or forgot what it would have to be compared with" : sentenceOf(cause)
    return { ...base, state: "stale", text, cause }
  }
  const cause = causeOf(engine, entry, bornMs, nowMs)
  const isFresh = engine.isFresh(entry)
  const age = isFresh ? ageOf(entry, engine.turn.now) : "over"
  if (age === "grace" || age === "over") {
    const since = formatDuration(Math.max(0, nowMs - expiryOf(entry)))
    const why = cause === undefined ? `its time ran out ${since} ago` : withoutState(cause)
    const grace = age === "grace" ? "; it may still be served in grace" : ""
    return { ...base, expiresInMs: expiryOf(entry) - nowMs, state: "expired", text: `expired: ${why}${grace}`, cause }
  }
  const held = entry.isError ? "fresh: it holds an error," : "fresh:"
  const upTo = expiresInMs === Number.POSITIVE_INFINITY ? "no expiry" : `expires in ${formatDuration(expiresInMs)}`
  const on =
    dependencies.length === 0
      ? "depends on nothing"
      : `depends on ${list(dependencies)}, ${dependencies.length === 1 ? "which has not been" : "none of them"} invalidated since it was loaded ${formatDuration(Math.max(0, nowMs - bornMs))} ago`
  return {
    ...base,
    state: "fresh",
    text: `${held} ${on}; ${upTo}`,
    cause: undefined,
  }
}

function explainAbsence(
  engine: Engine,
  table: Table,
  id: EntryId,
  base: Pick<Explanation, "key" | "isLoading" | "expiresInMs">,
  nowMs: number,
): Explanation {
  const removal = lastRemoval(engine, table, id)
  const cause = removal === undefined ? undefined : causeOf(engine, removal.entry, removal.bornMs, nowMs)
  if (removal !== undefined && (cause !== undefined || removal.isOverruled)) {
    const text = cause === undefined ? "stale: its own key was set or deleted since" : sentenceOf(cause)
    return { ...base, state: "stale", text, dependencies: namesOf(engine, removal.entry), cause }
  }
  const isElsewhere = table.flights.get(id)?.stopWaiting !== undefined
  const why = isElsewhere
    ? "another node is loading it"
    : base.isLoading
      ? "it is being loaded"
      : "it was never stored, or has expired or been evicted since"
  return { ...base, state: "absent", text: `absent: ${why}`, dependencies: [], cause: undefined }
}

function lastRemoval(engine: Engine, table: Table, id: EntryId) {
  let latest: (typeof engine.removals)[number]
  for (const removal of engine.removals) {
    const isIt = removal !== undefined && removal.entry.table === table && Object.is(removal.entry.id, id)
    if (isIt && (latest === undefined || removal.order > latest.order)) latest = removal
  }
  return latest
}

/** The newest thing that reached an entry after what it was stamped with. */
function causeOf(engine: Engine, entry: Entry, bornMs: number, nowMs: number): Cause | undefined {
  const { asOf } = entry.stamp
  let newest: { mark: Mark; node: TagNode; dependency: TagNode; isHard: boolean } | undefined
  const look = (dependency: TagNode) => {
    for (let node: TagNode | null = dependency; node !== null; node = node.parent) {
      const { mark } = node
      if (mark === null) continue
      const isHard = mark.pending > 0 || mark.invalidated > asOf
      const isSoft = mark.pendingExpiry > 0 || mark.expired > asOf
      if (!isHard && !isSoft) continue
      const isNewer = newest === undefined || (isHard && !newest.isHard) || mark.atWallMs > newest.mark.atWallMs
      if (isNewer) newest = { mark, node, dependency, isHard }
    }
  }
  for (const dependency of nodesOf(entry.dependencies)) look(dependency)
  if (entry.dependencies === null) look(engine.trie.root)
  look(entry.table.keyNode)
  if (newest === undefined) return undefined
  const { mark, node, dependency, isHard } = newest
  const agoMs = Math.max(0, engine.clock.wall() - mark.atWallMs)
  const isPending = isHard ? mark.pending > 0 : mark.pendingExpiry > 0
  return {
    dependency: nameOf(engine, dependency),
    through: nameOf(engine, node),
    kind: isHard ? "invalidated" : "expired",
    version: isPending ? 0 : isHard ? mark.invalidated : mark.expired,
    at: mark.atWallMs,
    agoMs,
    by: engine.nameOrigin(mark.by),
    afterLoadMs: nowMs - agoMs - bornMs,
  }
}

function sentenceOf(cause: Cause): string {
  return `stale: ${withoutState(cause)}`
}

function withoutState(cause: Cause): string {
  const { dependency, through, kind, agoMs, by, afterLoadMs, version } = cause
  const on = dependency === "" ? "depends on everything" : `depends on \`${dependency}\``
  const what =
    through === dependency ? kind : through === "" ? `${kind} with everything` : `${kind} through \`${through}\``
  const after = afterLoadMs >= 0 ? `${formatDuration(afterLoadMs)} after the load began` : "before the load began"
  const pending = version === 0 ? ", not yet acknowledged by the log" : ""
  return `${on}, ${what} ${formatDuration(agoMs)} ago by ${by}, ${after}${pending}`
}

function namesOf(engine: Engine, entry: Entry): string[] {
  const names = nodesOf(entry.dependencies).map((node) => nameOf(engine, node))
  // What the user named comes before the keys of what was used on the way.
  const isKey = (name: string) => name.startsWith("ƒ:")
  return [...names.filter((name) => !isKey(name)), ...names.filter(isKey)]
}

/** A tag as users write it, or the key that a node among the own keys stands for. */
export function nameOf(engine: Engine, node: TagNode): string {
  const segments: string[] = []
  for (let at = node; at.parent !== null; at = at.parent) segments.unshift(String(at.segment))
  if (segments.length === 0) return ""
  if (segments[0] !== engine.trie.keyRoot.segment) return segments.join(":")
  const [, table = "", ...rest] = segments
  return table + rest.join("")
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 3).map((name) => `\`${name}\``)
  if (names.length > 3) return `${shown.join(", ")} and ${names.length - 3} more`
  return shown.length === 2 ? shown.join(" and ") : shown.join(", ")
}

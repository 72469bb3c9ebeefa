import { assert } from "../base/assert.js"
import type { Version } from "./version.js"

/** The changes of one kind, hard or soft, of one node. */
interface Changes {
  /** How many are not acknowledged yet. One of these is newer than any version. */
  pending: number
  /** When the newest of those was made here; Unix milliseconds, for sentences. */
  pendingAtMs: number
  /** When and by whom the newest with a version was applied here, for sentences; Unix milliseconds. */
  atWallMs: number
  by: string
}

/** What is known of the invalidations of one node. Most nodes have none, and then no mark either. */
export interface Mark extends Changes {
  /** The newest invalidation. */
  invalidated: Version
  /** Null until there is a soft one: fewer are. */
  soft: SoftMark | null
  /** Whether the trie's queue of marks that nothing refers to has it. */
  isQueued: boolean
}

/** What is known of soft invalidations: what they cover counts as past its ttl. */
export interface SoftMark extends Changes {
  /** The newest. */
  expired: Version
  /** When the newest was noticed here, in the turn's time: grace counts from then. */
  expiredAtMs: number
}

/**
 * A segment of a tag, interned: two tags that share a prefix share its nodes. Entries point at the nodes of their
 * dependencies, and whoever asks whether they are fresh walks the `parent`s and looks up no strings.
 */
export class TagNode {
  readonly parent: TagNode | null
  /** Numbers stand for their decimal text: `user:42` is what most tags look like, and a number needs no string. */
  readonly segment: string | number
  /** Hash of parent and segment, by which the trie's table finds it; a small integer. */
  readonly hash: number
  mark: Mark | null = null
  /** Children, entries, loads: what keeps this node in the trie. */
  uses = 0

  constructor(parent: TagNode | null, segment: string | number, hash: number) {
    this.parent = parent
    this.segment = segment
    this.hash = hash
  }
}

/** The segments of a node below the root, by which the trie finds it again. */
export function pathOf(node: TagNode): string[] {
  const segments: string[] = []
  for (let at = node; at.parent !== null; at = at.parent) segments.unshift(String(at.segment))
  return segments
}

export function markOf(node: TagNode): Mark {
  node.mark ??= { invalidated: 0, pending: 0, soft: null, isQueued: false, pendingAtMs: 0, atWallMs: 0, by: "" }
  return node.mark
}

export function softMarkOf(mark: Mark): SoftMark {
  mark.soft ??= { expired: 0, pending: 0, expiredAtMs: 0, pendingAtMs: 0, atWallMs: 0, by: "" }
  return mark.soft
}

/**
 * An invalidation is on its way to the log: newer than any version until {@link endPending}, once for each.
 *
 * @param nowMs in the time of `Turn.now`.
 */
export function beginPending(mark: Mark, isSoft: boolean, atWallMs: number, nowMs: number): void {
  const changes = isSoft ? softMarkOf(mark) : mark
  changes.pending += 1
  changes.pendingAtMs = atWallMs
  if (isSoft) (changes as SoftMark).expiredAtMs = nowMs
}

export function endPending(mark: Mark, isSoft: boolean): void {
  const changes = isSoft ? softMarkOf(mark) : mark
  changes.pending -= 1
  assert(changes.pending >= 0, "an invalidation was settled twice")
}

/** Whether something is still on its way to the log for this node: it may not be forgotten. */
export function isPending(node: TagNode): boolean {
  return node.mark !== null && node.mark.pending + (node.mark.soft?.pending ?? 0) > 0
}

/** The newest version that a node itself carries. */
export function newestVersion(mark: Mark): Version {
  return mark.soft !== null && mark.soft.expired > mark.invalidated ? mark.soft.expired : mark.invalidated
}

import { assert } from "../base/assert.js"
import type { Version } from "./version.js"

/** The newest invalidations of one node. Most nodes were never invalidated, and have no mark. */
export interface Mark {
  /** The newest invalidation. */
  invalidated: Version
  /** The newest soft invalidation: what it covers counts as past its ttl. */
  expired: Version
  /** How many invalidations of this node are not acknowledged yet. One of these is newer than any version. */
  pending: number
  pendingExpiry: number
  /** When and by whom the newest was applied here, for sentences; Unix milliseconds. */
  atWallMs: number
  by: string
  /** When the newest soft one was noticed here, in the turn's time: grace counts from then. */
  expiredAtMs: number
  /** Whether the trie's queue of marks that nothing refers to has it. */
  isQueued: boolean
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

export function markOf(node: TagNode): Mark {
  node.mark ??= {
    invalidated: 0,
    expired: 0,
    pending: 0,
    pendingExpiry: 0,
    atWallMs: 0,
    by: "",
    expiredAtMs: 0,
    isQueued: false,
  }
  return node.mark
}

/** An invalidation is on its way to the log: newer than any version until {@link endPending}, once for each. */
export function beginPending(mark: Mark, isSoft: boolean): void {
  if (isSoft) mark.pendingExpiry += 1
  else mark.pending += 1
}

export function endPending(mark: Mark, isSoft: boolean): void {
  if (isSoft) mark.pendingExpiry -= 1
  else mark.pending -= 1
  assert(mark.pending >= 0 && mark.pendingExpiry >= 0, "an invalidation was settled twice")
}

/** Whether something is still on its way to the log for this node: it may not be forgotten. */
export function isPending(node: TagNode): boolean {
  return node.mark !== null && node.mark.pending + node.mark.pendingExpiry > 0
}

/** The newest version that a node itself carries. */
export function newestVersion(mark: Mark): Version {
  return mark.invalidated > mark.expired ? mark.invalidated : mark.expired
}

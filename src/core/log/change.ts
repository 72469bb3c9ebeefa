import { changeId, isOfTags } from "../ports/change.js"
import type { LogChange } from "../ports/log.js"

/** Fewer changes that cover all of `changes`: the deepest paths give up their last segments until `most` are left. */
export function collapseChanges(changes: readonly LogChange[], most: number): LogChange[] {
  const unique = new Map<string, LogChange>()
  for (const change of changes) unique.set(changeId(change), change)
  while (unique.size > most) {
    let deepest = 0
    for (const change of unique.values()) deepest = Math.max(deepest, depthOf(change))
    if (deepest === 0) break
    for (const [id, change] of unique) {
      if (depthOf(change) !== deepest) continue
      unique.delete(id)
      const parent = parentOf(change)
      unique.set(changeId(parent), parent)
    }
  }
  return [...unique.values()]
}

function depthOf(change: LogChange): number {
  // Keys know no hierarchy that a log could name: they become everything when there are too many.
  if (!isOfTags(change)) return 1
  return change.path === "" ? 0 : change.path.split(":").length
}

function parentOf(change: LogChange): LogChange {
  if (!isOfTags(change)) return { kind: "tag", path: "" }
  const end = change.path.lastIndexOf(":")
  return { kind: change.kind, path: end < 0 ? "" : change.path.slice(0, end) }
}

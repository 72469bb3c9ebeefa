import type { TagNode } from "./tag-node.js"
import type { TagTrie } from "./tag-trie.js"
import { NO_VERSION, versionWallMs } from "./version.js"

/**
 * When a tag, or anything above it, was last invalidated; Unix milliseconds, by the clock of the log. Undefined where that is
 * known not to have happened. What was forgotten may have been about this tag: its time is the answer then. What the log has
 * not acknowledged yet counts from the call.
 */
export function lastInvalidationMs(trie: TagTrie, segments: readonly string[]): number | undefined {
  const version = Math.max(trie.versionOf(segments), trie.floor)
  let lastMs = version === NO_VERSION ? undefined : versionWallMs(version)
  let node: TagNode | undefined = trie.root
  for (let depth = 0; node !== undefined; depth += 1) {
    if (node.mark !== null && node.mark.pending > 0) lastMs = Math.max(lastMs ?? 0, node.mark.pendingAtMs)
    node = depth < segments.length ? trie.findChild(node, segments[depth] as string) : undefined
  }
  return lastMs
}

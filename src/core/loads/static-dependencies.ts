import { InvalidOptionError } from "../base/errors.js"
import { isStringArray } from "../options/checks.js"
import type { TagNode } from "../tags/tag-node.js"
import type { TagTrie } from "../tags/tag-trie.js"
import type { LoadRequest } from "./load-request.js"

/** The nodes of what a load declares to depend on, each with one use more. Throws `InvalidTagError`, and what `deps` throws. */
export function staticDependencies({ definition, self, args }: LoadRequest, trie: TagTrie): TagNode[] {
  const { scope, keyScope, hooks } = definition
  const tags = typeof hooks.deps === "function" ? hooks.deps.apply(self, args as unknown[]) : hooks.deps
  if (tags !== undefined && !isStringArray(tags)) {
    throw new InvalidOptionError("deps", tags, "it must return an array of tags")
  }
  const nodes = new Set<TagNode>()
  const add = (node: TagNode) => {
    if (nodes.has(node)) trie.release(node)
    else nodes.add(node)
  }
  try {
    const own = keyScope.acquireOwn()
    if (own !== undefined) add(own)
    for (const tag of tags ?? []) add(scope.acquire(tag))
    return [...nodes]
  } catch (error) {
    for (const node of nodes) trie.release(node)
    throw error
  }
}

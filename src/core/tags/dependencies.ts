import { assert } from "../base/assert.js"
import type { TagNode } from "./tag-node.js"
import { NO_VERSION, type Version } from "./version.js"

/** The part of a trie that ends uses of its nodes. */
interface Releasing {
  release(node: TagNode): void
}

/** The newest marks on a bundle in one state of the log. */
interface Newest {
  /** Infinity while one is pending. */
  readonly invalidated: Version
  readonly expired: Version
}

/**
 * Dependencies that many entries and loads share, and that are counted once for all of them: those of a batch, or of a load
 * that others are made of. A bundle may have others as parts; together they hold each node once, however many use them.
 *
 * Invariant: it has one use of each of its nodes and parts for as long as something uses it.
 */
export class Bundle {
  readonly nodes: readonly TagNode[]
  readonly parts: readonly Bundle[]
  /** Entries, loads, runs and bundles that have it among their dependencies. */
  uses = 0
  /** The state of the log in which `newest` was found, as its stamp. */
  #seenIn: object | undefined
  #newest: Newest = { invalidated: NO_VERSION, expired: NO_VERSION }

  constructor(nodes: readonly TagNode[], parts: readonly Bundle[]) {
    this.nodes = nodes
    this.parts = parts
    for (const node of nodes) node.uses += 1
    for (const part of parts) part.uses += 1
  }

  /**
   * The newest marks on its nodes and those above them. Looked for once in each state of the log, for all who ask.
   *
   * @param stamp of the trie: another one with each change that may concern a node that something uses.
   */
  newestIn(stamp: object): Newest {
    if (this.#seenIn === stamp) return this.#newest
    // Parts before what they are part of, without recursion: a chain of loads may be thousands long.
    const open: Bundle[] = [this]
    while (open.length > 0) {
      const bundle = open.at(-1) as Bundle
      const waiting = open.length
      for (const part of bundle.parts) if (part.#seenIn !== stamp) open.push(part)
      if (open.length > waiting) continue
      open.pop()
      bundle.#look(stamp)
    }
    return this.#newest
  }

  #look(stamp: object): void {
    if (this.#seenIn === stamp) return
    let invalidated = NO_VERSION
    let expired = NO_VERSION
    for (const dependency of this.nodes) {
      for (let node: TagNode | null = dependency; node !== null; node = node.parent) {
        const { mark } = node
        if (mark === null) continue
        invalidated = Math.max(invalidated, mark.pending > 0 ? Number.POSITIVE_INFINITY : mark.invalidated)
        if (mark.soft !== null) {
          expired = Math.max(expired, mark.soft.pending > 0 ? Number.POSITIVE_INFINITY : mark.soft.expired)
        }
      }
    }
    for (const part of this.parts) {
      invalidated = Math.max(invalidated, part.#newest.invalidated)
      expired = Math.max(expired, part.#newest.expired)
    }
    this.#seenIn = stamp
    this.#newest = { invalidated, expired }
  }
}

/** The nodes that an entry depends on; the root comes on top of them. One node stands for itself, to save an array. */
export type Dependencies = TagNode | readonly TagNode[] | Bundle | null

/** The nodes of dependencies, each once, however many there are. */
export function nodesOf(dependencies: Dependencies): readonly TagNode[] {
  if (dependencies === null) return []
  if (Array.isArray(dependencies)) return dependencies as readonly TagNode[]
  if (!(dependencies instanceof Bundle)) return [dependencies as TagNode]
  const nodes = new Set<TagNode>()
  // Sets grow while they are walked.
  const bundles = new Set([dependencies])
  for (const bundle of bundles) {
    for (const node of bundle.nodes) nodes.add(node)
    for (const part of bundle.parts) bundles.add(part)
  }
  return [...nodes]
}

/** Begins a use of dependencies. End it with {@link letGo}. */
export function hold(dependencies: Dependencies): void {
  if (dependencies instanceof Bundle) dependencies.uses += 1
  else for (const node of nodesOf(dependencies)) node.uses += 1
}

/** Ends a use of dependencies. */
export function letGo(dependencies: Dependencies, trie: Releasing): void {
  if (!(dependencies instanceof Bundle)) {
    for (const node of nodesOf(dependencies)) trie.release(node)
    return
  }
  const unused: Bundle[] = [dependencies]
  for (let bundle = unused.pop(); bundle !== undefined; bundle = unused.pop()) {
    bundle.uses -= 1
    assert(bundle.uses >= 0, "a bundle of dependencies was let go more often than it was held")
    if (bundle.uses > 0) continue
    for (const node of bundle.nodes) trie.release(node)
    for (const part of bundle.parts) unused.push(part)
  }
}

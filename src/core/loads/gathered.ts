import { Bundle, type Dependencies, letGo } from "../tags/dependencies.js"
import type { TagNode } from "../tags/tag-node.js"
import type { TagTrie } from "../tags/tag-trie.js"

/** Nodes from which on dependencies are a bundle, which is made once for all who share them. */
const WORTH_SHARING = 16

/** The dependencies that a run has gathered so far: nodes, each with one use, and bundles of other loads. */
export class Gathered {
  #nodes: Set<TagNode> | undefined
  #bundles: Set<Bundle> | undefined
  readonly #trie: TagTrie
  /** All of it as one bundle, if there is reason for one, as of when it was last asked for. */
  #whole: Bundle | undefined

  constructor(trie: TagTrie) {
    this.#trie = trie
  }

  /** For the structural check. */
  get nodes(): ReadonlySet<TagNode> {
    return this.#nodes ?? NONE
  }

  /** The bundles that it has one use of; for the structural check. */
  *bundles(): Generator<Bundle> {
    yield* this.#bundles ?? []
    if (this.#whole !== undefined) yield this.#whole
  }

  has(node: TagNode): boolean {
    return this.#nodes?.has(node) === true
  }

  /** Takes over one use of a node that it does not have. */
  add(node: TagNode): void {
    this.#nodes ??= new Set()
    this.#nodes.add(node)
  }

  /** Adds the dependencies of an entry or of another load. */
  addAll(dependencies: Dependencies): void {
    if (dependencies === null) return
    if (dependencies instanceof Bundle) this.#addBundle(dependencies)
    else if (!Array.isArray(dependencies)) this.#addNode(dependencies as TagNode)
    else for (const node of dependencies as readonly TagNode[]) this.#addNode(node)
  }

  /** All of it and a few nodes more. Of the same as before the answer is the same bundle. */
  with(own: readonly TagNode[], before: Bundle | undefined): Dependencies {
    const count = this.#nodes?.size ?? 0
    if (this.#bundles === undefined && count < WORTH_SHARING) {
      if (count === 0) return own.length < 2 ? (own[0] ?? null) : own
      const nodes = new Set([...own, ...(this.#nodes as Set<TagNode>)])
      return nodes.size === 1 ? (nodes.values().next().value as TagNode) : [...nodes]
    }
    const whole = this.#asBundle()
    if (own.length === 0) return whole
    return before !== undefined && before.nodes.length === own.length && before.parts[0] === whole
      ? before
      : new Bundle(own, [whole])
  }

  /** Gives back what it has. */
  end(): void {
    for (const node of this.#nodes ?? []) this.#trie.release(node)
    for (const bundle of this.bundles()) letGo(bundle, this.#trie)
    this.#nodes = undefined
    this.#bundles = undefined
    this.#whole = undefined
  }

  #asBundle(): Bundle {
    const whole = this.#whole
    const bundles = this.#bundles ?? []
    // Neither of them ever shrinks.
    const isSame = whole?.nodes.length === this.nodes.size && whole.parts.length === (this.#bundles?.size ?? 0)
    if (whole !== undefined && isSame) return whole
    const next = new Bundle([...this.nodes], [...bundles])
    next.uses = 1
    if (whole !== undefined) letGo(whole, this.#trie)
    this.#whole = next
    return next
  }

  #addNode(node: TagNode): void {
    if (node.parent === null || this.has(node)) return
    node.uses += 1
    this.add(node)
  }

  #addBundle(bundle: Bundle): void {
    this.#bundles ??= new Set()
    if (this.#bundles.has(bundle)) return
    bundle.uses += 1
    this.#bundles.add(bundle)
  }
}

const NONE: ReadonlySet<TagNode> = new Set()

import type { Aged } from "../entries/age.js"
import { type Frame, transactionAround } from "../loads/frame.js"
import type { Entry, Table } from "../entries/table.js"
import { keyExpiry } from "../ports/key-expiry.js"
import type { LogChange } from "../ports/log.js"
import { nodesOf } from "../tags/dependencies.js"
import type { TagNode } from "../tags/tag-node.js"
import type { Stamp, TagTrie } from "../tags/tag-trie.js"
import type { Token, Version } from "../tags/version.js"
import { cloneValue } from "../values/clone-value.js"
import type { EntryId } from "../values/id.js"
import type { SetByHand } from "./latest-sets.js"

/** The handle that the function of `cache.transaction` is given. */
export interface TransactionHandle {
  /** The token of its invalidations once the outermost transaction has been acknowledged; undefined before. */
  readonly token: Token | undefined
}

/** A value that is to be stored when the transaction has committed. */
export interface Written {
  readonly value: unknown
  /** Each reader gets a copy. */
  readonly isCloned: boolean
  /** Held by the change that set it, for as long as the transaction lasts. */
  readonly dependencies: readonly TagNode[]
  /** Undefined where it is not to be kept at all. */
  readonly aged: Aged | undefined
  readonly loadedAt: Stamp
  /** In the time of `Turn.now`. */
  readonly setAtMs: number
  /** Place after which a change makes it outdated: before it was measured, as user code that measures it may change its tags. */
  readonly since: number
  readonly store: (keyVersion: Version | null) => SetByHand | undefined
}

interface SetInside extends Written {
  readonly table: Table
}

/** Counts what is done inside a transaction and those in it, so that later can be told from earlier. */
interface Order {
  last: number
}

/**
 * Invalidations that wait for a database transaction to commit. For reads inside they hold at once; for everybody else
 * when, and only if, it has succeeded.
 *
 * Each change notes its place in the order of changes. Whether a value that was set inside still holds is found out when it
 * is asked for, as with stored entries: no change looks through what was collected before it.
 */
export class Transaction implements TransactionHandle, Frame {
  readonly kind = "transaction"
  readonly owner: object
  readonly parent: Frame | undefined
  readonly transaction: Frame | undefined
  readonly mayNotWait = false
  /** The transaction of the same cache around it, which will append its changes with its own. */
  readonly outer: Transaction | undefined
  token: Token | undefined
  isSettled = false
  readonly changes: LogChange[] = []
  readonly #trie: TagTrie
  readonly #order: Order
  /** Invalidated nodes, those of own keys included, with the place of the newest change. Each counts as one use. */
  readonly #nodes = new Map<TagNode, number>()
  /** By table name: a function that was redefined has another table of the same name. */
  readonly #functions = new Map<string, number>()
  /** By table name and segment: the newest change of a key, which has set or deleted it. */
  readonly #keys = new Map<string, number>()
  readonly #sets = new Map<string, SetInside>()
  /** Uses that end with the transaction. */
  readonly #held: TagNode[] = []

  constructor(trie: TagTrie, parent: Frame | undefined) {
    this.owner = trie
    this.#trie = trie
    this.parent = parent
    this.transaction = transactionAround(parent)
    this.outer = transactionOf(parent, trie)
    this.#order = this.outer === undefined ? { last: 0 } : this.outer.#order
  }

  /** Collects the invalidation of tags; the nodes come with one use each, which this keeps until it settles. */
  addTags(kind: "tag" | "expiry", paths: readonly string[], nodes: readonly TagNode[]): void {
    for (const path of paths) this.changes.push({ kind, path })
    const order = this.#next()
    for (const node of nodes) this.#addNode(node, order)
  }

  /** A key expires with the commit. For reads inside it is gone at once, as with tags that expire. */
  expireKey(table: Table, id: EntryId): void {
    this.#addKey(table, id, keyExpiry(table.keyOf(id)))
  }

  addKey(table: Table, id: EntryId, written?: Written): void {
    this.#addKey(table, id, { kind: "key", path: table.keyOf(id) }, written)
  }

  #addKey(table: Table, id: EntryId, change: LogChange, written?: Written): void {
    this.changes.push(change)
    const order = this.#next()
    const name = nameOf(table, id)
    // Readers of this key's entry depend on it.
    this.#addNode(table.acquireKeyNode(id), order)
    this.#keys.set(name, order)
    if (written === undefined) {
      this.#sets.delete(name)
      return
    }
    this.#sets.set(name, { ...written, table })
    for (const node of written.dependencies) this.#held.push(node)
  }

  addFunction(table: Table): void {
    this.changes.push({ kind: "function", path: table.name })
    const order = this.#next()
    this.#addNode(table.acquireFunctionNode(), order)
    this.#functions.set(table.name, order)
  }

  /** Place of the newest change here and around, which what is set from now on comes after. */
  get place(): number {
    return this.#order.last
  }

  /** Whether anything was changed here or around, so that reads inside may find something else than reads outside. */
  get hasChanges(): boolean {
    return this.changes.length > 0 || this.outer?.hasChanges === true
  }

  /** Whether something collected here, or in a transaction around, invalidates an entry. */
  covers(entry: Entry): boolean {
    if (this.#functions.has(entry.table.name) || this.#keys.has(nameOf(entry.table, entry.id))) return true
    if (this.#isBelow(nodesOf(entry.dependencies), -1)) return true
    return this.outer?.covers(entry) ?? false
  }

  /** The value that was set under a key, here or in a transaction around, and not invalidated since. */
  written(table: Table, id: EntryId): { value: unknown } | undefined {
    const set = this.setInside(table, id)
    return set && { value: set.isCloned ? cloneValue(set.value) : set.value }
  }

  /** The same, as it was set. */
  setInside(table: Table, id: EntryId): Written | undefined {
    const set = this.#newestSet(nameOf(table, id))
    return set === undefined || this.#isOutdated(set) ? undefined : set
  }

  /** Whether a change here, or in a transaction around, that came after `since` covers one of the nodes. */
  coversNodes(nodes: readonly TagNode[], since = -1): boolean {
    if (nodes.length === 0) return false
    return this.#isBelow(nodes, since) || (this.outer?.coversNodes(nodes, since) ?? false)
  }

  /** The newest change of a key, here or around; undefined where that has deleted it, or there is none. */
  #newestSet(name: string): SetInside | undefined {
    if (this.#keys.has(name)) return this.#sets.get(name)
    return this.outer === undefined ? undefined : this.outer.#newestSet(name)
  }

  #isOutdated(set: SetInside): boolean {
    return this.#outdates(set) || (this.outer !== undefined && this.outer.#isOutdated(set))
  }

  /** Gives what was collected to the transaction around. */
  joinOuter(outer: Transaction): void {
    this.isSettled = true
    for (const change of this.changes) outer.changes.push(change)
    for (const [node, order] of this.#nodes) outer.#addNode(node, order)
    for (const [name, order] of this.#functions) {
      if ((outer.#functions.get(name) ?? -1) < order) outer.#functions.set(name, order)
    }
    for (const [name, order] of this.#keys) {
      // Both may have changed the key meanwhile.
      if ((outer.#keys.get(name) ?? -1) > order) continue
      outer.#keys.set(name, order)
      const set = this.#sets.get(name)
      if (set === undefined) outer.#sets.delete(name)
      else outer.#sets.set(name, set)
    }
    for (const node of this.#held) outer.#held.push(node)
    this.#held.length = 0
    this.#nodes.clear()
  }

  /** From here on code that still runs inside acts directly. */
  settle(): void {
    this.isSettled = true
    for (const node of this.#nodes.keys()) this.#trie.release(node)
    for (const node of this.#held) this.#trie.release(node)
    this.#nodes.clear()
    this.#held.length = 0
  }

  /** Stores what was set and still holds, once its invalidations have been sent. */
  storeSets(keyVersion: Version | null): SetByHand[] {
    const stored: SetByHand[] = []
    for (const set of this.#sets.values()) {
      const value = this.#outdates(set) ? undefined : set.store(keyVersion)
      if (value !== undefined) stored.push(value)
    }
    return stored
  }

  #next(): number {
    this.#order.last += 1
    return this.#order.last
  }

  /** Takes over one use of a node. */
  #addNode(node: TagNode, order: number): void {
    const known = this.#nodes.get(node)
    if (known !== undefined) this.#trie.release(node)
    if (known === undefined || known < order) this.#nodes.set(node, order)
  }

  /** Whether something was invalidated here, after a value was set, on which that value depends. */
  #outdates({ table, dependencies, since }: SetInside): boolean {
    return (this.#functions.get(table.name) ?? -1) > since || this.#isBelow(dependencies, since)
  }

  /**
   * Whether one of the nodes, or a node above it, was invalidated here after `order`. Everything is below the root, also
   * what depends on nothing.
   */
  #isBelow(nodes: readonly TagNode[], order: number): boolean {
    if (this.#nodes.size === 0) return false
    const isLater = (node: TagNode) => (this.#nodes.get(node) ?? -1) > order
    if (isLater(this.#trie.root)) return true
    for (const node of nodes) {
      for (let at: TagNode | null = node; at !== null; at = at.parent) if (isLater(at)) return true
    }
    return false
  }
}

/** The innermost transaction of a cache that has not settled. */
export function transactionOf(frame: Frame | undefined, owner: object): Transaction | undefined {
  for (let at = transactionAround(frame); at !== undefined; at = at.transaction) {
    // By its owner and not by its class: a frame of another copy of this library has another class, and another owner.
    if (at.owner === owner && !at.isSettled) return at as Transaction
  }
  return undefined
}

function nameOf(table: Table, id: EntryId): string {
  return `${table.name}\n${table.segmentOf(id)}`
}

import type { Entry } from "../entries/entry.js"
import type { Engine } from "../cache/engine.js"
import { nodesOf } from "../tags/freshness.js"
import type { EntryId } from "../values/id.js"
import type { LogChange } from "../ports/log.js"
import type { Table } from "../entries/table.js"
import type { TagNode } from "../tags/tag-node.js"
import type { Token, Version } from "../tags/version.js"
import type { SetByHand } from "./writer.js"

/** What the function of `cache.transaction` is given. */
export interface TransactionHandle {
  /** The token of its invalidations once the outermost transaction has been acknowledged; undefined before. */
  readonly token: Token | undefined
}

interface Written {
  readonly value: unknown
  /** Held by the change that set it, for as long as the transaction lasts. */
  readonly dependencies: readonly TagNode[]
  readonly store: (keyVersion: Version | null) => SetByHand | undefined
}

/**
 * Invalidations that wait for a database transaction to commit. For reads inside they hold at once; for everybody else
 * when, and only if, it has succeeded.
 */
export class Transaction implements TransactionHandle {
  readonly parent: Transaction | undefined
  token: Token | undefined
  isSettled = false
  readonly changes: LogChange[] = []
  readonly #engine: Engine
  readonly #nodes = new Set<TagNode>()
  // By table name and segment: what was set here, and keys that were deleted (undefined).
  readonly #keys = new Map<string, Written | undefined>()
  readonly #functions = new Set<Table>()
  /** Uses that end with the transaction. */
  readonly #held: TagNode[] = []

  constructor(engine: Engine, parent: Transaction | undefined) {
    this.#engine = engine
    this.parent = parent
  }

  /** Collects the invalidation of tags; the nodes come with one use each, which this keeps until it settles. */
  addTags(kind: "tag" | "expiry", paths: readonly string[], nodes: readonly TagNode[]): void {
    for (const path of paths) this.changes.push({ kind, path })
    for (const node of nodes) this.#addNode(node)
    // What was set before may depend on them; what is set from here on is newer.
    this.#dropWritten(new Set(nodes))
  }

  addKey(table: Table, id: EntryId, written?: Written): void {
    this.changes.push({ kind: "key", path: table.keyOf(id) })
    // What used the entry of this key depends on it.
    this.#addNode(this.#engine.acquireKeyNode(table, id))
    this.#keys.set(nameOf(table, id), written)
    if (written !== undefined) this.#held.push(...written.dependencies)
  }

  addFunction(table: Table): void {
    this.changes.push({ kind: "function", path: table.name })
    this.#dropWrittenOf(table)
    table.keyNode.uses += 1
    this.#addNode(table.keyNode)
    this.#functions.add(table)
  }

  /** Whether something collected here, or in a transaction around, invalidates an entry. */
  covers(entry: Entry): boolean {
    if (this.#functions.has(entry.table) || this.#keys.has(nameOf(entry.table, entry.id))) return true
    if (this.#isBelow(nodesOf(entry.dependencies), this.#nodes)) return true
    return this.parent?.covers(entry) ?? false
  }

  /** What was set under a key, here or in a transaction around, and not invalidated since. */
  written(table: Table, id: EntryId): { value: unknown } | undefined {
    const written = this.#written(table, nameOf(table, id))
    return written === undefined ? undefined : { value: written.value }
  }

  #written(table: Table, name: string): Written | undefined {
    if (this.#keys.has(name) || this.#functions.has(table)) return this.#keys.get(name)
    const around = this.parent === undefined ? undefined : this.parent.#written(table, name)
    return around === undefined || this.#isBelow(around.dependencies, this.#nodes) ? undefined : around
  }

  /** Gives what was collected to the transaction around, which will append it with its own. */
  joinParent(parent: Transaction): void {
    this.isSettled = true
    parent.changes.push(...this.changes)
    parent.#dropWritten(this.#nodes)
    for (const table of this.#functions) parent.#dropWrittenOf(table)
    for (const node of this.#nodes) parent.#addNode(node)
    for (const table of this.#functions) parent.#functions.add(table)
    for (const [name, written] of this.#keys) parent.#keys.set(name, written)
    parent.#held.push(...this.#held)
    this.#held.length = 0
    this.#nodes.clear()
    this.#keys.clear()
  }

  /** From here on code that still runs inside acts directly. */
  settle(): void {
    this.isSettled = true
    for (const node of this.#nodes) this.#engine.trie.release(node)
    for (const node of this.#held) this.#engine.trie.release(node)
    this.#nodes.clear()
    this.#held.length = 0
  }

  /** Stores what was set, once its invalidations have been sent. */
  storeWritten(keyVersion: Version | null): SetByHand[] {
    const stored: SetByHand[] = []
    for (const written of this.#keys.values()) {
      const value = written?.store(keyVersion)
      if (value !== undefined) stored.push(value)
    }
    return stored
  }

  /** Takes over one use of a node. */
  #addNode(node: TagNode): void {
    if (this.#nodes.has(node)) this.#engine.trie.release(node)
    else this.#nodes.add(node)
  }

  #dropWritten(tops: ReadonlySet<TagNode>): void {
    for (const [name, written] of this.#keys) {
      if (written !== undefined && this.#isBelow(written.dependencies, tops)) this.#keys.set(name, undefined)
    }
  }

  #dropWrittenOf(table: Table): void {
    for (const name of this.#keys.keys()) if (name.startsWith(`${table.name}\n`)) this.#keys.set(name, undefined)
  }

  /** Whether one of the nodes is one of `tops` or below. Everything is below the root, also what depends on nothing. */
  #isBelow(nodes: readonly TagNode[], tops: ReadonlySet<TagNode>): boolean {
    if (tops.size === 0) return false
    if (tops.has(this.#engine.trie.root)) return true
    return nodes.some((node) => {
      for (let at: TagNode | null = node; at !== null; at = at.parent) if (tops.has(at)) return true
      return false
    })
  }
}

function nameOf(table: Table, id: EntryId): string {
  return `${table.name}\n${table.segmentOf(id)}`
}

import type { Dependencies, Subject } from "../tags/freshness.js"
import type { EntryId } from "../values/id.js"
import type { Run } from "./run.js"
import type { Table } from "../entries/table.js"
import type { TagNode } from "../tags/tag-node.js"
import type { Stamp } from "../tags/tag-trie.js"
import type { Version } from "../tags/version.js"

/** What the start of a load fixes. */
export interface LoadStart {
  /** A stamp of its own: `asOf` stays what it was when the load began. */
  readonly stamp: Stamp
  /** The trie's stamp then: while it is the current one, nothing changed that concerns anyone. */
  readonly seen: Stamp
  readonly keyVersion: Version | undefined
  readonly startedAtMs: number
  readonly startedWallMs: number
}

/** One key's part of a run: where in the order of changes it began, and whether its result may still be kept. */
export class Load implements Subject, LoadStart {
  readonly table: Table
  readonly id: EntryId
  readonly run: Run
  readonly stamp: Stamp
  readonly seen: Stamp
  readonly keyVersion: Version | undefined
  readonly startedAtMs: number
  readonly startedWallMs: number
  /** The dependencies of this key alone; those of the run come on top. Each counts as a use of its node. */
  ownDependencies: TagNode[] = []
  /** Its key was set, deleted, or loaded by a load that began later. */
  isSuperseded = false
  /** What used its result may not be kept: nobody knows all that it depends on, or it saw what is not committed. */
  isTainted = false
  /** When its value expires, kept or not, in the time of `Turn.now`. */
  expiryMs = Number.POSITIVE_INFINITY
  /** Whether the shared tier has stored its value, once that is known; undefined where it does not go there. */
  written: Promise<boolean> | undefined
  /** In the list of all running loads, which is in the order of their start. */
  previous: Load | undefined
  next: Load | undefined
  nextOfKey: Load | undefined

  constructor(table: Table, id: EntryId, run: Run, start: LoadStart) {
    this.table = table
    this.id = id
    this.run = run
    this.stamp = start.stamp
    this.seen = start.seen
    this.keyVersion = start.keyVersion
    this.startedAtMs = start.startedAtMs
    this.startedWallMs = start.startedWallMs
  }

  /** The node of its own key if there is one, else that of its function. */
  get keyNode(): TagNode {
    return this.run.engine.keyNodeOf(this.table, this.id) ?? this.table.keyNode
  }

  /** All it depends on so far. */
  get dependencies(): Dependencies {
    const { dependencies } = this.run
    const count = this.ownDependencies.length + dependencies.size
    if (count === 0) return null
    if (count === 1) return this.ownDependencies[0] ?? (dependencies.values().next().value as TagNode)
    if (dependencies.size === 0) return this.ownDependencies
    return [...new Set([...this.ownDependencies, ...dependencies])]
  }
}

/** The running loads of a cache in the order in which they began, so that the oldest is at hand. */
export class RunningLoads {
  #oldest: Load | undefined
  #newest: Load | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  get oldest(): Load | undefined {
    return this.#oldest
  }

  add(load: Load): void {
    load.previous = this.#newest
    if (this.#newest === undefined) this.#oldest = load
    else this.#newest.next = load
    this.#newest = load
    this.#size += 1
  }

  remove(load: Load): void {
    if (load.previous === undefined && this.#oldest !== load) return
    if (load.previous === undefined) this.#oldest = load.next
    else load.previous.next = load.next
    if (load.next === undefined) this.#newest = load.previous
    else load.next.previous = load.previous
    load.previous = undefined
    load.next = undefined
    this.#size -= 1
  }

  *[Symbol.iterator](): IterableIterator<Load> {
    for (let at = this.#oldest; at !== undefined; at = at.next) yield at
  }
}

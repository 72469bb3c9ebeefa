import { type CurrentLoad, currentLoadOf } from "./current-load.js"
import type { Engine } from "../cache/engine.js"
import { ForeignCacheError } from "../base/errors.js"
import type { Flight, LateGroup } from "./flight.js"
import { type Dependencies, nodesOf } from "../tags/freshness.js"
import type { EntryId } from "../values/id.js"
import type { Load } from "./running.js"
import type { Recipe } from "./recipe.js"
import type { Scope } from "../tags/scope.js"
import type { Table } from "../entries/table.js"
import type { TagNode } from "../tags/tag-node.js"

/**
 * One run of the user's function, for one key or for a batch of them: what the code inside says and uses while it runs.
 */
export class Run {
  readonly engine: Engine
  /** One; for a batch, one per key. */
  readonly loads: Load[] = []
  /** What was added at run time or inherited. Each counts as a use of its node until {@link Run.end}. */
  readonly dependencies = new Set<TagNode>()
  /** Entries that were used expire then; nothing that used them may live longer. In the time of `Turn.now`. */
  latestExpiryMs = Number.POSITIVE_INFINITY
  /** When the oldest ingredient was begun, in the time of `Turn.now`: a joined load may be older than this run. */
  oldestMs: number
  /** The code inside asked for its result not to be kept. */
  isStorable = true
  /** It used something that may not be kept, such as an expired value; nor may anything that uses its result. */
  isTainted = false
  ttlMs: number | undefined
  /** Its loader has settled, timed out or was given up: what it still says changes nothing. */
  isSettled = false
  /** It holds a lease, or somebody who holds one waits for it: what it calls may not wait for another node. */
  mayNotWait = false
  /** What it waits for, to see cycles before they hang. */
  readonly waitsFor = new Set<Flight | LateGroup>()
  readonly inherits: boolean
  /** Its function is not tracked: it has a frame for the sake of slots and cycles, but the code inside can't speak. */
  readonly isSilent: boolean
  readonly #scope: Scope
  #controller: AbortController | undefined
  #current: CurrentLoad | undefined

  constructor(engine: Engine, { scope, behaviour }: Recipe, nowMs: number) {
    this.engine = engine
    this.#scope = scope
    this.isSilent = !behaviour.tracking
    this.inherits = behaviour.inherit && behaviour.tracking
    this.oldestMs = nowMs
  }

  /** What the code inside is given to speak with. */
  get current(): CurrentLoad {
    this.#current ??= currentLoadOf(this, this.#scope)
    return this.#current
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  abort(reason: unknown): void {
    this.#controller ??= new AbortController()
    this.#controller.abort(reason)
  }

  covers(table: Table, id: EntryId): boolean {
    return this.loads.some((load) => load.table === table && Object.is(load.id, id))
  }

  /** Adds a dependency by its node, which the caller keeps. */
  addNode(node: TagNode): void {
    if (this.isSettled || node.parent === null || this.dependencies.has(node)) return
    node.uses += 1
    this.dependencies.add(node)
  }

  /** Adds a dependency whose node was acquired for this. */
  addAcquired(node: TagNode): void {
    if (this.isSettled || node.parent === null || this.dependencies.has(node)) this.engine.trie.release(node)
    else this.dependencies.add(node)
  }

  /** It called a function of another cache, whose invalidations it can't follow. */
  useForeign(table: Table, id: EntryId): void {
    if (this.isSettled || !this.inherits || this.isTainted) return
    this.isTainted = true
    const [load] = this.loads
    if (load === undefined) return
    const key = load.table.keyOf(load.id)
    this.engine.fault(new ForeignCacheError(key, table.keyOf(id)), key)
  }

  taint(): void {
    if (!this.isSettled) this.isTainted = true
  }

  /** Depends on a key that it reads, from before the read: what happens to the key meanwhile counts. */
  inheritKey(table: Table, id: EntryId): void {
    if (this.inherits) this.addAcquired(this.engine.acquireKeyNode(table, id))
  }

  /** Inherits what an ingredient depends on: an entry, or a load that this run waited for. */
  inherit(dependencies: Dependencies, expiryMs: number, oldestMs: number): void {
    if (this.isSettled) return
    this.oldestMs = Math.min(this.oldestMs, oldestMs)
    if (!this.inherits) return
    this.latestExpiryMs = Math.min(this.latestExpiryMs, expiryMs)
    for (const node of nodesOf(dependencies)) this.addNode(node)
  }

  /** Gives back what it held. */
  end(): void {
    for (const node of this.dependencies) this.engine.trie.release(node)
    this.dependencies.clear()
    this.waitsFor.clear()
  }
}

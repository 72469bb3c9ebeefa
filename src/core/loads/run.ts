import { parseDuration, type Duration } from "../base/duration.js"
import { ForeignCacheError } from "../base/errors.js"
import type { Outbox } from "../base/outbox.js"
import type { Sources, Table } from "../entries/table.js"
import type { Tiers } from "../options/options.js"
import type { Behaviour } from "../options/settings.js"
import { Bundle, type Dependencies, letGo, nodesOf } from "../tags/dependencies.js"
import type { Subject } from "../tags/freshness.js"
import type { Scope } from "../tags/scope.js"
import { pathOf, type TagNode } from "../tags/tag-node.js"
import type { Stamp, TagTrie } from "../tags/tag-trie.js"
import type { Version } from "../tags/version.js"
import type { EntryId } from "../values/id.js"
import { type Frame, linksTo } from "./frame.js"
import { Gathered } from "./gathered.js"
import { adjust, type Adjustments, type LoadSettings } from "./load-settings.js"

/** The load that the running code is part of. After its end none of its methods does anything. */
export interface CurrentLoad {
  /** The public key; of a batch, the first. */
  readonly key: string
  /** Aborts when nobody waits for the result any more, and when the load has run into its hard timeout. */
  readonly signal: AbortSignal
  /** The result depends on these tags too. Throws `InvalidTagError`. */
  addDeps(...tags: string[]): void
  /** Overrides the ttl of this result. Throws `InvalidOptionError`. */
  setTtl(ttl: Duration): void
  /**
   * Overrides how this result is kept: its `ttl`, its `grace`, and with `tiers: "memory"` that it stays in this process. What is
   * left out stays as it is. Throws `InvalidOptionError`.
   *
   * @example
   * const getPage = cache.cacheable(async (url: string) => {
   *   const page = await fetchPage(url)
   *   if (page.isDraft) currentLoad()?.set({ ttl: "10s", tiers: "memory" })
   *   return page
   * })
   */
  set(settings: LoadSettings): void
  /** Hands the result to its callers without keeping it. */
  skipStore(): void
}

/** The slots of a cache whose loads are bounded. */
export interface Slots {
  /** How many are granted. */
  readonly used: number
  /** The runs that hold one. A slot that was granted to what does not run yet is held by none. */
  readonly holders: ReadonlySet<Run>
}

/** A flight, as a run that waits for it sees it. */
export interface Waited {
  readonly key: string
  /** The run that is to bring it; undefined before that has begun. */
  readonly run: Run | undefined
  /** The runs that wait for it, with how often each does: the edges of {@link Run.waitsFor}, from their other ends. */
  readonly waitedBy: Map<Run, number>
  /** The next load of its key, for callers that wait for either. */
  readonly next: Waited | undefined
  /** The slots that it waits for one of; undefined where it needs none. */
  readonly queue: Slots | undefined
  /** Begins on no slot of its own; undefined where it waits for none. */
  readonly beginNow: (() => void) | undefined
  /**
   * A holder of a lease has come to wait for it: it may not wait for another node from now on. The run to go on with, for
   * which the same holds; undefined where there is none, or it was told before.
   */
  loadsHere(): Run | undefined
}

/** A state of a trie: while it has another stamp, or another cursor, something has changed. */
interface Seen {
  readonly stamp: Stamp
  readonly asOf: Version
}

export interface RunOptions {
  readonly trie: TagTrie
  readonly outbox: Outbox
  readonly scope: Scope
  readonly behaviour: Pick<Behaviour, "tracking" | "inherit" | "isSecret" | "revalidates">
  /** Surroundings of the caller; undefined in the background. */
  readonly parent: Frame | undefined
  readonly nowMs: number
}

/** The dependencies that a value that is kept goes on with. */
export interface Kept {
  readonly dependencies: readonly TagNode[]
  readonly sources: Sources
  readonly isSecret: boolean
}

/**
 * A run of the user's function, for one key or for a batch of them: what the code inside says and uses while it runs.
 */
export class Run implements Frame, Adjustments {
  readonly kind = "run"
  readonly owner: object
  readonly parent: Frame | undefined
  readonly transaction: Frame | undefined
  /** One; for a batch, one per key. */
  readonly loads: Load[] = []
  /** Dependencies that were added at run time or inherited, held until {@link Run.end}. */
  readonly dependencies: Gathered
  /** Entries that were used expire then; nothing that used them may live longer. In the time of `Turn.now`. */
  latestExpiryMs = Number.POSITIVE_INFINITY
  /** When the oldest ingredient was begun, in the time of `Turn.now`: a joined load may be older than this run. */
  oldestMs: number
  /** The code inside asked for its result not to be kept. */
  isStorable = true
  /**
   * The code inside used something that may not be kept, such as an expired value; nor may anything that uses its
   * result.
   */
  isTainted = false
  /** Not all that the result depends on is known: callers that came late can't tell whether it is right for them. */
  isOpaque = false
  ttlMs: number | undefined
  graceMs: number | undefined
  tiers: Tiers | undefined
  /** The function, or something that the code inside used, is private: nothing that is made of it may leave memory. */
  isSecret: boolean
  /** The loader has settled, timed out or was given up: what it still says changes nothing. */
  isSettled = false
  /** The run has ended and its loader has not: what that still stores was read as long ago as the run began. */
  isLeft = false
  mayNotWait = false
  /** Flights that it waits for, with how often it does, to see cycles before they hang. */
  readonly waitsFor = new Map<Waited, number>()
  /** The flights that it brings the results of. */
  brings: readonly Waited[] = []
  readonly inherits: boolean
  /**
   * The function is not tracked: its run has a frame for the sake of slots and cycles, but the code inside can't speak.
   */
  readonly isSilent: boolean
  /** Nodes among the dependencies that were inherited; undefined where nobody will ask. */
  readonly #inherited: Set<TagNode> | undefined
  readonly #trie: TagTrie
  /** Other caches that the code inside has used, or waits for, each with its state from before. */
  #foreign: Map<TagTrie, Seen> | undefined
  readonly #outbox: Outbox
  readonly #scope: Scope
  #controller: AbortController | undefined
  #current: CurrentLoad | undefined

  constructor({ trie, outbox, scope, behaviour, parent, nowMs }: RunOptions) {
    this.owner = trie
    this.dependencies = new Gathered(trie)
    const links = linksTo(parent)
    this.parent = links.parent
    this.transaction = links.transaction
    this.#trie = trie
    this.#outbox = outbox
    this.#scope = scope
    this.isSilent = !behaviour.tracking
    this.inherits = behaviour.inherit && behaviour.tracking
    this.oldestMs = nowMs
    this.isSecret = behaviour.isSecret
    this.#inherited = behaviour.revalidates ? new Set() : undefined
  }

  /** The public key; of a batch, the first. */
  get key(): string {
    const [load] = this.loads
    return load === undefined ? "" : load.table.keyOf(load.id)
  }

  /** The handle that the code inside speaks with. */
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

  /** Adds a dependency whose node was acquired for this. */
  addAcquired(node: TagNode): void {
    if (this.isSettled || node.parent === null || this.dependencies.has(node)) this.#trie.release(node)
    else this.dependencies.add(node)
  }

  /** The sources that a later load may ask; null where it will ask nothing. */
  get sources(): Sources | null {
    if (this.#inherited === undefined) return null
    return { inherited: [...this.#inherited], latestExpiryMs: this.latestExpiryMs }
  }

  /** The value of an earlier load is the result of this one, which depends on all that the value was made of. */
  keep({ dependencies, sources, isSecret }: Kept): void {
    if (this.isSettled) return
    const again = (node: TagNode) => this.#trie.acquire(pathOf(node))
    for (const node of dependencies) this.addAcquired(again(node))
    for (const node of sources.inherited) this.#noteInherited(again(node))
    this.latestExpiryMs = Math.min(this.latestExpiryMs, sources.latestExpiryMs)
    if (isSecret) this.useSecret()
  }

  /** Notes a node that is a dependency by now, and gives back its use. */
  #noteInherited(node: TagNode): void {
    this.#inherited?.add(node)
    this.#trie.release(node)
  }

  /** The code inside used a key of another cache, whose invalidations this run can't follow. */
  useForeign(key: string, trie: TagTrie): void {
    if (this.isSettled || !this.inherits) return
    this.#noteForeign(trie, { stamp: trie.stamp, asOf: trie.cursor })
    const wasTainted = this.isTainted
    this.obscure()
    if (wasTainted) return
    const own = this.key
    if (own !== "") this.#outbox.fault(new ForeignCacheError(own, key), own)
  }

  /** The code inside used something private. That is no dependency: it counts whatever is inherited. */
  useSecret(): void {
    if (!this.isSettled) this.isSecret = true
  }

  /** Whether another cache that the code inside has used, or waits for, may have changed since. */
  get hasForeignChanged(): boolean {
    if (this.#foreign === undefined) return false
    for (const [trie, { stamp, asOf }] of this.#foreign) if (trie.stamp !== stamp || trie.cursor !== asOf) return true
    return false
  }

  taint(): void {
    if (!this.isSettled) this.isTainted = true
  }

  /** The code inside does without something on which its result depends all the same, in a way that nobody can follow. */
  obscure(): void {
    this.taint()
    if (!this.isSettled) this.isOpaque = true
  }

  /** Depends on a key that it reads, from before the read: what happens to the key meanwhile counts. */
  inheritKey(table: Table, id: EntryId): void {
    if (!this.inherits) return
    const node = table.acquireKeyNode(id)
    if (!this.isSettled) this.#inherited?.add(node)
    this.addAcquired(node)
  }

  /** Inherits what an ingredient depends on: an entry, or a load that this run waited for. */
  inherit(dependencies: Dependencies, expiryMs: number, oldestMs: number): void {
    if (this.isSettled) return
    this.oldestMs = Math.min(this.oldestMs, oldestMs)
    if (!this.inherits) return
    this.latestExpiryMs = Math.min(this.latestExpiryMs, expiryMs)
    if (this.#inherited !== undefined) for (const node of nodesOf(dependencies)) this.#inherited.add(node)
    this.dependencies.addAll(dependencies)
  }

  /** Begins a wait for a flight: from before that could begin, so that whatever it calls sees who waits for it. */
  waitFor(waited: Waited): void {
    this.waitsFor.set(waited, (this.waitsFor.get(waited) ?? 0) + 1)
    waited.waitedBy.set(this, (waited.waitedBy.get(this) ?? 0) + 1)
    const { run } = waited
    if (run === undefined || run.owner !== this.owner) return
    for (const [trie, seen] of run.#foreign ?? []) this.#noteForeign(trie, seen)
  }

  /** Ends one of its waits for a flight. */
  stopWaitingFor(waited: Waited): void {
    const left = (this.waitsFor.get(waited) ?? 1) - 1
    if (left > 0) {
      this.waitsFor.set(waited, left)
      waited.waitedBy.set(this, left)
      return
    }
    this.waitsFor.delete(waited)
    waited.waitedBy.delete(this)
  }

  /** Inherits from a load that it waited for, whether that succeeded or failed. */
  inheritLoad(load: Load): void {
    if (load.run.isSecret) this.useSecret()
    if (load.isTainted || load.run.isOpaque) this.obscure()
    else if (load.run.isTainted) this.taint()
    this.inherit(load.dependencies, Math.min(load.expiryMs, load.run.latestExpiryMs), load.run.oldestMs)
  }

  /** Inherits what a load under way is known to depend on, without waiting for the rest of it. */
  inheritKnown({ run }: Waited): void {
    if (run === undefined || run.owner !== this.owner) return
    for (const load of run.loads) this.inherit(load.dependencies, run.latestExpiryMs, run.oldestMs)
  }

  /** Notes the state of another cache before it was used, here and in all that wait for this: the oldest counts. */
  #noteForeign(trie: TagTrie, seen: Seen): void {
    const runs = new Set<Run>([this])
    // The set grows while it is walked.
    for (const run of runs) {
      run.#foreign ??= new Map()
      if (run.#foreign.has(trie)) continue
      run.#foreign.set(trie, seen)
      for (const { waitedBy } of run.brings) {
        for (const waiting of waitedBy.keys()) if (waiting.owner === this.owner) runs.add(waiting)
      }
    }
  }

  /** Gives back what it held. */
  end(): void {
    this.dependencies.end()
    for (const waited of this.waitsFor.keys()) waited.waitedBy.delete(this)
    this.waitsFor.clear()
    // Contexts, and with them promises, may hold a run for as long as they live: it holds no function of users.
    this.brings = []
  }
}

/** The properties of a load that its start fixes. */
export interface LoadStart {
  /** A stamp of its own: `asOf` stays what it was when the load began. */
  readonly stamp: Stamp
  /** The trie's stamp then: while it is the current one, nothing changed that concerns anyone. */
  readonly seen: Stamp
  readonly keyVersion: Version | undefined
  readonly startedAtMs: number
}

/** A key's part of a run: where in the order of changes it began, and whether its result may still be kept. */
export class Load implements Subject, LoadStart {
  readonly table: Table
  readonly id: EntryId
  readonly run: Run
  readonly stamp: Stamp
  readonly seen: Stamp
  readonly keyVersion: Version | undefined
  readonly startedAtMs: number
  /** The dependencies of this key alone; those of the run come on top. Each counts as a use of its node. */
  ownDependencies: TagNode[] = []
  /** The key was set, deleted, or loaded by a load that began later. */
  isSuperseded = false
  /** Anything that used its result may not be kept: nobody knows all that it depends on, or it saw uncommitted rows. */
  isTainted = false
  /** When its value expires, kept or not, in the time of `Turn.now`. */
  expiryMs = Number.POSITIVE_INFINITY
  /** Whether the shared tier has stored its value, once that is known; undefined where it does not go there. */
  written: Promise<boolean> | undefined
  /** In the list of all running loads, which is in the order of their start. */
  previous: Load | undefined
  next: Load | undefined
  nextOfKey: Load | undefined
  /** The dependencies of this key and of the run, where these are worth sharing. */
  #bundle: Bundle | undefined

  constructor(table: Table, id: EntryId, run: Run, start: LoadStart) {
    this.table = table
    this.id = id
    this.run = run
    this.stamp = start.stamp
    this.seen = start.seen
    this.keyVersion = start.keyVersion
    this.startedAtMs = start.startedAtMs
  }

  /** The node of its own key if there is one, else that of its function. */
  get keyNode(): TagNode {
    return this.table.keyNodeOf(this.id) ?? this.table.keyNode
  }

  /** All it depends on so far. Held by the run, and where it is a bundle by this. */
  get dependencies(): Dependencies {
    const dependencies = this.run.dependencies.with(this.ownDependencies, this.#bundle)
    const isOwnBundle = dependencies instanceof Bundle && this.ownDependencies.length > 0
    if (isOwnBundle && dependencies !== this.#bundle) {
      this.#letGoOfBundle()
      dependencies.uses += 1
      this.#bundle = dependencies
    }
    return dependencies
  }

  /** The bundle that it holds a use of; for the structural check. */
  get bundle(): Bundle | undefined {
    return this.#bundle
  }

  /** Gives back what it held. */
  end(): void {
    for (const node of this.ownDependencies) this.table.trie.release(node)
    this.ownDependencies = []
    this.#letGoOfBundle()
  }

  #letGoOfBundle(): void {
    if (this.#bundle !== undefined) letGo(this.#bundle, this.table.trie)
    this.#bundle = undefined
  }
}

/**
 * The run of a loader, of one cache or of any, that the running code is part of. Code that outlives its run, a timer say, is
 * part of none: what it does can't change a result that was handed out.
 */
export function runOf(frame: Frame | undefined, owner?: object): Run | undefined {
  for (let at = frame; at !== undefined; at = at.parent) {
    if (at.kind !== "run") continue
    if (at.isSettled) return undefined
    // By its kind and not by its class: a run of another copy of this library has another.
    if (owner === undefined || at.owner === owner) return at as Run
  }
  return undefined
}

/**
 * The load that code is to be judged by when it stores something: the one around it, also where that has ended before its
 * loader did. Undefined for code that outlived a load that ended by its loader, and outside of loads.
 */
export function loadOf(frame: Frame | undefined, owner: object): Load | undefined {
  for (let at = frame; at !== undefined; at = at.parent) {
    if (at.kind !== "run") continue
    const run = at as Run
    if (run.isSettled && !run.isLeft) return undefined
    if (run.owner === owner) return run.loads[0]
  }
  return undefined
}

function currentLoadOf(run: Run, scope: Scope): CurrentLoad {
  return {
    get key() {
      return run.key
    },
    get signal() {
      return run.signal
    },
    addDeps(...tags) {
      for (const tag of tags) run.addAcquired(scope.acquire(tag))
    },
    setTtl(ttl) {
      if (!run.isSettled) run.ttlMs = parseDuration(ttl, "ttl")
    },
    set(settings) {
      if (!run.isSettled) adjust(run, settings)
    },
    skipStore() {
      if (!run.isSettled) run.isStorable = false
    },
  }
}

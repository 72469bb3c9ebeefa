import { ageOf, expiryOf } from "../entries/age.js"
import { type Entry, GONE, type Table } from "../entries/table.js"
import type { Frame } from "../loads/frame.js"
import type { Run } from "../loads/run.js"
import type { Dependencies } from "../tags/dependencies.js"
import { type Freshness, freshnessOfDependencies } from "../tags/freshness.js"
import type { TagNode } from "../tags/tag-node.js"
import type { TagTrie } from "../tags/tag-trie.js"
import type { Version } from "../tags/version.js"
import type { EntryId } from "../values/id.js"
import type { Transaction } from "../writes/transaction.js"
import type { ReadContext } from "./context.js"
import type { Look, Looks } from "./look.js"
import { isolated, use, useInGrace, valueFor } from "./use.js"
import { beginVisit } from "./visit.js"

/** The entry that is looked for. */
export interface Wanted {
  readonly table: Table
  readonly id: EntryId
  readonly frame: Frame | undefined
  /** One that has expired will do, for as long as it is kept. */
  readonly isExpiredFine: boolean
  /** The nodes of tags that must not have changed since its load began, each with one use more. */
  readonly acquireDeps: () => readonly TagNode[]
}

/** An entry that a lookup found, as it was at that moment. Times as in `Turn.now`. */
export interface Found {
  readonly value: unknown
  readonly isExpired: boolean
  readonly dependencies: Dependencies
  readonly bornMs: number
  readonly expiryMs: number
  /** The place in the log at which its load began; undefined where nobody knows. */
  readonly loadedAt: Version | undefined
}

/** Looks for entries with what is known of them, and never loads. */
export class Lookups {
  readonly #context: ReadContext
  readonly #looks: Looks

  constructor(context: ReadContext, looks: Looks) {
    this.#context = context
    this.#looks = looks
  }

  /** Rejects with `UnsureError` where that is wanted. */
  async find(wanted: Wanted): Promise<Found | undefined> {
    const { shared, settings, turn, lifetime, entries, trie } = this.#context
    const { table, id } = wanted
    const entry = table.entries.get(id)
    const isHere = entry !== undefined && entries.isCurrent(entry, turn.arrive())
    const mustAsk = !isHere && settings.enabled && this.#looks.isOfUse(settings.behaviour.whenUnsure)
    const fetched =
      mustAsk && this.#looks.canFetch(table, id) ? await shared?.fetch(table, id, table.intake) : undefined
    if (lifetime.isOver || !settings.enabled) return undefined
    const { run, transaction } = beginVisit(table, id, wanted.frame)
    const deps = wanted.acquireDeps()
    try {
      const found = this.#find(wanted, deps, run, transaction, fetched)
      if (found !== undefined) return found
      // What was deleted inside is there again if the transaction fails.
      if (transaction?.hasChanges === true) run?.taint()
      this.#looks.countMiss(table, id)
      return undefined
    } finally {
      // A load depends on what it was told of, whatever the answer was.
      for (const node of deps) {
        if (run?.inherits === true) run.addAcquired(node)
        else trie.release(node)
      }
    }
  }

  #find(
    { table, id, isExpiredFine }: Wanted,
    deps: readonly TagNode[],
    run: Run | undefined,
    transaction: Transaction | undefined,
    fetched: Entry | undefined,
  ): Found | undefined {
    const { turn, trie, settings, entries } = this.#context
    const { whenUnsure } = settings.behaviour
    const nowMs = turn.arrive()
    if (trie.trusted === null && whenUnsure === "throw") {
      run?.taint()
      throw this.#looks.unsure(table, id)
    }
    const written = transaction?.setInside(table, id)
    if (written !== undefined) {
      run?.taint()
      const { isCloned, dependencies, aged, setAtMs: bornMs, since } = written
      const { epoch, asOf } = written.loadedAt
      const loadedAt = epoch === trie.epoch ? asOf : undefined
      if (freshnessOfLoad(deps, loadedAt, trie) !== "fresh" || transaction?.coversNodes(deps, since) === true) {
        return undefined
      }
      const value = isolated(written.value, isCloned ? "clone" : "share")
      const expiryMs = aged === undefined ? bornMs : expiryOf(aged)
      return { value, isExpired: false, dependencies, bornMs, expiryMs, loadedAt }
    }
    if (!this.#looks.isOfUse(whenUnsure)) return undefined
    const over = isExpiredFine ? this.#overOf(table.entries.get(id), nowMs, transaction) : undefined
    const look = this.#look(over, table, id, nowMs, transaction) ?? this.#looks.lookAt(fetched, nowMs, transaction)
    const entry = look?.entry ?? over
    if (entry === undefined || entry.slot === GONE || entry.isError) return undefined
    const { dependencies } = entry
    const loadedAt = entries.loadedAt(entry)
    const since = freshnessOfLoad(deps, loadedAt, trie)
    const isExpired = look === undefined || look.age === "grace" || since === "expired"
    if (since === "stale" || (isExpired && !isExpiredFine) || transaction?.coversNodes(deps) === true) return undefined
    const value = valueFor(entry)
    // As with grace: nothing that used it may be kept.
    if (isExpired) useInGrace(this.#context, entry, run)
    else use(this.#context, entry, run)
    return { value, isExpired, dependencies, bornMs: entries.bornMs(entry), expiryMs: expiryOf(entry), loadedAt }
  }

  /** An ordinary look clears away what is over: then only the store at hand is looked into. */
  #look(over: Entry | undefined, table: Table, id: EntryId, nowMs: number, transaction: Transaction | undefined): Look {
    if (over === undefined) {
      return this.#looks.look(table, id, nowMs, transaction, this.#context.settings.behaviour.whenUnsure)
    }
    return this.#looks.lookAt(this.#looks.findShared(table, id, table.intake), nowMs, transaction)
  }

  /** An entry that is past its grace, and would be of use otherwise. */
  #overOf(entry: Entry | undefined, nowMs: number, transaction: Transaction | undefined): Entry | undefined {
    if (entry === undefined || entry.slot === GONE || !this.#context.entries.isFresh(entry)) return undefined
    return ageOf(entry, nowMs) === "over" && transaction?.covers(entry) !== true ? entry : undefined
  }
}

/**
 * Whether tags have changed since a load began, whether or not the entry depends on them. Their marks may be gone here: of
 * what lies below a floor, or below what this process forgot, nobody can say so.
 */
function freshnessOfLoad(deps: readonly TagNode[], loadedAt: Version | undefined, trie: TagTrie): Freshness {
  if (deps.length === 0) return "fresh"
  if (loadedAt === undefined || loadedAt < Math.max(trie.floor, trie.forgotten)) return "stale"
  return freshnessOfDependencies(deps, loadedAt, trie)
}

import type { Clock } from "../base/clock.js"
import type { InvalidTagError, ZooCacheError } from "../base/errors.js"
import { channels, type InvalidateEvent, type StateEvent } from "../base/events.js"
import type { Outbox } from "../base/outbox.js"
import type { Turn } from "../base/turn.js"
import type { Entries } from "../entries/entries.js"
import type { Tables } from "../entries/tables.js"
import type { RunningLoads } from "../loads/running.js"
import type { Batch, ChangeSink } from "../log/news.js"
import { isOfTags } from "../ports/change.js"
import type { LogChange, LoggedChange } from "../ports/log.js"
import { parseTag } from "../tags/tag.js"
import { beginPending, endPending, type Mark, markOf, type TagNode } from "../tags/tag-node.js"
import type { TagTrie } from "../tags/tag-trie.js"
import { NO_VERSION, type Version, versionWallMs } from "../tags/version.js"
import type { LatestSets } from "../writes/latest-sets.js"

export interface ChangesOptions {
  readonly clock: Clock
  readonly turn: Turn
  readonly trie: TagTrie
  readonly outbox: Outbox
  readonly tables: Tables
  readonly entries: Entries
  readonly running: RunningLoads
  readonly latestSets: LatestSets
  /** The name of this process in the log. */
  readonly origin: string
  /** Versions are made of this process's own clock, just now. */
  readonly isLocal: boolean
  /** Entries of a shared tier may depend on anything: keys are marked also where nothing refers to them yet. */
  readonly isShared: boolean
  /** A new epoch leaves entries with grace as expired ones, rather than stale. */
  readonly keepsExpired: boolean
}

/**
 * The effect of a change on this process: marks in the trie, entries given up, loads superseded, then one new stamp, then
 * the events. Nothing else moves the trie.
 */
export class Changes implements ChangeSink {
  /** How many invalidations were applied here, others' included. */
  count = 0
  readonly #options: ChangesOptions
  /** Something changed that an entry, a load or a flight may depend on. */
  #hasMoved = false

  constructor(options: ChangesOptions) {
    this.#options = options
  }

  /** The name of an origin, for sentences. What is pending here was made here. */
  nameOrigin(by: string = this.#options.origin): string {
    return by === this.#options.origin ? "this process" : by
  }

  take({ changes, version, by, isAcknowledged = false, cursor, floors }: Batch): void {
    const { trie, outbox } = this.#options
    outbox.hold()
    try {
      if (floors !== undefined) this.#raiseFloors(floors)
      for (const change of changes) {
        const its = version ?? (change as LoggedChange).version
        this.#apply(change, its, (change as LoggedChange).origin ?? by)
        if (isAcknowledged) this.#settle(change)
      }
      if (cursor !== undefined) trie.moveCursor(cursor)
      this.#stamp()
    } finally {
      outbox.release()
    }
  }

  pending(changes: readonly LogChange[]): void {
    const { outbox } = this.#options
    outbox.hold()
    try {
      for (const change of changes) this.#markPending(change)
      this.#stamp()
    } finally {
      outbox.release()
    }
  }

  settled(changes: readonly LogChange[]): void {
    for (const change of changes) this.#settle(change)
  }

  epochEnds(): void {
    if (this.#options.keepsExpired) this.#options.entries.epochEnds()
  }

  epochChanged(): void {
    this.#options.entries.epochChanged()
  }

  trustChanged(isTrusted: boolean): void {
    const { entries, outbox } = this.#options
    entries.tier?.mayHaveStale()
    if (!channels.state.hasSubscribers) return
    const event: StateEvent = { cache: outbox.prefix, state: isTrusted ? "ready" : "unsure" }
    outbox.publish(channels.state, event)
  }

  fault(error: ZooCacheError): void {
    this.#options.outbox.fault(error)
  }

  /** Before anything of the batch: what the log forgot may have concerned anything that is older. */
  #raiseFloors({ tags, keys }: { readonly tags: Version; readonly keys: Version }): void {
    const { trie } = this.#options
    if (tags > trie.cursor || keys > trie.cursor) this.#hasMoved = true
    trie.raiseFloors(tags > trie.cursor ? tags : NO_VERSION, keys > trie.cursor ? keys : NO_VERSION)
    trie.logForgot(tags, keys)
  }

  #apply(change: LogChange, version: Version, by: string): void {
    const { trie, outbox, tables, turn, running, isShared } = this.#options
    this.count += 1
    if (channels.invalidate.hasSubscribers) {
      const { kind, path } = change
      const event: InvalidateEvent = { cache: outbox.prefix, kind, path, version, by: this.nameOrigin(by) }
      outbox.publish(channels.invalidate, event)
    }
    const learnedAtMs = this.#learnedAtMs(version)
    if (isOfTags(change)) {
      const node = this.#acquireTag(change.path)
      if (node.uses > 1 || node.parent === null) this.#hasMoved = true
      trie.apply(node, change.kind === "expiry", version, learnedAtMs, by, this.#tookEffectAtMs(version))
      trie.release(node)
      return
    }
    const target = tables.resolve(change)
    if (target === undefined) return
    // Without a shared tier, entries go as soon as their key is marked, and nothing needs a mark that is not there yet.
    const node = isShared ? trie.acquire(target.path, trie.keyRoot) : trie.find(target.path, trie.keyRoot)
    if (node !== undefined) {
      trie.apply(node, false, version, learnedAtMs, by, turn.current())
      this.#hasMoved = true
      if (isShared) trie.release(node)
    }
    if (target.table !== undefined && change.kind === "key") running.overrule(target.table, target.id, version)
  }

  #markPending(change: LogChange): void {
    const { trie, tables, running, entries, latestSets } = this.#options
    if (isOfTags(change)) {
      const mark = markOf(this.#acquireTag(change.path))
      this.#beginPending(mark, change.kind === "expiry")
      this.#hasMoved = true
      return
    }
    const target = tables.resolve(change)
    if (target === undefined) return
    const node = trie.acquire(target.path, trie.keyRoot)
    const isReferenced = node.uses > 1
    const mark = markOf(node)
    this.#beginPending(mark, false)
    if (change.kind === "function" || isReferenced) this.#hasMoved = true
    const { table, id } = target
    if (table === undefined) return
    if (change.kind === "function") {
      latestSets.forgetTable(table)
      // A value on its way to the log as the newest word on its key has just been outdone.
      entries.overruleSets(table)
    } else {
      latestSets.forget(table, id)
      running.overrule(table, id, Number.POSITIVE_INFINITY)
    }
  }

  #settle(change: LogChange): void {
    const { trie, tables } = this.#options
    let node: TagNode
    if (isOfTags(change)) node = this.#acquireTag(change.path)
    else {
      const target = tables.resolve(change)
      if (target === undefined) return
      node = trie.acquire(target.path, trie.keyRoot)
    }
    const mark = markOf(node)
    endPending(mark, change.kind === "expiry")
    // The use of this look, and that of the pending change.
    trie.release(node)
    trie.release(node)
  }

  #stamp(): void {
    const { trie, entries } = this.#options
    if (!this.#hasMoved) {
      trie.advanced()
      return
    }
    this.#hasMoved = false
    trie.moved()
    entries.tier?.mayHaveStale()
  }

  #beginPending(mark: Mark, isSoft: boolean): void {
    beginPending(mark, isSoft, this.#options.clock.wall(), this.#options.turn.current())
  }

  /** A local log has just read the clock for the version itself. */
  #learnedAtMs(version: Version): number {
    return this.#options.isLocal ? versionWallMs(version) : this.#options.clock.wall()
  }

  /** Grace counts from when a tag was expired, wherever that was. */
  #tookEffectAtMs(version: Version): number {
    const { turn, clock, isLocal } = this.#options
    const agoMs = isLocal ? 0 : Math.max(0, clock.wall() - versionWallMs(version))
    return turn.current() - agoMs
  }

  #acquireTag(path: string): TagNode {
    const { trie, outbox } = this.#options
    if (path === "") return trie.acquire([])
    try {
      return trie.acquire(parseTag(path))
    } catch (error) {
      // A log that says something unreadable has still said that something changed: the root covers whatever it was.
      outbox.fault(error as InvalidTagError)
      return trie.acquire([])
    }
  }
}

import type { Clock } from "../base/clock.js"
import type { InvalidTagError } from "../base/errors.js"
import { channels, type InvalidateEvent } from "../base/events.js"
import type { Outbox } from "../base/outbox.js"
import type { Turn } from "../base/turn.js"
import type { Entries } from "../entries/entries.js"
import type { ResolvedKey, Tables } from "../entries/tables.js"
import type { RunningLoads } from "../loads/running.js"
import type { Batch } from "../log/news.js"
import { isOfTags } from "../ports/change.js"
import { expiredKeyOf } from "../ports/key-expiry.js"
import type { LogChange, LoggedChange } from "../ports/log.js"
import { parseTag } from "../tags/tag.js"
import type { TagNode } from "../tags/tag-node.js"
import type { TagTrie } from "../tags/tag-trie.js"
import { type Version, versionWallMs } from "../tags/version.js"
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

/** The place of a soft change: without a table where this process has none, or all are meant. */
export interface ExpiredTarget extends Partial<ResolvedKey> {
  readonly node: TagNode
}

/**
 * The effect of a change on this process: marks in the trie, entries given up, loads superseded, then one new stamp, then
 * the events. Nothing else moves the trie.
 */
export class Changes {
  /** How many invalidations were applied here, others' included. */
  count = 0
  protected readonly options: ChangesOptions
  /** Something changed that an entry, a load or a flight may depend on. */
  protected hasMoved = false

  constructor(options: ChangesOptions) {
    this.options = options
  }

  /** The name of an origin, for sentences. What is pending here was made here. */
  nameOrigin(by: string = this.options.origin): string {
    return by === this.options.origin ? "this process" : by
  }

  /** Applies a batch: all marks, then the cursor, then one new stamp, then the events. */
  take({ changes, version, by, cursor }: Batch): void {
    const { trie, outbox } = this.options
    outbox.hold()
    try {
      for (const change of changes) this.apply(change, version ?? (change as LoggedChange).version, by)
      if (cursor !== undefined) trie.moveCursor(cursor)
      this.stamp()
    } finally {
      outbox.release()
    }
  }

  protected apply(change: LogChange, version: Version, by: string): void {
    const { trie, outbox, tables, running, isShared } = this.options
    this.count += 1
    const expiredKey = expiredKeyOf(change)
    if (channels.invalidate.hasSubscribers) {
      const { kind, path } = expiredKey === undefined ? change : ({ kind: "key-expiry", path: expiredKey } as const)
      const event: InvalidateEvent = { cache: outbox.prefix, kind, path, version, by: this.nameOrigin(by) }
      outbox.publish(channels.invalidate, event)
    }
    const learnedAtMs = this.#learnedAtMs(version)
    if (expiredKey !== undefined) {
      const target = this.expiredTarget(expiredKey)
      if (target === undefined) return
      const atMs = this.#tookEffectAtMs(version)
      trie.apply(target.node, true, version, learnedAtMs, by, atMs)
      this.expire(target, version, atMs)
      trie.release(target.node)
      return
    }
    if (isOfTags(change)) {
      const node = this.acquireTag(change.path)
      if (node.uses > 1 || node.parent === null) this.hasMoved = true
      const isSoft = change.kind === "expiry"
      trie.apply(node, isSoft, version, learnedAtMs, by, isSoft ? this.#tookEffectAtMs(version) : 0)
      trie.release(node)
      return
    }
    const target = tables.resolve(change)
    if (target === undefined) return
    // Without a shared tier, entries go as soon as their key is marked, and nothing needs a mark that is not there yet.
    const node = isShared ? trie.acquire(target.path, trie.keyRoot) : trie.find(target.path, trie.keyRoot)
    if (node !== undefined) {
      trie.apply(node, false, version, learnedAtMs, by, 0)
      this.hasMoved = true
      if (isShared) trie.release(node)
    }
    if (target.table !== undefined && change.kind === "key") running.overrule(target.table, target.id, version)
  }

  /** The place of a soft change of a key, whose node comes with one use more; that of all keys for `""`. */
  protected expiredTarget(key: string): ExpiredTarget | undefined {
    const { trie, tables } = this.options
    if (key === "") return { node: trie.acquire([], trie.keyRoot) }
    const target = tables.resolve({ kind: "key", path: key })
    return target && { ...target, node: trie.acquire(target.path, trie.keyRoot) }
  }

  /** Loads of the key, and what depends on it, find the mark; an entry is told, since it looks no further than its function. */
  protected expire({ table, id }: ExpiredTarget, version: Version, atMs: number): void {
    this.hasMoved = true
    if (table !== undefined) this.options.entries.expire(table, id, version, atMs)
  }

  protected stamp(): void {
    const { trie, entries } = this.options
    if (!this.hasMoved) {
      trie.advanced()
      return
    }
    this.hasMoved = false
    trie.moved()
    entries.tier?.mayHaveStale()
  }

  /** A local log has just read the clock for the version itself. */
  #learnedAtMs(version: Version): number {
    return this.options.isLocal ? versionWallMs(version) : this.options.clock.wall()
  }

  /** Grace counts from when a tag was expired, wherever that was. */
  #tookEffectAtMs(version: Version): number {
    const { turn, clock, isLocal } = this.options
    const agoMs = isLocal ? 0 : Math.max(0, clock.wall() - versionWallMs(version))
    return turn.current() - agoMs
  }

  protected acquireTag(path: string): TagNode {
    const { trie, outbox } = this.options
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

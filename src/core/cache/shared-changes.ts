import type { ZooCacheError } from "../base/errors.js"
import { channels, type StateEvent } from "../base/events.js"
import type { Batch, ChangeSink } from "../log/news.js"
import { isOfTags } from "../ports/change.js"
import { expiredKeyOf } from "../ports/key-expiry.js"
import type { LogChange, LoggedChange } from "../ports/log.js"
import { beginPending, endPending, type Mark, markOf, type TagNode } from "../tags/tag-node.js"
import { NO_VERSION, type Version } from "../tags/version.js"
import { Changes } from "./changes.js"

/** The same on a log that others may share: it forgets, acknowledges late, and begins new lives. */
export class SharedChanges extends Changes implements ChangeSink {
  override take({ changes, version, by, isAcknowledged = false, cursor, floors }: Batch): void {
    const { trie, outbox } = this.options
    outbox.hold()
    try {
      if (floors !== undefined) this.#raiseFloors(floors)
      for (const change of changes) {
        const its = version ?? (change as LoggedChange).version
        this.apply(change, its, (change as LoggedChange).origin ?? by)
        if (isAcknowledged) this.#settle(change)
      }
      if (cursor !== undefined) trie.moveCursor(cursor)
      this.stamp()
    } finally {
      outbox.release()
    }
  }

  pending(changes: readonly LogChange[]): void {
    const { outbox } = this.options
    outbox.hold()
    try {
      for (const change of changes) this.#markPending(change)
      this.stamp()
    } finally {
      outbox.release()
    }
  }

  settled(changes: readonly LogChange[]): void {
    for (const change of changes) this.#settle(change)
  }

  epochEnds(): void {
    if (this.options.keepsExpired) this.options.entries.epochEnds()
  }

  epochChanged(): void {
    this.options.entries.epochChanged()
  }

  trustChanged(isTrusted: boolean): void {
    const { entries, outbox } = this.options
    entries.tier?.mayHaveStale()
    if (!channels.state.hasSubscribers) return
    const event: StateEvent = { cache: outbox.prefix, state: isTrusted ? "ready" : "unsure" }
    outbox.publish(channels.state, event)
  }

  fault(error: ZooCacheError): void {
    this.options.outbox.fault(error)
  }

  /** Before anything of the batch: what the log forgot may have concerned anything that is older. */
  #raiseFloors({ tags, keys }: { readonly tags: Version; readonly keys: Version }): void {
    const { trie } = this.options
    if (tags > trie.cursor || keys > trie.cursor) this.hasMoved = true
    trie.raiseFloors(tags > trie.cursor ? tags : NO_VERSION, keys > trie.cursor ? keys : NO_VERSION)
    trie.logForgot(tags, keys)
  }

  #markPending(change: LogChange): void {
    const { trie, tables, running, entries, latestSets } = this.options
    const expiredKey = expiredKeyOf(change)
    if (expiredKey !== undefined) {
      const expired = this.expiredTarget(expiredKey)
      if (expired === undefined) return
      this.#beginPending(markOf(expired.node), true)
      this.expire(expired, Number.POSITIVE_INFINITY, this.options.turn.current())
      return
    }
    if (isOfTags(change)) {
      const mark = markOf(this.acquireTag(change.path))
      this.#beginPending(mark, change.kind === "expiry")
      this.hasMoved = true
      return
    }
    const target = tables.resolve(change)
    if (target === undefined) return
    const node = trie.acquire(target.path, trie.keyRoot)
    const isReferenced = node.uses > 1
    const mark = markOf(node)
    this.#beginPending(mark, false)
    if (change.kind === "function" || isReferenced) this.hasMoved = true
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
    const { trie, tables } = this.options
    let node: TagNode
    const expiredKey = expiredKeyOf(change)
    if (expiredKey !== undefined) {
      const expired = this.expiredTarget(expiredKey)
      if (expired === undefined) return
      node = expired.node
    } else if (isOfTags(change)) node = this.acquireTag(change.path)
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

  #beginPending(mark: Mark, isSoft: boolean): void {
    beginPending(mark, isSoft, this.options.clock.wall(), this.options.turn.current())
  }
}

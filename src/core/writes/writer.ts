import {
  asInternalError,
  CacheClosedError,
  InvalidationNotAcknowledgedError,
  isA,
  ZooCacheError,
} from "../base/errors.js"
import type { Background } from "../base/background.js"
import type { Lifetime } from "../base/lifetime.js"
import type { Outbox } from "../base/outbox.js"
import { Deferred } from "../base/waits.js"
import type { Table } from "../entries/table.js"
import { currentFrame, enterFrame, leaveFrame, runInFrame } from "../loads/frame.js"
import type { RunningLoads } from "../loads/running.js"
import type { AppendOptions, LocalLogClient, LogClient } from "../log/log-client.js"
import { changeId } from "../ports/change.js"
import { keyExpiry } from "../ports/key-expiry.js"
import type { LogChange } from "../ports/log.js"
import type { Scope } from "../tags/scope.js"
import { parseTag } from "../tags/tag.js"
import type { TagTrie } from "../tags/tag-trie.js"
import type { Token } from "../tags/version.js"
import type { EntryId } from "../values/id.js"
import type { Item, Prepared, Preparer } from "./prepare.js"
import type { SetsByHand } from "./set-batch.js"
import { Transaction, type TransactionHandle, transactionOf } from "./transaction.js"

/** A key and the table that it belongs to. */
export interface TableKey {
  readonly table: Table
  readonly id: EntryId
}

export interface WriterOptions {
  readonly trie: TagTrie
  readonly client: LogClient
  readonly running: RunningLoads
  readonly preparer: Preparer
  readonly sets: SetsByHand
  readonly outbox: Outbox
  readonly background: Background
  readonly lifetime: Lifetime
}

/** Everything that changes what others see: invalidations, values set by hand, transactions. */
export class Writer {
  readonly #options: WriterOptions

  constructor(options: WriterOptions) {
    this.#options = options
  }

  invalidate(
    scope: Scope,
    kind: "tag" | "expiry",
    tags: readonly string[],
    options?: AppendOptions,
  ): Promise<Token | undefined> {
    this.#assertOpen(kind === "tag" ? "invalidate" : "expire")
    // Pushed: what `map` makes is of another kind in optimized code than elsewhere, and the two meeting undoes it.
    const paths: string[] = []
    for (const tag of tags) paths.push(scope.path(tag))
    return this.#appendTags(kind, paths, options)
  }

  clear(scope: Scope): Promise<Token | undefined> {
    this.#assertOpen("clear")
    return this.#appendTags("tag", [scope.prefix])
  }

  /** Appends paths that were collected elsewhere, by `cache.collect()`. */
  appendTags(paths: readonly string[]): Promise<Token | undefined> {
    this.#assertOpen("commit")
    return this.#appendTags("tag", paths)
  }

  clearFunction(table: Table): Promise<Token> {
    return this.#attempt("clear", () => {
      const transaction = this.#transaction()
      if (transaction === undefined) return this.#options.client.append([{ kind: "function", path: table.name }])
      transaction.addFunction(table)
      return Promise.resolve(undefined)
    })
  }

  deleteKeys(keys: readonly TableKey[]): Promise<Token> {
    return this.#changeKeys("delete", keys, (transaction, table, id) => transaction.addKey(table, id), keyChange)
  }

  /** The same, softer: their entries have expired. */
  expireKeys(keys: readonly TableKey[], what: "expire" | "expireKeys"): Promise<Token> {
    return this.#changeKeys(what, keys, (transaction, table, id) => transaction.expireKey(table, id), keyExpiry)
  }

  #changeKeys(
    what: string,
    keys: readonly TableKey[],
    collect: (transaction: Transaction, table: Table, id: EntryId) => void,
    changeOf: (key: string) => LogChange,
  ): Promise<Token> {
    return this.#attempt(what, () => {
      const transaction = this.#transaction()
      if (transaction !== undefined) {
        for (const { table, id } of keys) collect(transaction, table, id)
        return Promise.resolve(undefined)
      }
      if (keys.length === 0) return Promise.resolve(this.#tokenOfNow())
      return this.#options.client.append(keys.map(({ table, id }) => changeOf(table.keyOf(id))))
    })
  }

  /** Sets values by hand: one append for all of them; of several for one key the last counts. */
  setAll(items: readonly Item[], what: "set" | "prime" = "set"): Promise<Token> {
    return this.#attempt(what, () => {
      const { preparer } = this.#options
      const since = this.#transaction()?.place ?? 0
      if (items.length === 1) return this.#setPrepared([preparer.prepare(items[0] as Item)], since)
      if (items.length === 0) return Promise.resolve(this.#tokenOfNow())
      const last = new Map<string, Item>()
      for (const item of items) last.set(item.table.keyOf(item.id), item)
      const prepared: Prepared[] = []
      try {
        for (const item of items) {
          const ready = preparer.prepare(item)
          if (last.get(item.table.keyOf(item.id)) === item) prepared.push(ready)
          else preparer.release(ready.nodes)
        }
      } catch (error) {
        for (const { nodes } of prepared) preparer.release(nodes)
        throw error
      }
      return this.#setPrepared(prepared, since)
    })
  }

  /** Runs `work` with its invalidations collected, and appends them when it has succeeded. */
  async transaction<T>(work: (handle: TransactionHandle) => T | PromiseLike<T>): Promise<T> {
    this.#assertOpen("transaction")
    const transaction = new Transaction(this.#options.trie, currentFrame())
    const { outer } = transaction
    enterFrame()
    let result: T
    try {
      result = await runInFrame(transaction, async () => work(transaction))
    } catch (error) {
      // Nothing was committed, so nothing was changed.
      transaction.settle()
      throw error
    } finally {
      leaveFrame()
    }
    if (outer !== undefined && !outer.isSettled) {
      transaction.joinOuter(outer)
      return result
    }
    transaction.isSettled = true
    try {
      transaction.token = await this.#commit(transaction)
    } catch (error) {
      throw asCommitted(error, transaction.changes, result)
    } finally {
      this.#settle(transaction)
    }
    return result
  }

  /** The work has been committed: no fault of the books may make it look as if it had failed. */
  #settle(transaction: Transaction): void {
    try {
      transaction.settle()
    } catch (error) {
      this.#options.outbox.fault(asInternalError(error))
    }
  }

  #appendTags(kind: "tag" | "expiry", paths: readonly string[], options?: AppendOptions): Promise<Token | undefined> {
    const { trie, client } = this.#options
    const transaction = this.#transaction()
    if (transaction !== undefined) {
      transaction.addTags(
        kind,
        paths,
        paths.map((path) => trie.acquire(path === "" ? [] : parseTag(path))),
      )
      return Promise.resolve(undefined)
    }
    if (paths.length === 0) return Promise.resolve(this.#tokenOfNow())
    const changes: LogChange[] = []
    for (const path of paths) changes.push({ kind, path })
    const { background } = this.#options
    const mayGoOn = background.isWanted && !client.isLocal && (options?.wait === false || options?.signal !== undefined)
    if (!mayGoOn) return client.append(changes, options)
    const ended = new Deferred()
    const appended = client.append(changes, { ...options, onEnd: ended.resolve })
    background.add(ended.promise)
    return appended
  }

  #commit(transaction: Transaction): Promise<Token | undefined> {
    if (transaction.changes.length === 0) return Promise.resolve(this.#tokenOfNow())
    const unique = new Map<string, LogChange>()
    for (const change of transaction.changes) unique.set(changeId(change), change)
    const { client, sets, outbox } = this.#options
    const batch = sets.batch()
    return outbox.whole(() => {
      const changes = [...unique.values()]
      if (client.isLocal) {
        // A local log has answered before there was anything to tell it of.
        const { token, version } = client.appendLocally(changes)
        for (const stored of transaction.storeSets(null)) batch.add(stored)
        batch.end(version)
        return batch.after(Promise.resolve(token))
      }
      const appended = client.append(changes, { onEnd: batch.end })
      for (const stored of transaction.storeSets(Number.POSITIVE_INFINITY)) batch.add(stored)
      return batch.after(appended)
    })
  }

  /** @param since in a transaction, the place of the newest change before the values were looked at. */
  #setPrepared(prepared: readonly Prepared[], since: number): Promise<Token | undefined> {
    const { client, preparer, sets, outbox } = this.#options
    const transaction = this.#transaction()
    if (transaction !== undefined) {
      for (const ready of prepared) {
        transaction.addKey(ready.item.table, ready.item.id, {
          value: ready.value,
          isCloned: ready.item.behaviour.isolation === "clone",
          dependencies: ready.nodes,
          aged: ready.aged,
          loadedAt: ready.loadedAt,
          setAtMs: ready.setAtMs,
          since,
          store: (keyVersion) => preparer.store(ready, keyVersion),
        })
      }
      return Promise.resolve(undefined)
    }
    const changes = prepared.map(({ item }): LogChange => ({ kind: "key", path: item.table.keyOf(item.id) }))
    if (client.isLocal) {
      outbox.hold()
      try {
        return this.#setLocally(client, prepared, changes)
      } finally {
        outbox.release()
      }
    }
    const batch = sets.batch()
    return outbox.whole(() => {
      const appended = client.append(changes, { onEnd: batch.end })
      for (const ready of prepared) {
        batch.add(preparer.store(ready, Number.POSITIVE_INFINITY))
        preparer.release(ready.nodes)
      }
      return batch.after(appended)
    })
  }

  #setLocally(client: LocalLogClient, prepared: readonly Prepared[], changes: readonly LogChange[]): Promise<Token> {
    const { preparer, sets, running } = this.#options
    // Stored first, as the newest word on its key, it replaces what was there in place.
    const stored = prepared.map((ready) => preparer.store(ready, Number.POSITIVE_INFINITY))
    const { token, version } = client.appendLocally(changes)
    const writes: Promise<void>[] = []
    prepared.forEach(({ item, nodes }, index) => {
      const written = stored[index]
      const entry = written?.entry
      if (entry?.rare != null) {
        const { isCloned, isSecret, sources } = entry.rare
        if (isCloned || isSecret || sources !== null) entry.rare.keyVersion = undefined
        else entry.rare = null
      } else if (entry === undefined) running.overrule(item.table, item.id, version)
      preparer.release(nodes)
      if (written !== undefined) sets.share(written, version, writes)
    })
    return writes.length === 0 ? Promise.resolve(token) : sets.untilWritten(writes).then(() => token)
  }

  #transaction(): Transaction | undefined {
    return transactionOf(currentFrame(), this.#options.trie)
  }

  #tokenOfNow(): Token {
    return this.#options.client.tokenOfNow()
  }

  #attempt(what: string, run: () => Promise<Token | undefined>): Promise<Token> {
    try {
      this.#assertOpen(what)
      // Inside a transaction there is no token yet, as the interface says.
      return run() as Promise<Token>
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #assertOpen(what: string): void {
    if (this.#options.lifetime.isOver) throw new CacheClosedError(what)
  }
}

function keyChange(path: string): LogChange {
  return { kind: "key", path }
}

/** A transaction whose work succeeded must not be run again because the log was silent. */
function asCommitted(error: unknown, changes: readonly LogChange[], result: unknown): unknown {
  if (!isA(error, ZooCacheError)) return error
  const subjects = changes.map((change) => (change.path === "" ? "everything" : change.path))
  const cause = error instanceof InvalidationNotAcknowledgedError ? error.cause : error
  return new InvalidationNotAcknowledgedError(subjects, "see the cause; the transaction itself succeeded", {
    cause,
    committed: true,
    result,
  })
}

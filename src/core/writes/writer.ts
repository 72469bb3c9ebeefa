import { agingOf, lookedAtAlways } from "../entries/age.js"
import { currentFrame, enterFrame, type Frame, leaveFrame, runInFrame, runOf, transactionOf } from "../loads/frame.js"
import { type Duration, parseDuration } from "../base/duration.js"
import type { Engine } from "../cache/engine.js"
import type { Timer } from "../base/clock.js"
import type { Entry } from "../entries/entry.js"
import {
  CacheClosedError,
  EntryTooLargeError,
  HookError,
  InvalidationNotAcknowledgedError,
  InvalidOptionError,
  StoreError,
  ZooCacheError,
} from "../base/errors.js"
import { type Dependencies, freshnessOf } from "../tags/freshness.js"
import { assertReusable, cloneValue, freezeDeep, type Isolation } from "../values/isolation.js"
import type { EntryId } from "../values/id.js"
import { changeId } from "../ports/change.js"
import type { LogChange } from "../ports/log.js"
import type { AppendOptions } from "../log/appender.js"
import { isStringArray } from "../options/settings.js"
import { type Position, readPosition } from "../tags/position.js"
import type { Scope } from "../tags/scope.js"
import type { Table } from "../entries/table.js"
import { parseTag } from "../tags/tag.js"
import type { TagNode } from "../tags/tag-node.js"
import type { Stamp } from "../tags/tag-trie.js"
import { Transaction, type TransactionHandle } from "./transaction.js"
import { type Epoch, isSameEpoch, NO_VERSION, type Token, type Version } from "../tags/version.js"

/** How a value that is set by hand is kept. */
export interface SetOptions {
  deps?: readonly string[]
  ttl?: Duration
  /** Where in the order of changes its source was read; see `cache.position()`. */
  asOf?: Position
}

/** A value and the place where it is to be stored. */
export interface Item {
  readonly table: Table
  readonly id: EntryId
  readonly value: unknown
  readonly options: SetOptions
}

interface Prepared {
  readonly table: Table
  readonly id: EntryId
  readonly value: unknown
  readonly nodes: readonly TagNode[]
  readonly stamp: Stamp
  readonly ttlMs: number
  /** As in the bytes: a stamp may move on. */
  readonly asOf: Version
  /** What the shared tier will keep; undefined without one. */
  readonly bytes: Uint8Array | undefined
  /** No tier may keep it: the shared one could not bring it back as it is. */
  readonly isRefused: boolean
}

/** A value that was set, on its way to the log. */
export interface SetByHand {
  readonly table: Table
  readonly id: EntryId
  /** Undefined where memory does not keep it. */
  readonly entry: Entry | undefined
  readonly bytes: Uint8Array | undefined
  readonly epoch: Epoch
  /** As in the bytes. */
  readonly asOf: Version
}

/**
 * Values that were set with one append. Until that is acknowledged they outrank every other word on their keys; then
 * they have its version, and go to the shared tier with it.
 */
class SetBatch {
  readonly #engine: Engine
  readonly #share: (written: SetByHand, version: Version, writes: Promise<void>[]) => void
  readonly #values: SetByHand[] = []
  readonly #writes: Promise<void>[] = []

  constructor(engine: Engine, share: (written: SetByHand, version: Version, writes: Promise<void>[]) => void) {
    this.#engine = engine
    this.#share = share
  }

  add(value: SetByHand | undefined): void {
    if (value === undefined) return
    this.#values.push(value)
    if (value.bytes === undefined) return
    const { latestSets } = this.#engine
    const ofTable = latestSets.get(value.table) ?? new Map<EntryId, SetByHand>()
    latestSets.set(value.table, ofTable.set(value.id, value))
  }

  /** Whether nothing newer was said of its key here: a log may have put two appends in the other order. */
  #takeLatest(value: SetByHand): boolean {
    const { latestSets } = this.#engine
    const ofTable = latestSets.get(value.table)
    if (ofTable?.get(value.id) !== value) return false
    ofTable.delete(value.id)
    if (ofTable.size === 0) latestSets.delete(value.table)
    return true
  }

  /** The append has ended; without a version where that will never be known. */
  readonly end = (version: Version | undefined): void => {
    for (const value of this.#values) {
      const { table, id, entry } = value
      const rare = entry?.rare
      if (rare != null) {
        rare.keyVersion = version ?? NO_VERSION
        if (rare.rivalVersion > rare.keyVersion) this.#engine.overrule(table, id, rare.rivalVersion)
      }
      const isLatest = value.bytes !== undefined && this.#takeLatest(value)
      if (isLatest && version !== undefined) this.#share(value, version, this.#writes)
    }
  }

  /** Resolves like the append, when the shared tier has the values too. */
  after(appended: Promise<Token | undefined>): Promise<Token | undefined> {
    if (this.#values.every(({ bytes }) => bytes === undefined)) return appended
    return appended.then((token) => untilWritten(this.#engine, this.#writes).then(() => token))
  }
}

/** Resolves when the shared tier has what was written, or has had as long for it as the log had. */
async function untilWritten(engine: Engine, writes: readonly Promise<void>[]): Promise<void> {
  let timer: Timer | undefined
  const over = new Promise<void>((resolve) => {
    timer = engine.clock.setTimer(resolve, engine.settings.ackTimeoutMs, true)
  })
  try {
    await Promise.race([Promise.all(writes), over])
  } finally {
    timer?.cancel()
  }
}

/** Everything that changes what others see: invalidations, values set by hand, transactions. */
export class Writer {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  invalidate(
    scope: Scope,
    kind: "tag" | "expiry",
    tags: readonly string[],
    options?: AppendOptions,
  ): Promise<Token | undefined> {
    const engine = this.#engine
    this.#assertOpen(kind === "tag" ? "invalidate" : "expire")
    const paths = tags.map((tag) => scope.path(tag))
    const transaction = this.#transaction()
    if (transaction !== undefined) {
      transaction.addTags(
        kind,
        paths,
        paths.map((_path, index) => scope.acquire(tags[index] as string)),
      )
      return Promise.resolve(undefined)
    }
    if (paths.length === 0) return Promise.resolve(this.#tokenOfNow())
    return engine.client.append(
      paths.map((path) => ({ kind, path })),
      options,
    )
  }

  clear(scope: Scope): Promise<Token | undefined> {
    this.#assertOpen("clear")
    const transaction = this.#transaction()
    if (transaction !== undefined) {
      transaction.addTags("tag", [scope.prefix], [scope.acquireOwn() ?? this.#engine.trie.acquire([])])
      return Promise.resolve(undefined)
    }
    return this.#engine.client.append([{ kind: "tag", path: scope.prefix }])
  }

  clearFunction(table: Table): Promise<Token> {
    return this.#attempt("clear", () => {
      const transaction = this.#transaction()
      if (transaction !== undefined) {
        transaction.addFunction(table)
        return Promise.resolve(undefined)
      }
      return this.#engine.client.append([{ kind: "function", path: table.name }])
    })
  }

  deleteIds(table: Table, ids: readonly EntryId[]): Promise<Token> {
    return this.deleteKeys(ids.map((id) => ({ table, id })))
  }

  deleteKeys(keys: readonly { readonly table: Table; readonly id: EntryId }[]): Promise<Token> {
    return this.#attempt("delete", () => {
      const transaction = this.#transaction()
      if (transaction !== undefined) {
        for (const { table, id } of keys) transaction.addKey(table, id)
        return Promise.resolve(undefined)
      }
      if (keys.length === 0) return Promise.resolve(this.#tokenOfNow())
      return this.#engine.client.append(keys.map(({ table, id }) => ({ kind: "key", path: table.keyOf(id) })))
    })
  }

  /** Sets values by hand: one append for all of them; of several for one key the last counts. */
  setAll(scope: Scope, items: readonly Item[]): Promise<Token> {
    return this.#attempt("set", () => {
      if (items.length === 1) return this.#setPrepared([this.#prepare(scope, items[0] as Item)])
      if (items.length === 0) return Promise.resolve(this.#tokenOfNow())
      const last = new Map<string, Item>()
      for (const item of items) last.set(item.table.keyOf(item.id), item)
      const prepared: Prepared[] = []
      try {
        for (const item of items) {
          const ready = this.#prepare(scope, item)
          if (last.get(item.table.keyOf(item.id)) === item) prepared.push(ready)
          else this.#release(ready.nodes)
        }
      } catch (error) {
        for (const { nodes } of prepared) this.#release(nodes)
        throw error
      }
      return this.#setPrepared(prepared)
    })
  }

  #setPrepared(prepared: readonly Prepared[]): Promise<Token | undefined> {
    const { client } = this.#engine
    const transaction = this.#transaction()
    if (transaction !== undefined) {
      for (const item of prepared) {
        transaction.addKey(item.table, item.id, {
          value: item.value,
          dependencies: item.nodes,
          store: (keyVersion) => this.#store(item, keyVersion),
        })
      }
      return Promise.resolve(undefined)
    }
    const changes = prepared.map(({ table, id }): LogChange => ({ kind: "key", path: table.keyOf(id) }))
    if (client.isLocal) {
      // Stored first, as the newest word on its key, it replaces what was there in place.
      const stored = prepared.map((item) => this.#store(item, Number.POSITIVE_INFINITY))
      const token = client.appendLocally(changes)
      const writes: Promise<void>[] = []
      prepared.forEach(({ table, id, nodes }, index) => {
        const entry = stored[index]?.entry
        if (entry?.rare != null) {
          if (entry.rare.isCloned) entry.rare.keyVersion = undefined
          else entry.rare = null
        } else if (entry === undefined) this.#engine.overrule(table, id, Number.POSITIVE_INFINITY)
        this.#release(nodes)
        const written = stored[index]
        if (written !== undefined) this.#share(written, this.#engine.trie.cursor, writes)
      })
      return writes.length === 0 ? Promise.resolve(token) : untilWritten(this.#engine, writes).then(() => token)
    }
    const batch = new SetBatch(this.#engine, (written, version, writes) => this.#share(written, version, writes))
    const appended = client.append(changes, { onEnd: batch.end })
    for (const item of prepared) {
      batch.add(this.#store(item, Number.POSITIVE_INFINITY))
      this.#release(item.nodes)
    }
    return batch.after(appended)
  }

  /** Gives a value that was set to the shared tier, with the version that the log gave it. */
  #share({ table, id, entry, bytes, epoch, asOf }: SetByHand, version: Version, writes: Promise<void>[]): void {
    const { shared, trie } = this.#engine
    if (shared === undefined || bytes === undefined || !isSameEpoch(epoch, trie.epoch)) return
    if (entry?.aging != null) shared.noteWritten(entry.aging, { epoch, keyVersion: version, asOf })
    writes.push(shared.putSet(table.keyOf(id), bytes, version))
  }

  /** Runs `work` with its invalidations collected, and appends them when it has succeeded. */
  async transaction<T>(work: (handle: TransactionHandle) => T | Promise<T>): Promise<T> {
    const engine = this.#engine
    this.#assertOpen("transaction")
    const frame = currentFrame()
    const parent = transactionOf(frame, engine)
    const transaction = new Transaction(engine, parent)
    const inside: Frame = { engine, run: undefined, transaction, parent: frame }
    enterFrame()
    let result: T
    try {
      result = await runInFrame(inside, async () => work(transaction))
    } catch (error) {
      // Nothing was committed, so nothing was changed.
      transaction.settle()
      throw error
    } finally {
      leaveFrame()
    }
    if (parent !== undefined && !parent.isSettled) {
      transaction.joinParent(parent)
      return result
    }
    transaction.isSettled = true
    try {
      transaction.token = await this.#commit(transaction)
    } catch (error) {
      throw asCommitted(error, transaction.changes, result)
    } finally {
      transaction.settle()
    }
    return result
  }

  /** Appends what was collected elsewhere, by `cache.collect()`. */
  appendTags(paths: readonly string[]): Promise<Token | undefined> {
    this.#assertOpen("commit")
    const transaction = this.#transaction()
    if (transaction !== undefined) {
      const { trie } = this.#engine
      transaction.addTags(
        "tag",
        paths,
        paths.map((path) => trie.acquire(parseTag(path))),
      )
      return Promise.resolve(undefined)
    }
    if (paths.length === 0) return Promise.resolve(this.#tokenOfNow())
    return this.#engine.client.append(paths.map((path) => ({ kind: "tag", path })))
  }

  #commit(transaction: Transaction): Promise<Token | undefined> {
    if (transaction.changes.length === 0) return Promise.resolve(this.#tokenOfNow())
    const unique = new Map<string, LogChange>()
    for (const change of transaction.changes) unique.set(changeId(change), change)
    const { client } = this.#engine
    const batch = new SetBatch(this.#engine, (written, version, writes) => this.#share(written, version, writes))
    const appended = client.append([...unique.values()], { onEnd: batch.end })
    for (const stored of transaction.storeWritten(client.isLocal ? null : Number.POSITIVE_INFINITY)) batch.add(stored)
    // A local log has answered before there was anything to tell it of.
    if (client.isLocal) batch.end(this.#engine.trie.cursor)
    return batch.after(appended)
  }

  // --- values set by hand ----------------------------------------------------------------------------------------

  #prepare(scope: Scope, { table, id, value, options }: Item): Prepared {
    const engine = this.#engine
    if (value instanceof Promise) throw new InvalidOptionError("value", value, "it is a promise: await it first")
    // Freezing looks at all of it first.
    const isLookedAt = engine.settings.behaviour.isolation === "freeze" || typeof value !== "object" || value === null
    if (!isLookedAt) assertReusable(value, table.keyOf(id))
    const { deps, ttl, asOf } = options
    if (deps !== undefined && !isStringArray(deps))
      throw new InvalidOptionError("deps", deps, "it must be an array of tags")
    const { behaviour } = engine.settings
    const ttlMs = ttl === undefined ? behaviour.ttlMs : parseDuration(ttl, "ttl")
    const isolated = isolate(value, behaviour.isolation, table, id)
    const nodes: TagNode[] = []
    try {
      const own = scope.acquireOwn()
      if (own !== undefined) nodes.push(own)
      for (const tag of deps === undefined || deps.length < 2 ? (deps ?? []) : new Set(deps))
        nodes.push(scope.acquire(tag))
      const stamp = this.#stampOf(asOf)
      const { asOf: readAsOf } = stamp
      const encoded = this.#encode(table, id, isolated, nodes, stamp, ttlMs)
      return { table, id, value: isolated, nodes, stamp, asOf: readAsOf, ttlMs, ...encoded }
    } catch (error) {
      this.#release(nodes)
      throw error
    }
  }

  /** Throws what is wrong with the value in strict mode; else it is told, and the value kept nowhere. */
  #encode(
    table: Table,
    id: EntryId,
    value: unknown,
    nodes: readonly TagNode[],
    stamp: Stamp,
    ttlMs: number,
  ): Pick<Prepared, "bytes" | "isRefused"> {
    const engine = this.#engine
    const { behaviour, random, strict } = engine.settings
    const aged = agingOf(ttlMs, behaviour, engine.turn.current(), random, Number.POSITIVE_INFINITY)
    if (aged === undefined) return { bytes: undefined, isRefused: false }
    try {
      const bytes = engine.encode(value, { table, id, dependencies: nodes, stamp, keyVersion: undefined, aged })
      return { bytes, isRefused: false }
    } catch (error) {
      const refusal = error instanceof ZooCacheError ? error : new StoreError("encode", error)
      if (strict && !(refusal instanceof EntryTooLargeError)) throw refusal
      engine.fault(refusal, table.keyOf(id))
      return { bytes: undefined, isRefused: true }
    }
  }

  /** Where in the order of changes the source of a value was read, as far as we are told. */
  #stampOf(asOf: Position | undefined): Stamp {
    const { trie } = this.#engine
    if (asOf !== undefined) return readPosition(asOf, trie)
    const frame = currentFrame()
    if (frame === undefined) return trie.stamp
    // Until a transaction commits, the current stamp may move on with the cursor.
    return runOf(frame, this.#engine)?.loads[0]?.stamp ?? { epoch: trie.epoch, asOf: trie.cursor }
  }

  /** Keeps a value that was set, if nothing that it depends on has changed since its source was read. */
  #store(item: Prepared, keyVersion: Version | null): SetByHand | undefined {
    const engine = this.#engine
    const { table, id, value, nodes, stamp, ttlMs, bytes, isRefused } = item
    const { behaviour } = engine.settings
    const dependencies: Dependencies = nodes.length === 0 ? null : nodes.length === 1 ? (nodes[0] as TagNode) : nodes
    const subject = { stamp, dependencies, keyNode: table.keyNode, keyVersion: Number.POSITIVE_INFINITY }
    const isFresh = stamp.asOf >= engine.trie.forgotten && freshnessOf(subject, engine.trie) === "fresh"
    if (!isFresh) table.counters.staleLoads += 1
    const nowMs = engine.turn.current()
    const latestExpiryMs = runOf(currentFrame(), engine)?.latestExpiryMs ?? Number.POSITIVE_INFINITY
    let aged = agingOf(ttlMs, behaviour, nowMs, engine.settings.random, latestExpiryMs)
    if (!isFresh || aged === undefined || isRefused) return undefined
    let weight: number
    try {
      weight = engine.weigh(table, id, value, undefined)
    } catch (error) {
      const key = table.keyOf(id)
      engine.fault(error instanceof HookError ? error : new HookError("sizeOf", key, error), key)
      return undefined
    }
    const isCloned = behaviour.isolation === "clone"
    if (isCloned) aged = lookedAtAlways(aged)
    const isPlain = keyVersion === null && !isCloned
    const rare = isPlain
      ? null
      : { isError: false, isCloned, failures: 0, keyVersion: keyVersion ?? undefined, rivalVersion: NO_VERSION }
    const entry = engine.store({ table, id, value, dependencies, aged, rare, weight, bornMs: nowMs })
    return { table, id, entry, bytes, epoch: stamp.epoch, asOf: item.asOf }
  }

  #release(nodes: readonly TagNode[]): void {
    for (const node of nodes) this.#engine.trie.release(node)
  }

  #transaction(): Transaction | undefined {
    return transactionOf(currentFrame(), this.#engine)
  }

  #tokenOfNow(): Token {
    return this.#engine.client.tokenOfNow()
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
    if (this.#engine.isClosed) throw new CacheClosedError(what)
  }
}

function isolate(value: unknown, isolation: Isolation, table: Table, id: EntryId): unknown {
  if (isolation === "clone") return cloneValue(value)
  if (isolation === "freeze" && typeof value === "object" && value !== null)
    table.counters.shared += freezeDeep(value, table.keyOf(id))
  return value
}

/** A transaction whose work succeeded must not be run again because the log was silent. */
function asCommitted(error: unknown, changes: readonly LogChange[], result: unknown): unknown {
  if (!(error instanceof ZooCacheError)) return error
  const subjects = changes.map((change) => (change.path === "" ? "everything" : change.path))
  const cause = error instanceof InvalidationNotAcknowledgedError ? error.cause : error
  return new InvalidationNotAcknowledgedError(subjects, "see the cause; the transaction itself succeeded", {
    cause,
    committed: true,
    result,
  })
}

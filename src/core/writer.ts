import { agingOf } from "./age.js"
import { currentFrame, enterFrame, type Frame, leaveFrame, runInFrame, runOf, transactionOf } from "./context.js"
import { type Duration, parseDuration } from "./duration.js"
import type { Engine } from "./engine.js"
import { CacheClosedError, HookError, InvalidationNotAcknowledgedError, InvalidOptionError, ZooCacheError } from "./errors.js"
import { type Dependencies, freshnessOf } from "./freshness.js"
import { assertReusable, cloneValue, freezeDeep } from "./isolation.js"
import type { EntryId } from "./key.js"
import type { LogChange } from "./log.js"
import type { AppendOptions } from "./log-client.js"
import { isStringArray } from "./options.js"
import { type Position, readPosition } from "./position.js"
import type { Scope } from "./scope.js"
import type { Table } from "./table.js"
import type { TagNode } from "./tag-node.js"
import type { Stamp } from "./tag-trie.js"
import { Transaction, type TransactionHandle } from "./transaction.js"
import type { Token, Version } from "./version.js"

/** How a value that is set by hand is kept. */
export interface SetOptions {
  deps?: readonly string[]
  ttl?: Duration
  /** Where in the order of changes its source was read; see `cache.position()`. */
  asOf?: Position
}

interface Prepared {
  readonly value: unknown
  readonly nodes: readonly TagNode[]
  readonly stamp: Stamp
  readonly ttlMs: number
}

/** Everything that changes what others see: invalidations, values set by hand, transactions. */
export class Writer {
  readonly #engine: Engine

  constructor(engine: Engine) {
    this.#engine = engine
  }

  invalidate(scope: Scope, kind: "tag" | "expiry", tags: readonly string[], options?: AppendOptions): Promise<Token | undefined> {
    const engine = this.#engine
    this.#assertOpen(kind === "tag" ? "invalidate" : "expire")
    const paths = tags.map((tag) => scope.path(tag))
    const transaction = this.#transaction()
    if (transaction !== undefined) {
      transaction.addTags(kind, paths, paths.map((_path, index) => scope.acquire(tags[index] as string)))
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
  setAll(scope: Scope, items: readonly { readonly table: Table; readonly id: EntryId; readonly value: unknown; readonly options: SetOptions }[]): Promise<Token> {
    return this.#attempt("set", () => {
      const engine = this.#engine
      if (items.length === 0) return Promise.resolve(this.#tokenOfNow())
      const transaction = this.#transaction()
      const prepared: Prepared[] = []
      try {
        for (const { table, id, value, options } of items) prepared.push(this.#prepare(scope, table, id, value, options))
      } catch (error) {
        for (const { nodes } of prepared) this.#release(nodes)
        throw error
      }
      const last = new Map<string, number>()
      items.forEach(({ table, id }, index) => last.set(table.keyOf(id), index))
      if (transaction !== undefined) {
        items.forEach(({ table, id }, index) => {
          const item = prepared[index] as Prepared
          if (last.get(table.keyOf(id)) !== index) {
            this.#release(item.nodes)
            return
          }
          transaction.addKey(table, id, {
            value: item.value,
            dependencies: item.nodes,
            store: () => this.#store(table, id, item, undefined),
          })
        })
        return Promise.resolve(undefined)
      }
      const stored: { keyVersion: Version | undefined }[] = []
      const appended = engine.client.append(
        [...last.keys()].map((path) => ({ kind: "key", path })),
        {
          onEnd: (version) => {
            for (const rare of stored) rare.keyVersion = version ?? 0
          },
        },
      )
      items.forEach(({ table, id }, index) => {
        const item = prepared[index] as Prepared
        if (last.get(table.keyOf(id)) === index) {
          const rare = this.#store(table, id, item, engine.client.isLocal ? undefined : Number.POSITIVE_INFINITY)
          if (rare !== undefined) stored.push(rare)
        }
        this.#release(item.nodes)
      })
      return appended
    })
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
    if (paths.length === 0) return Promise.resolve(this.#tokenOfNow())
    return this.#engine.client.append(paths.map((path) => ({ kind: "tag", path })))
  }

  #commit(transaction: Transaction): Promise<Token | undefined> {
    if (transaction.changes.length === 0) return Promise.resolve(this.#tokenOfNow())
    const unique = new Map<string, LogChange>()
    for (const change of transaction.changes) unique.set(`${change.kind} ${change.path}`, change)
    const appended = this.#engine.client.append([...unique.values()])
    transaction.storeWritten()
    return appended
  }

  // --- values set by hand ----------------------------------------------------------------------------------------

  #prepare(scope: Scope, table: Table, id: EntryId, value: unknown, options: SetOptions): Prepared {
    const engine = this.#engine
    const key = table.keyOf(id)
    assertReusable(value, key)
    const { deps, ttl, asOf } = options
    if (deps !== undefined && !isStringArray(deps)) throw new InvalidOptionError("deps", deps, "it must be an array of tags")
    const { behaviour } = engine.settings
    const ttlMs = ttl === undefined ? behaviour.ttlMs : parseDuration(ttl, "ttl")
    const run = runOf(currentFrame(), engine)
    const inLoad = run?.loads[0]?.stamp
    const stamp: Stamp =
      asOf !== undefined
        ? readPosition(asOf, engine.trie)
        : { epoch: (inLoad ?? engine.trie.stamp).epoch, asOf: inLoad?.asOf ?? engine.trie.cursor }
    const isolated = isolate(value, behaviour.isolation, table)
    const nodes: TagNode[] = []
    try {
      const own = scope.acquireOwn()
      if (own !== undefined) nodes.push(own)
      for (const tag of new Set(deps)) nodes.push(scope.acquire(tag))
    } catch (error) {
      this.#release(nodes)
      throw error
    }
    return { value: isolated, nodes, stamp, ttlMs }
  }

  /** Keeps a value that was set, if nothing that it depends on has changed since its source was read. */
  #store(table: Table, id: EntryId, item: Prepared, keyVersion: Version | undefined): { keyVersion: Version | undefined } | undefined {
    const engine = this.#engine
    const { behaviour } = engine.settings
    const dependencies: Dependencies = item.nodes.length === 0 ? null : item.nodes.length === 1 ? (item.nodes[0] as TagNode) : item.nodes
    const freshness =
      item.stamp.asOf < engine.trie.forgotten
        ? "stale"
        : freshnessOf({ stamp: item.stamp, dependencies, keyNode: table.keyNode, keyVersion: Number.POSITIVE_INFINITY }, engine.trie)
    const nowMs = engine.turn.current()
    const run = runOf(currentFrame(), engine)
    const aged = agingOf(item.ttlMs, behaviour, nowMs, engine.settings.random, run?.latestExpiryMs ?? Number.POSITIVE_INFINITY)
    if (freshness !== "fresh" || aged === undefined) {
      if (freshness !== "fresh") table.counters.staleLoads += 1
      return undefined
    }
    let weight: number
    try {
      weight = engine.weigh(table, id, item.value, undefined)
    } catch (error) {
      const key = table.keyOf(id)
      engine.fault(error instanceof HookError ? error : new HookError("sizeOf", key, error), key)
      return undefined
    }
    const isCloned = behaviour.isolation === "clone"
    const rare = keyVersion === undefined && !isCloned ? null : { isError: false, isCloned, failures: 0, keyVersion }
    engine.store({
      table,
      id,
      value: item.value,
      dependencies,
      aged,
      rare,
      weight,
      bornMs: nowMs,
    })
    return rare ?? undefined
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

function isolate(value: unknown, isolation: "freeze" | "clone" | "share", table: Table): unknown {
  if (isolation === "clone") return cloneValue(value)
  if (isolation === "freeze" && typeof value === "object" && value !== null) table.counters.shared += freezeDeep(value)
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


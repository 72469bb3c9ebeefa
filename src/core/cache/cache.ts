import type { Cached, CachedMany, CachedSync, HookParametersOf, ManyLoader, ManyOptions, ValueOf } from "./cached.js"
import { makeCached, type Workshop } from "./cached-function.js"
import { makeCachedMany } from "./cached-many.js"
import { makeCachedSync } from "./cached-sync.js"
import { currentFrame } from "../loads/frame.js"
import { type CurrentLoad, detachedLoad } from "../loads/current-load.js"
import { type CacheableDecorator, cacheMethod, decoratorOf, type MethodOptions } from "./decorator.js"
import { type Duration, parseDuration } from "../base/duration.js"
import { Engine } from "./engine.js"
import { CacheClosedError, InvalidKeyError, InvalidOptionError } from "../base/errors.js"
import { promiseOf } from "../entries/entry.js"
import { type Explanation, explain } from "./explain.js"
import { type EntryId, parseFunctionKey } from "../values/id.js"
import { Launcher } from "../loads/launcher.js"
import type { AnyFunction, CacheOptions, FunctionOptions } from "../options/options.js"
import {
  checkFunction,
  checkNames,
  checkObject,
  normalizeCacheOptions,
  normalizeFunctionBehaviour,
} from "../options/settings.js"
import { type Position, takePosition } from "../tags/position.js"
import { Reader } from "../reads/reader.js"
import { Scope } from "../tags/scope.js"
import { type Stats, statsOf } from "./stats.js"
import type { Table } from "../entries/table.js"
import { parseTag } from "../tags/tag.js"
import type { TransactionHandle } from "../writes/transaction.js"
import { TICKS_PER_MS, type Token, type Version } from "../tags/version.js"
import { type SetOptions, Writer } from "../writes/writer.js"

/** How an invalidation is waited for. */
export interface InvalidateOptions {
  /**
   * `false`: don't wait for a shared log. Resolves at once, then without a token; a missing acknowledgement is a fault.
   * Default true.
   */
  wait?: boolean | undefined
  /** Ends the waiting; the invalidation stays. */
  signal?: AbortSignal | undefined
}

export interface SyncOptions {
  /** After which it rejects with `SyncTimeoutError`. Default: `ackTimeout` of the cache. */
  timeout?: Duration | undefined
  signal?: AbortSignal | undefined
}

/** Options of a single `getOrLoad`: those of a function, without what its loader would be asked. */
export type LoadOptions<T> = Omit<FunctionOptions<[], T>, "name" | "version" | "key"> & {
  signal?: AbortSignal | undefined
}

/** The state of a cache. */
export interface Status {
  /** `"unsure"`: it can't confirm that it is up to date; see `staleness`. */
  readonly state: "ready" | "unsure" | "closed"
  readonly prefix: string
  /** Newest version applied without gaps. */
  readonly cursor: Version
  /** How long ago the log confirmed that nothing was missed; 0 in one process. */
  readonly confirmedAgoMs: number
  /** Invalidations that the log has not acknowledged. */
  readonly pending: number
}

/** Invalidations gathered where there is no function to wrap, such as the hooks of an ORM. */
export interface Collector {
  add(...tags: string[]): void
  /** Appends what was added, in one go. A second call appends what was added since. Tokens: see {@link Cache}. */
  commit(): Promise<Token | undefined>
  /** Forgets what was added. */
  drop(): void
}

/** What one view of a cache is made of: the whole cache, or a scope of it. */
interface Parts {
  readonly engine: Engine
  readonly reader: Reader
  readonly writer: Writer
  readonly launcher: Launcher
}

/**
 * A cache, or a view of a part of it; see {@link Cache.scope}. Whatever returns a promise rejects and never throws.
 *
 * Changes (`invalidate`, `expire`, `set`, `setMany`, `delete`, `clear`) resolve with a token when they have been
 * appended. The token is undefined where a change has not been: inside a transaction, whose handle has the token of all of
 * them afterwards, and with `wait: false`. `sync` takes either.
 *
 * @example
 * const cache = createCache({ ttl: "1h" })
 * const getUser = cache.cacheable(async (id: number) => db.user(id), { deps: (id) => [`user:${id}`] })
 * await getUser(42)
 * await cache.invalidate("user:42")
 */
export class Cache {
  readonly #parts: Parts
  readonly #scope: Scope
  readonly #workshop: Workshop

  // Private, or the published class would seem to be made without arguments.
  private constructor(parts: Parts, scope: Scope) {
    this.#parts = parts
    this.#scope = scope
    this.#workshop = { ...parts, scope }
  }

  /** Resolves when the log has been read, so that the cache serves what it has. In one process that is at once. */
  async ready(): Promise<void> {
    const { engine } = this.#parts
    if (engine.isClosed) throw new CacheClosedError("ready")
    await engine.client.ready()
  }

  // --- functions -------------------------------------------------------------------------------------------------

  /**
   * Makes a function whose results are kept until something they depend on is invalidated. Without a loader, a decorator
   * of methods.
   *
   * @throws InvalidOptionError, DuplicateNameError
   */
  // oxlint-disable-next-line no-unsafe-function-type -- any narrower constraint gives untyped parameters a type: `any`
  cacheable<F extends Function>(
    loader: F,
    options?: FunctionOptions<HookParametersOf<F>, ValueOf<F>>,
  ): F extends AnyFunction ? Cached<F> : never
  // `any`: see MethodOptions
  cacheable<Args extends readonly unknown[] = any[], Value = any, This = any>(
    options?: MethodOptions<Args, Value, This>,
  ): CacheableDecorator<Args, This>
  cacheable(first: unknown, options?: unknown): unknown {
    if (typeof first === "function")
      return makeCached(this.#workshop, first as AnyFunction, (options === undefined ? {} : options) as object)
    const methodOptions = methodOptionsOf(first, options)
    const { keyThis: _keyThis, ...rest } = methodOptions
    normalizeFunctionBehaviour(rest, this.#parts.engine.settings.behaviour)
    return decoratorOf((method, name) => cacheMethod(this.#workshop, method, name, methodOptions))
  }

  /** The same for a function that returns its value instead of a promise. In memory and on LMDB. */
  // oxlint-disable-next-line no-unsafe-function-type -- see cacheable
  cacheableSync<F extends Function>(
    loader: F,
    options?: FunctionOptions<HookParametersOf<F>, ValueOf<F>>,
  ): F extends AnyFunction ? CachedSync<F> : never
  cacheableSync(loader: AnyFunction, options: FunctionOptions<readonly unknown[], unknown> = {}): unknown {
    return makeCachedSync(this.#workshop, this.#parts.launcher, loader, options)
  }

  /**
   * Makes a function of many ids: kept per id, and what is missing is loaded in one batch with all that is asked for in
   * the same tick.
   *
   * @example
   * const users = cache.cacheableMany(async (ids: readonly number[]) => db.usersById(ids), {
   *   name: "users",
   *   deps: (id) => [`user:${id}`],
   * })
   * await users([1, 2, 3]) // Map { 1 => …, 3 => … }
   * await users.one(2) // undefined
   */
  cacheableMany<Id, Value>(loader: ManyLoader<Id, Value>, options: ManyOptions<Id, Value> = {}): CachedMany<Id, Value> {
    return makeCachedMany(this.#workshop, this.#parts.launcher, loader, options)
  }

  /** Reads a key given by hand, loading it if need be, with all the guarantees of a cached function. */
  getOrLoad<T>(
    key: string,
    loader: (load: CurrentLoad) => T | PromiseLike<T>,
    options: LoadOptions<T> = NO_OPTIONS,
  ): Promise<T> {
    // Most hits have no options to check.
    if (options === NO_OPTIONS && typeof loader === "function" && this.#isPlainKey(key)) {
      const hit = this.#parts.reader.quickHit(this.#parts.engine.manual, key)
      if (hit !== undefined) return promiseOf(hit) as Promise<T>
    }
    return this.#attempt(() => {
      checkObject(options, "cacheable")
      checkFunction(loader, "loader", "the function that loads the value")
      const { signal, ...rest } = options
      const { reader, engine } = this.#parts
      for (const name of ["name", "version", "key"]) {
        const value: unknown = rest[name as keyof typeof rest]
        if (value !== undefined)
          throw new InvalidOptionError(name, value, "the key of `getOrLoad` says which entry is meant")
      }
      const { table, id } = this.#resolve(key, "getOrLoad")
      const behaviour = normalizeFunctionBehaviour(rest as FunctionOptions<[], T>, engine.settings.behaviour)
      engine.checkLease(behaviour)
      const { ttl, deps, depsOf, cacheIf, cacheErrors, sizeOf, validate } = rest as FunctionOptions<
        readonly unknown[],
        unknown
      >
      return reader.read({
        recipe: {
          table,
          scope: this.#scope,
          behaviour,
          hooks: {
            ttl: typeof ttl === "function" ? ttl : undefined,
            deps,
            depsOf,
            cacheIf,
            cacheErrors,
            sizeOf,
            validate,
          },
          load: (_self, _args, run) => loader(run?.current ?? detachedLoad(key)),
        },
        id,
        self: undefined,
        args: [],
        frame: currentFrame(),
        signal,
        isFresh: false,
      }) as Promise<T>
    })
  }

  // --- values by key ---------------------------------------------------------------------------------------------

  /** The stored value of a key, or undefined. A stored `undefined` looks the same; see {@link Cache.lookup}. */
  get<T>(key: string): Promise<T | undefined> {
    if (this.#isPlainKey(key)) {
      const hit = this.#parts.reader.quickHit(this.#parts.engine.manual, key)
      if (hit !== undefined) return promiseOf(hit) as Promise<T>
    }
    return this.#attempt(async () => (await this.#read(key, "get"))?.value as T | undefined)
  }

  /** The stored value of a key in an object, or undefined if there is none. */
  lookup<T>(key: string): Promise<{ value: T } | undefined> {
    return this.#attempt(() => this.#read(key, "lookup") as Promise<{ value: T } | undefined>)
  }

  /** The stored values of these keys; misses are absent. */
  getMany<T>(keys: readonly string[]): Promise<Map<string, T>> {
    return this.#attempt(async () => {
      const list = listOf(keys, "keys") as string[]
      const hits = await Promise.all(list.map((key) => this.#read(key, "getMany")))
      const found = new Map<string, T>()
      for (const [index, hit] of hits.entries()) if (hit !== undefined) found.set(list[index] as string, hit.value as T)
      return found
    })
  }

  /** Whether a key has a value that would be served. Does not count as a use. */
  has(key: string): Promise<boolean> {
    return this.#attempt(async () => (await this.#read(key, "has", true)) !== undefined)
  }

  /**
   * Stores a value by hand. It outranks every load of its key that began before, in every process. Its `deps` are
   * checked against the position it is given, inside a load against that load's start, else against now.
   */
  set(key: string, value: unknown, options: SetOptions = {}): Promise<Token | undefined> {
    return this.#attempt(() => {
      checkNames(options, SET_OPTIONS, "set")
      const { table, id } = this.#resolve(key, "set")
      return this.#parts.writer.setAll(this.#scope, [{ table, id, value, options }])
    })
  }

  /** Stores several values in one append; of several for one key the last counts. */
  setMany(
    items: readonly (readonly [key: string, value: unknown, options?: SetOptions | undefined])[],
  ): Promise<Token | undefined> {
    return this.#attempt(() => {
      const checked = listOf(items, "items").map((item) => {
        const [key, value, options = {}] = listOf(item, "items") as [string, unknown, SetOptions?]
        checkNames(options, SET_OPTIONS, "set")
        return { ...this.#resolve(key, "setMany"), value, options }
      })
      return this.#parts.writer.setAll(this.#scope, checked)
    })
  }

  /** Invalidates these keys, in every process. */
  delete(...keys: string[]): Promise<Token | undefined> {
    return this.#attempt(() => this.#parts.writer.deleteKeys(keys.map((key) => this.#resolve(key, "delete"))))
  }

  // --- invalidation ----------------------------------------------------------------------------------------------

  /**
   * Everything that depended on these tags, or on anything below them, is stale. The local effect holds when this
   * returns; the promise resolves with a token when the log has acknowledged. Inside a transaction it resolves at once,
   * without a token.
   *
   * Rejects with InvalidTagError, and with InvalidationNotAcknowledgedError if a shared log was silent.
   */
  invalidate(...tags: string[]): Promise<Token | undefined>
  invalidate(tags: readonly string[], options?: InvalidateOptions): Promise<Token | undefined>
  invalidate(...given: unknown[]): Promise<Token | undefined> {
    return this.#mark("tag", given)
  }

  /** Softer: what depended on these tags counts as past its ttl, so that grace may serve it once more. */
  expire(...tags: string[]): Promise<Token | undefined>
  expire(tags: readonly string[], options?: InvalidateOptions): Promise<Token | undefined>
  expire(...given: unknown[]): Promise<Token | undefined> {
    return this.#mark("expiry", given)
  }

  /** Invalidates everything, in every process; of a scope, everything in it. */
  clear(): Promise<Token | undefined> {
    return this.#attempt(() => this.#parts.writer.clear(this.#scope))
  }

  /**
   * Resolves when this instance has applied at least the token; without one, or with that of a change inside a
   * transaction, all that there is now.
   */
  sync(token?: Token, options: SyncOptions = {}): Promise<void> {
    return this.#attempt(() => {
      checkNames(options, new Set(["timeout", "signal"]), "sync")
      const timeoutMs = options.timeout === undefined ? undefined : parseDuration(options.timeout, "timeout")
      return this.#parts.engine.client.sync(token, { timeoutMs, signal: options.signal })
    })
  }

  /**
   * Runs `work` with its invalidations collected: for reads inside they hold at once, for everybody else when `work` has
   * resolved. When it throws they are dropped. What is loaded inside is shared with nobody and not stored.
   *
   * Rejects with what `work` throws; with InvalidationNotAcknowledgedError, `committed: true` and the `result`, if only
   * the log was silent.
   */
  transaction<T>(work: (tx: TransactionHandle) => T | PromiseLike<T>): Promise<T> {
    return this.#attempt(() => {
      checkFunction(work, "transaction", "the function that makes the changes")
      return this.#parts.writer.transaction(work)
    })
  }

  /** Gathers tags by hand and invalidates them in one go. */
  collect(): Collector {
    let paths = new Set<string>()
    return {
      add: (...tags) => {
        for (const path of tags.map((tag) => this.#scope.path(tag))) paths.add(path)
      },
      commit: () =>
        this.#attempt(() => {
          const gathered = [...paths]
          paths = new Set()
          return this.#parts.writer.appendTags(gathered)
        }),
      drop: () => {
        paths = new Set()
      },
    }
  }

  /** Where in the order of changes we are. Take it before you read what you will `set` by hand. */
  position(): Position {
    return takePosition(this.#parts.engine.trie)
  }

  /** A view whose keys, function names and tags live below a tag and can't reach outside. */
  scope(tag: string): Cache {
    return new Cache(this.#parts, this.#scope.below(tag))
  }

  // --- looking inside --------------------------------------------------------------------------------------------

  /** Whether the entry of a key is fresh, and if not, why, in data and in one sentence. */
  explain(key: string): Explanation {
    const { table, id } = this.#resolve(key)
    // In the words of whoever asks: a scope's keys have another form inside.
    return { ...explain(this.#parts.engine, table, id), key }
  }

  /**
   * The version of the newest invalidation of a tag or of anything above it; 0 if there was none. Never falls: of a tag
   * that is not remembered it is that of the newest invalidation that was forgotten.
   */
  tagVersion(tag: string): Version {
    return this.#parts.engine.trie.versionOf(parseTag(this.#scope.path(tag)))
  }

  status(): Status {
    const { engine } = this.#parts
    if (!engine.isClosed) engine.client.checkTrust()
    return {
      state: engine.isClosed ? "closed" : engine.trie.trusted === null ? "unsure" : "ready",
      prefix: engine.settings.prefix,
      cursor: engine.trie.cursor,
      confirmedAgoMs: engine.client.confirmedAgoMs(),
      pending: engine.client.pending,
    }
  }

  stats(): Stats {
    return statsOf(this.#parts.engine)
  }

  /**
   * Forgets invalidations of tags that nothing refers to and that are older than `age` (default: all that can be), and
   * clears away entries that nobody can use. Never makes an entry valid. Counts both.
   */
  prune(age: Duration = 0): { tags: number; entries: number } {
    const { engine } = this.#parts
    const ageMs = parseDuration(age, "age")
    if (ageMs < 0) throw new InvalidOptionError("age", age, "it must not be negative")
    const before = engine.tier?.size ?? 0
    engine.tier?.sweepNow()
    const tags = engine.trie.forget(
      0,
      ageMs === 0 ? Number.POSITIVE_INFINITY : (engine.clock.wall() - ageMs) * TICKS_PER_MS,
    )
    return { tags, entries: before - (engine.tier?.size ?? 0) }
  }

  /**
   * Ends everything this cache holds: timers, subscriptions, its log. Cached functions still run their loaders
   * afterwards; everything else rejects with CacheClosedError. Twice is fine.
   */
  async close(): Promise<void> {
    this.#parts.launcher.close()
    await this.#parts.engine.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal For `createCache`. */
  static of(parts: Parts, scope: Scope): Cache {
    return new Cache(parts, scope)
  }

  /** @internal For the structural check in `zoocache/testing`. */
  static partsOf(cache: Cache): Parts {
    return cache.#parts
  }

  /** Whether a key is its own id, without a look at what it may stand for. */
  #isPlainKey(key: unknown): boolean {
    return this.#scope.isWhole && typeof key === "string" && !key.startsWith("ƒ")
  }

  #mark(kind: "tag" | "expiry", given: readonly unknown[]): Promise<Token | undefined> {
    return this.#attempt(() => {
      const [first] = given
      if (!Array.isArray(first)) return this.#parts.writer.invalidate(this.#scope, kind, given as readonly string[])
      const options = (given[1] ?? {}) as InvalidateOptions
      checkNames(options, new Set(["wait", "signal"]), kind === "tag" ? "invalidate" : "expire")
      return this.#parts.writer.invalidate(this.#scope, kind, first as readonly string[], options)
    })
  }

  #read(key: string, asking: string, isQuiet = false): Promise<{ value: unknown } | undefined> {
    if (this.#parts.engine.isClosed) throw new CacheClosedError(asking)
    const found = this.#find(key)
    if (found === undefined) return Promise.resolve(undefined)
    const { reader, engine } = this.#parts
    const { table, id } = found
    if (engine.canFetch(table, id)) return reader.find(table, id, currentFrame(), isQuiet)
    return Promise.resolve(reader.peek(table, id, currentFrame(), isQuiet))
  }

  /** Where a key lives: with the function whose `keyOf` returned it, or among those given by hand. */
  #find(key: string): { table: Table; id: EntryId } | undefined {
    const { engine } = this.#parts
    if (typeof key !== "string" || !key.startsWith("ƒ:")) return { table: engine.manual, id: this.#scope.manualId(key) }
    const parts = parseFunctionKey(key)
    if (parts === undefined) return undefined
    if (!this.#scope.owns(parts.name)) {
      throw new InvalidKeyError(key, `it belongs to a function outside of the scope \`${this.#scope.prefix}\``)
    }
    const table = engine.tableOf(parts.name, parts.version)
    return table === undefined ? undefined : { table, id: parts.id }
  }

  #resolve(key: string, writing?: string): { table: Table; id: EntryId } {
    if (writing !== undefined && this.#parts.engine.isClosed) throw new CacheClosedError(writing)
    const found = this.#find(key)
    if (found === undefined) {
      throw new InvalidKeyError(key, "no function of that name and version is defined in this process")
    }
    return found
  }

  #attempt<T>(run: () => Promise<T>): Promise<T> {
    try {
      return run()
    } catch (error) {
      return Promise.reject(error)
    }
  }
}

/** What a decorator was given; anything that looks like a loader gone wrong is called that. */
export function methodOptionsOf(first: unknown, second: unknown): MethodOptions {
  const isOptions = first === undefined || (typeof first === "object" && first !== null && !Array.isArray(first))
  const isThenable = typeof (first as { then?: unknown } | null | undefined)?.then === "function"
  if (!isOptions || isThenable || second !== undefined) {
    throw new InvalidOptionError("loader", first, "the first argument must be the function whose results are kept")
  }
  return (first ?? {}) as MethodOptions
}

const NO_OPTIONS = Object.freeze({})
const SET_OPTIONS = new Set(["deps", "ttl", "asOf"])

/**
 * Makes a cache.
 *
 * @throws InvalidOptionError
 * @example
 * await using cache = createCache({ ttl: "10m", memory: { maxEntries: 50_000 } })
 */
export function createCache(options: CacheOptions = {}): Cache {
  const engine = new Engine(normalizeCacheOptions(options))
  try {
    engine.checkLease(engine.settings.behaviour)
  } catch (error) {
    void engine.close()
    throw error
  }
  const launcher = new Launcher(engine)
  const reader = new Reader(engine, launcher)
  const writer = new Writer(engine)
  return Cache.of({ engine, reader, writer, launcher }, new Scope(engine.trie, ""))
}

function listOf<T>(list: readonly T[], name: string): readonly T[] {
  if (!Array.isArray(list)) throw new InvalidOptionError(name, list, "it must be an array")
  return list as readonly T[]
}

import { type Duration, parseDuration } from "../base/duration.js"
import { CacheClosedError, InvalidOptionError } from "../base/errors.js"
import { entryOf, placeOfDefinition } from "../base/place.js"
import { promiseOf, type Table } from "../entries/table.js"
import { detachedLoad } from "../loads/current-load.js"
import type { Definition } from "../loads/definition.js"
import { currentFrame, isInTransaction } from "../loads/frame.js"
import type { CurrentLoad } from "../loads/run.js"
import type { AnyFunction, FunctionOptions } from "../options/options.js"
import { checkFunction, checkNames, checkObject } from "../options/checks.js"
import { normalizeFunctionBehaviour } from "../options/settings.js"
import { visitNode } from "../reads/visit.js"
import { type Position, takePosition } from "../tags/position.js"
import { lastInvalidationMs } from "../tags/last-invalidation.js"
import type { Scope } from "../tags/scope.js"
import { parseTag } from "../tags/tag.js"
import { TICKS_PER_MS, type Token, type Version } from "../tags/version.js"
import type { EntryId } from "../values/id.js"
import { checkSetOptions, type Item, type SetOptions } from "../writes/prepare.js"
import type { TransactionHandle } from "../writes/transaction.js"
import type { Cached, CachedMany, CachedSync, HookParametersOf, ManyLoader, ManyOptions, ValueOf } from "./cached.js"
import { checkSignal, makeCached } from "./cached-function.js"
import { makeCachedMany } from "./cached-many.js"
import { makeCachedSync } from "./cached-sync.js"
import { type Collector, collectorOf } from "./collector.js"
import { type CacheableDecorator, cacheMethod, decoratorOf, type MethodOptions, methodOptionsOf } from "./decorator.js"
import { attempt, hooksOf, inlineDefinition, type LoadOptions, type LooseOptions, type View } from "./definition.js"
import { type Explanation, explain } from "./explain.js"
import { KeyLookup } from "./key-lookup.js"
import { type LookedUp, type LookupOptions, lookUpKey } from "./lookup.js"
import type { OpenCache } from "./open.js"
import { OWNER } from "./owner.js"
import { type Stats, statsOf } from "./stats.js"
import { type Status, statusOf } from "./status.js"

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
  readonly #core: OpenCache
  readonly #scope: Scope
  readonly #view: View
  readonly #keys: KeyLookup
  /** The behaviour of calls that say nothing about it. */
  readonly #plain: Pick<Definition, "behaviour" | "hooks">

  // Private, or the published class would seem to be made without arguments.
  private constructor(core: OpenCache, scope: Scope) {
    this.#core = core
    this.#scope = scope
    this.#view = { core, scope }
    this.#keys = new KeyLookup(this.#view)
    this.#plain = { behaviour: core.settings.behaviour, hooks: hooksOf({}) }
  }

  /** Resolves when the log has been read, so that the cache serves what it has. In one process that is at once. */
  async ready(): Promise<void> {
    if (this.#core.lifetime.isOver) throw new CacheClosedError("ready")
    await this.#core.client.ready()
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
    if (typeof first === "function") {
      const given = (options === undefined ? {} : options) as LooseOptions
      return makeCached(this.#view, first as AnyFunction, given, placeOfDefinition(given, entryOf(this, "cacheable")))
    }
    const methodOptions = methodOptionsOf(first, options)
    const place = placeOfDefinition(methodOptions, entryOf(this, "cacheable"))
    const { keyThis: _keyThis, ...rest } = methodOptions
    normalizeFunctionBehaviour(rest, this.#core.settings.behaviour)
    return decoratorOf((method, name) => cacheMethod(this.#view, method, name, methodOptions, place))
  }

  /** The same for a function that returns its value instead of a promise. In memory and on LMDB. */
  // oxlint-disable-next-line no-unsafe-function-type -- see cacheable
  cacheableSync<F extends Function>(
    loader: F,
    options?: FunctionOptions<HookParametersOf<F>, ValueOf<F>>,
  ): F extends AnyFunction ? CachedSync<F> : never
  cacheableSync(loader: AnyFunction, options: FunctionOptions<readonly unknown[], unknown> = {}): unknown {
    return makeCachedSync(this.#view, loader, options, placeOfDefinition(options, entryOf(this, "cacheableSync")))
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
    return makeCachedMany(this.#view, loader, options, placeOfDefinition(options, entryOf(this, "cacheableMany")))
  }

  /** Reads a key given by hand, loading it if need be, with all the guarantees of a cached function. */
  getOrLoad<T>(
    key: string,
    loader: (load: CurrentLoad) => T | PromiseLike<T>,
    options: LoadOptions<T> = NO_OPTIONS,
  ): Promise<T> {
    // Most hits have no options to check.
    if (options === NO_OPTIONS && typeof loader === "function") {
      const hit = this.#keys.quickHit(key)
      if (hit !== undefined) return promiseOf(hit) as Promise<T>
    }
    return attempt(() => {
      checkObject(options, "cacheable")
      checkFunction(loader, "loader", "the function that loads the value")
      const { table, id, scope: keyScope } = this.#keys.resolveManual(key, "getOrLoad")
      const frame = currentFrame()
      const { behaviour, hooks } = options === NO_OPTIONS ? this.#plain : inlineDefinition(this.#view, options)
      // The shape of all definitions and calls is one, in the order of those of functions: each read looks into both.
      const definition: Definition = {
        table,
        scope: this.#scope,
        keyScope,
        behaviour,
        hooks,
        load: (_self, _args, run) => loader(run?.current ?? detachedLoad(key)),
        batch: undefined,
      }
      const signal = checkSignal(options.signal)
      const call = { definition, id, self: undefined, args: NO_ARGUMENTS, frame, signal, isFresh: false }
      return this.#core.reader.read(call) as Promise<T>
    })
  }

  // --- values by key ---------------------------------------------------------------------------------------------

  /** The stored value of a key, or undefined. A stored `undefined` looks the same; see {@link Cache.lookup}. */
  get<T>(key: string): Promise<T | undefined> {
    const hit = this.#keys.quickHit(key)
    if (hit !== undefined) return promiseOf(hit) as Promise<T>
    return attempt(async () => (await this.#keys.read(key, "get"))?.value as T | undefined)
  }

  /**
   * The stored value of a key with what is known of it, or undefined if there is none. With `expired`, a value that has
   * expired will do, never one that was invalidated; what a load makes of it is not kept. With `deps`, only a value whose load
   * began after the last change of these tags.
   *
   * Rejects with InvalidOptionError, InvalidKeyError, InvalidTagError.
   *
   * @example
   * const found = await cache.lookup<string>("greeting", { expired: true })
   * if (found !== undefined) console.log(found.value, found.state, found.storedAt)
   */
  lookup<T>(key: string, options: LookupOptions = NO_OPTIONS): Promise<LookedUp<T> | undefined> {
    const looking = lookUpKey(this.#view, () => this.#keys.findToRead(key, "lookup"), options)
    return looking as Promise<LookedUp<T> | undefined>
  }

  /** The stored values of these keys; misses are absent. */
  getMany<T>(keys: readonly string[]): Promise<Map<string, T>> {
    return attempt(async () => {
      if (this.#core.lifetime.isOver) throw new CacheClosedError("getMany")
      const list = listOf(keys, "keys") as string[]
      const hits = await Promise.all(list.map((key) => this.#keys.read(key, "getMany")))
      const found = new Map<string, T>()
      for (const [index, hit] of hits.entries()) if (hit !== undefined) found.set(list[index] as string, hit.value as T)
      return found
    })
  }

  /** Whether a key has a value that would be served. Does not count as a use. */
  has(key: string): Promise<boolean> {
    return attempt(async () => (await this.#keys.read(key, "has", true)) !== undefined)
  }

  /**
   * Stores a value by hand. The value outranks every load of its key that began before, in every process. Its `deps`
   * are checked against the position it is given, inside a load against that load's start, else against now.
   */
  set(key: string, value: unknown, options: SetOptions = {}): Promise<Token | undefined> {
    return attempt(() => this.#core.writer.setAll([this.#item(key, value, options, "set")]))
  }

  /** Stores several values in one append; of several for one key the last counts. */
  setMany(
    items: readonly (readonly [key: string, value: unknown, options?: SetOptions | undefined])[],
  ): Promise<Token | undefined> {
    return attempt(() => {
      const checked = listOf(items, "items").map((item) => {
        const [key, value, options = {}] = listOf(item, "items") as [string, unknown, SetOptions?]
        return this.#item(key, value, options, "setMany")
      })
      return this.#core.writer.setAll(checked)
    })
  }

  #item(key: string, value: unknown, options: SetOptions, writing: string): Item {
    checkNames(options, SET_OPTIONS, "set")
    const { behaviour } = this.#core.settings
    const { table, id, scope: keyScope } = this.#keys.resolveManual(key, writing)
    const { deps, ttlMs, asOf } = checkSetOptions(options)
    const scope = this.#scope
    return { table, id, value, scope, keyScope, behaviour, deps, ttlMs, asOf, sizeOf: undefined, isWanted: true }
  }

  /** Invalidates these keys, in every process. */
  delete(...keys: string[]): Promise<Token | undefined>
  delete(keys: readonly string[]): Promise<Token | undefined>
  delete(...given: unknown[]): Promise<Token | undefined> {
    return attempt(() => {
      const keys = keysOf(given)
      const places = keys.map((key) => this.#keys.resolve(key, "delete"))
      places.forEach(({ table, id, scope }, index) => {
        if (table.isManual) this.#core.hints.key(scope, keys[index] as string, id, () => this.#isStored(table, id))
      })
      return this.#core.writer.deleteKeys(places)
    })
  }

  /**
   * Softer: the entries of these keys count as past their ttl, in every process, so that grace may serve them once more. A load
   * that overlaps it is stored as expired, and what was made of them has expired with them. A key of more than some 240
   * bytes is invalidated instead.
   *
   * @example
   * await cache.expireKeys("greeting", getUser.keyOf(42))
   */
  expireKeys(...keys: string[]): Promise<Token | undefined>
  expireKeys(keys: readonly string[]): Promise<Token | undefined>
  expireKeys(...given: unknown[]): Promise<Token | undefined> {
    return attempt(() => {
      const places = keysOf(given).map((key) => this.#keys.resolve(key, "expireKeys"))
      return this.#core.writer.expireKeys(places, "expireKeys")
    })
  }

  /** Whether a key that memory lacks has an entry all the same, as far as can be told at once. */
  #isStored(table: Table, id: EntryId): boolean {
    const { shared, reader } = this.#core
    if (shared === undefined) return false
    return shared.isRemote || reader.looks.findShared(table, id, table.intake) !== undefined
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
    return attempt(() => this.#core.writer.clear(this.#scope))
  }

  /**
   * Resolves when this instance has applied at least the token; without one, or with that of a change inside a
   * transaction, all that there is now.
   */
  sync(token?: Token, options: SyncOptions = {}): Promise<void> {
    return attempt(() => {
      checkNames(options, SYNC_OPTIONS, "sync")
      const timeoutMs = options.timeout === undefined ? undefined : parseDuration(options.timeout, "timeout")
      return this.#core.client.sync(token, { timeoutMs, signal: checkSignal(options.signal) })
    })
  }

  /**
   * Runs `work` with its invalidations collected: for reads inside they hold at once, for everybody else when `work` has
   * resolved. When it throws they are dropped. Results that are loaded inside are shared with nobody and not stored.
   *
   * Rejects with what `work` throws; with InvalidationNotAcknowledgedError, `committed: true` and the `result`, if only
   * the log was silent.
   */
  transaction<T>(work: (tx: TransactionHandle) => T | PromiseLike<T>): Promise<T> {
    return attempt(() => {
      checkFunction(work, "transaction", "the function that makes the changes")
      return this.#core.writer.transaction(work)
    })
  }

  /**
   * Whether the running code is inside of a transaction of this cache: what it invalidates is collected, and what it loads is
   * not kept. False once the transaction has settled.
   *
   * @example
   * if (!cache.isInTransaction()) await cache.invalidate("report")
   */
  isInTransaction(): boolean {
    return isInTransaction(currentFrame(), this.#core.trie)
  }

  /** Gathers tags by hand and invalidates them in one go. */
  collect(): Collector {
    return collectorOf(this.#core, this.#scope)
  }

  /** The place in the order of changes up to now. Take it before you read what you will `set` or `prime`. */
  position(): Position {
    return takePosition(this.#core.trie)
  }

  /** A view whose keys, function names and tags live below a tag and can't reach outside. */
  scope(tag: string): Cache {
    return new Cache(this.#core, this.#scope.below(tag))
  }

  // --- looking inside --------------------------------------------------------------------------------------------

  /**
   * Whether the entry of a key is fresh, and if not, why, in data and in one sentence. A load that asks depends on what it was
   * told of, as if it had read it.
   */
  explain(key: string): Explanation {
    const { table, id } = this.#keys.resolve(key)
    // In the words of whoever asks: a scope's keys have another form inside.
    return { ...explain(this.#core, table, id), key }
  }

  /**
   * The version of the newest invalidation of a tag or of anything above it; 0 if there was none. Never falls: of a tag
   * that is not remembered it is that of the newest invalidation that was forgotten. A load that asks depends on the tag.
   */
  tagVersion(tag: string): Version {
    return this.#core.trie.versionOf(this.#visitTag(tag))
  }

  /**
   * The time at which a tag, or anything above it, was last invalidated, by the clock of the log; undefined if that has not
   * happened in the present life of the log. Never earlier than it was: of a tag that is not remembered it is the time of the
   * newest invalidation that was forgotten, and one that is not acknowledged yet counts from its call. `expire` does not count.
   * A load that asks depends on the tag.
   *
   * @throws InvalidTagError
   * @example
   * await cache.invalidate("user:42")
   * const lastModified = cache.invalidatedAt("user:42")?.toUTCString()
   */
  invalidatedAt(tag: string): Date | undefined {
    const lastMs = lastInvalidationMs(this.#core.trie, this.#visitTag(tag))
    return lastMs === undefined ? undefined : new Date(lastMs)
  }

  /** The segments of a tag that somebody asks about: a load that asks depends on it. */
  #visitTag(tag: string): readonly string[] {
    const path = this.#scope.path(tag)
    visitNode(`the version of \`${path}\``, this.#core.trie, () => this.#scope.acquire(tag))
    return parseTag(path)
  }

  status(): Status {
    return statusOf(this.#core)
  }

  stats(): Stats {
    return statsOf(this.#core)
  }

  /**
   * Forgets invalidations of tags that nothing refers to and that are older than `age` (default: all that can be), and
   * clears away entries that nobody can use. Never makes an entry valid. Counts both.
   */
  prune(age: Duration = 0): { tags: number; entries: number } {
    const { entries, trie, clock } = this.#core
    const ageMs = parseDuration(age, "age")
    if (ageMs < 0) throw new InvalidOptionError("age", age, "it must not be negative")
    const before = entries.tier?.size ?? 0
    entries.tier?.sweepNow()
    const tags = trie.forget(0, ageMs === 0 ? Number.POSITIVE_INFINITY : (clock.wall() - ageMs) * TICKS_PER_MS)
    return { tags, entries: before - (entries.tier?.size ?? 0) }
  }

  /**
   * Ends everything this cache holds: timers, subscriptions, its log. Cached functions still run their loaders
   * afterwards; everything else rejects with CacheClosedError. Twice is fine.
   */
  async close(): Promise<void> {
    await this.#core.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal For `createCache`. */
  static of(core: OpenCache, scope: Scope): Cache {
    return new Cache(core, scope)
  }

  /** @internal For the structural check in `zoocache/testing`. */
  static coreOf(cache: Cache): OpenCache {
    return cache.#core
  }

  /** @internal For what other copies of this library make of a cache. */
  get [OWNER](): object {
    return this.#core.trie
  }

  #mark(kind: "tag" | "expiry", given: readonly unknown[]): Promise<Token | undefined> {
    if (this.#core.hints.looksAtTags()) {
      const call = kind === "tag" ? "invalidate" : "expire"
      this.#core.hints.tags(this.#scope, Array.isArray(given[0]) ? given[0] : given, call)
    }
    return attempt(() => {
      const [first] = given
      if (!Array.isArray(first)) return this.#core.writer.invalidate(this.#scope, kind, given as readonly string[])
      const options = (given[1] ?? {}) as InvalidateOptions
      checkNames(options, INVALIDATE_OPTIONS, kind === "tag" ? "invalidate" : "expire")
      const { wait, signal } = options
      return this.#core.writer.invalidate(this.#scope, kind, first as readonly string[], {
        wait,
        signal: checkSignal(signal),
      })
    })
  }
}

const NO_OPTIONS = Object.freeze({})
const NO_ARGUMENTS: readonly unknown[] = Object.freeze([])
const SET_OPTIONS = new Set(["deps", "ttl", "asOf"])
const SYNC_OPTIONS = new Set(["timeout", "signal"])
const INVALIDATE_OPTIONS = new Set(["wait", "signal"])

/** Keys that are given one by one, or as an array. */
function keysOf(given: readonly unknown[]): readonly string[] {
  return (given.length === 1 && Array.isArray(given[0]) ? given[0] : given) as readonly string[]
}

function listOf<T>(list: readonly T[], name: string): readonly T[] {
  if (!Array.isArray(list)) throw new InvalidOptionError(name, list, "it must be an array")
  return list as readonly T[]
}

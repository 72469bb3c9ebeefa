import type { Cache } from "./core/cache/cache.js"
import { openUnnamed } from "./core/cache/create-cache.js"
import { settingsOf } from "./core/cache/settings-of.js"
import type {
  Cached,
  CachedMany,
  CachedSync,
  HookParametersOf,
  ManyLoader,
  ManyOptions,
  ValueOf,
} from "./core/cache/cached.js"
import { cachedMethod, offerOnInstance } from "./core/cache/cached-method.js"
import { attempt, type LoadOptions, nameAs } from "./core/cache/definition.js"
import { checkMaxBatch } from "./core/cache/cached-many.js"
import type { LookupOptions } from "./core/cache/lookup.js"
import type { CurrentLoad } from "./core/loads/run.js"
import { type CacheableDecorator, decoratorOf, type MethodOptions, methodOptionsOf } from "./core/cache/decorator.js"
import type { Backend } from "./core/ports/backend.js"
import { ConfigurationError, InvalidOptionError } from "./core/base/errors.js"
import { placeCalling, withPlace } from "./core/base/place.js"
import { oncePerProcess } from "./core/base/process-wide.js"
import type { AnyFunction, CacheOptions, FunctionOptions } from "./core/options/options.js"
import { checkObject } from "./core/options/checks.js"
import {
  givenAgain,
  type GivenOptions,
  givenOptions,
  REDEFINE_ADVICE,
  warnOfGuess,
} from "./core/options/given-options.js"
import { normalizeFunctionBehaviour } from "./core/options/settings.js"
import { backendOf } from "./storage-url.js"

/** Options of the default cache, which needs no name: there is one in a process. */
export interface ConfigureOptions extends Omit<CacheOptions, "name"> {
  /**
   * The place where entries and invalidations are shared, instead of `backend`: `lmdb://` and a path, such as
   * `lmdb://./cache` or `lmdb:///var/cache/shop?maxEntries=100000`, or `redis://user:password@host:6379/0` and
   * `rediss://…`. Default: none, everything lives in this process.
   */
  storageUrl?: string | undefined
  /**
   * A Redis server for the invalidations, where it is not the one of `storageUrl`. Without `storageUrl`, entries stay in
   * memory and invalidations reach every node.
   */
  busUrl?: string | undefined
}

/** The one cache behind the functions of this page, and how it is set up. */
interface DefaultCache {
  /** Made when the first of the functions needs it. */
  cache: Cache | undefined
  configured: GivenOptions | undefined
  backend: Backend | undefined
  /** Counts the default caches there have been, so that functions notice that theirs has gone. */
  generation: number
}

/** One in a process: a copy of this library that a bundler made uses the cache of the others. Pure: a bundle that does not use it drops it. */
const current = /* @__PURE__ */ oncePerProcess<DefaultCache>("default cache", 1, () => ({
  cache: undefined,
  configured: undefined,
  backend: undefined,
  generation: 0,
}))

/**
 * Sets up the default cache, before anything uses it. Again with the same settings is fine; functions are the same where
 * their source text is. With other settings `redefine: "replace"` closes the cache that there is, and the next use makes another.
 *
 * @throws ConfigurationError with other settings, or when the default cache has been used already.
 * @throws InvalidOptionError
 * @example
 * configure({ ttl: "1h", memory: { maxEntries: 10_000 } })
 */
export function configure(options: ConfigureOptions = {}): void {
  checkObject(options, "configure")
  const { storageUrl, busUrl, ...rest } = options
  const { name } = rest as CacheOptions
  if (name !== undefined) {
    throw new InvalidOptionError("name", name, "the default cache has none: there is one in a process")
  }
  const hasUrl = storageUrl !== undefined || busUrl !== undefined
  if (hasUrl && rest.backend !== undefined) {
    const name = storageUrl === undefined ? "busUrl" : "storageUrl"
    throw new InvalidOptionError(name, "…", "there is a `backend` too; give one of them")
  }
  const backend = hasUrl ? backendOf(storageUrl, busUrl) : rest.backend
  const settings = settingsOf(withBackend(rest, backend))
  const place = placeCalling(configure)
  if (current.configured !== undefined) {
    const again = givenAgain(current.configured, options, settings, place)
    if (again.kind === "same") return
    if (again.kind === "differs") {
      throw new ConfigurationError(
        `The default cache is configured already, with another \`${again.option}\`. Configure it in one place, or ` +
          `\`await reset()\` first. ${REDEFINE_ADVICE}`,
      )
    }
    warnOfGuess("The default cache", again)
    // Nobody waits for it: what it fails at is told to its `onFault`.
    reset().catch(() => {})
  }
  if (current.cache !== undefined) {
    throw new ConfigurationError(
      "The default cache has been used already. Call `configure` before the first use, or `await reset()` first.",
    )
  }
  current.configured = givenOptions(options, place)
  current.backend = backend
}

/** The options of `configure`, as `createCache` takes them. */
function cacheOptions(): CacheOptions {
  const {
    storageUrl: _storageUrl,
    busUrl: _busUrl,
    ...options
  } = (current.configured?.options ?? {}) as ConfigureOptions
  return withBackend(options, current.backend)
}

function withBackend(options: CacheOptions, backend: Backend | undefined): CacheOptions {
  return backend === undefined ? options : { ...options, backend }
}

/** Closes the default cache and forgets its settings; the next use begins anew. Wrapped functions follow. */
export async function reset(): Promise<void> {
  const closing = current.cache
  current.cache = undefined
  current.configured = undefined
  current.backend = undefined
  current.generation += 1
  await closing?.close()
}

/** The default cache itself. */
export function defaultCache(): Cache {
  current.cache ??= openUnnamed(settingsOf(cacheOptions())).cache
  return current.cache
}

/** {@link Cache.cacheable} of the default cache. May be called before `configure`. */
// oxlint-disable-next-line no-unsafe-function-type -- see Cache.cacheable
export function cacheable<F extends Function>(
  loader: F,
  options?: FunctionOptions<HookParametersOf<F>, ValueOf<F>>,
): F extends AnyFunction ? Cached<F> : never
// `any`: see MethodOptions
export function cacheable<Args extends readonly unknown[] = any[], Value = any, This = any>(
  options?: MethodOptions<Args, Value, This>,
): CacheableDecorator<Args, This>
export function cacheable(first: unknown, options?: unknown): unknown {
  if (typeof first !== "function") {
    const methodOptions = methodOptionsOf(first, options)
    const { keyThis: _keyThis, ...rest } = methodOptions
    check(rest)
    const placed = withPlace(methodOptions, cacheable)
    return decoratorOf((method) => followingMethod(method, placed))
  }
  const functionOptions = (options === undefined ? {} : options) as object
  check(functionOptions)
  const loader = first as AnyFunction
  const placed = withPlace(functionOptions, cacheable)
  const bound = following((cache) => cache.cacheable(loader, placed))
  return withMethods(bound, METHODS, loader)
}

/** {@link Cache.cacheableSync} of the default cache. */
// oxlint-disable-next-line no-unsafe-function-type -- see Cache.cacheable
export function cacheableSync<F extends Function>(
  loader: F,
  options?: FunctionOptions<HookParametersOf<F>, ValueOf<F>>,
): F extends AnyFunction ? CachedSync<F> : never
export function cacheableSync(
  loader: AnyFunction,
  options: FunctionOptions<readonly unknown[], unknown> = {},
): unknown {
  check(options)
  const placed = withPlace(options, cacheableSync)
  const bound = following((cache) => cache.cacheableSync(loader, placed), false)
  return withMethods(
    bound,
    ["keyOf", "peek", "refresh", "delete", "expire", "clear", "explain", "prime", "primeMany"],
    loader,
  )
}

/** {@link Cache.cacheableMany} of the default cache. */
export function cacheableMany<Id, Value>(
  loader: ManyLoader<Id, Value>,
  options: ManyOptions<Id, Value> = {},
): CachedMany<Id, Value> {
  checkObject(options, "cacheable")
  const { maxBatch, ...rest } = options
  checkMaxBatch(maxBatch)
  check(rest)
  const placed = withPlace(options, cacheableMany)
  const bound = following((cache) => cache.cacheableMany(loader, placed))
  const names = ["one", "keyOf", "peek", "refresh", "delete", "expire", "clear", "explain", "prime", "primeMany"]
  return withMethods(bound, names, loader) as unknown as CachedMany<Id, Value>
}

/** {@link Cache.invalidate} of the default cache. */
export const invalidate: Cache["invalidate"] = (...args: unknown[]) => defaultCache().invalidate(...(args as [string]))

/** {@link Cache.expire} of the default cache. */
export const expire: Cache["expire"] = (...args: unknown[]) => defaultCache().expire(...(args as [string]))

/** {@link Cache.get} of the default cache. */
export const get: Cache["get"] = (key) => defaultCache().get(key)

/** {@link Cache.lookup} of the default cache. */
export const lookup: Cache["lookup"] = <T>(key: string, options?: LookupOptions) =>
  defaultCache().lookup<T>(key, options)

/** {@link Cache.has} of the default cache. */
export const has: Cache["has"] = (key) => defaultCache().has(key)

/** {@link Cache.getMany} of the default cache. */
export const getMany: Cache["getMany"] = (keys) => defaultCache().getMany(keys)

/** {@link Cache.getOrLoad} of the default cache. */
export const getOrLoad: Cache["getOrLoad"] = <T>(
  key: string,
  loader: (load: CurrentLoad) => T | PromiseLike<T>,
  options?: LoadOptions<T>,
) => defaultCache().getOrLoad<T>(key, loader, options)

/** {@link Cache.set} of the default cache. */
export const set: Cache["set"] = (key, value, options) => defaultCache().set(key, value, options)

/** {@link Cache.setMany} of the default cache. */
export const setMany: Cache["setMany"] = (items) => defaultCache().setMany(items)

/** {@link Cache.delete} of the default cache. */
export const del: Cache["delete"] = (...keys: unknown[]) => defaultCache().delete(...(keys as string[]))

/** {@link Cache.expireKeys} of the default cache. */
export const expireKeys: Cache["expireKeys"] = (...keys: unknown[]) => defaultCache().expireKeys(...(keys as string[]))

/** {@link Cache.clear} of the default cache. */
export const clear: Cache["clear"] = () => defaultCache().clear()

/** {@link Cache.sync} of the default cache. */
export const sync: Cache["sync"] = (token, options) => defaultCache().sync(token, options)

/** {@link Cache.transaction} of the default cache. */
export const transaction: Cache["transaction"] = (work) => defaultCache().transaction(work)

/** {@link Cache.isInTransaction} of the default cache. */
export const isInTransaction: Cache["isInTransaction"] = () => defaultCache().isInTransaction()

/** {@link Cache.collect} of the default cache. */
export const collect: Cache["collect"] = () => defaultCache().collect()

/** {@link Cache.position} of the default cache. */
export const position: Cache["position"] = () => defaultCache().position()

/** {@link Cache.scope} of the default cache. */
export const scope: Cache["scope"] = (tag) => defaultCache().scope(tag)

/** {@link Cache.explain} of the default cache. */
export const explain: Cache["explain"] = (key) => defaultCache().explain(key)

/** {@link Cache.tagVersion} of the default cache. */
export const tagVersion: Cache["tagVersion"] = (tag) => defaultCache().tagVersion(tag)

/** {@link Cache.invalidatedAt} of the default cache. */
export const invalidatedAt: Cache["invalidatedAt"] = (tag) => defaultCache().invalidatedAt(tag)

/** {@link Cache.status} of the default cache. */
export const status: Cache["status"] = () => defaultCache().status()

/** {@link Cache.stats} of the default cache. */
export const stats: Cache["stats"] = () => defaultCache().stats()

/** {@link Cache.prune} of the default cache. */
export const prune: Cache["prune"] = (age) => defaultCache().prune(age)

interface Following {
  /** Calls what was made for the default cache of the moment. */
  readonly call: AnyFunction
  readonly made: () => AnyFunction
}

/**
 * A function that follows the default cache: bound by its first call, so that `configure` may come later, and bound
 * anew after `reset`.
 */
function following(make: (cache: Cache) => AnyFunction, answersWithPromise = true): Following {
  let bound: AnyFunction | undefined
  let boundIn = -1
  const made = (): AnyFunction => {
    if (bound === undefined || boundIn !== current.generation) {
      bound = make(defaultCache())
      boundIn = current.generation
    }
    return bound
  }
  const call = function (this: unknown, argument: unknown): unknown {
    let target: AnyFunction
    try {
      target = bound !== undefined && boundIn === current.generation ? bound : made()
    } catch (error) {
      // A name that is taken, say: whatever returns a promise rejects.
      if (answersWithPromise) return Promise.reject(error)
      throw error
    }
    // a rest parameter would allocate an array for every hit
    return arguments.length === 1
      ? target.call(this, argument)
      : target.apply(this, Array.prototype.slice.call(arguments))
  }
  return { call, made }
}

/** The methods of a cached function that answers with a promise. */
const METHODS = ["keyOf", "peek", "refresh", "delete", "expire", "clear", "explain", "prime", "primeMany", "with"]

// `refresh` of a synchronous function answers with its value; it is bound by then or throws what the call would.
const PROMISING = new Set(["delete", "expire", "clear", "one", "prime", "primeMany"])

function withMethods({ call: following, made }: Following, names: readonly string[], loader: AnyFunction): AnyFunction {
  for (const name of names) {
    const call = function (this: unknown, ...args: unknown[]): unknown {
      const target = made()
      const method = (target as unknown as Record<string, AnyFunction>)[name] as AnyFunction
      return method.apply(this === following ? target : this, args)
    }
    const promising = function (this: unknown, ...args: unknown[]): Promise<unknown> {
      return attempt(() => Promise.resolve(call.apply(this, args)))
    }
    const method = PROMISING.has(name) ? promising : call
    Object.defineProperty(following, name, { value: method, enumerable: true })
  }
  return nameAs(following, loader)
}

/** A decorated method that follows the default cache, as does what `cachedMethod` makes of it. */
function followingMethod(method: AnyFunction, options: MethodOptions): AnyFunction {
  const { call, made } = following((cache) => decorated(cache, method, options))
  const onInstance = (self: unknown): AnyFunction =>
    withMethods(
      following(() => cachedMethod(self as object, made() as () => Promise<unknown>)),
      METHODS,
      method,
    )
  return offerOnInstance(call, onInstance)
}

function decorated(cache: Cache, method: AnyFunction, options: MethodOptions): AnyFunction {
  const decorate = cache.cacheable(options) as unknown as (
    target: object,
    name: string,
    descriptor: PropertyDescriptor,
  ) => PropertyDescriptor
  return decorate({}, method.name, { value: method }).value as AnyFunction
}

/** Options are wrong where they are given, not where they are first used. */
function check(options: object): void {
  normalizeFunctionBehaviour(options, settingsOf(cacheOptions()).behaviour)
}

import type { Backend } from "../ports/backend.js"
import type { Clock } from "../base/clock.js"
import type { EntryCodec } from "../ports/codec.js"
import type { Duration } from "../base/duration.js"
import type { Fault } from "../base/outbox.js"
import type { Isolation } from "../values/isolation.js"
import type { InvalidationLog } from "../ports/log.js"
import type { KEEP, Previous } from "./revalidate.js"
import type { Store } from "../ports/store.js"

/** Any function. `any` is inside a constraint only: what callers see is inferred from their loader. */
// parameters are contravariant, so no narrower constraint fits every function
export type AnyFunction = (...args: any[]) => any

/** The ageing of a result. Time is a safety net: none of these weakens an invalidation. Durations: ms, or `"1h"`, `"90s"` … */
export interface AgeOptions {
  /** The time for which a result may be served, from the end of its load. 0 or less: it is not stored. Default: without end. */
  ttl?: Duration | undefined
  /** The time for which a result may go unread. Each read starts it anew; never beyond `ttl`, and none in grace. */
  idleTtl?: Duration | undefined
  /** Shortens each ttl by a random part of it, 0 to 1, so that what was loaded together does not expire together. */
  jitter?: number | undefined
  /**
   * The time past its ttl for which a value may still be served: while it is loaded anew, or when its loader fails. Never serves
   * an invalidated value.
   */
  grace?: Duration | undefined
  /**
   * A number or string is the hard timeout. `hard` (default 60 s), from the start of the load: callers get a
   * `LoadTimeoutError` and the late result is not stored; `Infinity` for none. `soft` (default 0), from the arrival of
   * the caller: how long it waits for a load before it takes an expired value in grace.
   */
  timeout?: Duration | { soft?: Duration | undefined; hard?: Duration | undefined } | undefined
  /**
   * The part of its ttl, between 0 and 1, after which a read starts loading anew in the background. Where that fails, a read
   * after a second tries again.
   */
  earlyRefresh?: number | undefined
}

/**
 * The callers that share a load: those of this process, or those of all nodes that share its store. An object says how
 * long a `lease` lasts, which is what the death of a node that loads may cost the others (default 10 s: make it longer
 * than your loads take), and for how long a caller may `wait` for other nodes in total (default: twice the lease, so that
 * another one can take over).
 */
export type Singleflight =
  | "process"
  | "cluster"
  | { readonly scope: "cluster"; readonly lease?: Duration | undefined; readonly wait?: Duration | undefined }

/** Options that may differ per function and have a default per cache. */
export interface BehaviourOptions extends AgeOptions {
  /**
   * The form in which callers get a value. `"freeze"` (default): all get the same, with plain objects and arrays deeply
   * frozen in place, so that a mutation is an error. `"clone"`: each gets a copy. `"share"`: all get the same, as is.
   * `"strict"`: as `"freeze"`, with nothing in it that can't be frozen. A value that can't be copied as it is, or can't be
   * frozen strictly, is returned, reported and not stored; `set` rejects it.
   */
  isolation?: Isolation | undefined
  /** Whether results depend on what nested cached calls depended on. Default true. */
  inherit?: boolean | undefined
  /** `false` runs the loader without a context: no `addDeps`, no `currentLoad()`, no inheritance. Default true. */
  tracking?: boolean | undefined
  /** `"root"` runs the loader outside the async context of the caller that started it. Default `"caller"`. */
  context?: "caller" | "root" | undefined
  /**
   * `"cluster"`: of all nodes that share a store, one loads a key at a time, and the others wait for its value. Needs a
   * backend with leases, such as `redis({ url })`; a cache that shares nothing is a cluster of one. Default `"process"`.
   */
  singleflight?: Singleflight | undefined
  /**
   * The end of a load whose callers have all left, by their signals. `"wanted"` (default): its signal aborts, and nobody joins it.
   * `"always"`: one that has begun goes on, can be joined, and is stored; its signal aborts by the hard timeout and by `close()`.
   * One that waits for its turn is dropped all the same, and a load inside of a transaction aborts.
   */
  finish?: "wanted" | "always" | undefined
}

/** Where results are kept: in every tier that the cache has, or in memory alone. */
export type Tiers = "all" | "memory"

/** The conduct of reads while the process can't confirm that it is up to date. */
export type WhenUnsure = "load" | "serve" | "throw"

export interface MemoryOptions {
  /** Default 100,000. */
  maxEntries?: number | undefined
  /**
   * Bytes, as `sizeOf` tells, plus some 300 per entry. May be exceeded for a moment: evictions go in slices. Default: not
   * bounded.
   */
  maxBytes?: number | undefined
  /** Bytes of a value. Default: an estimate of its size in the heap. Only asked where `maxBytes` is set. */
  sizeOf?: ((value: unknown) => number) | undefined
}

export interface StalenessOptions {
  /** For how long this process may be without a word from a shared log before it is unsure. Default 5 s. */
  bound?: Duration | undefined
  /** The conduct of reads then: run the loader (default), serve what there is, or reject with `UnsureError`. */
  whenUnsure?: WhenUnsure | undefined
}

/**
 * The consequence of a second function of one name and version, and a second cache of one name whose options differ.
 * - `"error"`: the second throws `DuplicateNameError`, a cache `ConfigurationError`.
 * - `"replace"`: the second takes the place of the first, whose entries go and which keeps no more. For hot reload.
 * - `"share"`: for one module that is bundled or loaded more than once, as Next.js does: its copies share one table, and each
 *   runs its own loader. A copy that hot reload has loaded anew replaces its earlier self. One place in the source that defines
 *   a name twice, once per instance or request, throws as with `"error"`.
 */
export type Redefine = "error" | "replace" | "share"

export interface CacheOptions extends BehaviourOptions {
  /**
   * One cache per process: `createCache` of a name that there is already gives the same cache, if its options are the same, and
   * throws `ConfigurationError` where they differ. For modules that are loaded more than once, by hot reload or a bundler.
   * Default: each call makes a cache.
   */
  name?: string | undefined
  /**
   * The namespace in a backend, whose entries and invalidations no other prefix can reach; also names this cache in its
   * events and in `status()`. Default `""`. A log given by hand has a namespace of its own.
   */
  prefix?: string | undefined
  /**
   * The place where entries and invalidations are shared with other processes, such as `lmdb({ path })`. Memory stays in front of
   * it. Default: none, everything lives in this process.
   */
  backend?: Backend | undefined
  /** The place where entries are shared, instead of the backend's. Needs a `codec`. Its maker closes it. */
  store?: Store | undefined
  /** The form of entries as bytes, in place of the backend's; see `createCodec` in `zoocache/codec`. */
  codec?: EntryCodec | undefined
  /**
   * Makes a value that a shared tier could not bring back as it was an error of the call. Default: the caller gets its
   * value, and the fault is reported. With a `codec` alone, each value is tried: so tests in memory find what would fail.
   */
  strict?: boolean | undefined
  /** The place where invalidations are ordered. Default: in this process. A log is closed by its maker. */
  log?: InvalidationLog | undefined
  /** The memory tier; `false` stores nothing and leaves single flight. */
  memory?: MemoryOptions | false | undefined
  staleness?: StalenessOptions | undefined
  /** The time for which `invalidate` waits for a shared log before it rejects. Default 5 s. */
  ackTimeout?: Duration | undefined
  /** The number of loads that may run at the same time; the others wait in order. Nested ones don't count. Default: any number. */
  maxLoads?: number | undefined
  /** `false`: every call runs its loader, nothing is stored. Invalidations still reach a shared log. Default true. */
  enabled?: boolean | undefined
  /** The consequence of a second definition of a name. Default `"error"`. See {@link Redefine}. */
  redefine?: Redefine | undefined
  /**
   * Hears, in the caller's async context, of work that goes on after a call: refreshes, stores, loads that others may have left
   * (`finish: "always"`, a soft timeout), appends that nobody waits for. So that a serverless runtime stays alive for it. The
   * promise never rejects. A `waitUntil` that fails is a fault.
   *
   * @example
   * import { waitUntil } from "@vercel/functions"
   * const cache = createCache({ waitUntil })
   */
  waitUntil?: ((work: Promise<void>) => unknown) | undefined
  /** Hears of each fault. Its own errors are ignored. */
  onFault?: ((fault: Fault) => void) | undefined
  clock?: Clock | undefined
  /** Uniform in [0, 1). Hashes are seeded with it, too: for repeatable tests give a seeded generator, never a constant. */
  random?: (() => number) | undefined
}

/** Options of one cached function. `Args` and `Value` are inferred from the loader. */
export interface FunctionOptions<Args extends readonly unknown[], Value> extends Omit<BehaviourOptions, "ttl"> {
  /** Part of the key. Needed where a log is shared; otherwise the function's own name is used and made unique. */
  name?: string | undefined
  /** Part of the key: raise it when the shape of the result changes. */
  version?: string | number | undefined
  /** The tags that results depend on. A bad tag rejects the call. */
  deps?: readonly string[] | ((...args: Args) => readonly string[]) | undefined
  /** Dependencies that only the result shows. A hook that throws is a fault: the value is returned and not stored. */
  depsOf?: ((value: Value, ...args: Args) => readonly string[]) | undefined
  /**
   * The part of a call that distinguishes it from others. Default: all arguments. `undefined` and promises are refused;
   * `null` where there is nothing to tell apart.
   */
  key?: ((...args: Args) => unknown) | undefined
  /** See {@link AgeOptions.ttl}; a function sees the result. */
  ttl?: Duration | ((value: Value, ...args: Args) => Duration) | undefined
  /** Whether a result is stored. */
  cacheIf?: ((value: Value, ...args: Args) => boolean) | undefined
  /**
   * The time for which an error is kept and given to every caller; `false`: not at all (default). Doubles with each failure in a
   * row, up to 64 times.
   */
  cacheErrors?: Duration | false | ((error: unknown, ...args: Args) => Duration | false) | undefined
  /**
   * Looks at a value that comes from a shared store: `false` makes it a miss and a fault. A hook that throws does, too.
   */
  validate?: ((value: Value) => boolean) | undefined
  /**
   * Asks the source whether a value that has expired or was invalidated is still right: a conditional request. Called in place of
   * the loader where there is such a value; answers with `KEEP`, and then that value is stored anew, or with a new one. There
   * is none after `delete` and `clear`, nor where something that the loader inherited from other cached calls has changed or
   * expired: of that the source knows nothing. Values are kept for it until memory needs their room.
   *
   * @example
   * const getPage = cache.cacheable((url: string) => fetchPage(url), {
   *   revalidate: async ({ value }, url) => (await isUnchanged(url, value.etag)) ? KEEP : fetchPage(url),
   * })
   */
  revalidate?:
    ((previous: Previous<Value>, ...args: Args) => typeof KEEP | Value | PromiseLike<typeof KEEP | Value>) | undefined
  /** Overrides `staleness.whenUnsure` of the cache. */
  whenUnsure?: WhenUnsure | undefined
  /**
   * The place where results are kept. `"memory"`: in this process alone, though the cache shares a store; there is no lease for
   * them either. No secrecy: callers store what they made of them, see `private`. Default `"all"`.
   */
  tiers?: Tiers | undefined
  /**
   * `true`: results, and all that loads make of them, are kept in memory alone, never in a store, whatever `inherit` says.
   * A function with `tracking: false` can't see what it uses. Default false.
   */
  private?: boolean | undefined
  /** Bytes of a value; see {@link MemoryOptions.sizeOf}. */
  sizeOf?: ((value: Value) => number) | undefined
}

export type { Backend } from "./core/ports/backend.js"
export { Cache, type InvalidateOptions, type SyncOptions } from "./core/cache/cache.js"
export type { Collector } from "./core/cache/collector.js"
export { createCache } from "./core/cache/create-cache.js"
export type { LoadOptions } from "./core/cache/definition.js"
export type { Status } from "./core/cache/status.js"
export type {
  Cached,
  CachedMany,
  CachedMethods,
  CachedSync,
  CallOptions,
  HookParametersOf,
  ManyAnswer,
  ManyLoader,
  ManyOptions,
  ParametersOf,
  PromiseReturning,
  ResultOfCall,
  ValueOf,
} from "./core/cache/cached.js"
export { cachedMethod } from "./core/cache/cached-method.js"
export type { Clock, Timer } from "./core/base/clock.js"
export { addDeps, currentLoad } from "./core/loads/current-load.js"
export type { LoadSettings } from "./core/loads/load-settings.js"
export type { CurrentLoad } from "./core/loads/run.js"
export type { Fault } from "./core/base/outbox.js"
export type { PrimeOptions } from "./core/cache/prime.js"
export type { CacheableDecorator, MethodOptions } from "./core/cache/decorator.js"
export type { Duration, DurationString } from "./core/base/duration.js"
export {
  CacheClosedError,
  ConfigurationError,
  CorruptEntryError,
  DuplicateNameError,
  EntryTooLargeError,
  ForeignCacheError,
  HookError,
  InvalidKeyError,
  InvalidOptionError,
  InvalidTagError,
  InvalidTokenError,
  InvalidationNotAcknowledgedError,
  LoadCycleError,
  LoadTimeoutError,
  LogError,
  MissingNameError,
  RefreshError,
  StorageFullError,
  StorageOpenError,
  StoreError,
  SyncTimeoutError,
  UncacheableValueError,
  UnencodableValueError,
  UnsureError,
  ZooCacheError,
} from "./core/base/errors.js"
export { ArgumentsChangedError, UnawaitedCallError } from "./core/base/load-errors.js"
export type {
  CacheEvent,
  EvictEvent,
  FaultEvent,
  InvalidateEvent,
  LeaseEvent,
  LoadEvent,
  StateEvent,
} from "./core/base/events.js"
export type { Cause, Explanation } from "./core/cache/explain.js"
export type { Isolation } from "./core/values/isolation.js"
export type {
  AgeOptions,
  BehaviourOptions,
  CacheOptions,
  FunctionOptions,
  MemoryOptions,
  Redefine,
  Singleflight,
  StalenessOptions,
  Tiers,
} from "./core/options/options.js"
export { KEEP, type Previous } from "./core/options/revalidate.js"
export type { Position } from "./core/tags/position.js"
export { type DefinedTags, defineTags, type TagMaker, type TagValues } from "./core/tags/define-tags.js"
export type { Stats } from "./core/cache/stats.js"
export type { StoreStats } from "./core/ports/store.js"
export type { Counters } from "./core/entries/counters.js"
export { type TagValue, tag } from "./core/tags/tag.js"
export type { TransactionHandle } from "./core/writes/transaction.js"
export type { Token, Version } from "./core/tags/version.js"
export type { LookedUp, LookupOptions } from "./core/cache/lookup.js"
export type { SetOptions } from "./core/writes/prepare.js"
export {
  type ConfigureOptions,
  cacheable,
  cacheableMany,
  cacheableSync,
  clear,
  collect,
  configure,
  defaultCache,
  del,
  expire,
  expireKeys,
  explain,
  get,
  getMany,
  getOrLoad,
  has,
  invalidate,
  invalidatedAt,
  isInTransaction,
  lookup,
  position,
  prune,
  reset,
  scope,
  set,
  setMany,
  stats,
  status,
  sync,
  tagVersion,
  transaction,
} from "./default-cache.js"

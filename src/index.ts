export type { Backend, BackendContext, OpenBackend } from "./core/backend.js"
export {
  Cache,
  type Collector,
  createCache,
  type InvalidateOptions,
  type LoadOptions,
  type Status,
  type SyncOptions,
} from "./core/cache.js"
export type {
  Cached,
  CachedMethods,
  CallOptions,
  ParametersOf,
  PromiseReturning,
  ValueOf,
} from "./core/cached-function.js"
export type { CachedMany, ManyLoader, ManyOptions } from "./core/cached-many.js"
export type { CachedSync } from "./core/cached-sync.js"
export type { Clock, Timer } from "./core/clock.js"
export type { EntryCodec, EntryHeader, HeaderChange } from "./core/codec.js"
export { addDeps, type CurrentLoad, currentLoad } from "./core/current-load.js"
export type { CacheableDecorator, MethodOptions } from "./core/decorator.js"
export type { Duration, DurationString } from "./core/duration.js"
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
} from "./core/errors.js"
export type {
  CacheEvent,
  EvictEvent,
  FaultEvent,
  InvalidateEvent,
  LeaseEvent,
  LoadEvent,
  StateEvent,
} from "./core/events.js"
export type { Cause, Explanation } from "./core/explain.js"
export { InProcessLog, type InProcessLogOptions } from "./core/in-process-log.js"
export type { Isolation } from "./core/isolation.js"
export type { Lease, LeaseAnswer, LeaseEnd, Leases } from "./core/leases.js"
export type {
  AppendReply,
  ChangeKind,
  InvalidationLog,
  LocalLog,
  LogChange,
  LoggedChange,
  LogNews,
  LogPosition,
  PullReply,
  RemoteLog,
} from "./core/log.js"
export type {
  AgeOptions,
  BehaviourOptions,
  CacheOptions,
  Fault,
  FunctionOptions,
  MemoryOptions,
  Singleflight,
  StalenessOptions,
} from "./core/options.js"
export type { Position } from "./core/position.js"
export type { Stats } from "./core/stats.js"
export type { Amendment, Rank, Store, StoreStats } from "./core/store.js"
export type { Counters } from "./core/table.js"
export { type TagValue, tag } from "./core/tag.js"
export type { TransactionHandle } from "./core/transaction.js"
export type { Epoch, Token, Version } from "./core/version.js"
export type { SetOptions } from "./core/writer.js"
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
  explain,
  get,
  getMany,
  getOrLoad,
  has,
  invalidate,
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

/** The contracts of a log, a store, a codec and leases, for authors of backends; docs/architecture.md says how to add one. */
import { enableSharing } from "../shared.js"

// A cache that is made of it shares a log, a store or a codec.
enableSharing()

export type { Backend, BackendContext, OpenBackend } from "../core/ports/backend.js"
export type { EntryCodec, EntryHeader, HeaderChange } from "../core/ports/codec.js"
export type { Lease, LeaseAnswer, LeaseEnd, Leases } from "../core/ports/leases.js"
export type {
  AppendReply,
  ChangeKind,
  InvalidationLog,
  LocalLog,
  LogChange,
  LogEnd,
  LoggedChange,
  LogNews,
  LogPosition,
  PullReply,
  RemoteLog,
} from "../core/ports/log.js"
export type { Amendment, LocalStore, Rank, RemoteStore, Store, StoreStats } from "../core/ports/store.js"
export { InProcessLog, type InProcessLogOptions } from "../core/log/in-process-log.js"
export type { Clock, Timer } from "../core/base/clock.js"
export type { Epoch, Version } from "../core/tags/version.js"

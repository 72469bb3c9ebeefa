import { enableSharing } from "../shared.js"

// What is made of it shares a log, a store or a codec.
enableSharing()

export { FaultyLog, type FaultyLogOptions, type Fate, type HeldOperation, type LogOperation } from "./faulty-log.js"
export { FaultyStore, type HeldStoreOperation, type StoreFate, type StoreOperation } from "./faulty-store.js"
export { checkInvariants } from "./invariants.js"
export { LeaseBoard, type LeaseBoardOptions } from "./lease-board.js"
export { leaseConformance, type LeaseConformanceOptions, type LeasesUnderTest } from "./lease-conformance.js"
export { logConformance, type LogConformanceOptions, type LogUnderTest } from "./log-conformance.js"
export { ManualClock, settled } from "./manual-clock.js"
export { MemoryStore, type MemoryStoreOptions } from "./memory-store.js"
export { assertInvalidates, assertKeeps, type InvalidationRecord, recordInvalidations } from "./record-invalidations.js"
export { RemoteMemoryStore, type RemoteMemoryStoreOptions } from "./remote-memory-store.js"
export { storeConformance, type StoreConformanceOptions, type StoreUnderTest } from "./store-conformance.js"
export {
  valueConformance,
  type ValueCacheOptions,
  type ValueConformanceOptions,
  type ValuesUnderTest,
} from "./value-conformance.js"

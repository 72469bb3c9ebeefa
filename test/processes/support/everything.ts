export * from "zoocache/backend"
/** The library with its backends as one module, for programs that decide when it is loaded. */
export * from "../../../src/index.js"
export { keyvStore } from "../../../src/keyv/index.js"
export { lmdb } from "../../../src/lmdb/index.js"
export { redis } from "../../../src/redis/index.js"
export { ManualClock } from "../../../src/testing/index.js"

export { lmdb } from "./backend.js"
export type { LmdbOptions } from "./options.js"

export type { Backend } from "../core/ports/backend.js"
export { lmdb } from "./backend.js"
export type { LmdbOptions } from "./options.js"

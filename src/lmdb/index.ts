import { registerBackend } from "../core/ports/backend-urls.js"
import { enableSharing } from "../shared.js"
import { lmdbOfUrl } from "./url.js"

enableSharing()
// As it is imported, so that `configure({ storageUrl })` finds it in a bundle, where nothing can be loaded by its name.
registerBackend(["lmdb"], lmdbOfUrl)

export type { Backend } from "../core/ports/backend.js"
export { lmdb } from "./backend.js"
export type { LmdbOptions } from "./options.js"

import { registerBackend } from "../core/ports/backend-urls.js"
import { enableSharing } from "../shared.js"
import { redisOfUrls } from "./url.js"

enableSharing()
// As it is imported, so that `configure({ storageUrl })` finds it in a bundle, where nothing can be loaded by its name.
registerBackend(["redis", "rediss"], redisOfUrls)

export type { Backend } from "../core/ports/backend.js"
export { redis } from "./backend.js"
export type { RedisNode, RedisOptions } from "./options.js"
export type { RedisArgument, RedisClient, RedisSubscriber } from "./client.js"

export type { Backend } from "../core/ports/backend.js"
export { redis } from "./backend.js"
export type { RedisNode, RedisOptions } from "./options.js"
export type { RedisArgument, RedisClient, RedisSubscriber } from "./client.js"

/** One type contract: what Redis brings back is what memory would have given. */
import { afterAll, beforeAll, test } from "vitest"
import { createCache } from "zoocache"
import { redis } from "zoocache/redis"
import { valueConformance } from "zoocache/testing"
import { patientCache, patientRedis } from "../support/patience.js"
import { RedisServer } from "./support/server.js"

let server: RedisServer
let prefixes = 0
beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server[Symbol.asyncDispose]())

valueConformance({
  test: (name, body) => test(name, body),
  make: async (options) => {
    const backend = redis({ ...patientRedis, url: server.url })
    const prefix = `values ${(prefixes += 1)}`
    const cache = createCache({ ...patientCache, ...options, backend, prefix })
    const reader = createCache({ ...patientCache, ...options, backend, prefix, memory: false })
    await Promise.all([cache.ready(), reader.ready()])
    return { cache, reader, cleanUp: () => {} }
  },
})

import { createCache } from "zoocache"
import { redis } from "zoocache/redis"
import { checkShared, run } from "./checks.mjs"

run(async () => {
  await checkShared(() => createCache({ backend: redis({ url: process.env.REDIS_URL }), prefix: process.env.PREFIX }))
})

import { createCache } from "zoocache"
import { redis } from "zoocache/redis"
import { checkShared, run } from "./checks.mjs"

export async function main() {
  await checkShared(() => createCache({ backend: redis({ url: process.env.REDIS_URL }), prefix: process.env.PREFIX }))
}

if (process.env.PORT === undefined) run(main)

import { configure, defaultCache, reset } from "zoocache"
import { check, run } from "./checks.mjs"

run(async () => {
  configure({ storageUrl: process.env.REDIS_URL, prefix: process.env.PREFIX })
  await check(defaultCache())
  await reset()
})

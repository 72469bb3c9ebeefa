import { configure } from "zoocache"
import { run } from "./checks.mjs"

run(async () => {
  configure({ storageUrl: process.env.REDIS_URL })
})

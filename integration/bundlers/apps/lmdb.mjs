import { createCache } from "zoocache"
import { lmdb } from "zoocache/lmdb"
import { checkShared, run } from "./checks.mjs"

run(async () => {
  await checkShared(() => createCache({ backend: lmdb({ path: process.env.LMDB_PATH }), prefix: process.env.PREFIX }))
})

import { createCache } from "zoocache"
import { lmdb } from "zoocache/lmdb"
import { checkShared, run } from "./checks.mjs"

export async function main() {
  await checkShared(() => createCache({ backend: lmdb({ path: process.env.LMDB_PATH }), prefix: process.env.PREFIX }))
}

if (process.env.PORT === undefined) run(main)

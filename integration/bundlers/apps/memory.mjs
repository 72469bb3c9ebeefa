import { cacheable, createCache, invalidate, reset, ZooCacheError } from "zoocache"
import { check, run } from "./checks.mjs"

export async function main() {
  const cache = createCache({ ttl: "1h" })
  await check(cache)
  await cache.close()
  const getOne = cacheable(async () => ({}), { deps: ["one"] })
  const first = await getOne()
  if ((await getOne()) !== first) throw new Error("it was loaded twice")
  await invalidate("one")
  if ((await getOne()) === first) throw new Error("the old value was served")
  await invalidate("not a tag").then(
    () => {
      throw new Error("a tag with spaces was taken")
    },
    (error) => {
      if (!(error instanceof ZooCacheError) || error.name !== "InvalidTagError") throw error
    },
  )
  await reset()
}

if (process.env.PORT === undefined) run(main)

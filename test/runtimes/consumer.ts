// A user's file. scripts/test-runtimes.ts compiles it as CommonJS and as ESM, with several kinds of module resolution, and
// runs what comes out.
import { addDeps, cacheable, createCache, InvalidTagError, invalidate, reset, tag, ZooCacheError } from "zoocache"
import { ManualClock } from "zoocache/testing"

interface User {
  readonly id: number
  readonly name: string
}

async function main(): Promise<void> {
  const cache = createCache({ ttl: "1h" })
  let loads = 0
  const getUser = cache.cacheable(
    async (id: number): Promise<User> => {
      addDeps(tag`org:${1}`)
      loads++
      return { id, name: `user ${id}` }
    },
    { name: "getUser", deps: (id) => [`user:${id}`] },
  )

  const user: User = await getUser(42)
  await getUser(42)
  const afterHit: number = loads
  await cache.invalidate("user:42")
  await getUser(42)
  assert(user.name === "user 42", "the value is the loader's")
  assert(afterHit === 1, "a hit loads nothing")
  assert(loads === 2, "an invalidation makes it load again")
  // @ts-expect-error: the types come from the loader
  cache.cacheable((id: number) => id, { name: "wrong", deps: (id: string) => [id] })

  const error: unknown = await cache.invalidate("user 42").catch((reason: unknown) => reason)
  assert(error instanceof InvalidTagError && error instanceof ZooCacheError, "errors keep their classes")
  const code: string = error.code
  assert(code.startsWith("ERR_ZOOCACHE_"), "errors have a code")

  const double = cacheable(async (n: number) => n * 2, { name: "double", deps: ["numbers"] })
  const four: number = await double(2)
  await invalidate("numbers")
  assert(four === 4, "the default cache works")
  assert(typeof ManualClock === "function", "zoocache/testing is there")

  await reset()
  await cache.close()
  console.log("consumer: ok")
}

function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message)
}

void main()

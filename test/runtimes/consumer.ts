// A user's file. scripts/test-runtimes.ts compiles it as CommonJS and as ESM, with several kinds of module resolution, and
// runs what comes out.
import {
  addDeps,
  cacheable,
  createCache,
  InvalidOptionError,
  InvalidTagError,
  invalidate,
  reset,
  tag,
  ZooCacheError,
} from "zoocache"
import { InProcessLog, type InvalidationLog } from "zoocache/backend"
import { ManualClock } from "zoocache/testing"

interface User {
  readonly id: number
  readonly name: string
}

interface Query<T> {
  limit(): Query<T>
  then<R>(give: (value: T) => R): PromiseLike<R>
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

  // oxlint-disable-next-line unicorn/no-thenable -- that is what a query is
  const find = (id: number): Query<User> => ({ limit: () => find(id), then: (give) => getUser(id).then(give) })
  const findUser = cache.cacheable(find, { name: "findUser", ttl: undefined })
  const found: Promise<User> = findUser(1)
  assert((await found).id === 1, "a query is awaited")
  function load(id: number): Promise<number>
  function load(slug: string): Promise<string>
  async function load(given: number | string): Promise<number | string> {
    return given
  }
  const loaded = cache.cacheable(load, { name: "load" })
  const one: number | undefined = (await loaded(1), loaded.peek(1))
  const a: string = await loaded.refresh("a")
  assert(one === 1 && a === "a" && loaded.keyOf(1) !== loaded.keyOf("a"), "each overload is one of each method")
  // @ts-expect-error: what would be refused does not compile
  const refused = (): unknown => cache.cacheable(load, { name: "refused", ttl: "1e3ms" })
  assert(isRefused(refused), "and is refused")
  const token: string | undefined = await cache.invalidate(["users"], { wait: undefined })
  await cache.sync(token, { timeout: undefined })

  const error: unknown = await cache.invalidate("user 42").catch((reason: unknown) => reason)
  assert(error instanceof InvalidTagError && error instanceof ZooCacheError, "errors keep their classes")
  const code: string = error.code
  assert(code.startsWith("ERR_ZOOCACHE_"), "errors have a code")

  const double = cacheable(async (n: number) => n * 2, { name: "double", deps: ["numbers"] })
  const four: number = await double(2)
  await invalidate("numbers")
  assert(four === 4, "the default cache works")

  const clock = new ManualClock()
  const log: InvalidationLog = new InProcessLog({ clock, nonce: "consumer", maxTags: 100 })
  const left = createCache({ clock, log })
  const right = createCache({ clock, log })
  const getOne = right.cacheable(async () => ++loads, { name: "getOne", deps: ["one"] })
  const before: number = await getOne()
  await left.invalidate("one")
  assert((await getOne()) > before, "zoocache/backend has the log that two caches share, zoocache/testing a clock")
  await Promise.all([left.close(), right.close()])

  await reset()
  await cache.close()
  console.log("consumer: ok")
}

function isRefused(call: () => unknown): boolean {
  try {
    call()
    return false
  } catch (error) {
    return error instanceof InvalidOptionError
  }
}

function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message)
}

void main()

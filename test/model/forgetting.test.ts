import { expect, test } from "vitest"
import { addDeps, createCache } from "zoocache"
import { checkInvariants, settled } from "zoocache/testing"

// More than is remembered, even for the sake of a load that never ends.
const TOO_MANY = 120_000

test("a load that is older than what had to be forgotten is not kept, and goes to nobody who came later", async () => {
  const cache = createCache({ timeout: Number.POSITIVE_INFINITY })
  const gates: (() => void)[] = []
  let loads = 0
  const load = cache.cacheable(async () => {
    const mine = (loads += 1)
    await new Promise<void>((resolve) => gates.push(resolve))
    addDeps("tag:0")
    return mine
  })
  const early = load()
  for (let index = 0; index < TOO_MANY; index += 1) void cache.invalidate(`tag:${index}`)
  expect(cache.stats().tags, "it had to forget").toBeLessThan(TOO_MANY)
  const late = load()
  gates[0]?.()
  expect(await early).toBe(1)
  await settled()
  gates[1]?.()
  expect(await late, "nobody knows any more whether tag:0 was invalidated").toBe(2)
  await settled()
  expect(load.peek()).toBe(2)
  checkInvariants(cache)
  await cache.close()
})

test("what a running load may still need is remembered", async () => {
  const cache = createCache()
  let open = () => {}
  const load = cache.cacheable(async () => {
    await new Promise<void>((resolve) => (open = resolve))
    addDeps("tag:0")
    return "value"
  })
  const untouched = cache.cacheable(async () => {
    await new Promise<void>((resolve) => setTimeout(resolve, 1))
    addDeps("other")
    return "value"
  })
  const running = load()
  const other = untouched()
  for (let index = 0; index < 30_000; index += 1) void cache.invalidate(`tag:${index}`)
  cache.prune()
  open()
  await Promise.all([running, other])
  expect(load.peek(), "it was invalidated meanwhile").toBeUndefined()
  expect(untouched.peek(), "it was not, and that can still be told").toBe("value")
  checkInvariants(cache)
  await cache.close()
})

test("a position from before something was forgotten stores nothing that depends on anything", async () => {
  const cache = createCache()
  const position = cache.position()
  await cache.invalidate("tag")
  cache.prune()
  await cache.set("key", "old", { deps: ["tag"], asOf: position })
  expect(await cache.get("key")).toBeUndefined()
  await cache.set("key", "new", { deps: ["tag"], asOf: cache.position() })
  expect(await cache.get("key")).toBe("new")
  checkInvariants(cache)
  await cache.close()
})

test("pruning and evicting bring nothing back", async () => {
  const cache = createCache({ memory: { maxEntries: 1 } })
  let version = 1
  const load = cache.cacheable(async (_id: number) => version, { deps: (id) => [`org:row:${id}`] })
  await load(1)
  version = 2
  await cache.invalidate("org")
  cache.prune()
  await load(2)
  await load(2)
  cache.prune()
  expect(await load(1)).toBe(2)
  expect(cache.prune().tags).toBe(0)
  checkInvariants(cache)
  await cache.close()
})

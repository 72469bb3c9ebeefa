/** Keyv's own tests on the store, with Keyv 5, for which the suite is, and with Keyv 6. */
import assert from "node:assert/strict"
import { afterEach, beforeEach, describe, it, test } from "node:test"
import keyvTestSuite from "@keyv/test-suite"
import { Cacheable } from "cacheable"
import { createCache as createCacheManager } from "cache-manager"
import { expect } from "expect"
import { Keyv as Keyv5, type KeyvStoreAdapter } from "keyv"
import { Keyv as Keyv6 } from "keyv6"
import { createCache, tag } from "zoocache"
import { keyvStore } from "zoocache/keyv"

type Suite = typeof keyvTestSuite

/** What the suite calls of its runner, by the runner of Node.js. */
const runnerFor = (version: number): Parameters<Suite>[0] => {
  const runner = {
    beforeEach,
    afterEach,
    it: (name: string, run: (context: { expect: typeof expect }) => unknown) => {
      // The suite is that of Keyv 5; Keyv 6 answers for each key.
      if (version === 6 && name === ".deleteMany([keys]) with nonexistent keys resolves to false") return
      it(name, async () => void (await run({ expect })))
    },
  }
  return runner as unknown as Parameters<Suite>[0]
}

for (const [version, Keyv] of [
  [5, Keyv5],
  [6, Keyv6 as unknown as typeof Keyv5],
] as const) {
  describe(`keyv ${version}: its own suite`, () => {
    const cache = createCache()
    keyvTestSuite(runnerFor(version), Keyv, () => keyvStore(cache))
  })

  test(`keyv ${version}: tags reach the entries, namespaces stay apart, and an expiry is an expiry`, async () => {
    const cache = createCache()
    const keyOf = (key: string): string => (version === 5 ? key.replace(/^users:/, "") : key)
    const users = new Keyv({
      store: keyvStore(cache, { deps: (key) => [tag`user:${keyOf(key)}`] }),
      namespace: "users",
    })
    const others = new Keyv({ store: keyvStore(cache), namespace: "others" })
    await users.set("1", { name: "Ada" }, 3_600_000)
    await users.set("2", { name: "Grace" })
    await others.set("1", "other")
    assert.deepEqual(await users.get(["1", "2"]), [{ name: "Ada" }, { name: "Grace" }])
    await cache.invalidate("user:1")
    assert.deepEqual(await users.get(["1", "2", "3"]), [undefined, { name: "Grace" }, undefined])
    await users.set("1", { name: "Countess" })
    await cache.invalidate("keyv:users")
    assert.equal(await users.has("1"), false)
    await users.set("1", "again")
    await users.clear()
    assert.equal(await users.get("1"), undefined)
    assert.equal(await others.get("1"), "other")
    // A name that looks as if it had the namespace in front of it is another one.
    const own = new Keyv({ store: keyvStore(cache), namespace: "n" })
    await own.set("a", "a")
    if (version === 6) assert.equal(await own.get("n:a"), undefined)
  })
}

test("keyv: the store has the type of one", () => {
  const store: KeyvStoreAdapter = keyvStore(createCache())
  assert.equal(typeof store.get, "function")
})

test("keyv: cacheable and cache-manager over the store, and tags reach what they keep", async () => {
  const cache = createCache()
  const storeOf = (namespace: string) =>
    new Keyv5({ store: keyvStore(cache, { deps: [`rows:${namespace}`] }), namespace })
  const cacheable = new Cacheable({ primary: storeOf("cacheable") })
  const manager = createCacheManager({ stores: [storeOf("manager")] })
  let loads = 0
  const load = async (): Promise<number> => ++loads
  assert.deepEqual([await cacheable.getOrSet("k", load), await cacheable.getOrSet("k", load)], [1, 1])
  assert.deepEqual([await manager.wrap("k", load), await manager.wrap("k", load)], [2, 2])
  await cache.invalidate("rows:cacheable")
  assert.deepEqual([await cacheable.getOrSet("k", load), await manager.wrap("k", load)], [3, 2])
  await cache.invalidate("rows")
  assert.deepEqual([await cacheable.getOrSet("k", load), await manager.wrap("k", load)], [4, 5])
})

/** What each page shows, before and after: the same answers, and which of them are stale where something changes. */
import assert from "node:assert/strict"
import { after, test } from "node:test"
import { BentoCache, bentostore } from "bentocache"
import { memoryDriver } from "bentocache/drivers/memory"
import { createCache } from "zoocache"
import * as bentocacheOurs from "../pages/bentocache/ours.js"
import * as bentocacheTheirs from "../pages/bentocache/theirs.js"
import { db as bentocacheDatabase, type User } from "../pages/bentocache/database.js"
import * as cacheManagerOurs from "../pages/cache-manager/ours.js"
import * as cacheManagerTheirs from "../pages/cache-manager/theirs.js"
import { db as cacheManagerDatabase } from "../pages/cache-manager/database.js"
import * as keyvAdapter from "../pages/keyv/adapter.js"
import * as keyvOurs from "../pages/keyv/ours.js"
import * as keyvTheirs from "../pages/keyv/theirs.js"
import * as cacheableTheirs from "../pages/keyv/theirs-cacheable.js"
import { db as keyvDatabase } from "../pages/keyv/database.js"
import * as lruOurs from "../pages/lru-cache/ours.js"
import * as lruTheirs from "../pages/lru-cache/theirs.js"
import { db as lruDatabase } from "../pages/lru-cache/database.js"
import { nextMillisecond } from "./next-millisecond.js"

interface Users {
  readonly getUser: (id: string) => Promise<User | undefined>
  readonly getTeam: (org: string) => Promise<readonly (User | undefined)[] | undefined>
  readonly rename: (id: string, name: string) => Promise<void>
  readonly close: () => Promise<unknown>
}

interface Case {
  readonly name: string
  readonly users: Users
  readonly db: Pick<typeof bentocacheDatabase, "hold" | "queries" | "reset">
  /** What is served after a load that overlapped the change, and in a result that was made of the old row. */
  readonly afterOverlap: "Ada" | "Countess"
  readonly inTeam: "Ada" | "Countess"
}

const [stale, fresh] = ["Ada", "Countess"] as const
const cases: Case[] = [
  { name: "bentocache", users: bentocacheTheirs, db: bentocacheDatabase, afterOverlap: stale, inTeam: stale },
  { name: "after bentocache", users: bentocacheOurs, db: bentocacheDatabase, afterOverlap: fresh, inTeam: fresh },
  { name: "cache-manager", users: cacheManagerTheirs, db: cacheManagerDatabase, afterOverlap: stale, inTeam: stale },
  {
    name: "after cache-manager",
    users: cacheManagerOurs,
    db: cacheManagerDatabase,
    afterOverlap: fresh,
    inTeam: fresh,
  },
  { name: "Keyv", users: keyvTheirs, db: keyvDatabase, afterOverlap: stale, inTeam: stale },
  { name: "cacheable", users: cacheableTheirs, db: keyvDatabase, afterOverlap: stale, inTeam: stale },
  { name: "Keyv over a cache", users: keyvAdapter, db: keyvDatabase, afterOverlap: fresh, inTeam: fresh },
  { name: "after Keyv and cacheable", users: keyvOurs, db: keyvDatabase, afterOverlap: fresh, inTeam: fresh },
  // A fetch is aborted by the deletion, so nothing of it is kept.
  { name: "lru-cache", users: lruTheirs, db: lruDatabase, afterOverlap: fresh, inTeam: stale },
  { name: "after lru-cache", users: lruOurs, db: lruDatabase, afterOverlap: fresh, inTeam: fresh },
]

after(() => Promise.all(cases.map(({ users }) => users.close())))

for (const { name, users, db, afterOverlap, inTeam } of cases) {
  test(name, async (t) => {
    const rename = async (id: string, to: string): Promise<void> => {
      await nextMillisecond()
      await users.rename(id, to)
      await nextMillisecond()
    }
    const nameOf = async (id: string): Promise<string | undefined> => (await users.getUser(id))?.name
    db.reset()

    await t.test("answers from the cache until the row is changed", async () => {
      assert.deepEqual([await nameOf("2"), await nameOf("2"), await nameOf("3")], ["Grace", "Grace", "Linus"])
      assert.deepEqual(db.queries, ["user 2", "user 3"])
      await rename("2", "Admiral")
      assert.equal(await nameOf("2"), "Admiral")
    })

    await t.test(`serves ${afterOverlap} after a load that overlapped the change to Countess`, async () => {
      const held = db.hold("user 1")
      const early = nameOf("1").catch((error: unknown) => error)
      await held.reached
      await rename("1", fresh)
      held.release()
      await early
      assert.equal(await nameOf("1"), afterOverlap)
      assert.equal(await nameOf("1"), afterOverlap)
    })

    await t.test(`has ${inTeam} in a team that was made of the row before`, async () => {
      await rename("1", stale)
      const members = async (): Promise<(string | undefined)[] | undefined> =>
        (await users.getTeam("navy"))?.map((member) => member?.name)
      assert.deepEqual(await members(), [stale, "Admiral"])
      await rename("1", fresh)
      assert.equal(await nameOf("1"), fresh)
      assert.deepEqual(await members(), [inTeam, "Admiral"])
    })
  })
}

test("bentocache: with grace, what was deleted by its tag is served once more; here it is not", async () => {
  let row = "old"
  const bento = new BentoCache({ default: "m", stores: { m: bentostore().useL1Layer(memoryDriver({})) } })
  const cache = createCache()
  const theirs = () => bento.getOrSet({ key: "k", ttl: "10m", grace: "1h", tags: ["t"], factory: () => row })
  const ours = () => cache.getOrLoad("k", () => row, { ttl: "10m", grace: "1h", deps: ["t"] })
  assert.deepEqual([await theirs(), await ours()], ["old", "old"])
  row = "new"
  await nextMillisecond()
  await Promise.all([bento.deleteByTag({ tags: ["t"] }), cache.invalidate("t")])
  assert.deepEqual([await theirs(), await ours()], ["old", "new"])
  await bento.disconnectAll()
})

test("fifty callers of one missing key: fifty loads with Keyv, one with a cached function", async () => {
  for (const [users, loads] of [
    [keyvTheirs, 50],
    [keyvAdapter, 50],
    [keyvOurs, 1],
  ] as const) {
    keyvDatabase.reset()
    await users.rename("3", "Linus")
    await Promise.all(Array.from({ length: 50 }, () => users.getUser("3")))
    assert.equal(keyvDatabase.queries.length, loads)
  }
})

test("lru-cache: whoever waits for a fetch that `delete` overlaps gets no row; here they get theirs", async () => {
  for (const [users, expected] of [
    [lruTheirs, undefined],
    [lruOurs, "Linus"],
  ] as const) {
    lruDatabase.reset()
    await users.rename("3", "Linus")
    const held = lruDatabase.hold("user 3")
    const early = users.getUser("3").then(
      (user) => user?.name,
      () => undefined,
    )
    await held.reached
    await users.rename("3", "Torvalds")
    held.release()
    assert.equal(await early, expected)
  }
})

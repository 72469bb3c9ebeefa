/** What each page on a database shows: transactions, rollbacks, readers in between, and a pool of one connection. */
import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import * as drizzle from "../pages/drizzle/users.js"
import * as knex from "../pages/knex/users.js"
import * as kysely from "../pages/kysely/users.js"
import * as mikroOrm from "../pages/mikro-orm/users.js"
import * as prisma from "../pages/prisma/users.js"
import * as sequelize from "../pages/sequelize/users.js"
import * as typeorm from "../pages/typeorm/users.js"
import { type Postgres, startPostgres } from "./postgres.js"

let postgres: Postgres
before(async () => {
  postgres = await startPostgres()
})
after(() => postgres.stop())

type Users = Awaited<ReturnType<typeof kysely.openUsers>>
type Open = (
  url: string,
  connections?: number,
) =>
  (Pick<Users, "cache" | "close" | "rename"> & GetUser) | Promise<Pick<Users, "cache" | "close" | "rename"> & GetUser>

interface GetUser {
  readonly getUser: ((id: number) => Promise<{ readonly name: string } | undefined>) & {
    with(options: { signal: AbortSignal }): (id: number) => Promise<{ readonly name: string } | undefined>
  }
}

const pages: Record<string, Open> = {
  kysely: kysely.openUsers,
  drizzle: drizzle.openUsers,
  knex: knex.openUsers,
  typeorm: typeorm.openUsers,
  sequelize: sequelize.openUsers,
  "mikro-orm": mikroOrm.openUsers,
  prisma: prisma.openUsers,
}

for (const [page, open] of Object.entries(pages)) {
  test(page, async (t) => {
    const users = await open(postgres.url)
    t.after(() => users.close())
    const { cache, getUser, rename } = users
    const loads = (): number => cache.stats().loads

    await t.test("is read from the cache until the transaction has committed", async () => {
      await postgres.reset()
      assert.equal((await getUser(1))?.name, "Ada")
      assert.equal((await getUser(1))?.name, "Ada")
      assert.equal(loads(), 1)
      await rename(1, "Countess", (row) => assert.equal(row?.name, "Countess"))
      assert.equal((await getUser(1))?.name, "Countess")
      assert.equal(await getUser(9), undefined)
    })

    await t.test("keeps what it has when the transaction is rolled back", async () => {
      await postgres.reset()
      await cache.clear()
      await getUser(1)
      const before = loads()
      const refused = rename(1, "Nobody", () => Promise.reject(new Error("refused")))
      await assert.rejects(refused, /refused/)
      assert.equal((await getUser(1))?.name, "Ada")
      assert.equal(loads(), before)
    })

    await t.test("serves a reader in between the old row, and nobody after the commit", async () => {
      await postgres.reset()
      await cache.clear()
      let read = (): void => undefined
      const wasRead = new Promise<void>((resolve) => (read = resolve))
      let written = (): void => undefined
      const isWritten = new Promise<void>((resolve) => (written = resolve))
      const renamed = rename(1, "Countess", () => {
        written()
        return wasRead
      })
      await isWritten
      assert.equal((await getUser(1))?.name, "Ada")
      read()
      await renamed
      assert.equal((await getUser(1))?.name, "Countess")
    })

    await t.test(
      "reads with another connection when a cached call is made inside, and keeps nothing of it",
      async () => {
        await postgres.reset()
        await cache.clear()
        await rename(1, "Countess", async (row) => {
          assert.equal(row?.name, "Countess")
          assert.equal((await getUser(1))?.name, "Ada")
        })
        assert.equal((await getUser(1))?.name, "Countess")
      },
    )

    await t.test("waits for itself with a pool of one, where the transaction's own connection answers", async () => {
      await postgres.reset()
      const single = await open(postgres.url, 1)
      try {
        await single.rename(1, "Countess", async (row) => {
          assert.equal(row?.name, "Countess")
          const leaving = new AbortController()
          let isAnswered = false
          const waiting = single.getUser
            .with({ signal: leaving.signal })(2)
            .then(() => (isAnswered = true))
          // Another pool answers a hundred times meanwhile.
          for (let query = 0; query < 100; query++) {
            await cache.clear()
            await getUser(2)
          }
          assert.equal(isAnswered, false)
          leaving.abort()
          await assert.rejects(waiting)
        })
        assert.equal((await single.getUser(1))?.name, "Countess")
      } finally {
        await single.close()
      }
    })
  })
}

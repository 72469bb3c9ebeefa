import "reflect-metadata"
import assert from "node:assert/strict"
import { type TestContext, test } from "node:test"
import { NestFactory } from "@nestjs/core"
import { CacheClosedError } from "zoocache"
import type { Cache } from "zoocache"
import { db } from "../pages/cache-manager/database.js"
import { AppModule as Ours, CACHE } from "../pages/cache-manager/ours-nest.js"
import { AppModule as Theirs } from "../pages/cache-manager/theirs-nest.js"

async function start(t: TestContext, module: new (...args: never[]) => unknown) {
  db.reset()
  const app = await NestFactory.create(module, { logger: ["error"] })
  t.after(() => app.close())
  await app.listen(0, "127.0.0.1")
  const url = await app.getUrl()
  const nameOf = async (user: string): Promise<string> =>
    ((await (await fetch(`${url}/me`, { headers: { "x-user": user } })).json()) as { name: string }).name
  return { app, nameOf }
}

test("nest: the interceptor keeps one answer for an address, whoever asked", async (t) => {
  const { nameOf } = await start(t, Theirs)
  assert.deepEqual([await nameOf("1"), await nameOf("2")], ["Ada", "Ada"])
  assert.deepEqual(db.queries, ["user 1"])
})

test("nest: a cached function keeps one for each user, until the row is changed", async (t) => {
  const { app, nameOf } = await start(t, Ours)
  assert.deepEqual([await nameOf("1"), await nameOf("2"), await nameOf("1")], ["Ada", "Grace", "Ada"])
  assert.deepEqual(db.queries, ["user 1", "user 2"])
  const cache = app.get<Cache>(CACHE)
  await db.rename("1", "Countess")
  await cache.invalidate("user:1")
  assert.equal(await nameOf("1"), "Countess")
  await app.close()
  await assert.rejects(cache.invalidate("user:1"), CacheClosedError)
})

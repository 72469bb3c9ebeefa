import assert from "node:assert/strict"
import { test } from "node:test"
import { CacheClosedError } from "zoocache"
import { buildApp } from "../pages/fastify/app.js"
import { db } from "../pages/fastify/database.js"

test("fastify: answers from the cache until the row is changed, and closes the cache with the server", async () => {
  const app = await buildApp()
  const name = async (id: string): Promise<unknown> =>
    (await app.inject({ url: `/users/${id}` })).json<{ name?: string }>().name
  assert.equal(await name("1"), "Ada")
  assert.equal(await name("1"), "Ada")
  assert.deepEqual(db.queries, ["user 1"])
  const changed = await app.inject({ method: "PUT", url: "/users/1", payload: { name: "Ada Lovelace" } })
  assert.equal(changed.statusCode, 204)
  assert.equal(await name("1"), "Ada Lovelace")
  assert.equal((await app.inject({ url: "/users/9" })).statusCode, 404)
  await app.close()
  await assert.rejects(app.cache.invalidate("user:1"), CacheClosedError)
})

test("fastify: each server has a cache of its own", async () => {
  db.reset()
  const [one, other] = [await buildApp(), await buildApp()]
  await one.inject({ url: "/users/1" })
  await other.inject({ url: "/users/1" })
  assert.deepEqual(db.queries, ["user 1", "user 1"])
  await Promise.all([one.close(), other.close()])
})

test("fastify: a change during a load is not lost", async () => {
  db.reset()
  const app = await buildApp()
  const held = db.hold("user 1")
  const early = app.inject({ url: "/users/1" })
  await held.reached
  await app.inject({ method: "PUT", url: "/users/1", payload: { name: "Ada Lovelace" } })
  held.release()
  assert.equal((await early).json<{ name: string }>().name, "Ada")
  assert.equal((await app.inject({ url: "/users/1" })).json<{ name: string }>().name, "Ada Lovelace")
  await app.close()
})

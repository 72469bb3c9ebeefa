import assert from "node:assert/strict"
import { beforeEach, test } from "node:test"
import { app, cache } from "../pages/hono/app.js"
import { db } from "../pages/hono/database.js"

beforeEach(async () => {
  db.reset()
  await cache.clear()
})

const json = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method: "PUT",
  body: JSON.stringify(body),
  headers: { "content-type": "application/json", ...headers },
})
const user = async (id: string): Promise<unknown> => (await app.request(`/users/${id}`)).json()
const settings = async (tenant: string): Promise<unknown> =>
  (await app.request("/settings", { headers: { "x-tenant": tenant } })).json()

test("hono: answers from the cache until the row is changed", async () => {
  await user("1")
  assert.deepEqual(await user("1"), { id: "1", name: "Ada", org: "navy" })
  assert.deepEqual(db.queries, ["user 1"])
  assert.equal((await app.request("/users/1", json({ name: "Ada Lovelace" }))).status, 204)
  assert.deepEqual(await user("1"), { id: "1", name: "Ada Lovelace", org: "navy" })
  assert.equal((await app.request("/users/9")).status, 404)
})

test("hono: tenants don't meet, and each can be cleared alone", async () => {
  await app.request("/settings", json({ theme: "dark" }, { "x-tenant": "a" }))
  assert.deepEqual(await settings("a"), { theme: "dark" })
  assert.deepEqual(await settings("b"), {})
  await app.request("/settings", json({ theme: "light" }, { "x-tenant": "a" }))
  db.queries.length = 0
  assert.deepEqual(await settings("a"), { theme: "light" })
  assert.deepEqual(await settings("b"), {})
  assert.deepEqual(db.queries, ["settings of a"])
  await app.request("/tenants/b", { method: "DELETE" })
  await settings("a")
  await settings("b")
  assert.deepEqual(db.queries, ["settings of a", "settings of b"])
  assert.equal((await app.request("/settings")).status, 401)
})

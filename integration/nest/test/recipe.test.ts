import "reflect-metadata"
import assert from "node:assert/strict"
import { after, before, beforeEach, describe, test } from "node:test"
import { NestFactory } from "@nestjs/core"
import type { NestExpressApplication } from "@nestjs/platform-express"
import { Cache, status } from "zoocache"
import { AppModule } from "./recipe/app.module"
import { cache } from "./recipe/cache"
import { ConfiguredModule, TitlesService } from "./recipe/configured.module"
import { Database } from "./recipe/database"
import { UsersService } from "./recipe/users.service"

describe("the recipe", () => {
  let app: NestExpressApplication
  let database: Database
  let url = ""

  before(async () => {
    app = await NestFactory.create<NestExpressApplication>(AppModule, { logger: false })
    await app.listen(0, "127.0.0.1")
    url = await app.getUrl()
    database = app.get(Database)
  })
  after(() => app.close())
  beforeEach(async () => {
    await cache.clear()
    database.asked.length = 0
  })

  const ask = async (path: string, headers: Record<string, string> = {}, body?: object) => {
    const response = await fetch(`${url}/${path}`, {
      method: body === undefined ? "GET" : "PATCH",
      headers: { "content-type": "application/json", ...headers },
      body: body && JSON.stringify(body),
    })
    return { status: response.status, body: await response.json() }
  }

  test("loads a user once, and anew after a rename", async () => {
    await ask("users/1")
    assert.deepEqual((await ask("users/1")).body, { id: 1, name: "User 1" })
    assert.deepEqual(database.asked, ["user 1"])
    assert.deepEqual((await ask("users/1", {}, { name: "Ada" })).body, { id: 1, name: "Ada" })
    assert.deepEqual((await ask("users/1")).body, { id: 1, name: "Ada" })
  })

  test("guards a cached handler, which is stale when what it called is", async () => {
    const admin = { "x-role": "admin" }
    await ask("users/2", {}, { name: "Bob" })
    assert.deepEqual((await ask("users/2/report", admin)).body, { title: "Report on Bob" })
    assert.equal((await ask("users/2/report")).status, 403)
    await ask("users/2", {}, { name: "Eve" })
    assert.deepEqual((await ask("users/2/report", admin)).body, { title: "Report on Eve" })
  })

  test("the pipe refuses what is no number", async () => {
    assert.equal((await ask("users/x")).status, 400)
  })

  test("reloads one entry", async () => {
    const users = app.get(UsersService)
    await users.byId(3)
    await users.reload(3)
    assert.deepEqual(database.asked, ["user 3", "user 3"])
  })

  test("a request-scoped provider shares the entries of its tenant, and of no other", async () => {
    assert.deepEqual((await ask("orders", { "x-tenant": "a" })).body, ["a-1"])
    assert.deepEqual((await ask("orders", { "x-tenant": "a" })).body, ["a-1"])
    assert.deepEqual((await ask("orders", { "x-tenant": "b" })).body, ["b-1"])
    assert.deepEqual(database.asked, ["orders of a", "orders of b"])
    await cache.invalidate("tenant:a")
    await ask("orders", { "x-tenant": "a" })
    assert.equal(database.asked.length, 3)
  })

  test("provides the cache, and closes it at shutdown", async () => {
    const other = await NestFactory.createApplicationContext(AppModule, { logger: false })
    assert.equal(other.get(Cache), cache)
    await other.close()
    assert.equal(cache.status().state, "closed")
  })
})

test("settings from a provider: one application after the other, each with a cache of its own", async () => {
  for (let round = 1; round <= 2; round += 1) {
    const app = await NestFactory.createApplicationContext(ConfiguredModule, { logger: false })
    const titles = app.get(TitlesService)
    await titles.byId(1)
    await titles.byId(1)
    assert.equal(titles.loads, 1)
    assert.equal(app.get(Cache).status().state, "ready")
    await app.get(Cache).invalidate("titles")
    await titles.byId(1)
    assert.equal(titles.loads, 2)
    const closing = app.get(Cache)
    await app.close()
    assert.equal(closing.status().state, "closed")
  }
  assert.equal(status().state, "ready")
})

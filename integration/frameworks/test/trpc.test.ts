import assert from "node:assert/strict"
import type { Server } from "node:http"
import { after, before, beforeEach, test } from "node:test"
import { createTRPCClient, httpBatchLink, TRPCClientError } from "@trpc/client"
import { createHTTPServer } from "@trpc/server/adapters/standalone"
import { db, type User } from "../pages/trpc/database.js"
import { cache, type Router, router } from "../pages/trpc/router.js"
import { addressOf, closed } from "./listen.js"

let server: Server
let client: ReturnType<typeof createTRPCClient<Router>>

before(async () => {
  server = createHTTPServer({ router })
  server.listen(0)
  client = createTRPCClient<Router>({ links: [httpBatchLink({ url: await addressOf(server) })] })
})
beforeEach(async () => {
  db.reset()
  await cache.clear()
})
after(() => closed(server))

test("trpc: the client sees the type of the loader, and the cache answers until the row is changed", async () => {
  const user: User = await client.user.query({ id: "1" })
  assert.equal(user.name, "Ada")
  await client.user.query({ id: "1" })
  assert.deepEqual(db.queries, ["user 1"])
  await client.team.query({ org: "navy" })
  await client.rename.mutate({ id: "1", name: "Ada Lovelace" })
  assert.equal((await client.user.query({ id: "1" })).name, "Ada Lovelace")
  assert.deepEqual(
    (await client.team.query({ org: "navy" })).map((member) => member?.name),
    ["Ada Lovelace", "Grace"],
  )
  await assert.rejects(client.user.query({ id: "9" }), TRPCClientError)
})

test("trpc: a request that is aborted takes no other with it", async () => {
  const held = db.hold("user 1")
  const leaving = new AbortController()
  const left = client.user.query({ id: "1" }, { signal: leaving.signal })
  const rejected = assert.rejects(left)
  await held.reached
  const staying = client.user.query({ id: "1" })
  leaving.abort()
  await rejected
  held.release()
  assert.equal((await staying).name, "Ada")
})

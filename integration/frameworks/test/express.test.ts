import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import type { Server } from "node:http"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { after, before, beforeEach, test } from "node:test"
import { app } from "../pages/express/app.js"
import { cache, getUser } from "../pages/express/cache.js"
import { db } from "../pages/express/database.js"
import { addressOf, closed, put } from "./listen.js"

let server: Server
let url: string

before(async () => {
  server = app.listen(0)
  url = await addressOf(server)
})
beforeEach(async () => {
  db.reset()
  await cache.clear()
})
after(() => closed(server))

const nameOf = async (id: string): Promise<string> =>
  ((await (await fetch(`${url}/users/${id}`)).json()) as { name: string }).name

test("express: answers from the cache until the row is changed", async () => {
  assert.equal(await nameOf("1"), "Ada")
  assert.equal(await nameOf("1"), "Ada")
  assert.deepEqual(db.queries, ["user 1"])
  assert.equal((await put(`${url}/users/1`, { name: "Ada Lovelace" })).status, 204)
  assert.equal(await nameOf("1"), "Ada Lovelace")
  assert.equal((await fetch(`${url}/users/9`)).status, 404)
})

test("express: a team dies with the row of a member, and other rows are not asked for again", async () => {
  await fetch(`${url}/teams/navy`)
  await put(`${url}/users/2`, { name: "Grace Hopper" })
  db.queries.length = 0
  const team = (await (await fetch(`${url}/teams/navy`)).json()) as { members: { name: string }[] }
  assert.deepEqual(
    team.members.map(({ name }) => name),
    ["Ada", "Grace Hopper"],
  )
  assert.deepEqual(db.queries, ["members of navy", "user 2"])
})

test("express: a change during a load is not lost", async () => {
  const held = db.hold("user 1")
  const early = nameOf("1")
  await held.reached
  await put(`${url}/users/1`, { name: "Ada Lovelace" })
  assert.equal(await nameOf("1"), "Ada Lovelace")
  held.release()
  assert.equal(await early, "Ada")
  assert.equal(await nameOf("1"), "Ada Lovelace")
})

test("express: a client that leaves takes nobody with it", async () => {
  const held = db.hold("user 1")
  const leaving = new AbortController()
  const left = fetch(`${url}/users/1`, { signal: leaving.signal }).catch((error: unknown) => error)
  await held.reached
  const staying = getUser("1")
  leaving.abort()
  assert.equal(((await left) as Error).name, "AbortError")
  held.release()
  assert.equal((await staying)?.name, "Ada")
  assert.deepEqual(db.queries, ["user 1"])
})

test("express: the process ends when it is told to", async () => {
  const program = spawn(process.execPath, ["--import", "tsx", "pages/express/server.ts"], {
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  })
  const exited = once(program, "exit")
  const [line] = (await once(createInterface(program.stdout), "line")) as [string]
  const port = /\d+$/.exec(line)?.[0]
  assert.equal((await fetch(`http://127.0.0.1:${port}/users/1`, { headers: { connection: "close" } })).status, 200)
  program.kill("SIGTERM")
  assert.deepEqual(await exited, [0, null])
})

import assert from "node:assert/strict"
import type { Server } from "node:http"
import { after, before, beforeEach, test } from "node:test"
import { serve } from "@hono/node-server"
import { createCache } from "zoocache"
import { app, cache } from "../pages/http-etag/app.js"
import { cachedResponse } from "../pages/http-etag/cached-response.js"
import { db } from "../pages/http-etag/database.js"
import { addressOf, closed, put } from "./listen.js"

let server: Server
let url: string

before(async () => {
  server = serve({ fetch: app.fetch, port: 0 }) as Server
  url = await addressOf(server)
})
beforeEach(async () => {
  db.reset()
  await cache.clear()
})
after(() => closed(server))

const get = (path: string, etag?: string | null): Promise<Response> =>
  fetch(url + path, { headers: etag == null ? {} : { "if-none-match": etag } })

test("http: a page is made once, and 304 until something on it has changed", async () => {
  const first = await get("/profiles/1")
  assert.equal(await first.text(), "<h1>Ada</h1><ul><li>Notes</li><li>More notes</li></ul>")
  assert.match(first.headers.get("content-type") ?? "", /text\/html/)
  assert.equal(first.headers.get("cache-control"), "no-cache")
  const etag = first.headers.get("etag")
  assert.match(etag ?? "", /^W\/".+"$/)
  db.queries.length = 0

  const again = await get("/profiles/1", etag)
  assert.equal(again.status, 304)
  assert.equal(again.headers.get("etag"), etag)
  assert.equal((await get("/profiles/1", `"other", ${etag}`)).status, 304)
  assert.equal((await get("/profiles/1", `"other"`)).status, 200)
  assert.deepEqual(db.queries, [])

  await put(`${url}/users/1`, { name: "Ada Lovelace" })
  const changed = await get("/profiles/1", etag)
  assert.equal(changed.status, 200)
  assert.match(await changed.text(), /Ada Lovelace/)
  assert.notEqual(changed.headers.get("etag"), etag)
  // The posts were not asked for again: only what had changed was.
  assert.deepEqual(db.queries, ["user 1"])
})

test("http: one invalidation clears every page that inherited the row, and no other", async () => {
  const pages = ["/profiles/1", "/profiles/2", "/teams/navy", "/teams/kernel"]
  const etags = await Promise.all(pages.map(async (page) => (await get(page)).headers.get("etag")))
  await db.rename("1", "Ada Lovelace")
  await cache.invalidate("user:1")
  const answers = await Promise.all(pages.map((page, index) => get(page, etags[index])))
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 304, 200, 304],
  )
})

test("http: what an address tells of a page names the tag that ended it", async () => {
  await get("/profiles/1")
  await cache.invalidate("user:1")
  const { state, text } = cache.explain(`ƒ:page::"${url}/profiles/1"`)
  assert.equal(state, "stale")
  assert.match(text, /user:1/)
})

test("http: a page that overlapped a change is answered and not kept", async () => {
  const held = db.hold("user 1")
  const early = get("/profiles/1")
  await held.reached
  await put(`${url}/users/1`, { name: "Ada Lovelace" })
  held.release()
  assert.match(await (await early).text(), /Ada</)
  assert.match(await (await get("/profiles/1")).text(), /Ada Lovelace/)
})

test("http: many askers of one page have it made once", async () => {
  const held = db.hold("posts of 1")
  const asked = Array.from({ length: 20 }, () => get("/profiles/1"))
  await held.reached
  held.release()
  for (const answer of await Promise.all(asked)) assert.equal(answer.status, 200)
  assert.deepEqual(db.queries.toSorted(), ["posts of 1", "user 1"])
})

test("http: what is somebody's own, or no success, is not kept", async () => {
  let made = 0
  const one = createCache()
  const page = cachedResponse(one, "page", (request) => {
    made++
    const { pathname } = new URL(request.url)
    const headers = new Headers(pathname === "/own" ? { "cache-control": "private" } : {})
    if (pathname === "/cookie") headers.set("set-cookie", "a=b")
    return new Response("text", { headers, status: pathname === "/missing" ? 404 : 200 })
  })
  const ask = async (path: string, init?: RequestInit): Promise<number> =>
    (await page(new Request(`http://localhost${path}`, init))).status
  for (const path of ["/own", "/cookie", "/missing"]) {
    made = 0
    assert.equal(await ask(path), path === "/missing" ? 404 : 200)
    await ask(path)
    assert.equal(made, 2, path)
  }
  made = 0
  for (const header of ["authorization", "cookie"]) await ask("/", { headers: { [header]: "mine" } })
  await ask("/", { method: "POST" })
  assert.equal(made, 3)
  await ask("/")
  await ask("/")
  assert.equal(made, 4)
})

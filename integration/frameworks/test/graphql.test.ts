import assert from "node:assert/strict"
import { beforeEach, test } from "node:test"
import { db } from "../pages/graphql/database.js"
import { cache } from "../pages/graphql/loaders.js"
import { run } from "../pages/graphql/schema.js"

beforeEach(async () => {
  db.reset()
  await cache.clear()
})

const feed = "{ posts { title author { name } } }"
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

test("graphql: one batch for the authors of all posts, and none for those who are known", async () => {
  const expected = {
    data: {
      posts: [
        { title: "Notes", author: { name: "Ada" } },
        { title: "Bugs", author: { name: "Grace" } },
        { title: "More notes", author: { name: "Ada" } },
      ],
    },
  }
  assert.deepEqual(plain(await run(feed)), expected)
  assert.deepEqual(db.queries, ["posts", "users 1,2"])
  assert.deepEqual(plain(await run(feed)), expected)
  assert.deepEqual(db.queries, ["posts", "users 1,2"])
})

test("graphql: after a change only that row is loaded, and its mutation reads it back", async () => {
  await run(feed)
  db.queries.length = 0
  const changed = await run(
    'mutation ($id: ID!) { before: rename(id: $id, name: "A.") { name } after: rename(id: $id, name: "Ada L.") { name } }',
    { id: "1" },
  )
  assert.deepEqual(plain(changed), { data: { before: { name: "A." }, after: { name: "Ada L." } } })
  const { data } = await run(feed)
  assert.deepEqual(plain(data?.posts), [
    { title: "Notes", author: { name: "Ada L." } },
    { title: "Bugs", author: { name: "Grace" } },
    { title: "More notes", author: { name: "Ada L." } },
  ])
  assert.deepEqual(db.queries, ["users 1", "users 1"])
})

test("graphql: fields of one query are one batch without a DataLoader, and a missing row is null", async () => {
  const source = `{ a: user(id: "1") { name } b: user(id: "2") { name } c: user(id: "9") { name } }`
  assert.deepEqual(plain(await run(source)), { data: { a: { name: "Ada" }, b: { name: "Grace" }, c: null } })
  await run(source)
  assert.deepEqual(db.queries, ["users 1,2,9"])
})

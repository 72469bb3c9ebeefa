"use strict"
// Two processes of one runtime on one LMDB directory: what one stores the other serves, and what one invalidates the
// other does not serve any more.
const assert = require("node:assert/strict")
const { fork } = require("node:child_process")
const { mkdtempSync, rmSync } = require("node:fs")
const { tmpdir } = require("node:os")
const { join } = require("node:path")
const { createCache } = require("zoocache")
const { lmdb } = require("zoocache/lmdb")

const [path] = process.argv.slice(2)
void (path === undefined ? first() : second(path))

async function first() {
  const folder = mkdtempSync(join(tmpdir(), "zoocache-lmdb-"))
  const cache = createCache({ backend: lmdb({ path: folder }) })
  await cache.ready()
  let row = { name: "old", at: new Date(0), tags: new Set(["a"]) }
  const getRow = cache.cacheable(async () => row, { name: "row", deps: ["row:1"] })
  await getRow()
  await cache.set("by hand", [1n, undefined])
  const child = fork(__filename, [folder], { execArgv: [] })
  const said = []
  child.on("message", async (message) => {
    said.push(message)
    if (message.type !== "has read") return
    row = { ...row, name: "new" }
    await cache.invalidate("row:1")
    child.send("invalidated")
  })
  const code = await new Promise((resolve) => child.on("exit", resolve))
  assert.equal(code, 0)
  assert.deepEqual(
    said.map(({ name }) => name),
    ["old", undefined],
  )
  assert.equal((await getRow()).name, "new")
  await cache.close()
  rmSync(folder, { recursive: true, force: true })
  console.log("LMDB between two processes: ok")
}

async function second(folder) {
  const cache = createCache({ backend: lmdb({ path: folder }) })
  await cache.ready()
  const getRow = cache.cacheable(async () => ({ name: undefined }), { name: "row", deps: ["row:1"] })
  assert.deepEqual(await cache.get("by hand"), [1n, undefined])
  const before = await getRow()
  assert.ok(before.at instanceof Date && before.tags instanceof Set)
  process.send({ type: "has read", name: before.name })
  process.once("message", async () => {
    process.send({ type: "has read again", name: (await getRow()).name })
    // What this process loaded is for the other to load anew.
    await cache.invalidate("row:1")
    await cache.close()
    process.disconnect()
  })
}

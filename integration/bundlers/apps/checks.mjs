import assert from "node:assert/strict"

/** Loads once, serves that, and loads again after an invalidation and after a change that came during a load. */
export async function check(cache) {
  await cache.ready()
  let row = "old"
  let loads = 0
  const getRow = cache.cacheable(async (id) => ({ id, row, load: ++loads }), {
    name: "row",
    deps: (id) => [`row:${id}`],
  })
  assert.deepEqual(await getRow(1), { id: 1, row: "old", load: 1 })
  assert.deepEqual(await getRow(1), { id: 1, row: "old", load: 1 })
  row = "new"
  await cache.invalidate("row:1")
  assert.deepEqual(await getRow(1), { id: 1, row: "new", load: 2 })
  await cache.set("by hand", new Map([[1, new Date(0)]]))
  assert.deepEqual(await cache.get("by hand"), new Map([[1, new Date(0)]]))
}

/** The same entries in a second cache on the same backend, as a second process would find them. */
export async function checkShared(open) {
  const first = open()
  await check(first)
  while (first.stats().store.queued > 0) await new Promise((resolve) => setTimeout(resolve, 1))
  await first.close()
  const second = open()
  await second.ready()
  assert.deepEqual(await second.get("by hand"), new Map([[1, new Date(0)]]))
  await second.close()
}

/** Prints `ok`, or what went wrong with its cause. No `await` at the top level: a bundle may be CommonJS. */
export function run(main) {
  main().then(
    () => console.log("ok"),
    (error) => {
      console.log(`${error.name} ${error.code}: ${error.message}`)
      console.log(`cause: ${error.cause?.code ?? error.cause?.message}`)
      process.exitCode = 1
    },
  )
}

/** `configure({ storageUrl })`, and what the original does with LMDB, behaviour by behaviour. */
import { randomBytes } from "node:crypto"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import {
  cacheable,
  ConfigurationError,
  configure,
  createCache,
  defaultCache,
  type Fault,
  get,
  InvalidOptionError,
  invalidate,
  reset,
  set,
  StorageFullError,
  StorageOpenError,
} from "zoocache"
import { InProcessLog } from "zoocache/backend"
import { lmdb } from "zoocache/lmdb"
import { ManualClock } from "zoocache/testing"

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "zoocache-url-"))
})
afterEach(async () => {
  await reset()
  rmSync(folder, { recursive: true, force: true })
})

describe("storageUrl", () => {
  test("keeps entries and invalidations of the default cache in a directory, over restarts", async () => {
    const storageUrl = `lmdb://${folder}/cache`
    configure({ storageUrl, prefix: "shop" })
    await defaultCache().ready()
    let loads = 0
    const load = async (id: number) => `row ${id} of load ${(loads += 1)}`
    const getRow = cacheable(load, { name: "row", deps: (id) => [`row:${id}`] })
    await getRow(1)
    await getRow(2)
    await set("by hand", new Map([[1, "one"]]))
    // Closing waits a second for what is still to be written, which a slow machine may need longer for.
    await expect.poll(() => defaultCache().stats().store?.queued).toBe(0)
    await reset()
    expect(existsSync(join(folder, "cache"))).toBe(true)
    configure({ storageUrl, prefix: "shop" })
    await defaultCache().ready()
    expect(await getRow(1)).toBe("row 1 of load 1")
    expect(await getRow(2)).toBe("row 2 of load 2")
    expect(await get("by hand")).toEqual(new Map([[1, "one"]]))
    expect(defaultCache().stats().store?.entries).toBe(3)
    await invalidate("row:1")
    await reset()
    configure({ storageUrl, prefix: "shop" })
    await defaultCache().ready()
    expect(await getRow(1)).toBe("row 1 of load 3")
    expect(await getRow(2)).toBe("row 2 of load 2")
  })

  test("twice the same is fine, another is not, and not one beside a backend", () => {
    const storageUrl = `lmdb://${folder}/cache`
    configure({ storageUrl })
    configure({ storageUrl })
    expect(() => configure({ storageUrl: `lmdb://${folder}/other` })).toThrow(ConfigurationError)
    expect(() => configure({ storageUrl, backend: lmdb({ path: folder }) })).toThrow(InvalidOptionError)
  })

  test("takes options as its query", async () => {
    configure({ storageUrl: `lmdb://${folder}/a%20cache?maxEntries=10&durable=true` })
    await defaultCache().ready()
    expect(existsSync(join(folder, "a cache", "data.mdb"))).toBe(true)
  })

  test.each([
    ["lmdb://", "needs a path"],
    ["lmdb://x?size=1", "`size=1` is no option"],
    ["lmdb://x?durable=yes", "`durable=yes` is no option"],
    ["lmdb://x?maxEntries=-1", "`maxEntries=-1` is no option"],
    ["lmdb://x?maxEntries=0", "maxEntries"],
    ["lmdb://100%", "`%25`"],
    ["memcached://localhost", "must begin with `lmdb://`"],
    ["./cache", "must begin with `lmdb://`"],
    [7, "must be a string"],
  ])("%s is refused", (storageUrl, why) => {
    expect(() => configure({ storageUrl: storageUrl as string })).toThrow(InvalidOptionError)
    expect(() => configure({ storageUrl: storageUrl as string })).toThrow(why)
  })

  test("shows no password of a URL that it refuses", () => {
    const refused = () => configure({ storageUrl: "memcached://user:secret@host" })
    expect(refused).toThrow(/memcached:\/\/host/)
    expect(refused).not.toThrow(/secret/)
  })
})

describe("as the original", () => {
  test("entries survive reopening with the right count", async () => {
    const open = async () => {
      const cache = createCache({ backend: lmdb({ path: folder }) })
      await cache.ready()
      return cache
    }
    const first = await open()
    for (let n = 0; n < 100; n += 1) await first.set(`k${n}`, n)
    await first.delete("k7")
    await expect.poll(() => first.stats().store?.queued).toBe(0)
    await first.close()
    const second = await open()
    expect(second.stats().store?.entries).toBe(99)
    expect(await second.get("k8")).toBe(8)
    expect(await second.get("k7")).toBeUndefined()
    await second.close()
  })

  test("a map that is too small is a storage-full fault, and fails no call", async () => {
    const faults: Fault[] = []
    const cache = createCache({
      backend: lmdb({ path: folder, mapSize: 2 ** 20 }),
      onFault: (fault) => faults.push(fault),
    })
    await cache.ready()
    const noise = randomBytes(2 ** 21)
    expect(await cache.getOrLoad("noise", () => noise)).toBe(noise)
    await cache.set("more noise", randomBytes(2 ** 21))
    expect(faults.some(({ error }) => error instanceof StorageFullError)).toBe(true)
    await cache.invalidate("still:works")
    expect(await cache.getOrLoad("after", () => 1)).toBe(1)
    await cache.close()
  })

  test("a key longer than LMDB takes is a key like any other", async () => {
    const cache = createCache({ backend: lmdb({ path: folder }), memory: false })
    await cache.ready()
    const [a, b] = [`${"k".repeat(10_000)}a`, `${"k".repeat(10_000)}b`]
    await cache.set(a, 1)
    await cache.set(b, 2)
    expect([await cache.get(a), await cache.get(b)]).toEqual([1, 2])
    await cache.delete(a)
    expect([await cache.get(a), await cache.get(b)]).toEqual([undefined, 2])
    await cache.close()
  })

  test("an invalidated entry stays so after pruning and reopening", async () => {
    const first = createCache({ backend: lmdb({ path: folder }) })
    await first.ready()
    await first.set("k", "old", { deps: ["t"] })
    await first.invalidate("t")
    first.prune()
    await first.close()
    const second = createCache({ backend: lmdb({ path: folder }) })
    await second.ready()
    second.prune()
    expect(await second.get("k")).toBeUndefined()
    expect(second.tagVersion("t")).toBeGreaterThan(0)
    await second.close()
  })
})

describe("what can't be opened", () => {
  test("`ready` rejects with the reason, and calls go on with their loaders", async () => {
    const path = join(folder, "a file")
    writeFileSync(path, "")
    const faults: Fault[] = []
    const cache = createCache({ backend: lmdb({ path }), onFault: (fault) => faults.push(fault) })
    await expect(cache.ready()).rejects.toThrow(StorageOpenError)
    expect(await cache.getOrLoad("k", () => 1)).toBe(1)
    expect(faults.length).toBeGreaterThan(0)
    await cache.close()
  })

  test("another log beside LMDB is refused", () => {
    const log = new InProcessLog({ clock: new ManualClock(), nonce: "n" })
    expect(() => createCache({ backend: lmdb({ path: folder }), log })).toThrow(InvalidOptionError)
  })
})

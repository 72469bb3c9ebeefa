import { chmodSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, describe, expect, test, vi } from "vitest"
import { ConfigurationError, InvalidOptionError, StorageOpenError } from "../../src/core/base/errors.js"
import { lmdb } from "../../src/lmdb/index.js"
import type { LmdbOptions } from "../../src/lmdb/options.js"
import { cleanUp, NOWHERE, openBackend, temporaryDirectory } from "./support/backends.js"
import { dataFileOf } from "./support/children.js"
import { entriesOf } from "./support/entries.js"
import { openRaw } from "./support/raw.js"

const NOBODY = 65534

afterEach(cleanUp)

async function failure(path: string, durable = false): Promise<StorageOpenError & { permanent?: boolean }> {
  const { log, store } = openBackend(path, { durable })
  const error: unknown = await log.pull(NOWHERE).catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(StorageOpenError)
  expect(() => log.look(NOWHERE)).toThrow(StorageOpenError)
  await expect(log.append([{ kind: "tag", path: "a" }], NOWHERE, "o")).rejects.toBe(error)
  await expect(store.put("key", new Uint8Array())).rejects.toBe(error)
  expect((error as { permanent?: unknown }).permanent).toBe(true)
  return error as StorageOpenError
}

describe("options", () => {
  test.each<[string, Partial<LmdbOptions>]>([
    ["path", { path: "" }],
    ["path", { path: 5 as never }],
    ["mapSize", { mapSize: 1000 }],
    ["maxEntries", { maxEntries: 0 }],
    ["maxBytes", { maxBytes: 1.5 }],
    ["maxTags", { maxTags: -1 }],
    ["maxKeys", { maxKeys: Number.NaN }],
    ["durable", { durable: "yes" as never }],
    ["codec", { codec: {} as never }],
    ["size", { size: 5 } as never],
  ])("a wrong %s is refused at the call: %j", (name, wrong) => {
    const call = () => lmdb({ path: "never made", ...wrong })
    expect(call).toThrow(InvalidOptionError)
    expect(call).toThrow(new RegExp(`option ${name} `))
    expect(() => lmdb(undefined as never)).toThrow(InvalidOptionError)
  })
})

describe("what can't be opened says why", () => {
  test("a path that is a file, or leads through one", async () => {
    const path = join(temporaryDirectory(), "file")
    writeFileSync(path, "text")
    expect((await failure(path)).message).toMatch(/is a file. Pass the path of a directory/)
    expect((await failure(join(path, "below"))).message).toMatch(/is a file/)
  })

  test("a data file that is not LMDB's", async () => {
    const path = temporaryDirectory()
    writeFileSync(join(path, "data.mdb"), "text ".repeat(5000))
    expect((await failure(path, true)).message).toMatch(/no LMDB file. Move it away/)
  })

  test("a data file of another program", async () => {
    const path = temporaryDirectory()
    const raw = openRaw(join(path, "data.mdb"))
    raw.putSync(Buffer.from("theirs"), Buffer.from("value"))
    expect((await failure(path, true)).message).toMatch(/belongs to another program/)
    expect(raw.getBinary(Buffer.from("theirs")).toString()).toBe("value")
    await raw.close()
  })

  test("a data file of another format", async () => {
    const path = temporaryDirectory()
    const { log, close } = openBackend(path)
    await log.pull(NOWHERE)
    await close()
    const raw = openRaw(dataFileOf(path))
    const meta = JSON.parse(raw.getBinary(Buffer.of(1)).toString()) as object
    raw.putSync(Buffer.of(1), Buffer.from(JSON.stringify({ ...meta, format: 99 })))
    await raw.close()
    expect((await failure(path)).message).toMatch(/has format 99.* knows format 1/)
  })

  test("a directory of the other durability, whichever came first", async () => {
    for (const durable of [false, true]) {
      const path = temporaryDirectory()
      const first = openBackend(path, { durable })
      await first.log.pull(NOWHERE)
      expect((await failure(path, !durable)).message).toMatch(new RegExp(`made with \`durable: ${durable}\``))
      // The one that failed has left nothing, so that the first may come again.
      await first.close()
      expect(readdirSync(path)).toHaveLength(5)
      await openBackend(path, { durable }).log.pull(NOWHERE)
    }
  })

  test("a directory that may not be written, until it may", async () => {
    const path = temporaryDirectory()
    chmodSync(path, 0o555)
    const isRoot = process.getuid?.() === 0
    // Nothing keeps root out: what root runs has to be somebody else meanwhile.
    if (isRoot) process.seteuid?.(NOBODY)
    try {
      const backend = openBackend(path)
      await expect(backend.log.pull(NOWHERE)).rejects.toThrow(/may not write/)
      if (isRoot) process.seteuid?.(0)
      chmodSync(path, 0o755)
      expect((await backend.log.pull(NOWHERE)).changes).toEqual([])
    } finally {
      if (isRoot) process.seteuid?.(0)
    }
  })

  test("and is tried again with each pull", async () => {
    const path = join(temporaryDirectory(), "cache")
    writeFileSync(path, "a file")
    const { log, store } = openBackend(path)
    const rang = vi.fn<() => void>()
    log.listen(rang)
    await expect(log.pull(NOWHERE)).rejects.toThrow(StorageOpenError)
    await expect(log.pull(NOWHERE)).rejects.toThrow(StorageOpenError)
    rmSync(path)
    mkdirSync(path)
    expect(rang).not.toHaveBeenCalled()
    expect((await log.pull(NOWHERE)).changes).toEqual([])
    expect(rang).toHaveBeenCalledTimes(1)
    expect(store.get("key")).toBeUndefined()
  })
})

describe("an open directory", () => {
  test("is one environment, whatever it is called", async () => {
    const path = temporaryDirectory()
    mkdirSync(join(path, "real"))
    symlinkSync(join(path, "real"), join(path, "link"))
    const a = openBackend(join(path, "real", "cache"))
    const b = openBackend(join(path, "link", "..", "link", "cache"))
    const { version } = await a.log.append([{ kind: "tag", path: "a" }], NOWHERE, "o")
    const heard = new Promise((resolve) => b.log.listen(resolve))
    await a.log.append([{ kind: "tag", path: "b" }], NOWHERE, "o")
    // Only caches of one environment tell each other what was appended.
    expect(await heard).toMatchObject({ previousHead: version })
  })

  test("is closed with the last of its users, and can be opened again", async () => {
    const path = temporaryDirectory()
    const a = openBackend(path)
    const b = openBackend(path, { prefix: "other" })
    await (await entriesOf(a)).put("key")
    await b.log.pull(NOWHERE)
    await Promise.all([a.close(), a.close()])
    expect((await b.log.pull(NOWHERE)).changes).toEqual([])
    await b.close()
    const again = openBackend(path)
    await again.log.pull(NOWHERE)
    expect(again.store.get("key")).toBeDefined()
  })

  test("has the map size of its first user, and others that ask for another are told", async () => {
    const path = temporaryDirectory()
    const [first, second] = [2 ** 24, 2 ** 25]
    const a = openBackend(path, { mapSize: first })
    const b = openBackend(path, { mapSize: second, prefix: "other" })
    const c = openBackend(path, { mapSize: first, prefix: "third" })
    await Promise.all([a, b, c].map(({ log }) => log.pull(NOWHERE)))
    expect([a.faults, c.faults]).toEqual([[], []])
    expect(b.faults.map((fault) => fault.constructor)).toEqual([ConfigurationError])
    expect(b.faults[0]?.message).toMatch(new RegExp(`${second}.*"other" is ignored.*open with ${first}, which holds`))
  })

  test("closing before it is open waits for nothing", async () => {
    const { close, log } = openBackend(temporaryDirectory())
    const pulling = log.pull(NOWHERE)
    await Promise.all([expect(pulling).rejects.toThrow(), close()])
  })
})

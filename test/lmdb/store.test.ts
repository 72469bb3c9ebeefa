import { statSync } from "node:fs"
import { afterEach, describe, expect, test } from "vitest"
import { CorruptEntryError, StorageFullError, StoreError } from "../../src/core/base/errors.js"
import { ManualClock } from "../../src/testing/index.js"
import { cleanUp, NOWHERE, openBackend, temporaryDirectory } from "./support/backends.js"
import { dataFileOf, startChild } from "./support/children.js"
import { entriesOf, noise, rankOf } from "./support/entries.js"
import { openRaw } from "./support/raw.js"

afterEach(cleanUp)

const MIB = 1024 * 1024

describe("the budget", () => {
  test("the entries that were not used for longest make room", async () => {
    const clock = new ManualClock()
    const backend = openBackend(temporaryDirectory(), { maxEntries: 10, clock })
    const entries = await entriesOf(backend)
    for (let index = 0; index < 10; index += 1) {
      clock.advance(1000)
      await entries.put(`key ${index}`)
    }
    clock.advance(60_000)
    await backend.store.touch("key 0", rankOf(entries.headerOf("key 0")), {})
    clock.advance(1000)
    await entries.put("key 10")
    await entries.put("key 11")
    const kept = Array.from({ length: 12 }, (_, index) => index).filter((index) => entries.has(`key ${index}`))
    expect(kept).toEqual([0, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    expect(backend.store.stats().entries).toBe(10)
  })

  test("bytes are bounded, of all prefixes together, and counted as they come and go", async () => {
    const path = temporaryDirectory()
    const backend = openBackend(path, { maxBytes: 50_000 })
    const other = openBackend(path, { maxBytes: 50_000, prefix: "other" })
    const [entries, others] = [await entriesOf(backend), await entriesOf(other)]
    for (let index = 0; index < 50; index += 1) {
      await entries.put(`key ${index}`, noise(2000))
      await others.put(`key ${index}`, noise(2000))
      const [mine, theirs] = [backend.store.stats(), other.store.stats()]
      expect(mine.bytes + theirs.bytes).toBeLessThanOrEqual(50_000)
    }
    expect(entries.has("key 49") && others.has("key 49")).toBe(true)
    for (let index = 0; index < 50; index += 1) {
      await backend.store.remove(`key ${index}`, rankOf(entries.headerOf("")))
      await other.store.remove(`key ${index}`, rankOf(others.headerOf("")))
    }
    expect(backend.store.stats()).toEqual({ entries: 0, bytes: 0, queued: 0 })
    expect(other.store.stats()).toEqual({ entries: 0, bytes: 0, queued: 0 })
  })

  test("an entry above the whole budget is refused, and evicts nothing", async () => {
    const entries = await entriesOf(openBackend(temporaryDirectory(), { maxBytes: 10_000 }))
    await entries.put("small")
    await expect(entries.put("large", noise(20_000))).rejects.toThrow(StorageFullError)
    expect(entries.has("small")).toBe(true)
  })

  test("a queue that grows too long drops entries, and never the rest", async () => {
    const backend = openBackend(temporaryDirectory())
    const entries = await entriesOf(backend)
    const large = noise(2 ** 20)
    const puts = Array.from({ length: 80 }, (_, index) => entries.put(`key ${index}`, large))
    const settled = await Promise.allSettled(puts)
    const dropped = settled.filter((each) => each.status === "rejected")
    // 64 MiB, and each is somewhat more than one.
    expect(dropped).toHaveLength(17)
    expect(dropped[0]?.reason).toBeInstanceOf(StoreError)
    expect(backend.store.stats()).toMatchObject({ entries: 63, queued: 0 })
    expect(await entries.put("later")).toBe(true)
  })

  test("what is no entry is refused alone", async () => {
    const backend = openBackend(temporaryDirectory())
    const entries = await entriesOf(backend)
    const [good, bad, better] = await Promise.allSettled([
      entries.put("good"),
      backend.store.put("bad", new Uint8Array(200)),
      entries.put("better"),
    ])
    expect([good?.status, bad?.status, better?.status]).toEqual(["fulfilled", "rejected", "fulfilled"])
    expect(String((bad as PromiseRejectedResult).reason)).toMatch(/entry can't be read/)
  })
})

describe("touching", () => {
  test("a use is noted once a minute, and a sliding expiry as rarely", async () => {
    const clock = new ManualClock()
    const backend = openBackend(temporaryDirectory(), { clock, maxEntries: 2 })
    const entries = await entriesOf(backend)
    const idleTtlMs = 3_600_000
    const until = () => clock.wall() + idleTtlMs
    const first = until()
    await entries.put("key", "value", { idleTtlMs, idleUntilMs: first })
    const rank = rankOf(entries.headerOf("key"))
    const hit = async () => {
      const stored = entries.header("key")?.idleUntilMs
      await backend.store.touch("key", rank, { idleUntilMs: until() })
      return stored
    }
    clock.advance(59_000)
    await hit()
    expect(entries.header("key")?.idleUntilMs).toBe(first)
    clock.advance(2000)
    await hit()
    expect(entries.header("key")?.idleUntilMs).toBe(first + 61_000)
    await entries.put("second")
    clock.advance(1)
    await entries.put("third")
    // Of the same moment as the second's put, and by its key before it.
    expect([entries.has("key"), entries.has("second"), entries.has("third")]).toEqual([false, true, true])
  })
})

describe("touching a large entry", () => {
  test("writes no value anew", async () => {
    const path = temporaryDirectory()
    const clock = new ManualClock()
    const backend = openBackend(path, { mapSize: 16 * MIB, clock, sweepPauseMs: 1_000_000 })
    const entries = await entriesOf(backend)
    const keys = Array.from({ length: 20 }, (_, index) => `key ${index}`)
    const values = new Map(keys.map((key) => [key, noise(600_000)]))
    for (const key of keys) await entries.put(key, values.get(key))
    const { bytes } = backend.store.stats()
    const size = () => statSync(dataFileOf(path)).size
    const before = size()
    for (let round = 0; round < 3; round += 1) {
      clock.advance(61_000)
      const { version } = await backend.log.append([{ kind: "tag", path: "a" }], NOWHERE, "o")
      const rank = rankOf(entries.headerOf("key"))
      await Promise.all(keys.map((key) => backend.store.touch(key, rank, { asOf: version })))
      for (const key of keys) expect(entries.header(key)?.asOf).toBe(version)
    }
    expect(size() - before).toBeLessThan(MIB)
    expect(backend.store.stats()).toMatchObject({ entries: 20, bytes })
    for (const key of keys) {
      expect(backend.codec.decodeValue(backend.store.get(key) as Uint8Array)).toBe(values.get(key))
    }
    // And what is replaced, removed or evicted leaves nothing behind.
    await entries.put("key 0", "small", { asOf: entries.head + 1e9, keyVersion: entries.head })
    for (const key of keys) await backend.store.remove(key, { ...rankOf(entries.headerOf(key)), asOf: 2 ** 52 })
    expect(backend.store.stats()).toEqual({ entries: 0, bytes: 0, queued: 0 })
    await backend.close()
    const raw = openRaw(dataFileOf(path))
    for (const kind of [7, 8, 11]) {
      expect(raw.getKeysCount({ start: Buffer.of(kind), end: Buffer.of(kind + 1) }), String(kind)).toBe(0)
    }
    await raw.close()
  })

  test("that has lost its value is a miss and a fault, and can be replaced", async () => {
    const path = temporaryDirectory()
    const backend = openBackend(path)
    const entries = await entriesOf(backend)
    await entries.put("key", noise(50_000))
    const raw = openRaw(dataFileOf(path))
    for (const key of raw.getKeys({ start: Buffer.of(11), end: Buffer.of(12) })) raw.removeSync(key)
    await raw.close()
    const bytes = backend.store.get("key") as Uint8Array
    expect(() => backend.codec.decodeValue(bytes)).toThrow(CorruptEntryError)
    expect(await entries.put("key", "value")).toBe(true)
    expect(backend.codec.decodeValue(backend.store.get("key") as Uint8Array)).toBe("value")
    expect(backend.store.stats().entries).toBe(1)
  })

  test("leaves no large piece of memory behind for long", async () => {
    const backend = openBackend(temporaryDirectory())
    const entries = await entriesOf(backend)
    await entries.put("large", noise(3 * MIB))
    await entries.put("small", "value")
    expect(backend.codec.decodeValue(backend.store.get("large") as Uint8Array)).toHaveLength(3 * MIB)
    for (let read = 0; read < 256; read += 1) backend.store.get("small")
    const small = backend.store.get("small") as Uint8Array
    expect(small.buffer.byteLength).toBeLessThan(MIB)
    expect(backend.codec.decodeValue(small)).toBe("value")
    expect(backend.codec.decodeValue(backend.store.get("large") as Uint8Array)).toHaveLength(3 * MIB)
  })
})

describe("touches where there is no room", () => {
  test("are lost, and the file stays within its limit", async () => {
    const path = temporaryDirectory()
    const backend = openBackend(path, { mapSize: 2 * MIB, maxBytes: 100 * MIB, sweepPauseMs: 1_000_000 })
    const entries = await entriesOf(backend)
    for (let index = 0; index < 120; index += 1) await entries.put(`key ${index}`, noise(3000))
    const child = await startChild("hold-snapshot.mjs", dataFileOf(path))
    const rank = rankOf(entries.headerOf("key"))
    for (let round = 0; round < 12; round += 1) {
      const { version } = await backend.log.append([{ kind: "tag", path: "a" }], NOWHERE, "o")
      await Promise.all(
        Array.from({ length: 120 }, (_, index) => backend.store.touch(`key ${index}`, rank, { asOf: version })),
      )
    }
    expect(statSync(dataFileOf(path)).size).toBeLessThanOrEqual(2 * MIB)
    const { version } = await backend.log.append([{ kind: "tag", path: "a" }], NOWHERE, "o")
    expect((await backend.log.pull(NOWHERE)).head).toBe(version)
    child.kill("SIGKILL")
  })

  test("so many that a transaction would take long are lost too", async () => {
    const path = temporaryDirectory()
    const backend = openBackend(path, { sweepPauseMs: 1_000_000 })
    const entries = await entriesOf(backend)
    const tags = Array.from({ length: 1000 }, (_, index) => `a tag that is long:${"x".repeat(100)}:${index}`)
    const keys = Array.from({ length: 40 }, (_, index) => `key ${index}`)
    for (const key of keys) await entries.put(key, 1, { tags })
    const rank = rankOf(entries.headerOf("key"))
    const { version } = await backend.log.append([{ kind: "tag", path: "a" }], NOWHERE, "o")
    await Promise.all(keys.map((key) => backend.store.touch(key, rank, { asOf: version })))
    const lifted = keys.filter((key) => entries.header(key)?.asOf === version)
    // Each has 127 KB, and a transaction takes 1 MiB.
    expect(lifted.length).toBeGreaterThanOrEqual(8)
    expect(lifted.length).toBeLessThan(40)
  })
})

describe("a slide that another process has written since", () => {
  test("is not shortened by an older one, unless a clock was set back", async () => {
    const backend = openBackend(temporaryDirectory())
    const entries = await entriesOf(backend)
    const idleTtlMs = 3_600_000
    const until = Date.now() + idleTtlMs
    await entries.put("key", "value", { idleTtlMs, idleUntilMs: until })
    const rank = rankOf(entries.headerOf("key"))
    await backend.store.touch("key", rank, { idleUntilMs: until - 900 })
    expect(entries.header("key")?.idleUntilMs).toBe(until)
    await backend.store.touch("key", rank, { idleUntilMs: until + 900_000 })
    const { version } = await backend.log.append([{ kind: "tag", path: "a" }], NOWHERE, "o")
    await backend.store.touch("key", rank, { asOf: version, idleUntilMs: until + 899_500 })
    expect(entries.header("key")).toMatchObject({ asOf: version, idleUntilMs: until + 900_000 })
    await backend.store.touch("key", rank, { idleUntilMs: until })
    expect(entries.header("key")?.idleUntilMs).toBe(until)
  })
})

describe("touching what another process has found fresh since", () => {
  test("keeps its version, and the sliding goes on", async () => {
    const backend = openBackend(temporaryDirectory())
    const entries = await entriesOf(backend)
    const idleTtlMs = 3_600_000
    const until = Date.now() + idleTtlMs
    await entries.put("key", "value", { idleTtlMs, idleUntilMs: until })
    const rank = rankOf(entries.headerOf("key"))
    const first = await backend.log.append([{ kind: "tag", path: "a" }], NOWHERE, "o")
    const second = await backend.log.append([{ kind: "tag", path: "b" }], NOWHERE, "o")
    await backend.store.touch("key", rank, { asOf: second.version })
    await backend.store.touch("key", rank, { asOf: first.version, idleUntilMs: until + 1_000_000 })
    expect(entries.header("key")).toMatchObject({ asOf: second.version, idleUntilMs: until + 1_000_000 })
    await backend.store.touch("key", { ...rank, keyVersion: rank.keyVersion - 1 }, { idleUntilMs: until + 2_000_000 })
    await backend.store.touch("key", { ...rank, asOf: second.version + 1 }, { idleUntilMs: until + 2_000_000 })
    expect(entries.header("key")?.idleUntilMs).toBe(until + 1_000_000)
  })
})

describe("an entry of a version that the log has not come to", () => {
  test.each(["asOf", "keyVersion"])("is no obstacle to any other: %s", async (name) => {
    const backend = openBackend(temporaryDirectory(), { sweepPauseMs: 100_000 })
    const entries = await entriesOf(backend)
    await entries.put("key", 1, { [name]: Number.MAX_SAFE_INTEGER })
    expect(await entries.put("key", 2)).toBe(true)
    expect(entries.header("key")?.[name as "asOf"]).toBe(entries.head)
    await entries.put("key", 1, { [name]: Number.MAX_SAFE_INTEGER })
    await backend.store.remove("key", rankOf(entries.headerOf("key")))
    expect(entries.has("key")).toBe(false)
  })
})

describe("a full file", () => {
  test("the oldest entries make room, the file stays within its limit, and invalidations go on", async () => {
    const path = temporaryDirectory()
    const backend = openBackend(path, { mapSize: 2 * MIB, maxBytes: 100 * MIB })
    const entries = await entriesOf(backend)
    for (let index = 0; index < 1500; index += 1) {
      await entries.put(`key ${index}`, noise(index % 7 === 0 ? 12_000 : 3000)).catch((error: unknown) => {
        expect(error).toBeInstanceOf(StorageFullError)
      })
      if (index % 50 === 0) await backend.log.append([{ kind: "tag", path: `t:${index}` }], NOWHERE, "o")
    }
    expect(await entries.put("last", noise(3000))).toBe(true)
    expect(entries.has("last")).toBe(true)
    expect(backend.store.stats().bytes).toBeGreaterThan(MIB)
    expect(statSync(dataFileOf(path)).size).toBeLessThanOrEqual(2 * MIB)
    expect((await backend.log.pull(NOWHERE)).changes).toHaveLength(30)
  })

  test("an entry larger than the file is refused", async () => {
    const backend = openBackend(temporaryDirectory(), { mapSize: MIB, maxBytes: 100 * MIB })
    const entries = await entriesOf(backend)
    await expect(entries.put("large", noise(2 * MIB))).rejects.toThrow(/mapSize/)
    expect(await entries.put("small")).toBe(true)
  })

  test("a reader that is stopped with an old snapshot makes entries wait, not the file grow", async () => {
    const path = temporaryDirectory()
    const backend = openBackend(path, { mapSize: 2 * MIB, maxBytes: 100 * MIB })
    const entries = await entriesOf(backend)
    await entries.put("before")
    const child = await startChild("hold-snapshot.mjs", dataFileOf(path))
    const errors: unknown[] = []
    for (let index = 0; index < 1500; index += 1) {
      await entries.put(`key ${index % 20}`, noise(3000)).catch((error: unknown) => errors.push(error))
    }
    expect(errors[0]).toBeInstanceOf(StorageFullError)
    expect(statSync(dataFileOf(path)).size).toBeLessThanOrEqual(2 * MIB)
    const { version } = await backend.log.append([{ kind: "tag", path: "a" }], NOWHERE, "o")
    expect((await backend.log.pull(NOWHERE)).head).toBe(version)
    child.kill("SIGKILL")
  })
})

import { statSync } from "node:fs"
import { afterEach, describe, expect, test } from "vitest"
import { StorageFullError, StoreError } from "../../src/core/errors.js"
import { ManualClock } from "../../src/testing/index.js"
import { cleanUp, NOWHERE, openBackend, temporaryDirectory } from "./support/backends.js"
import { dataFileOf, startChild } from "./support/children.js"
import { entriesOf, noise, rankOf } from "./support/entries.js"

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

import { afterEach, describe, expect, test } from "vitest"
import type { EntryHeader } from "../../src/core/ports/codec.js"
import { openDatabase } from "../../src/lmdb/database.js"
import { Sweeper } from "../../src/lmdb/sweep.js"
import { cleanUp, type LmdbBackend, NOWHERE, openBackend, temporaryDirectory } from "./support/backends.js"
import { dataFileOf } from "./support/children.js"
import { entriesOf, noise } from "./support/entries.js"
import { openRaw } from "./support/raw.js"

afterEach(cleanUp)

// Kinds of rows, see src/lmdb/layout.ts.
const [PATH, INDEX, ENTRY, USE, DEAD] = [4, 5, 7, 8, 9]

async function entriesBecome({ log, store }: LmdbBackend, count: number): Promise<void> {
  const position = await log.pull(NOWHERE).then(({ epoch, head }) => ({ epoch, cursor: head }))
  const end = Date.now() + 60_000
  while (store.stats().entries !== count) {
    if (Date.now() > end) expect(store.stats().entries).toBe(count)
    await new Promise((resolve) => setTimeout(resolve, 5))
    log.look(position)
  }
}

describe("clearing away", () => {
  test("takes what is expired beyond its grace, idle, or invalidated, and nothing else", async () => {
    const backend = openBackend(temporaryDirectory(), { sweepPauseMs: 1 })
    const entries = await entriesOf(backend)
    const now = Date.now()
    const parts: Record<string, Partial<EntryHeader>> = {
      "in grace": { expiresAtMs: now - 1000, graceMs: 60_000 },
      "not expired": { expiresAtMs: now + 60_000 },
      "other tag": { tags: ["user:12", "users:1"] },
      "soft expiry": { tags: ["soft"], graceMs: 60_000 },
      impossible: { asOf: Number.MAX_SAFE_INTEGER },
      "impossible key": { keyVersion: Number.MAX_SAFE_INTEGER },
      expired: { expiresAtMs: now - 1000 },
      "expired and out of grace": { expiresAtMs: now - 10_000, graceMs: 5000 },
      idle: { idleUntilMs: now - 1000 },
      tag: { tags: ["fine", "user:1"] },
      "tag below": { tags: ["user:1:name"] },
      "other key": { keys: ["made of this"] },
      late: { tags: ["late"] },
    }
    const kept = ["in grace", "not expired", "other tag", "soft expiry", "loaded"]
    for (const [key, part] of Object.entries(parts)) await entries.put(key, key, part)
    const { version } = await backend.log.append(
      [
        { kind: "tag", path: "user:1" },
        { kind: "tag", path: "late" },
        { kind: "expiry", path: "soft" },
        { kind: "key", path: "made of this" },
      ],
      NOWHERE,
      "o",
    )
    await entries.put("loaded", 1, { tags: ["late"], asOf: version })
    await entriesBecome(backend, kept.length)
    expect([...Object.keys(parts), "loaded"].filter(entries.has)).toEqual(kept)
    const all = await backend.log.append([{ kind: "tag", path: "" }], NOWHERE, "o")
    await entries.put("loaded since", 1, { asOf: all.version })
    await entriesBecome(backend, 1)
    expect(entries.has("loaded since")).toBe(true)
  })

  test("takes what a cleared function has made, and what was made of that", async () => {
    const backend = openBackend(temporaryDirectory(), { sweepPauseMs: 1 })
    const entries = await entriesOf(backend)
    await entries.put("ƒ:f::1")
    await entries.put("ƒ:f:2:1")
    await entries.put("ƒ:g::1")
    await entries.put("of f", 1, { keys: ["ƒ:g::2", "ƒ:f::2"] })
    await entries.put("of g", 1, { keys: ["ƒ:g::2"] })
    const { version } = await backend.log.append([{ kind: "function", path: "ƒ:f::" }], NOWHERE, "o")
    await entries.put("ƒ:f::set since", 1, { keyVersion: version })
    await entries.put("ƒ:f::loaded since", 1, { asOf: version, keyVersion: version })
    await entries.put("of the new f", 1, { asOf: version, keys: ["ƒ:f::2"] })
    const kept = ["ƒ:f:2:1", "ƒ:g::1", "of g", "ƒ:f::set since", "ƒ:f::loaded since", "of the new f"]
    await entriesBecome(backend, kept.length)
    expect([...kept, "ƒ:f::1", "of f"].filter(entries.has)).toEqual(kept)
  })

  test("takes what was expired by a tag, beyond its grace since then", async () => {
    const backend = openBackend(temporaryDirectory(), { sweepPauseMs: 1 })
    const entries = await entriesOf(backend)
    await entries.put("without grace", 1, { tags: ["soft:1"] })
    await entries.put("short grace", 1, { tags: ["soft:1"], graceMs: 200 })
    await entries.put("in grace", 1, { tags: ["soft:1"], graceMs: 60_000 })
    await entries.put("another", 1, { tags: ["softer"] })
    const expiredMs = Date.now()
    const { version } = await backend.log.append([{ kind: "expiry", path: "soft" }], NOWHERE, "o")
    await entries.put("loaded since", 1, { tags: ["soft:1"], asOf: version })
    while (entries.has("without grace") || entries.has("short grace")) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      // Whoever writes clears away.
      await backend.log.append([{ kind: "tag", path: "other" }], NOWHERE, "o")
    }
    expect(Date.now() - expiredMs).toBeGreaterThanOrEqual(200)
    await entriesBecome(backend, 3)
    expect(["in grace", "another", "loaded since"].filter(entries.has)).toHaveLength(3)
  })

  test("reads no values, holds the gate only to write, and bounds each step by bytes", async () => {
    const path = temporaryDirectory()
    const backend = openBackend(path, { sweepPauseMs: 1_000_000 })
    const entries = await entriesOf(backend)
    for (let index = 0; index < 60; index += 1) await entries.put(`large ${index}`, noise(200_000))
    const tags = Array.from({ length: 2000 }, (_, index) => `a tag that is long:${"x".repeat(100)}:${index}`)
    for (let index = 0; index < 20; index += 1) await entries.put(`tags ${index}`, 1, { tags })
    await entries.put("expired", 1, { expiresAtMs: Date.now() - 1000 })
    await backend.close()
    const file = openDatabase({ path: dataFileOf(path), noSync: true })
    const read = { bytes: 0, held: 0 }
    const database = new Proxy(file, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== "function") return value
        return (...args: unknown[]) => {
          const result: unknown = Reflect.apply(value, target, args)
          if (name === "getBinaryFast" && result !== undefined) read.bytes += target.lastSize
          return result
        }
      },
    })
    const sweeper = new Sweeper(database, "owner", (work) => {
      read.held += 1
      return work()
    })
    const steps = []
    for (let isMore = true; isMore;) {
      Object.assign(read, { bytes: 0, held: 0 })
      isMore = sweeper.step(Date.now())
      steps.push({ ...read })
    }
    await file.close()
    // The lease, and the expired one.
    expect(steps.reduce((sum, { held }) => sum + held, 0)).toBe(2)
    // The headers with the many tags have 5 MB, the values 12.
    expect(steps.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(6_000_000)
    expect(Math.max(...steps.map(({ bytes }) => bytes))).toBeLessThan(1_600_000)
  })

  test("takes what is older than the log remembers", async () => {
    const backend = openBackend(temporaryDirectory(), { sweepPauseMs: 1, maxTags: 5 })
    const entries = await entriesOf(backend)
    await entries.put("old")
    for (let index = 0; index < 20; index += 1) {
      await backend.log.append([{ kind: "tag", path: `t:${index}` }], NOWHERE, "o")
    }
    await entriesBecome(backend, 0)
  })

  test("takes all of an epoch that has ended, in many small steps", async () => {
    const path = temporaryDirectory()
    const backend = openBackend(path, { sweepPauseMs: 1 })
    const other = openBackend(path, { sweepPauseMs: 1, prefix: "other" })
    const entries = await entriesOf(backend)
    await (await entriesOf(other)).put("kept")
    await Promise.all(Array.from({ length: 500 }, (_, index) => entries.put(`key ${index}`)))
    await backend.log.append(
      Array.from({ length: 500 }, (_, index) => ({ kind: "tag", path: `t:${index}` }) as const),
      NOWHERE,
      "o",
    )
    const ahead = { epoch: entries.epoch, cursor: entries.head + 1e12 }
    const { epoch } = await backend.log.pull(ahead)
    expect(epoch).not.toEqual(entries.epoch)
    expect(backend.store.stats().entries).toBe(0)
    const raw = openRaw(dataFileOf(path))
    const rows = (kind: number) => raw.getKeysCount({ start: Buffer.of(kind), end: Buffer.of(kind + 1) })
    for (const end = Date.now() + 60_000; rows(DEAD) > 0 && Date.now() < end;) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      raw.resetReadTxn()
    }
    expect([PATH, INDEX, ENTRY, USE, DEAD].map(rows)).toEqual([0, 0, 1, 1, 0])
    await raw.close()
    expect(other.store.get("kept")).toBeDefined()
  })
})

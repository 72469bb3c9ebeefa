import { afterEach, describe, expect, test } from "vitest"
import type { EntryHeader } from "../../src/core/codec.js"
import { cleanUp, type LmdbBackend, NOWHERE, openBackend, temporaryDirectory } from "./support/backends.js"
import { dataFileOf } from "./support/children.js"
import { entriesOf } from "./support/entries.js"
import { openRaw } from "./support/raw.js"

afterEach(cleanUp)

// Kinds of rows, see src/lmdb/layout.ts.
const [PATH, INDEX, ENTRY, USE, DEAD] = [4, 5, 7, 8, 9]

async function entriesBecome({ log, store }: LmdbBackend, count: number): Promise<void> {
  const position = await log.pull(NOWHERE).then(({ epoch, head }) => ({ epoch, cursor: head }))
  const end = Date.now() + 5000
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
      "soft expiry": { tags: ["soft"] },
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

  test("takes what is older than the log remembers", async () => {
    const backend = openBackend(temporaryDirectory(), { sweepPauseMs: 1, maxTags: 5 })
    const entries = await entriesOf(backend)
    await entries.put("old")
    for (let index = 0; index < 20; index += 1) {
      await backend.log.append([{ kind: "tag", path: `t:${index}` }], NOWHERE, "o")
    }
    await entriesBecome(backend, 0)
  })

  test("takes all of an epoch that has ended, in many small steps", { timeout: 30_000 }, async () => {
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
    for (const end = Date.now() + 10_000; rows(DEAD) > 0 && Date.now() < end;) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      raw.resetReadTxn()
    }
    expect([PATH, INDEX, ENTRY, USE, DEAD].map(rows)).toEqual([0, 0, 1, 1, 0])
    await raw.close()
    expect(other.store.get("kept")).toBeDefined()
  })
})

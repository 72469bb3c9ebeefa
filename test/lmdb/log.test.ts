import {
  chmodSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { afterEach, describe, expect, test, vi } from "vitest"
import { LogError, StoreError } from "../../src/core/base/errors.js"
import type { LogChange, PullReply } from "../../src/core/ports/log.js"
import { ManualClock } from "../../src/testing/index.js"
import { cleanUp, NOWHERE, openBackend, temporaryDirectory } from "./support/backends.js"
import { ended, forkChild } from "./support/children.js"
import { entriesOf } from "./support/entries.js"

afterEach(cleanUp)

const tag = (path: string): LogChange => ({ kind: "tag", path })

describe("looking", () => {
  test("says nothing when nothing is new, and otherwise what a pull would bring", async () => {
    const path = temporaryDirectory()
    const { log } = openBackend(path)
    const other = openBackend(path).log
    const { epoch, head } = await log.pull(NOWHERE)
    const position = { epoch, cursor: head }
    expect(log.look(position)).toBeUndefined()
    await other.pull(NOWHERE)
    await other.append([tag("a"), { kind: "key", path: "k" }], position, "the other")
    const looked = log.look(position) as PullReply
    expect(looked).toEqual(await log.pull(position))
    expect(looked.changes.map((change) => change.origin)).toEqual(["the other", "the other"])
    expect(log.look({ epoch, cursor: looked.head })).toBeUndefined()
    expect(log.look({ epoch: { ordinal: 1, nonce: "earlier" }, cursor: 5 })).toEqual(await log.pull(NOWHERE))
  })

  test("throws before it is open, and after it is closed", async () => {
    const { log, close } = openBackend(temporaryDirectory())
    expect(() => log.look(NOWHERE)).toThrow(StoreError)
    await log.pull(NOWHERE)
    expect(log.look(NOWHERE)).toBeDefined()
    await close()
    expect(() => log.look(NOWHERE)).toThrow(LogError)
    await expect(log.pull(NOWHERE)).rejects.toThrow(LogError)
    await expect(log.append([tag("a")], NOWHERE, "o")).rejects.toThrow(LogError)
  })

  test("brings a great many changes at once; beyond that it says so until they are pulled, and tells nobody", async () => {
    const { log, faults } = openBackend(temporaryDirectory())
    const rang = vi.fn<() => void>()
    const { epoch, head } = await log.pull(NOWHERE)
    const changes = Array.from({ length: 5000 }, (_, index) => tag(`t:${index}`))
    await log.append(changes, NOWHERE, "o")
    const looked = log.look({ epoch, cursor: head }) as PullReply
    expect(new Set(looked.changes.map((change) => change.path)).size).toBe(5000)
    await log.append([{ kind: "key", path: "k" }], NOWHERE, "o")
    await new Promise((resolve) => setImmediate(resolve))
    log.listen(rang)
    for (let look = 0; look < 3; look += 1) expect(log.look({ epoch, cursor: head })).toBe("behind")
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(rang).not.toHaveBeenCalled()
    const pulled = await log.pull({ epoch, cursor: head })
    expect(new Set(pulled.changes.map((change) => change.path)).size).toBe(5001)
    expect(log.look({ epoch, cursor: head })).toBe("behind")
    expect(log.look({ epoch, cursor: pulled.head })).toBeUndefined()
    const later = await log.append([tag("t:1")], NOWHERE, "o")
    expect(log.look({ epoch, cursor: pulled.head })).toMatchObject({ head: later.version })
    expect(faults).toEqual([])
  })

  test("begins a new epoch for a caller who has seen more than the file has", async () => {
    const { log } = openBackend(temporaryDirectory())
    const { epoch, head } = await log.pull(NOWHERE)
    const rang = new Promise<void>((resolve) => log.listen(() => resolve()))
    const ahead = { epoch, cursor: head + 1_000_000_000_000 }
    expect(() => log.look(ahead)).toThrow(/history was lost/)
    await rang
    const looked = log.look(ahead) as PullReply
    expect(looked.epoch.ordinal).toBeGreaterThan(epoch.ordinal)
    expect(looked.head).toBeGreaterThan(ahead.cursor)
  })
})

describe("pulling", () => {
  test("in pages misses nothing that changes in between", async () => {
    const { log } = openBackend(temporaryDirectory())
    await log.append(
      Array.from({ length: 3000 }, (_, index) => tag(`t:${index}`)),
      NOWHERE,
      "o",
    )
    const pulling = log.pull(NOWHERE)
    const moved = []
    for (let index = 0; index < 40; index += 1) moved.push(log.append([tag(`t:${index}`)], NOWHERE, "o"))
    const [pulled, replies] = await Promise.all([pulling, Promise.all(moved)])
    const versions = new Map(pulled.changes.map((change) => [change.path, change.version]))
    expect(versions.size).toBe(3000)
    for (const [index, { version }] of replies.entries()) {
      if (version <= pulled.head) expect(versions.get(`t:${index}`)).toBe(version)
    }
  })

  test("prefixes know nothing of each other", async () => {
    const path = temporaryDirectory()
    const a = openBackend(path, { prefix: "a" })
    const ab = openBackend(path, { prefix: "ab" })
    const strange = openBackend(path, { prefix: `\ud800${"x".repeat(500)}` })
    await a.log.append([tag("t")], NOWHERE, "o")
    await (await entriesOf(a)).put("key")
    for (const { log, store } of [ab, strange]) {
      expect((await log.pull(NOWHERE)).changes).toEqual([])
      expect(store.get("key")).toBeUndefined()
      expect(store.stats().entries).toBe(0)
    }
    await ab.log.append([{ kind: "key", path: "key" }, tag("")], NOWHERE, "o")
    expect(a.store.get("key")).toBeDefined()
    expect((await a.log.pull(NOWHERE)).changes).toHaveLength(1)
  })

  test("a change of a key removes its entry, and refuses what was loaded before", async () => {
    const backend = openBackend(temporaryDirectory())
    const entries = await entriesOf(backend)
    await entries.put("key")
    const { version } = await backend.log.append([{ kind: "key", path: "key" }], NOWHERE, "o")
    expect(entries.has("key")).toBe(false)
    expect(await entries.put("key")).toBe(false)
    expect(await entries.put("key", 1, { keyVersion: version })).toBe(true)
    expect(entries.has("key")).toBe(true)
  })
})

describe("epochs", () => {
  test("a restart keeps epoch, changes and entries", async () => {
    const path = temporaryDirectory()
    for (const durable of [false, true]) {
      const directory = join(path, String(durable))
      const first = openBackend(directory, { durable })
      const { epoch, version } = await first.log.append([tag("a")], NOWHERE, "o")
      await (await entriesOf(first)).put("key")
      await first.close()
      const second = openBackend(directory, { durable })
      const pulled = await second.log.pull(NOWHERE)
      expect(pulled).toMatchObject({ epoch, head: version, changes: [{ path: "a", version }] })
      expect(second.store.get("key")).toBeDefined()
      expect(second.store.stats().entries).toBe(1)
    }
  })

  test("another boot of the machine begins anew, above the clock of the one before", async () => {
    const path = temporaryDirectory()
    const first = openBackend(path, { bootId: "aaaa" })
    const before = await first.log.append([tag("a")], NOWHERE, "o")
    await (await entriesOf(first)).put("key")
    await first.close()
    const future = Math.floor(Date.now() / 1000) + 5000
    utimesSync(join(path, "data.aaaa.mdb"), future, future)
    const second = openBackend(path, { bootId: "bbbb" })
    const after = await second.log.pull({ epoch: before.epoch, cursor: before.version })
    expect(after.epoch.ordinal).toBeGreaterThan(future)
    expect(after.changes).toEqual([])
    expect(second.store.get("key")).toBeUndefined()
    const data = readdirSync(path).filter((name) => name.startsWith("data."))
    expect(data.sort()).toEqual(["data.bbbb.mdb", "data.bbbb.mdb-lock"])
  })

  test("a copied directory begins a new epoch, in which nothing of the copy is valid", async () => {
    const path = temporaryDirectory()
    const first = openBackend(join(path, "a"))
    const before = await first.log.append([tag("a")], NOWHERE, "o")
    await (await entriesOf(first)).put("key")
    cpSync(join(path, "a"), join(path, "b"), { recursive: true })
    const copy = openBackend(join(path, "b"))
    const after = await copy.log.pull(NOWHERE)
    expect(after.epoch.ordinal).toBeGreaterThan(before.epoch.ordinal)
    expect(after.head).toBeGreaterThan(before.version)
    expect(after.changes).toEqual([])
    expect(copy.store.get("key")).toBeUndefined()
    expect((await first.log.pull(NOWHERE)).epoch).toEqual(before.epoch)
  })
})

describe("a backup that is put back", () => {
  test.each([false, true])(
    "begins a new epoch, also where it gets the inode that was there; durable: %s",
    async (durable) => {
      const path = join(temporaryDirectory(), "cache")
      const first = openBackend(path, { durable })
      await (await entriesOf(first)).put("key")
      const { epoch } = await first.log.pull(NOWHERE)
      await first.close()
      cpSync(path, `${path}.backup`, { recursive: true })
      const second = openBackend(path, { durable })
      await second.log.append([tag("a")], NOWHERE, "o")
      expect((await second.log.pull(NOWHERE)).epoch).toEqual(epoch)
      await second.close()
      rmSync(path, { recursive: true })
      cpSync(`${path}.backup`, path, { recursive: true })
      const third = openBackend(path, { durable })
      expect((await third.log.pull(NOWHERE)).epoch).not.toEqual(epoch)
      expect(third.store.get("key")).toBeUndefined()
    },
  )
})

describe("a backup that is copied over what is there, which keeps the inodes", () => {
  const parts: readonly [what: string, isRestored: (name: string) => boolean][] = [
    ["the data file alone", (name) => /^data.*\.mdb$/.test(name)],
    ["what ends in .mdb", (name) => name.endsWith(".mdb")],
    ["all but the locks", (name) => !name.endsWith("-lock")],
    ["everything", () => true],
  ]
  const cases = parts.flatMap(([what, isRestored]) => [false, true].map((durable) => ({ what, isRestored, durable })))

  test.each(cases)("begins a new epoch: $what; durable: $durable", async ({ isRestored, durable }) => {
    const path = join(temporaryDirectory(), "cache")
    const first = openBackend(path, { durable })
    await (await entriesOf(first)).put("key")
    const { epoch } = await first.log.pull(NOWHERE)
    await first.close()
    cpSync(path, `${path}.backup`, { recursive: true })
    const second = openBackend(path, { durable })
    await second.log.append([tag("a")], NOWHERE, "o")
    expect((await second.log.pull(NOWHERE)).epoch).toEqual(epoch)
    await second.close()
    for (const name of readdirSync(`${path}.backup`).filter(isRestored)) {
      writeFileSync(join(path, name), readFileSync(join(`${path}.backup`, name)))
    }
    const third = openBackend(path, { durable })
    expect((await third.log.pull(NOWHERE)).epoch).not.toEqual(epoch)
    expect(third.store.get("key")).toBeUndefined()
  })
})

describe("the file that names the last opening", () => {
  const ofOpenings = (path: string) => readdirSync(path).filter((name) => name.startsWith("opening."))

  async function madeOnce(path: string, durable = false) {
    const backend = openBackend(path, { durable })
    await (await entriesOf(backend)).put("key")
    const { epoch } = await backend.log.pull(NOWHERE)
    await backend.close()
    return epoch
  }

  async function openOnce(path: string, durable = false) {
    const backend = openBackend(path, { durable })
    const { epoch } = await backend.log.pull(NOWHERE)
    const hasKey = backend.store.get("key") !== undefined
    await backend.close()
    return { epoch, hasKey }
  }

  test.each([false, true])("is another after each, and the epoch goes on; durable: %s", async (durable) => {
    const path = join(temporaryDirectory(), "cache")
    const epoch = await madeOnce(path, durable)
    const names = new Set(ofOpenings(path))
    for (let opening = 0; opening < 4; opening += 1) {
      expect(await openOnce(path, durable)).toEqual({ epoch, hasKey: true })
      expect(ofOpenings(path)).toHaveLength(1)
      for (const name of ofOpenings(path)) names.add(name)
    }
    expect(names.size).toBe(5)
  })

  test("may have been left by an opening that did not come to its end", async () => {
    const path = join(temporaryDirectory(), "cache")
    const epoch = await madeOnce(path)
    writeFileSync(join(path, "opening.0123456789abcdef"), "")
    expect(await openOnce(path)).toEqual({ epoch, hasKey: true })
    expect(ofOpenings(path)).toHaveLength(1)
    expect(ofOpenings(path)).not.toContain("opening.0123456789abcdef")
  })

  test.each<[string, (file: string) => unknown]>([
    ["is gone", (file) => rmSync(file)],
    ["was made anew", (file) => [rmSync(file), writeFileSync(file, "")]],
    ["is another one", (file) => renameSync(file, `${file.slice(0, -4)}0000`)],
  ])("begins a new epoch where it %s", async (_what, change) => {
    const path = join(temporaryDirectory(), "cache")
    const epoch = await madeOnce(path)
    for (const name of ofOpenings(path)) change(join(path, name))
    const after = await openOnce(path)
    expect(after.epoch).not.toEqual(epoch)
    expect(after.hasKey).toBe(false)
    expect(await openOnce(path)).toEqual({ epoch: after.epoch, hasKey: false })
  })

  test("may change its owner and rights, as when a container starts", async () => {
    const path = join(temporaryDirectory(), "cache")
    const epoch = await madeOnce(path)
    const files = readdirSync(path).map((name) => join(path, name))
    for (const file of files) chmodSync(file, 0o660)
    const { birthtimeNs, ctimeNs } = statSync(files[0] as string, { bigint: true })
    const hasBirthTime = birthtimeNs !== 0n && birthtimeNs !== ctimeNs
    const { epoch: after } = await openOnce(path)
    if (hasBirthTime) expect(after).toEqual(epoch)
  })

  test("is one, and the epoch stays, when many processes open at once and some are killed", async () => {
    const path = join(temporaryDirectory(), "cache")
    const epoch = await madeOnce(path)
    const children = Array.from({ length: 5 }, () => forkChild("open-and-close", path))
    await new Promise((resolve) => setTimeout(resolve, 400))
    children[0]?.kill("SIGKILL")
    await Promise.all(children.map((child) => ended(child)))
    expect(await openOnce(path)).toEqual({ epoch, hasKey: true })
    expect(ofOpenings(path)).toHaveLength(1)
  })
})

describe("a directory that goes away", () => {
  test("is noticed by a look, opened anew, and told once", async () => {
    const path = join(temporaryDirectory(), "cache")
    const clock = new ManualClock()
    const backend = openBackend(path, { clock })
    const { log, store, faults } = backend
    const reply = await log.append([tag("a")], NOWHERE, "o")
    await (await entriesOf(backend)).put("key")
    const position = { epoch: reply.epoch, cursor: reply.version }
    expect(log.look(position)).toBeUndefined()
    rmSync(path, { recursive: true })
    expect(log.look(position)).toBeUndefined()
    clock.advance(250)
    const rang = new Promise<void>((resolve) => log.listen(() => resolve()))
    expect(() => log.look(position)).toThrow(StoreError)
    expect(() => log.look(position)).toThrow(StoreError)
    expect(() => store.get("key")).toThrow(StoreError)
    await rang
    const pulled = await log.pull(position)
    expect(pulled.epoch).not.toEqual(reply.epoch)
    expect(pulled.epoch.ordinal).toBeGreaterThan(reply.epoch.ordinal)
    expect(pulled.head).toBeGreaterThanOrEqual(reply.version)
    expect(pulled.changes).toEqual([])
    expect(store.get("key")).toBeUndefined()
    expect(faults).toHaveLength(1)
    expect(faults[0]?.message).toContain("removed or replaced")
  })

  test("an append to it is not acknowledged, and goes through when it is repeated", async () => {
    const path = join(temporaryDirectory(), "cache")
    const { log } = openBackend(path, { clock: new ManualClock() })
    await log.append([tag("a")], NOWHERE, "o")
    rmSync(path, { recursive: true })
    await expect(log.append([tag("b")], NOWHERE, "o")).rejects.toThrow(LogError)
    const reply = await log.append([tag("c")], NOWHERE, "o")
    const pulled = await log.pull(NOWHERE)
    expect(pulled.changes).toMatchObject([{ path: "c", version: reply.version }])
    expect(existsSync(path)).toBe(true)
  })

  test("a file put in its place is seen for what it is", async () => {
    const path = join(temporaryDirectory(), "cache")
    const { log } = openBackend(path, { clock: new ManualClock() })
    await log.append([tag("a")], NOWHERE, "o")
    rmSync(path, { recursive: true })
    writeFileSync(path, "a file")
    await expect(log.pull(NOWHERE)).rejects.toThrow(/is a file/)
    rmSync(path)
    expect((await log.pull(NOWHERE)).changes).toEqual([])
  })
})

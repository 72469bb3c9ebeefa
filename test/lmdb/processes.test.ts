import { once } from "node:events"
import { renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, describe, expect, test } from "vitest"
import { cleanUp, NOWHERE, openBackend, temporaryDirectory } from "./support/backends.js"
import { dataFileOf, ended, forkChild, holdLock, linesOf } from "./support/children.js"
import { entriesOf } from "./support/entries.js"

afterEach(cleanUp)

describe("a process that is killed while it writes", () => {
  test("loses nothing that was acknowledged, and leaves nothing behind", { timeout: 180_000 }, async () => {
    const path = temporaryDirectory()
    const own = openBackend(path)
    await own.log.pull(NOWHERE)
    const acknowledged = new Map<string, number>()
    for (let kill = 0; kill < 8; kill += 1) {
      const child = forkChild("append-for-ever", path, String(kill * 1_000_000))
      const lines = linesOf(child)
      await once(child.stdout as NodeJS.ReadableStream, "data")
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 60))
      child.kill("SIGKILL")
      await once(child, "close")
      for (const line of lines) {
        const [round, version] = line.split(" ")
        if (version !== undefined) acknowledged.set(`round:${round}`, Number(version))
      }
      const reply = await own.log.append([{ kind: "tag", path: "own" }], NOWHERE, "o")
      expect(reply.version).toBeGreaterThan(Math.max(...acknowledged.values()))
    }
    const pulled = await openBackend(path).log.pull(NOWHERE)
    const versions = new Map(pulled.changes.map((change) => [change.path, change.version]))
    for (const [round, version] of acknowledged) expect(versions.get(round), round).toBe(version)
    expect(acknowledged.size).toBeGreaterThanOrEqual(8)
    const entries = await entriesOf(own)
    // What the killed ones stored is whole.
    for (let index = 0; index < 50; index += 1) {
      const bytes = own.store.get(`key ${index}`)
      if (bytes !== undefined) expect(own.codec.decodeValue(bytes)).toMatch(/^x*$/)
    }
    expect(await entries.put("key")).toBe(true)
  })
})

// Elsewhere a thread that waits for the lock can't be told that it would wait for ever.
describe.skipIf(process.platform !== "linux")("a process that is stopped while it writes", () => {
  test("delays appends, and neither the event loop nor closing nor the exit", async () => {
    const path = temporaryDirectory()
    const own = openBackend(path)
    await own.log.pull(NOWHERE)
    const child = forkChild("append-and-close", path, "15000")
    expect(await once(child, "message")).toEqual(["opened", undefined])
    const holder = await holdLock(dataFileOf(path))
    const answer = once(child, "message")
    child.send("go")
    const [told] = (await answer) as [{ outcome: string; longestMs: number; closeMs: number }]
    expect(told.outcome).toBe("waiting")
    // A loop that waits for the lock would wait until the end of the test.
    expect(told.longestMs).toBeLessThan(1000)
    expect(told.closeMs).toBeLessThan(3000)
    await ended(child)
    expect(child.exitCode).toBe(0)
    let isAnswered = false
    const appending = own.log.append([{ kind: "tag", path: "a" }], NOWHERE, "o").then((reply) => {
      isAnswered = true
      return reply
    })
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(isAnswered).toBe(false)
    expect((await own.log.pull(NOWHERE)).changes).toEqual([])
    holder.kill("SIGCONT")
    const { version } = await appending
    expect((await own.log.pull(NOWHERE)).head).toBe(version)
  })

  test("keeps nobody who has nothing to write from exiting", async () => {
    const path = temporaryDirectory()
    const own = openBackend(path)
    await own.log.pull(NOWHERE)
    await own.close()
    await holdLock(dataFileOf(path))
    const child = forkChild("open-and-close", path)
    const [closeMs] = (await once(child, "message")) as [number]
    expect(closeMs).toBeLessThan(1500)
    // Held until the end of the test.
    await ended(child)
    expect(child.exitCode).toBe(0)
  })

  test("and then a directory that can't be opened again leaves no answer to anything else", async () => {
    const path = join(temporaryDirectory(), "cache")
    const { log } = openBackend(path)
    await log.pull(NOWHERE)
    const holder = await holdLock(dataFileOf(path))
    const old = log.append([{ kind: "tag", path: "old" }], NOWHERE, "o")
    await pause(100)
    renameSync(path, `${path}.away`)
    writeFileSync(path, "a file")
    await pause(300)
    expect(() => log.look(NOWHERE)).toThrow()
    await expect(old).rejects.toThrow(/is a file/)
    holder.kill("SIGCONT")
    await ended(holder)
    rmSync(path)
    renameSync(`${path}.away`, path)
    const pulling = log.pull(NOWHERE)
    const paths = ["b", "c", "d"]
    const replies = []
    for (const tag of paths)
      replies.push((await Promise.all([log.append([{ kind: "tag", path: tag }], NOWHERE, "o"), pulling]))[0])
    const { changes } = await log.pull(NOWHERE)
    const versions = new Map(changes.map((change) => [change.path, change.version]))
    expect(replies.map(({ version }) => version)).toEqual(paths.map((tag) => versions.get(tag)))
    expect(versions.has("old")).toBe(false)
  })

  test("delays opening in the same way", async () => {
    const path = temporaryDirectory()
    const own = openBackend(path)
    await own.log.pull(NOWHERE)
    await own.close()
    const holder = await holdLock(dataFileOf(path))
    const child = forkChild("append-and-close", path, "700")
    expect(await once(child, "message")).toEqual(["opening", undefined])
    const answer = once(child, "message")
    child.send("go")
    const [told] = (await answer) as [{ outcome: string; longestMs: number; closeMs: number }]
    expect(told.outcome).toBe("waiting")
    expect(told.longestMs).toBeLessThan(1000)
    expect(told.closeMs).toBeLessThan(3000)
    await ended(child)
    const opening = openBackend(path).log.pull(NOWHERE)
    holder.kill("SIGKILL")
    expect((await opening).changes).toEqual([])
    expect(statSync(dataFileOf(path)).size).toBeGreaterThan(0)
  })
})

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs))
}

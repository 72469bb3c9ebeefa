import { once } from "node:events"
import { renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterEach, describe, expect, test } from "vitest"
import { cleanUp, NOWHERE, openBackend, temporaryDirectory } from "./support/backends.js"
import { dataFileOf, ended, forkChild, holdLock } from "./support/children.js"
import { killWriters } from "./support/kills.js"

afterEach(cleanUp)

/** For how long a child waits until it is open; on a machine of any speed it is by then. */
const PATIENT_MS = "600000"

describe("a process that is killed while it writes", () => {
  // Many more are in processes.faults.ts.
  test("loses nothing that was acknowledged, and leaves nothing behind", () => killWriters(4))
})

// Elsewhere a thread that waits for the lock can't be told that it would wait for ever.
describe.skipIf(process.platform !== "linux")("a process that is stopped while it writes", () => {
  test("delays appends, and neither the event loop nor closing nor the exit", async () => {
    const path = temporaryDirectory()
    const own = openBackend(path)
    await own.log.pull(NOWHERE)
    const child = forkChild("append-and-close", path, PATIENT_MS)
    expect(await once(child, "message")).toEqual(["opened", undefined])
    const holder = await holdLock(dataFileOf(path))
    const answer = once(child, "message")
    child.send("go")
    const [told] = (await answer) as [{ outcome: string }]
    expect(told.outcome).toBe("waiting")
    // The lock is held until the end of the test: nothing in there has waited for it, neither its event loop, nor `close`.
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
    await once(child, "message")
    // The lock is held until the end of the test.
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
    await expect.poll(() => isRefused(() => log.look(NOWHERE))).toBe(true)
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
    const [told] = (await answer) as [{ outcome: string }]
    expect(told.outcome).toBe("waiting")
    await ended(child)
    const opening = openBackend(path).log.pull(NOWHERE)
    holder.kill("SIGKILL")
    expect((await opening).changes).toEqual([])
    expect(statSync(dataFileOf(path)).size).toBeGreaterThan(0)
  })
})

function isRefused(call: () => unknown): boolean {
  try {
    call()
    return false
  } catch {
    return true
  }
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs))
}

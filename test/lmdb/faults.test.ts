import { AsyncLocalStorage } from "node:async_hooks"
import { once } from "node:events"
import type { Worker } from "node:worker_threads"
import { afterEach, describe, expect, test, vi } from "vitest"
import { LogError, StorageFullError, StoreError } from "../../src/core/base/errors.js"
import type { FromWriter, ToWriter } from "../../src/lmdb/protocol.js"
import type * as Thread from "../../src/lmdb/start-writer.js"
import { cleanUp, NOWHERE, openBackend, temporaryDirectory } from "./support/backends.js"
import { entriesOf } from "./support/entries.js"

const storage = new AsyncLocalStorage<object>()
/** Requests for which writers were started. */
const contexts: (object | undefined)[] = []
const workers: (Thread.WriterHandle & Worker)[] = []

vi.mock("../../src/lmdb/start-writer.js", async (importOriginal) => {
  const original = await importOriginal<typeof Thread>()
  return {
    startWriter: (settings: Parameters<typeof Thread.startWriter>[0]) => {
      contexts.push(storage.getStore())
      const worker = original.startWriter(settings)
      workers.push(worker as Thread.WriterHandle & Worker)
      return worker
    },
  }
})

afterEach(cleanUp)

describe("a prefix that the file can't be told", () => {
  test("fails for its own cache only, until it can", async () => {
    const path = temporaryDirectory()
    const good = openBackend(path, { prefix: "good" })
    await good.log.pull(NOWHERE)
    const worker = workers.at(-1) as Thread.WriterHandle & Worker
    const refused = new Set<number>()
    let isRefusing = true
    const post = worker.postMessage.bind(worker)
    worker.postMessage = (message: ToWriter, ...rest: never[]) => {
      if (message.type === "write" && isRefusing) {
        for (const [index, { type, prefix }] of message.log.entries()) {
          if (type === "attach" && prefix === "bad") refused.add(message.logFrom + index)
        }
      }
      post(message, ...rest)
    }
    const emit = worker.emit.bind(worker)
    worker.emit = (event: string | symbol, ...given: unknown[]) => {
      const [message] = given as [FromWriter]
      if (event !== "message" || message.type !== "written") return emit(event, ...given)
      const error = { kind: "full", subject: path, reason: "full", cause: undefined } as const
      const log = message.log.map((outcome, index) => (refused.has(message.logIds[index] ?? -1) ? { error } : outcome))
      return emit("message", { ...message, log })
    }
    const bad = openBackend(path, { prefix: "bad" })
    await expect(bad.log.pull(NOWHERE)).rejects.toThrow(StorageFullError)
    expect(() => bad.log.look(NOWHERE)).toThrow(StorageFullError)
    await expect(bad.log.pull(NOWHERE)).rejects.toThrow(StorageFullError)
    expect(good.log.look(NOWHERE)).toBeDefined()
    expect(await (await entriesOf(good)).put("key")).toBe(true)
    isRefusing = false
    expect((await bad.log.pull(NOWHERE)).changes).toEqual([])
    expect(bad.log.look(NOWHERE)).toBeDefined()
  })
})

describe("a writer thread that dies", () => {
  test("fails what waited, is told, and is replaced; nothing that was acknowledged is lost", async () => {
    const backend = openBackend(temporaryDirectory())
    const { log, store, faults } = backend
    const entries = await entriesOf(backend)
    await entries.put("key")
    const { epoch, version } = await log.append([{ kind: "tag", path: "a" }], NOWHERE, "o")
    const worker = workers.at(-1) as Thread.WriterHandle & Worker
    const waited = Promise.allSettled([log.append([{ kind: "tag", path: "b" }], NOWHERE, "o"), entries.put("other")])
    const rang = new Promise<void>((resolve) => log.listen(() => resolve()))
    // As if it were terminated, but not in a transaction.
    worker.stop()
    await once(worker, "exit")
    const outcomes = await waited
    for (const outcome of outcomes) {
      if (outcome.status === "rejected")
        expect(outcome.reason).toBeInstanceOf(outcome === outcomes[0] ? LogError : StoreError)
    }
    expect(faults.map((fault) => fault.constructor)).toEqual([StoreError])
    await rang
    const pulled = await log.pull(NOWHERE)
    expect(pulled.epoch).toEqual(epoch)
    expect(pulled.changes).toContainEqual({ kind: "tag", path: "a", version, origin: "o" })
    expect(store.get("key")).toBeDefined()
    expect((await log.append([{ kind: "tag", path: "c" }], NOWHERE, "o")).version).toBeGreaterThan(version)
  })
})

test("a writer that is started while a request runs belongs to none", async () => {
  contexts.length = 0
  const backend = storage.run({}, () => openBackend(temporaryDirectory(), { prefix: "first" }))
  await backend.log.pull(NOWHERE)
  expect(contexts).toEqual([undefined])
})

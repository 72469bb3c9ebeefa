import { once } from "node:events"
import type { Worker } from "node:worker_threads"
import { afterEach, describe, expect, test, vi } from "vitest"
import { LogError, StoreError } from "../../src/core/errors.js"
import type * as Thread from "../../src/lmdb/thread.js"
import { cleanUp, NOWHERE, openBackend, temporaryDirectory } from "./support/backends.js"
import { entriesOf } from "./support/entries.js"

const workers: Worker[] = []

vi.mock("../../src/lmdb/thread.js", async (importOriginal) => {
  const original = await importOriginal<typeof Thread>()
  return {
    startWriter: (settings: Parameters<typeof Thread.startWriter>[0]) => {
      const worker = original.startWriter(settings)
      workers.push(worker)
      return worker
    },
  }
})

afterEach(cleanUp)

describe("a writer thread that dies", () => {
  test("fails what waited, is told, and is replaced; nothing that was acknowledged is lost", async () => {
    const backend = openBackend(temporaryDirectory())
    const { log, store, faults } = backend
    const entries = await entriesOf(backend)
    await entries.put("key")
    const { epoch, version } = await log.append([{ kind: "tag", path: "a" }], NOWHERE, "o")
    const worker = workers.at(-1) as Worker
    const waited = Promise.allSettled([log.append([{ kind: "tag", path: "b" }], NOWHERE, "o"), entries.put("other")])
    const rang = new Promise<void>((resolve) => log.listen(() => resolve()))
    void worker.terminate()
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

import { expect, test } from "vitest"
import type { FromWriter } from "../../src/lmdb/protocol.js"
import { WriterQueue } from "../../src/lmdb/writer-queue.js"

const first = {}
const second = {}
const budget = { maxEntries: 10, maxBytes: 1000 }
const attach = { type: "attach", prefix: "p" } as const
const put = (key: string) => ({ type: "put", prefix: "p", key, usedMs: 1, budget }) as const
const append = {
  type: "append",
  prefix: "p",
  changes: [],
  position: { epoch: undefined, cursor: 0 },
  origin: "me",
  budget: { maxTags: 1, maxKeys: 1 },
} as const
const reply = { epoch: { ordinal: 1, nonce: "n" }, version: 1, previousHead: 0 }
const full = { kind: "full", subject: "d", reason: "full", cause: undefined } as const

/** An answer in which everything is written, but what failed. */
function written(
  logIds: readonly number[],
  storeIds: readonly number[],
  failed: readonly number[] = [],
): FromWriter & { readonly type: "written" } {
  return {
    type: "written",
    log: logIds.map(() => ({ value: reply })),
    store: storeIds.map((id) => (failed.includes(id) ? { error: full } : { value: true })),
    logIds,
    storeIds,
  }
}

test("everything of a turn is one message, with the rows behind each other, numbered on from the one before", () => {
  const queue = new WriterQueue("d")
  void queue.addLog(first, attach)
  void queue.addStore(first, put("a"), Buffer.from("one"))
  void queue.addStore(first, put("b"), Buffer.from("three"))
  const message = queue.take()
  expect(message).toMatchObject({ logFrom: 0, storeFrom: 0, log: [attach] })
  expect(message?.store).toMatchObject([
    { key: "a", at: 0, size: 9 },
    { key: "b", at: 9, size: 11 },
  ])
  expect(Buffer.from(message?.bytes as Uint8Array).toString("latin1")).toMatch(/^[^]{6}one[^]{6}three$/)
  expect(queue.take()).toBeUndefined()
  void queue.addStore(first, { type: "remove", prefix: "p", key: "a", rank: { ...rank } }, undefined)
  expect(queue.take()).toMatchObject({ logFrom: 1, storeFrom: 2, log: [], bytes: undefined })
})

const rank = { epoch: reply.epoch, keyVersion: 0, asOf: 0 }

test("each write is settled by its number, and appends among them are told", async () => {
  const queue = new WriterQueue("d")
  const attached = queue.addLog(first, attach)
  const appended = queue.addLog(second, append)
  const puts = [queue.addStore(first, put("a"), Buffer.from("a")), queue.addStore(second, put("b"), Buffer.from("b"))]
  queue.take()
  let settled = 0
  queue.settled.add(() => (settled += 1))
  expect(queue.settle(written([1], [1, 0], [0]))).toEqual([{ write: append, reply }])
  expect(await appended).toEqual(reply)
  await expect(puts[0]).rejects.toThrow("full")
  expect(await puts[1]).toBe(true)
  expect([settled, queue.isEmpty, queue.hasWritesOf(first), queue.hasWritesOf(second)]).toEqual([1, false, true, false])
  // What was answered once is not answered again.
  expect(queue.settle(written([1, 0], [1]))).toEqual([])
  expect(await attached).toEqual(reply)
  expect(queue.isEmpty).toBe(true)
})

test("a tenant that leaves waits for nothing, and its writes keep their numbers", async () => {
  const queue = new WriterQueue("d")
  const left = queue.addStore(first, put("a"), Buffer.from("a"))
  const stays = queue.addStore(second, put("b"), Buffer.from("b"))
  queue.rejectAllOf(first)
  await expect(left).rejects.toThrow("closed before it could be written")
  expect(queue.take()?.store).toHaveLength(2)
  queue.settle(written([], [0, 1]))
  expect(await stays).toBe(true)
  expect(queue.isEmpty).toBe(true)
})

test("what the writer will never answer is rejected, each kind with its own error", async () => {
  const queue = new WriterQueue("d")
  const log = queue.addLog(first, attach)
  const store = queue.addStore(first, put("a"), Buffer.from("a"))
  const [logError, storeError] = [new Error("log"), new Error("store")] as never[]
  queue.rejectAll(logError as never, storeError as never)
  await expect(log).rejects.toBe(logError)
  await expect(store).rejects.toBe(storeError)
  expect([queue.isEmpty, queue.take()]).toEqual([true, undefined])
})

test("more bytes than fit are dropped, until some are written", async () => {
  const queue = new WriterQueue("d")
  const large = Buffer.alloc(40 * 1024 * 1024)
  const kept = queue.addStore(first, put("a"), large)
  await expect(queue.addStore(first, put("b"), large)).rejects.toThrow("it was dropped")
  queue.take()
  queue.settle(written([], [0]))
  expect(await kept).toBe(true)
  void queue.addStore(first, put("c"), large)
  expect(queue.storeWritesOf(first)).toBe(1)
})

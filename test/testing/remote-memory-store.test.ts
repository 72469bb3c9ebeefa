import { beforeEach, expect, test } from "vitest"
import { createCodec } from "zoocache/codec"
import { ManualClock, MemoryStore, RemoteMemoryStore, settled, type StoreFate } from "zoocache/testing"

const codec = createCodec()
const rank = { epoch: { ordinal: 1, nonce: "first" }, keyVersion: 1, asOf: 1 }

function entry(value: unknown): Uint8Array {
  const never = Number.POSITIVE_INFINITY
  const times = { storedAtMs: 0, expiresAtMs: never, graceMs: 0, idleTtlMs: never, idleUntilMs: never }
  return codec.encode({ key: "key", ...rank, ...times, tags: [], keys: [] }, value)
}

let clock: ManualClock
let behind: MemoryStore
let store: RemoteMemoryStore

beforeEach(async () => {
  clock = new ManualClock()
  const data = new Map<string, Uint8Array>()
  behind = new MemoryStore({ codec, data })
  store = new RemoteMemoryStore({ codec, data, clock })
  await store.put("key", entry("before"))
})

/** A read, and what it has come to. */
function read(): { readonly reading: Promise<unknown>; state: string } {
  const reading = store.get("key").then((bytes) => (bytes === undefined ? undefined : codec.decodeValue(bytes)))
  const read = { reading, state: "open" }
  reading.then(
    (value) => (read.state = String(value)),
    () => (read.state = "failed"),
  )
  return read
}

function endReads(fate: StoreFate): void {
  store.decide = ({ kind }) => (kind === "get" ? fate : "pass")
}

test("a read is answered later, with what there was when it was called", async () => {
  const read1 = read()
  await store.put("key", entry("after"))
  for (let job = 0; job < 100; job += 1) await Promise.resolve()
  expect(read1.state).toBe("open")
  expect(await read1.reading).toBe("before")
  expect(await read().reading).toBe("after")
})

test("a read that is delayed takes that long", async () => {
  store.delayMs = 50
  const delayed = read()
  await clock.advanceAsync(49)
  expect(delayed.state).toBe("open")
  await clock.advanceAsync(1)
  expect(delayed.state).toBe("before")
})

test("a read that is held waits for the test, and finds what there is at its effect", async () => {
  endReads("hold")
  const [first, second, third] = [read(), read(), read()]
  await settled()
  expect(store.held.map(({ kind, key }) => `${kind} ${key}`)).toEqual(["get key", "get key", "get key"])
  expect(store.stats().queued).toBe(0)
  const [a, b, c] = store.held
  await a?.effect()
  await behind.put("key", entry("after"))
  await a?.answer()
  await b?.answer()
  c?.drop()
  expect([await first.reading, await second.reading]).toEqual(["before", "after"])
  await settled()
  expect(third.state).toBe("open")
})

test("a read fails, is lost, corrupt or mute when the test says so", async () => {
  endReads("fail")
  await expect(read().reading).rejects.toMatchObject({ code: "ERR_ZOOCACHE_STORE", subject: "get" })
  endReads("lose")
  expect(await read().reading).toBeUndefined()
  endReads("corrupt")
  const bytes = await store.get("key")
  expect(bytes).not.toEqual(behind.get("key"))
  expect(bytes?.byteLength).toBe(entry("before").byteLength)
  endReads("mute")
  const mute = read()
  await settled()
  expect(mute.state).toBe("open")
})

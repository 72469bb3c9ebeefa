import { beforeEach, describe, expect, test } from "vitest"
import { createCodec } from "zoocache/codec"
import { FaultyStore, MemoryStore, settled, type StoreFate, type StoreOperation } from "zoocache/testing"

const codec = createCodec()
const epoch = { ordinal: 1, nonce: "first" }
const rank = { epoch, keyVersion: 1, asOf: 1 }

function entry(value: unknown, key = "key"): Uint8Array {
  const never = Number.POSITIVE_INFINITY
  const times = { storedAtMs: 0, expiresAtMs: never, graceMs: 0, idleTtlMs: never, idleUntilMs: never }
  return codec.encode({ key, ...rank, ...times, tags: [], keys: [] }, value)
}

function valueOf(bytes: Uint8Array | undefined): unknown {
  return bytes === undefined ? undefined : codec.decodeValue(bytes)
}

let behind: MemoryStore
let store: FaultyStore

beforeEach(() => {
  const data = new Map<string, Uint8Array>()
  behind = new MemoryStore({ codec, data })
  store = new FaultyStore(new MemoryStore({ codec, data }))
})

/** From now on operations of this kind end so. */
function endAll(kind: StoreOperation["kind"], fate: StoreFate): void {
  store.decide = (operation) => (operation.kind === kind ? fate : "pass")
}

test("asks about each operation, and counts it", async () => {
  const asked: StoreOperation[] = []
  store.decide = (operation) => {
    asked.push(operation)
    return "pass"
  }
  await store.put("key", entry("value"))
  store.get("key")
  store.get("absent")
  await store.touch("key", rank, {})
  await store.remove("key", rank)
  await store.close()
  expect(asked.map(({ kind, key }) => `${kind} ${key}`)).toEqual([
    "put key",
    "get key",
    "get absent",
    "touch key",
    "remove key",
    "close ",
  ])
  expect(store.calls).toEqual({ get: 2, put: 1, remove: 1, touch: 1, acquire: 0, release: 0, close: 1 })
})

describe("a get", () => {
  beforeEach(() => store.put("key", entry("value")))

  test("that fails throws, with a failure of the test's choice", () => {
    endAll("get", "fail")
    expect(() => store.get("key")).toThrow(expect.objectContaining({ code: "ERR_ZOOCACHE_STORE", subject: "get" }))
    store.failure = ({ key }) => new RangeError(key)
    expect(() => store.get("key")).toThrow(new RangeError("key"))
  })

  test("that is lost finds nothing", () => {
    endAll("get", "lose")
    expect(store.get("key")).toBeUndefined()
  })

  test("that is corrupt answers with other bytes, and leaves what is stored alone", () => {
    endAll("get", "corrupt")
    const bytes = store.get("key")
    expect(bytes?.byteLength).toBe(entry("value").byteLength)
    expect(bytes).not.toEqual(behind.get("key"))
    store.corrupt = (copy) => copy.subarray(0, 3)
    expect(store.get("key")?.byteLength).toBe(3)
    store.corrupt = () => undefined
    expect(store.get("key")).toBeUndefined()
    expect(store.get("absent")).toBeUndefined()
    expect(valueOf(behind.get("key"))).toBe("value")
  })

  test("is answered at once by every fate that is for writes", () => {
    for (const fate of ["hold", "effectThenFail", "mute"] as const) {
      endAll("get", fate)
      expect(valueOf(store.get("key"))).toBe("value")
    }
  })
})

describe("a put", () => {
  test("that fails rejects and has no effect", async () => {
    endAll("put", "fail")
    await expect(store.put("key", entry("value"))).rejects.toMatchObject({ code: "ERR_ZOOCACHE_STORE" })
    expect(behind.get("key")).toBeUndefined()
  })

  test("may take effect and fail", async () => {
    endAll("put", "effectThenFail")
    await expect(store.put("key", entry("value"))).rejects.toMatchObject({ subject: "put" })
    expect(valueOf(behind.get("key"))).toBe("value")
  })

  test("that is lost is answered without an effect", async () => {
    endAll("put", "lose")
    expect(await store.put("key", entry("value"))).toBe(true)
    expect(behind.get("key")).toBeUndefined()
  })

  test("that is mute takes effect without an answer", async () => {
    endAll("put", "mute")
    let isAnswered = false
    void store.put("key", entry("value")).finally(() => {
      isAnswered = true
    })
    await settled()
    expect(isAnswered).toBe(false)
    expect(valueOf(behind.get("key"))).toBe("value")
  })

  test("that is corrupt stores other bytes", async () => {
    endAll("put", "corrupt")
    const bytes = entry("value")
    await store.put("key", bytes)
    expect(behind.get("key")).not.toEqual(entry("value"))
    expect(behind.get("key")?.byteLength).toBe(bytes.byteLength)
    expect(bytes).toEqual(entry("value"))
    store.corrupt = () => undefined
    expect(await store.put("another", entry("value", "another"))).toBe(true)
    expect(behind.get("another")).toBeUndefined()
  })
})

describe("a write that is held", () => {
  test("waits for the test, and counts as queued", async () => {
    store.decide = ({ kind }) => (kind === "get" ? "pass" : "hold")
    const put = store.put("key", entry("value"))
    const removed = store.remove("key", rank)
    await settled()
    expect(store.held.map(({ kind, key }) => `${kind} ${key}`)).toEqual(["put key", "remove key"])
    expect(store.stats()).toMatchObject({ entries: 0, queued: 2 })
    await store.held[0]?.answer()
    expect(await put).toBe(true)
    expect(valueOf(store.get("key"))).toBe("value")
    await store.held[0]?.answer()
    await removed
    expect(store.get("key")).toBeUndefined()
    expect(store.stats().queued).toBe(0)
  })

  test("may take effect before it is answered, once", async () => {
    endAll("put", "hold")
    let isAnswered = false
    const put = store.put("key", entry("value")).then((kept) => {
      isAnswered = true
      return kept
    })
    const [held] = store.held
    await held?.effect()
    await settled()
    expect(isAnswered).toBe(false)
    expect(valueOf(behind.get("key"))).toBe("value")
    await behind.remove("key", rank)
    await held?.answer()
    expect(await put).toBe(true)
    expect(behind.get("key")).toBeUndefined()
  })

  test("may be rejected, with or without an effect", async () => {
    endAll("put", "hold")
    const puts = [store.put("a", entry("a", "a")), store.put("b", entry("b", "b"))]
    const [first, second] = store.held
    first?.reject()
    await second?.effect()
    second?.reject(new RangeError("late"))
    await expect(puts[0]).rejects.toMatchObject({ code: "ERR_ZOOCACHE_STORE" })
    await expect(puts[1]).rejects.toThrow(new RangeError("late"))
    expect([valueOf(behind.get("a")), valueOf(behind.get("b"))]).toEqual([undefined, "b"])
  })

  test("may be dropped: no effect and no answer, ever", async () => {
    endAll("put", "hold")
    let isAnswered = false
    void store.put("key", entry("value")).finally(() => {
      isAnswered = true
    })
    const [held] = store.held
    held?.drop()
    await held?.effect()
    await held?.answer()
    held?.reject()
    await settled()
    expect(isAnswered).toBe(false)
    expect(behind.get("key")).toBeUndefined()
    expect(store.held).toEqual([])
  })

  test("is answered when the store heals, in order, and what is called later passes", async () => {
    endAll("put", "hold")
    const puts = ["first", "second"].map((value) => store.put("key", entry(value)))
    await store.heal()
    expect(await Promise.all(puts)).toEqual([true, true])
    expect(valueOf(behind.get("key"))).toBe("second")
    expect(await store.put("key", entry("third"))).toBe(true)
  })
})

test("a touch never rejects, and is lost where it fails", async () => {
  await store.put("key", entry("value"))
  endAll("touch", "fail")
  await store.touch("key", rank, { idleUntilMs: 5 })
  endAll("touch", "hold")
  const held = store.touch("key", rank, { idleUntilMs: 6 })
  store.held[0]?.reject()
  await held
  expect(codec.decodeHeader(behind.get("key") as Uint8Array).idleUntilMs).toBe(Number.POSITIVE_INFINITY)
  endAll("touch", "effectThenFail")
  await store.touch("key", rank, { idleUntilMs: 7 })
  expect(codec.decodeHeader(behind.get("key") as Uint8Array).idleUntilMs).toBe(7)
})

test("a close that fails has closed what is behind it", async () => {
  endAll("close", "fail")
  await expect(store.close()).rejects.toMatchObject({ subject: "close" })
  expect(() => store.get("key")).toThrow()
})

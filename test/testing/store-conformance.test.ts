import { describe, expect, test } from "vitest"
import { createCodec } from "zoocache/codec"
import { FaultyStore, MemoryStore, RemoteMemoryStore, storeConformance, type StoreUnderTest } from "zoocache/testing"
import type { Store } from "../../src/core/ports/store.js"
import { BROKEN_REMOTE_STORES, BROKEN_STORES, type MakeStore } from "./support/broken-stores.js"

const codec = createCodec()

/** Two handles of one store, or one, at versions as a log of our days gives them. */
function making(makeStore: (...made: Parameters<MakeStore>) => Store, hasOther = true): () => StoreUnderTest {
  return () => {
    const data = new Map<string, Uint8Array>()
    let version = Date.UTC(2026, 0, 1) * 1024
    let epoch = { ordinal: 1_767_225_600, nonce: "first" }
    const store = makeStore({ codec, data })
    return {
      store,
      other: hasOther ? makeStore({ codec, data }) : store,
      codec,
      epoch,
      nextVersion: () => (version += 1),
      beginEpoch: () => (epoch = { ordinal: epoch.ordinal + 1, nonce: "second" }),
    }
  }
}

describe("the store in memory", () => {
  storeConformance({ test, make: making((options) => new MemoryStore(options)) })
})

describe("the store in memory with one handle", () => {
  storeConformance({ test, make: making((options) => new MemoryStore(options), false) })
})

describe("the store that fails on demand, without faults", () => {
  storeConformance({ test, make: making((options) => new FaultyStore(new MemoryStore(options))) })
})

describe("the store in memory that is remote", () => {
  storeConformance({ test, make: making((options) => new RemoteMemoryStore(options)) })
})

describe("a store is caught that", () => {
  const tests: { name: string; body: (make: () => StoreUnderTest) => Promise<void> }[] = []
  let makeNow: (() => StoreUnderTest) | undefined
  storeConformance({
    test: (name, body) =>
      tests.push({
        name,
        body: (make) => {
          makeNow = make
          return body()
        },
      }),
    make: () => makeNow?.() as StoreUnderTest,
  })

  test.each(BROKEN_STORES)("%s", async (_wrong, caughtBy, makeStore) => {
    const guard = tests.find(({ name }) => name === caughtBy)
    await expect(guard?.body(making(makeStore))).rejects.toThrow()
  })

  test.each(BROKEN_REMOTE_STORES)("is remote and %s", async (_wrong, caughtBy, makeStore) => {
    const guard = tests.find(({ name }) => name === caughtBy)
    await expect(guard?.body(making(makeStore))).rejects.toThrow()
  })

  test("and each test of the suite is seen to fail", () => {
    const seen = new Set(BROKEN_STORES.map(([, caughtBy]) => caughtBy))
    expect(tests.map(({ name }) => name).filter((name) => !seen.has(name))).toEqual([])
  })
})

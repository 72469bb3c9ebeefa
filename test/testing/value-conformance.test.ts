import { AssertionError } from "node:assert"
import { describe, expect, test } from "vitest"
import { type CacheOptions, createCache } from "zoocache"
import type { EntryCodec } from "zoocache/backend"
import { createCodec } from "zoocache/codec"
import { MemoryStore, valueConformance, type ValueConformanceOptions } from "zoocache/testing"
import { jsonCodec } from "./support/json-codec.js"

/** A cache that has nothing in front of its store. */
function making(
  codec: EntryCodec,
  others: CacheOptions = {},
  makeStore = () => new MemoryStore({ codec }),
): ValueConformanceOptions["make"] {
  return (options) => {
    const cache = createCache({ ...options, ...others, store: makeStore(), codec, memory: false })
    return { cache, reader: cache }
  }
}

describe("memory without a codec", () => {
  valueConformance({
    test,
    refuses: "never",
    make: (options) => {
      const cache = createCache(options)
      return { cache, reader: cache }
    },
  })
})

describe("memory with a codec", () => {
  valueConformance({
    test,
    refuses: "strict",
    make: (options) => {
      const cache = createCache({ ...options, codec: createCodec() })
      return { cache, reader: cache }
    },
  })
})

describe("a store", () => {
  valueConformance({ test, make: making(createCodec()) })
})

/** A codec in front of which values are changed. */
function changing(change: (value: unknown) => unknown): EntryCodec {
  const codec = createCodec()
  return { ...methodsOf(codec), encode: (header, value) => codec.encode(header, change(value)) }
}

function methodsOf(codec: EntryCodec): EntryCodec {
  return {
    encode: (header, value) => codec.encode(header, value),
    decodeHeader: (bytes) => codec.decodeHeader(bytes),
    decodeValue: (bytes) => codec.decodeValue(bytes),
    amend: (bytes, change) => codec.amend(bytes, change),
  }
}

function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** A store that finds each entry once. */
class Forgetful extends MemoryStore {
  readonly #found = new Set<string>()

  override get(key: string): Uint8Array | undefined {
    if (this.#found.has(key)) return undefined
    const bytes = super.get(key)
    if (bytes !== undefined) this.#found.add(key)
    return bytes
  }
}

const codec = createCodec()
const BROKEN: readonly (readonly [wrong: string, make: ValueConformanceOptions["make"], caughtBy: RegExp])[] = [
  [
    "writes JSON",
    making(jsonCodec),
    /^(?!the values of JSON).*as they were (loaded|set)|or are refused|told as a fault, and not stored|strict|says where/,
  ],
  ["puts keys in an order of its own", making(changing(sorted)), /^the values of JSON|as they were set/],
  [
    "stores something else for what it can't store",
    making(changing((value) => (typeof value === "function" ? null : value))),
    /^functions|says where|outdates what was there/,
  ],
  ["finds an entry once", making(codec, {}, () => new Forgetful({ codec })), /however often/],
  ["hands out what every reader may change", making(codec, { isolation: "share" }), /can't be changed/],
]

describe("a tier is caught that", () => {
  const tests: { name: string; body: () => Promise<void> }[] = []
  let makeNow: ValueConformanceOptions["make"]
  valueConformance({
    test: (name, body) => tests.push({ name, body }),
    make: (options) => makeNow(options),
    patienceMs: 50,
  })

  test.each(BROKEN)("%s", async (_wrong, make, caughtBy) => {
    makeNow = make
    const guards = tests.filter(({ name }) => caughtBy.test(name))
    expect(guards.length).toBeGreaterThan(0)
    for (const { name, body } of guards) await expect(body(), name).rejects.toThrow(AssertionError)
  })

  test("and each test of the suite is seen to fail", () => {
    const isSeen = (name: string) => BROKEN.some(([, , caughtBy]) => caughtBy.test(name))
    expect(tests.map(({ name }) => name).filter((name) => !isSeen(name))).toEqual([])
  })
})

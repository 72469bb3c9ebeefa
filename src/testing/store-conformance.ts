import assert from "node:assert/strict"
import type { EntryCodec, EntryHeader } from "../core/ports/codec.js"
import { StoreError } from "../core/base/errors.js"
import type { Rank, Store } from "../core/ports/store.js"
import type { Epoch, Version } from "../core/tags/version.js"
import { copyBytes } from "./copy-bytes.js"

/** A store may drop what nobody can use any more, so all times are to come. */
const NOW_MS = Date.now()
/** Before the end that entries are stored with. */
const SOONER_MS = NOW_MS + 1_800_000
const LATER_MS = NOW_MS + 7_200_000

/** A store as the suite gets it. */
export interface StoreUnderTest {
  /** Fresh: it holds nothing. */
  readonly store: Store
  /** Another handle to the same store, as another process would have it; the same one where there is no such thing. */
  readonly other: Store
  /** The codec that entries are encoded with. */
  readonly codec: EntryCodec
  /** The epoch of which entries are accepted. */
  readonly epoch: Epoch
  /** A position of that epoch, above every one that it gave before. */
  readonly nextVersion: () => Version | Promise<Version>
  /**
   * Begins an epoch of a higher ordinal and answers with it; `nextVersion` counts on in it. Entries of the epoch before
   * may be refused or dropped from then on. Left out where that can't happen.
   */
  readonly beginEpoch?: (() => Epoch | Promise<Epoch>) | undefined
  /** Closes what `close()` of the stores does not. */
  readonly cleanUp?: (() => void | Promise<void>) | undefined
}

export interface StoreConformanceOptions {
  /** `test` or `it` of a test runner. */
  readonly test: (name: string, body: () => Promise<void>) => unknown
  /** Makes a fresh store for each test, with room for 32 MB at least: the suite expects that nothing is evicted. */
  readonly make: () => StoreUnderTest | Promise<StoreUnderTest>
}

/**
 * The contract of {@link Store} as tests, for the stores of this library and for your own.
 *
 * @example
 * import { test } from "node:test"
 * import { createCodec } from "zoocache/codec"
 * import { MemoryStore, storeConformance } from "zoocache/testing"
 * storeConformance({
 *   test,
 *   make: () => {
 *     const codec = createCodec()
 *     const data = new Map()
 *     let version = 0
 *     return {
 *       store: new MemoryStore({ codec, data }),
 *       other: new MemoryStore({ codec, data }),
 *       codec,
 *       epoch: { ordinal: 1, nonce: "a" },
 *       nextVersion: () => ++version,
 *     }
 *   },
 * })
 */
export function storeConformance(options: StoreConformanceOptions): void {
  const test = (name: string, body: (bench: Bench) => Promise<void>) => {
    options.test(name, async () => {
      const made = await options.make()
      try {
        // Three positions are enough for every question of rank: below, at, and above.
        const versions = [await made.nextVersion(), await made.nextVersion(), await made.nextVersion()] as const
        await body(new Bench(made, versions))
      } finally {
        await made.store.close()
        if (made.other !== made.store) await made.other.close()
        await made.cleanUp?.()
      }
    })
  }

  test("a key without an entry has none", async ({ store, other }) => {
    assert.equal(await store.get("absent"), undefined)
    assert.equal(await other.get("absent"), undefined)
  })

  test("what is put is there byte by byte, at every handle, when its promise resolves", async (bench) => {
    const { store, other } = bench
    for (const [turn, [writer, reader]] of [[store, other] as const, [other, store] as const].entries()) {
      for (let round = 0; round < 20; round += 1) {
        const key = `${turn}:${round}`
        // The reader looks before, so that what it saw then can't be what it sees later.
        assert.equal(await reader.get(key), undefined)
        const bytes = bench.entry({ key, value: round })
        assert.equal(await writer.put(key, copyBytes(bytes)), true)
        assertBytes(await reader.get(key), bytes, key)
        assertBytes(await writer.get(key), bytes, key)
      }
    }
  })

  test("values of any size come back whole", async (bench) => {
    const sizes = [0, 1, 100, 511, 4_000, 4_096, 65_536, 200_000, 1_048_576]
    for (const size of sizes) {
      const key = `size:${size}`
      const value = noise(size)
      const bytes = bench.entry({ key, value })
      assert.equal(await bench.store.put(key, copyBytes(bytes)), true)
      assertBytes(await bench.other.get(key), bytes, key)
      assert.equal(await bench.valueAt(key), value)
    }
    // The large ones have not run over the small ones.
    for (const size of sizes) assert.equal(await bench.valueAt(`size:${size}`), noise(size))
  })

  test("an entry may shrink and grow", async (bench) => {
    for (const size of [10, 100_000, 0, 5_000, 1, 70_000]) {
      assert.equal(await bench.put("key", noise(size)), true)
      assert.equal(await bench.valueAt("key"), noise(size))
    }
  })

  test("unusual keys are kept apart", async (bench) => {
    assert.equal(new Set(KEYS).size, KEYS.length)
    for (const key of KEYS) assert.equal(await bench.store.get(key), undefined, show(key))
    for (const [index, key] of KEYS.entries()) assert.equal(await bench.put(key, `value ${index}`), true, show(key))
    for (const [index, key] of KEYS.entries()) assert.equal(await bench.valueAt(key), `value ${index}`, show(key))
    for (const [index, key] of KEYS.entries()) {
      await bench.store.remove(key, bench.rank())
      assert.equal(await bench.other.get(key), undefined, show(key))
      const next = KEYS[index + 1]
      if (next !== undefined)
        assert.equal(await bench.valueAt(next), `value ${index + 1}`, `${show(next)} went as well`)
    }
  })

  // --- whose bytes they are ----------------------------------------------------------------------------------------

  test("bytes that are a part of a larger buffer are put without the rest, and the rest stays as it is", async (bench) => {
    const [a, b] = [bench.entry({ key: "a", value: "first" }), bench.entry({ key: "b", value: "second" })]
    const pool = new Uint8Array(a.byteLength + b.byteLength + 64).fill(0xee)
    pool.set(a, 16)
    pool.set(b, 32 + a.byteLength)
    const partA = pool.subarray(16, 16 + a.byteLength)
    const partB = pool.subarray(32 + a.byteLength, 32 + a.byteLength + b.byteLength)
    await bench.store.put("a", partA)
    assert.equal(pool.byteLength, a.byteLength + b.byteLength + 64, "the buffer was given away")
    assertBytes(partB, b, "what is behind it in the buffer")
    await bench.store.put("b", partB)
    assert.equal(pool[0], 0xee)
    assert.equal(pool[pool.byteLength - 1], 0xee)
    assertBytes(await bench.other.get("a"), a, "a")
    assertBytes(await bench.other.get("b"), b, "b")
  })

  test("bytes that were read stay as they are until the next call of the same handle", async (bench) => {
    const { store, other } = bench
    if (store === other) return
    await bench.put("key", "before")
    const read = await other.get("key")
    const before = read && copyBytes(read)
    await store.touch("key", bench.rank(), { asOf: bench.versions[1], idleUntilMs: SOONER_MS })
    await bench.put("key", "after!", bench.rank(2, 2))
    await bench.put("another", "another")
    assertBytes(read, before, "what was read")
    assert.equal(await bench.valueAt("key"), "after!")
    if (other.remote !== true || read === undefined) return
    // Bytes that came over a network are the caller's.
    assertBytes(read, before, "what was read")
    read.fill(0)
    assert.equal(await bench.valueAt("key"), "after!")
  })

  test("a read changes nothing: the same bytes again, however often", async (bench) => {
    const bytes = bench.entry({ key: "key", value: { some: ["value"] } })
    await bench.store.put("key", copyBytes(bytes))
    await bench.put("another", "another")
    for (let round = 0; round < 3; round += 1) {
      assertBytes(await bench.store.get("key"), bytes, "key")
      assert.notEqual(await bench.store.get("another"), undefined)
    }
  })

  // --- rank --------------------------------------------------------------------------------------------------------

  test("an entry replaces one of the same epoch unless that has a higher rank", async (bench) => {
    for (const { name, stored, given, isAbove } of bench.pairs()) {
      assert.equal(await bench.put(name, "stored", stored), true)
      assert.equal(await bench.put(name, "given", given), !isAbove, name)
      assert.equal(await bench.valueAt(name), isAbove ? "stored" : "given", name)
    }
  })

  test("an entry is removed unless it is above the rank that is given", async (bench) => {
    for (const { name, stored, given, isAbove } of bench.pairs()) {
      await bench.put(name, "stored", stored)
      await bench.store.remove(name, given)
      assert.equal(await bench.valueAt(name), isAbove ? "stored" : undefined, name)
    }
  })

  test("rank is told by numbers, not by their digits or their lowest bits", async (bench) => {
    const [low, middle] = bench.versions
    const below = [0, 1, 9, 10, 255, 256, 65_535, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40, low - 1]
    for (const version of below.filter((each) => each >= 0 && each < low)) {
      const key = `above ${version}`
      const [lower, higher] = [bench.at(version, version), bench.at(low, low)]
      await bench.put(key, "higher", higher)
      assert.equal(await bench.put(key, "lower", lower), false, key)
      await bench.store.remove(key, lower)
      assert.equal(await bench.valueAt(key), "higher", key)
      assert.equal(await bench.put(key, "highest", bench.at(middle, version)), true, key)
    }
  })

  test("an entry of a higher epoch outranks one of a lower epoch, whatever their versions", async (bench) => {
    // A store that never sees another epoch has nothing to show here.
    if (bench.made.beginEpoch === undefined) return
    const [low, , high] = bench.versions
    const old = { epoch: bench.made.epoch, keyVersion: high, asOf: high }
    await bench.put("replaced", "old", old)
    await bench.put("removed", "old", old)
    await bench.put("touched", "old", old)
    const epoch = await bench.made.beginEpoch()
    assert.ok(epoch.ordinal > bench.made.epoch.ordinal)
    for (const version of [low, high, await bench.made.nextVersion()]) {
      const key = `new ${version}`
      const young = { epoch, keyVersion: version, asOf: version }
      assert.equal(await bench.put(key, "young", young), true)
      assert.equal(await bench.put(key, "old", old), false)
      await bench.store.remove(key, old)
      await bench.store.touch(key, old, { asOf: high, idleUntilMs: SOONER_MS })
      assert.equal(await bench.valueAt(key), "young")
      assert.deepEqual(await bench.headerAt(key), bench.header({ ...young, key }))
    }
    assert.equal(await bench.put("replaced", "young", { epoch, keyVersion: low, asOf: low }), true)
    assert.equal(await bench.valueAt("replaced"), "young")
    await bench.store.remove("removed", { epoch, keyVersion: low, asOf: low })
    assert.equal(await bench.other.get("removed"), undefined)
    await bench.store.touch("touched", { epoch, keyVersion: high, asOf: high }, { idleUntilMs: SOONER_MS })
    // The entry may be gone as well: nobody can use it any more.
    assert.notEqual((await bench.headerAt("touched"))?.idleUntilMs, SOONER_MS)
  })

  // --- remove ------------------------------------------------------------------------------------------------------

  test("what was removed is gone at every handle when the promise resolves, and nothing else is", async (bench) => {
    const { store, other } = bench
    for (const [writer, reader] of [
      [store, other],
      [other, store],
    ] as const) {
      await bench.put("key", "value")
      await bench.put("key:below", "stays")
      assert.notEqual(await reader.get("key"), undefined)
      await writer.remove("key", bench.rank())
      assert.equal(await reader.get("key"), undefined)
      assert.equal(await writer.get("key"), undefined)
      assert.equal(await bench.valueAt("key:below"), "stays")
    }
  })

  test("removing what is not there, or twice, does no harm", async (bench) => {
    await bench.store.remove("absent", bench.rank())
    await bench.put("key", "value")
    await Promise.all([bench.store.remove("key", bench.rank()), bench.other.remove("key", bench.rank())])
    await bench.store.remove("key", bench.rank())
    assert.equal(await bench.other.get("key"), undefined)
    assert.equal(await bench.put("key", "again"), true)
    assert.equal(await bench.valueAt("key"), "again")
  })

  // --- touch -------------------------------------------------------------------------------------------------------

  test("a touch amends what it is given, and nothing else", async (bench) => {
    const [low, , high] = bench.versions
    const rank = bench.at(high, low)
    for (const [key, amendment] of Object.entries({
      nothing: {},
      asOf: { asOf: high },
      idle: { idleUntilMs: LATER_MS },
      "never idle": { idleUntilMs: Number.POSITIVE_INFINITY },
      both: { asOf: high, idleUntilMs: LATER_MS },
    })) {
      const value = { of: key, rest: noise(3_000) }
      await bench.put(key, value, rank)
      await bench.put(`${key} beside`, value, rank)
      await bench.store.touch(key, rank, amendment)
      assert.deepEqual(await bench.headerAt(key), { ...bench.header({ ...rank, key }), ...amendment }, key)
      assert.deepEqual(await bench.valueAt(key), value, key)
      assert.deepEqual(await bench.headerAt(`${key} beside`), bench.header({ ...rank, key: `${key} beside` }))
    }
  })

  test("a touch amends the entry that it means, also one that was lifted since, and no other", async (bench) => {
    for (const { name, stored, given } of bench.pairs()) {
      const isSame = stored.keyVersion === given.keyVersion && stored.asOf >= given.asOf
      await bench.put(name, "value", stored)
      await bench.store.touch(name, given, { idleUntilMs: SOONER_MS })
      assert.equal((await bench.headerAt(name))?.idleUntilMs, isSame ? SOONER_MS : bench.header({}).idleUntilMs, name)
    }
    const { epoch, ...versions } = bench.rank()
    await bench.put("epoch", "value", { epoch, ...versions })
    for (const another of [
      { ...epoch, nonce: `${epoch.nonce.slice(1)}x` },
      { ...epoch, ordinal: epoch.ordinal - 1 },
    ]) {
      await bench.store.touch("epoch", { epoch: another, ...versions }, { idleUntilMs: SOONER_MS })
      assert.notEqual((await bench.headerAt("epoch"))?.idleUntilMs, SOONER_MS)
    }
  })

  test("a touch that lifts asOf gives the entry a new rank", async (bench) => {
    const [low, middle, high] = bench.versions
    const rank = bench.at(middle, low)
    await bench.put("key", "value", rank)
    await bench.store.touch("key", rank, { asOf: high })
    // A touch with the rank from before still slides the entry, and lifts it no higher than it is.
    await bench.store.touch("key", rank, { asOf: middle, idleUntilMs: SOONER_MS })
    assert.deepEqual(await bench.headerAt("key"), {
      ...bench.header({ ...rank, key: "key" }),
      asOf: high,
      idleUntilMs: SOONER_MS,
    })
    assert.equal(await bench.put("key", "lower", bench.at(middle, middle)), false)
    await bench.store.remove("key", rank)
    assert.equal(await bench.valueAt("key"), "value")
    await bench.store.remove("key", bench.at(middle, high))
    assert.equal(await bench.other.get("key"), undefined)
  })

  test("a touch makes no entry, and does not reject for want of one", async (bench) => {
    await bench.store.touch("absent", bench.rank(), { idleUntilMs: SOONER_MS })
    await bench.put("key", "value")
    await bench.store.remove("key", bench.rank())
    await bench.store.touch("key", bench.rank(), { asOf: bench.versions[2], idleUntilMs: SOONER_MS })
    assert.equal(await bench.other.get("absent"), undefined)
    assert.equal(await bench.other.get("key"), undefined)
  })

  // --- many at once, in order --------------------------------------------------------------------------------------

  test("many entries at once are all there, each with its own value", async (bench) => {
    const keys = Array.from({ length: 2_000 }, (_, index) => `key:${index}`)
    const kept = await Promise.all(keys.map((key, index) => bench.put(key, { index, rest: noise(index % 300) })))
    assert.ok(kept.every((each) => each))
    for (const [index, key] of keys.entries()) {
      assert.deepEqual(await bench.valueAt(key), { index, rest: noise(index % 300) }, key)
    }
  })

  test("writes of one handle take effect in the order of their calls", async (bench) => {
    const { store } = bench
    const rounds = 30
    const writes: Promise<unknown>[] = []
    for (let round = 0; round < rounds; round += 1) {
      writes.push(bench.put("put last", round))
      writes.push(bench.put("removed last", round), store.remove("removed last", bench.rank()))
      writes.push(store.remove("kept", bench.rank()), bench.put("kept", round))
      writes.push(bench.put("touched", round), store.touch("touched", bench.rank(), { idleUntilMs: SOONER_MS + round }))
    }
    await Promise.all(writes)
    assert.equal(await bench.valueAt("put last"), rounds - 1)
    assert.equal(await bench.other.get("removed last"), undefined)
    assert.equal(await bench.valueAt("kept"), rounds - 1)
    assert.equal(await bench.valueAt("touched"), rounds - 1)
    assert.equal((await bench.headerAt("touched"))?.idleUntilMs, SOONER_MS + rounds - 1)
  })

  test("of writes of several handles at once the highest rank stays, in whatever order they came", async (bench) => {
    const { store, other } = bench
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
      [2, 0, 1],
    ] as const) {
      const key = order.join()
      await Promise.all(
        order.map((each, index) => {
          const bytes = bench.entry({ key, value: each, ...bench.rank(each, each) })
          return (index % 2 === 0 ? store : other).put(key, bytes)
        }),
      )
      assert.equal(await bench.valueAt(key), 2, key)
    }
  })

  test("a repeated put is one entry", async (bench) => {
    const bytes = bench.entry({ key: "key", value: "value" })
    const puts = [bench.store.put("key", copyBytes(bytes)), bench.other.put("key", copyBytes(bytes))]
    assert.deepEqual(await Promise.all(puts), [true, true])
    assert.equal(await bench.store.put("key", copyBytes(bytes)), true)
    assertBytes(await bench.other.get("key"), bytes, "key")
  })

  // --- stats and the end -------------------------------------------------------------------------------------------

  test("stats tell whole numbers, no more than there is, and that nothing waits when nothing does", async (bench) => {
    await Promise.all(Array.from({ length: 20 }, (_, index) => bench.put(`key:${index % 10}`, noise(100))))
    for (const store of [bench.store, bench.other]) {
      const { entries, bytes, queued } = store.stats()
      assert.ok(Number.isSafeInteger(entries) && entries >= 0 && entries <= 10, `${entries} entries`)
      assert.ok(Number.isSafeInteger(bytes) && bytes >= 0, `${bytes} bytes`)
      assert.equal(queued, 0)
    }
  })

  test("close() resolves when what was queued is written, and leaves other handles alone", async (bench) => {
    const { store, other } = bench
    const keys = Array.from({ length: 200 }, (_, index) => `key:${index}`)
    const puts = keys.map((key, index) => bench.put(key, index))
    await store.close()
    assert.ok((await Promise.all(puts)).every((each) => each))
    if (store === other) return
    for (const [index, key] of keys.entries()) assert.equal(await bench.valueAt(key), index)
    assert.equal(await other.put("later", bench.entry({ key: "later", value: "later" })), true)
    assert.equal(await bench.valueAt("later"), "later")
  })

  test("after close() reads throw, writes reject, a touch does nothing, and nothing is stored", async (bench) => {
    const { store, other } = bench
    await bench.put("key", "value")
    await store.close()
    await assertReadFails(store, "key")
    await assertReadFails(store, "absent")
    await assert.rejects(store.put("key", bench.entry({ key: "key", value: "late" })), StoreError)
    await assert.rejects(store.put("late", bench.entry({ key: "late", value: "late" })), StoreError)
    await assert.rejects(store.remove("key", bench.rank(2, 2)), StoreError)
    await store.touch("key", bench.rank(), { idleUntilMs: SOONER_MS })
    if (store === other) return
    assert.equal(await other.get("late"), undefined)
    assert.equal(await bench.valueAt("key"), "value")
    assert.notEqual((await bench.headerAt("key"))?.idleUntilMs, SOONER_MS)
  })

  test("close() twice is fine", async ({ store }) => {
    await Promise.all([store.close(), store.close()])
    await store.close()
  })
}

/** The bench of one test: a store, and entries to put into it. */
class Bench {
  readonly made: StoreUnderTest
  readonly store: Store
  readonly other: Store
  /** Three positions, ascending. */
  readonly versions: readonly [Version, Version, Version]

  constructor(made: StoreUnderTest, versions: readonly [Version, Version, Version]) {
    this.made = made
    this.store = made.store
    this.other = made.other
    this.versions = versions
  }

  /** A rank of two of the three positions. */
  rank(keyVersion = 0, asOf = 0): Rank {
    return this.at(this.versions[keyVersion] ?? NaN, this.versions[asOf] ?? NaN)
  }

  at(keyVersion: Version, asOf: Version): Rank {
    return { epoch: this.made.epoch, keyVersion, asOf }
  }

  /** Every rank that an entry can have against every one that a caller can come with. */
  *pairs(): Generator<{ name: string; stored: Rank; given: Rank; isAbove: boolean }> {
    const each = [0, 1, 2]
    for (const storedKey of each)
      for (const storedAsOf of each)
        for (const givenKey of each)
          for (const givenAsOf of each) {
            yield {
              name: `keyVersion ${storedKey}, asOf ${storedAsOf} and then ${givenKey}, ${givenAsOf}`,
              stored: this.rank(storedKey, storedAsOf),
              given: this.rank(givenKey, givenAsOf),
              isAbove: storedKey > givenKey || (storedKey === givenKey && storedAsOf > givenAsOf),
            }
          }
  }

  header(parts: Partial<EntryHeader>): EntryHeader {
    const { epoch, asOf, keyVersion } = this.rank()
    return {
      key: "",
      epoch,
      asOf,
      keyVersion,
      storedAtMs: NOW_MS,
      expiresAtMs: Number.POSITIVE_INFINITY,
      graceMs: 60_000,
      idleTtlMs: 3_600_000,
      idleUntilMs: NOW_MS + 3_600_000,
      tags: ["org:1", "org:1:user:2"],
      keys: ["another"],
      ...parts,
    }
  }

  entry({ value, ...parts }: Partial<EntryHeader> & { value: unknown }): Uint8Array {
    return this.made.codec.encode(this.header(parts), value)
  }

  put(key: string, value: unknown, rank = this.rank()): Promise<boolean> {
    return this.store.put(key, this.entry({ ...rank, key, value }))
  }

  /** The value of an entry as the other handle reads it, after a look at whether it is that key's. */
  async valueAt(key: string): Promise<unknown> {
    const bytes = await this.other.get(key)
    if (bytes === undefined) return undefined
    assert.equal(this.made.codec.decodeHeader(bytes).key, key, `${show(key)} has the entry of another key`)
    return this.made.codec.decodeValue(bytes)
  }

  async headerAt(key: string): Promise<EntryHeader | undefined> {
    const bytes = await this.other.get(key)
    return bytes === undefined ? undefined : this.made.codec.decodeHeader(bytes)
  }
}

const KEYS: readonly string[] = [
  "",
  " ",
  "a",
  "a ",
  "A",
  "a:b",
  "a:b:c",
  "a:",
  "0",
  "00",
  "-0",
  "\0",
  "\0\0",
  "a\0",
  "a\0b",
  "\n",
  "é",
  // the same letter in two code points
  "e\u0301",
  "\u{1f600}",
  // Halves of it, alone and the wrong way round; UTF-8 has none of them.
  "\ud83d",
  "\ude00",
  "\ude00\ud83d",
  "\ufffd",
  "\uffff",
  "__proto__",
  "constructor",
  "toString",
  'ƒ:name:2:"quoted"',
  "k".repeat(127),
  "k".repeat(128),
  "k".repeat(511),
  "k".repeat(512),
  "k".repeat(1_979),
  "k".repeat(5_000),
  `${"k".repeat(5_000)}!`,
  `!${"k".repeat(5_000)}`,
  "ü".repeat(1_000),
  "long".repeat(25_000),
]

function show(key: string): string {
  return `the key ${JSON.stringify(key.length > 20 ? `${key.slice(0, 20)}… (${key.length})` : key)}`
}

/** Text that no compression makes much smaller, the same for the same length. */
function noise(length: number): string {
  const parts: string[] = []
  let state = length + 1
  for (let made = 0; made < length; made += 5) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    parts.push((state >>> 2).toString(36).padStart(6, "0").slice(-5))
  }
  return parts.join("").slice(0, length)
}

/** A read throws at once or rejects, as it answers. */
async function assertReadFails(store: Store, key: string): Promise<void> {
  if (store.remote !== true) {
    assert.throws(() => store.get(key), StoreError)
    return
  }
  const reading = store.get(key)
  await assert.rejects(reading, StoreError)
}

function assertBytes(actual: Uint8Array | undefined, expected: Uint8Array | undefined, what: string): void {
  assert.ok(actual !== undefined && expected !== undefined, `${what}: there is no entry`)
  // lmdb-js hands out arrays whose own `length` is shorter than their memory.
  const bytes = actual.subarray(0, actual.length)
  // In one go: to show a difference in a megabyte would take minutes.
  assert.ok(Buffer.compare(bytes, expected) === 0, `${what}: other bytes than were put`)
}

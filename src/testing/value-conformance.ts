import assert from "node:assert/strict"
import type { Cache } from "../core/cache/cache.js"
import { UnencodableValueError } from "../core/base/errors.js"
import type { Fault } from "../core/base/outbox.js"
import { differenceOf } from "./same-value.js"
import { CHANGELESS_VALUES, KEPT_VALUES, REFUSED_VALUES, type ValueTable } from "./value-table.js"

/** Caches as the suite gets them. The suite closes them. */
export interface ValuesUnderTest {
  /** Loads values, and stores them in the tier under test. */
  readonly cache: Cache
  /**
   * Has to read them from that tier: another cache of the same backend, or the same one where no other tier is in front
   * (`memory: false`).
   */
  readonly reader: Cache
  /** Closes what `close()` of the caches does not. */
  readonly cleanUp?: (() => void | Promise<void>) | undefined
}

/** For `createCache`. */
export interface ValueCacheOptions {
  readonly strict: boolean
  readonly onFault: (fault: Fault) => void
}

export interface ValueConformanceOptions {
  /** `test` or `it` of a test runner. */
  readonly test: (name: string, body: () => Promise<void>) => unknown
  /** Makes caches with these options, and an empty tier, for each test. */
  readonly make: (options: ValueCacheOptions) => ValuesUnderTest | Promise<ValuesUnderTest>
  /**
   * When what can't be brought back is refused. `"never"` is for memory without a codec, `"strict"` for memory with one:
   * they keep the value itself. Default `"always"`.
   */
  readonly refuses?: "always" | "strict" | "never" | undefined
  /** For how long a value may take to reach its tier; milliseconds. Default 5000. */
  readonly patienceMs?: number | undefined
}

/**
 * The one contract about types of values as tests, for every tier: what is read is what was stored, of the same kinds
 * and with the same content, or the value is refused; it is never silently changed.
 *
 * @example
 * import { test } from "node:test"
 * import { createCache } from "zoocache"
 * import { createCodec } from "zoocache/codec"
 * import { MemoryStore, valueConformance } from "zoocache/testing"
 * const codec = createCodec()
 * valueConformance({
 *   test,
 *   make: (options) => {
 *     const cache = createCache({ ...options, store: new MemoryStore({ codec }), codec, memory: false })
 *     return { cache, reader: cache }
 *   },
 * })
 */
export function valueConformance(options: ValueConformanceOptions): void {
  const { make, refuses = "always", patienceMs = 5000 } = options
  const test = (name: string, body: (bench: Bench) => Promise<void>, strict = false) => {
    options.test(name, async () => {
      const faults: Fault[] = []
      const made = await make({ strict, onFault: (fault) => faults.push(fault) })
      try {
        await Promise.all([made.cache.ready(), made.reader.ready()])
        await body(new Bench(made, faults, patienceMs))
      } finally {
        await made.cache.close()
        if (made.reader !== made.cache) await made.reader.close()
        await made.cleanUp?.()
      }
    })
  }

  for (const [kind, table] of Object.entries(KEPT_VALUES)) {
    test(`${kind} come back as they were loaded`, async (bench) => {
      for (const [what, makeValue] of rowsOf(table)) {
        await bench.load(what, makeValue())
        const found = await bench.found(what)
        assert.ok(found !== undefined, `${what}: it was not stored`)
        assertSame(found.value, makeValue(), what)
      }
      bench.assertNoFaults()
    })
  }

  test("values that are set come back as they were set", async (bench) => {
    for (const [kind, table] of Object.entries(KEPT_VALUES)) {
      for (const [what, makeValue] of rowsOf(table)) {
        const key = `${kind}: ${what}`
        await bench.made.cache.set(key, makeValue())
        const found = await bench.found(key)
        assert.ok(found !== undefined, `${key}: it was not stored`)
        assertSame(found.value, makeValue(), key)
      }
    }
    bench.assertNoFaults()
  })

  test("a value comes back the same however often it is read", async (bench) => {
    const makeValue = () => ({ rows: [{ id: 1, at: new Date(0) }], map: new Map([["a", new Set([1])]]) })
    await bench.load("key", makeValue())
    for (let round = 0; round < 3; round += 1) assertSame((await bench.found("key"))?.value, makeValue(), "key")
    const many = await bench.made.reader.getMany(["key"])
    assertSame(many.get("key"), makeValue(), "of many")
    assertSame(await bench.made.reader.getOrLoad("key", () => assert.fail("it was loaded again")), makeValue(), "key")
  })

  test("a value that comes back can't be changed for other readers by accident", async (bench) => {
    await bench.load("key", { rows: [{ id: 1 }] })
    const found = (await bench.found("key"))?.value as { rows: { id: number }[] }
    assert.ok(Object.isFrozen(found) && Object.isFrozen(found.rows) && Object.isFrozen(found.rows[0]))
  })

  for (const [kind, table] of Object.entries(CHANGELESS_VALUES)) {
    test(`${kind} come back as they were, or are refused`, async (bench) => {
      for (const [what, makeValue] of rowsOf(table)) {
        const value = makeValue()
        assert.equal(await bench.load(what, value), value, `${what}: the call did not get its value`)
        const found = await bench.found(what)
        if (found === undefined) bench.assertRefused(what)
        else assertSame(found.value, makeValue(), what)
      }
    })
  }

  for (const [kind, table] of Object.entries(REFUSED_VALUES)) {
    if (refuses === "always") {
      test(`${kind} are given to the call, told as a fault, and not stored`, async (bench) => {
        for (const [what, makeValue] of rowsOf(table)) {
          const value = makeValue()
          assert.equal(await bench.load(what, value), value, `${what}: the call did not get its value`)
          bench.assertRefused(what)
          assert.equal(await bench.found(what), undefined, `${what}: it was stored`)
          const again = makeValue()
          assert.equal(await bench.load(what, again), again, `${what}: it was not loaded again`)
          bench.assertRefused(what)
        }
      })
    } else {
      test(`${kind} are kept as they are`, async (bench) => {
        for (const [what, makeValue] of rowsOf(table)) {
          const value = makeValue()
          assert.equal(await bench.load(what, value), value, what)
          assert.equal((await bench.found(what))?.value, value, what)
        }
        bench.assertNoFaults()
      })
    }

    if (refuses === "never") continue
    test(
      `${kind} fail the call in strict mode, and are not stored`,
      async (bench) => {
        for (const [what, makeValue] of rowsOf(table)) {
          await assert.rejects(bench.load(what, makeValue()), UnencodableValueError, what)
          await assert.rejects(bench.made.cache.set(what, makeValue()), UnencodableValueError, what)
          assert.equal(await bench.found(what), undefined, `${what}: it was stored`)
        }
      },
      true,
    )
  }

  if (refuses === "never") return
  test(
    "the error of a refused value says where in it the trouble is",
    async (bench) => {
      const bad = () => 1
      for (const [path, value] of [
        ["", bad],
        [".owner", { owner: bad }],
        [".rows[1].owner", { rows: [{ owner: 1 }, { owner: bad }] }],
        ["[0][2]", [[1, 2, bad]]],
      ] as const) {
        await assert.rejects(bench.load(`at ${path}`, value), { name: "UnencodableValueError", path })
      }
    },
    true,
  )

  if (refuses === "strict") return
  test("a value that is set and refused resolves, is told as a fault, and outdates what was there", async (bench) => {
    await bench.made.cache.set("key", "before")
    assert.notEqual(await bench.found("key"), undefined)
    await bench.made.cache.set("key", () => 1)
    bench.assertRefused("key")
    assert.equal(await bench.found("key"), undefined)
  })

  test("a value that is loaded anew and refused outdates what was there", async (bench) => {
    await bench.load("key", "before")
    assert.notEqual(await bench.found("key"), undefined)
    await bench.made.cache.invalidate("tag")
    await bench.load("key", () => 1)
    bench.assertRefused("key")
    assert.equal(await bench.found("key"), undefined)
  })
}

class Bench {
  readonly made: ValuesUnderTest
  readonly #faults: Fault[]
  readonly #patienceMs: number
  #markers = 0

  constructor(made: ValuesUnderTest, faults: Fault[], patienceMs: number) {
    this.made = made
    this.#faults = faults
    this.#patienceMs = patienceMs
  }

  load(key: string, value: unknown): Promise<unknown> {
    return this.made.cache.getOrLoad(key, () => value, { deps: ["tag"] })
  }

  /** The reader's answer for a key, once all that was stored before has reached it. */
  async found(key: string): Promise<{ value: unknown } | undefined> {
    // Writes go out in order, so that what is not there by then never will be.
    const marker = `marker ${++this.#markers}`
    await this.load(marker, "here")
    const end = Date.now() + this.#patienceMs
    while ((await this.made.reader.lookup(marker)) === undefined) {
      if (Date.now() > end) assert.fail("nothing that is stored comes back")
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    return this.made.reader.lookup(key)
  }

  assertRefused(key: string): void {
    const faults = this.#faults.splice(0)
    const refusals = faults.filter(({ error }) => error instanceof UnencodableValueError)
    assert.ok(refusals.length > 0, `${key}: no fault told that it was refused`)
    for (const fault of faults) assert.equal(fault.key, key)
  }

  assertNoFaults(): void {
    const [fault] = this.#faults
    if (fault !== undefined) assert.fail(`${fault.key}: ${fault.error.message}`)
  }
}

function assertSame(found: unknown, expected: unknown, what: string): void {
  const difference = differenceOf(found, expected)
  if (difference !== undefined) assert.fail(`${what}${difference}`)
}

function rowsOf(table: ValueTable): [what: string, make: () => unknown][] {
  return Object.entries(table)
}

import { describe, expect, test } from "vitest"
import { HookError, InvalidOptionError } from "zoocache"
import { makeCache, rejectionOf } from "../support/caches.js"
import { Machine, rowsOf } from "../support/shared.js"

// An unhandled rejection, which would end a process, fails the whole run of these tests.
const answers: readonly [string, () => Promise<never>][] = [
  ["answers later", () => new Promise<never>(() => {})],
  ["rejects", () => Promise.reject(new Error("handled"))],
  [
    "is an async function that throws",
    async () => {
      throw new Error("handled")
    },
  ],
]

describe("a promise where a hook has to answer at once", () => {
  test.each(answers)("rejects the call where `deps` %s", async (_name, deps) => {
    const { cache } = makeCache()
    const load = cache.cacheable(async (id: number) => id, { deps: deps as unknown as () => string[] })
    const error = await rejectionOf(load(1))
    expect(error).toBeInstanceOf(InvalidOptionError)
    expect((error as Error).message).toMatch("hooks are synchronous")
    expect(await rejectionOf(load.prime([1], 1, { asOf: "now" }))).toBeInstanceOf(InvalidOptionError)
    expect(load.peek(1)).toBe(undefined)
  })

  describe.each(answers)("that %s", (_name, hook) => {
    test.each(["depsOf", "ttl", "cacheIf", "sizeOf"] as const)(
      "from `%s` is a fault: the value is returned and not stored",
      async (name) => {
        const { cache, faults } = makeCache({ memory: { maxBytes: 1_000_000 } })
        const load = cache.cacheable(async (id: number) => id, { [name]: hook })
        expect(await load(1)).toBe(1)
        expect(load.peek(1)).toBe(undefined)
        expect(faults).toHaveLength(1)
        expect(faults[0]?.error).toBeInstanceOf(HookError)
        expect(faults[0]?.error.message).toMatch("hooks are synchronous")
        await load.prime([1], 1, { asOf: "now" })
        expect(load.peek(1)).toBe(undefined)
        expect(faults).toHaveLength(2)
      },
    )

    test("from `cacheErrors` is a fault: the error is given and not kept", async () => {
      const { cache, faults } = makeCache()
      let loads = 0
      const load = cache.cacheable(
        async () => {
          loads += 1
          throw new Error("no row")
        },
        { cacheErrors: hook as unknown as () => false },
      )
      expect(await rejectionOf(load())).toMatchObject({ message: "no row" })
      expect(await rejectionOf(load())).toMatchObject({ message: "no row" })
      expect(loads).toBe(2)
      expect(faults.map(({ error }) => error.message)).toEqual([
        expect.stringContaining("hooks are synchronous"),
        expect.stringContaining("hooks are synchronous"),
      ])
    })

    test("from a synchronous function's hook is the same", () => {
      const { cache, faults } = makeCache()
      const load = cache.cacheableSync((id: number) => id, { cacheIf: hook as unknown as () => boolean })
      expect(load(1)).toBe(1)
      expect(load.peek(1)).toBe(undefined)
      expect(faults).toHaveLength(1)
    })
  })
})

test("hooks keep their `this` and their arguments", async () => {
  const { cache } = makeCache()
  const seen: unknown[] = []
  const repo = {
    load: cache.cacheable(async (id: number) => ({ id }), {
      cacheIf(this: unknown, value, id) {
        seen.push(this, value, id)
        return true
      },
    }),
  }
  await repo.load(1)
  expect(seen).toEqual([repo, { id: 1 }, 1])
})

test.each(answers)("a hook `validate` that %s makes a stored entry a miss, and says so", async (_name, validate) => {
  const machine = new Machine()
  const [a, b] = [await machine.join(), await machine.join()]
  const rows = new Map<number, unknown>([[1, { name: "ann" }]])
  await rowsOf(a.cache, rows).read(1)
  const checked = rowsOf(b.cache, rows, { validate: validate as unknown as () => boolean })
  expect(await checked.read(1)).toEqual({ name: "ann" })
  expect(checked.loads).toBe(1)
  expect(b.faults[0]?.error).toBeInstanceOf(HookError)
})

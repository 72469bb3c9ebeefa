/**
 * Private results on random graphs of cached functions: nothing that was made of one is ever in a store, however it was come by,
 * and what was not made of one is.
 */
import fc from "fast-check"
import { expect, test } from "vitest"
import { type Cache, currentLoad } from "zoocache"
import { settled } from "zoocache/testing"
import { Machine } from "../support/shared.js"

const SECRET = "the secret"

const ways = ["call", "peek", "get", "lookup", "getMany", "refresh", "many", "sync"] as const
const node = fc.record({
  isPrivate: fc.constantFrom(false, false, false, true),
  tiers: fc.constantFrom("all" as const, "all" as const, "memory" as const),
  inherit: fc.boolean(),
  /** Earlier nodes that it uses, and how. */
  uses: fc.array(fc.record({ of: fc.nat(6), way: fc.constantFrom(...ways) }), { maxLength: 3 }),
  sets: fc.boolean(),
  narrows: fc.constantFrom(false, false, true),
})

test("what was made of a private value is in no store", async () => {
  let stored = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(node, { minLength: 2, maxLength: 7 }),
      fc.array(fc.record({ call: fc.nat(6), invalidates: fc.nat(12) }), { minLength: 1, maxLength: 12 }),
      async (nodes, steps) => {
        const machine = new Machine()
        const { cache } = await machine.join()
        /** Whether a result can have come from a private one. */
        const isSecret: boolean[] = []
        const functions: ReturnType<typeof define>[] = []
        const use = async (of: number, way: (typeof ways)[number]): Promise<unknown> => {
          const { call, many, sync } = functions[of] as (typeof functions)[number]
          const key = call.keyOf()
          if (way === "peek") return call.peek()
          if (way === "get") return cache.get(key)
          if (way === "lookup") return (await cache.lookup(key, { expired: true }))?.value
          if (way === "getMany") return (await cache.getMany([key])).get(key)
          if (way === "refresh") return call.refresh()
          if (way === "many") return many.one(1)
          if (way === "sync") return sync()
          return call()
        }
        const define = (home: Cache, index: number) => {
          const { isPrivate, tiers, inherit, uses, sets, narrows } = nodes[index] as (typeof nodes)[number]
          const options = { private: isPrivate, tiers, inherit, deps: [`tag:${index}`] }
          const own = isPrivate ? SECRET : "open"
          const load = async (): Promise<unknown> => {
            const parts: unknown[] = [own]
            for (const { of, way } of uses) if (of < index) parts.push(await use(of, way))
            if (sets) await home.set(`set by ${index}`, parts)
            if (narrows) currentLoad()?.set({ tiers: "all" })
            return parts
          }
          return {
            call: home.cacheable(load, { name: `call ${index}`, ...options }),
            many: home.cacheableMany(async (ids: readonly number[]) => ids.map(() => own), {
              name: `many ${index}`,
              ...options,
            }),
            sync: home.cacheableSync(() => own, { name: `sync ${index}`, ...options }),
          }
        }
        nodes.forEach(({ isPrivate, uses }, index) => {
          functions.push(define(cache, index))
          isSecret.push(isPrivate || uses.some(({ of }) => of < index && isSecret[of] === true))
        })
        for (const { call, invalidates } of steps) {
          await functions[call % nodes.length]?.call()
          if (invalidates < nodes.length) await cache.invalidate(`tag:${invalidates}`)
          await settled()
          for (const [key, bytes] of machine.data) {
            expect(Buffer.from(bytes).toString("latin1"), key).not.toContain(SECRET)
          }
        }
        await cache.clear()
        for (const [index, { tiers }] of nodes.entries()) {
          if (isSecret[index] === true || tiers === "memory") continue
          const { call } = functions[index] as (typeof functions)[number]
          await call()
          await settled()
          if (call.peek() === undefined) continue
          stored += 1
          expect([...machine.data.keys()]).toContain(call.keyOf())
        }
        await cache.close()
      },
    ),
  )
  expect(stored).toBeGreaterThan(0)
})

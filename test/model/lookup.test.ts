/**
 * `lookup({ deps, expired })` on random histories, against somebody who writes down what began when, and what was changed
 * since: never a value that one of the tags, or of its own dependencies, has outlived; and no miss without a reason.
 */
import fc from "fast-check"
import { expect, test } from "vitest"
import { checkInvariants, settled } from "zoocache/testing"
import { deferred, makeCache } from "../support/caches.js"

const TAGS = ["a", "a:1", "a:2", "b", "b:1"]
const KEYS = ["x", "y"]

const tag = fc.constantFrom(...TAGS)
const key = fc.constantFrom(...KEYS)
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("invalidate" as const), tag }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("expire" as const), tag }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("begin" as const), key, tag }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("land" as const), key }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("set" as const), key, tag, positioned: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("position" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("read" as const), key }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("prune" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("advance" as const), ms: fc.constantFrom(1, 40, 90) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("lookup" as const),
      key,
      deps: fc.uniqueArray(tag, { maxLength: 2 }),
      expired: fc.boolean(),
    }),
  },
)

interface Value {
  readonly began: number
  readonly tag: string
  readonly isOverruled?: boolean
}

test("gives what nothing has outlived, and nothing else", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60, size: "max" }), async (steps) => {
      const { cache, clock } = makeCache({ ttl: 100, grace: 200, timeout: "1h" })
      let sequence = 0
      let forgotten = 0
      let position = { at: 0, of: cache.position() }
      const hard = new Map<string, number>()
      const soft = new Map<string, number>()
      const newest = new Map<string, Value>()
      const running: { key: string; value: Value; land: () => void; landing: Promise<unknown> }[] = []
      const changedAfter = (marks: Map<string, number>, tags: readonly string[], at: number) =>
        [...marks].some(
          ([name, when]) => when > at && tags.some((each) => each === name || each.startsWith(`${name}:`)),
        )
      for (const each of steps) {
        sequence += 1
        if (each.do === "invalidate" || each.do === "expire") {
          ;(each.do === "invalidate" ? hard : soft).set(each.tag, sequence)
          await (each.do === "invalidate" ? cache.invalidate(each.tag) : cache.expire(each.tag))
        } else if (each.do === "begin") {
          const gate = deferred()
          const value = { began: sequence, tag: each.tag }
          const load = cache.cacheable(
            async () => {
              await gate.promise
              return value
            },
            { name: `${each.key}${sequence}`, deps: [each.tag] },
          )
          const loadKey = load.keyOf()
          running.push({ key: loadKey, value, land: () => gate.resolve(), landing: load() })
        } else if (each.do === "land") {
          const next = running.shift()
          if (next === undefined) continue
          next.land()
          await next.landing
          newest.set(next.key, next.value)
        } else if (each.do === "set") {
          const began = each.positioned ? position.at : sequence
          const value = { began, tag: each.tag }
          newest.set(each.key, value)
          await cache.set(each.key, value, { deps: [each.tag], ...(each.positioned ? { asOf: position.of } : {}) })
        } else if (each.do === "position") position = { at: sequence, of: cache.position() }
        else if (each.do === "read") await cache.get(each.key)
        else if (each.do === "prune") {
          forgotten = sequence
          cache.prune()
        } else if (each.do === "advance") clock.advance(each.ms)
        else {
          for (const asked of new Set([each.key, ...newest.keys()])) {
            const found = await cache.lookup<Value>(asked, { deps: each.deps, expired: each.expired })
            const known = newest.get(asked)
            if (found === undefined) {
              const isForgotten = known !== undefined && known.began <= forgotten && forgotten > 0
              const isChanged =
                known !== undefined &&
                [hard, soft].some((marks) => changedAfter(marks, [known.tag, ...each.deps], known.began))
              // With time, anything may have expired.
              const hasTimePassed = clock.now() > 1000
              if (known !== undefined && !isForgotten && !isChanged && !hasTimePassed) {
                expect.fail(`a miss of ${asked} without a reason`)
              }
              continue
            }
            const tags = [found.value.tag, ...each.deps]
            expect(found.value).toBe(known)
            expect(changedAfter(hard, tags, found.value.began), "invalidated").toBe(false)
            if (found.state === "fresh") expect(changedAfter(soft, tags, found.value.began), "expired").toBe(false)
            else expect(each.expired).toBe(true)
          }
        }
      }
      for (const { land, landing } of running) {
        land()
        await landing
      }
      await settled()
      checkInvariants(cache)
      await cache.close()
    }),
  )
})

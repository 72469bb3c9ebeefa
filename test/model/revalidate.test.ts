/**
 * Conditional requests on random histories: a page has a row of its own, of which its source can say that it is unchanged, and
 * one that it inherits from another cached function. Whoever reads after a change never gets a row from before it.
 */
import fc from "fast-check"
import { expect, test } from "vitest"
import { KEEP } from "zoocache"
import { checkInvariants, settled } from "zoocache/testing"
import { deferred, makeCache } from "../support/caches.js"

const row = fc.constantFrom("own" as const, "inherited" as const)
const how = fc.constantFrom("invalidate" as const, "expire" as const)
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant("change" as const), row, how }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("touch" as const), row, how }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("read" as const), fresh: fc.boolean() }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("land" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("delete" as const), row }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("prune" as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("advance" as const), ms: fc.constantFrom(1, 40, 70, 2000) }) },
)

interface Page {
  readonly own: number
  readonly inherited: number
}

test("never keeps what its source could not vouch for", async () => {
  let kept = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 50, size: "max" }),
      fc.record({ ttl: fc.constantFrom(50, 100, 1e6), inner: fc.constantFrom(30, 80, 1e6) }),
      async (steps, { ttl, inner }) => {
        const { cache, clock } = makeCache({ timeout: "1h" })
        const rows = { own: 0, inherited: 0 }
        const gates: (() => void)[] = []
        const gate = async () => {
          const { promise, resolve } = deferred()
          gates.push(() => resolve())
          await promise
        }
        const row = cache.cacheable(
          async () => {
            const seen = rows.inherited
            await gate()
            return seen
          },
          { name: "inherited", deps: ["inherited"], ttl: inner },
        )
        const compose = async (): Promise<Page> => {
          const { own } = rows
          const inherited = await row()
          await gate()
          return { own, inherited }
        }
        const page = cache.cacheable(compose, {
          name: "page",
          deps: ["own"],
          ttl,
          revalidate: async ({ value }) => {
            if (value.own !== rows.own) return compose()
            await gate()
            kept += 1
            return KEEP
          },
        })
        const reading: Promise<void>[] = []
        for (const each of steps) {
          if (each.do === "change") {
            rows[each.row] += 1
            await cache[each.how](each.row)
          } else if (each.do === "touch") await cache[each.how](each.row)
          else if (each.do === "delete") await (each.row === "own" ? page.delete() : row.delete())
          else if (each.do === "prune") cache.prune()
          else if (each.do === "advance") clock.advance(each.ms)
          else if (each.do === "land") gates.shift()?.()
          else {
            const least = { ...rows }
            const read = (each.fresh ? page.refresh() : page()).then((value) => {
              expect(value.own, "own").toBeGreaterThanOrEqual(least.own)
              expect(value.inherited, "inherited").toBeGreaterThanOrEqual(least.inherited)
            })
            read.catch(() => {})
            reading.push(read)
          }
          await settled()
        }
        const all = Promise.all(reading)
        all.catch(() => {})
        for (let round = 0; round < 200; round += 1) {
          for (const open of gates.splice(0)) open()
          await settled()
        }
        await all
        checkInvariants(cache)
        await cache.close()
      },
    ),
  )
  expect(kept).toBeGreaterThan(0)
})

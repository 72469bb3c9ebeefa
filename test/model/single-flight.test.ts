import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { createCache } from "zoocache"
import { checkInvariants, ManualClock, settled } from "zoocache/testing"

const runs = Number(process.env["ZOOCACHE_RUNS"] ?? 0)

const command = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("read" as const), inside: fc.boolean() }) },
  { weight: 3, arbitrary: fc.constant({ do: "invalidate" } as const) },
  { weight: 1, arbitrary: fc.constant({ do: "other" } as const) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("land" as const), fails: fc.nat(4).map((roll) => roll === 0) }) },
  { weight: 2, arbitrary: fc.constant({ do: "settle" } as const) },
)

describe("single flight", () => {
  // The dependency shows only in the result, so nobody can know before it lands that a flight is of no use.
  test("whoever comes while a load is under way waits for that and for one more at most", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(command, { maxLength: 60, size: "max" }),
        fc.constantFrom(1, 2, Number.POSITIVE_INFINITY),
        async (commands, maxLoads) => {
          const cache = createCache({ clock: new ManualClock(), maxLoads })
          const gates: ((fails: boolean) => void)[] = []
          let landings = 0
          let running = 0
          let mostRunning = 0
          const load = cache.cacheable(
            async () => {
              running += 1
              mostRunning = Math.max(mostRunning, running)
              const fails = await new Promise<boolean>((resolve) => gates.push(resolve))
              running -= 1
              landings += 1
              if (fails) throw new Error("failed")
              return "value"
            },
            { name: "f", depsOf: () => ["t"] },
          )
          const outer = cache.cacheable(async (_id: number) => load(), { name: "outer" })
          const readers: Promise<void>[] = []
          let outers = 0
          for (const step of commands) {
            switch (step.do) {
              case "read": {
                const before = landings
                const value = step.inside && maxLoads > 2 ? outer((outers += 1)) : load()
                readers.push(
                  value
                    .catch((error: Error) => expect(error.message).toBe("failed"))
                    .then(() => expect(landings - before, "loads that a caller waited for").toBeLessThanOrEqual(2)),
                )
                break
              }
              case "invalidate":
                await cache.invalidate("t")
                break
              case "other":
                await cache.invalidate("other")
                break
              case "land":
                gates.shift()?.(step.fails)
                await settled()
                break
              case "settle":
                await settled()
            }
          }
          for (let round = 0; round < 10; round += 1) {
            for (const open of gates.splice(0)) open(false)
            await settled()
          }
          await Promise.all(readers)
          expect(mostRunning, "loads of one key at the same time").toBeLessThanOrEqual(1)
          checkInvariants(cache)
          await cache.close()
        },
      ),
      { numRuns: runs || 500 },
    )
  }, 120_000)
})

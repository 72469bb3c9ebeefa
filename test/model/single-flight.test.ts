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

  test("a load that goes on after its last caller has left holds up nobody, with a timeout of Infinity too", async () => {
    const cache = createCache({ clock: new ManualClock(), maxLoads: 1, timeout: Number.POSITIVE_INFINITY })
    let open = () => {}
    let result: unknown
    const inner = cache.cacheable(async (id: number) => id, { name: "inner" })
    const outer = cache.cacheable(
      async () => {
        await new Promise<void>((resolve) => (open = resolve))
        result = await inner(1)
      },
      { name: "outer" },
    )
    const controller = new AbortController()
    const left = outer.with({ signal: controller.signal })()
    controller.abort()
    await expect(left).rejects.toThrow("abort")
    open()
    await settled()
    expect(result, "what it calls can't wait for the slot that it holds itself").toBe(1)
    expect(await Promise.race([inner(2), settled()])).toBe(2)
    checkInvariants(cache)
    await cache.close()
  })

  test("the result of a load that began earlier replaces nothing", async () => {
    const cache = createCache({ clock: new ManualClock() })
    const gates: (() => void)[] = []
    let loads = 0
    const load = cache.cacheable(async () => {
      const mine = (loads += 1)
      await new Promise<void>((resolve) => gates.push(resolve))
      return mine
    })
    const older = load()
    const newer = load.refresh()
    gates[1]?.()
    expect(await newer).toBe(2)
    gates[0]?.()
    expect(await older).toBe(1)
    expect(await load()).toBe(2)
    expect(loads).toBe(2)
    await cache.close()
  })

  test("whoever waited for a load, though something had changed, depends on what it depended on", async () => {
    const cache = createCache({ clock: new ManualClock() })
    let open = () => {}
    const inner = cache.cacheable(() => new Promise<number>((resolve) => (open = () => resolve(1))), {
      name: "inner",
      depsOf: () => ["t"],
    })
    const outer = cache.cacheable(async () => inner(), { name: "outer" })
    const own = cache.cacheable(async () => 0, { name: "own", deps: ["other"] })
    await own()
    const waiting = inner()
    await cache.invalidate("other")
    const nested = outer()
    await settled()
    open()
    await Promise.all([waiting, nested])
    expect(outer.peek()).toBe(1)
    await cache.invalidate("t")
    expect(outer.peek()).toBeUndefined()
    checkInvariants(cache)
    await cache.close()
  })

  test("what used a result whose dependencies nobody knows is not kept either", async () => {
    const cache = createCache({ clock: new ManualClock() })
    const inner = cache.cacheable(async () => 1, {
      name: "inner",
      depsOf: () => {
        throw new Error("unknown")
      },
    })
    const outer = cache.cacheable(async () => inner(), { name: "outer" })
    expect(await outer()).toBe(1)
    expect(outer.peek()).toBeUndefined()
    expect(cache.stats().faults).toBe(1)
    await cache.close()
  })
})

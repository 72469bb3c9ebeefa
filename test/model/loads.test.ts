import fc from "fast-check"
import { expect, test } from "vitest"
import { program, run } from "./support/loads-world.js"

const numRuns = Number(process.env["ZOOCACHE_RUNS"] ?? 1500)

test("no call hangs or gets what was invalidated before it, whatever loads call, leave, wait for and change", async () => {
  await fc.assert(
    fc.asyncProperty(program, async (given) => {
      expect(await run(given)).toEqual([])
    }),
    { numRuns },
  )
})

import fc from "fast-check"
import { expect, test } from "vitest"
import { type Program, program, run, type Spec } from "./support/loads-world.js"

const numRuns = Number(process.env["ZOOCACHE_RUNS"] ?? 1500)

const plain: Spec = { cache: 0, steps: [], hook: "none", hookRow: 0, timeoutMs: Infinity, isBatched: false }

/** Two queued flights of one ring, of which the first to begin is of no help to the other. Took 30,055 programs to find. */
const twoInOneRing: Program = {
  maxLoads: [Infinity, 1],
  specs: [
    { ...plain, steps: [{ do: "wait" }] },
    { ...plain, cache: 1 },
    plain,
    {
      ...plain,
      cache: 1,
      steps: [
        { do: "wait" },
        { do: "call", to: 0, patience: "await" },
        { do: "wait" },
        { do: "wait" },
        { do: "call", to: 4, patience: "await" },
      ],
    },
    {
      ...plain,
      steps: [
        { do: "call", to: 3, patience: "forget" },
        { do: "call", to: 1, patience: "await" },
      ],
    },
  ],
  commands: [
    { do: "call", to: 3, how: "plain" },
    { do: "release", which: 0 },
    { do: "unrelated" },
    { do: "call", to: 0, how: "plain" },
    { do: "release", which: 0 },
    { do: "call", to: 4, how: "plain" },
  ],
}

test("no call hangs or gets what was invalidated before it, whatever loads call, leave, wait for and change", async () => {
  await fc.assert(
    fc.asyncProperty(program, async (given) => {
      expect(await run(given)).toEqual([])
    }),
    { numRuns, examples: [[twoInOneRing]] },
  )
})

import fc from "fast-check"
import { describe, test } from "vitest"
import { commands, setup } from "./support/commands.js"
import { World } from "./support/world.js"

const runs = Number(process.env["ZOOCACHE_RUNS"] ?? 0)

describe("no read gets a value whose load began before an invalidation that was called before the read", () => {
  test("with a log in this process", async () => {
    await fc.assert(
      fc.asyncProperty(setup("own"), commands("own", 40), (options, list) => new World(options).run(list)),
      { numRuns: runs || 1500 },
    )
  }, 600_000)

  test("in two caches on one log in this process", async () => {
    await fc.assert(
      fc.asyncProperty(setup("shared"), commands("shared", 40), (options, list) => new World(options).run(list)),
      { numRuns: runs || 500 },
    )
  }, 600_000)

  test("in two processes on a log that is slow, lossy and forgetful", async () => {
    await fc.assert(
      fc.asyncProperty(setup("faulty"), commands("faulty", 50), (options, list) => new World(options).run(list)),
      { numRuns: runs || 1500 },
    )
  }, 600_000)
})

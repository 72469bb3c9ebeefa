import fc from "fast-check"
import { describe, test } from "vitest"
import { commands, type Setup, setup } from "./commands.js"
import { World } from "./world.js"

/** How many histories of each kind, unless ZOOCACHE_RUNS says otherwise. */
type Histories = Readonly<Record<Setup["log"], number>>

const runs = Number(process.env["ZOOCACHE_RUNS"] ?? 0)

/** The promise, on random histories of caches, writers, faults and evictions. */
export function testPromise(histories: Histories): void {
  describe("no read gets a value whose load began before an invalidation that was called before the read", () => {
    test("with a log in this process", async () => {
      await fc.assert(
        fc.asyncProperty(setup("own"), commands("own", 40), (options, list) => new World(options).run(list)),
        { numRuns: runs || histories.own },
      )
    })

    test("in two caches on one log in this process", async () => {
      await fc.assert(
        fc.asyncProperty(setup("shared"), commands("shared", 40), (options, list) => new World(options).run(list)),
        { numRuns: runs || histories.shared },
      )
    })

    test("in two processes on a log that is slow, lossy and forgetful", async () => {
      await fc.assert(
        fc.asyncProperty(setup("faulty"), commands("faulty", 50), (options, list) => new World(options).run(list)),
        { numRuns: runs || histories.faulty },
      )
    })
  })
}

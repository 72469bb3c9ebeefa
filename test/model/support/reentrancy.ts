import fc from "fast-check"
import { describe, test } from "vitest"
import { type Kind, type Limit, programs } from "./reentrant-program.js"
import { ReentrantWorld } from "./reentrant-world.js"

const runs = Number(process.env["ZOOCACHE_RUNS"] ?? 0)

export const uncensored: Limit = () => true

/** How many programs of each kind, unless ZOOCACHE_RUNS says otherwise. */
type Programs = Readonly<Record<Kind, number>>

export function testReentrancy(usual: Programs): void {
  const search = (kind: Kind) =>
    fc.assert(
      fc.asyncProperty(programs(kind), (program) => new ReentrantWorld(program, uncensored).run()),
      { numRuns: runs || usual[kind] },
    )

  describe("no read gets what was invalidated before it, whatever hooks and listeners do to the cache that calls them", () => {
    test("in memory", () => search("memory"))
    test("in memory, with another cache on the same log", () => search("both"))
    test("in front of a store", () => search("store"))
    test("on a shared log, alone and with others", () => search("network"))
  })
}

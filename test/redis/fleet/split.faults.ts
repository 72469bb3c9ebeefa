import { expect, test } from "vitest"
import { BOUND_MS, Fleet } from "./support/fleet.js"
import { headOf, Pair } from "./support/pair.js"

test.each(["the new one", "the old one"])(
  "when two masters acknowledged for a while: it is repaired once %s is the only one",
  async (which) => {
    await using pair = await Pair.start()
    const { master, replica } = pair
    await using fleet = await Fleet.start(master)
    fleet.split()
    pair.part()
    await fleet.goOn(200)
    await pair.promote()
    const moved = fleet.others(0)
    fleet.moveTo(replica, moved)
    await fleet.goOn(1500)
    const heads = [await headOf(master), await headOf(replica)]
    const left = which === "the new one" ? replica : master
    const other = left === master ? replica : master
    await other.command("REPLICAOF", "127.0.0.1", left.port)
    fleet.moveTo(left, left === master ? moved : [fleet.node(0)])
    await fleet.heal()
    expect(await headOf(left)).toBeGreaterThan(Math.max(...heads))
    await fleet.goOn(BOUND_MS + 200)
    await fleet.finish()
  },
)

import { describe, expect, test } from "vitest"
import type { Happening, Read } from "../../processes/support/history.js"
import { readsIn } from "../../processes/support/processes.js"
import { now } from "../../processes/support/station.js"
import { RedisServer } from "../support/server.js"
import { until } from "../support/until.js"
import { BOUND_MS, Fleet, type FleetOptions } from "./support/fleet.js"

/** A node hears nothing from the log for longer than the bound. Tells what it read meanwhile, and how much it refused. */
async function partition(whenUnsure: NonNullable<FleetOptions["whenUnsure"]>) {
  await using server = await RedisServer.start()
  await using fleet = await Fleet.start(server, { whenUnsure })
  const node = fleet.node(0)
  node.proxy.silence("both")
  await until(async () => (await node.call("state")) === "unsure", { what: "the node to find out" })
  const fromNs = now()
  const refusedBefore = await node.call("refused")
  await fleet.goOn(BOUND_MS + 200)
  const untilNs = now()
  const refused = (await node.call("refused")) - refusedBefore
  node.proxy.heal()
  await until(async () => (await node.call("state")) === "ready", { what: "the node to be sure again" })
  await fleet.untilDelivered()
  await fleet.goOn(500)
  const history = await fleet.finish()
  return { refused, reads: readsBetween(history, fromNs, untilNs) }
}

/** Of the first node. */
function readsBetween(history: readonly Happening[], fromNs: number, untilNs: number): Read[] {
  return readsIn(history).filter(
    ({ by, startedNs }) => by.startsWith("p1.") && startedNs > fromNs && startedNs < untilNs,
  )
}

function isOlderThanTheBound({ startedNs, value }: Read): boolean {
  return startedNs - value.beganNs > BOUND_MS * 1e6
}

describe("a node that can't tell whether it is up to date, in a fleet under load", { timeout: 60_000 }, () => {
  test("loads", async () => {
    const { reads } = await partition("load")
    expect(reads.length).toBeGreaterThan(10)
    expect(reads.filter(isOlderThanTheBound)).toEqual([])
  })

  test("serves what it has, if it was told to, but nothing that it knows to be invalidated", async () => {
    const { reads } = await partition("serve")
    expect(reads.filter(isOlderThanTheBound).length).toBeGreaterThan(10)
  })

  test("throws, if it was told to", async () => {
    const { reads, refused } = await partition("throw")
    expect(reads).toEqual([])
    expect(refused).toBeGreaterThan(10)
  })
})

import type { Happening, Read } from "../../../processes/support/history.js"
import { readsIn } from "../../../processes/support/processes.js"
import { now } from "../../../processes/support/station.js"
import { RedisServer } from "../../support/server.js"
import { until } from "../../support/until.js"
import { BOUND_MS, Fleet, type FleetOptions } from "./fleet.js"

/** What a node that hears nothing read meanwhile, and how often it refused to. */
interface Meanwhile {
  readonly reads: readonly Read[]
  readonly refused: number
}

/**
 * A node hears nothing from the log for longer than the bound, and until it has read or refused enough to tell something.
 */
export async function partition(
  whenUnsure: NonNullable<FleetOptions["whenUnsure"]>,
  isEnough: (meanwhile: Meanwhile) => boolean,
): Promise<Meanwhile> {
  await using server = await RedisServer.start()
  await using fleet = await Fleet.start(server, { whenUnsure })
  const node = fleet.node(0)
  node.proxy.silence("both")
  await until(async () => (await node.call("state")) === "unsure", { what: "the node to find out" })
  const fromNs = now()
  const refusedBefore = await node.call("refused")
  const meanwhile = async (): Promise<Meanwhile> => ({
    reads: readsBetween(fleet.history(), fromNs, now()),
    refused: (await node.call("refused")) - refusedBefore,
  })
  await fleet.goOn(BOUND_MS + 200)
  await until(async () => isEnough(await meanwhile()), { what: "enough reads" })
  const untilNs = now()
  const { refused } = await meanwhile()
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

export function isOlderThanTheBound({ startedNs, value }: Read): boolean {
  return startedNs - value.beganNs > BOUND_MS * 1e6
}

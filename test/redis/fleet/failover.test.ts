import { describe, expect, test } from "vitest"
import { RedisSentinel } from "../support/sentinel.js"
import { until } from "../support/until.js"
import { Fleet } from "./support/fleet.js"
import { headOf, Pair } from "./support/pair.js"

describe("a fleet under load reads nothing stale and loses nothing", { timeout: 60_000 }, () => {
  test("when a replica that lags takes over, without what was acknowledged", async () => {
    await using pair = await Pair.start()
    const { master, replica } = pair
    await using fleet = await Fleet.start(master)
    pair.part()
    fleet.deafen(1)
    await fleet.goOn(500)
    await until(async () => (await headOf(master)) > (await headOf(replica)), { what: "the replica to lag" })
    await master.kill()
    await pair.promote()
    fleet.moveTo(replica)
    await fleet.untilDelivered()
    await fleet.goOn(2200)
    await fleet.finish()
  })

  test("when sentinels replace a master that was killed", async () => {
    await using watched = await RedisSentinel.start({ downAfterMs: 500 })
    const master = await watched.master()
    const redis = { sentinels: watched.addresses, name: watched.name }
    await using fleet = await Fleet.start(master, { redis })
    await master.kill()
    await watched.untilMasterIsNot(master)
    await fleet.untilDelivered()
    await fleet.goOn(500)
    await fleet.finish()
  })

  test("when the old master comes back with its old data", async () => {
    await using pair = await Pair.start({ appendonly: true })
    const { master, replica } = pair
    await using fleet = await Fleet.start(master)
    await master.kill()
    await pair.promote()
    fleet.moveTo(replica)
    await fleet.untilDelivered()
    fleet.deafen(1)
    await fleet.goOn(300)
    await replica.kill()
    await master.restart({ keepData: true })
    fleet.moveTo(master)
    await fleet.untilDelivered()
    await fleet.goOn(2200)
    await fleet.finish()
  })
})

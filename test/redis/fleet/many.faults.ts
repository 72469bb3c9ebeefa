import { afterEach, test } from "vitest"
import { cleanUp } from "../support/logs.js"
import { RedisServer } from "../support/server.js"
import { BOUND_MS, Fleet } from "./support/fleet.js"
import { invalidateThousands } from "./support/thousands.js"

afterEach(cleanUp)

test("10,000 tags in one invalidation, in a fleet under load whose log remembers fewer", async () => {
  await using server = await RedisServer.start()
  await using fleet = await Fleet.start(server, { redis: { maxTags: 5000, replyTimeout: 3000 } })
  for (let round = 0; round < 3; round += 1) {
    // On a busy machine it may take longer than the callers of this fleet wait.
    await fleet
      .node(round)
      .call("changeOthers", 10_000)
      .catch((error: { code?: string }) => {
        if (error.code !== "ERR_ZOOCACHE_NOT_ACKNOWLEDGED") throw error
      })
    await fleet.goOn(200)
  }
  await fleet.untilDelivered()
  await fleet.goOn(BOUND_MS + 200)
  await fleet.finish()
})

const thousands = Number(process.env["ZOOCACHE_THOUSANDS"] ?? 100)

test(`${thousands},000 invalidations cause no storm of pulls in a listener that misses some`, () =>
  invalidateThousands(thousands))

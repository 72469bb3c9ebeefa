import { logKeys } from "../../../../src/redis/keys.js"
import { adminOf } from "../../support/logs.js"
import type { RedisServer } from "../../support/server.js"
import { until } from "../../support/until.js"
import { PREFIX } from "./fleet.js"

/** A line of redis.conf: the server hangs up soon on a subscriber that does not read. */
export const HANGS_UP = "client-output-buffer-limit pubsub 2mb 0 0"
const { channel } = logKeys(PREFIX)
/** Says nothing to those who listen. Invalidations would need half a minute to fill what the system keeps for a reader. */
const NOISE = "-".repeat(64 * 1024)

/** Resolves when the server has hung up on a subscriber that does not read. To be followed by the clean-up of logs.ts. */
export async function untilDropped(server: RedisServer): Promise<void> {
  const admin = adminOf(server.url)
  await until(
    async () => {
      await Promise.all(Array.from({ length: 10 }, () => admin.publish(channel, NOISE)))
      return server.log().includes("overcoming of output buffer limits")
    },
    { what: "the server to hang up" },
  )
}

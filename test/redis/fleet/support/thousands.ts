import { expect } from "vitest"
import { createCache } from "zoocache"
import { redis } from "zoocache/redis"
import { patientCache, patientRedis } from "../../../support/patience.js"
import { adminOf, appendTags, onCleanUp, openLog } from "../../support/logs.js"
import { RedisServer } from "../../support/server.js"
import { until } from "../../support/until.js"

/** So many thousands of invalidations cause no storm of pulls in a listener that misses some. */
export async function invalidateThousands(thousands: number): Promise<void> {
  await using server = await RedisServer.start()
  const open = () => {
    const backend = redis({ ...patientRedis, url: server.url, entries: false })
    const cache = createCache({ ...patientCache, prefix: "many", backend })
    onCleanUp(() => cache.close())
    return cache
  }
  const [writer, listener] = [open(), open()]
  await Promise.all([writer.ready(), listener.ready()])
  // What it appends is announced where nobody listens.
  const { log } = openLog({ url: server.url, prefix: "many" })
  Object.assign(log, { keys: { ...log.keys, channel: "nowhere" } })
  // Else each of the first thousand is sent twice: the server does not know the script.
  await writer.invalidate("first")
  const admin = adminOf(server.url)
  await admin.call("CONFIG", "RESETSTAT")
  const startMs = performance.now()
  let appends = 0
  const missed = Math.ceil(thousands / 10)
  for (let round = 0; round < thousands; round += 1) {
    const tokens = Array.from({ length: 1000 }, (_, index) => writer.invalidate(`t:${index}`))
    if (round % 10 === 0) {
      await appendTags(log, `missed:${round}`)
      appends += 1
    }
    await Promise.all(tokens)
    appends += tokens.length
  }
  const seconds = (performance.now() - startMs) / 1000
  // Equal cursors alone prove little: both may still be in front of the first gap.
  const last = `missed:${10 * (missed - 1)}`
  const hasHeard = () => listener.tagVersion(last) > 0 && listener.status().cursor === writer.status().cursor
  await until(hasHeard, { what: "the listener to know what it was not told" })
  const stats = String(await admin.call("INFO", "commandstats"))
  const scripts = [...stats.matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g)].reduce(
    (sum, [, calls]) => sum + Number(calls),
    0,
  )
  const pulls = scripts - appends
  // Two that each pull once a second, and for each miss a few in each of them.
  expect(pulls).toBeLessThan(3 * seconds + missed * 20 + 20)
}

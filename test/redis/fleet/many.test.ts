import { afterEach, expect, test } from "vitest"
import { createCache } from "zoocache"
import { redis } from "zoocache/redis"
import { adminOf, appendTags, cleanUp, onCleanUp, openLog } from "../support/logs.js"
import { RedisServer } from "../support/server.js"
import { until } from "../support/until.js"
import { BOUND_MS, Fleet } from "./support/fleet.js"

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
}, 60_000)

// Half a minute on a busy machine.
const thousands = Number(process.env["ZOOCACHE_THOUSANDS"] ?? 100)

test(`${thousands},000 invalidations cause no storm of pulls in a listener that misses some`, async () => {
  await using server = await RedisServer.start()
  const open = () => {
    const cache = createCache({ prefix: "many", backend: redis({ url: server.url, entries: false }) })
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
  await until(() => listener.status().cursor === writer.status().cursor, { what: "the listener" })
  const stats = String(await admin.call("INFO", "commandstats"))
  const scripts = [...stats.matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g)].reduce(
    (sum, [, calls]) => sum + Number(calls),
    0,
  )
  const pulls = scripts - appends
  // Two that each pull once a second, and for each miss a few in each of them.
  expect(pulls).toBeLessThan(3 * seconds + missed * 20 + 20)
  expect(listener.tagVersion("missed:0")).toBeGreaterThan(0)
}, 120_000)

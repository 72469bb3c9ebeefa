import { afterAll, afterEach, beforeAll, describe, test } from "vitest"
import { logConformance } from "../../src/testing/index.js"
import { RedisCluster } from "./support/cluster.js"
import { cleanUp, openLog } from "./support/logs.js"
import { RedisSentinel } from "./support/sentinel.js"
import { RedisServer } from "./support/server.js"

let count = 0

afterEach(cleanUp)

describe("the log of Redis, one server", () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await RedisServer.start()
  })
  afterAll(() => server[Symbol.asyncDispose]())

  logConformance({
    test,
    make: ({ maxTags }) => {
      count += 1
      const options = { url: server.url, prefix: `conformance-${count}`, ...budget(maxTags) }
      return {
        log: openLog(options).log,
        other: openLog(options).log,
        loseHistory: async () => void (await server.command("FLUSHALL")),
      }
    },
  })
})

describe("the log of Redis, a cluster", () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await RedisCluster.start()
  })
  afterAll(() => cluster[Symbol.asyncDispose]())

  logConformance({
    test,
    make: ({ maxTags }) => {
      count += 1
      const options = { cluster: cluster.urls, prefix: `conformance-${count}`, ...budget(maxTags) }
      return {
        log: openLog(options).log,
        other: openLog(options).log,
        loseHistory: async () => {
          await Promise.all(cluster.nodes.map((node) => node.command("FLUSHALL")))
        },
      }
    },
  })
})

describe("the log of Redis, behind sentinels", () => {
  let watched: RedisSentinel
  beforeAll(async () => {
    watched = await RedisSentinel.start()
  })
  afterAll(() => watched[Symbol.asyncDispose]())

  logConformance({
    test,
    make: ({ maxTags }) => {
      count += 1
      const sentinels = watched.sentinels.map(({ port }) => ({ host: "127.0.0.1", port }))
      const options = { sentinels, name: watched.name, prefix: `conformance-${count}`, ...budget(maxTags) }
      return {
        log: openLog(options).log,
        other: openLog(options).log,
        loseHistory: async () => void (await watched.servers[0]?.command("FLUSHALL")),
      }
    },
  })
})

function budget(maxTags: number | undefined): object {
  return maxTags === undefined ? {} : { maxTags, maxKeys: maxTags }
}

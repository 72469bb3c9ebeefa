import { Cluster, Redis } from "ioredis"
import { Redis as Valkey } from "iovalkey"
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest"
import { InvalidOptionError } from "../../src/core/base/errors.js"
import { parseUrl, redactUrl } from "../../src/redis/address.js"
import { checkOptions, type RedisOptions } from "../../src/redis/options.js"
import { RedisCluster } from "./support/cluster.js"
import { appended, appendTags, cleanUp, listen, NOWHERE, onCleanUp, openLog, tag, untilHeard } from "./support/logs.js"
import { FaultyProxy } from "./support/proxy.js"
import { RedisSentinel } from "./support/sentinel.js"
import { RedisServer, type ServerOptions } from "./support/server.js"
import { ca } from "./support/tls/certificates.js"
import { until } from "./support/until.js"

let shared: RedisServer
beforeAll(async () => {
  shared = await RedisServer.start()
})
afterAll(() => shared[Symbol.asyncDispose]())
afterEach(cleanUp)

async function start(options: ServerOptions = {}): Promise<RedisServer> {
  const server = await RedisServer.start(options)
  onCleanUp(() => server[Symbol.asyncDispose]())
  return server
}

async function proxyTo(port: number): Promise<FaultyProxy> {
  const proxy = await FaultyProxy.start(port)
  onCleanUp(() => proxy[Symbol.asyncDispose]())
  return proxy
}

async function errorOf(call: Promise<unknown>): Promise<Error & { permanent?: boolean }> {
  try {
    await call
  } catch (error) {
    return error as Error
  }
  throw new Error("It did not reject")
}

/** A connection that is given up gets a timer and a listener for it, of which Node.js finds eleven too many. */
function collectWarnings(): string[] {
  const warnings: string[] = []
  const onWarning = (warning: Error) => void warnings.push(String(warning))
  process.on("warning", onWarning)
  onCleanUp(() => process.off("warning", onWarning))
  return warnings
}

describe("a connection that is of no use any more", () => {
  test.each(["both", "toServer", "toClient"] as const)(
    "goes silent: is noticed and replaced (%s)",
    async (direction) => {
      const proxy = await proxyTo(shared.port)
      const { log, faults } = openLog({ url: proxy.url, prefix: direction, replyTimeout: 150 })
      await appended(log, "a")
      proxy.silence(direction)
      await errorOf(appendTags(log, "b"))
      // Nor does anybody wait for ever while there is nobody to talk to.
      await errorOf(appendTags(log, "c"))
      expect(faults.join()).toContain("no reply within 150 ms")
      proxy.heal()
      await until(() => appendTags(log, "d"), { what: "an append" })
    },
  )

  test("is given up once, however many replies do not come", async () => {
    const proxy = await proxyTo(shared.port)
    const { log } = openLog({ url: proxy.url, prefix: "many-silent", replyTimeout: 150 })
    await appended(log, "a")
    const warnings = collectWarnings()
    const { accepted } = proxy
    proxy.silence("both")
    await Promise.all(Array.from({ length: 30 }, () => errorOf(appendTags(log, "b"))))
    await until(() => proxy.accepted > accepted, { what: "another connection" })
    proxy.heal()
    await until(() => appendTags(log, "c"), { what: "an append" })
    expect(warnings).toEqual([])
  })

  test("is given up once, however many appends a master that has become a replica refuses", async () => {
    const [master, other] = await Promise.all([start(), start()])
    const proxy = await proxyTo(master.port)
    const { log } = openLog({ url: proxy.url })
    await appendTags(log, "a")
    const warnings = collectWarnings()
    const { accepted } = proxy
    await master.command("REPLICAOF", "127.0.0.1", other.port)
    await Promise.all(Array.from({ length: 30 }, () => errorOf(appendTags(log, "b"))))
    await until(() => proxy.accepted > accepted, { what: "another connection" })
    await master.command("REPLICAOF", "NO", "ONE")
    await until(() => appendTags(log, "c"), { what: "an append" })
    expect(warnings).toEqual([])
  })

  test("costs a listener that hears nothing no more than a ping", async () => {
    const proxy = await proxyTo(shared.port)
    const { log } = openLog({ url: proxy.url, prefix: "silent-listener", replyTimeout: 150 })
    const { news } = listen(log)
    await untilHeard(news, () => appendTags(log, "first"))
    const { accepted } = proxy
    proxy.silence("both")
    // Nobody sends anything but the subscription.
    await until(() => proxy.accepted > accepted, { what: "another connection" })
    proxy.heal()
    const writer = openLog({ url: shared.url, prefix: "silent-listener" }).log
    await untilHeard(news, () => appendTags(writer, "a"))
  })
})

test("a stopped server holds up neither calls nor closing, and is found again", async () => {
  const server = await start()
  const { log } = openLog({ url: server.url, replyTimeout: 200, connectTimeout: 200 })
  await appended(log, "a")
  await server.pause()
  for (let round = 0; round < 6; round += 1) await errorOf(appendTags(log, "b"))
  await log.close()
  const { log: other } = openLog({ url: server.url, replyTimeout: 200, connectTimeout: 200 })
  await errorOf(appendTags(other, "b"))
  server.resume()
  await until(() => appendTags(other, "c"), { what: "an append" })
})

test("a server that is not there is named, with its reason", async () => {
  const { log, faults } = openLog({ url: "redis://user:s3cret@127.0.0.1:1/0" })
  const error = await until(
    async () => {
      const found = await errorOf(log.pull(NOWHERE))
      return found.message.includes("ECONNREFUSED") && found
    },
    { what: "the reason" },
  )
  expect(error.message).toContain("redis://127.0.0.1:1")
  expect(error.permanent).toBeUndefined()
  expect([error, ...faults].map((each) => `${each.message}${each.stack}`).join()).not.toContain("s3cret")
  // The same trouble is told of once.
  expect(faults.length).toBe(1)
  await log.close()
})

test("appends at the same time are pipelined, and fail together when the connection is cut", async () => {
  const server = await start()
  const proxy = await proxyTo(server.port)
  const { log } = openLog({ url: proxy.url, prefix: "cut" })
  await appendTags(log, "a")
  const before = proxy.sentBytes
  await appendTags(log, "b")
  const bytesOfOne = proxy.sentBytes - before
  // Nothing is answered, and all of them are under way.
  await server.pause()
  const appends = Promise.all(["c", "d", "e", "f"].map((path) => appendTags(log, path)))
  await until(() => proxy.sentBytes >= before + 5 * bytesOfOne, { what: "four appends to be sent" })
  server.resume()
  await appends
  await server.pause()
  const calls = Promise.allSettled(["f", "g", "h"].map((path) => appendTags(log, path)))
  proxy.cut()
  server.resume()
  expect((await calls).map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"])
  await until(() => appendTags(log, "i"), { what: "an append" })
})

describe("TLS", () => {
  test("with a certificate that is trusted", async () => {
    const server = await start({ tls: true, requirepass: "secret" })
    const { log } = openLog({ url: server.url, tls: { ca } })
    const { news } = listen(log)
    const { version } = await appendTags(log, "a")
    await until(() => news.length > 0, { what: "the doorbell" })
    expect((await log.pull(NOWHERE)).head).toBe(version)
  })

  test("with one that is not", async () => {
    const server = await start({ tls: true, requirepass: "secret" })
    const { log } = openLog({ url: server.url })
    const error = await until(
      async () => {
        const found = await errorOf(log.pull(NOWHERE))
        return /certificate/i.test(found.message) && found
      },
      { what: "the reason" },
    )
    expect(error.message).toContain(`rediss://127.0.0.1:${server.port}`)
    expect(error.message).not.toContain("secret")
  })
})

describe("a client that the user has made", () => {
  test("is used, not closed, and listens through a duplicate", async () => {
    const client = new Redis(shared.url)
    onCleanUp(() => client.disconnect())
    const { log } = openLog({ client, prefix: "theirs" })
    const { news } = listen(log)
    await untilHeard(news, () => appendTags(log, "first"))
    const { version } = await appendTags(log, "a")
    await until(() => news.at(-1)?.version === version, { what: "the doorbell" })
    await log.close()
    expect(await client.ping()).toBe("PONG")
    expect(client.listenerCount("error")).toBe(0)
  })

  test("may be of iovalkey", async () => {
    const client = new Valkey(shared.url)
    onCleanUp(() => client.disconnect())
    const { log } = openLog({ client, prefix: "iovalkey" })
    const { news } = listen(log)
    await untilHeard(news, () => appendTags(log, "a"))
    expect((await log.pull(NOWHERE)).changes.map(({ path }) => path)).toEqual(["a"])
  })

  test("may have a prefix of its own, and come with another that listens", async () => {
    const client = new Redis(shared.url, { keyPrefix: "app:" })
    const subscriber = new Redis(shared.url)
    onCleanUp(() => {
      client.disconnect()
      subscriber.disconnect()
    })
    const options = { client, subscriber: subscriber as never, prefix: "both" }
    const { log } = openLog(options)
    const { news } = listen(log)
    await untilHeard(news, () => appendTags(log, "first"))
    const { version } = await appendTags(log, "a")
    await until(() => news.at(-1)?.version === version, { what: "the doorbell" })
    expect(await shared.command("EXISTS", "app:zc1:{both}:state")).toBe("1")
    await log.close()
    expect(subscriber.status).toBe("ready")
  })

  test("of a server that is too old is refused", async () => {
    const client = new Redis(shared.url)
    onCleanUp(() => client.disconnect())
    const old = Object.assign(Object.create(client) as Redis, {
      callBuffer: async () => Buffer.from("# Server\r\nredis_version:6.0.16\r\nrun_id:abc\r\n"),
    })
    await until(() => client.status === "ready", { what: "the connection" })
    const { log } = openLog({ client: old, prefix: "old" })
    const error = await errorOf(log.pull(NOWHERE))
    expect(error.message).toContain("version 6.0. Use Redis 6.2 or later")
    expect(error.permanent).toBe(true)
  })
})

test("behind sentinels, a failover begins a new epoch on the new master", async () => {
  const watched = await RedisSentinel.start()
  onCleanUp(() => watched[Symbol.asyncDispose]())
  const { log } = openLog({ sentinels: watched.addresses, name: watched.name })
  const { news } = listen(log)
  const before = await appendTags(log, "a")
  const rings = news.length
  // Written after the append, so that a replica that has this has the log, too: it is to know what it continues.
  const [master] = watched.servers as [RedisServer]
  await master.command("SET", "marker", "1")
  expect(await master.command("WAIT", 1, 60_000)).toBe("1")
  await watched.failover()
  const position = { epoch: before.epoch, cursor: before.version }
  const after = await until(() => log.pull(position), { what: "a pull" })
  expect(after.epoch.ordinal).toBeGreaterThan(before.epoch.ordinal)
  expect(after.ended).toMatchObject({ epoch: before.epoch, head: before.version })
  await until(() => news.length > rings && news.includes(undefined), { what: "a ring" })
  await untilHeard(news, () => appendTags(log, "b"))
})

test("in a cluster, a dead master's replica takes its place, with a new epoch", async () => {
  const cluster = await RedisCluster.start({ masters: 3, replicas: 1, nodeTimeoutMs: 500 })
  onCleanUp(() => cluster[Symbol.asyncDispose]())
  const options = { cluster: cluster.urls, readFrom: "replica" as const }
  const { log } = openLog(options)
  const client = new Cluster(
    cluster.nodes.map(({ port }) => ({ host: "127.0.0.1", port })),
    { scaleReads: "slave" },
  )
  onCleanUp(() => client.disconnect())
  const { log: other } = openLog({ client })
  const { news } = listen(other)
  const before = await appendTags(log, "a")
  expect((await other.pull(NOWHERE)).head).toBe(before.version)
  await (await cluster.masterOf(log.keys.state)).kill()
  const position = { epoch: before.epoch, cursor: before.version }
  const after = await until(() => log.pull(position), { what: "a pull" })
  expect(after.epoch.ordinal).toBeGreaterThan(before.epoch.ordinal)
  expect((await until(() => other.pull(position), { what: "a pull" })).epoch).toEqual(after.epoch)
  await untilHeard(news, () => log.append([tag("b")], position, "test"))
})

describe("options", () => {
  test.each<[string, unknown]>([
    ["nothing", {}],
    ["two ways", { url: "redis://x", cluster: ["redis://y"] }],
    ["an unknown name", { url: "redis://x", nope: 1 }],
    ["another scheme", { url: "http://x" }],
    ["no url", { url: "nope" }],
    ["an unknown parameter", { url: "redis://x?family=6" }],
    ["a database that is no number", { url: "redis://x/one" }],
    ["sentinels without a name", { sentinels: [{ host: "x" }] }],
    ["no sentinels", { sentinels: [], name: "x" }],
    ["a database in a cluster", { cluster: ["redis://x/1"] }],
    ["a name without sentinels", { url: "redis://x", name: "y" }],
    ["no client", { client: {} }],
    ["a budget of nothing", { url: "redis://x", maxTags: 0 }],
    ["a word for a number", { url: "redis://x", readTimeout: "1s" }],
    ["another mode", { url: "redis://x", onFailover: "hope" }],
    ["reads from an unknown replica", { url: "redis://x", readFrom: "replica" }],
    ["a queue of nothing", { url: "redis://x", writeQueue: { maxEntries: 0 } }],
  ])("%s is refused", (_, options) => {
    expect(() => checkOptions(options as RedisOptions)).toThrow(InvalidOptionError)
  })

  test("show no password when they are refused", () => {
    for (const url of ["http://me:s3cret@x", "redis://me:s3cret@x/y", "s3cret@", "redis://me:s3cret@x?s3cret=1"]) {
      expect(() => checkOptions({ url })).toThrow(/^(?!.*s3cret)/s)
      expect(redactUrl(url)).not.toContain("s3cret")
    }
  })

  test("are frozen, with what was left out", () => {
    const settings = checkOptions({ url: "redis://me:p%40ss@host/2" })
    expect(settings).toMatchObject({
      shownUrl: "redis://host/2",
      username: "me",
      password: "p@ss",
      db: 2,
      maxTags: 100_000,
      maxKeys: 100_000,
      onFailover: "load",
      readFrom: "master",
      readTimeoutMs: 250,
    })
    expect(Object.isFrozen(settings)).toBe(true)
  })

  test("name a socket, TLS and IPv6", () => {
    expect(parseUrl("unix:///run/redis.sock?db=3")).toEqual({ path: "/run/redis.sock", db: 3, isTls: false })
    expect(parseUrl("rediss://[::1]:1/")).toEqual({ host: "::1", port: 1, db: 0, isTls: true })
  })
})

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest"
import type { LogError } from "../../src/core/base/errors.js"
import { logKeys } from "../../src/redis/keys.js"
import { appendTags, cleanUp, key, listen, NOWHERE, onCleanUp, openLog, tag, untilHeard } from "./support/logs.js"
import { RedisServer, type ServerOptions } from "./support/server.js"
import { until } from "./support/until.js"

let shared: RedisServer
beforeAll(async () => {
  shared = await RedisServer.start()
})
afterAll(() => shared[Symbol.asyncDispose]())
beforeEach(() => shared.command("FLUSHALL"))
afterEach(cleanUp)

async function start(options: ServerOptions = {}): Promise<RedisServer> {
  const server = await RedisServer.start(options)
  onCleanUp(() => server[Symbol.asyncDispose]())
  return server
}

/** What a call rejected with. */
async function errorOf(call: Promise<unknown>): Promise<LogError & { permanent?: boolean }> {
  try {
    await call
  } catch (error) {
    return error as LogError
  }
  throw new Error("It did not reject")
}

/** The first pull that succeeds. */
function pullSoon(log: ReturnType<typeof openLog>["log"], position: Parameters<typeof log.pull>[0] = NOWHERE) {
  return until(() => log.pull(position), { what: "a pull" })
}

describe("a server that is killed and started again", () => {
  test("begins a new epoch without its data", async () => {
    const server = await start()
    const { log } = openLog({ url: server.url })
    const before = await appendTags(log, "a")
    await server.kill()
    await server.restart()
    const after = await pullSoon(log, { epoch: before.epoch, cursor: before.version })
    expect(after.epoch.ordinal).toBeGreaterThan(before.epoch.ordinal)
    expect(after.head).toBeGreaterThan(before.version)
    expect(after.changes).toEqual([])
  })

  test("begins a new epoch with all its data: it can't know that it has all", async () => {
    const server = await start({ appendonly: true })
    const { log } = openLog({ url: server.url })
    const before = await appendTags(log, "a")
    await server.kill()
    await server.restart({ keepData: true })
    const after = await pullSoon(log, { epoch: before.epoch, cursor: before.version })
    expect(after.epoch.ordinal).toBeGreaterThan(before.epoch.ordinal)
    expect(after.ended).toMatchObject({ epoch: before.epoch, head: before.version })
  })

  test("goes on with all its data if it is trusted, an hour or more ahead", async () => {
    const server = await start({ appendonly: true })
    const { log } = openLog({ url: server.url, onFailover: "trust" })
    const before = await appendTags(log, "a")
    await server.kill()
    await server.restart({ keepData: true })
    const after = await pullSoon(log, NOWHERE)
    expect(after.epoch).toEqual(before.epoch)
    expect(after.head - before.version).toBeGreaterThanOrEqual(3_600_000 * 1024)
    expect(after.ended).toEqual({
      epoch: before.epoch,
      head: before.version,
      life: (before.ended?.life ?? 0) + 1,
    })
    expect(after.changes.map(({ path }) => path)).toEqual(["a"])
  })

  test("is asked again after a while, and meanwhile calls fail at once", async () => {
    const server = await start()
    const { log } = openLog({ url: server.url })
    await appendTags(log, "a")
    await server.kill()
    await errorOf(appendTags(log, "b"))
    for (let round = 0; round < 20; round += 1) {
      const error = await errorOf(appendTags(log, "b"))
      expect(error.code).toBe("ERR_ZOOCACHE_LOG")
      expect(error.permanent).toBeUndefined()
    }
    await server.restart()
    await pullSoon(log)
  })
})

test("a server that forgets its scripts is told them again", async () => {
  const { log } = openLog({ url: shared.url })
  const first = await appendTags(log, "a")
  await shared.command("SCRIPT", "FLUSH")
  const replies = await Promise.all(["b", "c", "d"].map((path) => appendTags(log, path)))
  expect(replies.map(({ epoch }) => epoch)).toEqual([first.epoch, first.epoch, first.epoch])
  await shared.command("SCRIPT", "FLUSH")
  expect((await log.pull(NOWHERE)).changes.length).toBe(4)
})

test("a server that forgets its scripts is told them once, however many appends are in flight", async () => {
  const { log } = openLog({ url: shared.url })
  await appendTags(log, "a")
  await shared.command("SCRIPT", "FLUSH")
  await shared.command("CONFIG", "RESETSTAT")
  const replies = await Promise.all(Array.from({ length: 300 }, (_, index) => appendTags(log, `t:${index}`)))
  expect(new Set(replies.map(({ version }) => version)).size).toBe(300)
  const stats = String(await shared.command("INFO", "commandstats"))
  expect(/cmdstat_eval:calls=(\d+)/.exec(stats)?.[1]).toBe("1")
})

test("10,000 tags are one append, which no listener is told in full", async () => {
  const { log } = openLog({ url: shared.url, pageSize: 500 })
  const { news } = listen(log)
  await untilHeard(news, () => appendTags(log, "first"))
  const { epoch, head } = await log.pull(NOWHERE)
  const rings = news.length
  const reply = await appendTags(log, ...Array.from({ length: 10_000 }, (_, index) => `tags:${index}`))
  const pulled = await log.pull({ epoch, cursor: head })
  expect(pulled.changes.length).toBe(10_000)
  expect(pulled.changes.every(({ version }) => version === reply.version)).toBe(true)
  await until(() => news.length > rings, { what: "the doorbell" })
  expect(news.slice(rings)).toEqual([undefined])
})

test("a pull of many pages is one reply", async () => {
  const { log } = openLog({ url: shared.url, pageSize: 10 })
  const last = new Map<string, number>()
  for (let round = 0; round < 60; round += 1) {
    const path = `t:${(round * 7) % 45}`
    last.set(path, (await log.append([tag(path), key(`k${round}`)], NOWHERE, "test")).version)
  }
  const { changes } = await log.pull(NOWHERE)
  const tags = changes.filter(({ kind }) => kind === "tag")
  expect(new Map(tags.map(({ path, version }) => [path, version]))).toEqual(last)
  expect(changes.length).toBe(last.size + 60)
})

test("paths with lone surrogates come back as they were, in pulls and doorbells", async () => {
  const { log } = openLog({ url: shared.url })
  const { news } = listen(log)
  await untilHeard(news, () => appendTags(log, "first"))
  await log.append([key("\ud800"), key("\udfff"), key('"')], NOWHERE, "test")
  const keys = (await log.pull(NOWHERE)).changes.filter(({ kind }) => kind === "key")
  expect(keys.map(({ path }) => path).sort()).toEqual(['"', "\ud800", "\udfff"])
  const heard = await until(() => news.find((one) => one?.changes.length === 3), { what: "the doorbell" })
  expect(heard?.changes.map(({ path }) => path)).toEqual(["\ud800", "\udfff", '"'])
})

describe("doorbells", () => {
  test("say what a reply says, and who appended what", async () => {
    const { log } = openLog({ url: shared.url })
    const { news } = listen(openLog({ url: shared.url }).log)
    await untilHeard(news, () => appendTags(log, "first"))
    const reply = await log.append([tag("a:b"), key("k")], NOWHERE, "somebody")
    const heard = await until(() => news.find((one) => one?.version === reply.version), { what: "the doorbell" })
    expect(heard).toEqual({ ...reply, changes: [tag("a:b"), key("k")], origin: "somebody" })
  })

  test("are subscribed to again when the connection is killed, and listeners are told that they missed some", async () => {
    const { log } = openLog({ url: shared.url })
    const { news } = listen(log)
    await untilHeard(news, () => appendTags(log, "first"))
    await log.pull(NOWHERE)
    for (let round = 0; round < 5; round += 1) {
      const before = news.length
      expect(Number(await shared.command("CLIENT", "KILL", "TYPE", "pubsub"))).toBe(1)
      await until(() => news.slice(before).includes(undefined), { what: "a ring" })
      const { version } = await appendTags(log, `round:${round}`)
      await until(() => news.at(-1)?.version === version, { what: "the doorbell" })
    }
  })

  test("that make no sense are ignored and reported, once in a while", async () => {
    const { log, faults } = openLog({ url: shared.url })
    const { news } = listen(log)
    await untilHeard(news, () => appendTags(log, "first"))
    const reply = await appendTags(log, "a")
    await until(() => news.at(-1)?.version === reply.version, { what: "the doorbell" })
    const count = news.length
    const { channel } = logKeys("test")
    const begin = `${reply.epoch.ordinal} x 1 0 none 0 ${reply.version + 5} ${reply.version} `
    const bad = [
      "",
      "{}",
      "null",
      "x".repeat(300_000),
      begin,
      `${begin}{`,
      `${begin}null`,
      `${begin}{"origin":1,"changes":[]}`,
      `${begin}{"origin":"x","changes":{}}`,
      `${begin}{"origin":"x","changes":["zz"]}`,
      `${begin}{"origin":"x","changes":[1]}`,
      `99999999999999999999 x 1 0 none 0 5 4 {"origin":"x","changes":[]}`,
      `1 x 1 0 none 0 4 5 {"origin":"x","changes":[]}`,
      `1 x 1 0 none 0 9007199254740993 4 {"origin":"x","changes":[]}`,
    ]
    for (const message of bad) await shared.command("PUBLISH", channel, message)
    const last = await appendTags(log, "b")
    await until(() => news.at(-1)?.version === last.version, { what: "the doorbell" })
    expect(news.length).toBe(count + 1)
    expect(faults.length).toBeGreaterThan(0)
    expect(faults.every((fault) => /doorbell was ignored/.test(fault.message))).toBe(true)
  })

  test("of other prefixes and other databases are not heard", async () => {
    const { log } = openLog({ url: shared.url, prefix: "a" })
    const { news } = listen(log)
    await untilHeard(news, () => appendTags(log, "first"))
    await log.pull(NOWHERE)
    const count = news.length
    for (const prefix of ["a}", "", "a:b{", "*", "A"]) await appendTags(openLog({ url: shared.url, prefix }).log, "x")
    await appendTags(openLog({ url: `${shared.url}/1`, prefix: "a" }).log, "x")
    const { version } = await appendTags(log, "own")
    await until(() => news.at(-1)?.version === version, { what: "the doorbell" })
    expect(news.length).toBe(count + 1)
    expect((await log.pull(NOWHERE)).changes.map(({ path }) => path)).toEqual(["first", "own"])
  })
})

describe("what a server refuses", () => {
  const minimal =
    "+evalsha +eval +info +time +exists +hmget +hset +unlink +zadd +zcard +zrange +zrangebyscore +zremrangebyscore " +
    "+publish +subscribe +ping"

  test("the minimal rules of a user are enough", async () => {
    const server = await start({
      users: [`cache on >secret resetchannels ~zc1:{shop}:* &zc1:{shop}:* -@all ${minimal}`],
    })
    const { log, faults } = openLog({ url: server.urlAs("cache", "secret"), prefix: "shop", maxTags: 2, maxKeys: 2 })
    const { news } = listen(log)
    await untilHeard(news, () => appendTags(log, "first"))
    for (const path of ["a", "b", "c", "d"]) await log.append([tag(path), key(path)], NOWHERE, "test")
    const pulled = await log.pull(NOWHERE)
    expect(pulled.changes.map(({ path }) => path)).toEqual(["c", "d", "c", "d"])
    await until(() => news.at(-1)?.version === pulled.head, { what: "the doorbell" })
    await server.command("FLUSHALL")
    const after = await log.pull({ epoch: pulled.epoch, cursor: pulled.head })
    expect(after.epoch.ordinal).toBeGreaterThan(pulled.epoch.ordinal)
    expect(faults).toEqual([])
  })

  test.each(["+evalsha", "+info", "+zadd", "+hset", "+exists"])("a user without %s is told so", async (missing) => {
    const rules = minimal.replace(new RegExp(`\\${missing}\\b`), "")
    const server = await start({ users: [`cache on >secret allchannels ~* -@all ${rules}`] })
    const { log } = openLog({ url: server.urlAs("cache", "secret") })
    // The first one begins an epoch, which takes other commands.
    const error = await errorOf(appendTags(log, "a").then(() => appendTags(log, "b")))
    expect(error.message).toContain("Grant")
    expect(error.permanent).toBe(true)
    expect(error.message).toContain(`redis://127.0.0.1:${server.port}`)
  })

  test("an append holds when its doorbell may not be rung, and that is reported", async () => {
    const server = await start({ users: [`cache on >secret resetchannels ~* -@all ${minimal}`] })
    const { log, faults } = openLog({ url: server.urlAs("cache", "secret") })
    const { version } = await appendTags(log, "a")
    expect((await log.pull(NOWHERE)).changes).toEqual([{ ...tag("a"), version }])
    expect(faults.map(({ message }) => message).join()).toMatch(/doorbell can't be rung.*Grant/)
  })

  test("a wrong password is named, and not shown", async () => {
    const server = await start({ requirepass: "right" })
    const { log, faults } = openLog({ url: server.urlAs("", "wr0ng-s3cret") })
    const error = await until(
      async () => {
        const found = await errorOf(log.pull(NOWHERE))
        return found.permanent === true && found
      },
      { what: "the reason" },
    )
    expect(error.message).toContain("WRONGPASS")
    expect(error.message).toContain(`redis://127.0.0.1:${server.port}`)
    for (const each of [error, ...faults]) expect(everythingIn(each)).not.toContain("wr0ng-s3cret")
  })

  test("a missing password is named", async () => {
    const server = await start({ requirepass: "right" })
    const { log } = openLog({ url: `redis://127.0.0.1:${server.port}` })
    const error = await until(
      async () => {
        const found = await errorOf(log.pull(NOWHERE))
        return found.permanent === true && found
      },
      { what: "the reason" },
    )
    expect(error.message).toContain("NOAUTH")
  })

  test("something else where the log should be is left alone", async () => {
    const { log } = openLog({ url: shared.url })
    await shared.command("SET", log.keys.state, "theirs")
    for (const call of [appendTags(log, "a"), log.pull(NOWHERE)]) {
      const error = await errorOf(call)
      expect(error.message).toContain("WRONGTYPE")
      expect(error.permanent).toBe(true)
    }
    expect(await shared.command("GET", log.keys.state)).toBe("theirs")
    await shared.command("DEL", log.keys.state)
    await appendTags(log, "a")
  })

  test("a replica answers nobody, and works once it is the master", async () => {
    const replica = await start({ replicaof: shared })
    const { log } = openLog({ url: replica.url })
    const { log: master } = openLog({ url: shared.url })
    await appendTags(master, "a")
    const first = await errorOf(log.pull(NOWHERE))
    expect(first.message).toContain("READONLY")
    expect(first.message).toContain("url of the master")
    const later = await until(
      async () => {
        const found = await errorOf(log.pull(NOWHERE))
        return found.permanent === true && found
      },
      { what: "it to be more than a failover" },
    )
    expect(later.message).toContain("READONLY")
    await replica.command("REPLICAOF", "NO", "ONE")
    await pullSoon(log)
  })

  test("nothing is half done when there is no memory", async () => {
    const server = await start({ maxmemory: "3mb", maxmemoryPolicy: "noeviction" })
    const { log } = openLog({ url: server.url })
    const before = await appendTags(log, "a")
    await server.command("CONFIG", "SET", "maxmemory", 1)
    const error = await errorOf(appendTags(log, "b", "c"))
    expect(error.message).toContain("OOM")
    expect(error.message).toContain("maxmemory")
    expect(error.permanent).toBeUndefined()
    // What is there can still be read.
    const pulled = await log.pull({ epoch: before.epoch, cursor: 0 })
    expect(pulled.head).toBe(before.version)
    expect(pulled.changes.map(({ path }) => path)).toEqual(["a"])
    await server.command("CONFIG", "SET", "maxmemory", 0)
    const after = await appendTags(log, "b", "c")
    expect(after.previousHead).toBe(before.version)
    expect(after.epoch).toEqual(before.epoch)
  })
})

test("nothing can be asked of a closed log", async () => {
  const { log } = openLog({ url: shared.url })
  await log.close()
  expect((await errorOf(appendTags(log, "a"))).message).toContain("closed")
  expect((await errorOf(log.pull(NOWHERE))).message).toContain("closed")
})

/** An error with all that it holds, as a log would print it. */
function everythingIn(error: unknown, depth = 0): string {
  if (typeof error !== "object" || error === null || depth > 6) return String(error)
  return Reflect.ownKeys(error)
    .map((name) => everythingIn((error as Record<PropertyKey, unknown>)[name], depth + 1))
    .join("\n")
}

test("300,000 tags are one append", async () => {
  const { log, faults } = openLog({ url: shared.url, maxTags: 400_000 })
  const changes = Array.from({ length: 300_000 }, (_, index) => tag(`tags:${index}`))
  const reply = await log.append(changes, NOWHERE, "test")
  expect((await log.pull(NOWHERE)).head).toBe(reply.version)
  expect(faults).toEqual([])
})

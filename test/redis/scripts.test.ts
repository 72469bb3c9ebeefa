import type { Redis } from "ioredis"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest"
import type { LogPosition } from "../../src/core/ports/log.js"
import { encodePrefix, logKeys } from "../../src/redis/keys.js"
import { readAppended, readPage, textOf } from "../../src/redis/replies.js"
import { appendScript, pullScript } from "../../src/redis/scripts.js"
import { adminOf, cleanUp } from "./support/logs.js"
import { RedisServer } from "./support/server.js"

let server: RedisServer
let redis: Redis
const keys = logKeys("scripts")

beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server[Symbol.asyncDispose]())
beforeEach(async () => {
  redis = adminOf(server.url)
  await redis.flushall()
})
afterEach(cleanUp)

const NOWHERE: LogPosition = { epoch: undefined, cursor: 0 }
let count = 0

interface More {
  readonly leap?: string
  readonly runId?: string
  readonly maxTags?: number
  readonly pageSize?: number
  readonly after?: { readonly epoch: { ordinal: number; nonce: string }; readonly next: number }
}

function head({ epoch, cursor }: LogPosition, { leap = "", runId = "" }: More) {
  count += 1
  return [
    epoch === undefined ? "" : `${epoch.ordinal} ${epoch.nonce}`,
    cursor,
    `nonce-${count}${leap === "" ? "" : ` ${leap}`}`,
    runId,
  ]
}

const names = [keys.state, keys.tags, keys.keys]

async function append(tags: readonly string[], position = NOWHERE, more: More = {}) {
  const members = tags.map((path) => `t${path}`)
  const args = [...head(position, more), `${more.maxTags ?? 1000} 1000`, keys.channel, "{}", ...members]
  return readAppended(textOf(await redis.callBuffer("eval", appendScript.text, 3, ...names, ...args))).reply
}

async function pull(position = NOWHERE, more: More = {}) {
  const { epoch } = more.after ?? {}
  const before = epoch === undefined ? "" : `${epoch.ordinal} ${epoch.nonce}`
  const args = [...head(position, more), before, more.after?.next ?? 0, more.pageSize ?? 1000]
  return readPage(await redis.callBuffer("eval", pullScript.text, 3, ...names, ...args))
}

function positionOf(reply: { epoch: { ordinal: number; nonce: string }; version?: number; head?: number }) {
  return { epoch: reply.epoch, cursor: reply.version ?? reply.head ?? 0 }
}

describe("a log goes on", () => {
  test("for a caller who knows it, who knows nothing, and who knows an earlier epoch", async () => {
    const first = await append(["a"])
    for (const position of [positionOf(first), NOWHERE, { epoch: { ordinal: 5, nonce: "x" }, cursor: first.version }]) {
      const reply = await append(["b"], position)
      expect(reply.epoch).toEqual(first.epoch)
    }
    const { reply } = await pull({ epoch: { ordinal: 5, nonce: "x" }, cursor: first.version * 2 })
    expect(reply.epoch).toEqual(first.epoch)
  })

  test("when the server forgets its scripts", async () => {
    const first = await append(["a"])
    await redis.script("FLUSH")
    expect((await append(["b"], positionOf(first))).epoch).toEqual(first.epoch)
  })

  test("and its versions follow the clock of the server", async () => {
    const [seconds = 0] = (await redis.time()).map(Number)
    const { version, previousHead } = await append(["a"])
    expect(version).toBeGreaterThan(previousHead)
    expect(Math.abs(version / 1024 / 1000 - seconds)).toBeLessThan(2)
  })
})

describe("a new epoch begins", () => {
  async function expectNewLife(lose: () => unknown, isCounted: boolean) {
    const before = await append(["a", "b"])
    await lose()
    const { reply: after, changes } = await pull(positionOf(before))
    expect(after.epoch.ordinal).toBeGreaterThan(before.epoch.ordinal)
    expect(after.epoch.nonce).not.toBe(before.epoch.nonce)
    expect(after.head).toBeGreaterThan(before.version)
    expect(changes).toEqual([])
    expect([after.floor, after.keyFloor]).toEqual([0, 0])
    if (isCounted) {
      expect(after.ended).toEqual({
        epoch: before.epoch,
        head: before.version,
        life: (before.ended?.life ?? 0) + 1,
      })
    } else {
      expect(after.ended?.head).toBe(0)
      expect(after.ended?.life).toBeGreaterThan((before.ended?.life ?? 0) + 1)
    }
    expect((await append(["c"], positionOf(after))).previousHead).toBe(after.head)
  }

  test("when everything is gone", () => expectNewLife(() => redis.flushall(), false))
  test("when the state is gone", () => expectNewLife(() => redis.del(keys.state), false))
  test("when the tags are gone", () => expectNewLife(() => redis.del(keys.tags), true))
  test("when the keys are gone", () => expectNewLife(() => redis.del(keys.keys), true))

  test("when the server was replaced by one that has its data", () =>
    expectNewLife(async () => {
      const replica = await RedisServer.start({ replicaof: server })
      try {
        await replica.command("REPLICAOF", "NO", "ONE")
        await server.command("REPLICAOF", "127.0.0.1", replica.port)
        await server.untilInSync()
        await server.command("REPLICAOF", "NO", "ONE")
      } finally {
        await replica[Symbol.asyncDispose]()
      }
    }, true))

  test("when the caller has read another run_id, and the server confirms it", async () => {
    const first = await append(["a"])
    const { run_id: runId = "" } = Object.fromEntries(await server.info("server"))
    expect((await append(["b"], positionOf(first), { runId })).epoch).toEqual(first.epoch)
    // What a caller says alone is not believed: it may have read it elsewhere.
    expect((await append(["c"], positionOf(first), { runId: "0".repeat(40) })).epoch).toEqual(first.epoch)
    await redis.hset(keys.state, "run", "1".repeat(40))
    expect((await append(["d"], positionOf(first), { runId })).epoch.ordinal).toBeGreaterThan(first.epoch.ordinal)
  })

  test("when the caller has seen a higher epoch", async () => {
    const first = await append(["a"])
    const seen = { ordinal: first.epoch.ordinal + 100, nonce: "later" }
    const { reply } = await pull({ epoch: seen, cursor: first.version + 5000 })
    expect(reply.epoch.ordinal).toBeGreaterThan(seen.ordinal)
    expect(reply.head).toBeGreaterThan(first.version + 5000)
    expect(reply.ended?.epoch).toEqual(first.epoch)
    expect((await pull(positionOf(first))).reply.epoch).toEqual(reply.epoch)
  })

  test("when the caller has seen another one of the same ordinal", async () => {
    const first = await append(["a"])
    const { reply } = await pull({ epoch: { ...first.epoch, nonce: "other" }, cursor: 0 })
    expect(reply.epoch.ordinal).toBe(first.epoch.ordinal + 1)
  })

  test("when the caller is ahead", async () => {
    const first = await append(["a"])
    const ahead = { epoch: first.epoch, cursor: first.version + 10_000_000 }
    const reply = await append(["b"], ahead)
    expect(reply.epoch.ordinal).toBeGreaterThan(first.epoch.ordinal)
    expect(reply.version).toBeGreaterThan(ahead.cursor)
    expect(reply.ended).toMatchObject({ epoch: first.epoch, head: first.version })
  })

  test("but not beyond what can be counted", async () => {
    await expect(pull({ epoch: { ordinal: 2 ** 53 - 1, nonce: "x" }, cursor: 0 })).rejects.toThrow("ZOOCACHE_USED_UP")
    const { epoch } = await append(["a"])
    await expect(pull({ epoch, cursor: 2 ** 53 - 1 })).rejects.toThrow("ZOOCACHE_USED_UP")
    expect((await pull()).reply.epoch).toEqual(epoch)
  })
})

describe("a trusted server", () => {
  const hour = 3_600_000 * 1024

  test("keeps its epoch when it was replaced, and leaps above what was lost", async () => {
    const first = await append(["a"])
    await redis.hset(keys.state, "replid", "2".repeat(40))
    const lost = { epoch: first.epoch, cursor: first.version + 50_000 }
    const { reply, changes } = await pull(lost, { leap: String(hour) })
    expect(reply.epoch).toEqual(first.epoch)
    expect(reply.head).toBeGreaterThanOrEqual(lost.cursor + hour)
    expect(reply.ended).toEqual({ epoch: first.epoch, head: first.version, life: (first.ended?.life ?? 0) + 1 })
    expect(changes).toEqual([])
    // Once.
    const again = await append(["b"], positionOf(reply), { leap: String(hour) })
    expect(again.previousHead).toBe(reply.head)
    expect(again.version).toBe(reply.head + 1)
    expect((await pull()).changes.map(({ path }) => path)).toEqual(["a", "b"])
  })

  test("begins a new epoch all the same when its log is gone", async () => {
    const first = await append(["a"])
    await redis.flushall()
    const { reply } = await pull(positionOf(first), { leap: String(hour) })
    expect(reply.epoch.ordinal).toBeGreaterThan(first.epoch.ordinal)
  })
})

describe("versions", () => {
  test("keep all their digits above 2^52", async () => {
    const first = await append(["a"])
    const high = 2 ** 52 + 1
    await redis.hset(keys.state, "head", `${high}`)
    const versions = []
    for (const path of ["b", "c", "d"]) versions.push((await append([path])).version)
    expect(versions).toEqual([high + 1, high + 2, high + 3])
    const { changes, reply } = await pull({ epoch: first.epoch, cursor: high + 1 })
    expect(changes.map(({ path, version }) => [path, version])).toEqual([
      ["c", high + 2],
      ["d", high + 3],
    ])
    expect(reply.head).toBe(high + 3)
  })

  test("of a path never go back", async () => {
    const first = await append(["a"])
    await redis.zadd(keys.tags, String(first.version + 999_999_999), "ta")
    await append(["a"])
    expect(await redis.zscore(keys.tags, "ta")).toBe(String(first.version + 999_999_999))
  })
})

describe("trimming", () => {
  test("takes whole versions, the oldest first, and tells up to where", async () => {
    const replies = []
    for (const paths of [["a", "b"], ["c", "d", "e"], ["f"]]) replies.push(await append(paths, NOWHERE, { maxTags: 4 }))
    const { reply, changes } = await pull()
    expect(reply.floor).toBe(replies[0]?.version)
    expect(changes.map(({ path }) => path)).toEqual(["c", "d", "e", "f"])
    // One too many, and its whole version goes.
    await append(["g"], NOWHERE, { maxTags: 4 })
    const after = await pull()
    expect(after.reply.floor).toBe(replies[1]?.version)
    expect(after.changes.map(({ path }) => path)).toEqual(["f", "g"])
  })

  test("may take the append itself, where that is larger than the budget", async () => {
    const reply = await append(["a", "b", "c"], NOWHERE, { maxTags: 2 })
    const page = await pull()
    expect(page.changes).toEqual([])
    expect(page.reply.floor).toBe(reply.version)
    expect(page.reply.floor).toBeLessThanOrEqual(page.reply.head)
  })
})

describe("pages", () => {
  test("never split a version, and together tell everything", async () => {
    const expected = new Map<string, number>()
    for (let round = 0; round < 20; round += 1) {
      const paths = Array.from({ length: 1 + ((round * 7) % 5) }, (_, index) => `r${round}:${index}`)
      const { version } = await append(paths)
      for (const path of paths) expected.set(path, version)
    }
    const found = new Map<string, number>()
    let after: More["after"]
    let pages = 0
    for (;;) {
      const page: Awaited<ReturnType<typeof pull>> = await pull(NOWHERE, {
        pageSize: 3,
        ...(after === undefined ? {} : { after }),
      })
      pages += 1
      const last = page.next ?? page.reply.head
      for (const { path, version } of page.changes) {
        expect(version).toBeLessThanOrEqual(last)
        found.set(path, version)
      }
      // Everything up to the end of the page has been told.
      for (const [path, version] of expected) expect(version > last || found.has(path)).toBe(true)
      if (page.next === undefined) break
      after = { epoch: page.reply.epoch, next: page.next }
    }
    expect(found).toEqual(expected)
    expect(pages).toBeGreaterThan(5)
  })

  test("begin anew when an epoch begins between two of them", async () => {
    for (const path of ["a", "b", "c", "d"]) await append([path])
    const first = await pull(NOWHERE, { pageSize: 2 })
    await redis.flushall()
    await append(["e"])
    const after = { epoch: first.reply.epoch, next: first.next ?? 0 }
    const second = await pull(NOWHERE, { pageSize: 2, after })
    expect(second.changes.map(({ path }) => path)).toEqual(["e"])
  })
})

test("10,000 tags are one append of one version", async () => {
  const paths = Array.from({ length: 10_000 }, (_, index) => `t:${index}`)
  const { version } = await append(paths, NOWHERE, { maxTags: 100_000 })
  const page = await pull(NOWHERE, { pageSize: 100 })
  expect(page.changes.length).toBe(10_000)
  expect(page.changes.every((change) => change.version === version)).toBe(true)
})

test.each(names)("nothing of another type is overwritten: %s", async (name) => {
  await append(["a"])
  await redis.del(name)
  await redis.set(name, "theirs")
  // Whoever has read all there is has nothing to read in a sorted set.
  if (name !== keys.keys) await expect(append(["b"])).rejects.toThrow("WRONGTYPE")
  await expect(pull()).rejects.toThrow("WRONGTYPE")
  expect(await redis.get(name)).toBe("theirs")
})

test("prefixes can't reach into each other, whatever they are", () => {
  const odd = [
    "a",
    "a}",
    "a}:tags",
    "",
    "%",
    "a:b{",
    "{}",
    "a*",
    "A",
    "ä",
    "\ud800",
    "\udc00",
    "a\n",
    "%7D",
    "?",
    "[a]",
  ]
  expect(new Set(odd.map(encodePrefix)).size).toBe(odd.length)
  for (const prefix of odd) expect(encodePrefix(prefix)).toMatch(/^[\w\-.~%]+$/)
  expect(logKeys("shop")).toEqual({
    state: "zc1:{shop}:state",
    tags: "zc1:{shop}:tags",
    keys: "zc1:{shop}:keys",
    channel: "zc1:{shop}:news",
  })
  expect(logKeys("shop", 3).channel).toBe("zc1:{shop}:news:3")
})

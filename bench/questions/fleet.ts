import { setImmediate as turn, setTimeout as delay } from "node:timers/promises"
import type { Redis } from "ioredis"
import type { Answer, Bar, Contestant, Measured, Question, Runner, Table } from "../harness/question.js"
import { connect, openCache, withRedis } from "../harness/redis.js"

const QUESTION = "fleet"
const KEYS = 200
const READERS = 3
/** Callers of each reader; each gives way to the event loop after every read, so that messages come in. */
const CALLERS = 16
/** What a message between two processes of one machine may take; both tables say how many reads were staler than that. */
const MESSAGE_MS = 10
const LONG_MS = 1000
const TTL_SECONDS = 3600

const ROWS = "fleet:rows"
const HISTORY = "fleet:history"

interface Row {
  readonly id: number
  readonly version: number
}

/** A library on one node of the fleet. */
interface Node {
  readonly read: (id: number) => Promise<Row | null | undefined>
  readonly invalidate: (id: number) => Promise<unknown>
}

type Load = (id: number) => Promise<Row>

/** Milliseconds of a clock that all processes of a machine share, and that nobody sets. */
const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6

const libraries: Readonly<Record<string, (url: string, load: Load) => Promise<Node>>> = {
  "zoocache, memory and Redis": async (url, load) => {
    const cache = await openCache(url, "fleet")
    const read = cache.cacheable(load, { name: "row", deps: (id) => [`row:${id}`] })
    return { read, invalidate: (id) => cache.invalidate(`row:${id}`) }
  },

  "layered-loader, memory, Redis and bus": async (url, load) => {
    const { createNotificationPair, Loader, RedisCache } = await import("layered-loader")
    const [entries, publisherRedis, consumerRedis] = await Promise.all([connect(url), connect(url), connect(url)])
    const { publisher, consumer } = createNotificationPair<Row>({
      channel: "fleet:loader",
      publisherRedis: publisherRedis as never,
      consumerRedis: consumerRedis as never,
    })
    const loader = new Loader<Row>({
      inMemoryCache: { ttlInMsecs: TTL_SECONDS * 1000, maxItems: 10 * KEYS },
      asyncCache: new RedisCache<Row>(entries as never, {
        prefix: "fleet:loader",
        json: true,
        ttlInMsecs: TTL_SECONDS * 1000,
      }),
      notificationPublisher: publisher,
      notificationConsumer: consumer,
      dataSourceGetOneFn: (key) => load(Number(key)),
    })
    await loader.init()
    return { read: (id) => loader.get(String(id)), invalidate: (id) => loader.invalidateCacheFor(String(id)) }
  },

  "bentocache, memory, Redis and its bus": async (url, load) => {
    const { BentoCache, bentostore } = await import("bentocache")
    const { memoryDriver } = await import("bentocache/drivers/memory")
    const { redisBusDriver, redisDriver } = await import("bentocache/drivers/redis")
    const { hostname: host, port } = new URL(url)
    const store = bentostore()
      .useL1Layer(memoryDriver({ maxItems: 10 * KEYS }))
      .useL2Layer(redisDriver({ connection: await connect(url) }))
      .useBus(redisBusDriver({ connection: { host, port: Number(port) } }))
    const cache = new BentoCache({ default: "rows", prefix: "fleet:bento", stores: { rows: store } })
    return {
      read: (id) =>
        cache.getOrSet({
          key: `row:${id}`,
          ttl: TTL_SECONDS * 1000,
          tags: [`row:${id}`],
          factory: () => load(id),
        }),
      invalidate: (id) => cache.deleteByTag({ tags: [`row:${id}`] }),
    }
  },

  "cacheable, memory, Redis, sync and tags": async (url, load) => {
    const { Cacheable } = await import("cacheable")
    const { default: KeyvRedis } = await import("@keyv/redis")
    const { RedisMessageProvider } = await import("@qified/redis")
    const cache = new Cacheable({
      secondary: new KeyvRedis(url),
      ttl: TTL_SECONDS * 1000,
      tags: true,
      sync: { qified: new RedisMessageProvider({ uri: url }) },
    })
    return {
      read: async (id) => {
        const known = await cache.get<Row>(`row:${id}`)
        if (known !== undefined) return known
        const row = await load(id)
        await cache.set(`row:${id}`, row, { ttl: TTL_SECONDS * 1000, tags: [`tag:${id}`] })
        return row
      },
      invalidate: (id) => cache.tags.invalidateTag(`tag:${id}`),
    }
  },

  "async-cache-dedupe, Redis": async (url, load) => {
    const { createCache } = await import("async-cache-dedupe")
    const client = await connect(url)
    const cache = createCache({
      ttl: TTL_SECONDS,
      storage: { type: "redis", options: { client, invalidation: { referencesTTL: TTL_SECONDS } } },
    } as never).define("row", { references: (id: number) => [`row:${id}`] }, load)
    return {
      read: (id) => (cache as unknown as { row: (id: number) => Promise<Row> }).row(id),
      invalidate: (id) => cache.invalidateAll(`row:${id}`),
    }
  },
}

/** A read is judged when the history of the writer is known: three numbers, in one long array. */
const FIELDS = 3

/** One process of the fleet, which reads or writes as it is told. */
const node =
  (make: (url: string, load: Load) => Promise<Node>): Contestant =>
  async ({ url }) => {
    const database = await connect(String(url))
    const library = await make(String(url), (id) => load(database, id))
    let reads: number[] = []
    const rounds: Readonly<Record<string, (ms: number) => Promise<Measured>>> = {
      read: async (ms) => {
        reads = await readFor(library, ms)
        return { reads: reads.length / FIELDS }
      },
      write: (ms) => writeFor(database, library, ms),
      judge: () => judge(database, reads),
      rest: () => readAtRest(database, library),
    }
    return async ({ does, ms }) => (rounds[String(does)] as (ms: number) => Promise<Measured>)(Number(ms ?? 0))
  }

/** 1 to 5 ms, with the row read in the middle of them. */
async function load(database: Redis, id: number): Promise<Row> {
  const ms = 1 + 4 * Math.random()
  await delay(ms / 2)
  const version = Number(await database.hget(ROWS, String(id)))
  await delay(ms / 2)
  return { id, version }
}

async function readFor(library: Node, ms: number): Promise<number[]> {
  const reads: number[] = []
  const endMs = nowMs() + ms
  const caller = async (): Promise<void> => {
    for (let beginMs = nowMs(); beginMs < endMs; beginMs = nowMs()) {
      const id = Math.floor(Math.random() * KEYS)
      const row = await library.read(id)
      reads.push(id, beginMs, row?.version ?? -1)
      await turn()
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller))
  return reads
}

/** What became of each row, and when its writer had the acknowledgement in hand. */
type History = [id: number, version: number, acknowledgedMs: number][]

async function writeFor(database: Redis, library: Node, ms: number): Promise<Measured> {
  const history: History = []
  const endMs = nowMs() + ms
  while (nowMs() < endMs) {
    const id = Math.floor(Math.random() * KEYS)
    const version = await database.hincrby(ROWS, String(id), 1)
    await library.invalidate(id)
    history.push([id, version, nowMs()])
    await delay(1 + 2 * Math.random())
  }
  await database.set(HISTORY, JSON.stringify(history))
  return { writes: history.length }
}

async function judge(database: Redis, reads: readonly number[]): Promise<Measured> {
  const acknowledged = new Map<number, number[]>()
  for (const [id, version, ms] of JSON.parse((await database.get(HISTORY)) ?? "[]") as History) {
    const times = acknowledged.get(id) ?? []
    times[version] = ms
    acknowledged.set(id, times)
  }
  let [stale, staleLong, worstMs] = [0, 0, 0]
  for (let at = 0; at < reads.length; at += FIELDS) {
    const [id, beginMs, version] = reads.slice(at, at + FIELDS) as [number, number, number]
    // The first change that the read should have shown, and how long ago it was.
    const ageMs = beginMs - (acknowledged.get(id)?.[version + 1] ?? Infinity)
    if (ageMs <= 0) continue
    if (ageMs > MESSAGE_MS) stale += 1
    if (ageMs > LONG_MS) staleLong += 1
    worstMs = Math.max(worstMs, ageMs)
  }
  return { stale, staleLong, worstMs }
}

async function readAtRest(database: Redis, library: Node): Promise<Measured> {
  const rows = await database.hgetall(ROWS)
  let wrong = 0
  for (let id = 0; id < KEYS; id += 1) {
    if ((await library.read(id))?.version !== Number(rows[String(id)])) wrong += 1
  }
  return { wrong }
}

export const fleet: Question = {
  name: QUESTION,
  title: "How stale does a fleet under load get?",
  method:
    `${READERS} processes read and one writes, over ${KEYS} rows in Redis whose loads take 1 to 5 ms. A write changes the row, invalidates ` +
    "its tag (its key, where there are no tags) and waits for that; then it counts as acknowledged. A read is stale by the time " +
    "from the first acknowledged change that it does not show to its own beginning. At rest: a second after the last write, every " +
    "reader reads every row. Each library has its memory tier in front of Redis and its bus, where it has them, and a TTL of an hour.",
  contestants: Object.fromEntries(Object.entries(libraries).map(([name, make]) => [name, node(make)])),

  ask: (bench) =>
    withRedis(async ({ server, version }): Promise<Answer> => {
      const ms = bench.isQuick ? 1000 : 8000
      const rows: string[][] = []
      const bars: Bar[] = []
      for (const name of Object.keys(libraries)) {
        bench.progress(`${QUESTION}: ${name} …`)
        // A server without what the one before has left.
        const admin = await connect(`redis://127.0.0.1:${server.port}`)
        await admin.flushall()
        await admin.hset(ROWS, Object.fromEntries(Array.from({ length: KEYS }, (_, id) => [String(id), 0])))
        admin.disconnect()
        const measured = await measure(
          () => bench.start(QUESTION, name, { url: `redis://127.0.0.1:${server.port}` }),
          ms,
        )
        rows.push(rowOf(name, measured))
        if (name.startsWith("zoocache")) bars.push(...barsOf(measured))
      }
      const table: Table = {
        head: [
          "",
          "writes",
          "reads",
          `stale by more than ${MESSAGE_MS} ms`,
          `by more than ${LONG_MS / 1000} s`,
          "the oldest, ms",
          `wrong at rest, of ${READERS * KEYS}`,
        ],
        rows,
      }
      return { tables: [table], bars, notes: [`${version}, ${ms / 1000} s for each, one after the other.`] }
    }),
}

interface Fleet {
  readonly writes: number
  readonly reads: number
  readonly stale: number
  readonly staleLong: number
  readonly worstMs: number
  readonly wrong: number
}

async function measure(start: () => Promise<Runner>, ms: number): Promise<Fleet> {
  const nodes = await Promise.all(Array.from({ length: READERS + 1 }, start))
  const [writer, ...readers] = nodes as [Runner, ...Runner[]]
  try {
    const [written, ...read] = await Promise.all([
      writer.round({ does: "write", ms }),
      ...readers.map((reader) => reader.round({ does: "read", ms })),
    ])
    const judged = await Promise.all(readers.map((reader) => reader.round({ does: "judge" })))
    await delay(LONG_MS)
    const rested = await Promise.all(readers.map((reader) => reader.round({ does: "rest" })))
    const sum = (all: readonly Measured[], field: string) => all.reduce((total, one) => total + (one[field] ?? 0), 0)
    return {
      writes: written["writes"] ?? 0,
      reads: sum(read, "reads"),
      stale: sum(judged, "stale"),
      staleLong: sum(judged, "staleLong"),
      worstMs: Math.max(...judged.map(({ worstMs = 0 }) => worstMs)),
      wrong: sum(rested, "wrong"),
    }
  } finally {
    await Promise.all(nodes.map((one) => one.stop()))
  }
}

function rowOf(name: string, { writes, reads, stale, staleLong, worstMs, wrong }: Fleet): string[] {
  const number = (value: number) => value.toLocaleString("en")
  return [
    name,
    number(writes),
    number(reads),
    number(stale),
    number(staleLong),
    number(Math.round(worstMs)),
    String(wrong),
  ]
}

/** The default of `staleness.bound`: nothing may be older, whatever the machine does. */
const BOUND_MS = 5000

function barsOf({ worstMs, wrong }: Fleet): Bar[] {
  return [
    {
      what: "the oldest read in a fleet under load",
      limit: `≤ ${BOUND_MS / 1000} s, the bound`,
      measured: `${Math.round(worstMs)} ms`,
      isMet: worstMs <= BOUND_MS,
    },
    { what: "reads that are wrong at rest", limit: "0", measured: String(wrong), isMet: wrong === 0 },
  ]
}

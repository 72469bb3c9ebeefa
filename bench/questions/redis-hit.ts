import type { Cache } from "zoocache"
import { alternate, column, withRunners } from "../harness/alternate.js"
import { ratiosOf, seededRandom, show, showSpread, spreadOf } from "../harness/numbers.js"
import { type Placement, placed, placementNames, placements } from "../harness/processors.js"
import type { Bar, Bench, Contestant, Measured, Parameters, Question, Runner, Table } from "../harness/question.js"
import { connect, inGroups, openCache, withRedis, written } from "../harness/redis.js"
import { type Row, rowsOf } from "../harness/rows.js"
import { calibrate, elapsedMs, timeMs, type Work } from "../harness/timing.js"

const QUESTION = "redis-hit"
const KEYS = 10_000
const VALUE_BYTES = 1000
/** Keys for hits in memory: few, so that it is not the processor's cache that is measured. */
const WARM_KEYS = 1000
const AT_ONCE = 100

interface Page {
  readonly id: number
  readonly rows: readonly Row[]
}

type Read = (id: number) => Promise<Page | null | undefined>

const pageOf = (id: number): Page => ({ id, rows: rowsOf(VALUE_BYTES, id) })
const keyOf = (id: number): string => `page:${id}`

/** A number of loads that is told before it is looked at. */
function countingLoads() {
  const counted = { loads: 0 }
  const load = async (id: number): Promise<Page> => {
    counted.loads += 1
    return Promise.resolve(pageOf(id))
  }
  return { counted, load }
}

/** Reads all of them until none is loaded any more. */
async function fill(read: Read, keys: number, counted: { readonly loads: number }, settle: () => Promise<void>) {
  for (let before = -1; before !== counted.loads;) {
    before = counted.loads
    await inGroups(keys, AT_ONCE, read)
    await settle()
  }
}

async function pagesOf(cache: Cache, keys: number): Promise<Read> {
  const { counted, load } = countingLoads()
  const read = cache.cacheable(load, { name: "page", deps: (id) => [keyOf(id)] })
  await fill(read, keys, counted, () => written(cache))
  return read
}

type Layers = "memory and Redis" | "Redis alone"

async function bentocache(url: string, name: string, layers: Layers, keys: number, hasTags: boolean): Promise<Read> {
  const { BentoCache, bentostore } = await import("bentocache")
  const { memoryDriver } = await import("bentocache/drivers/memory")
  const { redisDriver } = await import("bentocache/drivers/redis")
  const shared = redisDriver({ connection: await connect(url) })
  const store = bentostore()
  if (layers === "memory and Redis") store.useL1Layer(memoryDriver({ maxItems: 10 * KEYS }))
  const cache = new BentoCache({ default: "pages", prefix: name, stores: { pages: store.useL2Layer(shared) } })
  const { counted, load } = countingLoads()
  const read: Read = (id) => {
    const tags = hasTags ? { tags: [keyOf(id)] } : {}
    return cache.getOrSet({ key: keyOf(id), ttl: "1h", ...tags, factory: () => load(id) })
  }
  await fill(read, keys, counted, () => Promise.resolve())
  return read
}

/** Reads of keys drawn uniformly, so many at once. */
function reads(read: Read, atOnce: number): Work {
  const random = seededRandom(1)
  const order = Array.from({ length: 1 << 16 }, () => Math.floor(random() * KEYS))
  const mask = order.length - 1
  // Each round goes on where the last one ended: it is too short for all keys.
  let next = 0
  if (atOnce === 1) {
    return async (count) => {
      let sum = 0
      for (const end = next + count; next < end; next += 1) {
        sum += ((await read(order[next & mask] as number)) as Page).id
      }
      return sum
    }
  }
  return async (count) => {
    const from = next
    next += count
    await inGroups(count, atOnce, async (at) => ((await read(order[(from + at) & mask] as number)) as Page).id)
  }
}

/** One after the other or many at once, as the round asks. Beside the time, how many came from Redis. */
const beyond =
  (makeRead: (url: string, name: string) => Promise<{ read: Read; cache?: Cache }>, name: string): Contestant =>
  async ({ url, roundMs }) => {
    const { read, cache } = await makeRead(String(url), name)
    const works = new Map([1, AT_ONCE].map((atOnce) => [atOnce, reads(read, atOnce)]))
    const counts = new Map<number, number>()
    for (const [atOnce, work] of works) {
      const count = await calibrate(work, Number(roundMs), 30 * Number(roundMs), elapsedMs)
      counts.set(atOnce, Math.ceil(count / atOnce) * atOnce)
    }
    const hits = () => cache?.stats().storeHits ?? 0
    return async ({ atOnce }) => {
      const count = counts.get(Number(atOnce)) as number
      const before = hits()
      const us = ((await elapsedMs(works.get(Number(atOnce)) as Work, count)) * 1000) / count
      return { us, percent: cache === undefined ? 100 : (100 * (hits() - before)) / count }
    }
  }

const ioredis = (enableAutoPipelining: boolean) => async (url: string, name: string) => {
  const client = await connect(url, { enableAutoPipelining })
  const keys = Array.from({ length: KEYS }, (_, id) => `${name}:${keyOf(id)}`)
  await inGroups(KEYS, AT_ONCE, (id) => client.set(keys[id] as string, JSON.stringify(pageOf(id)), "EX", 3600))
  return { read: async (id: number) => JSON.parse((await client.get(keys[id] as string)) as string) as Page }
}

const BASELINE = "ioredis `GET`, `JSON.parse`"

const beyondMemory: Readonly<Record<string, Contestant>> = {
  [BASELINE]: beyond(ioredis(false), "plain"),

  "the same with `enableAutoPipelining`": beyond(ioredis(true), "piped"),

  "zoocache, `memory: false`": beyond(async (url, name) => {
    const cache = await openCache(url, name, { memory: false })
    return { cache, read: await pagesOf(cache, KEYS) }
  }, "none"),

  "zoocache, memory for 1 % of the keys": beyond(async (url, name) => {
    const cache = await openCache(url, name, { memory: { maxEntries: KEYS / 100 } })
    return { cache, read: await pagesOf(cache, KEYS) }
  }, "small"),

  "zoocache, `cache.get`, `memory: false`": beyond(async (url, name) => {
    const cache = await openCache(url, name, { memory: false })
    await inGroups(KEYS, AT_ONCE, (id) => cache.set(keyOf(id), pageOf(id), { deps: [keyOf(id)] }))
    await written(cache)
    return { cache, read: (id: number) => cache.get<Page>(keyOf(id)) }
  }, "get"),

  "bentocache, Redis alone": beyond(
    async (url, name) => ({ read: await bentocache(url, name, "Redis alone", KEYS, true) }),
    "bento",
  ),

  "bentocache, Redis alone, without tags": beyond(
    async (url, name) => ({ read: await bentocache(url, name, "Redis alone", KEYS, false) }),
    "bento-plain",
  ),
}

const inMemory =
  (makeRead: (url: string) => Promise<Read>): Contestant =>
  async ({ url, roundMs }) => {
    const read = await makeRead(String(url))
    const work: Work = async (count) => {
      let sum = 0
      for (let at = 0; at < count; at += 1) sum += ((await read(at % WARM_KEYS)) as Page).id
      return sum
    }
    const count = await calibrate(work, Number(roundMs), 30 * Number(roundMs))
    return async () => ({ ns: ((await timeMs(work, count)) * 1e6) / count })
  }

const ALONE = "zoocache, memory alone"
const memoryOptions = { memory: { maxEntries: 10 * KEYS } }

const withMemory: Readonly<Record<string, Contestant>> = {
  [ALONE]: inMemory(async () => {
    const { createCache } = await import("zoocache")
    return pagesOf(createCache({ ttl: "1h", ...memoryOptions }), WARM_KEYS)
  }),
  "zoocache, Redis behind it": inMemory(async (url) => pagesOf(await openCache(url, "two", memoryOptions), WARM_KEYS)),
  "bentocache, memory and Redis": inMemory((url) => bentocache(url, "two-bento", "memory and Redis", WARM_KEYS, true)),
}

export const redisHit: Question = {
  name: QUESTION,
  title: "What does a hit cost with Redis?",
  method: `Awaited reads with values of ${VALUE_BYTES.toLocaleString("en-US")} bytes as JSON: ten rows; all on one server on this machine, each with keys of its own. Beyond memory: ${KEYS.toLocaleString("en-US")} keys, drawn uniformly; functions with one tag whose entries come from Redis, decoded, by the freshness rule, against \`GET\` and \`JSON.parse\` with the ioredis package; one after the other, and ${AT_ONCE} at once; once with the server on a processor of its own, where the system allows it, and once with all of them wherever it puts them. In memory: everything is there, and Redis behind it. bentocache does the same job with one tag, and once without; it asks for ioredis 5 and gets the installed one.`,
  contestants: { ...beyondMemory, ...withMemory },

  ask: (bench) =>
    withRedis(async ({ server, version }) => {
      const inFront = await askInFront(bench, server.url)
      const { tables, bars } = await askBeyond(bench, server)
      return { tables: [inFront, ...tables], bars, notes: [`${version}.`] }
    }),
}

function startAll(bench: Bench, names: readonly string[], url: string): Record<string, Promise<Runner>> {
  const parameters: Parameters = { url, roundMs: bench.roundMs }
  return Object.fromEntries(names.map((name) => [name, bench.start(QUESTION, name, parameters)]))
}

async function askInFront(bench: Bench, url: string): Promise<Table> {
  const names = Object.keys(withMemory)
  const measured = await withRunners(startAll(bench, names, url), (runners) =>
    alternate(bench, runners, {}, Math.ceil(bench.rounds / 2)),
  )
  const ns = (name: string) => column(measured[name] as Measured[], "ns")
  return {
    caption: "In memory",
    head: ["", "ns per hit", "against memory alone"],
    rows: names.map((name) => [name, showSpread(spreadOf(ns(name))), `${showSpread(ratiosOf(ns(ALONE), ns(name)))}×`]),
  }
}

type Server = { readonly url: string; readonly pid: number }

async function askBeyond(bench: Bench, server: Server): Promise<{ tables: Table[]; bars: Bar[] }> {
  const names = Object.keys(beyondMemory)
  return withRunners(startAll(bench, names, server.url), async (runners) => {
    const tables: Table[] = []
    const bars: Bar[] = []
    for (const placement of placements()) {
      const [alone, together] = await placed(placement, server, runners, async () => [
        await alternate(bench, runners, { atOnce: 1 }),
        await alternate(bench, runners, { atOnce: AT_ONCE }, Math.ceil(bench.rounds / 2)),
      ])
      tables.push(...tablesOf(names, placement, alone, together))
      // Of the first: the others are for whoever wants to know.
      if (bars.length === 0) bars.push(barOf(placement, alone))
    }
    return { tables, bars }
  })
}

type ByName = Record<string, Measured[]>

function barOf(placement: Placement, alone: ByName): Bar {
  const ratio = ratiosOf(usOf(alone, BASELINE), usOf(alone, "zoocache, `memory: false`"))
  return {
    what: `Redis hit beyond memory, one after the other, against ioredis \`GET\` and \`JSON.parse\`, ${placementNames[placement]}`,
    limit: "≥ 0.8×",
    measured: `${showSpread(ratio)}×`,
    isMet: ratio.median >= 0.8,
  }
}

function tablesOf(names: readonly string[], placement: Placement, alone: ByName, together: ByName): Table[] {
  return [
    {
      caption: `Beyond memory, one after the other, ${placementNames[placement]}`,
      head: ["", "µs per read", "against ioredis", "from Redis, %"],
      rows: names.map((name) => [name, showSpread(spreadOf(usOf(alone, name))), ...besides(alone, name)]),
    },
    {
      caption: `Beyond memory, ${AT_ONCE} at once, ${placementNames[placement]}`,
      head: ["", "reads per second", "against ioredis", "from Redis, %"],
      rows: names.map((name) => [
        name,
        showSpread(spreadOf(usOf(together, name).map((us) => Math.round(1e6 / us)))),
        ...besides(together, name),
      ]),
    },
  ]
}

function usOf(measured: Record<string, Measured[]>, name: string): number[] {
  return column(measured[name] as Measured[], "us")
}

function besides(measured: Record<string, Measured[]>, name: string): string[] {
  const percent = spreadOf(column(measured[name] as Measured[], "percent")).median
  return [`${showSpread(ratiosOf(usOf(measured, BASELINE), usOf(measured, name)))}×`, show(Math.round(percent))]
}

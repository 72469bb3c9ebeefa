import type { Cache, CacheOptions } from "zoocache"
import { alternate, column, withRunners } from "../harness/alternate.js"
import { withFolder } from "../harness/folder.js"
import { ratiosOf, seededRandom, show, showSpread, spreadOf } from "../harness/numbers.js"
import type { Answer, Bar, Bench, Contestant, Measured, Question, Runner, Table } from "../harness/question.js"
import { type Row, rowsOf } from "../harness/rows.js"
import { calibrate, nextTurn, timeMs, type Work } from "../harness/timing.js"

const KEYS = 10_000
const VALUE_BYTES = 1000
/** Keys for hits in memory: few, so that it is not the processor's cache that is measured. */
const WARM_KEYS = 1000
/** 0: all in one turn. */
const PER_TURN = [0, 100, 10, 1]

interface Page {
  readonly id: number
  readonly rows: readonly Row[]
}

const pageOf = (id: number): Page => ({ id, rows: rowsOf(VALUE_BYTES, id) })

/** Reads of keys drawn uniformly, one after the other. */
function reads(read: (id: number) => Promise<Page | undefined> | Page | undefined): Work {
  const random = seededRandom(1)
  const order = Array.from({ length: 1 << 16 }, () => Math.floor(random() * KEYS))
  const mask = order.length - 1
  // Each round goes on where the last one ended: it is too short for all keys.
  let next = 0
  return async (count) => {
    let sum = 0
    for (const end = next + count; next < end; next += 1) sum += ((await read(order[next & mask] as number)) as Page).id
    return sum
  }
}

/** Hits of few keys, with a turn of the event loop after each so many. */
function hitsInTurns(read: (id: number) => Promise<Page>, perTurn: number): Work {
  return async (count) => {
    let sum = 0
    for (let at = 0; at < count; at += 1) {
      sum += (await read(at % WARM_KEYS)).id
      if (perTurn > 0 && at % perTurn === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    return sum
  }
}

async function openCache(folder: string, options: CacheOptions): Promise<Cache> {
  const { createCache } = await import("zoocache")
  const { lmdb } = await import("zoocache/lmdb")
  const cache = createCache({ backend: lmdb({ path: `${folder}/zoocache` }), ttl: "1h", ...options })
  await cache.ready()
  return cache
}

/** Whoever comes first fills the store; the others find it full. */
async function pagesOf(cache: Cache, keys: number) {
  let loads = 0
  const load = async (id: number) => {
    loads += 1
    return Promise.resolve(pageOf(id))
  }
  const read = cache.cacheable(load, { name: "page", deps: (id) => [`page:${id}`] })
  for (let before = -1; before !== loads;) {
    before = loads
    for (let id = 0; id < keys; id += 1) {
      await read(id)
      if (id % 100 === 0) await nextTurn()
    }
    // What is stored goes out in the background.
    while ((cache.stats().store?.queued ?? 0) > 0) await nextTurn()
  }
  return read
}

const ours =
  (
    name: string,
    options: CacheOptions,
    makeRead: (cache: Cache) => Promise<(id: number) => Promise<Page | undefined>>,
  ) =>
  async ({ folder, roundMs }: Readonly<Record<string, unknown>>) => {
    const cache = await openCache(`${String(folder)}/${name}`, options)
    const work = reads(await makeRead(cache))
    const count = await calibrate(work, Number(roundMs), 30 * Number(roundMs))
    return async () => {
      const before = cache.stats().storeHits
      const us = ((await timeMs(work, count)) * 1000) / count
      return { us, percent: (100 * (cache.stats().storeHits - before)) / count }
    }
  }

const beyondMemory: Record<string, Contestant> = {
  "lmdb-js `get`": async ({ folder, roundMs }) => {
    const { open } = await import("lmdb")
    const database = open<Page, string>({ path: `${String(folder)}/lmdb` })
    const keys = Array.from({ length: KEYS }, (_, id) => `page:${id}`)
    await Promise.all(keys.map((key, id) => database.put(key, pageOf(id))))
    const work = reads((id) => database.get(keys[id] as string))
    const count = await calibrate(work, Number(roundMs), 30 * Number(roundMs))
    return async () => ({ us: ((await timeMs(work, count)) * 1000) / count, percent: 100 })
  },

  "zoocache, `memory: false`": ours("none", { memory: false }, (cache) => pagesOf(cache, KEYS)),

  "zoocache, memory for 1 % of the keys": ours("small", { memory: { maxEntries: KEYS / 100 } }, (cache) =>
    pagesOf(cache, KEYS),
  ),

  "zoocache, `cache.get`, `memory: false`": ours("get", { memory: false }, async (cache) => {
    const keys = Array.from({ length: KEYS }, (_, id) => `page:${id}`)
    for (let from = 0; from < KEYS; from += 100) {
      await cache.setMany(
        keys.slice(from, from + 100).map((key, at) => [key, pageOf(from + at), { deps: [key] }] as const),
      )
    }
    return (id) => cache.get<Page>(keys[id] as string)
  }),
}

const inMemory =
  (makeCache: (folder: string) => Promise<Cache>): Contestant =>
  async ({ folder, roundMs }) => {
    const cache = await makeCache(String(folder))
    const read = await pagesOf(cache, WARM_KEYS)
    const works = new Map(PER_TURN.map((perTurn) => [perTurn, hitsInTurns(read, perTurn)]))
    const counts = new Map<number, number>()
    for (const [perTurn, work] of works)
      counts.set(perTurn, await calibrate(work, Number(roundMs), 30 * Number(roundMs)))
    return async ({ perTurn }) => {
      const count = counts.get(Number(perTurn)) as number
      return { ns: ((await timeMs(works.get(Number(perTurn)) as Work, count)) * 1e6) / count }
    }
  }

const withMemory = {
  "memory alone": inMemory(async () => {
    const { createCache } = await import("zoocache")
    return createCache({ ttl: "1h", memory: { maxEntries: 10 * KEYS } })
  }),
  "LMDB behind it": inMemory((folder) => openCache(`${folder}/behind`, { memory: { maxEntries: 10 * KEYS } })),
} satisfies Record<string, Contestant>

export const lmdbHit: Question = {
  name: "lmdb-hit",
  title: "What does a hit cost with LMDB?",
  method: `Awaited reads of ${KEYS.toLocaleString("en-US")} keys, drawn uniformly, one after the other, with values of ${VALUE_BYTES.toLocaleString("en-US")} bytes as JSON: ten rows. Beyond memory: functions with one tag whose entries come from LMDB, decoded, by the freshness rule, against \`get\` of the lmdb package with its default encoding on a database of its own. In memory: the same with everything in memory and LMDB behind it, where the log's head is looked at once per turn of the event loop, by the number of hits in a turn.`,
  contestants: { ...beyondMemory, ...withMemory },

  ask: (bench) =>
    withFolder(async (folder) => {
      const beyond = await askBeyond(bench, folder)
      const inFront = await askInFront(bench, folder)
      return { tables: [...beyond.tables, inFront], bars: beyond.bars, notes: [] }
    }),
}

function startAll<Name extends string>(bench: Bench, names: readonly Name[], folder: string) {
  return Object.fromEntries(
    names.map((name) => [name, bench.start("lmdb-hit", name, { folder, roundMs: bench.roundMs })]),
  ) as Record<Name, Promise<Runner>>
}

async function askBeyond(bench: Bench, folder: string): Promise<Pick<Answer, "tables" | "bars">> {
  const names = Object.keys(beyondMemory)
  const measured = await withRunners(startAll(bench, names, folder), (runners) => alternate(bench, runners))
  const us = (name: string) => column(measured[name] as Measured[], "us")
  const baseline = us("lmdb-js `get`")
  const bars = names.slice(1, 3).map((name): Bar => {
    const ratio = ratiosOf(baseline, us(name))
    return {
      what: `LMDB hit beyond memory, ${name.replace("zoocache, ", "")}, against lmdb-js \`get\``,
      limit: "≥ 0.6×",
      measured: `${showSpread(ratio)}×`,
      isMet: ratio.median >= 0.6,
    }
  })
  const table: Table = {
    caption: "Beyond memory",
    head: ["", "µs per read", "against lmdb-js", "from LMDB, %"],
    rows: names.map((name) => [
      name,
      showSpread(spreadOf(us(name))),
      `${showSpread(ratiosOf(baseline, us(name)))}×`,
      show(Math.round(spreadOf(column(measured[name] as Measured[], "percent")).median)),
    ]),
  }
  return { tables: [table], bars }
}

async function askInFront(bench: Bench, folder: string): Promise<Table> {
  const names = Object.keys(withMemory) as (keyof typeof withMemory)[]
  return withRunners(startAll(bench, names, folder), async (runners) => {
    const rows: string[][] = []
    for (const perTurn of PER_TURN) {
      const measured = await alternate(bench, runners, { perTurn }, Math.ceil(bench.rounds / 2))
      const alone = column(measured["memory alone"], "ns")
      const behind = column(measured["LMDB behind it"], "ns")
      const looks = behind.map((ns, index) => ((ns - (alone[index] as number)) * perTurn) / 1000)
      rows.push([
        perTurn === 0 ? "all" : show(perTurn),
        showSpread(spreadOf(alone)),
        showSpread(spreadOf(behind)),
        `${showSpread(ratiosOf(alone, behind))}×`,
        perTurn === 0 ? "–" : showSpread(spreadOf(looks)),
      ])
    }
    return {
      caption: "In memory",
      head: [
        "hits in one turn",
        "memory alone, ns per hit, turns included",
        "LMDB behind it",
        "against memory alone",
        "more per turn, µs",
      ],
      rows,
    }
  })
}

import { alternate, column, withRunners } from "../harness/alternate.js"
import { showSpread, spreadOf } from "../harness/numbers.js"
import type { Contestant, Question, Round } from "../harness/question.js"
import { calibrate, nextTurn, timeMs, type Work } from "../harness/timing.js"

const KEYS = 10_000
const CALLERS = 10_000

/** What each process measures; `original` puts some of them beside the Python library. */
export const operationNames = {
  asyncHit: "cached hit, async",
  syncHit: "cached hit, sync",
  get: "`get`, hit",
  set: "`set` with one tag",
  setFull: "`set` of a new key, budget full",
  firstCall: "first call, async",
  firstCallFull: "first call, async, budget full",
  firstCallSync: "first call, sync",
  invalidate: "`invalidate`",
} as const
export type Operation = keyof typeof operationNames

const zoocache: Contestant = async ({ roundMs }) => {
  const { createCache } = await import("zoocache")
  const cache = createCache({ ttl: "1h", memory: { maxEntries: 1_000_000 } })
  const small = createCache({ ttl: "1h", memory: { maxEntries: KEYS } })
  const load = async (id: number) => Promise.resolve({ id, name: "user" })
  const options = { name: "user", deps: (id: number) => [`user:${id}`] }
  const getUser = cache.cacheable(load, options)
  const getUserSync = cache.cacheableSync((id: number) => ({ id, name: "user" }), { ...options, name: "userSync" })
  const getUserFull = small.cacheable(load, options)
  const keys = Array.from({ length: KEYS }, (_, id) => `key:${id}`)
  const tags = keys.map((_, id) => [`user:${id}`])
  const marks = keys.map((_, id) => `marked:${id}`)
  const value = { id: 1, name: "user" }
  const fill = async () => {
    for (let id = 0; id < KEYS; id += 1) {
      await getUser(id)
      getUserSync(id)
      await cache.set(keys[id] as string, value, { deps: tags[id] as string[] })
      // Entries of their own for the invalidations, so that hits stay hits.
      await cache.set(marks[id] as string, value, { deps: [marks[id] as string] })
    }
  }
  await fill()

  // Ids that nobody has asked for yet.
  let fresh = KEYS
  const works: Record<Operation, Work> = {
    asyncHit: async (count) => {
      for (let at = 0; at < count; at += 1) await getUser(at % KEYS)
    },
    syncHit: (count) => {
      for (let at = 0; at < count; at += 1) getUserSync(at % KEYS)
    },
    get: async (count) => {
      for (let at = 0; at < count; at += 1) await cache.get(keys[at % KEYS] as string)
    },
    set: async (count) => {
      for (let at = 0; at < count; at += 1) {
        await cache.set(keys[at % KEYS] as string, value, { deps: tags[at % KEYS] as string[] })
      }
    },
    setFull: async (count) => {
      for (let at = 0; at < count; at += 1) {
        fresh += 1
        await small.set(`key:${fresh}`, value, { deps: [`user:${fresh}`] })
      }
    },
    firstCall: async (count) => {
      for (let at = 0; at < count; at += 1) await getUser((fresh += 1))
    },
    firstCallFull: async (count) => {
      for (let at = 0; at < count; at += 1) await getUserFull((fresh += 1))
    },
    firstCallSync: (count) => {
      for (let at = 0; at < count; at += 1) getUserSync((fresh += 1))
    },
    invalidate: async (count) => {
      for (let at = 0; at < count; at += 1) await cache.invalidate(marks[at % KEYS] as string)
    },
  }
  // First calls must not pile up until the budget is full, and what was invalidated must be live again.
  const tidy = async () => {
    await cache.clear()
    cache.prune()
    await fill()
  }
  const names = Object.keys(works) as Operation[]
  const counts = new Map<Operation, number>()
  for (const name of names) counts.set(name, await calibrate(works[name], Number(roundMs), 15 * Number(roundMs)))

  let loads = 0
  let release = () => {}
  let gate = Promise.resolve()
  const slow = cache.cacheable(
    async (_id: number) => {
      loads += 1
      await gate
      return value
    },
    { name: "slow", deps: ["slow"] },
  )
  const stampede = async () => {
    loads = 0
    gate = new Promise((resolve) => {
      release = resolve
    })
    const missing = (fresh += 1)
    const stampedeMs = await timeMs((callers) => {
      const waiting = Array.from({ length: callers }, () => slow(missing))
      release()
      return Promise.all(waiting)
    }, CALLERS)
    return { stampedeMs, stampedeLoads: loads }
  }

  const round: Round = async () => {
    const measured: Record<string, number> = {}
    await tidy()
    for (const name of names) {
      await nextTurn()
      const count = counts.get(name) as number
      measured[name] = ((await timeMs(works[name], count)) * 1000) / count
    }
    return { ...measured, ...(await stampede()) }
  }
  return round
}

export const operations: Question = {
  name: "operations",
  title: "What do the operations cost in one process?",
  method: `Microseconds per awaited operation (those named sync are not awaited), over ${KEYS.toLocaleString("en-US")} keys, one tag each, TTL, statistics and tracking on.`,
  contestants: { zoocache },

  async ask(bench) {
    const measured = await withRunners(
      { zoocache: bench.start("operations", "zoocache", { roundMs: bench.roundMs }) },
      (runners) => alternate(bench, runners, {}, Math.ceil(bench.rounds / 2)),
    )
    return {
      tables: [
        {
          head: ["operation", "µs"],
          rows: (Object.keys(operationNames) as Operation[]).map((name) => [
            operationNames[name],
            showSpread(spreadOf(column(measured.zoocache, name))),
          ]),
        },
      ],
      bars: [],
      notes: [],
    }
  },
}

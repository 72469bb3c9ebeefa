import { withRunners } from "../harness/alternate.js"
import { showSpread, spreadOf } from "../harness/numbers.js"
import type { Contestant, Question } from "../harness/question.js"
import { nextTurn, timeMs } from "../harness/timing.js"

const SIZES = [1000, 2000, 4000, 8000] as const

/** The shapes that loads can take. The time is that of all calls together, until the last has its value. */
const shapes = {
  hub: "a load that waits for n others, which half as many join",
  chain: "n loads, each of which calls the next",
  callers: "n late callers of a load with n dependencies",
  batch: "a batch of n ids, whose loader calls another function for each",
} as const
type Shape = keyof typeof shapes

/** A promise that is opened from outside. */
function gate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, opened }
}

const list = (size: number): number[] => Array.from({ length: size }, (_, index) => index)

const zoocache: Contestant = async () => {
  const { createCache } = await import("zoocache")
  const open = () => createCache({ memory: { maxEntries: 1_000_000 } })
  type Run = (cache: ReturnType<typeof open>, size: number) => Promise<() => Promise<unknown>>
  const runs: Record<Shape, Run> = {
    hub: async (cache, size) => {
      const { open: release, opened } = gate()
      const leaf = cache.cacheable(async (id: number) => (await opened, id), { name: "leaf" })
      const hub = cache.cacheable(async () => Promise.all(list(size).map((id) => leaf(id))), { name: "hub" })
      const joiner = cache.cacheable(async (id: number) => (await hub(), id), { name: "joiner" })
      const waiting = hub()
      return async () => {
        const joining = list(size / 2).map((id) => joiner(id))
        release()
        await Promise.all(joining)
        await waiting
      }
    },
    chain: async (cache, size) => {
      const link: (id: number) => Promise<number> = cache.cacheable(
        async (id: number) => (id === 0 ? 0 : 1 + (await link(id - 1))),
        { name: "link" },
      )
      return () => link(size)
    },
    callers: async (cache, size) => {
      const { open: release, opened } = gate()
      const load = cache.cacheable(async () => (await opened, 1), {
        name: "load",
        deps: () => list(size).map((id) => `d:${id}`),
      })
      const other = cache.cacheable(async () => 1, { name: "other", deps: ["other"] })
      await other()
      const early = load()
      await cache.invalidate("other")
      return async () => {
        const late = list(size).map(() => load())
        release()
        await Promise.all(late)
        await early
      }
    },
    batch: async (cache, size) => {
      const inner = cache.cacheable(async (id: number) => id, { name: "inner", deps: (id) => [`inner:${id}`] })
      const many = cache.cacheableMany(
        async (ids: readonly number[]) => {
          await Promise.all(ids.map((id) => inner(id)))
          return ids.map((id) => id)
        },
        { name: "many", deps: (id) => [`many:${id}`] },
      )
      return () => many(list(size))
    },
  }
  return async ({ shape, size }) => {
    const cache = open()
    const run = await runs[shape as Shape](cache, Number(size))
    const tookMs = await timeMs(() => run(), Number(size))
    await cache.close()
    await nextTurn()
    return { eachUs: (tookMs * 1000) / Number(size) }
  }
}

export const growth: Question = {
  name: "growth",
  title: "What do many loads cost that wait for each other?",
  method:
    "Microseconds for each of n, in a new cache each time, with the loads themselves. A straight line is the same figure in each column.",
  contestants: { zoocache },

  async ask(bench) {
    const names = Object.keys(shapes) as Shape[]
    const measured = await withRunners(
      { zoocache: bench.start("growth", "zoocache") },
      async ({ zoocache: runner }) => {
        const found = new Map<string, number[]>()
        for (let round = 0; round < Math.max(3, Math.ceil(bench.rounds / 6)); round += 1) {
          for (const shape of names) {
            for (const size of SIZES) {
              const each = found.get(`${shape} ${size}`) ?? []
              each.push((await runner.round({ shape, size }))["eachUs"] as number)
              found.set(`${shape} ${size}`, each)
            }
          }
        }
        return found
      },
    )
    const of = (shape: Shape, size: number) => spreadOf(measured.get(`${shape} ${size}`) as number[])
    return {
      tables: [
        {
          head: ["", ...SIZES.map((size) => `n = ${size.toLocaleString("en-US")}`)],
          rows: names.map((shape) => [shapes[shape], ...SIZES.map((size) => showSpread(of(shape, size)))]),
        },
      ],
      bars: names.map((shape) => {
        const ratio = of(shape, 8000).median / of(shape, 1000).median
        return {
          what: `${shapes[shape]}: each of 8,000 against each of 1,000`,
          limit: "≤ 2×",
          measured: `${ratio.toFixed(2)}×`,
          isMet: ratio <= 2,
        }
      }),
      notes: [],
    }
  },
}

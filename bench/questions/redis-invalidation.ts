import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { alternate, column, withRunners } from "../harness/alternate.js"
import { quantile, ratiosOf, show, showSpread, spreadOf } from "../harness/numbers.js"
import { startProcess } from "../harness/processes.js"
import { type Placement, placed, placementNames, placements } from "../harness/processors.js"
import type { Bar, Contestant, Measured, Parameters, Question, Runner, Table } from "../harness/question.js"
import { connect, openCache, withRedis } from "../harness/redis.js"
import { elapsedMs, nextTurn } from "../harness/timing.js"

const QUESTION = "redis-invalidation"
const TAGS = 1000
/** Of caches that the other contestants have nothing to do with. */
const PREFIX = "invalidation"

const tagOf = (at: number): string => `page:${at % TAGS}`

/** How long each of them takes, one after the other, and how many there are in a second if they don't wait. */
async function measureWrites(write: (at: number) => Promise<unknown>, count: number, inFlight: number) {
  const eachMs: number[] = []
  for (let at = 0; at < count; at += 1) {
    const begin = performance.now()
    await write(at)
    eachMs.push(performance.now() - begin)
  }
  await nextTurn()
  const allMs = await elapsedMs((writes) => Promise.all(Array.from({ length: writes }, (_, at) => write(at))), inFlight)
  return {
    p50Us: quantile(eachMs, 0.5) * 1000,
    p99Us: quantile(eachMs, 0.99) * 1000,
    perSecond: Math.round((inFlight * 1000) / allMs),
  }
}

const writer =
  (makeWrite: (url: string) => Promise<(at: number) => Promise<unknown>>): Contestant =>
  async ({ url, count, inFlight }) => {
    const write = await makeWrite(String(url))
    const round = () => measureWrites(write, Number(count), Number(inFlight))
    for (let at = 0; at < 3; at += 1) await round()
    return round
  }

const BASELINE = "ioredis `PUBLISH`"
const OWN = "zoocache `invalidate`"

/** What one of our own invalidations publishes. */
async function doorbellOf(url: string): Promise<string> {
  const listener = await connect(url)
  await listener.psubscribe("*")
  const heard = new Promise<string>((resolve) => {
    listener.on("pmessage", (_pattern: string, channel: string, message: string) => {
      if (channel.includes("doorbell")) resolve(message)
    })
  })
  const cache = await openCache(url, "doorbell")
  try {
    await cache.invalidate(tagOf(TAGS - 1))
    return await heard
  } finally {
    await cache.close()
    listener.disconnect()
  }
}

const writers = {
  [BASELINE]: writer(async (url) => {
    const message = await doorbellOf(url)
    const [client, subscriber] = await Promise.all([connect(url), connect(url)])
    await subscriber.subscribe("publish")
    const heard = new Promise((resolve) => subscriber.on("message", resolve))
    await client.publish("publish", message)
    await heard
    return () => client.publish("publish", message)
  }),
  [OWN]: writer(async (url) => {
    const cache = await openCache(url, PREFIX)
    return (at) => cache.invalidate(tagOf(at))
  }),
  "bentocache `deleteByTag`, memory, Redis and its bus": writer(async (url) => {
    const { BentoCache, bentostore } = await import("bentocache")
    const { memoryDriver } = await import("bentocache/drivers/memory")
    const { redisBusDriver, redisDriver } = await import("bentocache/drivers/redis")
    const { hostname: host, port } = new URL(url)
    const store = bentostore()
      .useL1Layer(memoryDriver({ maxItems: 10 * TAGS }))
      .useL2Layer(redisDriver({ connection: await connect(url) }))
      .useBus(redisBusDriver({ connection: { host, port: Number(port) } }))
    const cache = new BentoCache({ default: "pages", prefix: "bento-tags", stores: { pages: store } })
    await cache.set({ key: "one", value: 1 })
    return (at) => cache.deleteByTag({ tags: [tagOf(at)] })
  }),
} satisfies Record<string, Contestant>

/**
 * Answers when what another process has invalidated is no longer served: to reads all the time, or when it hears of it
 * by the event.
 */
const reader: Contestant = async ({ url }) => {
  const cache = await openCache(String(url), PREFIX)
  let loads = 0
  const read = cache.cacheable(
    async () => {
      loads += 1
      return Promise.resolve(loads)
    },
    { name: "seen", deps: ["seen"] },
  )
  const told = () =>
    new Promise<void>((resolve) => {
      const onInvalidate = () => {
        unsubscribe("zoocache:invalidate", onInvalidate)
        resolve()
      }
      subscribe("zoocache:invalidate", onInvalidate)
    })
  return async ({ does }) => {
    const before = loads
    if (does === "listen") {
      await told()
      await read()
      return { isNew: Number(loads !== before) }
    }
    for (;;) {
      await read()
      if (does !== "watch" || loads !== before) return { isNew: Number(loads !== before) }
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

/** Invalidates what another process, which it starts, has in memory. */
const teller: Contestant = async (parameters) => {
  const cache = await openCache(String(parameters["url"]), PREFIX)
  const other = await startProcess(process.argv[1] as string, { question: QUESTION, name: "reader", parameters }, [])
  const once = async (does: Way): Promise<{ ms: number; ackMs: number; isStale: boolean }> => {
    await other.round({ does: "read" })
    const answered = other.round({ does })
    // The other one is to be reading, or listening, by then.
    await nextTurn()
    const begin = performance.now()
    let ackMs = 0
    const acknowledged = cache.invalidate("seen").then(() => {
      ackMs = performance.now() - begin
    })
    const { isNew } = await answered
    const ms = performance.now() - begin
    await acknowledged
    return { ms, ackMs, isStale: isNew !== 1 }
  }
  return async ({ does }) => {
    const samples: Awaited<ReturnType<typeof once>>[] = []
    for (let at = 0; at < Number(parameters["samples"]); at += 1) samples.push(await once(does as Way))
    const each = samples.map(({ ms }) => ms)
    return {
      p50Ms: quantile(each, 0.5),
      p99Ms: quantile(each, 0.99),
      maxMs: Math.max(...each),
      ackP50Ms: quantile(
        samples.map(({ ackMs }) => ackMs),
        0.5,
      ),
      stale: samples.filter(({ isStale }) => isStale).length,
    }
  }
}

const ways = { listen: "hears of it and reads", watch: "reads all the time, once per turn" } as const
type Way = keyof typeof ways

export const redisInvalidation: Question = {
  name: QUESTION,
  title: "What does an invalidation cost with Redis?",
  method: `\`await cache.invalidate(tag)\`, which resolves when the log has acknowledged it, one after the other (each timed by itself), and many in flight; beside \`PUBLISH\` of the very message that it rings with, by the ioredis package. In both cases a second connection of the same process listens. Once with the server on a processor of its own, where the system allows it, and once with all of them wherever it puts them. Then with another process on this machine that has an entry in memory: from the call of \`invalidate\` until that process's answer that it no longer serves it has arrived over a pipe. It either waits until it is told by the event \`zoocache:invalidate\` and reads then, or reads all the time, once per turn. A stale answer would be one that came from before the invalidation.`,
  contestants: { ...writers, reader, teller },

  ask: (bench) =>
    withRedis(async ({ server, version }) => {
      const { url } = server
      const sizes = { url, count: bench.isQuick ? 200 : 500, inFlight: bench.isQuick ? 1000 : 5000 }
      const names = Object.keys(writers) as (keyof typeof writers)[]
      const starting = Object.fromEntries(names.map((name) => [name, bench.start(QUESTION, name, sizes)])) as Record<
        keyof typeof writers,
        Promise<Runner>
      >
      const rounds = Math.ceil(bench.rounds / 3)
      const writes = await withRunners(starting, async (runners) => {
        const byPlacement: [Placement, Writes][] = []
        for (const placement of placements()) {
          const work = () => alternate(bench, runners, {}, rounds)
          byPlacement.push([placement, await placed(placement, server, runners, work)])
        }
        return byPlacement
      })
      const parameters = { url, samples: bench.isQuick ? 100 : 500 }
      const seen = await withRunners({ teller: bench.start(QUESTION, "teller", parameters) }, (runners) =>
        askBoth(runners.teller, Math.ceil(bench.rounds / 5)),
      )
      const [placement, measured] = writes[0] as [Placement, Writes]
      const ratio = ratiosOf(column(measured[OWN], "p50Us"), column(measured[BASELINE], "p50Us"))
      return {
        tables: [...writes.map(([where, each]) => writesTable(where, each)), seenTable(seen)],
        bars: [
          {
            what: `\`await invalidate()\` on Redis against one \`PUBLISH\` of the same size, p50, ${placementNames[placement]}`,
            limit: "≤ 1.5×",
            measured: `${showSpread(ratio)}×`,
            isMet: ratio.median <= 1.5,
          },
          ...(Object.keys(ways) as Way[]).map((way): Bar => {
            const p99 = spreadOf(column(seen[way], "p99Ms"))
            return {
              what: `invalidation on Redis seen by another process that ${ways[way]}, p99`,
              limit: "≤ 5 ms",
              measured: `${showSpread(p99)} ms`,
              isMet: p99.median <= 5 && column(seen[way], "stale").every((stale) => stale === 0),
            }
          }),
        ],
        notes: [`${version}.`],
      }
    }),
}

async function askBoth(runner: Runner, rounds: number): Promise<Record<Way, Measured[]>> {
  const measured: Record<Way, Measured[]> = { listen: [], watch: [] }
  // The first round warms both processes up.
  for (let round = 0; round <= rounds; round += 1) {
    for (const does of Object.keys(ways) as Way[]) {
      const parameters: Parameters = { does }
      const each = await runner.round(parameters)
      if (round > 0) measured[does].push(each)
    }
  }
  return measured
}

type Writes = Readonly<Record<keyof typeof writers, Measured[]>>

function writesTable(placement: Placement, writes: Writes): Table {
  const names = Object.keys(writers) as (keyof typeof writers)[]
  const p50 = (name: keyof typeof writers) => column(writes[name], "p50Us")
  return {
    caption: `In the process that invalidates, ${placementNames[placement]}`,
    head: ["", "one after the other, p50, µs", "p99, µs", "p50 against `PUBLISH`", "in flight, per second"],
    rows: names.map((name) => [
      name,
      showSpread(spreadOf(p50(name))),
      showSpread(spreadOf(column(writes[name], "p99Us"))),
      `${showSpread(ratiosOf(p50(name), p50(BASELINE)))}×`,
      showSpread(spreadOf(column(writes[name], "perSecond"))),
    ]),
  }
}

function seenTable(seen: Record<Way, Measured[]>): Table {
  return {
    caption: "Until another process has answered",
    head: ["the other process", "p50, ms", "p99, ms", "worst, ms", "acknowledged meanwhile, p50, ms", "stale answers"],
    rows: (Object.keys(ways) as Way[]).map((way) => [
      ways[way],
      showSpread(spreadOf(column(seen[way], "p50Ms"))),
      showSpread(spreadOf(column(seen[way], "p99Ms"))),
      show(Math.max(...column(seen[way], "maxMs"))),
      showSpread(spreadOf(column(seen[way], "ackP50Ms"))),
      show(column(seen[way], "stale").reduce((sum, stale) => sum + stale, 0)),
    ]),
  }
}

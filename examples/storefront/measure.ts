/** One way, from an empty cache to its numbers. */
import { type Catalogue, resetCatalogue } from "./catalogue.js"
import { Database, type DatabaseThread } from "./database.js"
import { type ChaosCounts, startChaos } from "./chaos.js"
import type { Flags } from "./flags.js"
import { createLoad, type Unavailable } from "./load.js"
import { type RedisProgram, RedisServer } from "./redis-server.js"
import { startServers } from "./servers.js"
import { StaleCheck, type Verdict } from "./stale.js"
import type { WayName } from "./ways/way.js"

/** What is measured takes longer where a short time on a slow machine would be too little to find anything. */
const LEAST_REQUESTS = 500

/** How long a visitor waits for an answer under `--chaos`. */
export const PATIENCE_MS = 3000

export interface Measured {
  readonly way: WayName
  readonly requests: number
  readonly seconds: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly queries: number
  /** Undefined without a cache. */
  readonly hitRatio: number | undefined
  /** Of the warm-up too, as are the next ones. */
  readonly verdict: Verdict
  readonly unavailable: Readonly<Unavailable>
  /** What happened meanwhile; undefined without `--chaos`. */
  readonly chaos: ChaosCounts | undefined
}

/** How far a measurement has come. */
export interface Moment {
  readonly isWarmUp: boolean
  readonly share: number
  readonly perSecond: number
  readonly stale: number
}

export interface MeasureOptions {
  readonly way: WayName
  readonly database: DatabaseThread
  readonly catalogue: Catalogue
  readonly flags: Flags
  /** With `--redis`. */
  readonly redisProgram: RedisProgram | undefined
  readonly onMoment: (moment: Moment) => void
  readonly onChaos: (text: string) => void
}

export function warmUpSeconds(seconds: number): number {
  return Math.min(4, seconds / 2)
}

export async function measure(options: MeasureOptions): Promise<Measured> {
  const { way, redisProgram } = options
  // The other ways have no use for it.
  if (redisProgram === undefined || way !== "zoocache") return measureWith(undefined, options)
  const redis = await RedisServer.start(redisProgram)
  try {
    return await measureWith(redis, options)
  } finally {
    await redis.stop()
  }
}

async function measureWith(redis: RedisServer | undefined, options: MeasureOptions): Promise<Measured> {
  const { way, database, catalogue, flags, onMoment, onChaos } = options
  // Not the server's connection: what the check asks does not count as the way's queries.
  const truth = new Database(database.connect())
  await resetCatalogue(truth)
  const servers = await startServers({ way, database, flags, redisUrl: redis?.url })
  const { ports, nodes } = servers
  const { clients, seed } = flags
  const hasChaos = flags.chaos && redis !== undefined
  const check = new StaleCheck(truth)
  const load = createLoad({ ports, catalogue, clients, seed, check, patienceMs: hasChaos ? PATIENCE_MS : undefined })
  const chaos = hasChaos ? startChaos({ redis, nodes, seed, onEvent: onChaos }) : undefined

  const phase = async (isWarmUp: boolean, seconds: number) => {
    const beganMs = performance.now()
    const before = load.answered
    const timer = setInterval(() => {
      const elapsed = (performance.now() - beganMs) / 1000
      const perSecond = (load.answered - before) / elapsed
      onMoment({ isWarmUp, share: elapsed / seconds, perSecond, stale: check.stale })
    }, 100)
    try {
      const tookMs = await load.run(seconds, isWarmUp || hasChaos ? 0 : LEAST_REQUESTS)
      return { tookMs: tookMs.sort(), seconds: (performance.now() - beganMs) / 1000 }
    } finally {
      clearInterval(timer)
    }
  }

  try {
    await phase(true, warmUpSeconds(flags.seconds))
    const before = await servers.counts()
    const { tookMs, seconds } = await phase(false, flags.seconds)
    const chaosCounts = await chaos?.stop()
    const after = await servers.counts()
    const hits = (after.lookups?.hits ?? 0) - (before.lookups?.hits ?? 0)
    const misses = (after.lookups?.misses ?? 0) - (before.lookups?.misses ?? 0)
    return {
      way,
      requests: tookMs.length,
      seconds,
      perSecond: tookMs.length / seconds,
      p50Ms: quantile(tookMs, 0.5),
      p99Ms: quantile(tookMs, 0.99),
      queries: after.queries - before.queries,
      hitRatio: after.lookups === undefined ? undefined : hits / Math.max(1, hits + misses),
      verdict: await check.verdict(),
      unavailable: load.unavailable,
      chaos: chaosCounts,
    }
  } finally {
    load.stop()
    // Where the run has failed, that is told, and not what else has failed.
    await chaos?.stop().catch(() => {})
    await servers.stop()
    truth.close()
  }
}

function quantile(sorted: Float64Array, part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

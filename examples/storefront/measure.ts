/** One way, from an empty cache to its numbers. */
import { type Catalogue, resetCatalogue } from "./catalogue.js"
import { Database, type DatabaseThread } from "./database.js"
import type { Flags } from "./flags.js"
import { createLoad } from "./load.js"
import { startServers } from "./servers.js"
import { StaleCheck, type Verdict } from "./stale.js"
import type { WayName } from "./ways/way.js"

export interface Measured {
  readonly way: WayName
  readonly requests: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly queries: number
  /** Undefined without a cache. */
  readonly hitRatio: number | undefined
  /** Of the warm-up too. */
  readonly verdict: Verdict
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
  readonly onMoment: (moment: Moment) => void
}

export function warmUpSeconds(seconds: number): number {
  return Math.min(4, seconds / 2)
}

export async function measure({ way, database, catalogue, flags, onMoment }: MeasureOptions): Promise<Measured> {
  // Not the server's connection: what the check asks does not count as the way's queries.
  const truth = new Database(database.connect())
  await resetCatalogue(truth)
  const servers = await startServers(way, database, flags)
  const check = new StaleCheck(truth)
  const load = createLoad({ ports: servers.ports, catalogue, clients: flags.clients, seed: flags.seed, check })

  const phase = async (isWarmUp: boolean, seconds: number) => {
    const beganMs = performance.now()
    const before = load.answered
    const timer = setInterval(() => {
      const elapsed = (performance.now() - beganMs) / 1000
      const perSecond = (load.answered - before) / elapsed
      onMoment({ isWarmUp, share: elapsed / seconds, perSecond, stale: check.stale })
    }, 100)
    try {
      const tookMs = await load.run(seconds)
      return { tookMs: tookMs.sort(), seconds: (performance.now() - beganMs) / 1000 }
    } finally {
      clearInterval(timer)
    }
  }

  try {
    await phase(true, warmUpSeconds(flags.seconds))
    const before = await servers.counts()
    const { tookMs, seconds } = await phase(false, flags.seconds)
    const after = await servers.counts()
    const hits = (after.lookups?.hits ?? 0) - (before.lookups?.hits ?? 0)
    const misses = (after.lookups?.misses ?? 0) - (before.lookups?.misses ?? 0)
    return {
      way,
      requests: tookMs.length,
      perSecond: tookMs.length / seconds,
      p50Ms: quantile(tookMs, 0.5),
      p99Ms: quantile(tookMs, 0.99),
      queries: after.queries - before.queries,
      hitRatio: after.lookups === undefined ? undefined : hits / Math.max(1, hits + misses),
      verdict: await check.verdict(),
    }
  } finally {
    load.stop()
    await servers.stop()
    truth.close()
  }
}

function quantile(sorted: Float64Array, part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

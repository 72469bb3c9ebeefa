import { openSync, statSync, writeSync } from "node:fs"
import { threadId } from "node:worker_threads"
import { createCache, type Singleflight } from "zoocache"
import { lmdb } from "zoocache/lmdb"
import { redis, type RedisOptions } from "zoocache/redis"
import { type Clock, systemClock } from "../../../src/core/base/clock.js"
import type { Happening } from "./history.js"
import { listen, type NewsMode, tell } from "./news.js"
import { seededRandom } from "./random.js"
import { Rows, type RowsShape } from "./rows.js"
import { Station, type StormOptions } from "./station.js"

/** What the cache waits between two heartbeats, which is no option. */
const HEARTBEAT_MS = 1000

/** Only what fails waits so long for its acknowledgement, unless told otherwise. */
const PATIENCE_MS = 60_000

export interface StationData {
  readonly name: string
  /** The folder of rows and histories. */
  readonly folder: string
  readonly shape: RowsShape
  readonly column: number
  readonly seed: number
  /** Of the LMDB environment. */
  readonly path: string
  /** In place of LMDB. What others change has to show once it is older than the bound. */
  readonly remote?: {
    readonly redis: RedisOptions
    readonly boundMs: number
    readonly heartbeatMs: number
    readonly whenUnsure?: "load" | "serve" | "throw"
  }
  /** By how much the wall clock of this process is wrong. */
  readonly clockOffsetMs?: number
  /** It has a cache of its own instead, which nobody tells of changes. */
  readonly isAlone?: boolean
  readonly durable?: boolean
  /** Its loads take no time beyond what they have to. */
  readonly isQuick?: boolean
  readonly cache?: {
    readonly ackTimeout?: number
    readonly prefix?: string
    readonly memory?: false
    readonly singleflight?: Singleflight
  }
  /** Begins at once, before anybody has waited for the cache to be ready. */
  readonly storm?: StormOptions
}

/**
 * A cache in this process or thread, and what others may have it do. Everything read and changed goes into the history
 * at once, so that nothing is lost when the process is killed.
 */
export function stationCommands(data: StationData) {
  const by = `${data.name}.${process.pid}.${threadId}`
  const history = openSync(`${data.folder}/${by}.jsonl`, "a")
  const record = (happening: Happening) => writeSync(history, `${JSON.stringify(happening)}\n`)
  const rows = new Rows(`${data.folder}/rows`, data.shape)
  const random = seededRandom(data.seed)
  const faults: string[] = []
  const durable = data.durable === undefined ? {} : { durable: data.durable }
  const { remote } = data
  const { heartbeatMs = HEARTBEAT_MS } = remote ?? {}
  const backend = remote === undefined ? lmdb({ path: data.path, ...durable }) : redis(remote.redis)
  let offsetMs = data.clockOffsetMs ?? 0
  const clock: Clock = {
    ...systemClock,
    wall: () => systemClock.wall() + offsetMs,
    setTimer: (callback, delayMs, keepAlive) => {
      return systemClock.setTimer(callback, delayMs === HEARTBEAT_MS ? heartbeatMs : delayMs, keepAlive)
    },
  }
  const cache = createCache({
    ...(data.isAlone === true ? {} : { backend }),
    ...(remote === undefined
      ? {}
      : { staleness: { bound: remote.boundMs, whenUnsure: remote.whenUnsure ?? "load" }, clock }),
    ackTimeout: PATIENCE_MS,
    ...data.cache,
    onFault: ({ error }) => faults.push(`${error.name}: ${error.message}`),
  })
  const boundNs = remote === undefined ? undefined : remote.boundMs * 1e6
  const { isQuick = false } = data
  const { whenUnsure } = remote ?? {}
  const station = new Station({ ...data, cache, rows, by, random, record, isQuick, boundNs, whenUnsure })
  const storm = (options: StormOptions) => station.storm(options)
  if (data.storm !== undefined) void storm(data.storm)

  return {
    ready: () => cache.ready(),
    row: (row: number) => station.row(row),
    /** With `null` as the token: without one. */
    syncedRow: (token: string | null, row: number) => station.syncedRow(token ?? undefined, row),
    rowSync: (row: number) => station.rowSync(row),
    pair: (one: number, other: number) => station.pair(one, other),
    page: (first: number) => station.page(first),
    change: (row: number) => station.change(row),
    changeAll: () => station.changeAll(),
    /** Invalidates so many tags that nobody depends on. */
    changeOthers: (count: number) => cache.invalidate(Array.from({ length: count }, (_, index) => `other:${index}`)),
    delete: (row: number) => station.delete(row),
    set: (row: number) => station.set(row),
    begin: (row: number) => station.begin(row),
    finish: (row: number) => station.finish(row),
    storm,
    calm: () => station.calm(),
    setClock: (ms: number) => {
      offsetMs = ms
    },
    loads: () => station.loads.count,
    /** How many steps of storms were refused, since the cache was unsure. */
    refused: () => station.refused,
    faults: () => faults,
    state: () => cache.status().state,
    pending: () => cache.status().pending,
    stats: () => cache.stats(),
    /** How many entries are on their way to the store. */
    queued: () => cache.stats().store?.queued ?? 0,
    listen: (path: string, mode: NewsMode) => listen(station, path, mode),
    tell: (path: string, mode: NewsMode, rounds: number) => tell(station, path, mode, rounds),
    /** Reads a row, waits for a file without giving the event loop a turn, and reads the row after `sync()`. */
    rowOnceFileExists: async (path: string, row: number) => {
      await station.row(row)
      while (statSync(path, { throwIfNoEntry: false }) === undefined);
      await cache.sync()
      station.hasHeard()
      return await station.row(row)
    },
    close: () => cache.close(),
  }
}

export type StationCommands = ReturnType<typeof stationCommands>

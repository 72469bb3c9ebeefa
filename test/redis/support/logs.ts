import { Redis } from "ioredis"
import { systemClock } from "../../../src/core/base/clock.js"
import type { LogError } from "../../../src/core/base/errors.js"
import type { LogChange, LogNews } from "../../../src/core/ports/log.js"
import { openConnection, type RedisConnection } from "../../../src/redis/connection.js"
import { RedisLog } from "../../../src/redis/log.js"
import { checkOptions, type RedisOptions } from "../../../src/redis/options.js"
import { patientRedis } from "../../support/patience.js"
import { until } from "./until.js"

const cleanUps: (() => unknown)[] = []

/** For `afterEach`. */
export async function cleanUp(): Promise<void> {
  for (const each of cleanUps.splice(0).reverse()) await each()
}

export function onCleanUp(work: () => unknown): void {
  cleanUps.push(work)
}

export interface OpenLog {
  readonly log: RedisLog
  readonly connection: RedisConnection
  /** What failed nobody's call. */
  readonly faults: Error[]
}

export interface OpenLogOptions extends RedisOptions {
  readonly prefix?: string
  readonly pageSize?: number
  readonly nonce?: () => string
}

/** A log and a connection of its own, closed after the test. Gives nothing up unless told to. */
export function openLog({ prefix = "test", pageSize, nonce, ...options }: OpenLogOptions): OpenLog {
  const settings = checkOptions({ ...patientRedis, ...options })
  const faults: Error[] = []
  const onFault = (fault: Error | LogError) => faults.push(fault)
  const context = { clock: systemClock, random: Math.random, onFault }
  const connection = openConnection(settings, context)
  const { maxTags, maxKeys } = settings
  const trust = settings.onFailover === "trust"
  const log = new RedisLog({
    ...context,
    connection,
    prefix,
    maxTags,
    maxKeys,
    trust,
    pageSize,
    nonce,
    onClose: () => connection.close(),
  })
  onCleanUp(() => log.close())
  return { log, connection, faults }
}

export const NOWHERE = { epoch: undefined, cursor: 0 } as const

export function tag(path: string): LogChange {
  return { kind: "tag", path }
}

export function key(path: string): LogChange {
  return { kind: "key", path }
}

/** Appends tags for somebody who knows nothing yet. */
export function appendTags(log: RedisLog, ...paths: string[]) {
  return log.append(paths.map(tag), NOWHERE, "test")
}

/** The same until it is acknowledged, for a log that gives up soon. */
export function appended(log: RedisLog, ...paths: string[]) {
  return until(() => appendTags(log, ...paths), { what: "an append" })
}

/** A client for what tests do to a server, closed after the test. */
export function adminOf(url: string): Redis {
  const client = new Redis(url, { protocol: 2 })
  client.on("error", () => {})
  onCleanUp(() => client.disconnect())
  return client
}

/** What a log hears; `undefined` for a ring without words. */
export function listen(log: RedisLog): { readonly news: (LogNews | undefined)[]; readonly end: () => void } {
  const news: (LogNews | undefined)[] = []
  return { news, end: log.listen((heard) => news.push(heard)) }
}

/** Resolves when an append was announced, so that from here on every one is. */
export async function untilHeard(
  news: readonly (LogNews | undefined)[],
  append: () => Promise<{ readonly version: number }>,
): Promise<void> {
  await until(
    async () => {
      const { version } = await append()
      const isHeard = () => news.some((one) => one?.version === version)
      return until(() => isHeard(), { what: "the doorbell", timeoutMs: 100 })
    },
    { what: "a doorbell" },
  )
}

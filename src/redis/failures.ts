import { fieldOf, isA, LogError, show } from "../core/base/errors.js"
import { LEAST_SERVER } from "./scripts.js"

/** A server as errors may show it: its address without its password, and text without what must stay secret. */
export interface Where {
  readonly url: string
  scrub(text: string): string
}

/** An error of a server or a connection in our words: it names the url, says what to do, and holds no secret. */
export class Failure extends Error {
  /** `NOPERM`, `OOM`, `ECONNREFUSED`, …; empty where there is none. */
  readonly code: string
  /** Repeating will not help soon. */
  readonly permanent: boolean

  constructor(message: string, options: { code: string; permanent: boolean; cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = "RedisFailure"
    this.code = options.code
    this.permanent = options.permanent
  }
}

/** How often the same fault is told. */
export const SAME_FAULT_EVERY_MS = 10_000

const PERMANENT = new Set([
  "NOPERM",
  "WRONGTYPE",
  "NOAUTH",
  "WRONGPASS",
  "ZOOCACHE_FOREIGN",
  "ZOOCACHE_SERVER",
  "TOO_OLD",
])

const ADVICE: Readonly<Record<string, string>> = {
  NOPERM:
    "Grant its user `~zc1:{<prefix>}:* &zc1:{<prefix>}:* +evalsha +eval +info +time +exists +hmget +hset +unlink " +
    "+zadd +zcard +zrange +zrangebyscore +zremrangebyscore +publish +subscribe +ping`",
  WRONGTYPE: "Something else wrote to a key of the log. Choose another `prefix`, or delete the keys `zc1:{<prefix>}:*`",
  ZOOCACHE_SERVER: "Use Redis 6.2 or later, or Valkey",
  NOAUTH: "Give the password in the url, as in `redis://user:password@host`",
  WRONGPASS: "Check the user and the password of the url",
  READONLY: "Give the url of the master; reads of entries may go to a replica with `readFrom`",
  OOM: "Raise its `maxmemory`, or let it evict entries with `maxmemory-policy volatile-lru`",
  MISCONF: "It can't save to its disk: look at its log",
  NOREPLICAS: "It waits for replicas, as `min-replicas-to-write` demands",
  LOADING: "It is loading its data",
  CLUSTERDOWN: "Slots of the cluster are not served: look at `CLUSTER INFO`",
  ECONNREFUSED: "Is the server running, and does it listen there?",
  ENOTFOUND: "Check the host name",
  TOO_OLD: `Use Redis ${LEAST_SERVER.join(".")} or later, or Valkey`,
}

/** `error` may be of ioredis, which keeps the arguments of a command, and so perhaps a password, in it. */
export function failureOf(error: unknown, where: Where): Failure {
  if (isA(error, Failure)) return error
  const [message, systemCode, name, stack] = ["message", "code", "name", "stack"].map((field) => fieldOf(error, field))
  const said = where.scrub(textOf(message) ?? textOf(systemCode) ?? show(error))
  const code = typeof systemCode === "string" ? systemCode : codeOf(said)
  const cause = Object.assign(new Error(said), { name: textOf(name) ?? "Error", code: systemCode })
  if (typeof stack === "string") cause.stack = where.scrub(stack)
  return fail(where, said, code, cause)
}

/**
 * The word that an error of a server begins with, such as `NOSCRIPT`; empty where there is none, as when no server has
 * answered. Redis 6.2 wraps the error of a command in a script, and some versions call it by another name.
 */
export function codeOf(said: string): string {
  if (NOT_ALLOWED.some((sentence) => said.includes(sentence))) return "NOPERM"
  const inScript = /@user_script: ?\d+: -?([A-Z][A-Z_]+) /.exec(said)?.[1]
  return inScript ?? /^-?([A-Z][A-Z_]+)\b/.exec(said)?.[1] ?? ""
}

/** Redis before 7.2, and Valkey. */
const NOT_ALLOWED = ["The user executing the script can't", "ACL failure in script"]

/** A failure that was noticed here. */
export function fail(where: Where, reason: string, code = "", cause?: unknown): Failure {
  const advice = ADVICE[code]
  const message = `${where.url}: ${reason}${advice === undefined ? "" : `. ${advice}`}`
  return new Failure(message, { code, permanent: PERMANENT.has(code), cause })
}

export function logError(operation: string, failure: Failure, isPermanent = failure.permanent): LogError {
  const error = new LogError(operation, failure)
  return isPermanent ? Object.assign(error, { permanent: true }) : error
}

/** What can be said of a field: a text that is not empty, or a number. */
function textOf(field: unknown): string | undefined {
  if (typeof field === "number") return String(field)
  return typeof field === "string" && field !== "" ? field : undefined
}

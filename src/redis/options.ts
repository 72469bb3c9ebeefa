import type { EntryCodec } from "../core/ports/codec.js"
import { InvalidOptionError } from "../core/base/errors.js"
import { type Address, parseUrl, redactUrl } from "./address.js"
import type { RedisClient, RedisSubscriber } from "./client.js"

export interface RedisNode {
  readonly host: string
  readonly port?: number | undefined
}

/**
 * Options of {@link redis}: where the server is, by exactly one of `url`, `sentinels`, `cluster` and `client`, and how it
 * is used.
 */
export interface RedisOptions {
  /** `redis://user:password@host:6379/0`, `rediss://…` for TLS, or `unix:///run/redis.sock`. */
  readonly url?: string | undefined
  /** The sentinels that know the master; `name` is what they call it. */
  readonly sentinels?: readonly RedisNode[] | undefined
  readonly name?: string | undefined
  readonly sentinelUsername?: string | undefined
  readonly sentinelPassword?: string | undefined
  /** Some nodes of a cluster, as urls or as host and port. */
  readonly cluster?: readonly (string | RedisNode)[] | undefined
  /** For `sentinels` and `cluster`. */
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly db?: number | undefined
  /** Options of `tls.connect`, such as `ca`. `true` for none. With `rediss://` it need not be said. */
  readonly tls?: boolean | object | undefined
  /** For `sentinels` and `cluster` behind NAT: what the nodes call themselves → where they are. */
  readonly natMap?: Readonly<Record<string, RedisNode>> | undefined
  /**
   * A client of ioredis or iovalkey that you made and will close, for a server, for sentinels or for a cluster. Further
   * connections, such as one that listens, are duplicates of it.
   */
  readonly client?: RedisClient | undefined
  /** A client of yours that listens, where the one that is made from `client` won't do. */
  readonly subscriber?: RedisSubscriber | undefined

  /** `false`: only invalidations are shared, and each node keeps entries in its own memory. Default true. */
  readonly entries?: boolean | undefined
  /** With `url`: the server of the invalidations, where it is another one; it should evict nothing and save to its disk. */
  readonly logUrl?: string | undefined

  /** How many tags, invalidated or expired, the log of a prefix remembers. The lowest of all processes counts. Default 100,000. */
  readonly maxTags?: number | undefined
  /** The same for keys that were set or deleted, and functions that were cleared. Default 100,000. */
  readonly maxKeys?: number | undefined
  /**
   * The fate of entries when the server may have lost invalidations, after a restart or a failover.
   * - `load` (default): they are loaded again.
   * - `expire`: they count as expired, so that `grace` may serve them while they are loaded again.
   * - `trust`: they are kept. For servers that lose no write that they have acknowledged.
   */
  readonly onFailover?: "load" | "expire" | "trust" | undefined

  /** Servers that entries are read from. Invalidations always go to the master. Default `master`. */
  readonly readFrom?: "master" | "replica" | undefined
  /** With `url` and `readFrom: "replica"`: the replica. */
  readonly replicaUrl?: string | undefined
  /** How long a reader waits for an entry before it loads, in milliseconds. Default 250. */
  readonly readTimeout?: number | undefined
  /** How long anything waits for a reply before the connection counts as dead, in milliseconds. Default 2000. */
  readonly replyTimeout?: number | undefined
  /** How long a connection may take to be made, in milliseconds. Default 2000. */
  readonly connectTimeout?: number | undefined
  /** Entries above so many bytes are not stored. Default 1 MiB. */
  readonly maxEntryBytes?: number | undefined
  /** How much may wait to be written; what comes on top is dropped and counted. Default 10,000 entries and 64 MiB. */
  readonly writeQueue?: { readonly maxEntries?: number | undefined; readonly maxBytes?: number | undefined } | undefined
  /** How entries become bytes; from `createCodec` of `zoocache/codec`. */
  readonly codec?: EntryCodec | undefined
}

/** The server, as it is reached. */
export type RedisTarget =
  | { readonly type: "server"; readonly address: Address; readonly replica: Address | undefined }
  | { readonly type: "sentinels"; readonly sentinels: readonly RedisNode[]; readonly name: string }
  | { readonly type: "cluster"; readonly nodes: readonly Address[] }
  | { readonly type: "client"; readonly client: RedisClient; readonly subscriber: RedisSubscriber | undefined }

export interface RedisSettings {
  readonly target: RedisTarget
  /** For messages: without user and password. */
  readonly shownUrl: string
  readonly username: string | undefined
  readonly password: string | undefined
  readonly sentinelUsername: string | undefined
  readonly sentinelPassword: string | undefined
  readonly db: number
  readonly tls: object | undefined
  readonly natMap: Readonly<Record<string, RedisNode>> | undefined
  readonly hasEntries: boolean
  readonly logUrl: string | undefined
  readonly maxTags: number
  readonly maxKeys: number
  readonly onFailover: "load" | "expire" | "trust"
  readonly readFrom: "master" | "replica"
  readonly readTimeoutMs: number
  readonly replyTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly maxEntryBytes: number
  readonly writeQueue: { readonly maxEntries: number; readonly maxBytes: number }
  readonly codec: EntryCodec | undefined
}

const MIB = 1024 * 1024
/** A bulk string of Redis can't be longer. */
const LARGEST_ENTRY = 512 * MIB
const LONGEST_MS = 2 ** 31 - 1

const NAMES = new Set([
  "url",
  "sentinels",
  "name",
  "sentinelUsername",
  "sentinelPassword",
  "cluster",
  "username",
  "password",
  "db",
  "tls",
  "natMap",
  "client",
  "subscriber",
  "entries",
  "logUrl",
  "maxTags",
  "maxKeys",
  "onFailover",
  "readFrom",
  "replicaUrl",
  "readTimeout",
  "replyTimeout",
  "connectTimeout",
  "maxEntryBytes",
  "writeQueue",
  "codec",
])

/** Which options say where the server is, and which others go with each. */
const COMPANIONS = {
  url: ["tls", "replicaUrl", "logUrl"],
  sentinels: ["name", "username", "password", "sentinelUsername", "sentinelPassword", "db", "tls", "natMap"],
  cluster: ["username", "password", "tls", "natMap"],
  client: ["subscriber"],
} as const

/** @throws InvalidOptionError */
export function checkOptions(options: RedisOptions): RedisSettings {
  if (typeof options !== "object" || options === null) {
    throw new InvalidOptionError(
      "redis",
      typeof options,
      'pass an object, as in `redis({ url: "redis://localhost:6379" })`',
    )
  }
  for (const name of Object.keys(options)) {
    if (!NAMES.has(name)) throw new InvalidOptionError(name, "…", "there is no such option")
  }
  const { onFailover = "load", readFrom = "master", writeQueue = {}, codec, entries = true, logUrl } = options
  const way = wayOf(options)
  if (onFailover !== "load" && onFailover !== "expire" && onFailover !== "trust") {
    throw new InvalidOptionError("onFailover", onFailover, 'it must be "load", "expire" or "trust"')
  }
  if (typeof entries !== "boolean") throw new InvalidOptionError("entries", entries, "it must be true or false")
  if (logUrl !== undefined) parseUrl(logUrl, "logUrl")
  if (logUrl !== undefined && !entries) {
    throw new InvalidOptionError("logUrl", "…", "without `entries` the `url` is that of the log")
  }
  if (readFrom !== "master" && readFrom !== "replica") {
    throw new InvalidOptionError("readFrom", readFrom, 'it must be "master" or "replica"')
  }
  if (codec !== undefined && typeof codec?.encode !== "function") {
    throw new InvalidOptionError("codec", codec, "pass what `createCodec` of `zoocache/codec` returns")
  }
  if (typeof writeQueue !== "object" || writeQueue === null) {
    throw new InvalidOptionError("writeQueue", writeQueue, "it must be an object with `maxEntries` and `maxBytes`")
  }
  const target = targetOf(options, way)
  if (readFrom === "replica" && target.type === "server" && target.replica === undefined) {
    throw new InvalidOptionError("readFrom", readFrom, "with `url` it needs `replicaUrl`, the url of the replica")
  }
  const address = target.type === "server" ? target.address : target.type === "cluster" ? target.nodes[0] : undefined
  const settings: RedisSettings = {
    target: Object.freeze(target),
    shownUrl: shownUrlOf(options, target),
    username: text(options, "username") ?? address?.username,
    password: text(options, "password") ?? address?.password,
    sentinelUsername: text(options, "sentinelUsername"),
    sentinelPassword: text(options, "sentinelPassword"),
    db: dbOf(options, target),
    tls: tlsOf(options, address),
    natMap: options.natMap,
    hasEntries: entries,
    logUrl,
    maxTags: count(options.maxTags, "maxTags", 100_000, 1, Number.MAX_SAFE_INTEGER),
    maxKeys: count(options.maxKeys, "maxKeys", 100_000, 1, Number.MAX_SAFE_INTEGER),
    onFailover,
    readFrom,
    readTimeoutMs: count(options.readTimeout, "readTimeout", 250, 1, LONGEST_MS),
    replyTimeoutMs: count(options.replyTimeout, "replyTimeout", 2000, 1, LONGEST_MS),
    connectTimeoutMs: count(options.connectTimeout, "connectTimeout", 2000, 1, LONGEST_MS),
    maxEntryBytes: count(options.maxEntryBytes, "maxEntryBytes", MIB, 1, LARGEST_ENTRY),
    writeQueue: Object.freeze({
      maxEntries: count(writeQueue.maxEntries, "writeQueue.maxEntries", 10_000, 1, Number.MAX_SAFE_INTEGER),
      maxBytes: count(writeQueue.maxBytes, "writeQueue.maxBytes", 64 * MIB, 1, Number.MAX_SAFE_INTEGER),
    }),
    codec,
  }
  return Object.freeze(settings)
}

/** How the server of the invalidations is reached, where that is another one than the server of the entries. */
export function logOptionsOf(options: RedisOptions, logUrl: string): RedisOptions {
  const { replicaUrl: _replica, readFrom: _readFrom, logUrl: _log, ...rest } = options
  return { ...rest, url: logUrl }
}

type Way = keyof typeof COMPANIONS

function wayOf(options: RedisOptions): Way {
  const ways = Object.keys(COMPANIONS) as Way[]
  const given = ways.filter((way) => options[way] !== undefined)
  const [way] = given
  if (way === undefined || given.length > 1) {
    const shown = given.length === 0 ? "nothing" : given.join(" and ")
    throw new InvalidOptionError("redis", shown, "pass one of `url`, `sentinels`, `cluster` and `client`")
  }
  const known: readonly string[] = COMPANIONS[way]
  for (const name of new Set(Object.values(COMPANIONS).flat())) {
    if (options[name] !== undefined && !known.includes(name)) {
      throw new InvalidOptionError(name, "…", `it does not go with \`${way}\``)
    }
  }
  return way
}

function targetOf(options: RedisOptions, way: Way): RedisTarget {
  switch (way) {
    case "url": {
      const replica = options.replicaUrl === undefined ? undefined : parseUrl(options.replicaUrl, "replicaUrl")
      return { type: "server", address: parseUrl(options.url), replica }
    }
    case "sentinels": {
      const { sentinels, name } = options
      if (typeof name !== "string" || name === "") {
        throw new InvalidOptionError("name", name, "it must be what the sentinels call the master, such as `mymaster`")
      }
      return {
        type: "sentinels",
        sentinels: list(sentinels, "sentinels").map((node) => nodeOf(node, "sentinels")),
        name,
      }
    }
    case "cluster": {
      const nodes = list(options.cluster, "cluster").map((node) =>
        typeof node === "string" ? parseUrl(node, "cluster") : { ...nodeOf(node, "cluster"), db: 0, isTls: false },
      )
      if (nodes.some((node) => node.db !== 0)) {
        throw new InvalidOptionError("cluster", "…", "a cluster has no databases but 0")
      }
      return { type: "cluster", nodes }
    }
    case "client": {
      const { client, subscriber } = options
      for (const [name, value] of Object.entries({ client, subscriber })) {
        if (value !== undefined && typeof value?.callBuffer !== "function") {
          throw new InvalidOptionError(name, "…", "it must be a client of ioredis or iovalkey")
        }
      }
      return { type: "client", client: client as RedisClient, subscriber }
    }
  }
}

function shownUrlOf(options: RedisOptions, target: RedisTarget): string {
  switch (target.type) {
    case "server":
      return redactUrl(options.url as string)
    case "sentinels":
      return `redis+sentinel://${target.sentinels.map(shownNode).join(",")}/${target.name}`
    case "cluster":
      return `redis+cluster://${target.nodes.map(shownNode).join(",")}`
    case "client": {
      const { host, port } = (target.client as { options?: { host?: unknown; port?: unknown } }).options ?? {}
      return typeof host === "string" ? `redis://${host}:${String(port)}` : "redis (your client)"
    }
  }
}

function shownNode({ host, port, path }: { [Name in "host" | "port" | "path"]?: Address[Name] | undefined }): string {
  return path ?? `${host}:${port}`
}

function dbOf(options: RedisOptions, target: RedisTarget): number {
  if (target.type === "server") return target.address.db
  if (target.type === "client") {
    const { db } = (target.client as { options?: { db?: unknown } }).options ?? {}
    return Number.isSafeInteger(db) ? (db as number) : 0
  }
  return count(options.db, "db", 0, 0, 999_999)
}

function tlsOf({ tls }: RedisOptions, address: Address | undefined): object | undefined {
  if (tls !== undefined && typeof tls !== "boolean" && (typeof tls !== "object" || tls === null)) {
    throw new InvalidOptionError("tls", tls, "it must be true, or options of `tls.connect`")
  }
  if (typeof tls === "object") return tls
  if (tls === false && address?.isTls === true) {
    throw new InvalidOptionError("tls", tls, "the url begins with `rediss://`")
  }
  return tls === true || address?.isTls === true ? {} : undefined
}

function list<T>(value: readonly T[] | undefined, name: string): readonly T[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw new InvalidOptionError(name, value, "it must be a list of at least one node")
  }
  return value as readonly T[]
}

function nodeOf(node: RedisNode, option: string): RedisNode & { readonly port: number } {
  const { host, port = option === "sentinels" ? 26_379 : 6379 } = node ?? {}
  if (typeof host !== "string" || host === "") {
    throw new InvalidOptionError(option, node, "each of its nodes needs a `host`")
  }
  return { host, port: count(port, `${option}.port`, 0, 1, 65_535) }
}

function text(options: RedisOptions, name: "username" | "password" | "sentinelUsername" | "sentinelPassword") {
  const value: unknown = options[name]
  // The value may be a secret, and is not shown.
  if (value !== undefined && typeof value !== "string") throw new InvalidOptionError(name, "…", "it must be a string")
  return value
}

function count(value: number | undefined, name: string, otherwise: number, least: number, most: number): number {
  if (value === undefined) return otherwise
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    throw new InvalidOptionError(name, value, `it must be a whole number between ${least} and ${most}`)
  }
  return value
}

import { backOffMs } from "../core/base/back-off.js"
import type { Clock } from "../core/base/clock.js"
import { inRootContext } from "../core/base/contexts.js"
import { ConfigurationError, messageOf } from "../core/base/errors.js"
import { type Address, redactUrl } from "./address.js"
import type { RedisClient, RedisSubscriber } from "./client.js"
import type { Failure, Where } from "./failures.js"
import { Link } from "./link.js"
import type { RedisSettings } from "./options.js"
import { type ClusterClient, type Ioredis, loadIoredis, type OwnClient } from "./ioredis.js"
import { Subscription } from "./subscription.js"

export interface ConnectionContext {
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
  readonly onFault: (failure: Failure) => void
}

export interface SubscribeOptions {
  readonly channel: string
  readonly onMessage: (message: string) => void
  /** The subscription listens now, and has missed what was said before. */
  readonly onListening: () => void
}

/** Connections of the log and the store of one cache to a server, or to many that act as one. */
export interface RedisConnection {
  readonly where: Where
  /** The number of the database. */
  readonly db: number
  /** To the master, or to the masters. */
  readonly commands: Link
  /** For reads of entries: the same, or a replica. Made when first used. */
  readonly reader: Link
  /** Returns what ends it. */
  subscribe(options: SubscribeOptions): () => void
  /** Ends everything that was made here, at once. */
  close(): void
}

/** How long a socket may take to be closed in good order. */
const DISCONNECT_MS = 200
const KEEP_ALIVE_MS = 10_000
const FIRST_RETRY_MS = 50
const SLOWEST_RETRY_MS = 1000

/** Connects in the background. @throws ConfigurationError where ioredis is needed and not installed */
export function openConnection(settings: RedisSettings, context: ConnectionContext): RedisConnection {
  const { target, connectTimeoutMs, replyTimeoutMs, readFrom } = settings
  const { clock, random, onFault } = context
  const where = whereOf(settings)
  const linkTo = (client: RedisClient, isOwn: boolean, isCluster: boolean) =>
    new Link({ client, isOwn, isCluster, clock, where, replyTimeoutMs, connectWaitMs: connectTimeoutMs, onFault })
  const clients = clientsOf(settings, random)
  const isCluster = clients.isCluster
  const commands = linkTo(clients.commands, target.type !== "client", isCluster)
  // At once: what is wrong shows early, and a cluster knows its nodes before somebody wants to listen to one.
  if (target.type !== "client") commands.ready().catch(() => {})
  let reader: Link | undefined
  const subscriptions = new Set<Subscription>()
  return {
    where,
    db: settings.db,
    commands,
    get reader() {
      // A cluster's client finds the replicas by itself.
      if (readFrom === "master" || clients.replica === undefined) return commands
      if (reader === undefined) {
        reader = linkTo(clients.replica(), true, false)
        // At once, as above: the first reads would find no connection.
        reader.ready().catch(() => {})
      }
      return reader
    },
    subscribe: ({ channel, onMessage, onListening }) => {
      const options = {
        make: clients.subscriber,
        isOwn: clients.ownsSubscriber,
        channel,
        clock,
        random,
        where,
        replyTimeoutMs,
        onMessage,
        onListening,
        onFault,
      }
      // A subscription outlives the request that happens to need it first.
      const subscription = inRootContext(() => new Subscription(options))
      subscriptions.add(subscription)
      return () => {
        subscriptions.delete(subscription)
        subscription.close()
      }
    },
    close: () => {
      for (const subscription of subscriptions) subscription.close()
      reader?.close()
      commands.close()
    },
  }
}

interface Clients {
  readonly commands: RedisClient
  readonly isCluster: boolean
  readonly replica: (() => RedisClient) | undefined
  /** Undefined while no server is known. */
  readonly subscriber: () => RedisSubscriber | undefined
  readonly ownsSubscriber: boolean
}

function clientsOf(settings: RedisSettings, random: () => number): Clients {
  const { target } = settings
  if (target.type === "client") return clientsOfUser(settings, random)
  const ioredis = loadIoredis()
  const common = commonOptions(settings, random)
  switch (target.type) {
    case "server": {
      const { address, replica } = target
      // The link asks the server by itself, and the scripts find out whether it is a master.
      const plain = { ...common, enableReadyCheck: false }
      const of = (of: Address, more: object) => new ioredis.Redis({ ...plain, ...addressOptions(of), ...more })
      return {
        commands: of(address, {}),
        isCluster: false,
        replica: replica === undefined ? undefined : () => of(replica, {}),
        subscriber: () => of(address, LISTENING),
        ownsSubscriber: true,
      }
    }
    case "sentinels": {
      const { sentinels, name } = target
      const { sentinelUsername, sentinelPassword, natMap, tls } = settings
      const sentinelOptions = {
        sentinels,
        name,
        sentinelUsername,
        sentinelPassword,
        natMap,
        sentinelRetryStrategy: retryStrategy(random),
        // Told of a failover by the sentinels, instead of waiting for the old master to go.
        failoverDetector: true,
        ...(tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: tls }),
      }
      const of = (more: object) => new ioredis.Redis({ ...common, ...sentinelOptions, ...more })
      return {
        commands: of({}),
        isCluster: false,
        replica: () => of({ role: "slave", failoverDetector: false }),
        subscriber: () => of({ ...LISTENING, failoverDetector: false }),
        ownsSubscriber: true,
      }
    }
    case "cluster": {
      const cluster = clusterOf(ioredis, settings, target.nodes, common, random)
      return {
        commands: cluster,
        isCluster: true,
        replica: undefined,
        subscriber: () => nodeSubscriber(cluster, random),
        ownsSubscriber: true,
      }
    }
  }
}

function clientsOfUser(settings: RedisSettings, random: () => number): Clients {
  const target = settings.target as Extract<RedisSettings["target"], { type: "client" }>
  const client = target.client as OwnClient | ClusterClient
  const isCluster = "nodes" in client && typeof client.nodes === "function"
  const { subscriber } = target
  if (subscriber === undefined && typeof client.duplicate !== "function") {
    throw new ConfigurationError(
      "The `client` can't be duplicated: pass a `subscriber` besides, a client that listens.",
    )
  }
  const duplicate = (more: object) =>
    client.duplicate({ ...commonOptions(settings, random), ...userTls(client), ...more })
  return {
    commands: client,
    isCluster,
    replica:
      isCluster || settings.readFrom === "master" || !hasSentinels(client)
        ? undefined
        : () => duplicate({ role: "slave", db: settings.db }),
    subscriber:
      subscriber !== undefined
        ? () => subscriber
        : isCluster
          ? () => nodeSubscriber(client, random)
          : () => client.duplicate(LISTENING),
    ownsSubscriber: subscriber === undefined,
  }
}

function hasSentinels(client: OwnClient): boolean {
  return Boolean((client.options as { sentinels?: unknown }).sentinels)
}

/** A duplicate connects as the original does. */
function userTls(client: OwnClient): object {
  const { tls, username, password } = client.options as { tls?: unknown; username?: unknown; password?: unknown }
  return { tls, username, password }
}

/**
 * A connection of its own to any node: a cluster's nodes pass on what is published. The one that a cluster's client keeps
 * tells neither that it was lost nor that it is silent.
 */
function nodeSubscriber(cluster: ClusterClient, random: () => number): OwnClient | undefined {
  const nodes = cluster.nodes("all")
  return nodes[Math.floor(random() * nodes.length)]?.duplicate({ ...LISTENING, readOnly: false })
}

/** A subscription makes a new client where one is lost. */
const LISTENING = {
  lazyConnect: true,
  retryStrategy: null,
  autoResubscribe: false,
  enableOfflineQueue: true,
  maxRetriesPerRequest: 0,
  // A channel may be quiet for as long as it likes: it is pinged.
  socketTimeout: undefined,
}

function commonOptions(settings: RedisSettings, random: () => number): object {
  const { username, password, db, tls, connectTimeoutMs } = settings
  return {
    username,
    password,
    db,
    tls,
    lazyConnect: true,
    // HELLO, which protocol 3 begins with, repeats the password in the error of a server that does not know it.
    protocol: 2,
    connectTimeout: connectTimeoutMs,
    disconnectTimeout: DISCONNECT_MS,
    keepAlive: KEEP_ALIVE_MS,
    // Senders decide whether they wait, and for how long.
    enableOfflineQueue: false,
    // Commands that a lost connection takes with it fail at once: the log client repeats, nobody else.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    retryStrategy: retryStrategy(random),
  }
}

function clusterOf(
  ioredis: Ioredis,
  settings: RedisSettings,
  nodes: readonly Address[],
  common: object,
  random: () => number,
): ClusterClient {
  const { connectTimeoutMs, replyTimeoutMs, natMap, readFrom } = settings
  const { retryStrategy: _ofServer, ...redisOptions } = common as { retryStrategy: unknown }
  return new ioredis.Cluster(nodes.map(addressOptions), {
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: retryStrategy(random),
    slotsRefreshTimeout: connectTimeoutMs,
    // Commands that a failover of a node took with it get few attempts, then they fail.
    maxRedirections: 4,
    scaleReads: readFrom === "replica" ? "slave" : "master",
    natMap,
    // A link can't tell which of many connections is silent: each has to notice by itself.
    redisOptions: { ...redisOptions, socketTimeout: replyTimeoutMs, reconnectOnError: isReadonly },
  })
}

/** The same as a link does by itself where it has one connection. */
function isReadonly(error: Error): boolean {
  return messageOf(error).startsWith("READONLY")
}

function addressOptions({ host, port, path, username, password, db }: Address): object {
  const place = path === undefined ? { host, port } : { path }
  return {
    ...place,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    db,
  }
}

/** Soon, then less and less often. ioredis counts attempts from 1. */
function retryStrategy(random: () => number): (attempt: number) => number {
  return (attempt) => backOffMs(attempt - 1, { firstMs: FIRST_RETRY_MS, longestMs: SLOWEST_RETRY_MS, random })
}

function whereOf(settings: RedisSettings): Where {
  const { target, password, sentinelPassword, shownUrl } = settings
  const ofUser = target.type === "client" ? (target.client as Partial<OwnClient>).options : undefined
  const { password: theirs } = (ofUser ?? {}) as { password?: unknown }
  const secrets = [password, sentinelPassword, theirs]
    .filter((secret) => typeof secret === "string" && secret !== "")
    .flatMap((secret) => [secret as string, encodeURIComponent(secret as string)])
  return {
    url: shownUrl,
    scrub: (text) => {
      let clean = text.replace(/\b(?:rediss?|unix):\/\/[^\s"'`]*/g, (url) => redactUrl(url))
      for (const secret of secrets) clean = clean.replaceAll(secret, "***")
      return clean
    },
  }
}

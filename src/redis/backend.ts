import { createCodec } from "../codec/index.js"
import { assert } from "../core/base/assert.js"
import type { Backend, BackendContext, OpenBackend } from "../core/ports/backend.js"
import { madeOf } from "../core/ports/made-of.js"
import { openConnection, type RedisConnection } from "./connection.js"
import { type Failure, logError } from "./failures.js"
import { RedisLog } from "./log.js"
import { checkOptions, logOptionsOf, type RedisOptions, type RedisSettings } from "./options.js"
import { RedisStore } from "./store.js"

/** After a failover everything is loaded again: the source of the data gets it in turns. */
const MOST_LOADS = 256

/**
 * Entries and invalidations in Redis or Valkey, shared by the nodes of a fleet: one server, sentinels, or a cluster. The
 * memory tier stays in front.
 *
 * Connecting happens in the background. A failure is reported, rejects `ready()` where waiting would not help, and is
 * followed by further attempts; until one succeeds a cache works as `staleness.whenUnsure` says.
 *
 * @throws InvalidOptionError for a wrong option, ConfigurationError where a package is not installed.
 * @example
 * const cache = createCache({ backend: redis({ url: "redis://localhost:6379" }), prefix: "shop" })
 */
export function redis(options: RedisOptions): Backend {
  const settings = checkOptions(options)
  const logSettings = settings.logUrl === undefined ? settings : checkOptions(logOptionsOf(options, settings.logUrl))
  const backend: Backend = {
    name: "redis",
    maxLoads: MOST_LOADS,
    open: (context) => open(settings, logSettings, context),
  }
  return madeOf(backend, ["redis", { ...options }])
}

function open(settings: RedisSettings, logSettings: RedisSettings, context: BackendContext): OpenBackend {
  const { prefix, clock, random, onFault } = context
  const codec = settings.hasEntries ? (settings.codec ?? createCodec()) : undefined
  const connect = (to: RedisSettings) => {
    const onFailure = (failure: Failure) => onFault(logError("connect", failure, false))
    return new Shared(openConnection(to, { clock, random, onFault: onFailure }))
  }
  const ofLog = connect(logSettings)
  const ofStore = logSettings === settings ? ofLog : connect(settings)
  const log = new RedisLog({
    connection: ofLog.use(),
    prefix,
    clock,
    random,
    maxTags: settings.maxTags,
    maxKeys: settings.maxKeys,
    trust: settings.onFailover === "trust",
    onFault,
    onClose: () => ofLog.leave(),
  })
  const keepsExpired = settings.onFailover === "expire"
  if (codec === undefined) return { log, store: undefined, codec, keepsExpired }
  const connection = ofStore.use()
  const store = new ClosingStore(
    {
      client: connection.commands.client,
      listen: (listening) => connection.subscribe(listening),
      db: connection.db,
      readClient: settings.readFrom === "replica" ? ofStore.connection.reader.client : undefined,
      readsReplicas: settings.readFrom === "replica",
      prefix,
      codec,
      clock,
      random,
      onFault,
      name: settings.shownUrl,
      limits: {
        readTimeoutMs: settings.readTimeoutMs,
        writeTimeoutMs: settings.replyTimeoutMs,
        maxEntryBytes: settings.maxEntryBytes,
        maxQueuedWrites: settings.writeQueue.maxEntries,
        maxQueuedBytes: settings.writeQueue.maxBytes,
      },
    },
    () => ofStore.leave(),
  )
  return { log, store, codec, keepsExpired }
}

/** A connection that ends when nobody uses it any more. */
class Shared {
  readonly connection: RedisConnection
  #users = 0

  constructor(connection: RedisConnection) {
    this.connection = connection
  }

  use(): RedisConnection {
    this.#users += 1
    return this.connection
  }

  leave(): void {
    this.#users -= 1
    assert(this.#users >= 0, "a connection was left more often than it was used")
    if (this.#users === 0) this.connection.close()
  }
}

/** A store that gives its connection back when it is closed. */
class ClosingStore extends RedisStore {
  readonly #onClosed: () => void
  #isClosed = false

  constructor(options: ConstructorParameters<typeof RedisStore>[0], onClosed: () => void) {
    super(options)
    this.#onClosed = onClosed
  }

  override async close(): Promise<void> {
    await super.close()
    if (this.#isClosed) return
    this.#isClosed = true
    this.#onClosed()
  }
}

import { Redis } from "ioredis"
import { onTestFinished } from "vitest"
import { createCodec } from "zoocache/codec"
import { ManualClock } from "zoocache/testing"
import type { EntryHeader } from "../../../src/core/ports/codec.js"
import type { ZooCacheError } from "../../../src/core/base/errors.js"
import { RedisStore, type RedisStoreOptions } from "../../../src/redis/store.js"
import type { RedisServer } from "./server.js"
import { until } from "./until.js"

export const codec = createCodec()
export const epoch = { ordinal: 1_767_225_600, nonce: "first" }

let prefixes = 0

export interface StoreBench {
  readonly store: RedisStore
  readonly client: Redis
  readonly clock: ManualClock
  readonly faults: ZooCacheError[]
  readonly prefix: string
  /** The name in Redis of a key without unusual characters. */
  readonly nameOf: (key: string) => string
  readonly put: (key: string, value: unknown, parts?: Partial<EntryHeader>) => Promise<boolean>
  readonly valueOf: (key: string) => Promise<unknown>
  readonly headerOf: (key: string) => Promise<EntryHeader | undefined>
}

export interface Who {
  readonly username?: string
  readonly password?: string
}

export type StoreBenchOptions = Partial<RedisStoreOptions> & { readonly connection?: Who | undefined }

/** A store on a connection of its own whose clock is moved by hand; it begins at the present. */
export async function openStore(server: RedisServer, options: StoreBenchOptions = {}): Promise<StoreBench> {
  const { connection, ...others } = options
  const client = connect(server, connection)
  await until(() => client.status === "ready", { what: "the connection" })
  const clock = new ManualClock(Date.now())
  const faults: ZooCacheError[] = []
  const prefix = others.prefix ?? `p${++prefixes}`
  const store = new RedisStore({
    client,
    prefix,
    codec,
    clock,
    random: () => 0.5,
    onFault: (error) => faults.push(error),
    name: "redis://test",
    ...others,
  })
  onTestFinished(async () => {
    client.disconnect()
    const closed = store.close()
    // Where Redis stands still, closing takes its time.
    await clock.advanceAsync(1000)
    await closed
  })
  return {
    store,
    client,
    clock,
    faults,
    prefix,
    nameOf: (key) => `zc1:e:${prefix}:${key}`,
    put: (key, value, parts = {}) => store.put(key, entry({ key, ...parts }, value, clock)),
    valueOf: async (key) => {
      const bytes = await store.get(key)
      return bytes === undefined ? undefined : codec.decodeValue(bytes)
    },
    headerOf: async (key) => {
      const bytes = await store.get(key)
      return bytes === undefined ? undefined : codec.decodeHeader(bytes)
    },
  }
}

/** A connection that is made again within milliseconds, until the test is over. */
export function connect(server: RedisServer, options: Who = {}): Redis {
  const client = new Redis({ ...server.connection, retryStrategy: () => 10, ...options })
  client.on("error", () => {})
  onTestFinished(() => client.disconnect())
  return client
}

export function rank(keyVersion = 1, asOf = 1) {
  return { epoch, keyVersion, asOf }
}

export function entry(parts: Partial<EntryHeader>, value: unknown, clock: ManualClock): Uint8Array {
  const header: EntryHeader = {
    key: "",
    ...rank(),
    storedAtMs: clock.wall(),
    expiresAtMs: Number.POSITIVE_INFINITY,
    graceMs: 0,
    idleTtlMs: Number.POSITIVE_INFINITY,
    idleUntilMs: Number.POSITIVE_INFINITY,
    tags: ["tag"],
    keys: [],
    ...parts,
  }
  return codec.encode(header, value)
}

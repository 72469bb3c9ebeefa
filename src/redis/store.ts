import type { Clock } from "../core/base/clock.js"
import { CorruptEntryError, EntryTooLargeError, isA, StoreError, type ZooCacheError } from "../core/base/errors.js"
import { SaidRarely } from "../core/base/said-rarely.js"
import type { EntryCodec } from "../core/ports/codec.js"
import type { Amendment, Rank, RemoteStore, StoreStats } from "../core/ports/store.js"
import { Breaker } from "./breaker.js"
import type { RedisClient } from "./client.js"
import { SAME_FAULT_EVERY_MS } from "./failures.js"
import { RedisLeases, type ListenOptions } from "./leases.js"
import { EntryNames } from "./store-keys.js"
import { Reach } from "./store-reach.js"
import { StoreReads } from "./store-reads.js"
import { HEAD_BYTES, readRecord, writeRecord } from "./store-record.js"
import { UsedKeys } from "./store-used.js"
import { StoreWrites } from "./store-writes.js"

export interface RedisStoreOptions {
  /** Entries are written with it, and read where there is no `readClient`. Stays open when the store closes. */
  readonly client: RedisClient
  /** Entries are read with it, for example from replicas: what lags behind can only cost a load. */
  readonly readClient?: RedisClient | undefined
  /** Reads may go to replicas, by the `readClient` or as a cluster's client is set up. */
  readonly readsReplicas?: boolean | undefined
  readonly prefix: string
  readonly codec: Pick<EntryCodec, "decodeHeader" | "amend">
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Hears of what fails nobody's call: Redis is out of reach, writes were dropped. */
  readonly onFault: (error: ZooCacheError) => void
  /** For sentences: the url without its password. */
  readonly name?: string | undefined
  /** Whether keys lie on several servers. Default: what the client says of itself (`isCluster`). */
  readonly isCluster?: boolean | undefined
  /** Listens to a channel, and returns what ends it. Without it there are no leases, for nobody could be woken. */
  readonly listen?: ((options: ListenOptions) => () => void) | undefined
  /** The number of the database; for channels, which all databases share. */
  readonly db?: number | undefined
  readonly limits?: Partial<RedisStoreLimits> | undefined
}

export interface RedisStoreLimits {
  /** A read that takes longer finds nothing. Default 250. */
  readonly readTimeoutMs: number
  /** A write that takes longer, or waits so long for a connection, is given up. Default 2000. */
  readonly writeTimeoutMs: number
  /** How long `close` waits for what is queued. Default 1000. */
  readonly closeTimeoutMs: number
  /** The largest entry, as the codec makes it; larger ones are neither written nor read. Default 4 MiB. */
  readonly maxEntryBytes: number
  /** An entry that nobody uses for so long goes, also one without an end. Default 7 days. */
  readonly maxIdleMs: number
  /** How many writes may wait; beyond that the oldest are dropped. Default 10,000. */
  readonly maxQueuedWrites: number
  /** How many bytes they may have together. Default 32 MiB. */
  readonly maxQueuedBytes: number
  /** Failures in a row that open the breaker. Default 3. */
  readonly breakerFailures: number
  /** The breaker's first pause, and its longest. Default 1000 and 30,000. */
  readonly breakerMinPauseMs: number
  readonly breakerMaxPauseMs: number
}

const LIMITS: RedisStoreLimits = {
  readTimeoutMs: 250,
  writeTimeoutMs: 2000,
  closeTimeoutMs: 1000,
  maxEntryBytes: 4 * 1024 * 1024,
  maxIdleMs: 7 * 24 * 3_600_000,
  maxQueuedWrites: 10_000,
  maxQueuedBytes: 32 * 1024 * 1024,
  breakerFailures: 3,
  breakerMinPauseMs: 1000,
  breakerMaxPauseMs: 30_000,
}

/**
 * Entries of one prefix in Redis, each under a key of its own.
 *
 * Nobody waits longer than the limits say. While Redis does not answer, reads find nothing and writes are dropped: they
 * resolve to false, one fault tells of it, and `stats()` counts.
 */
export class RedisStore implements RemoteStore {
  readonly remote = true
  readonly leases: RedisLeases | undefined
  readonly #options: RedisStoreOptions
  readonly #limits: RedisStoreLimits
  readonly #name: string
  readonly #names: EntryNames
  readonly #readBreaker: Breaker
  readonly #breaker: Breaker
  readonly #reads: StoreReads
  readonly #writes: StoreWrites
  readonly #used: UsedKeys
  #closing: Promise<void> | undefined

  constructor(options: RedisStoreOptions) {
    const { client, readClient, clock, prefix, onFault } = options
    this.#options = options
    const limits = (this.#limits = { ...LIMITS, ...options.limits })
    const name = (this.#name = options.name ?? "Redis")
    this.#names = new EntryNames(prefix)
    this.#used = new UsedKeys(clock)
    this.#breaker = this.#newBreaker(() => this.#writes.dropWaiting())
    this.#readBreaker = readClient === undefined ? this.#breaker : this.#newBreaker(() => {})
    const rarely = new SaidRarely(clock, SAME_FAULT_EVERY_MS)
    const reader = readClient ?? client
    this.#reads = new StoreReads({
      client: reader,
      isCluster: options.isCluster ?? (reader as { isCluster?: unknown }).isCluster === true,
      clock,
      breaker: this.#readBreaker,
      reach: new Reach(reader),
      timeoutMs: limits.readTimeoutMs,
      name,
      rarely,
    })
    const shared = { client, clock, breaker: this.#breaker, reach: new Reach(client), name, rarely, onFault }
    this.#writes = new StoreWrites({
      ...shared,
      timeoutMs: limits.writeTimeoutMs,
      maxWrites: limits.maxQueuedWrites,
      maxBytes: limits.maxQueuedBytes,
      maxIdleMs: limits.maxIdleMs,
    })
    const { listen, db } = options
    if (listen === undefined) return
    // A caller waits for a lease as for a read.
    this.leases = new RedisLeases({
      ...shared,
      listen,
      prefix,
      db,
      names: this.#names,
      timeoutMs: limits.readTimeoutMs,
    })
  }

  // Promises instead of an async function: every read passes through several.
  get(key: string, isLatest = false): Promise<Uint8Array | undefined> {
    if (this.#closing !== undefined) return Promise.reject(closed("read"))
    const name = this.#names.of(key)
    const pastReplicas = isLatest && this.#options.readsReplicas === true ? this.leases : undefined
    return (pastReplicas ?? this.#reads)
      .read(name)
      .then((record) => (record === undefined ? undefined : this.#bytesOf(record, key, name)))
  }

  #bytesOf(record: Buffer, key: string, name: string): Uint8Array {
    const { maxEntryBytes } = this.#limits
    const bytes = record.length - HEAD_BYTES
    if (bytes > maxEntryBytes) throw new EntryTooLargeError(key, bytes, maxEntryBytes)
    try {
      return readRecord(record, this.#options.codec)
    } catch (error) {
      // A damaged rank would keep others out.
      if (isA(error, CorruptEntryError)) this.#discard(name, record)
      throw error
    }
  }

  async put(key: string, bytes: Uint8Array): Promise<boolean> {
    if (this.#closing !== undefined) throw closed("put")
    const { maxEntryBytes } = this.#limits
    if (bytes.length > maxEntryBytes) throw new EntryTooLargeError(key, bytes.length, maxEntryBytes)
    const header = this.#options.codec.decodeHeader(bytes)
    if (this.#breaker.isRefusing) return this.#refused()
    const { epoch, keyVersion, asOf } = header
    const record = writeRecord(header, bytes)
    return this.#writes.add({ kind: "put", key: this.#names.of(key), record, rank: { epoch, keyVersion, asOf } })
  }

  async remove(key: string, rank: Rank): Promise<void> {
    if (this.#closing !== undefined) throw closed("remove")
    if (this.#breaker.isRefusing) this.#refused()
    else await this.#writes.add({ kind: "remove", key: this.#names.of(key), rank })
  }

  async touch(key: string, rank: Rank, amendment: Amendment): Promise<void> {
    if (this.#closing !== undefined || this.#breaker.isRefusing) return
    const name = this.#names.of(key)
    const isAmended = amendment.asOf !== undefined || amendment.idleUntilMs !== undefined
    if (!this.#used.note(name) && !isAmended) return
    try {
      await this.#writes.add({ kind: "touch", key: name, rank, amendment: { ...amendment } })
    } catch {
      // A touch that is lost only brings an end forward.
    }
  }

  stats(): StoreStats {
    return {
      entries: 0,
      bytes: 0,
      queued: this.#writes.size,
      reads: this.#readBreaker.state,
      writes: this.#breaker.state,
      openings: this.#breaker.openings + (this.#readBreaker === this.#breaker ? 0 : this.#readBreaker.openings),
      timeouts: this.#reads.timeouts + this.#writes.timeouts,
      dropped: this.#writes.dropped,
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#writes.close(this.#limits.closeTimeoutMs)
    // A lease that was given back when its value was written is on its way.
    await this.leases?.close()
    this.#reads.close()
  }

  #newBreaker(onOpen: () => void): Breaker {
    const { clock, random, onFault } = this.#options
    const limits = this.#limits
    return new Breaker({
      clock,
      random,
      failures: limits.breakerFailures,
      minPauseMs: limits.breakerMinPauseMs,
      maxPauseMs: limits.breakerMaxPauseMs,
      onOpen: (cause) => {
        onFault(new StoreError(`reach ${this.#name} and goes on without it until it answers`, cause))
        onOpen()
      },
    })
  }

  #discard(name: string, record: Buffer): void {
    if (this.#closing !== undefined || this.#breaker.isRefusing) return
    const head = Buffer.from(record.subarray(0, HEAD_BYTES))
    this.#writes.addUnasked({ kind: "discard", key: name, head })
  }

  #refused(): boolean {
    this.#writes.noteRefused()
    return false
  }
}

function closed(operation: string): StoreError {
  return new StoreError(operation, new Error("it is closed"))
}

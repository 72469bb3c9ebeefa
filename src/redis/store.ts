import type { Clock, Timer } from "../core/base/clock.js"
import type { EntryCodec } from "../core/ports/codec.js"
import { CorruptEntryError, EntryTooLargeError, StoreError, type ZooCacheError } from "../core/base/errors.js"
import type { Amendment, Rank, RemoteStore, StoreStats } from "../core/ports/store.js"
import { Breaker } from "./breaker.js"
import type { RedisClient } from "./client.js"
import { RedisLeases, type ListenOptions } from "./leases.js"
import { codeOf, isUnavailable, Rarely, refusalOf } from "./store-errors.js"
import { EntryNames } from "./store-keys.js"
import { Reach } from "./store-reach.js"
import { startTimeout, StoreReads } from "./store-reads.js"
import { endOfRecord, HEAD_BYTES, packAmendment, packRank, readRecord, writeRecord } from "./store-record.js"
import { DISCARD, PUT, REMOVE, runScript, TOUCH } from "./store-scripts.js"
import { dropWrite, failWrite, mergeWrites, settleWrite, type StoreWrite } from "./store-writes.js"
import { UsedKeys } from "./store-used.js"
import { WriteQueue } from "./write-queue.js"

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
  /** So many failures in a row open the breaker. Default 3. */
  readonly breakerFailures: number
  /** Its first pause, and its longest. Default 1000 and 30,000. */
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

/** Enough to keep a connection busy; a slow server makes the rest wait where it can be dropped. */
const MAX_IN_FLIGHT = 512
const MAX_IN_FLIGHT_BYTES = 8 * 1024 * 1024
/** What a write without a value takes, about. */
const SMALL_WRITE_BYTES = 256
/** Redis refuses ends beyond the range of its numbers. */
const LONGEST_MS = 2 ** 52

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
  readonly #rarely: Rarely
  readonly #reads: StoreReads
  readonly #readBreaker: Breaker
  readonly #breaker: Breaker
  readonly #queue: WriteQueue<StoreWrite>
  readonly #used: UsedKeys
  readonly #reach: Reach
  readonly #onReady = () => this.#queue.pump()
  #downTimer: Timer | undefined
  #dropped = 0
  #writeTimeouts = 0
  #closing: Promise<void> | undefined

  constructor(options: RedisStoreOptions) {
    const { client, readClient, clock, prefix } = options
    this.#options = options
    const limits = (this.#limits = { ...LIMITS, ...options.limits })
    this.#name = options.name ?? "Redis"
    this.#names = new EntryNames(prefix)
    this.#rarely = new Rarely(clock)
    this.#used = new UsedKeys(clock)
    this.#reach = new Reach(client)
    this.#breaker = this.#newBreaker(() => this.#queue.dropWaiting())
    this.#readBreaker = readClient === undefined ? this.#breaker : this.#newBreaker(() => {})
    const reader = readClient ?? client
    this.#reads = new StoreReads({
      client: reader,
      isCluster: options.isCluster ?? (reader as { isCluster?: unknown }).isCluster === true,
      clock,
      breaker: this.#readBreaker,
      timeoutMs: limits.readTimeoutMs,
      name: this.#name,
      rarely: this.#rarely,
    })
    this.#queue = new WriteQueue({
      clock,
      maxWrites: limits.maxQueuedWrites,
      maxBytes: limits.maxQueuedBytes,
      maxInFlight: MAX_IN_FLIGHT,
      maxInFlightBytes: MAX_IN_FLIGHT_BYTES,
      merge: mergeWrites,
      canSend: () => this.#canSend(),
      send: (write) => this.#send(write),
      onDropped: (write, why) => this.#noteDropped(write, why),
    })
    const { listen, db } = options
    if (listen !== undefined) {
      this.leases = new RedisLeases({
        client,
        listen,
        prefix,
        db,
        names: this.#names,
        clock,
        breaker: this.#breaker,
        reach: this.#reach,
        // Whoever asks waits for it, as for a read.
        timeoutMs: limits.readTimeoutMs,
        name: this.#name,
        rarely: this.#rarely,
        onFault: options.onFault,
      })
    }
    client.on("ready", this.#onReady)
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
      // Its rank may be damaged as well, and would keep others out.
      if (error instanceof CorruptEntryError) this.#discard(name, record)
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
    const write = { kind: "put" as const, key: this.#names.of(key), record, rank: { epoch, keyVersion, asOf } }
    return this.#queued({ ...write, bytes: record.length + SMALL_WRITE_BYTES })
  }

  async remove(key: string, rank: Rank): Promise<void> {
    if (this.#closing !== undefined) throw closed("remove")
    if (this.#breaker.isRefusing) this.#refused()
    else await this.#queued({ kind: "remove", key: this.#names.of(key), rank, bytes: SMALL_WRITE_BYTES })
  }

  async touch(key: string, rank: Rank, amendment: Amendment): Promise<void> {
    if (this.#closing !== undefined || this.#breaker.isRefusing) return
    const name = this.#names.of(key)
    const isAmended = amendment.asOf !== undefined || amendment.idleUntilMs !== undefined
    if (!this.#used.note(name) && !isAmended) return
    try {
      await this.#queued({ kind: "touch", key: name, rank, amendment: { ...amendment }, bytes: SMALL_WRITE_BYTES })
    } catch {
      // It is lost, which only brings an end forward.
    }
  }

  stats(): StoreStats {
    return {
      entries: 0,
      bytes: 0,
      queued: this.#queue.size,
      reads: this.#readBreaker.state,
      writes: this.#breaker.state,
      openings: this.#breaker.openings + (this.#readBreaker === this.#breaker ? 0 : this.#readBreaker.openings),
      timeouts: this.#reads.timeouts + this.#writeTimeouts,
      dropped: this.#dropped,
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    if (this.#reach.isLost) this.#queue.dropWaiting()
    await this.#queue.flush(this.#limits.closeTimeoutMs)
    // What was given back when its value was written is on its way.
    await this.leases?.close()
    this.#reads.close()
    this.#options.client.off("ready", this.#onReady)
    this.#downTimer?.cancel()
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

  #queued(write: Unqueued<StoreWrite>): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#queue.add({ ...write, own: { resolve, reject }, others: [] })
    })
  }

  #discard(name: string, record: Buffer): void {
    if (this.#closing !== undefined || this.#breaker.isRefusing) return
    const head = Buffer.from(record.subarray(0, HEAD_BYTES))
    this.#queue.add({ kind: "discard", key: name, head, bytes: SMALL_WRITE_BYTES, own: undefined, others: [] })
  }

  #refused(): boolean {
    this.#dropped += 1
    return false
  }

  /** Without a connection writes wait, for a while: most connections come back at once. */
  #canSend(): boolean {
    const { clock } = this.#options
    if (!this.#reach.isLost || this.#breaker.state !== "closed") return true
    this.#downTimer ??= clock.setTimer(
      () => {
        this.#downTimer = undefined
        if (this.#queue.size === 0) return
        if (this.#reach.isLost) this.#breaker.trip(new Error("the connection is lost"))
        else this.#queue.pump()
      },
      this.#limits.writeTimeoutMs,
      false,
    )
    return false
  }

  /** Settles within the time that a write may take, whatever becomes of it. */
  #send(write: StoreWrite): Promise<void> {
    const { clock } = this.#options
    const breaker = this.#breaker
    const timeoutMs = this.#limits.writeTimeoutMs
    const admission = breaker.enter()
    if (admission === undefined) {
      this.#noteDropped(write, "given up")
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      let isOver = false
      const settle = (act: () => void) => {
        if (isOver) return
        isOver = true
        timer.cancel()
        act()
        resolve()
      }
      const fail = (error: unknown) => {
        this.#noteDropped(write, "given up")
        breaker.failed(admission, error)
      }
      const timer = startTimeout(clock, timeoutMs, () =>
        settle(() => {
          this.#writeTimeouts += 1
          fail(new Error(`a write was not answered within ${timeoutMs} ms`))
        }),
      )
      if (this.#reach.isLost) return settle(() => fail(new Error("the connection is lost")))
      this.#run(write).then(
        (reply) =>
          settle(() => {
            breaker.succeeded(admission)
            settleWrite(write, Number(reply) === 1)
          }),
        (error: unknown) =>
          settle(() => {
            if (isUnavailable(error)) return fail(error)
            breaker.succeeded(admission)
            if (!this.#rarely.isDue(`write ${codeOf(error)}`)) return this.#noteDropped(write, "given up")
            failWrite(write, refusalOf("write to", this.#name, error))
          }),
      )
    })
  }

  #run(write: StoreWrite): Promise<unknown> {
    const { client, clock } = this.#options
    const maxIdleMs = Math.min(this.#limits.maxIdleMs, LONGEST_MS)
    const wallMs = clock.wall()
    switch (write.kind) {
      case "put": {
        const leftMs = Math.min(endOfRecord(write.record) - wallMs, maxIdleMs)
        const px = leftMs >= 1 ? Math.floor(leftMs) : 0
        return runScript(client, PUT, write.key, [write.record, String(px)])
      }
      case "remove":
        return runScript(client, REMOVE, write.key, [packRank(write.rank)])
      case "touch": {
        const { lifted, slid } = packAmendment(write.rank, write.amendment)
        const args = [packRank(write.rank), lifted, slid, String(Math.floor(wallMs)), String(maxIdleMs)]
        return runScript(client, TOUCH, write.key, args)
      }
      case "discard":
        return runScript(client, DISCARD, write.key, [write.head])
    }
  }

  #noteDropped(write: StoreWrite, why: "full" | "given up"): void {
    this.#dropped += 1
    dropWrite(write)
    if (why === "full" && this.#rarely.isDue("full")) {
      const { maxQueuedWrites, maxQueuedBytes } = this.#limits
      const reason = `more than ${maxQueuedWrites} writes or ${maxQueuedBytes} bytes wait for ${this.#name}`
      this.#options.onFault(new StoreError("write", new Error(`${reason}; the oldest are dropped`)))
    }
  }
}

type Unqueued<Write> = Write extends unknown ? Omit<Write, "own" | "others"> : never

function closed(operation: string): StoreError {
  return new StoreError(operation, new Error("it is closed"))
}

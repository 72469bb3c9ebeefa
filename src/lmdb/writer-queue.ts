import { assert } from "../core/base/assert.js"
import { LogError, StoreError, type ZooCacheError } from "../core/base/errors.js"
import { Listeners } from "../core/base/waits.js"
import type { AppendReply } from "../core/ports/log.js"
import { writeUse } from "./layout.js"
import type {
  FromWriter,
  LogAppend,
  LogOutcome,
  LogWrite,
  StoreOutcome,
  StoreRequest,
  StoreWrite,
  ToWriter,
} from "./protocol.js"
import { received } from "./refusal.js"

/** Limits of what waits in memory until it is written. Beyond them entries are dropped; invalidations are refused. */
const MOST_QUEUED = 100_000
const MOST_QUEUED_BYTES = 64 * 1024 * 1024
const MOST_APPENDS = 50_000
/** Bytes before each row: the time of its last use. */
const USE_BYTES = 6

interface Waiting<Value> {
  /** Whose write it is. */
  readonly tenant: object
  resolve(value: Value): void
  reject(error: ZooCacheError): void
}

interface WaitingLog extends Waiting<AppendReply | undefined> {
  readonly write: LogWrite
}

interface WaitingStore extends Waiting<boolean> {
  readonly bytes: number
}

/** An append that is written, for those who follow the same prefix in this process. */
export interface Appended {
  readonly write: LogAppend
  readonly reply: AppendReply
}

/**
 * Writes on their way to the thread that writes, in two lines: of logs and of stores. Each write is queued, then posted,
 * then answered by its number, and settled once. A write that is posted and given up here may still be written.
 */
export class WriterQueue {
  /** Told whenever something was settled. */
  readonly settled = new Listeners()
  readonly #directory: string
  // Not yet posted.
  #logQueue: LogWrite[] = []
  #storeQueue: { readonly request: StoreRequest; readonly bytes: Uint8Array | undefined }[] = []
  // Posted or not, by number and in order. Queued writes are always those that were numbered last.
  readonly #logWaiting = new Map<number, WaitingLog>()
  readonly #storeWaiting = new Map<number, WaitingStore>()
  #nextLog = 0
  #nextStore = 0
  #storeBytes = 0

  /** @param directory for sentences. */
  constructor(directory: string) {
    this.#directory = directory
  }

  get isEmpty(): boolean {
    return this.#logWaiting.size + this.#storeWaiting.size === 0
  }

  /** How many writes of entries by a tenant are not done. */
  storeWritesOf(tenant: object): number {
    let count = 0
    for (const waiting of this.#storeWaiting.values()) if (waiting.tenant === tenant) count += 1
    return count
  }

  hasWritesOf(tenant: object): boolean {
    if (this.storeWritesOf(tenant) > 0) return true
    for (const waiting of this.#logWaiting.values()) if (waiting.tenant === tenant) return true
    return false
  }

  addLog(tenant: object, write: LogWrite): Promise<AppendReply | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#logWaiting.size >= MOST_APPENDS) {
        reject(new LogError(write.type, `${MOST_APPENDS} invalidations wait for ${this.#directory} already`))
        return
      }
      this.#logWaiting.set(this.#nextLog++, { tenant, write, resolve, reject })
      this.#logQueue.push(write)
    })
  }

  /** `bytes`: of a put. */
  addStore(tenant: object, request: StoreRequest, bytes: Uint8Array | undefined): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const size = bytes?.byteLength ?? 0
      if (this.#storeWaiting.size >= MOST_QUEUED || this.#storeBytes + size > MOST_QUEUED_BYTES) {
        const queued = `${this.#storeWaiting.size} writes (${this.#storeBytes} bytes) wait already`
        reject(new StoreError(request.type, `${queued}; it was dropped`))
        return
      }
      this.#storeWaiting.set(this.#nextStore++, { tenant, bytes: size, resolve, reject })
      this.#storeBytes += size
      this.#storeQueue.push({ request, bytes })
    })
  }

  /** Everything that is not yet posted, as one message with the rows behind each other; undefined if there is nothing. */
  take(): (ToWriter & { readonly type: "write" }) | undefined {
    const log = this.#logQueue
    const queued = this.#storeQueue
    if (log.length + queued.length === 0) return undefined
    this.#logQueue = []
    this.#storeQueue = []
    let size = 0
    for (const { bytes } of queued) if (bytes !== undefined) size += USE_BYTES + bytes.byteLength
    const packed = size === 0 ? undefined : new Uint8Array(size)
    let at = 0
    const store = queued.map(({ request, bytes }): StoreWrite => {
      if (request.type !== "put") return request
      const entry = bytes as Uint8Array
      packed?.set(entry, at + USE_BYTES)
      if (packed !== undefined) writeUse(packed, at, request.usedMs)
      const write = { ...request, at, size: USE_BYTES + entry.byteLength }
      at += write.size
      return write
    })
    const logFrom = this.#nextLog - log.length
    const storeFrom = this.#nextStore - store.length
    return { type: "write", log, store, logFrom, storeFrom, bytes: packed }
  }

  /** Settles what is written, and answers with the appends among it. */
  settle({ log, store, logIds, storeIds }: FromWriter & { readonly type: "written" }): Appended[] {
    const appended: Appended[] = []
    for (const [index, id] of logIds.entries()) {
      const waiting = this.#logWaiting.get(id)
      if (waiting === undefined) continue
      this.#logWaiting.delete(id)
      const { write } = waiting
      const outcome = log[index] as LogOutcome
      if ("error" in outcome) {
        waiting.reject(received(outcome.error, write.type, "log"))
        continue
      }
      waiting.resolve(outcome.value)
      if (write.type === "append" && outcome.value !== undefined) appended.push({ write, reply: outcome.value })
    }
    for (const [index, id] of storeIds.entries()) {
      const waiting = this.#storeWaiting.get(id)
      if (waiting === undefined) continue
      this.#storeWaiting.delete(id)
      this.#storeBytes -= waiting.bytes
      assert(this.#storeBytes >= 0, "the queue of the writer has fewer bytes than none")
      const outcome = store[index] as StoreOutcome
      if ("error" in outcome) waiting.reject(received(outcome.error, "write", "store"))
      else waiting.resolve(outcome.value)
    }
    this.settled.tell()
    return appended
  }

  /** Nothing of what waits will be written, or nobody will know. */
  rejectAll(logError: ZooCacheError, storeError: ZooCacheError): void {
    const logs = [...this.#logWaiting.values()]
    const stores = [...this.#storeWaiting.values()]
    this.#logQueue = []
    this.#storeQueue = []
    this.#logWaiting.clear()
    this.#storeWaiting.clear()
    this.#storeBytes = 0
    for (const waiting of logs) waiting.reject(logError)
    for (const waiting of stores) waiting.reject(storeError)
    this.settled.tell()
  }

  /** Rejects the writes of a tenant that leaves. They keep their places in the line: they may be written all the same. */
  rejectAllOf(tenant: object): void {
    const reason = "it was closed before it could be written"
    for (const waiting of this.#logWaiting.values()) {
      if (waiting.tenant === tenant) waiting.reject(new LogError(waiting.write.type, reason))
    }
    for (const waiting of this.#storeWaiting.values()) {
      if (waiting.tenant === tenant) waiting.reject(new StoreError("write", reason))
    }
  }
}

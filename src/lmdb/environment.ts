import { realpathSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { isMainThread } from "node:worker_threads"
import { ConfigurationError, LogError, StorageOpenError, StoreError, type ZooCacheError } from "../core/base/errors.js"
import type { AppendReply } from "../core/ports/log.js"
import { takeAdmission } from "./admission.js"
import { type Database, openDatabase } from "./database.js"
import { identityOf } from "./files.js"
import { writeUse } from "./layout.js"
import type {
  FromWriter,
  LogOutcome,
  LogWrite,
  StoreOutcome,
  StoreWrite,
  ToWriter,
  WriterSettings,
} from "./protocol.js"
import { openReader } from "./reader.js"
import { received } from "./refusal.js"
import { startWriter, type WriterHandle } from "./thread.js"

/** Someone who uses an environment: one prefix of one cache. */
export interface Tenant {
  readonly prefix: string
  readonly onFault: (error: ZooCacheError) => void
  /** What was known of the file may have changed. */
  onWritten(): void
  /** The file is open and knows the prefix; also after it was opened again. */
  onReady(): void
  onAppended(write: LogWrite & { readonly type: "append" }, reply: AppendReply): void
}

/** A write without what only the queue knows. */
export type StoreRequest =
  Omit<StoreWrite & { readonly type: "put" }, "at" | "size"> | Exclude<StoreWrite, { readonly type: "put" }>

interface Waiting<Value> {
  resolve(value: Value): void
  reject(error: ZooCacheError): void
}

interface WaitingLog extends Waiting<AppendReply | undefined> {
  readonly tenant: Tenant
  readonly write: LogWrite
}

interface WaitingStore extends Waiting<boolean> {
  readonly tenant: Tenant
  readonly bytes: number
}

interface WaitingOpen extends Waiting<void> {
  readonly tenant: Tenant
}

/** What waits in memory until it is written. Beyond it entries are dropped; invalidations are refused. */
const MOST_QUEUED = 100_000
const MOST_QUEUED_BYTES = 64 * 1024 * 1024
const MOST_APPENDS = 50_000
/** For how long writes that wait keep the process from exiting: one that is stopped elsewhere may hold the lock. */
const HOLD_MS = 2000
/** The same for a worker thread, whose writer has to start as a process before. */
const HOLD_IN_THREAD_MS = 10_000

type State = "opening" | "open" | "failed" | "closed"

const environments = new Map<string, Environment>()

/**
 * One data file as this process has it: a database for reading here, and the thread that writes. Shared by all caches of
 * the process that use its directory.
 */
export class Environment {
  readonly #id: string
  readonly #settings: WriterSettings
  readonly #tenants = new Set<Tenant>()
  #worker: WriterHandle | undefined
  #state: State = "opening"
  #failure: ZooCacheError | undefined
  #database: Database | undefined
  /** The file that the writer has opened, until it is open here as well. */
  #opening: (FromWriter & { readonly type: "opened" }) | undefined
  #path = ""
  #identity = ""
  /** Tenants whose prefix the open file knows. */
  readonly #attached = new Set<Tenant>()
  /** Tenants whose prefix the open file could not be told. */
  readonly #refused = new Map<Tenant, ZooCacheError>()
  readonly #openWaiters = new Set<WaitingOpen>()
  // Not yet posted.
  #logQueue: LogWrite[] = []
  #storeQueue: { readonly request: StoreRequest; readonly bytes: Uint8Array | undefined }[] = []
  #isFlushing = false
  // Posted or not, by number and in order. The thread may still answer what was given up here.
  #logWaiting = new Map<number, WaitingLog>()
  #storeWaiting = new Map<number, WaitingStore>()
  #nextLog = 0
  #nextStore = 0
  #storeBytes = 0
  readonly #idle = new Set<() => void>()
  readonly #releasing = new WeakMap<Tenant, Promise<void>>()
  readonly #hold: NodeJS.Timeout
  #isHolding = false

  static acquire(tenant: Tenant, settings: WriterSettings): Environment {
    const directory = realDirectory(settings.directory)
    const id = JSON.stringify([directory, settings.isDurable, settings.bootId])
    let environment = environments.get(id)
    if (environment === undefined) {
      environment = new Environment(id, { ...settings, directory })
      environments.set(id, environment)
    }
    environment.#join(tenant)
    environment.#compareMapSize(tenant, settings.mapSize)
    return environment
  }

  private constructor(id: string, settings: WriterSettings) {
    this.#id = id
    this.#settings = settings
    this.#hold = setTimeout(() => this.#letGo(), isMainThread ? HOLD_MS : HOLD_IN_THREAD_MS).unref()
    this.#start()
  }

  get directory(): string {
    return this.#settings.directory
  }

  /** For reading. Throws while it is not open for this tenant. */
  reader(tenant: Tenant): Database {
    const database = this.#database
    if (database === undefined || !this.#attached.has(tenant)) throw this.#notOpen(tenant)
    return database
  }

  isReady(tenant: Tenant): boolean {
    return this.#database !== undefined && this.#attached.has(tenant)
  }

  #notOpen(tenant?: Tenant): ZooCacheError {
    return (
      this.#failure ??
      (tenant === undefined ? undefined : this.#refused.get(tenant)) ??
      new StoreError("read", `${this.directory} is not open${this.#state === "opening" ? " yet" : ""}`)
    )
  }

  /** Resolves when it is open for this tenant. Tries again where opening had failed. */
  async ready(tenant: Tenant): Promise<void> {
    if (this.#state === "failed") this.#reopen()
    else if (this.#refused.delete(tenant)) this.#attach(tenant)
    while (!this.isReady(tenant)) {
      if (this.#state === "failed" || this.#state === "closed") throw this.#notOpen()
      await new Promise<void>((resolve, reject) => {
        this.#openWaiters.add({ tenant, resolve, reject })
        this.#holdOn()
      })
    }
  }

  /** Whether the file is still the one at its path; if not, it is opened anew in the background. */
  checkPath(): void {
    if (this.#database === undefined || identityOf(this.#path) === this.#identity) return
    this.#lose()
  }

  writeLog(tenant: Tenant, write: LogWrite): Promise<AppendReply | undefined> {
    return new Promise((resolve, reject) => {
      if (this.#state === "failed" || this.#state === "closed") reject(this.#notOpen())
      else if (this.#logWaiting.size >= MOST_APPENDS) {
        reject(new LogError(write.type, `${MOST_APPENDS} invalidations wait for ${this.directory} already`))
      } else {
        this.#logWaiting.set(this.#nextLog++, { tenant, write, resolve, reject })
        this.#logQueue.push(write)
        this.#flushSoon()
      }
    })
  }

  /** `bytes`: of a put. */
  writeStore(tenant: Tenant, request: StoreRequest, bytes?: Uint8Array): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const size = bytes?.byteLength ?? 0
      if (this.#state === "failed" || this.#state === "closed") reject(this.#notOpen())
      else if (this.#storeWaiting.size >= MOST_QUEUED || this.#storeBytes + size > MOST_QUEUED_BYTES) {
        const queued = `${this.#storeWaiting.size} writes (${this.#storeBytes} bytes) wait already`
        reject(new StoreError(request.type, `${queued}; it was dropped`))
      } else {
        this.#storeWaiting.set(this.#nextStore++, { tenant, bytes: size, resolve, reject })
        this.#storeBytes += size
        this.#storeQueue.push({ request, bytes })
        this.#flushSoon()
      }
    })
  }

  queued(tenant: Tenant): number {
    let count = 0
    for (const waiting of this.#storeWaiting.values()) if (waiting.tenant === tenant) count += 1
    return count
  }

  /** Resolves when what a tenant queued is written, or the time is over. */
  async settle(tenant: Tenant, patienceMs: number): Promise<void> {
    const deadline = new Deadline(patienceMs)
    try {
      await this.#settled(tenant, deadline)
    } finally {
      deadline.end()
    }
  }

  /** Ends the use by a tenant, when what it queued is written or the time is over. */
  release(tenant: Tenant, patienceMs: number): Promise<void> {
    let releasing = this.#releasing.get(tenant)
    if (releasing === undefined) {
      const deadline = new Deadline(patienceMs)
      releasing = this.#release(tenant, deadline).finally(() => deadline.end())
      this.#releasing.set(tenant, releasing)
    }
    return releasing
  }

  async #settled(tenant: Tenant, deadline: Deadline): Promise<void> {
    while (this.#waitsFor(tenant) && !deadline.isOver) {
      await Promise.race([deadline.over, new Promise<void>((resolve) => this.#idle.add(resolve))])
    }
  }

  async #release(tenant: Tenant, deadline: Deadline): Promise<void> {
    await this.#settled(tenant, deadline)
    this.#tenants.delete(tenant)
    this.#attached.delete(tenant)
    this.#refused.delete(tenant)
    this.#rejectAllOf(tenant)
    if (this.#tenants.size === 0) await this.#close(deadline)
  }

  // --- the thread ----------------------------------------------------------------------------------------------------

  #join(tenant: Tenant): void {
    this.#tenants.add(tenant)
    if (this.#state === "open") this.#attach(tenant)
  }

  #compareMapSize(tenant: Tenant, mapSize: number): void {
    const held = this.#settings.mapSize
    if (mapSize === held) return
    const error = new ConfigurationError(
      `The \`mapSize\` ${mapSize} of the cache with the prefix "${tenant.prefix}" is ignored: another cache of this ` +
        `process has ${this.directory} open with ${held}, which holds until all of them are closed. Pass the same ` +
        "`mapSize` to all; without one it follows from `maxBytes`.",
    )
    // Later: the cache that is told is still being made.
    queueMicrotask(() => tenant.onFault(error))
  }

  #start(): void {
    const worker = startWriter(this.#settings)
    this.#worker = worker
    let isOver = false
    const onEnd = (error: unknown) => {
      if (isOver || this.#worker !== worker) return
      isOver = true
      this.#crashed(error)
    }
    worker.on("message", (message: FromWriter) => {
      if (this.#worker === worker) this.#receive(message)
    })
    worker.on("error", onEnd)
    worker.on("exit", (code: number) => onEnd(new Error(`The writer thread ended with code ${code}.`)))
    this.#post({ type: "open" })
    // What waited for the one before waits for this one.
    if (this.#isHolding) worker.ref()
  }

  #post(message: ToWriter, transfer: ArrayBuffer[] = []): void {
    this.#worker?.postMessage(message, transfer)
  }

  #receive(message: FromWriter): void {
    switch (message.type) {
      case "opened":
        this.#opened(message)
        break
      case "admitted":
        this.#admitted(message.admission)
        break
      case "failed":
        this.#fail(received(message.error, "open", "store"))
        break
      case "written":
        this.#written(message)
        break
      case "lost":
        this.#lose()
        break
      case "fault":
        this.#fault(received(message.error, "clear away", "store"))
        break
      case "closed":
        break
    }
  }

  #opened(file: FromWriter & { readonly type: "opened" }): void {
    if (this.#state === "closed") return
    this.#closeReader()
    this.#opening = file
    if (this.#worker?.isProcess === true) this.#post({ type: "admit" })
    // Only now: opening has to wait for the gate unless the same process has the file open.
    else this.#enter(() => openDatabase({ path: file.path, readOnly: true }))
  }

  /** The process that writes holds the gate. Without a pause between taking the admission and answering. */
  #admitted(admission: string): void {
    const file = this.#opening
    if (file === undefined) this.#post({ type: "entered" })
    else if (!takeAdmission(admission)) this.#post({ type: "admit" })
    else {
      this.#enter(() => openReader(file.path, this.#settings.mapSize, file.isSynced))
      this.#post({ type: "entered" })
    }
  }

  #enter(open: () => Database): void {
    const { path, identity } = this.#opening as FromWriter & { readonly type: "opened" }
    this.#opening = undefined
    try {
      this.#database = open()
    } catch (error) {
      this.#fail(new StoreError("open", error))
      return
    }
    this.#path = path
    this.#identity = identity
    this.#state = "open"
    this.#failure = undefined
    for (const tenant of this.#tenants) this.#attach(tenant)
    this.#flushSoon()
  }

  /** Makes the prefix known to the file. */
  #attach(tenant: Tenant): void {
    this.writeLog(tenant, { type: "attach", prefix: tenant.prefix }).then(
      () => {
        if (this.#state !== "open" || !this.#tenants.has(tenant)) return
        this.#attached.add(tenant)
        this.#settleOpenWaiters((waiter) => waiter.resolve())
        tenant.onReady()
      },
      (error: unknown) => {
        if (this.#state !== "open" || !this.#tenants.has(tenant)) return
        // The others' prefixes are known to the file.
        this.#refused.set(tenant, error as ZooCacheError)
        this.#settleOpenWaiters((waiter) => waiter.reject(error as ZooCacheError), tenant)
      },
    )
  }

  #fail(error: ZooCacheError): void {
    if (this.#state === "closed") return
    this.#state = "failed"
    this.#failure = error
    this.#closeReader()
    this.#settleOpenWaiters((waiter) => waiter.reject(error))
    this.#rejectAll(() => error)
  }

  /** What is open is not what is at the path: nobody else will ever see what is written to it. */
  #lose(): void {
    if (this.#state !== "open") return
    this.#fault(new StoreError("read", `${this.directory} was removed or replaced; it is opened anew`))
    this.#reopen()
  }

  #reopen(): void {
    this.#closeReader()
    this.#state = "opening"
    this.#failure = undefined
    if (this.#worker === undefined) this.#start()
    else this.#post({ type: "open" })
  }

  #crashed(error: unknown): void {
    this.#worker = undefined
    if (this.#state === "closed") return
    if (this.#state !== "open") {
      this.#fail(new StorageOpenError(this.directory, `its writer thread failed: ${messageOf(error)}`, error))
      return
    }
    this.#rejectAll((part) => (part === "log" ? new LogError("append", error) : new StoreError("write", error)))
    this.#fault(new StoreError("write", error))
    this.#reopen()
  }

  #fault(error: ZooCacheError): void {
    for (const tenant of this.#tenants) tenant.onFault(error)
  }

  #closeReader(): void {
    this.#opening = undefined
    this.#attached.clear()
    this.#refused.clear()
    for (const tenant of this.#tenants) tenant.onWritten()
    const database = this.#database
    this.#database = undefined
    void database?.close()
  }

  async #close(deadline: Deadline): Promise<void> {
    this.#state = "closed"
    environments.delete(this.#id)
    clearTimeout(this.#hold)
    this.#settleOpenWaiters((waiter) => waiter.reject(this.#notOpen()))
    this.#closeReader()
    const worker = this.#worker
    this.#worker = undefined
    if (worker === undefined) return
    worker.postMessage({ type: "close" })
    await Promise.race([deadline.over, new Promise((resolve) => worker.once("exit", resolve))])
    // It may be in a transaction, or wait for the lock: nobody waits for it, and it ends by itself.
    worker.stop()
  }

  // --- the queue -----------------------------------------------------------------------------------------------------

  #flushSoon(): void {
    this.#holdOn()
    if (this.#isFlushing) return
    this.#isFlushing = true
    queueMicrotask(() => this.#flush())
  }

  /** Everything of this turn goes out in one message, the rows behind each other in one piece of memory. */
  #flush(): void {
    this.#isFlushing = false
    if (this.#worker === undefined || this.#state !== "open") return
    const log = this.#logQueue
    const queued = this.#storeQueue
    if (log.length + queued.length === 0) return
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
    // What is queued is always what was numbered last.
    const logFrom = this.#nextLog - log.length
    const storeFrom = this.#nextStore - store.length
    this.#post(
      { type: "write", log, store, logFrom, storeFrom, bytes: packed },
      packed === undefined ? [] : [packed.buffer],
    )
  }

  #written({ log, store, logIds, storeIds }: FromWriter & { readonly type: "written" }): void {
    // What was written is to be seen by whoever waited for it.
    this.#database?.resetReadTxn()
    for (const tenant of this.#tenants) tenant.onWritten()
    const appended: { readonly write: LogWrite & { readonly type: "append" }; readonly reply: AppendReply }[] = []
    for (const [index, id] of logIds.entries()) {
      const waiting = this.#logWaiting.get(id)
      if (waiting === undefined) continue
      this.#logWaiting.delete(id)
      const outcome = log[index] as LogOutcome
      if ("error" in outcome) waiting.reject(received(outcome.error, waiting.write.type, "log"))
      else {
        waiting.resolve(outcome.value)
        const { write } = waiting
        if (write.type === "append" && outcome.value !== undefined) appended.push({ write, reply: outcome.value })
      }
    }
    for (const [index, id] of storeIds.entries()) {
      const waiting = this.#storeWaiting.get(id)
      if (waiting === undefined) continue
      this.#storeWaiting.delete(id)
      this.#storeBytes -= waiting.bytes
      const outcome = store[index] as StoreOutcome
      if ("error" in outcome) waiting.reject(received(outcome.error, "write", "store"))
      else waiting.resolve(outcome.value)
    }
    // Everyone in this process who uses the same prefix is told.
    for (const { write, reply } of appended) {
      for (const tenant of this.#tenants) if (tenant.prefix === write.prefix) tenant.onAppended(write, reply)
    }
    this.#nothingWaits()
  }

  #waitsFor(tenant: Tenant): boolean {
    const isOf = (waiting: { readonly tenant: Tenant }) => waiting.tenant === tenant
    return [...this.#storeWaiting.values()].some(isOf) || [...this.#logWaiting.values()].some(isOf)
  }

  #nothingWaits(): void {
    for (const resolve of this.#idle) resolve()
    this.#idle.clear()
    if (this.#logWaiting.size + this.#storeWaiting.size === 0) this.#letGo()
  }

  #rejectAll(errorOf: (part: "log" | "store") => ZooCacheError): void {
    const waiting = [...this.#logWaiting.values(), ...this.#storeWaiting.values()]
    const logCount = this.#logWaiting.size
    this.#logQueue = []
    this.#storeQueue = []
    this.#logWaiting.clear()
    this.#storeWaiting.clear()
    this.#storeBytes = 0
    for (const [index, each] of waiting.entries()) each.reject(errorOf(index < logCount ? "log" : "store"))
    this.#nothingWaits()
  }

  /** What a tenant that leaves still waits for. It may be written all the same, so it keeps its place in the line. */
  #rejectAllOf(tenant: Tenant): void {
    for (const waiting of this.#logWaiting.values()) {
      if (waiting.tenant === tenant)
        waiting.reject(new LogError(waiting.write.type, "it was closed before it could be written"))
    }
    for (const waiting of this.#storeWaiting.values()) {
      if (waiting.tenant === tenant) waiting.reject(new StoreError("write", "it was closed before it could be written"))
    }
  }

  /** `tenant`: only those who wait for it. */
  #settleOpenWaiters(settle: (waiter: Waiting<void>) => void, tenant?: Tenant): void {
    for (const waiter of this.#openWaiters) {
      if (tenant !== undefined && waiter.tenant !== tenant) continue
      this.#openWaiters.delete(waiter)
      settle(waiter)
    }
  }

  // --- the life of the process ---------------------------------------------------------------------------------------

  #holdOn(): void {
    if (this.#isHolding) return
    this.#isHolding = true
    this.#worker?.ref()
    this.#hold.refresh()
  }

  #letGo(): void {
    if (!this.#isHolding) return
    this.#isHolding = false
    this.#worker?.unref()
  }
}

const USE_BYTES = 6

/** A time after which nothing is waited for any more. Keeps the process alive until then. */
class Deadline {
  isOver = false
  readonly over: Promise<void>
  #timer: NodeJS.Timeout | undefined

  constructor(delayMs: number) {
    this.over = new Promise((resolve) => {
      this.#timer = setTimeout(() => {
        this.isOver = true
        resolve()
      }, delayMs)
    })
  }

  end(): void {
    clearTimeout(this.#timer)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The same for all spellings of a path, also where the directory is yet to be made. */
function realDirectory(path: string): string {
  const absolute = resolve(path)
  try {
    return realpathSync(absolute)
  } catch {
    const parent = dirname(absolute)
    return parent === absolute ? absolute : join(realDirectory(parent), basename(absolute))
  }
}

import { systemClock } from "../core/base/clock.js"
import { inRootContext } from "../core/base/contexts.js"
import {
  ConfigurationError,
  LogError,
  messageOf,
  StorageOpenError,
  StoreError,
  type ZooCacheError,
} from "../core/base/errors.js"
import { oncePerProcess } from "../core/base/process-wide.js"
import { after, Deferred, pause, waitUntil, whenTold } from "../core/base/waits.js"
import type { AppendReply } from "../core/ports/log.js"
import { takeAdmission } from "./admission.js"
import { type Database, openDatabase } from "./database.js"
import { ExitHold } from "./exit-hold.js"
import { identityOf, realDirectory } from "./files.js"
import { openReader } from "./open-reader.js"
import type { FromWriter, LogAppend, LogWrite, StoreRequest, ToWriter, WriterSettings } from "./protocol.js"
import { received } from "./refusal.js"
import { startWriter, type WriterHandle } from "./start-writer.js"
import { WriterQueue } from "./writer-queue.js"

/** The use of an environment by one prefix of one cache. */
export interface Tenant {
  readonly prefix: string
  readonly onFault: (error: ZooCacheError) => void
  /** The file has changed, or is another one: nothing that was known of it holds. */
  onWritten(): void
  /** The file is open and knows the prefix; also after it was opened again. */
  onReady(): void
  /** Somebody in this process has appended to the same prefix. */
  onAppended(write: LogAppend, reply: AppendReply): void
}

type State = "opening" | "open" | "failed" | "closed"

/**
 * By directory. LMDB forbids a second opening of a file by one process, so all copies of this library share what is open.
 * Raise the number where an environment of before and after can't serve each other's tenants.
 */
const environments = oncePerProcess("LMDB environments", 1, () => new Map<string, Environment>())

/**
 * The data file of a directory as this process has it: a database for reading here, and the thread that writes. Shared by all
 * caches of the process that use the directory.
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
  /** Callers that wait until the file is open for a tenant. */
  readonly #openWaiters = new Map<Deferred<void>, Tenant>()
  readonly #queue: WriterQueue
  #isFlushing = false
  readonly #hold = new ExitHold()

  static acquire(tenant: Tenant, settings: WriterSettings): Environment {
    const directory = realDirectory(settings.directory)
    const id = JSON.stringify([directory, settings.isDurable, settings.bootId])
    let environment = environments.get(id)
    if (environment === undefined) {
      environment = new Environment(id, { ...settings, directory })
      environments.set(id, environment)
    }
    environment.join(tenant, settings.mapSize)
    return environment
  }

  private constructor(id: string, settings: WriterSettings) {
    this.#id = id
    this.#settings = settings
    this.#queue = new WriterQueue(settings.directory)
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
      if (this.#isOver) throw this.#notOpen()
      const waiter = new Deferred<void>()
      this.#openWaiters.set(waiter, tenant)
      this.#hold.holdOn()
      await waiter.promise
    }
  }

  /** Whether the file is still the one at its path; if not, it is opened anew in the background. */
  checkPath(): void {
    if (this.#database === undefined || identityOf(this.#path) === this.#identity) return
    this.#lose()
  }

  writeLog(tenant: Tenant, write: LogWrite): Promise<AppendReply | undefined> {
    if (this.#isOver) return Promise.reject(this.#notOpen())
    const written = this.#queue.addLog(tenant, write)
    this.#flushSoon()
    return written
  }

  /** `bytes`: of a put. */
  writeStore(tenant: Tenant, request: StoreRequest, bytes?: Uint8Array): Promise<boolean> {
    if (this.#isOver) return Promise.reject(this.#notOpen())
    const written = this.#queue.addStore(tenant, request, bytes)
    this.#flushSoon()
    return written
  }

  queued(tenant: Tenant): number {
    return this.#queue.storeWritesOf(tenant)
  }

  /** Resolves when what a tenant queued is written, or the time is over. Keeps the process alive until then. */
  async settle(tenant: Tenant, patienceMs: number): Promise<void> {
    await this.#settled(tenant, systemClock.now() + patienceMs)
  }

  /** Ends the use by a tenant, when what it queued is written or the time is over. Once for each tenant. */
  async release(tenant: Tenant, patienceMs: number): Promise<void> {
    const untilMs = systemClock.now() + patienceMs
    await this.#settled(tenant, untilMs)
    this.#tenants.delete(tenant)
    this.#attached.delete(tenant)
    this.#refused.delete(tenant)
    this.#queue.rejectAllOf(tenant)
    if (this.#tenants.size === 0) await this.#close(untilMs)
  }

  async #settled(tenant: Tenant, untilMs: number): Promise<void> {
    while (this.#queue.hasWritesOf(tenant)) {
      const leftMs = untilMs - systemClock.now()
      if (leftMs <= 0) return
      await pause(systemClock, leftMs, true, whenTold(this.#queue.settled))
    }
  }

  /** Nothing is written any more, unless it is opened again. */
  get #isOver(): boolean {
    return this.#state === "failed" || this.#state === "closed"
  }

  // --- the thread ----------------------------------------------------------------------------------------------------

  /** Not private: the environment may have been opened by another copy of this class. */
  join(tenant: Tenant, mapSize: number): void {
    this.#tenants.add(tenant)
    if (this.#state === "open") this.#attach(tenant)
    this.#compareMapSize(tenant, mapSize)
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

  /** In the root context: the writer and its listeners outlive the call that needed them first. */
  #start(): void {
    inRootContext(() => this.#startWriter())
  }

  #startWriter(): void {
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
    this.#hold.waitFor(worker)
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
        this.#settleOpenWaiters((waiter) => waiter.reject(error), tenant)
      },
    )
  }

  #fail(error: ZooCacheError): void {
    if (this.#state === "closed") return
    this.#state = "failed"
    this.#failure = error
    this.#closeReader()
    this.#settleOpenWaiters((waiter) => waiter.reject(error))
    this.#rejectAll(error, error)
  }

  /** The open file is not the one at the path: nobody else will ever see what is written to it. */
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
    this.#rejectAll(new LogError("append", error), new StoreError("write", error))
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

  async #close(untilMs: number): Promise<void> {
    this.#state = "closed"
    environments.delete(this.#id)
    this.#hold.end()
    this.#settleOpenWaiters((waiter) => waiter.reject(this.#notOpen()))
    this.#closeReader()
    const worker = this.#worker
    this.#worker = undefined
    if (worker === undefined) return
    worker.postMessage({ type: "close" })
    await waitUntil<void>(
      (wait) => {
        const onExit = () => wait.resolve()
        worker.on("exit", onExit)
        return () => worker.off("exit", onExit)
      },
      after(systemClock, Math.max(0, untilMs - systemClock.now()), true, () => {}),
    )
    // A writer that is in a transaction, or waits for the lock, ends by itself: nobody waits for it.
    worker.stop()
  }

  // --- the queue -----------------------------------------------------------------------------------------------------

  #flushSoon(): void {
    this.#hold.holdOn()
    if (this.#isFlushing) return
    this.#isFlushing = true
    queueMicrotask(() => this.#flush())
  }

  /** Everything of this turn goes out in one message. */
  #flush(): void {
    this.#isFlushing = false
    if (this.#worker === undefined || this.#state !== "open") return
    const message = this.#queue.take()
    if (message === undefined) return
    const { bytes } = message
    this.#post(message, bytes === undefined ? [] : [bytes.buffer as ArrayBuffer])
  }

  #written(message: FromWriter & { readonly type: "written" }): void {
    // Callers that waited for a write are to see it.
    this.#database?.resetReadTxn()
    for (const tenant of this.#tenants) tenant.onWritten()
    // Everyone in this process who uses the same prefix is told.
    for (const { write, reply } of this.#queue.settle(message)) {
      for (const tenant of this.#tenants) if (tenant.prefix === write.prefix) tenant.onAppended(write, reply)
    }
    if (this.#queue.isEmpty) this.#hold.letGo()
  }

  #rejectAll(logError: ZooCacheError, storeError: ZooCacheError): void {
    this.#queue.rejectAll(logError, storeError)
    this.#hold.letGo()
  }

  /** `tenant`: only those who wait for it. */
  #settleOpenWaiters(settle: (waiter: Deferred<void>) => void, tenant?: Tenant): void {
    for (const [waiter, of] of this.#openWaiters) {
      if (tenant !== undefined && of !== tenant) continue
      this.#openWaiters.delete(waiter)
      settle(waiter)
    }
  }
}

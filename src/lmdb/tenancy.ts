import type { Clock } from "../core/base/clock.js"
import type { ZooCacheError } from "../core/base/errors.js"
import type { BackendContext } from "../core/ports/backend.js"
import type { AppendReply } from "../core/ports/log.js"
import type { Database } from "./database.js"
import { Environment, type Tenant } from "./environment.js"
import type { Head } from "./layout.js"
import type { LogAppend, LogWrite, StoreRequest, WriterSettings } from "./protocol.js"

/** How long closing waits for what is queued. */
const CLOSE_MS = 1000

/** The parts of a backend that use a tenancy. */
type Part = "log" | "store"

/** The log of a tenancy, as it hears of the file. */
export interface TenancyListener {
  /** The file is open and knows the prefix; also after it was opened again. */
  onReady(): void
  /** Somebody in this process has appended to the same prefix. */
  onAppended(write: LogAppend, reply: AppendReply): void
}

/** The use of an environment by one prefix of one cache, until its log and its store have both left. */
export class Tenancy implements Tenant {
  readonly prefix: string
  readonly clock: Clock
  readonly onFault: (error: ZooCacheError) => void
  readonly #environment: Environment
  readonly #listeners = new Set<TenancyListener>()
  readonly #parts = new Set<Part>(["log", "store"])
  /** Space of the entries as the last look found it; undefined: not known. */
  #space: number | undefined
  /** When closing stops waiting, from the first part that leaves; undefined before. */
  #leaveByMs: number | undefined
  #released: Promise<void> | undefined

  constructor(settings: WriterSettings, { prefix, clock, onFault }: BackendContext) {
    this.prefix = prefix
    this.clock = clock
    this.onFault = onFault
    this.#environment = Environment.acquire(this, settings)
  }

  listen(listener: TenancyListener): void {
    this.#listeners.add(listener)
  }

  // --- for the log and the store -----------------------------------------------------------------------------------

  /** For reading. Throws while the file is not open for this prefix. */
  reader(): Database {
    return this.#environment.reader(this)
  }

  /** Resolves when the file is open for this prefix. Tries again where opening had failed. */
  ready(): Promise<void> {
    return this.#environment.ready(this)
  }

  /** Whether the file is still the one at its path; if not, it is opened anew in the background. */
  checkPath(): void {
    this.#environment.checkPath()
  }

  /** The space of the entries as the newest snapshot has it; undefined where it has to be read. */
  get space(): number | undefined {
    return this.#space
  }

  /** The head that the newest snapshot has. */
  seen(head: Head): void {
    this.#space = head.space
  }

  writeLog(write: LogWrite): Promise<AppendReply | undefined> {
    return this.#environment.writeLog(this, write)
  }

  /** `bytes`: of a put. */
  writeStore(request: StoreRequest, bytes?: Uint8Array): Promise<boolean> {
    return this.#environment.writeStore(this, request, bytes)
  }

  /** How many writes of entries are not done. */
  get queued(): number {
    return this.#environment.queued(this)
  }

  /**
   * Ends the use by one part. Queued writes are written before that is over, or given up: another process may hold the lock
   * for as long as it likes.
   */
  async leave(part: Part): Promise<void> {
    this.#parts.delete(part)
    const nowMs = performance.now()
    this.#leaveByMs ??= nowMs + CLOSE_MS
    const patienceMs = Math.max(0, this.#leaveByMs - nowMs)
    if (this.#parts.size > 0) await this.#environment.settle(this, patienceMs)
    else await (this.#released ??= this.#environment.release(this, patienceMs))
  }

  // --- for the environment -----------------------------------------------------------------------------------------

  /** The file has changed, or is another one. */
  onWritten(): void {
    this.#space = undefined
  }

  onReady(): void {
    for (const listener of this.#listeners) listener.onReady()
  }

  onAppended(write: LogAppend, reply: AppendReply): void {
    for (const listener of this.#listeners) listener.onAppended(write, reply)
  }
}

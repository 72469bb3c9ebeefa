import { randomBytes } from "node:crypto"
import { CorruptEntryError, isA } from "../core/base/errors.js"
import { Batch } from "./batch.js"
import { type Database, openDatabase } from "./database.js"
import { putEntry, removeEntry, touchEntry } from "./entry-rows.js"
import { readFreeBytes } from "./disk.js"
import { type DataFile, fileIdOf, identityOf, openError } from "./files.js"
import { Gate } from "./gate.js"
import { LockOwner } from "./lock-owner.js"
import { append, beginEpochOfAll, currentHead } from "./log-rows.js"
import { checkMeta } from "./meta.js"
import { makeMark, removeMark, removeOtherMarks } from "./opening-mark.js"
import type { LogOutcome, LogWrite, StoreOutcome, StoreWrite, WriterSettings } from "./protocol.js"
import { isDiskFull, Refusal, sendable } from "./refusal.js"
import { FreeSpace } from "./free-space.js"
import { Sweeper } from "./sweep.js"

/** A put as it waits: with the bytes of the message that brought it. */
export interface QueuedWrite {
  readonly write: StoreWrite
  readonly bytes: Uint8Array | undefined
}

export interface Written {
  readonly log: LogOutcome[]
  readonly store: StoreOutcome[]
}

/** An open data file, and all that is ever written to it by this process. */
export class Writer {
  readonly #settings: WriterSettings
  readonly path: string
  readonly identity: string
  readonly isSynced: boolean
  readonly #database: Database
  readonly #leastOrdinal: number
  readonly #freeSpace: FreeSpace
  readonly #gate: Gate
  readonly #locks: readonly LockOwner[]
  readonly #sweeper: Sweeper

  /** Opens the file, which takes the write lock. Throws {@link Refusal}. */
  constructor(settings: WriterSettings, file: DataFile, lock: LockOwner) {
    const { directory, mapSize } = settings
    this.#settings = settings
    this.path = file.path
    this.isSynced = file.isSynced
    this.#leastOrdinal = file.leastOrdinal
    this.#freeSpace = new FreeSpace(
      directory,
      mapSize,
      () => Date.now(),
      () => readFreeBytes(directory),
    )
    let database: Database | undefined
    let gate: Gate | undefined
    const locks = [lock]
    try {
      gate = Gate.open(file.path)
      const gateLock = new LockOwner(gate.lockPath)
      locks.push(gateLock)
      database = gate.hold(() => {
        gateLock.calibrate()
        const opened = openDatabase({ path: file.path, mapSize, noSync: !file.isSynced })
        this.#check(opened, lock)
        return opened
      })
      this.#gate = gate
      this.#locks = locks
      this.#database = database
      const owner = `${process.pid}.${randomBytes(6).toString("hex")}`
      this.#sweeper = new Sweeper(database, owner, (work) => this.#gate.hold(work))
      this.identity = identityOf(file.path) ?? ""
      database.readerCheck()
    } catch (error) {
      for (const each of locks) each.close()
      void database?.close()
      void gate?.close()
      throw openError(directory, error)
    }
  }

  #check(database: Database, lock: LockOwner): void {
    const { directory } = this.#settings
    const wallMs = Date.now()
    const id = fileIdOf(this.path)
    const mark = makeMark(directory, this.isSynced)
    try {
      database.transactionSync(() => {
        lock.calibrate()
        const batch = new Batch(database, wallMs)
        const isCopy = checkMeta(database, directory, id, mark, wallMs)
        if (isCopy) beginEpochOfAll(batch, this.#leastOrdinal)
        batch.flush()
      })
    } catch (error) {
      removeMark(directory, mark)
      throw error
    }
    removeOtherMarks(directory, mark, this.isSynced)
  }

  /** Writes all of it in one transaction. A write that fails, fails by itself where it can. */
  write(log: readonly LogWrite[], store: readonly QueuedWrite[]): Written {
    try {
      if (!this.#freeSpace.beginTransaction()) throw this.#freeSpace.full()
      return this.#gate.hold(() => this.#transact(log, store))
    } catch (error) {
      if (isDiskFull(error)) this.#freeSpace.pause("the disk is full")
      const failed = { error: sendable(error, this.#settings.directory) }
      const storeFailed = store.map(() => failed)
      // Entries may not take an invalidation with them.
      if (store.length === 0 || log.length === 0) return { log: log.map(() => failed), store: storeFailed }
      return { log: this.write(log, []).log, store: storeFailed }
    }
  }

  #transact(log: readonly LogWrite[], store: readonly QueuedWrite[]): Written {
    const database = this.#database
    return database.transactionSync(() => {
      const batch = new Batch(database, Date.now())
      const written: Written = { log: [], store: [] }
      for (const each of log) written.log.push({ value: this.#writeLog(batch, each) })
      for (const each of store) written.store.push(this.#writeStore(batch, each))
      batch.flush()
      return written
    })
  }

  #writeLog(batch: Batch, write: LogWrite) {
    const leastOrdinal = this.#leastOrdinal
    if (write.type === "append") return append(batch, { ...write, leastOrdinal })
    const position = write.type === "renew" ? write.position : { epoch: undefined, cursor: 0 }
    currentHead(batch, write.prefix, position, leastOrdinal)
    return undefined
  }

  #writeStore(batch: Batch, { write, bytes }: QueuedWrite): StoreOutcome {
    try {
      switch (write.type) {
        case "put": {
          const { buffer, byteOffset } = bytes as Uint8Array
          const row = Buffer.from(buffer, byteOffset + write.at, write.size)
          return { value: putEntry(batch, this.#freeSpace, { ...write, row }) }
        }
        case "remove":
          removeEntry(batch, write.prefix, write.key, write.rank)
          return { value: true }
        case "touch":
          touchEntry(batch, this.#freeSpace, write)
          return { value: true }
      }
    } catch (error) {
      // Refused before anything was written; any other failure undoes the batch.
      if (isA(error, Refusal) || isA(error, CorruptEntryError))
        return { error: sendable(error, this.#settings.directory) }
      throw error
    }
  }

  isAtItsPath(): boolean {
    return identityOf(this.path) === this.identity
  }

  /** Clears away a little. False when there is nothing more to be seen for now. */
  sweep(): boolean {
    return this.#sweeper.step(Date.now())
  }

  checkReaders(): void {
    this.#database.readerCheck()
  }

  /** Holds the gate until the promise is settled; nothing may be written meanwhile. */
  async holdGate(work: () => Promise<void>): Promise<void> {
    await this.#gate.holdUntil(work)
  }

  /** Whether a process that stands still holds what every transaction needs. */
  get lock(): Pick<LockOwner, "isStopped"> {
    return { isStopped: () => this.#locks.some((each) => each.isStopped()) }
  }

  async close(): Promise<void> {
    for (const each of this.#locks) each.close()
    await this.#database.close()
    await this.#gate.close()
  }
}

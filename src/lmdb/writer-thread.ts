/**
 * The thread that writes. Whatever waits while a transaction runs becomes the next one. See
 * docs/adr/0012-writer-thread.md.
 */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads"
import { readBootId } from "./boot-id.js"
import { type DataFile, openError, prepareFile } from "./files.js"
import { gatePathOf } from "./gate.js"
import { LockOwner } from "./lock-owner.js"
import type { FromWriter, LogWrite, ToWriter, WriterSettings } from "./protocol.js"
import { sendable } from "./refusal.js"
import { type QueuedWrite, Writer } from "./writer.js"

const port = parentPort as MessagePort
const settings = workerData as WriterSettings

/** What one transaction takes at most, so that others get their turn at the lock. */
const MOST_WRITES = 256
const MOST_BYTES = 1024 * 1024
/** How long to wait where the lock is held by a process that is stopped. */
const STOPPED_PAUSE_MS = 5
/** Between steps of clearing away, which yields to everything else. */
const SWEEP_STEP_MS = 20
const READER_CHECK_MS = 60_000

let writer: Writer | undefined
let isOpening = false
let isClosing = false
let log: { readonly id: number; readonly write: LogWrite }[] = []
let store: (QueuedWrite & { readonly id: number })[] = []
let waiting: NodeJS.Timeout | undefined

port.on("message", (message: ToWriter) => {
  take(message)
  // Everything that has arrived meanwhile belongs to the same transaction.
  for (let more = receiveMessageOnPort(port); more !== undefined; more = receiveMessageOnPort(port)) {
    take(more.message as ToWriter)
  }
  work()
})

function take(message: ToWriter): void {
  switch (message.type) {
    case "open":
      isOpening = true
      break
    case "write":
      for (const [index, write] of message.log.entries()) log.push({ id: message.logFrom + index, write })
      for (const [index, write] of message.store.entries()) {
        store.push({ id: message.storeFrom + index, write, bytes: message.bytes })
      }
      break
    case "close":
      isClosing = true
      break
  }
}

function work(): void {
  if (waiting !== undefined) return
  // Nobody would use it, and opening may wait for the lock, which nothing could end.
  if (isOpening && !isClosing) {
    open()
    return
  }
  while (writer !== undefined && log.length + store.length > 0) {
    if (writer.lock.isStopped()) {
      later(STOPPED_PAUSE_MS)
      return
    }
    writeSome(writer)
    for (let more = receiveMessageOnPort(port); more !== undefined; more = receiveMessageOnPort(port)) {
      take(more.message as ToWriter)
    }
    if (isOpening && !isClosing) {
      open()
      return
    }
  }
  if (isClosing) void close()
}

function later(delayMs: number): void {
  waiting = setTimeout(() => {
    waiting = undefined
    work()
  }, delayMs)
}

let preparing: { readonly lock: LockOwner; readonly gate: LockOwner; readonly file: DataFile } | undefined

function open(): void {
  try {
    if (writer !== undefined) {
      void writer.close()
      writer = undefined
    }
    if (preparing === undefined) {
      const file = prepareFile(settings.directory, settings.isDurable, settings.bootId ?? readBootId())
      const gate = new LockOwner(`${gatePathOf(file.path)}-lock`)
      preparing = { file, lock: new LockOwner(`${file.path}-lock`), gate }
    }
    // Opening takes the lock as well.
    if (preparing.lock.isStopped() || preparing.gate.isStopped()) {
      later(STOPPED_PAUSE_MS)
      return
    }
    const { file, lock, gate } = preparing
    gate.close()
    preparing = undefined
    isOpening = false
    writer = new Writer(settings, file, lock)
    const { path, identity, isSynced } = writer
    send({ type: "opened", path, identity, isSynced })
  } catch (error) {
    preparing = undefined
    isOpening = false
    // Whoever waits for these is told that they failed; written later they would be a surprise.
    log = []
    store = []
    send({ type: "failed", error: sendable(openError(settings.directory, error), settings.directory) })
  }
  later(0)
}

function writeSome(to: Writer): void {
  // Invalidations first: entries can wait.
  const logNow = log.splice(0, MOST_WRITES)
  let count = 0
  for (let bytes = 0; count < store.length && count < MOST_WRITES - logNow.length && bytes < MOST_BYTES; count++) {
    const { write } = store[count] as QueuedWrite
    if (write.type === "put") bytes += write.size
  }
  const storeNow = store.splice(0, count)
  const ids = { logIds: logNow.map(({ id }) => id), storeIds: storeNow.map(({ id }) => id) }
  const written = to.write(
    logNow.map(({ write }) => write),
    storeNow,
  )
  if (to.isAtItsPath()) {
    send({ type: "written", ...written, ...ids })
    scheduleSweep()
  } else {
    const error = sendable(new Error("The directory was removed or replaced meanwhile."), settings.directory)
    send({ type: "lost" })
    send({ type: "written", log: logNow.map(() => ({ error })), store: storeNow.map(() => ({ error })), ...ids })
    void to.close()
    writer = undefined
  }
}

// --- clearing away -----------------------------------------------------------------------------------------------------

let sweeping: NodeJS.Timeout | undefined

function scheduleSweep(): void {
  sweeping ??= setTimeout(sweep, settings.sweepPauseMs).unref()
}

function sweep(): void {
  sweeping = undefined
  if (writer === undefined || isClosing || waiting !== undefined) return
  try {
    if (writer.lock.isStopped()) scheduleSweep()
    else if (writer.sweep()) sweeping = setTimeout(sweep, Math.min(SWEEP_STEP_MS, settings.sweepPauseMs)).unref()
  } catch (error) {
    send({ type: "fault", error: sendable(error, settings.directory) })
  }
}

// What processes that were killed leave in the table of readers would keep freed pages from use.
const checking = setInterval(() => {
  if (writer?.lock.isStopped() === false) writer.checkReaders()
  scheduleSweep()
}, READER_CHECK_MS).unref()

async function close(): Promise<void> {
  clearTimeout(sweeping)
  clearInterval(checking)
  await writer?.close()
  writer = undefined
  send({ type: "closed" })
  port.close()
}

function send(message: FromWriter): void {
  port.postMessage(message)
}

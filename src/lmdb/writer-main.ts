/**
 * The thread that writes, or the process that does so for a worker thread. Writes that wait while a transaction runs become
 * the next one. See docs/adr/0012-writer-thread.md.
 */
import { BackOff } from "../core/base/back-off.js"
import { systemClock } from "../core/base/clock.js"
import { Listeners, waitUntil, whenTold } from "../core/base/waits.js"
import { Admission } from "./admission.js"
import { readBootId } from "./boot-id.js"
import { type DataFile, openError, prepareFile } from "./files.js"
import { gatePathOf } from "./gate.js"
import { LockOwner } from "./lock-owner.js"
import { findOwner } from "./owner.js"
import type { LogWrite, ToWriter } from "./protocol.js"
import { sendable } from "./refusal.js"
import { type QueuedWrite, Writer } from "./writer.js"

const owner = findOwner()
const { settings } = owner

/** Limits of one transaction, so that others get their turn at the lock. */
const MOST_WRITES = 256
const MOST_BYTES = 1024 * 1024
/** Pause before the next look at a lock that a stopped process holds. */
const STOPPED_PAUSE_MS = 5
/** Pause between steps of clearing away, which yields to everything else. */
const SWEEP_STEP_MS = 20
const READER_CHECK_MS = 60_000
/** Time for which the gate is held for a thread that does not come: twice as long each time. */
const ADMISSION_MS = 50
const MOST_ADMISSION_MS = 2000

let writer: Writer | undefined
let isOpening = false
let isClosing = false
let log: { readonly id: number; readonly write: LogWrite }[] = []
let store: (QueuedWrite & { readonly id: number })[] = []
let waiting: NodeJS.Timeout | undefined
/** The owner asked for the gate. */
let isAskedIn = false
/** The gate is held for the owner. */
let isAdmitting = false
/** Told when the owner has opened the file, or will not: the gate need not be held for it any more. */
const admissionEnds = new Listeners()
const admissionTimes = new BackOff({ firstMs: ADMISSION_MS, longestMs: MOST_ADMISSION_MS })

owner.listen(
  (messages) => {
    for (const message of messages) take(message)
    // Everything that has arrived belongs to the same transaction.
    work()
  },
  () => {
    isClosing = true
    admissionEnds.tell()
    work()
  },
)

function take(message: ToWriter): void {
  switch (message.type) {
    case "open":
      isOpening = true
      admissionEnds.tell()
      break
    case "admit":
      isAskedIn = true
      admissionEnds.tell()
      break
    case "entered":
      admissionTimes.reset()
      admissionEnds.tell()
      break
    case "write":
      for (const [index, write] of message.log.entries()) log.push({ id: message.logFrom + index, write })
      for (const [index, write] of message.store.entries()) {
        store.push({ id: message.storeFrom + index, write, bytes: message.bytes })
      }
      break
    case "close":
      isClosing = true
      admissionEnds.tell()
      break
  }
}

function work(): void {
  if (waiting !== undefined || isAdmitting) return
  // Nobody would use it, and opening may wait for the lock, which nothing could end.
  if (isOpening && !isClosing) {
    open()
    return
  }
  if (isAskedIn && !isClosing && writer !== undefined) {
    admit(writer)
    return
  }
  while (writer !== undefined && log.length + store.length > 0) {
    if (writer.lock.isStopped()) {
      // The rest is written for nobody.
      if (owner.hasStopped) process.exit()
      later(STOPPED_PAUSE_MS)
      return
    }
    writeSome(writer)
    for (const message of owner.receive()) take(message)
    if ((isOpening || isAskedIn) && !isClosing) {
      later(0)
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
    isAskedIn = false
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
    writer = owner.guard(() => new Writer(settings, file, lock))
    const { path, identity, isSynced } = writer
    owner.send({ type: "opened", path, identity, isSynced })
  } catch (error) {
    preparing = undefined
    isOpening = false
    // Callers are told that these failed; written later they would be a surprise.
    log = []
    store = []
    owner.send({ type: "failed", error: sendable(openError(settings.directory, error), settings.directory) })
  }
  later(0)
}

/**
 * Holds the gate while the owner opens the file, which the owner could not: no thread that may be terminated may hold a
 * lock.
 */
function admit(to: Writer): void {
  if (to.lock.isStopped()) {
    later(STOPPED_PAUSE_MS)
    return
  }
  isAskedIn = false
  isAdmitting = true
  const patienceMs = admissionTimes.next()
  const held = to.holdGate(async () => {
    const admission = new Admission(settings.directory)
    const admitted = waitUntil<void>(whenTold(admissionEnds), (wait) => {
      // An owner that has taken the admission is about to open the file, and answers; else it is not there any more.
      const impatient = systemClock.setTimer(
        () => {
          if (admission.withdraw()) wait.resolve()
        },
        patienceMs,
        true,
      )
      return () => impatient.cancel()
    })
    owner.send({ type: "admitted", admission: admission.path })
    await admitted
    admission.withdraw()
  })
  held
    .catch((error: unknown) => {
      log = []
      store = []
      owner.send({ type: "failed", error: sendable(openError(settings.directory, error), settings.directory) })
    })
    .finally(() => {
      isAdmitting = false
      work()
    })
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
  const written = owner.guard(() =>
    to.write(
      logNow.map(({ write }) => write),
      storeNow,
    ),
  )
  if (to.isAtItsPath()) {
    owner.send({ type: "written", ...written, ...ids })
    scheduleSweep()
  } else {
    const error = sendable(new Error("The directory was removed or replaced meanwhile."), settings.directory)
    owner.send({ type: "lost" })
    owner.send({ type: "written", log: logNow.map(() => ({ error })), store: storeNow.map(() => ({ error })), ...ids })
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
  if (writer === undefined || isClosing || isAdmitting || waiting !== undefined) return
  try {
    const to = writer
    if (to.lock.isStopped()) scheduleSweep()
    else if (owner.guard(() => to.sweep()))
      sweeping = setTimeout(sweep, Math.min(SWEEP_STEP_MS, settings.sweepPauseMs)).unref()
  } catch (error) {
    owner.send({ type: "fault", error: sendable(error, settings.directory) })
  }
}

// Readers of processes that were killed stay in the table, and would keep freed pages from use.
const checking = setInterval(() => {
  if (writer?.lock.isStopped() === false) writer.checkReaders()
  scheduleSweep()
}, READER_CHECK_MS).unref()

let isLeaving = false

async function close(): Promise<void> {
  if (isLeaving) return
  isLeaving = true
  clearTimeout(sweeping)
  clearInterval(checking)
  await writer?.close()
  writer = undefined
  owner.send({ type: "closed" })
  owner.leave()
}

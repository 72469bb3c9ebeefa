import { isMainThread, Worker } from "node:worker_threads"
import { Brake } from "./brake.js"
import { WriterProcess } from "./process.js"
import type { FromWriter, ToWriter, WriterSettings } from "./protocol.js"
import { writerFile } from "./writer-file.js"

/** The thread or process that writes. Messages come as `message`, the end as `error` or `exit`. */
export interface WriterHandle {
  /** The file must be opened with the gate held: nobody in this process may have it open. */
  readonly isProcess: boolean
  postMessage(message: ToWriter, transfer?: ArrayBuffer[]): void
  /** Keeps the process alive, or not. */
  ref(): void
  unref(): void
  /** Begins no more transactions, whatever it has been given. */
  stop(): void
  on(event: "message", listener: (message: FromWriter) => void): unknown
  on(event: "error", listener: (error: Error) => void): unknown
  on(event: "exit", listener: (code: number) => void): unknown
  off(event: "exit", listener: (code: number) => void): unknown
}

/**
 * Starts the writer: a thread, and from a worker thread a process. For `worker.terminate()` ends a thread and all that it has
 * started wherever they are, and nobody is told before. A writer keeps no process alive unless told to.
 */
export function startWriter(settings: WriterSettings): WriterHandle {
  const file = writerFile()
  return isMainThread ? startThread(file, settings) : new WriterProcess(file, settings)
}

function startThread(file: URL, settings: WriterSettings): WriterHandle {
  const brake = new Brake()
  const worker = new Worker(file, {
    workerData: { settings, brake: brake.memory },
    // Nothing of what the program was started with concerns it, and some of it (`--import`, `--inspect`) would.
    execArgv: [],
    name: "zoocache-lmdb",
  })
  worker.unref()
  if (brakes.size === 0) process.on("exit", stopAll)
  brakes.add(brake)
  worker.once("exit", () => {
    brakes.delete(brake)
    if (brakes.size === 0) process.off("exit", stopAll)
  })
  return Object.assign(worker, { isProcess: false, stop: () => brake.set() })
}

// --- the exit of the process -------------------------------------------------------------------------------------------

/** Brakes of all threads that have not ended. */
const brakes = new Set<Brake>()
/** A transaction takes microseconds, and on a slow disk some seconds at the very worst. */
const EXIT_MS = 5000

/** Node.js ends threads wherever they are. A listener of `exit`, which is the last that runs before. */
function stopAll(): void {
  for (const brake of brakes) brake.set()
  const deadline = performance.now() + EXIT_MS
  for (const brake of brakes) {
    if (brake.waitForEnd(deadline - performance.now())) continue
    // The thread waits for a lock that another process has, or for a disk, and the process would wait for it. Death lets go
    // of all locks, and what was acknowledged is written.
    process.kill(process.pid, "SIGKILL")
  }
}

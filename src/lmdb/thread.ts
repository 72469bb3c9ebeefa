import { Worker } from "node:worker_threads"
import type { WriterSettings } from "./protocol.js"

/** Starts the thread that writes. It keeps no process alive unless told to. */
export function startWriter(settings: WriterSettings): Worker {
  // From the sources it needs a loader for TypeScript, which tests and development have.
  const file = import.meta.url.endsWith(".ts") ? "./writer-thread-source.mjs" : "./writer-thread.cjs"
  const worker = new Worker(new URL(file, import.meta.url), {
    workerData: settings,
    // Nothing of what the program was started with concerns it, and some of it (`--import`, `--inspect`) would.
    execArgv: [],
    name: "zoocache-lmdb",
  })
  worker.unref()
  return worker
}

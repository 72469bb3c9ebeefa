import { Worker, type WorkerOptions } from "node:worker_threads"

/** Runs a TypeScript file in a thread. It finds `data` in its `workerData.data`. */
export function startThread(file: URL, data?: unknown, options: WorkerOptions = {}): Worker {
  return new Worker(new URL("./thread.mjs", import.meta.url), { ...options, workerData: { file: file.href, data } })
}

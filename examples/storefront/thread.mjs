// Node.js gives a worker none of the loaders of the thread that starts it, so it learns TypeScript here first.
import { workerData } from "node:worker_threads"
import { register } from "tsx/esm/api"

register()
await import(workerData.file)

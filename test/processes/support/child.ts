/**
 * The program of a process, and of each worker thread and cluster worker that it starts: a cache and its commands. Its
 * data comes as JSON: to a process as its argument, to a thread as `workerData`, to a cluster worker in `STATION`.
 */
import cluster from "node:cluster"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import { answerCalls, Caller, type Channel } from "./calls.js"
import { type StationCommands, stationCommands, type StationData } from "./commands.js"

const channel: Channel =
  parentPort === null
    ? {
        send: (message) => process.send?.(message),
        onMessage: (listener) => process.on("message", listener),
      }
    : {
        send: (message) => parentPort?.postMessage(message),
        onMessage: (listener) => parentPort?.on("message", listener),
      }

const data = JSON.parse(
  isMainThread ? (process.env["STATION"] ?? process.argv[2] ?? "") : String(workerData),
) as StationData

const inner: { caller: Caller<StationCommands>; stop: () => Promise<unknown> }[] = []

const relay = {
  /** A cache more, in a thread of this process. Returns its number. */
  startThread: (others: Partial<StationData>) => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: JSON.stringify({ ...data, ...others }) })
    const onMessage = (listener: (message: unknown) => void) => void worker.on("message", listener)
    const caller = new Caller<StationCommands>({ send: (message) => worker.postMessage(message), onMessage })
    return inner.push({ caller, stop: () => worker.terminate() }) - 1
  },
  /** A cache more in this thread. */
  startCache: (others: Partial<StationData>) => {
    const commands = stationCommands({ ...data, ...others }) as Record<string, (...args: unknown[]) => unknown>
    const call = async (name: string, ...args: unknown[]) => await commands[name]?.(...args)
    return inner.push({ caller: { call } as Caller<StationCommands>, stop: () => call("close") }) - 1
  },
  /** The same in a process that the cluster module starts. */
  startClusterWorker: async (others: Partial<StationData>) => {
    const worker = cluster.fork({ STATION: JSON.stringify({ ...data, ...others }) })
    // What is sent to it before it listens is lost.
    await once(worker, "message")
    const onMessage = (listener: (message: unknown) => void) => void worker.on("message", listener)
    const caller = new Caller<StationCommands>({ send: (message) => worker.send(message as object), onMessage })
    return inner.push({ caller, stop: () => Promise.resolve(worker.kill()) }) - 1
  },
  /** Has one of them do something. */
  through: (index: number, name: keyof StationCommands, ...args: unknown[]): Promise<unknown> => {
    const call = inner[index]?.caller.call as (name: string, ...args: unknown[]) => Promise<unknown>
    return call.call(inner[index]?.caller, name, ...args)
  },
  /** Ends one of them wherever it is. */
  stop: async (index: number) => {
    await inner[index]?.stop()
  },
  stopAll: async () => {
    for (const { stop } of inner.splice(0)) await stop()
  },
}

export type ChildCommands = StationCommands & typeof relay

if (isMainThread) process.on("disconnect", () => process.exit())
// Whoever has started it may have ended before it came here.
if (isMainThread && !process.connected) process.exit()
answerCalls(channel, { ...stationCommands(data), ...relay })
if (cluster.isWorker) channel.send({ id: 0, result: "listening" })

import { isMainThread, type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads"
import { Brake } from "./brake.js"
import { LISTENING } from "./process.js"
import type { FromWriter, ToWriter, WriterSettings } from "./protocol.js"

/** The thread that this thread, or this process, writes for. */
export interface Owner {
  readonly settings: WriterSettings
  /** The owner wants nothing to be begun any more, or is gone. */
  readonly hasStopped: boolean
  /** `onMessages` gets all that have arrived meanwhile, and `onGone` is called when nothing more will. */
  listen(onMessages: (messages: ToWriter[]) => void, onGone: () => void): void
  /** Messages that have arrived since. */
  receive(): ToWriter[]
  send(message: FromWriter): void
  /** Does what must not be interrupted. Ends this thread instead where nothing may begin any more. */
  guard<T>(work: () => T): T
  leave(): void
}

export function findOwner(): Owner {
  return parentPort === null || isMainThread ? ownerOfProcess() : ownerOfThread(parentPort)
}

function ownerOfThread(port: MessagePort): Owner {
  const { settings, brake: memory } = workerData as { settings: WriterSettings; brake: SharedArrayBuffer }
  const brake = new Brake(memory)
  const receive = () => {
    const messages: ToWriter[] = []
    for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port)) {
      messages.push(next.message as ToWriter)
    }
    return messages
  }
  return {
    settings,
    get hasStopped() {
      return brake.isSet
    },
    listen: (onMessages) => void port.on("message", (message: ToWriter) => onMessages([message, ...receive()])),
    receive,
    send: (message) => port.postMessage(message),
    guard: (work) => {
      // Ends this thread only.
      if (!brake.begin()) process.exit()
      try {
        return work()
      } finally {
        brake.end()
      }
    },
    leave: () => port.close(),
  }
}

/** Nobody ends this process but itself: it needs no brake. If it is killed all the same, the system frees its locks. */
function ownerOfProcess(): Owner {
  const settings = JSON.parse(process.argv[2] ?? "") as WriterSettings
  const arrived: ToWriter[] = []
  let isComing = false
  const receive = () => arrived.splice(0)
  return {
    settings,
    get hasStopped() {
      return !process.connected
    },
    listen: (onMessages, onGone) => {
      process.on("message", (message: ToWriter) => {
        arrived.push(message)
        if (isComing) return
        isComing = true
        setImmediate(() => {
          isComing = false
          onMessages(receive())
        })
      })
      process.on("disconnect", onGone)
      // They go to all processes of a terminal or a service. How this one ends is the matter of the program it belongs to.
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {})
      process.send?.(LISTENING)
    },
    receive,
    send: (message) => {
      if (process.connected) process.send?.(message, undefined, undefined, () => {})
    },
    guard: (work) => work(),
    leave: () => {
      if (process.connected) process.disconnect()
    },
  }
}

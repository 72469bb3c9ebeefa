// oxlint-disable unicorn/require-post-message-target-origin -- a rule for browser windows; these are threads
import type { DatabaseThread } from "./database.js"
import type { ServerCounts, ServerData } from "./server.js"
import { startThread } from "./thread.js"
import type { WayName } from "./ways/way.js"

export interface Server {
  readonly port: number
  counts(): Promise<ServerCounts>
  stop(): Promise<void>
}

/** Starts a server with nothing in its cache. */
export async function startServer(way: WayName, database: DatabaseThread, sabotage: boolean): Promise<Server> {
  const connection = database.connect()
  const data: ServerData = { way, sabotage, database: connection }
  const worker = startThread(new URL("./server.ts", import.meta.url), data, { transferList: [connection] })
  const nextMessage = <T>() => {
    return new Promise<T>((resolve, reject) => {
      worker.once("message", (message: T) => {
        worker.off("error", reject)
        resolve(message)
      })
      worker.once("error", reject)
    })
  }
  return {
    port: await nextMessage<number>(),
    counts: () => {
      const counts = nextMessage<ServerCounts>()
      worker.postMessage("counts")
      return counts
    },
    stop: async () => {
      await worker.terminate()
    },
  }
}

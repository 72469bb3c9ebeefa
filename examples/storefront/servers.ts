// oxlint-disable unicorn/require-post-message-target-origin -- a rule for browser windows; these are threads
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { rmSync } from "node:fs"
import { mkdtemp } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Worker } from "node:worker_threads"
import { atExit } from "./at-exit.js"
import type { Pausable } from "./chaos.js"
import type { DatabaseThread } from "./database.js"
import type { Flags } from "./flags.js"
import type { ServerCounts, ServerData } from "./server.js"
import { startThread } from "./thread.js"
import type { WayName } from "./ways/way.js"

export interface Servers {
  readonly ports: readonly number[]
  /** None where there is only a thread. */
  readonly nodes: readonly Pausable[]
  /** Of all of them together. */
  counts(): Promise<ServerCounts>
  stop(): Promise<void>
}

interface Server {
  readonly port: number
  readonly node?: Pausable
  counts(): Promise<ServerCounts>
  stop(): Promise<void>
}

const FILE = new URL("./server.ts", import.meta.url)

export interface ServersOptions {
  readonly way: WayName
  readonly database: DatabaseThread
  readonly flags: Flags
  /** Where the processes share a cache by a server. */
  readonly redisUrl: string | undefined
}

/** Starts a server in a thread, or several in a process each, with nothing in their caches. */
export async function startServers({ way, database, flags, redisUrl }: ServersOptions): Promise<Servers> {
  const { processes, sabotage } = flags
  const isThread = processes === 1 && !flags.redis
  const folder = isThread || flags.redis ? undefined : await mkdtemp(join(tmpdir(), "storefront-"))
  const removeFolder = () => {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }
  const forget = atExit(removeFolder)
  const data = { way, sabotage, sharedPath: folder, redisUrl }
  const starting = isThread
    ? [inThread(data, database)]
    : Array.from({ length: processes }, () => inProcess({ ...data, database: database.socketPort }))
  const servers = await Promise.all(starting)
  return {
    ports: servers.map(({ port }) => port),
    nodes: servers.flatMap(({ node }) => node ?? []),
    counts: async () => sum(await Promise.all(servers.map((server) => server.counts()))),
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop()))
      forget()
      removeFolder()
    },
  }
}

async function inThread(data: Omit<ServerData, "database">, database: DatabaseThread): Promise<Server> {
  const connection = database.connect()
  const worker = startThread(FILE, { ...data, database: connection }, { transferList: [connection] })
  return {
    port: await nextMessage<number>(worker),
    counts: () => {
      const counts = nextMessage<ServerCounts>(worker)
      worker.postMessage("counts")
      return counts
    },
    stop: async () => {
      await worker.terminate()
    },
  }
}

async function inProcess(data: ServerData): Promise<Server> {
  const child = fork(fileURLToPath(FILE), [JSON.stringify(data)])
  // One that stands still would not notice that this process has gone.
  const forget = atExit(() => child.kill("SIGKILL"))
  return {
    port: await nextMessage<number>(child),
    node: {
      pause: () => void child.kill("SIGSTOP"),
      resume: () => void child.kill("SIGCONT"),
    },
    counts: () => {
      const counts = nextMessage<ServerCounts>(child)
      child.send("counts")
      return counts
    },
    stop: async () => {
      const ended = once(child, "exit")
      child.kill()
      await ended
      forget()
    },
  }
}

function nextMessage<T>(server: Worker | ChildProcess): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onEnd = (reason: unknown) =>
      reject(reason instanceof Error ? reason : new Error(`a server ended (${reason})`))
    server.once("message", (message: T) => {
      server.off("error", onEnd)
      server.off("exit", onEnd)
      resolve(message)
    })
    server.once("error", onEnd)
    server.once("exit", onEnd)
  })
}

function sum(counts: readonly ServerCounts[]): ServerCounts {
  const all = { queries: 0, lookups: { hits: 0, misses: 0 } }
  for (const { queries, lookups } of counts) {
    all.queries += queries
    all.lookups.hits += lookups?.hits ?? 0
    all.lookups.misses += lookups?.misses ?? 0
  }
  return { queries: all.queries, lookups: counts[0]?.lookups === undefined ? undefined : all.lookups }
}

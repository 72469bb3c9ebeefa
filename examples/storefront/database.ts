// oxlint-disable unicorn/require-post-message-target-origin -- a rule for browser windows; these are threads
import { MessageChannel, type MessagePort } from "node:worker_threads"
import { startThread } from "./thread.js"

export interface Question {
  readonly id: number
  readonly sql: string
  readonly params: unknown[]
  /** What `copy … from '/dev/blob'` reads. */
  readonly copy: string | undefined
}

export type Answer = { readonly id: number; readonly rows: unknown[] } | { readonly id: number; readonly error: string }

/** One end of a way to the database: a message port, or what database-socket.ts makes of a socket. */
export interface Connection {
  postMessage(message: unknown): void
  on(event: "message" | "close", listener: (message?: unknown) => void): unknown
  close(): void
}

/** A connection to the database. It counts what it is asked. */
export class Database {
  queries = 0
  readonly #connection: Connection
  readonly #waiting = new Map<number, { resolve: (rows: unknown[]) => void; reject: (error: Error) => void }>()

  constructor(connection: Connection) {
    this.#connection = connection
    connection.on("message", (answer) => this.#settle(answer as Answer))
    connection.on("close", () => this.#abandon())
  }

  /** Runs one statement, which is also one transaction. */
  query<Row>(sql: string, params: unknown[] = [], copy?: string): Promise<Row[]> {
    this.queries += 1
    const question: Question = { id: this.queries, sql, params, copy }
    return new Promise<Row[]>((resolve, reject) => {
      this.#waiting.set(question.id, { resolve: resolve as (rows: unknown[]) => void, reject })
      this.#connection.postMessage(question)
    })
  }

  close(): void {
    this.#connection.close()
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id)
    this.#waiting.delete(answer.id)
    if ("error" in answer) waiting?.reject(new Error(answer.error))
    else waiting?.resolve(answer.rows)
  }

  #abandon(): void {
    for (const { reject } of this.#waiting.values()) reject(new Error("the database has gone"))
    this.#waiting.clear()
  }
}

/** The database itself; see database-thread.ts. */
export interface DatabaseThread {
  /** One end of a new connection, to be given to `new Database` here or in another thread. */
  connect(): MessagePort
  /** Where other processes connect to; see database-socket.ts. */
  readonly socketPort: number
  stop(): Promise<void>
}

export async function startDatabase(): Promise<DatabaseThread> {
  const worker = startThread(new URL("./database-thread.ts", import.meta.url))
  const socketPort = await new Promise<number>((resolve, reject) => {
    worker.once("message", resolve)
    worker.once("error", reject)
  })
  return {
    socketPort,
    connect: () => {
      const { port1, port2 } = new MessageChannel()
      worker.postMessage(port1, [port1])
      return port2
    },
    stop: async () => {
      await worker.terminate()
    },
  }
}
